//! A refusal: the packet is gone, and an error goes back to the client, through rules itself.

use super::strand::{Address, Ignored, Kind, Strand, Tracking};
use super::walker::Walker;
use super::way::{device, turn};
use super::{Client, Fate, Leg, Place};
use crate::facts::route::{Route, RouteKey};
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::ruleset::{Family, Hook};
use crate::facts::socket::Transport;

impl Walker<'_> {
    /// Refuses with an answer. One that does not reach the client is silence.
    pub(super) fn refuse(&mut self, mut strand: Strand, with: RejectWith, by: Place) {
        let silent = with == RejectWith::TcpReset && self.packet.transport == Transport::Udp;
        if silent || by.leg == Leg::Reply {
            return self.end(strand, Fate::Dropped { by });
        }
        let with = of_family(with, self.v6);
        let tracked = matches!(strand.state.tracking, Tracking::New | Tracking::Established);
        let untracked = strand.state.tracking == Tracking::Untracked;
        let state = strand.state();
        turn(state, self.error(with));
        // An error takes over the connection of the packet it is about; about others it belongs to none.
        state.tracking = if tracked { Tracking::Related } else { Tracking::Unseen };
        state.connection.exists = tracked;
        state.ignored = if untracked { Ignored::Never } else { Ignored::No };
        if self.packet.client == Client::Here {
            state.output = Some(device("lo"));
        }
        state.input = None;
        let strands = if self.names_itself(&strand, &by) { self.by_own_address(strand) } else { vec![strand] };
        let mut out = Vec::new();
        for strand in strands {
            out.extend(if at_device(&by) {
                self.hook(Hook::Egress, Leg::Reply, vec![strand])
            } else {
                self.out(strand, Leg::Reply)
            });
        }
        for strand in out {
            self.end(strand, Fate::Rejected { with, by: by.clone() });
        }
    }

    /// Does an error come from an address that this host chooses? Else it comes from the one that was asked.
    fn names_itself(&self, error: &Strand, by: &Place) -> bool {
        if !matches!(error.state.kind, Kind::Icmp { .. }) || at_device(by) {
            return false;
        }
        let asked = match error.state.source.address {
            Address::Fixed(address) => self.addresses.holds(address),
            Address::Client | Address::Unknown(_) => false,
        };
        // Before routing IPv4 does not know yet that the address is this host's; over lo the packet was routed already.
        let over_lo = error.state.output.as_ref().is_some_and(|device| &*device.name == "lo");
        !asked || (!self.v6 && !over_lo && matches!(by.hook, Hook::Prerouting | Hook::Ingress))
    }

    /// An error from the address that this host would send to the client from.
    fn by_own_address(&mut self, mut strand: Strand) -> Vec<Strand> {
        let end = |strand: &mut Strand, address| {
            let source = &mut strand.state().source;
            source.address = address;
        };
        if let Address::Fixed(to) = strand.state.destination.address
            && self.addresses.holds(to)
        {
            // To one of its own addresses this host sends from that address.
            end(&mut strand, Address::Fixed(to));
            return vec![strand];
        }
        let odd = Address::Unknown(self.why("it depends on the address this host sends its errors from"));
        if let Client::Address(client) = self.packet.client {
            let key = RouteKey { to: client, from: None, input: None, mark: 0 };
            let address = match self.known.route(&key) {
                Ok(Route { source: Some(source), .. }) => Address::Fixed(*source),
                Ok(_) => odd,
                Err(missing) => Address::Unknown(self.missing(&missing, "the way back to the client")),
            };
            end(&mut strand, address);
            return vec![strand];
        }
        let mut strands = Vec::new();
        for (_, net, own) in self.networks() {
            let near = strand.addresses.split(&net);
            if !near.is_empty() {
                let mut near = strand.with_addresses(near);
                end(&mut near, Address::Fixed(own));
                strands.push(near);
            }
        }
        if !strand.addresses.is_empty() {
            end(&mut strand, odd);
            strands.push(strand);
        }
        strands
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

/// The kernel takes the code for one of the packet's own family, whatever family the rule names.
fn of_family(with: RejectWith, v6: bool) -> RejectWith {
    match with {
        RejectWith::Icmp(code) if v6 => RejectWith::Icmpv6(code),
        RejectWith::Icmpv6(code) if !v6 => RejectWith::Icmp(code),
        RejectWith::TcpReset | RejectWith::Icmp(_) | RejectWith::Icmpv6(_) | RejectWith::Icmpx(_) => with,
    }
}

/// Refused by a table of netdev: the error goes back out of the device at once.
fn at_device(by: &Place) -> bool {
    by.base.table.family == Family::Netdev
}
