//! The way of a packet through the hooks: in, through or out, and the answer's way back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::bytes::{Byte, number};
use super::hooks::Item;
use super::ranges::Ranges;
use super::strand::{Address, Connection, Device, End, Ignored, Kind, Port, State, Strand, Tracking};
use super::walker::{Frame, Walker};
use super::{Client, Fate, Leg, Missing};
use crate::facts::route::{Route, RouteKey, RouteKind};
use crate::facts::ruleset::{Chain, Hook, LegacyTable, Policy};
use crate::facts::socket::Transport;

const NO_WAY_BACK: &str = "no route leads back to the client";
const FILTERED: &str = "answers would leave by another interface than the one it comes in by (rp_filter)";

/// A base chain, with its table if that is a legacy one.
type Based<'k> = (&'k Chain, Option<&'k LegacyTable>);

impl<'k> Walker<'k> {
    /// Sends the packet, and what becomes of it is in `done`.
    pub(super) fn walk(&mut self) {
        match self.packet.client {
            Client::Here => self.depart(),
            Client::Any | Client::Address(_) => {
                for strand in self.arrivals() {
                    self.arrive(strand);
                }
            }
        }
    }

    /// Highest number of an address.
    pub(super) fn last(&self) -> u128 {
        if self.v6 { u128::MAX } else { u128::from(u32::MAX) }
    }

    /// A strand as it sets out.
    fn strand(&self, addresses: Ranges, client: Address) -> Strand {
        let to = End { address: Address::Fixed(self.packet.to.ip()), port: Port::Fixed(self.packet.to.port()) };
        let from = End { address: client, port: Port::Client };
        let zero = [Byte::Const(0); 4];
        let connection = Connection {
            mark: zero,
            original: (from, to),
            reply: (to, from),
            exists: false,
            confirmed: false,
            labelled: false,
            settled: (false, false),
            translated: (false, false),
        };
        let state = State {
            kind: Kind::First(self.packet.transport),
            source: from,
            destination: to,
            mark: zero,
            tracking: Tracking::Unseen,
            ignored: Ignored::No,
            connection,
            reply: false,
            arrived: None,
            input: None,
            output: None,
            looped: false,
            passed: Vec::new(),
            translated: None,
            added: Vec::new(),
            listed: Vec::new(),
            doubts: Vec::new(),
            ghost: false,
        };
        Strand { addresses, ports: Ranges::one(0, u128::from(u16::MAX)), members: Vec::new(), state: Rc::new(state) }
    }

    /// Sources by the interface they come in on: the one their answers leave by.
    fn arrivals(&mut self) -> Vec<Strand> {
        if let Client::Address(client) = self.packet.client {
            let one = number_of(client);
            let strand = self.strand(Ranges::one(one, one), Address::Fixed(client));
            let target = self.packet.to.ip();
            let from = self.addresses.holds(target).then_some(target);
            let route = RouteKey { to: client, from, input: None, mark: 0 };
            let local = self.addresses.holds(client);
            return match self.known.route(&route) {
                _ if local => self.comes_in(strand, "lo"),
                Ok(Route { kind: RouteKind::Unicast, interface: Some(name), .. }) => {
                    self.unless_filtered(strand, client, name)
                }
                Ok(Route { kind: RouteKind::Local, interface: Some(name), .. }) => self.comes_in(strand, name),
                Ok(_) => {
                    self.end(strand, Fate::Unrouted { to: client, silent: Some(NO_WAY_BACK) });
                    Vec::new()
                }
                Err(missing) => {
                    let doubt = self.missing(&missing, "the way back to the client");
                    self.give_up(strand, doubt, None).into_iter().collect()
                }
            };
        }
        let mut rest = Ranges::one(0, self.last());
        let mut arrivals = Vec::new();
        for (name, net, _) in self.networks() {
            let near = rest.split(&net);
            if near.is_empty() {
                continue;
            }
            let strand = self.strand(near, Address::Client);
            arrivals.extend(self.comes_in(strand, &name));
        }
        let far = self.strand(rest, Address::Client);
        match self.outside() {
            Some(name) => arrivals.extend(self.comes_in(far, &name)),
            None => arrivals.push(far),
        }
        super::split::join(arrivals)
    }

    /// Comes in by the interface that its answers leave by; unless the target's address is on another, and the kernel
    /// drops there what is not answered by the same (`rp_filter`, IPv4 only).
    fn unless_filtered(&mut self, strand: Strand, client: IpAddr, back: &str) -> Vec<Strand> {
        let to = self.packet.to.ip();
        let holder = self.addresses.all.iter().find(|a| a.address == to).map(|a| a.interface.clone());
        let Some(holder) = holder.filter(|name| !self.v6 && name != back && name != "lo") else {
            return self.comes_in(strand, back);
        };
        let way_in = RouteKey { to, from: Some(client), input: Some(holder), mark: 0 };
        match self.known.route(&way_in) {
            Ok(Route { kind: RouteKind::Martian, .. }) => {
                self.end(strand, Fate::Unrouted { to: client, silent: Some(FILTERED) });
                Vec::new()
            }
            Ok(_) => self.comes_in(strand, back),
            Err(missing) => {
                let doubt = self.missing(&missing, "the way in");
                self.give_up(strand, doubt, None).into_iter().collect()
            }
        }
    }

    /// Connected networks with their interfaces and this host's own address there, the narrowest first.
    pub(super) fn networks(&self) -> Vec<(String, Ranges, IpAddr)> {
        let width: u8 = if self.v6 { 128 } else { 32 };
        let near = |a: &&crate::facts::host::LocalAddress| {
            a.up && a.address.is_ipv6() == self.v6 && a.prefix > 0 && a.prefix < width && !a.address.is_loopback()
        };
        let mut found: Vec<_> = self.addresses.all.iter().filter(near).collect();
        found.sort_by_key(|a| std::cmp::Reverse(a.prefix));
        let net = |a: &crate::facts::host::LocalAddress| {
            let host = 1u128.checked_shl(u32::from(width - a.prefix)).map_or(u128::MAX, |size| size - 1);
            let low = number_of(a.address) & !host;
            (a.interface.clone(), Ranges::one(low, low | host), a.address)
        };
        found.into_iter().map(net).collect()
    }

    /// The interface that everybody else comes in on: the one with the target's address, else the default one.
    fn outside(&self) -> Option<String> {
        let to = self.packet.to.ip();
        let holder = self.addresses.all.iter().find(|a| a.address == to && !a.address.is_loopback());
        let dull = |name: &str| name == "lo" || name.starts_with("dummy");
        let holder = holder.map(|a| a.interface.clone()).filter(|name| !dull(name));
        let first =
            || self.addresses.all.iter().find(|a| a.up && !a.address.is_loopback()).map(|a| a.interface.clone());
        holder.or_else(|| self.addresses.default_interface.clone()).or_else(first)
    }

    /// A packet that comes from another host.
    fn arrive(&mut self, mut strand: Strand) {
        let input = strand.state.input.clone();
        strand.state().arrived = input;
        let strands = self.hook(Hook::Ingress, Leg::Request, vec![strand]);
        let strands = self.hook(Hook::Prerouting, Leg::Request, strands);
        for strand in strands {
            self.routed(strand);
        }
    }

    /// From one interface to another, and the answer back.
    pub(super) fn through(&mut self, strand: Strand) {
        let interface = strand.state.output.as_ref().map(|device| device.name.to_string());
        let mut strands = vec![strand];
        for hook in [Hook::Forward, Hook::Postrouting, Hook::Egress] {
            strands = self.hook(hook, Leg::Request, strands);
        }
        for strand in &mut strands {
            turn(strand.state(), Kind::Answer(self.packet.transport));
        }
        for hook in [Hook::Ingress, Hook::Prerouting, Hook::Forward, Hook::Postrouting, Hook::Egress] {
            strands = self.hook(hook, Leg::Reply, strands);
        }
        for strand in strands {
            self.answered(strand, Fate::Forwarded { interface: interface.clone() });
        }
    }

    /// The answer of this host's socket.
    pub(super) fn answer(&mut self, mut strand: Strand) {
        turn(strand.state(), Kind::Answer(self.packet.transport));
        strand.state().input = None;
        let strands = self.out(strand, Leg::Reply);
        for strand in strands {
            self.answered(strand, Fate::Delivered);
        }
    }

    /// The answer is at the client. One that was not translated back, since a rule had connection tracking ignore it, is
    /// none to what the client asked.
    fn answered(&mut self, strand: Strand, fate: Fate) {
        let (asking, asked) = strand.state.connection.original;
        let answers = strand.state.source == asked && strand.state.destination == asking;
        let fate = match &strand.state.ignored {
            Ignored::By(by) if !answers => Fate::Dropped { by: by.clone() },
            Ignored::By(_) | Ignored::No | Ignored::Never => fate,
        };
        self.end(strand, fate);
    }

    /// What this host sends itself leaves; over lo it comes in again.
    pub(super) fn out(&mut self, strand: Strand, leg: Leg) -> Vec<Strand> {
        let mut strands = self.output(strand, leg);
        for hook in [Hook::Postrouting, Hook::Egress] {
            strands = self.hook(hook, leg, strands);
        }
        let looped = |strand: &Strand| strand.state.output.as_ref().is_some_and(|device| &*device.name == "lo");
        let (mut back, mut gone): (Vec<Strand>, Vec<Strand>) = strands.into_iter().partition(looped);
        if leg == Leg::Reply && !back.is_empty() {
            back = self.back_in(back, leg);
            back = self.hook(Hook::Input, leg, back);
        }
        gone.extend(back);
        gone
    }

    /// The output hook. Its rules see the interface that leads to where the packet goes before it is translated back.
    fn output(&mut self, mut strand: Strand, leg: Leg) -> Vec<Strand> {
        let after = strand.state.output.clone();
        let back = match (strand.state.destination.address, strand.state.connection.original.0.address) {
            (Address::Fixed(to), from) if Address::Fixed(to) != from => Some(to),
            _ => None,
        };
        if let Some(to) = back {
            let name = if self.addresses.holds(to) {
                Some("lo".to_owned())
            } else {
                let key = RouteKey { to, from: None, input: None, mark: 0 };
                self.known.route(&key).ok().and_then(|route| route.interface.clone())
            };
            strand.state().output = name.as_deref().map(device);
        }
        let mut strands = self.hook(Hook::Output, leg, vec![strand]);
        for strand in strands.iter_mut().filter(|_| back.is_some()) {
            strand.state().output.clone_from(&after);
        }
        strands
    }

    /// Over lo, as far as routing.
    fn back_in(&mut self, mut strands: Vec<Strand>, leg: Leg) -> Vec<Strand> {
        for strand in &mut strands {
            let state = strand.state();
            state.input = state.output.take();
            state.looped = true;
            // An error confirms no connection.
            state.connection.confirmed |= matches!(state.kind, Kind::First(_) | Kind::Answer(_));
        }
        let strands = self.hook(Hook::Ingress, leg, strands);
        self.hook(Hook::Prerouting, leg, strands)
    }

    /// This host's own packet.
    fn depart(&mut self) {
        let to = self.packet.to.ip();
        let local: IpAddr = if self.v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let (source, interface) = if self.addresses.holds(to) {
            let source = if to.is_loopback() || to.is_unspecified() { local } else { to };
            (source, Some("lo".to_owned()))
        } else {
            match self.known.route(&RouteKey { to, from: None, input: None, mark: 0 }) {
                Ok(Route { kind: RouteKind::Unicast, interface, source, .. }) => {
                    (source.unwrap_or(local), interface.clone())
                }
                Ok(_) => {
                    let strand = self.strand(Ranges::one(0, self.last()), Address::Client);
                    return self.end(strand, Fate::Unrouted { to, silent: None });
                }
                Err(missing) => {
                    let strand = self.strand(Ranges::one(0, self.last()), Address::Client);
                    let doubt = self.missing(&missing, "the way to the target");
                    self.give_up(strand, doubt, None);
                    return;
                }
            }
        };
        let one = number_of(source);
        let strand = self.strand(Ranges::one(one, one), Address::Fixed(source));
        let Some(strand) = self.by(strand, interface.as_deref()) else { return };
        let strands = self.hook(Hook::Output, Leg::Request, vec![strand]);
        for strand in strands {
            if let Some(strand) = self.rerouted(strand) {
                self.leave(strand);
            }
        }
    }

    /// Goes out by an interface.
    pub(super) fn by(&mut self, mut strand: Strand, interface: Option<&str>) -> Option<Strand> {
        match interface.map(|name| self.goes_out(name)).transpose() {
            Ok(output) => {
                strand.state().output = output;
                Some(strand)
            }
            Err(doubt) => self.give_up(strand, doubt, None),
        }
    }

    /// Nothing from a loopback address leaves this host: once it is translated to somewhere else it is gone.
    fn unless_stranded(&mut self, strand: Strand) -> Option<Strand> {
        match (strand.state.source.address, strand.state.destination.address) {
            (Address::Fixed(from), Address::Fixed(to))
                if !self.v6 && from.is_loopback() && !self.addresses.holds(to) =>
            {
                self.end(strand, Fate::Unrouted { to, silent: None });
                None
            }
            _ => Some(strand),
        }
    }

    /// Whoever changes where this host's own packet goes has its way looked up again.
    fn rerouted(&mut self, mut strand: Strand) -> Option<Strand> {
        let destination = strand.state.destination.address;
        if destination == Address::Fixed(self.packet.to.ip()) {
            return Some(strand);
        }
        let Address::Fixed(to) = destination else {
            let doubt = self.why("where the packet goes is chosen when it comes");
            return self.give_up(strand, doubt, None);
        };
        if self.addresses.holds(to) {
            strand.state().output = Some(device("lo"));
            return Some(strand);
        }
        let Some(mark) = number(&strand.state.mark) else {
            let doubt = self.why("the route depends on a mark that is not known");
            return self.give_up(strand, doubt, None);
        };
        let inside = matches!(strand.state.source.address, Address::Fixed(source) if source.is_loopback());
        match self.known.route(&RouteKey { to, from: None, input: None, mark }) {
            Ok(Route { kind: RouteKind::Unicast, interface, .. }) if !inside => {
                let interface = interface.clone();
                self.by(strand, interface.as_deref())
            }
            Ok(_) => {
                self.end(strand, Fate::Unrouted { to, silent: None });
                None
            }
            Err(missing) => {
                let doubt = self.missing(&missing, "the way onwards");
                self.give_up(strand, doubt, None)
            }
        }
    }

    /// After this host's own output: to itself, or out.
    fn leave(&mut self, strand: Strand) {
        let mut strands = vec![strand];
        for hook in [Hook::Postrouting, Hook::Egress] {
            strands = self.hook(hook, Leg::Request, strands);
        }
        for mut strand in strands {
            let interface = strand.state.output.as_ref().map(|device| device.name.to_string());
            if interface.as_deref() == Some("lo") {
                for strand in self.back_in(vec![strand], Leg::Request) {
                    self.routed(strand);
                }
                continue;
            }
            turn(strand.state(), Kind::Answer(self.packet.transport));
            let mut strands = vec![strand];
            for hook in [Hook::Ingress, Hook::Prerouting, Hook::Input] {
                strands = self.hook(hook, Leg::Reply, strands);
            }
            for strand in strands {
                self.answered(strand, Fate::Forwarded { interface: interface.clone() });
            }
        }
    }

    /// Everything at a hook, and at what lies below an interface.
    pub(super) fn hook(&mut self, hook: Hook, leg: Leg, mut strands: Vec<Strand>) -> Vec<Strand> {
        let Some(first) = strands.first() else { return strands };
        let side = match hook {
            Hook::Ingress => first.state.input.as_ref(),
            Hook::Egress => first.state.output.as_ref(),
            Hook::Prerouting | Hook::Input | Hook::Forward | Hook::Output | Hook::Postrouting => None,
        };
        let side = side.map(|device| (Rc::clone(&device.name), !device.below.is_empty()));
        let below = side.as_ref().is_some_and(|(_, below)| *below);
        let name = side.map(|(name, _)| name);
        if below && hook == Hook::Ingress {
            strands = self.below(hook, leg, strands);
        }
        strands = self.at_hook(hook, leg, name, strands);
        if below && hook == Hook::Egress {
            strands = self.below(hook, leg, strands);
        }
        strands
    }

    /// Everything at a hook.
    pub(super) fn at_hook(
        &mut self,
        hook: Hook,
        leg: Leg,
        device: Option<Rc<str>>,
        mut strands: Vec<Strand>,
    ) -> Vec<Strand> {
        let items = match self.items_once(hook, device) {
            Ok(items) => items,
            Err(missing) => return self.blocked(&missing, strands),
        };
        for item in items.iter().copied() {
            strands = self.item(item, hook, leg, strands);
        }
        strands
    }

    fn blocked(&mut self, missing: &Missing, strands: Vec<Strand>) -> Vec<Strand> {
        let doubt = self.missing(missing, "the legacy tables");
        strands.into_iter().filter_map(|strand| self.give_up(strand, doubt, None)).collect()
    }

    fn item(&mut self, item: Item<'k>, hook: Hook, leg: Leg, mut strands: Vec<Strand>) -> Vec<Strand> {
        match item {
            Item::Chain(chain, legacy) => self.base((chain, legacy), hook, leg, strands),
            Item::Track => {
                for strand in &mut strands {
                    track(strand.state());
                }
                strands
            }
            Item::Translate => {
                let strands = self.translation(hook, leg, strands);
                if hook != Hook::Output || leg != Leg::Request {
                    return strands;
                }
                strands.into_iter().filter_map(|strand| self.unless_stranded(strand)).collect()
            }
            Item::Program(link) => {
                let doubt = self.why(&super::program_at(link).unwrap_or_default());
                strands.into_iter().filter_map(|strand| self.give_up(strand, doubt, None)).collect()
            }
            Item::Foreign(name) => {
                let doubt = self.why(&format!("a kernel function that is no rule sees the packet ({name})"));
                strands.into_iter().filter_map(|strand| self.give_up(strand, doubt, None)).collect()
            }
        }
    }

    /// A base chain; what comes out of it goes on.
    fn base(&mut self, (chain, legacy): Based<'k>, hook: Hook, leg: Leg, strands: Vec<Strand>) -> Vec<Strand> {
        let frame = Frame { base: chain, hook, leg, via: Vec::new(), chain: chain.id.clone(), legacy };
        let mut accepted = Vec::new();
        let fallen = self.chain(&frame, strands, &mut accepted);
        let policy = chain.base.as_ref().map_or(Policy::Accept, |base| base.policy);
        let place = frame.place(None);
        for mut strand in fallen {
            match policy {
                Policy::Accept => {
                    Self::pass(&mut strand, place.clone());
                    accepted.push(strand);
                }
                Policy::Drop if strand.state.ghost => accepted.push(strand),
                Policy::Drop => self.end(strand, Fate::Dropped { by: place.clone() }),
            }
        }
        super::doubt::agree(super::split::join(accepted))
    }

    /// Address translation: by rules for the first packet, and the same again for the answers.
    fn translation(&mut self, hook: Hook, leg: Leg, strands: Vec<Strand>) -> Vec<Strand> {
        let of_source = matches!(hook, Hook::Postrouting | Hook::Input);
        let settled = |strand: &Strand| {
            let (destination, source) = strand.state.connection.settled;
            strand.state.tracking != Tracking::New || if of_source { source } else { destination }
        };
        let (mut done, mut open): (Vec<Strand>, Vec<Strand>) = strands.into_iter().partition(settled);
        if leg == Leg::Reply {
            for strand in &mut done {
                back(strand.state(), of_source);
            }
        }
        if open.is_empty() {
            return done;
        }
        let chains = match self.nat_chains(hook) {
            Ok(chains) => chains,
            Err(missing) => {
                done.extend(self.blocked(&missing, open));
                return done;
            }
        };
        for item in chains {
            let Item::Chain(chain, legacy) = item else { continue };
            open = self.base((chain, legacy), hook, leg, open);
            let (now, still): (Vec<Strand>, Vec<Strand>) = open.into_iter().partition(settled);
            done.extend(now);
            open = still;
        }
        for strand in &mut open {
            let settled = &mut strand.state().connection.settled;
            if of_source { settled.1 = true } else { settled.0 = true }
        }
        done.extend(open);
        super::split::join(done)
    }
}

/// Connection tracking sees the packet.
fn track(state: &mut State) {
    if state.tracking != Tracking::Unseen {
        return;
    }
    state.tracking = match (state.reply, state.connection.exists, state.kind) {
        (true, true, _) => Tracking::Established,
        // An answer to what was not tracked: a datagram begins a connection of its own.
        (false, ..) | (true, false, Kind::Answer(Transport::Udp)) => Tracking::New,
        (true, false, _) => Tracking::Invalid,
    };
    state.connection.exists |= state.tracking == Tracking::New;
}

/// Turns the packet into its answer, as the other end sends it.
pub(super) fn turn(state: &mut State, kind: Kind) {
    let (input, output) = (state.input.take(), state.output.take());
    (state.input, state.output) = (output, input);
    state.kind = kind;
    state.reply = true;
    // What is refused never came to its end.
    state.connection.confirmed |= matches!(kind, Kind::Answer(_));
    state.looped = false;
    state.mark = [Byte::Const(0); 4];
    if state.tracking == Tracking::Untracked {
        state.connection.exists = false;
        // A datagram in answer begins a connection of its own, which rules may translate.
        let settled = !matches!(kind, Kind::Answer(Transport::Udp));
        state.connection.settled = (settled, settled);
    }
    state.tracking = Tracking::Unseen;
    state.ignored = Ignored::No;
    (state.source, state.destination) = state.connection.reply;
}

/// Translates an answer back.
fn back(state: &mut State, of_source: bool) {
    if !matches!(state.tracking, Tracking::Established | Tracking::Related) {
        return;
    }
    let (from, to) = state.connection.original;
    let (of_destination, also_of_source) = state.connection.translated;
    if of_source && of_destination {
        state.source = to;
    } else if !of_source && also_of_source {
        state.destination = from;
    }
}

pub(super) fn device(name: &str) -> Device {
    Device::plain(name)
}

/// An address as a number.
pub(super) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}
