//! Matches of iptables.

use std::net::IpAddr;

use super::bytes::{self, Byte, number};
use super::fib::{ANYCAST, LOCAL, MULTICAST, PROHIBIT, UNICAST, UNREACHABLE, UNSPEC};
use super::load::{answers, ends, sides, status_of};
use super::ranges::Ranges;
use super::rule::{Step, Task, Then};
use super::split::{Cond, Test};
use super::strand::{Address, Device, Kind, Port, State, Tracking};
use super::walker::{Frame, ODD, Walker};
use super::way::number_of;
use crate::facts::ruleset::Hook;
use crate::facts::ruleset::xt::{ConntrackMatch, IpMatch, Match, Ports, TcpMatch, Which};
use crate::facts::socket::Transport;

/// An address and a mask, where something is asked, and whether inverted.
type Net<'a> = (&'a Option<(IpAddr, IpAddr)>, bool);

impl<'k> Walker<'k> {
    /// A match.
    pub(super) fn xt_match(&mut self, frame: &Frame<'k>, found: &'k Match, task: &mut Task) -> Step {
        let state = task.strand.state.clone();
        let tests = match found {
            Match::Comment(_) => Vec::new(),
            Match::Ip(ip) => self.ip(frame, &state, ip),
            Match::Tcp(tcp) => self.tcp(&state, tcp),
            Match::Udp { source, destination } if state.kind.protocol(self.v6) == 17 => {
                vec![port_within(state.source.port, *source), port_within(state.destination.port, *destination)]
            }
            Match::Udp { .. } => vec![Test::No],
            Match::Multiport { which, ports, inverted } => vec![multiport(&state, *which, ports).inverted(*inverted)],
            Match::Conntrack(ct) => self.conntrack(&state, ct),
            Match::Addrtype { source, source_inverted, destination, destination_inverted, limit_in, limit_out } => {
                let (input, output) = sides(frame, &state);
                let on = if *limit_in { input } else { output.filter(|_| *limit_out) };
                let from = self.addrtype(state.source.address, *source, on).inverted(*source_inverted && *source != 0);
                let to = self.addrtype(state.destination.address, *destination, on);
                vec![from, to.inverted(*destination_inverted && *destination != 0)]
            }
            Match::Mark { value, mask, inverted } => vec![marked(&state.mark, *value, *mask).inverted(*inverted)],
            Match::Connmark { .. } if untracked(&state) => vec![Test::No],
            Match::Connmark { value, mask, inverted } => {
                vec![marked(&state.connection.mark, *value, *mask).inverted(*inverted)]
            }
            Match::Iprange { source, source_inverted, destination, destination_inverted } => vec![
                self.iprange(state.source.address, source.as_ref()).inverted(*source_inverted && source.is_some()),
                self.iprange(state.destination.address, destination.as_ref())
                    .inverted(*destination_inverted && destination.is_some()),
            ],
            Match::Owner { uid, gid, socket_exists, .. } => {
                self.owner(frame, &state, uid.is_some() || gid.is_some(), *socket_exists)
            }
            Match::Recent(recent) => return self.recent(recent, task),
            Match::Pkttype { kind, inverted } => vec![Test::of(*kind == 0).inverted(*inverted)],
            Match::Rpfilter { inverted, .. } => vec![Test::of(!inverted)],
            Match::Icmp => vec![self.icmp(&state)],
            Match::Set { name, .. } => vec![self.unsure(&format!("it depends on the ipset {name}"))],
            Match::Limit { .. } | Match::Hashlimit { .. } => vec![self.unsure("it depends on a rate limit")],
            Match::Connlimit { .. } => vec![self.unsure("it depends on how many connections there are")],
            Match::Length { from, to, inverted } => vec![self.length(&state, *from, *to).inverted(*inverted)],
            Match::Physdev { .. } => vec![self.unsure("it depends on the port of a bridge")],
            Match::Socket { .. } => vec![self.unsure("it depends on the socket")],
            Match::Statistic { .. } => vec![self.unsure("it depends on a counter or a random number")],
            Match::Unknowable { name, .. } => vec![self.unsure(&format!("it depends on the match {name}"))],
            Match::Other { name, .. } => {
                vec![self.unsure(&format!("it depends on the match {name}, which this program does not know"))]
            }
        };
        all(tests)
    }

    fn unsure(&mut self, why: &str) -> Test {
        Test::Doubt(self.why(why))
    }

    /// Is an address within a network?
    fn net(&self, address: Address, (net, inverted): Net<'_>) -> Test {
        let Some((want, mask)) = net else { return Test::Yes };
        let (want, mask) = (octets(*want), octets(*mask));
        let held: Vec<Byte> =
            self.address_bytes(address).iter().zip(&mask).map(|(byte, mask)| byte.bits(*mask, 0)).collect();
        let want: Vec<u8> = want.iter().zip(&mask).map(|(a, m)| a & m).collect();
        if held.len() != want.len() {
            return Test::No;
        }
        bytes::equal(&held, &want, self.v6, ODD).inverted(inverted)
    }

    fn ip(&mut self, frame: &Frame<'_>, state: &State, ip: &IpMatch) -> Vec<Test> {
        let (input, output) = sides(frame, state);
        let name = |device: Option<&Device>| device.map(|d| d.name.to_string()).unwrap_or_default();
        let wild = |want: &Option<String>, inverted: bool, name: &str| {
            want.as_deref().map_or(Test::Yes, |want| Test::of(named(want, name)).inverted(inverted))
        };
        let protocol = ip.protocol.filter(|p| *p != 0).map_or(Test::Yes, |protocol| {
            Test::of(protocol == state.kind.protocol(self.v6)).inverted(ip.protocol_inverted)
        });
        vec![
            protocol,
            wild(&ip.input, ip.input_inverted, &name(input)),
            wild(&ip.output, ip.output_inverted, &name(output)),
            ip.fragment.map_or(Test::Yes, |fragment| Test::of(!fragment)),
            self.net(state.source.address, (&ip.source, ip.source_inverted)),
            self.net(state.destination.address, (&ip.destination, ip.destination_inverted)),
        ]
    }

    fn tcp(&mut self, state: &State, tcp: &TcpMatch) -> Vec<Test> {
        let flags = match state.kind {
            Kind::First(Transport::Tcp) => 0x02,
            Kind::Answer(Transport::Tcp) => 0x12,
            Kind::Reset => 0x14,
            Kind::First(Transport::Udp) | Kind::Answer(Transport::Udp) | Kind::Icmp { .. } => return vec![Test::No],
        };
        let (mask, want) = tcp.flags;
        let mut tests = vec![
            Test::of(flags & mask == want).inverted(tcp.flags_inverted),
            port_within(state.source.port, tcp.source),
            port_within(state.destination.port, tcp.destination),
        ];
        if tcp.option.is_some() && state.kind == Kind::Reset {
            // One that a rule makes has none.
            tests.push(Test::of(tcp.option_inverted));
        } else if tcp.option.is_some() {
            tests.push(self.unsure("it depends on an option of the packet"));
        }
        tests
    }

    /// Is the whole packet so long? Its headers have a least length; what comes on top is its sender's choice.
    fn length(&mut self, state: &State, from: u16, to: u16) -> Test {
        let header: u16 = if self.v6 { 40 } else { 20 };
        let least = header
            + match state.kind {
                Kind::First(Transport::Tcp) | Kind::Answer(Transport::Tcp) | Kind::Reset => 20,
                Kind::First(Transport::Udp) | Kind::Answer(Transport::Udp) => 8,
                // It has the header of what it is about, and what follows that.
                Kind::Icmp { .. } => 16 + header,
            };
        if to < least || state.kind == Kind::Reset {
            return Test::of((from..=to).contains(&least));
        }
        if from <= least && to == u16::MAX {
            return Test::Yes;
        }
        self.unsure("it depends on the packet's length")
    }

    fn icmp(&mut self, state: &State) -> Test {
        if matches!(state.kind, Kind::Icmp { .. }) {
            self.unsure("it depends on the kind of ICMP message")
        } else {
            Test::No
        }
    }

    fn conntrack(&mut self, state: &State, ct: &ConntrackMatch) -> Vec<Test> {
        let connection = &state.connection;
        let mut tests = Vec::new();
        if let Some(states) = ct.states {
            let (to, from) = connection.translated;
            let mut now = match state.tracking {
                Tracking::Unseen | Tracking::Invalid => 1,
                Tracking::Established => 2,
                Tracking::Related => 4,
                Tracking::New => 8,
                Tracking::Untracked => 64,
            };
            if !untracked(state) {
                now |= u32::from(from) * 128 + u32::from(to) * 256;
            }
            tests.push(Test::of(states & now != 0).inverted(ct.states_inverted));
        }
        if ct.unclear {
            tests.push(self.unsure("it depends on a match of the connection that was not understood"));
        }
        let more = *ct
            != ConntrackMatch {
                states: ct.states,
                states_inverted: ct.states_inverted,
                unclear: ct.unclear,
                ..ConntrackMatch::default()
            };
        if !more {
            return tests;
        }
        if untracked(state) {
            // The kernel's match fails without a connection where more than the state is asked.
            return vec![Test::No];
        }
        let [(from, to), (back_from, back_to)] = ends(state);
        let protocol = if self.packet.transport == Transport::Tcp { 6 } else { 17 };
        tests.push(ct.protocol.map_or(Test::Yes, |p| Test::of(p == protocol).inverted(ct.protocol_inverted)));
        tests.push(self.net(from.address, (&ct.original_source, ct.original_source_inverted)));
        tests.push(self.net(to.address, (&ct.original_destination, ct.original_destination_inverted)));
        tests.push(self.net(back_from.address, (&ct.reply_source, ct.reply_source_inverted)));
        tests.push(self.net(back_to.address, (&ct.reply_destination, ct.reply_destination_inverted)));
        let ports = |end: Port, ports: Option<(u16, u16)>, inverted| {
            ports.map_or(Test::Yes, |(from, to)| port_within(end, Ports { from, to, inverted }))
        };
        tests.push(ports(from.port, ct.original_source_ports, ct.original_source_ports_inverted));
        tests.push(ports(to.port, ct.original_destination_ports, ct.original_destination_ports_inverted));
        tests.push(ct.reply_direction.map_or(Test::Yes, |reply| Test::of(reply == answers(state))));
        if let Some(status) = ct.status {
            // `--ctstatus NONE` is no bit at all, and no connection has one of none.
            tests.push(Test::of(status_of(state) & status != 0).inverted(ct.status_inverted));
        }
        tests
    }

    fn addrtype(&mut self, address: Address, wanted: u16, on: Option<&Device>) -> Test {
        if wanted == 0 {
            return Test::Yes;
        }
        let (fitting, unsure) = if self.v6 { self.types_6(wanted, on) } else { (self.types_4(wanted, on), false) };
        let found = match address {
            Address::Unknown(doubt) => return Test::Doubt(doubt),
            Address::Fixed(address) => Test::of(fitting.contains(number_of(address))),
            Address::Client => Test::addresses(fitting),
        };
        if unsure { self.unsure("it depends on the type of an address in the routing table") } else { found }
    }

    /// Addresses of one of these types.
    fn types_4(&self, wanted: u16, on: Option<&Device>) -> Ranges {
        let mut rest = Ranges::one(0, self.last());
        let mut fitting = Ranges::default();
        for (kind, ranges) in self.address_types(on) {
            let these = rest.split(&ranges);
            if wants(wanted, kind) {
                fitting.join(these);
            }
        }
        if wants(wanted, UNICAST) {
            fitting.join(rest);
        }
        fitting
    }

    /// Addresses that are of these types: of unicast and multicast and unspecified each that is asked for, and by the
    /// routing table one of the others. True where the table would have to be asked for more than local addresses.
    fn types_6(&self, wanted: u16, on: Option<&Device>) -> (Ranges, bool) {
        let multicast = Ranges::one(0xff << 120, u128::MAX);
        let mut fitting = Ranges::one(0, u128::MAX);
        if wants(wanted, MULTICAST) {
            fitting = fitting.both(&multicast);
        }
        if wants(wanted, UNICAST) {
            fitting = fitting.both(&Ranges::one(1, (0xff << 120) - 1));
        }
        if wants(wanted, UNSPEC) {
            fitting = fitting.both(&Ranges::one(0, 0));
        }
        let looked_up = [LOCAL, ANYCAST, UNREACHABLE, PROHIBIT].into_iter().filter(|kind| wants(wanted, *kind));
        let looked_up: Vec<u32> = looked_up.collect();
        if !looked_up.is_empty() {
            let types = self.address_types(on).into_iter();
            let local: Ranges =
                types.filter(|(kind, _)| *kind == LOCAL).flat_map(|(_, r)| r.iter().collect::<Vec<_>>()).collect();
            fitting = fitting.both(&local);
        }
        (fitting, looked_up.iter().any(|kind| *kind != LOCAL))
    }

    fn iprange(&self, address: Address, range: Option<&(IpAddr, IpAddr)>) -> Test {
        let Some((low, high)) = range else { return Test::Yes };
        bytes::between(&self.address_bytes(address), &octets(*low), &octets(*high), self.v6, ODD)
    }

    fn owner(&mut self, frame: &Frame<'_>, state: &State, asks_user: bool, exists: Option<bool>) -> Vec<Test> {
        let socket = matches!(frame.hook, Hook::Output | Hook::Postrouting)
            && state.input.is_none()
            && !matches!(state.kind, Kind::Reset | Kind::Icmp { .. });
        if !socket {
            // Without a socket only "there is none" can match.
            return vec![Test::of(exists == Some(false) && !asks_user)];
        }
        if asks_user {
            return vec![self.unsure("it depends on the user of the program at this end")];
        }
        vec![Test::of(exists != Some(false))]
    }
}

/// All of these must hold.
fn all(tests: Vec<Test>) -> Step {
    let mut regions: Vec<Cond> = Vec::new();
    let mut doubt = None;
    for test in tests {
        match test {
            Test::Yes => {}
            Test::No => return Step::Do(Then::Fail),
            Test::Where(cond) => regions.push(cond),
            Test::Doubt(why) => doubt = doubt.or(Some(why)),
            Test::Perhaps(cond, why) => {
                doubt = doubt.or(Some(why));
                if !cond.inverted {
                    regions.push(cond);
                }
            }
        }
    }
    Step::All(regions, doubt)
}

fn port_within(port: Port, want: Ports) -> Test {
    let test = match port {
        Port::Fixed(port) => Test::of((want.from..=want.to).contains(&port)),
        Port::Client if want.from == 0 && want.to == u16::MAX => Test::Yes,
        Port::Client => Test::ports(Ranges::one(want.from.into(), want.to.into())),
        Port::Unknown(doubt) => Test::Doubt(doubt),
    };
    test.inverted(want.inverted)
}

fn multiport(state: &State, which: Which, ports: &[(u16, u16)]) -> Test {
    if matches!(state.kind, Kind::Icmp { .. }) {
        return Test::No;
    }
    let within = |port: Port| match port {
        Port::Fixed(port) => Test::of(ports.iter().any(|(low, high)| (*low..=*high).contains(&port))),
        Port::Client => Test::ports(ports.iter().map(|(low, high)| (u128::from(*low), u128::from(*high))).collect()),
        Port::Unknown(doubt) => Test::Doubt(doubt),
    };
    match which {
        Which::Source => within(state.source.port),
        Which::Destination => within(state.destination.port),
        Which::Either => match (within(state.source.port), within(state.destination.port)) {
            (Test::Yes, _) | (_, Test::Yes) => Test::Yes,
            (Test::No, other) | (other, Test::No) => other,
            (Test::Doubt(why), _) | (_, Test::Doubt(why)) => Test::Doubt(why),
            (one, _) => one,
        },
    }
}

fn marked(mark: &[Byte; 4], value: u32, bits: u32) -> Test {
    if let Some(mark) = number(mark) {
        return Test::of(mark & bits == value);
    }
    let held: Vec<Byte> = mark.iter().zip(bits.to_ne_bytes()).map(|(byte, bits)| byte.bits(bits, 0)).collect();
    bytes::equal(&held, &value.to_ne_bytes(), false, ODD)
}

fn untracked(state: &State) -> bool {
    matches!(state.tracking, Tracking::Unseen | Tracking::Invalid | Tracking::Untracked)
}

/// `eth+` is every name that begins so.
fn named(want: &str, name: &str) -> bool {
    match want.strip_suffix('+') {
        Some(begin) => name.starts_with(begin),
        None => want == name,
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// Is a type of address (`RTN_*`) among these?
fn wants(wanted: u16, kind: u32) -> bool {
    wanted & 1u16.checked_shl(kind).unwrap_or(0) != 0
}
