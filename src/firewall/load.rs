//! What rules load before they compare: bytes of the packet, what is known about it and about its connection.

use std::net::IpAddr;
use std::rc::Rc;

use super::bytes::{Byte, REGISTERS, constant};
use super::strand::{Address, Device, End, Kind, Port, State, Tracking};
use super::walker::{Frame, Headers, Walker};
use crate::facts::route::Link;
use crate::facts::ruleset::expr::{Base, CtKey, Direction, MetaKey};
use crate::facts::ruleset::{Family, Hook};
use crate::facts::socket::Transport;

/// What was loaded.
#[derive(Debug)]
pub(super) enum Loaded {
    Bytes(Vec<Byte>),
    /// There is no such thing: the rule does not match.
    Break,
}

impl Walker<'_> {
    /// `len` bytes that nobody knows; not more than registers hold, whatever a recording says.
    pub(super) fn blank(&mut self, why: &str, len: usize) -> Vec<Byte> {
        vec![Byte::unknown(self.why(why)); len.min(REGISTERS)]
    }

    /// The bytes of an address in the packet.
    pub(super) fn address_bytes(&self, address: Address) -> Vec<Byte> {
        match address {
            Address::Client => {
                let len = if self.v6 { 16 } else { 4 };
                (0..len).map(|index| Byte::Address { index, mask: 0xff, xor: 0 }).collect()
            }
            Address::Fixed(IpAddr::V4(v4)) => constant(&v4.octets()),
            Address::Fixed(IpAddr::V6(v6)) => constant(&v6.octets()),
            Address::Unknown(doubt) => vec![Byte::unknown(doubt); if self.v6 { 16 } else { 4 }],
        }
    }

    pub(super) fn port_bytes(port: Port) -> Vec<Byte> {
        match port {
            Port::Client => (0..2).map(|index| Byte::Port { index, mask: 0xff, xor: 0 }).collect(),
            Port::Fixed(port) => constant(&port.to_be_bytes()),
            Port::Unknown(doubt) => vec![Byte::unknown(doubt); 2],
        }
    }

    /// Bytes of the packet.
    pub(super) fn payload(
        &mut self,
        frame: &Frame<'_>,
        state: &Rc<State>,
        base: Base,
        (offset, len): (u32, u32),
    ) -> Loaded {
        let (Ok(offset), Ok(len)) = (usize::try_from(offset), usize::try_from(len)) else { return Loaded::Break };
        let part = |header: Vec<Byte>| header.into_iter().skip(offset).take(len).collect::<Vec<Byte>>();
        let mut bytes = match base {
            Base::Link
                if matches!(frame.hook, Hook::Output) || (state.input.is_none() && frame.hook == Hook::Postrouting) =>
            {
                return Loaded::Break;
            }
            Base::Link if sides(frame, state).0.is_some_and(|input| input.tagged) => {
                part(self.blank("what the header of a VLAN says is not known", 64))
            }
            Base::Link => {
                let mut bytes = self.blank("what the link layer's header says is not known", 12);
                bytes.extend(constant(&if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] }));
                part(bytes)
            }
            Base::Network | Base::Transport => {
                let (headers, transport) = self.headers(state);
                let begins = if base == Base::Transport { transport } else { 0 };
                headers.iter().skip(begins.saturating_add(offset)).take(len).copied().collect()
            }
            Base::Inner => match state.kind {
                Kind::First(Transport::Tcp) | Kind::Answer(Transport::Tcp) | Kind::Reset => return Loaded::Break,
                Kind::First(Transport::Udp) | Kind::Answer(Transport::Udp) | Kind::Icmp { .. } => {
                    part(self.blank("what the datagram says is not known", 64))
                }
            },
        };
        if bytes.len() < len {
            let rest = self.blank("what the packet says there is not known", len - bytes.len());
            bytes.extend(rest);
        }
        Loaded::Bytes(bytes)
    }

    /// The headers of the packet, and where the transport header begins: put together once for all rules that see it in
    /// this state.
    pub(super) fn headers(&mut self, state: &Rc<State>) -> (Rc<[Byte]>, usize) {
        if let Some(headers) = self.headers.as_ref().filter(|headers| Rc::ptr_eq(&headers.of, state)) {
            return (Rc::clone(&headers.network), headers.transport);
        }
        let mut bytes = self.network_header(state);
        let transport = bytes.len();
        bytes.extend(self.transport_header(state));
        let network: Rc<[Byte]> = bytes.into();
        self.headers = Some(Headers { of: Rc::clone(state), network: Rc::clone(&network), transport });
        (network, transport)
    }

    fn network_header(&mut self, state: &State) -> Vec<Byte> {
        let odd = self.why("that field of the IP header is the client's to choose");
        let unknown = Byte::unknown(odd);
        let protocol = Byte::Const(state.kind.protocol(self.v6));
        let mut bytes = if self.v6 {
            let version = Byte::Unknown { doubt: odd, known: 0xf0, value: 0x60 };
            vec![version, unknown, unknown, unknown, unknown, unknown, protocol, unknown]
        } else {
            // Version 4 without options; no fragment: only "don't fragment" may be set.
            let fragment = Byte::Unknown { doubt: odd, known: 0xbf, value: 0 };
            let start = [Byte::Const(0x45), unknown, unknown, unknown, unknown, unknown, fragment, Byte::Const(0)];
            let mut bytes = start.to_vec();
            bytes.extend([unknown, protocol, unknown, unknown]);
            bytes
        };
        bytes.extend(self.address_bytes(state.source.address));
        bytes.extend(self.address_bytes(state.destination.address));
        bytes
    }

    fn transport_header(&mut self, state: &State) -> Vec<Byte> {
        let odd = self.why("that field of the transport header is the client's to choose");
        let unknown = Byte::unknown(odd);
        let flags = match state.kind {
            Kind::Icmp { kind, code } => {
                return [Byte::Const(kind), Byte::Const(code)].into_iter().chain([unknown; 6]).collect();
            }
            Kind::First(Transport::Udp) | Kind::Answer(Transport::Udp) => None,
            Kind::First(Transport::Tcp) => Some(0x02),
            Kind::Answer(Transport::Tcp) => Some(0x12),
            Kind::Reset => Some(0x14),
        };
        let mut bytes = Self::port_bytes(state.source.port);
        bytes.extend(Self::port_bytes(state.destination.port));
        match flags {
            None => bytes.extend([unknown; 4]),
            Some(flags) => {
                bytes.extend([unknown; 4]);
                let ack = if flags & 0x10 == 0 { Byte::Const(0) } else { unknown };
                bytes.extend([ack; 4]);
                bytes.extend([unknown, Byte::Const(flags), unknown, unknown, unknown, unknown]);
                bytes.extend([Byte::Const(0); 2]);
            }
        }
        bytes
    }

    /// What is known about the packet.
    pub(super) fn meta(&mut self, frame: &Frame<'_>, state: &State, key: MetaKey) -> Loaded {
        let number = |n: u32| Loaded::Bytes(constant(&n.to_ne_bytes()));
        let byte = |b: u8| Loaded::Bytes(constant(&[b]));
        let (input, output) = sides(frame, state);
        match key {
            MetaKey::Protocol => Loaded::Bytes(constant(if self.v6 { &[0x86, 0xdd] } else { &[0x08, 0x00] })),
            MetaKey::Nfproto if frame.family() == Family::Netdev => byte(5),
            MetaKey::Nfproto => byte(if self.v6 { 10 } else { 2 }),
            MetaKey::L4proto => byte(state.kind.protocol(self.v6)),
            MetaKey::Mark => Loaded::Bytes(state.mark.to_vec()),
            MetaKey::Pkttype | MetaKey::Nftrace | MetaKey::Secpath => byte(0),
            MetaKey::Iif => self.link_number(input, |link| link.index),
            MetaKey::Oif => self.link_number(output, |link| link.index),
            MetaKey::Iifname => Loaded::Bytes(name_bytes(input)),
            MetaKey::Oifname => Loaded::Bytes(name_bytes(output)),
            MetaKey::Iifgroup if input.is_none() => Loaded::Break,
            MetaKey::Oifgroup if output.is_none() => Loaded::Break,
            MetaKey::Iifgroup => self.link_number(input, |link| link.group),
            MetaKey::Oifgroup => self.link_number(output, |link| link.group),
            // By then the packet's own note of its device is the one it leaves by (measured on Linux 6.18).
            MetaKey::Iiftype if matches!(frame.hook, Hook::Postrouting | Hook::Egress) => self.link_type(output),
            MetaKey::Iiftype => self.link_type(input),
            MetaKey::Oiftype => self.link_type(output),
            MetaKey::Iifkind => self.link_kind(input),
            MetaKey::Oifkind => self.link_kind(output),
            MetaKey::Skuid | MetaKey::Skgid | MetaKey::Cgroup if !has_socket(frame, state) => Loaded::Break,
            MetaKey::Skuid | MetaKey::Skgid => {
                Loaded::Bytes(self.blank("it depends on the user of the program at this end", 4))
            }
            MetaKey::Cgroup => {
                Loaded::Bytes(self.blank("it depends on the control group of the program at this end", 4))
            }
            MetaKey::Sdif => number(0),
            MetaKey::Sdifname => Loaded::Bytes(name_bytes(None)),
            MetaKey::Len | MetaKey::Priority | MetaKey::Rtclassid | MetaKey::Secmark | MetaKey::Cpu => {
                self.odd_meta(key, 4)
            }
            MetaKey::Prandom | MetaKey::Hour => self.odd_meta(key, 4),
            MetaKey::BridgeIifname | MetaKey::BridgeOifname | MetaKey::Other(_) => self.odd_meta(key, 16),
            MetaKey::BridgeIifPvid | MetaKey::BridgeIifVproto => self.odd_meta(key, 2),
            MetaKey::BridgeBroute | MetaKey::Day => self.odd_meta(key, 1),
            MetaKey::Time => self.odd_meta(key, 8),
        }
    }

    fn odd_meta(&mut self, key: MetaKey, len: usize) -> Loaded {
        Loaded::Bytes(self.blank(&format!("it depends on meta {}", format!("{key:?}").to_lowercase()), len))
    }

    /// A link by its name.
    pub(super) fn link(&mut self, device: &Device) -> Result<&Link, u32> {
        let known = self.known;
        match known.links() {
            Ok(links) => match links.iter().find(|link| *link.name == *device.name) {
                Some(link) => Ok(link),
                None => Err(self.why("the interface is not among those that were read")),
            },
            Err(missing) => Err(self.missing(&missing, "the list of interfaces")),
        }
    }

    fn link_number(&mut self, device: Option<&Device>, number: impl Fn(&Link) -> u32) -> Loaded {
        let Some(device) = device else { return Loaded::Bytes(constant(&0u32.to_ne_bytes())) };
        Loaded::Bytes(match self.link(device) {
            Ok(link) => constant(&number(link).to_ne_bytes()),
            Err(doubt) => vec![Byte::unknown(doubt); 4],
        })
    }

    fn link_type(&mut self, device: Option<&Device>) -> Loaded {
        let Some(device) = device else { return Loaded::Break };
        Loaded::Bytes(match self.link(device) {
            Ok(link) => constant(&link.hardware.to_ne_bytes()),
            Err(doubt) => vec![Byte::unknown(doubt); 2],
        })
    }

    fn link_kind(&mut self, device: Option<&Device>) -> Loaded {
        let Some(device) = device else { return Loaded::Break };
        match self.link(device) {
            Ok(Link { kind: Some(kind), .. }) => Loaded::Bytes(padded(kind)),
            Ok(_) => Loaded::Break,
            Err(doubt) => Loaded::Bytes(vec![Byte::unknown(doubt); 16]),
        }
    }

    /// What is known about its connection.
    pub(super) fn ct(&mut self, state: &State, key: CtKey, direction: Option<Direction>) -> Loaded {
        let number = |n: u32| Loaded::Bytes(constant(&n.to_ne_bytes()));
        if key == CtKey::State {
            return number(match state.tracking {
                Tracking::Unseen | Tracking::Invalid => 1,
                Tracking::Established => 2,
                Tracking::Related => 4,
                Tracking::New => 8,
                Tracking::Untracked => 64,
            });
        }
        if matches!(state.tracking, Tracking::Unseen | Tracking::Invalid | Tracking::Untracked) {
            return Loaded::Break;
        }
        let connection = &state.connection;
        match key {
            CtKey::Direction => Loaded::Bytes(constant(&[u8::from(answers(state))])),
            CtKey::Status => number(status_of(state)),
            CtKey::Mark => Loaded::Bytes(connection.mark.to_vec()),
            CtKey::Labels if connection.labelled => {
                Loaded::Bytes(self.blank("it depends on the connection's labels", 16))
            }
            CtKey::Labels => Loaded::Bytes(constant(&[0; 16])),
            CtKey::State | CtKey::Helper => Loaded::Break,
            CtKey::L3protocol => Loaded::Bytes(constant(&[if self.v6 { 10 } else { 2 }])),
            CtKey::Protocol => {
                let protocol = if self.packet.transport == Transport::Tcp { 6 } else { 17 };
                Loaded::Bytes(constant(&[protocol]))
            }
            CtKey::SourceIp | CtKey::DestinationIp if self.v6 => Loaded::Break,
            CtKey::SourceIp6 | CtKey::DestinationIp6 if !self.v6 => Loaded::Break,
            CtKey::Source | CtKey::SourceIp | CtKey::SourceIp6 => {
                let (source, _) = tuple(state, direction);
                Loaded::Bytes(self.address_bytes(source.address))
            }
            CtKey::Destination | CtKey::DestinationIp | CtKey::DestinationIp6 => {
                let (_, destination) = tuple(state, direction);
                Loaded::Bytes(self.address_bytes(destination.address))
            }
            CtKey::ProtoSource => Loaded::Bytes(Self::port_bytes(tuple(state, direction).0.port)),
            CtKey::ProtoDestination => Loaded::Bytes(Self::port_bytes(tuple(state, direction).1.port)),
            CtKey::Zone => Loaded::Bytes(constant(&0u16.to_ne_bytes())),
            CtKey::Secmark => number(0),
            CtKey::Expiration | CtKey::Id | CtKey::EventMask => self.odd_ct(4),
            CtKey::Packets | CtKey::Bytes | CtKey::AveragePacket => self.odd_ct(8),
            CtKey::Other(_) => self.odd_ct(16),
        }
    }

    fn odd_ct(&mut self, len: usize) -> Loaded {
        Loaded::Bytes(self.blank("it depends on what connection tracking counts", len))
    }
}

/// Is it an answer to connection tracking, too? A datagram that answers what was not tracked begins a connection.
pub(super) fn answers(state: &State) -> bool {
    state.reply && state.tracking != Tracking::New
}

/// Sender and receiver of the connection's first packet, and of its answers.
pub(super) fn ends(state: &State) -> [(End, End); 2] {
    let (from, to) = (state.source, state.destination);
    if state.reply && !answers(state) {
        return [(from, to), (to, from)];
    }
    [state.connection.original, state.connection.reply]
}

/// The connection's ends as they are in one direction.
fn tuple(state: &State, direction: Option<Direction>) -> (End, End) {
    let [original, reply] = ends(state);
    match direction {
        Some(Direction::Reply) => reply,
        None if answers(state) => reply,
        Some(Direction::Original) | None => original,
    }
}

/// `IPS_*` bits of the packet's connection.
pub(super) fn status_of(state: &State) -> u32 {
    let connection = &state.connection;
    let (to, from) = connection.translated;
    let answered = state.tracking == Tracking::Established;
    let (to_done, from_done) = connection.settled;
    let way = u32::from(answered) * 0x2 + u32::from(connection.confirmed) * 0x8;
    way + u32::from(from) * 0x10 + u32::from(to) * 0x20 + u32::from(from_done) * 0x80 + u32::from(to_done) * 0x100
}

/// The interfaces that rules of a hook see.
pub(super) fn sides<'s>(frame: &Frame<'_>, state: &'s State) -> (Option<&'s Device>, Option<&'s Device>) {
    let (input, output) = (state.input.as_ref(), state.output.as_ref());
    match frame.hook {
        Hook::Ingress | Hook::Prerouting | Hook::Input => (input, None),
        Hook::Forward | Hook::Postrouting => (input, output),
        Hook::Output | Hook::Egress => (None, output),
    }
}

/// A packet that this host sends belongs to a socket.
fn has_socket(frame: &Frame<'_>, state: &State) -> bool {
    let sends = matches!(frame.hook, Hook::Output | Hook::Postrouting | Hook::Egress) && state.input.is_none();
    let answer = frame.hook == Hook::Input && state.reply;
    (sends || answer) && !matches!(state.kind, Kind::Reset | Kind::Icmp { .. })
}

/// An interface's name as the kernel keeps it.
pub(super) fn padded(name: &str) -> Vec<Byte> {
    name.bytes().chain(std::iter::repeat(0)).take(16).map(Byte::Const).collect()
}

fn name_bytes(device: Option<&Device>) -> Vec<Byte> {
    padded(device.map_or("", |device| &device.name))
}
