//! A refusal: the packet is gone, and an error goes back to the client, through rules itself.

use super::strand::{Address, Kind, Port, Strand, Tracking};
use super::walker::Walker;
use super::way::{device, turn};
use super::{Client, Fate, Leg, Place};
use crate::facts::ruleset::Hook;
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::socket::Transport;

impl Walker<'_> {
    /// Refuses with an answer. One that does not reach the client is silence.
    pub(super) fn refuse(&mut self, mut strand: Strand, with: RejectWith, by: Place) {
        let silent = with == RejectWith::TcpReset && self.packet.transport == Transport::Udp;
        if silent || by.leg == Leg::Reply {
            return self.end(strand, Fate::Dropped { by });
        }
        let tracked = matches!(strand.state.tracking, Tracking::New | Tracking::Established);
        let state = strand.state();
        turn(state, self.error(with));
        // An error takes over the connection of the packet it is about; about others it belongs to none.
        state.tracking = if tracked { Tracking::Related } else { Tracking::Unseen };
        state.connection.exists = tracked;
        if self.packet.client == Client::Here {
            state.output = Some(device("lo"));
        }
        state.input = None;
        if matches!(state.kind, Kind::Icmp { .. }) && by.hook == Hook::Forward {
            let own = self.why("it depends on the address this host sends its errors from");
            state.source.address = Address::Unknown(own);
            state.source.port = Port::Unknown(own);
        }
        let out = if by.hook == Hook::Ingress {
            self.hook(Hook::Egress, Leg::Reply, vec![strand])
        } else {
            self.out(strand, Leg::Reply)
        };
        for strand in out {
            self.end(strand, Fate::Rejected { with, by: by.clone() });
        }
    }

    /// The packet that says so.
    fn error(&self, with: RejectWith) -> Kind {
        match with {
            RejectWith::TcpReset => Kind::Reset,
            RejectWith::Icmp(code) => Kind::Icmp { kind: 3, code },
            RejectWith::Icmpv6(code) => Kind::Icmp { kind: 1, code },
            RejectWith::Icmpx(code) if self.v6 => {
                // No route, port, host (there is no such code: address), administratively prohibited.
                Kind::Icmp { kind: 1, code: [0, 4, 3, 1].get(usize::from(code)).copied().unwrap_or(4) }
            }
            RejectWith::Icmpx(code) => {
                Kind::Icmp { kind: 3, code: [0, 3, 1, 13].get(usize::from(code)).copied().unwrap_or(3) }
            }
        }
    }
}
