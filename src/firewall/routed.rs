//! Routing of what comes in: to this host, on to another, or nowhere.

use std::net::IpAddr;

use super::bytes::number;
use super::strand::{Address, Strand};
use super::walker::Walker;
use super::{Client, Fate, Leg, Missing};
use crate::facts::route::{Route, RouteKey, RouteKind};
use crate::facts::ruleset::Hook;

const TO_LOOPBACK: &str = "what comes from other hosts is not delivered to loopback (route_localnet is not 1)";
const STAYS: &str = "this host does not forward (forwarding is 0)";

impl Walker<'_> {
    /// To this host, or on to another.
    pub(super) fn routed(&mut self, strand: Strand) {
        let Address::Fixed(to) = strand.state.destination.address else {
            let doubt = self.why("where the packet goes is chosen when it comes");
            self.give_up(strand, doubt, None);
            return;
        };
        let input = strand.state.input.as_ref().map(|device| device.name.to_string()).filter(|name| name != "lo");
        if self.addresses.holds(to) {
            match input.filter(|_| to.is_loopback()) {
                Some(input) => self.for_loopback(strand, to, &input),
                None => self.delivered(strand),
            }
            return;
        }
        match input.filter(|_| !self.v6) {
            // IPv4 asks whether it forwards first, IPv6 where to.
            Some(input) => {
                let told = self.setting(&format!("net/ipv4/conf/{input}/forwarding"));
                if let Some(strand) = self.if_it_forwards(strand, to, told) {
                    self.onwards(strand, to);
                }
            }
            None => self.onwards(strand, to),
        }
    }

    fn delivered(&mut self, strand: Strand) {
        let strands = self.hook(Hook::Input, Leg::Request, vec![strand]);
        for strand in strands {
            self.answer(strand);
        }
    }

    /// What comes from another host is not delivered to 127.0.0.1, unless this one was told so; ::1 is no route to it.
    fn for_loopback(&mut self, strand: Strand, to: IpAddr, input: &str) {
        if self.v6 {
            return self.end(strand, Fate::Unrouted { to, silent: None });
        }
        // Both are asked for at once.
        let told = ["all", input].map(|name| self.setting(&format!("net/ipv4/conf/{name}/route_localnet")));
        if told.contains(&Ok(true)) {
            return self.delivered(strand);
        }
        let unknown = told.into_iter().find_map(Result::err);
        self.end_unless(
            strand,
            unknown,
            ("whether loopback may be reached", Fate::Unrouted { to, silent: Some(TO_LOOPBACK) }),
        );
    }

    /// A setting that is on or off; one that this kernel does not have is off.
    fn setting(&self, path: &str) -> Result<bool, Missing> {
        self.known.sysctl(path).map(|value| value != "0")
    }

    /// Ends a strand so, unless what that rests on is not known.
    fn end_unless(&mut self, strand: Strand, unknown: Option<Missing>, (what, fate): (&str, Fate)) {
        match unknown {
            None => self.end(strand, fate),
            Some(missing) => {
                let doubt = self.missing(&missing, what);
                self.give_up(strand, doubt, None);
            }
        }
    }

    /// A host that does not forward drops what is for others without a word.
    fn if_it_forwards(&mut self, strand: Strand, to: IpAddr, told: Result<bool, Missing>) -> Option<Strand> {
        if told == Ok(true) {
            return Some(strand);
        }
        self.end_unless(strand, told.err(), ("whether this host forwards", Fate::Unrouted { to, silent: Some(STAYS) }));
        None
    }

    /// IPv6: a setting for all interfaces, and since Linux 6.17 one for each, which older kernels do not have.
    fn forwards_ipv6(&self, input: &str) -> Result<bool, Missing> {
        if self.setting("net/ipv6/conf/all/forwarding")? {
            return Ok(true);
        }
        match self.setting(&format!("net/ipv6/conf/{input}/force_forwarding")) {
            Err(Missing::Blind(_)) => Ok(false),
            told => told,
        }
    }

    fn onwards(&mut self, strand: Strand, to: IpAddr) {
        let input = strand.state.input.as_ref().map(|device| device.name.to_string());
        // Without one source the way is that of what this host would send there itself.
        let (from, by) = match self.packet.client {
            Client::Address(client) => (Some(client), input.clone()),
            Client::Any | Client::Here => (None, None),
        };
        let Some(mark) = number(&strand.state.mark) else {
            let doubt = self.why("the route depends on a mark that is not known");
            self.give_up(strand, doubt, None);
            return;
        };
        match self.known.route(&RouteKey { to, from, input: by, mark }) {
            Ok(Route { kind: RouteKind::Unicast, interface, .. }) => {
                let forwarding = match input.filter(|name| self.v6 && name != "lo") {
                    Some(input) => self.forwards_ipv6(&input),
                    None => Ok(true),
                };
                let Some(strand) = self.if_it_forwards(strand, to, forwarding) else { return };
                if let Some(strand) = self.by(strand, interface.as_deref()) {
                    self.through(strand);
                }
            }
            Ok(Route { kind: RouteKind::Local, .. }) => self.delivered(strand),
            Ok(Route { kind, .. }) => self.end(strand, Fate::Unrouted { to, silent: silently(*kind) }),
            Err(missing) => {
                let doubt = self.missing(&missing, "the way onwards");
                self.give_up(strand, doubt, None);
            }
        }
    }
}

/// Why a router says nothing.
fn silently(kind: RouteKind) -> Option<&'static str> {
    match kind {
        RouteKind::Blackhole => Some("its route is a blackhole"),
        RouteKind::Martian => Some("its source may not come in that way (rp_filter)"),
        RouteKind::Unicast
        | RouteKind::Local
        | RouteKind::Broadcast
        | RouteKind::Multicast
        | RouteKind::Unreachable
        | RouteKind::Prohibit
        | RouteKind::NoRoute => None,
    }
}
