//! What a connection should get, by what the simulator says becomes of its packet.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use unrefuse::facts::ruleset::expr::RejectWith;
use unrefuse::facts::socket::Transport;
use unrefuse::firewall::{Fate, Leg, Part, Place, Walk};

use crate::probe::{Probe, Seen};
use crate::world::{BACK, SOURCES_4, SOURCES_6, TCP_OPEN, UDP_OPEN, parse, server_addresses};

/// What the simulator lets us expect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expect {
    /// Exactly this (an answer may be by whomever it was not told by).
    Seen(Seen),
    /// The way leads nowhere: an error of the routing, or silence.
    Nowhere,
    /// The way leads to the client's host, which may refuse, or drop what comes from an address of its own.
    Back,
    /// A datagram to a port without a listener: what the kernel says of that may be filtered in its turn.
    NoListener,
    /// A closed port, whose RST rules can tell from the answer of a listener that was asked about.
    Closed,
    /// The simulator cannot tell.
    Unknown { why: String, by: Option<Place> },
    /// The simulator contradicts itself.
    Nonsense(String),
}

/// What this probe should get by this walk; `source` is where it comes from.
pub(crate) fn of(walk: &Walk, probe: &Probe, interface: Option<&str>, closely: bool) -> Expect {
    let holds = |part: &&Part| {
        let sources = &part.sources;
        let own = probe.from.or_else(|| server_addresses().contains(&probe.to.ip()).then_some(probe.to.ip()));
        let address = own.is_none_or(|own| sources.ranges().any(|(low, high)| low <= own && own <= high));
        let port = sources.ports.iter().any(|(low, high)| (*low..=*high).contains(&probe.port));
        let device = match (&sources.interface, interface) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        address && port && device
    };
    let parts: Vec<&Part> = walk.parts.iter().filter(holds).collect();
    match parts.as_slice() {
        [part] => match of_part(part, probe) {
            Expect::Seen(Seen::Rst | Seen::Silence) if closely && answers_closed(part, probe) => Expect::Closed,
            Expect::Seen(Seen::Silence) if !stopped(part) && is_client(part.to.ip()) => Expect::Back,
            Expect::Seen(Seen::Silence) if no_datagram_answers(part, probe) => Expect::NoListener,
            other => other,
        },
        [] => Expect::Nonsense("it is in no part".into()),
        several => {
            let all: BTreeSet<String> = several.iter().map(|p| format!("{:?}", of_part(p, probe))).collect();
            Expect::Nonsense(format!("it is in {} parts: {all:?}", several.len()))
        }
    }
}

/// Does a closed port answer, or would it if nothing stopped that answer?
fn answers_closed(part: &Part, probe: &Probe) -> bool {
    !stopped(part) && probe.transport == Transport::Tcp && !TCP_OPEN.contains(&part.to.port())
}

/// Rules for the answer of a listener need not be those for an error in its place.
fn no_datagram_answers(part: &Part, probe: &Probe) -> bool {
    !stopped(part) && probe.transport == Transport::Udp && !UDP_OPEN.contains(&part.to.port())
}

fn is_client(address: IpAddr) -> bool {
    SOURCES_4.iter().chain(&SOURCES_6).any(|(_, own)| parse(own) == address)
}

/// It never comes to the port.
fn stopped(part: &Part) -> bool {
    match &part.fate {
        Fate::Rejected { by, .. } | Fate::Dropped { by } => by.leg == Leg::Request,
        _ => false,
    }
}

fn of_part(part: &Part, probe: &Probe) -> Expect {
    match &part.fate {
        Fate::Delivered | Fate::Forwarded { .. } => match arrives(part.to, probe.transport) {
            Expect::Seen(Seen::Rst) if !part.resets => Expect::Seen(Seen::Silence),
            other => other,
        },
        // The client hears nothing of what is said to the server about its answer.
        Fate::Rejected { by, .. } if by.leg == Leg::Reply => Expect::Seen(Seen::Silence),
        Fate::Rejected { with, .. } => Expect::Seen(answer(*with, probe.to.ip())),
        Fate::Dropped { .. } => Expect::Seen(Seen::Silence),
        Fate::Unrouted { silent: Some(_), .. } => Expect::Seen(Seen::Silence),
        Fate::Unrouted { silent: None, .. } => Expect::Nowhere,
        Fate::Unknown { why, by, .. } => Expect::Unknown { why: why.clone(), by: by.clone() },
    }
}

fn arrives(to: SocketAddr, transport: Transport) -> Expect {
    let somebody = server_addresses().contains(&to.ip()) || BACK.map(parse).contains(&to.ip());
    match transport {
        _ if is_client(to.ip()) => Expect::Back,
        _ if !somebody => Expect::Nowhere,
        Transport::Tcp if TCP_OPEN.contains(&to.port()) => Expect::Seen(Seen::Open(Some(to))),
        Transport::Tcp => Expect::Seen(Seen::Rst),
        Transport::Udp if UDP_OPEN.contains(&to.port()) => Expect::Seen(Seen::Open(Some(to))),
        Transport::Udp => Expect::NoListener,
    }
}

/// The answer on the wire.
fn answer(with: RejectWith, to: IpAddr) -> Seen {
    let v6 = to.is_ipv6();
    match with {
        RejectWith::TcpReset => Seen::Rst,
        RejectWith::Icmp(code) => Seen::Icmp(3, code),
        RejectWith::Icmpv6(code) => Seen::Icmp(1, code),
        RejectWith::Icmpx(code) => match (code, v6) {
            (0, false) => Seen::Icmp(3, 0),
            (0, true) => Seen::Icmp(1, 0),
            (1, false) => Seen::Icmp(3, 3),
            (1, true) => Seen::Icmp(1, 4),
            (2, false) => Seen::Icmp(3, 1),
            (2, true) => Seen::Icmp(1, 3),
            (_, false) => Seen::Icmp(3, 13),
            (_, true) => Seen::Icmp(1, 1),
        },
    }
}

impl Expect {
    /// True where nothing should be heard.
    pub(crate) fn is_quiet(&self) -> bool {
        !matches!(self, Self::Seen(Seen::Open(_) | Seen::Rst | Seen::Icmp(..) | Seen::Local(_)))
    }

    /// Is this what was expected? None: nothing was promised.
    pub(crate) fn holds(&self, seen: &Seen) -> Option<bool> {
        Some(match (self, seen) {
            (Self::Unknown { .. }, _) => return None,
            (Self::Nonsense(_), _) => false,
            (Self::Seen(Seen::Open(_)), Seen::Open(None)) => true,
            // A datagram to nowhere is not even sent; nor would it have arrived.
            (Self::Seen(Seen::Silence), Seen::Local(_)) => true,
            (Self::Seen(expected), seen) => expected == seen,
            (Self::Nowhere, seen) => matches!(seen, Seen::Icmp(..) | Seen::Silence | Seen::Local(_)),
            (Self::Back, seen) => !matches!(seen, Seen::Open(_)),
            (Self::Closed, seen) => matches!(seen, Seen::Rst | Seen::Silence),
            (Self::NoListener, seen) => matches!(seen, Seen::Icmp(3, 3) | Seen::Icmp(1, 4) | Seen::Silence),
        })
    }
}
