//! A strand: sources that have been treated alike so far, and the state their packet is in.

use std::net::IpAddr;
use std::rc::Rc;

use super::bytes::{Byte, DoubtId};
use super::ranges::Ranges;
use super::{Pass, Place};
use crate::facts::ruleset::SetId;
use crate::facts::ruleset::xt::RecentDoes;
use crate::facts::socket::Transport;

/// Sources, and what became of their packet so far.
#[derive(Debug, Clone)]
pub(super) struct Strand {
    pub(super) addresses: Ranges,
    pub(super) ports: Ranges,
    pub(super) members: Vec<(SetId, bool)>,
    /// Shared with the strands it was cut from until something happens to it.
    pub(super) state: Rc<State>,
}

impl Strand {
    /// To change the state.
    pub(super) fn state(&mut self) -> &mut State {
        Rc::make_mut(&mut self.state)
    }

    /// The same with other addresses.
    pub(super) fn with_addresses(&self, addresses: Ranges) -> Self {
        Self { addresses, ports: self.ports.clone(), members: self.members.clone(), state: Rc::clone(&self.state) }
    }

    fn same_state(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.state, &other.state) || self.state == other.state
    }

    /// Can one strand hold both? They were treated alike and differ in one respect at most.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.same_state(other) && self.joint(other).is_some()
    }

    /// In what they differ.
    fn joint(&self, other: &Self) -> Option<Joint> {
        if self.members == other.members {
            if self.ports == other.ports {
                return Some(Joint::Addresses);
            }
            return (self.addresses == other.addresses).then_some(Joint::Ports);
        }
        let opposite = |(set, is): &(SetId, bool)| other.members.contains(&(set.clone(), !is));
        let differ: Vec<&(SetId, bool)> = self.members.iter().filter(|m| !other.members.contains(m)).collect();
        match differ.as_slice() {
            [one]
                if self.members.len() == other.members.len()
                    && opposite(one)
                    && self.ports == other.ports
                    && self.addresses == other.addresses =>
            {
                Some(Joint::Member(one.0.clone()))
            }
            _ => None,
        }
    }

    /// Both in one; only for those that fit.
    pub(super) fn joined(mut self, other: Self) -> Self {
        match self.joint(&other) {
            Some(Joint::Addresses) => self.addresses.join(other.addresses),
            Some(Joint::Ports) => self.ports.join(other.ports),
            Some(Joint::Member(set)) => self.members.retain(|(other, _)| *other != set),
            None => {}
        }
        self
    }

    /// The same sources.
    pub(super) fn same_sources(&self, other: &Self) -> bool {
        self.ports == other.ports && self.members == other.members && self.addresses == other.addresses
    }
}

enum Joint {
    Addresses,
    Ports,
    Member(SetId),
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: Rc<str>,
    /// The port that a packet comes in by, where there are several.
    pub(super) port: Option<Rc<str>>,
    /// What a packet passes before it comes in by this one, from outside to inside.
    pub(super) below: Vec<Rc<str>>,
    /// Packets carry the tag of a VLAN there.
    pub(super) tagged: bool,
}

impl Device {
    /// An interface with nothing below it that matters.
    pub(super) fn plain(name: &str) -> Self {
        Self { name: name.into(), port: None, below: Vec::new(), tagged: false }
    }
}

/// An address in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// The client's, one of the strand's.
    Client,
    Fixed(IpAddr),
    Unknown(DoubtId),
}

/// A port in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// The client's, one of the strand's.
    Client,
    Fixed(u16),
    Unknown(DoubtId),
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) address: Address,
    pub(super) port: Port,
}

/// What kind of packet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first of a connection.
    First(Transport),
    /// The answer to it.
    Answer(Transport),
    /// A TCP RST in answer.
    Reset,
    /// An ICMP (or ICMPv6) error in answer.
    Icmp { kind: u8, code: u8 },
}

impl Kind {
    /// The IP protocol's number.
    pub(super) fn protocol(self, v6: bool) -> u8 {
        match self {
            Self::First(Transport::Tcp) | Self::Answer(Transport::Tcp) | Self::Reset => 6,
            Self::First(Transport::Udp) | Self::Answer(Transport::Udp) => 17,
            Self::Icmp { .. } if v6 => 58,
            Self::Icmp { .. } => 1,
        }
    }
}

/// What connection tracking says of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracking {
    /// Nothing yet.
    Unseen,
    /// Told to ignore it.
    Untracked,
    /// It belongs to no connection that it knows.
    Invalid,
    /// It begins one.
    New,
    /// It belongs to one.
    Established,
    /// It is an error about one.
    Related,
}

/// Does a rule have connection tracking ignore a packet?
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ignored {
    No,
    /// By this rule.
    By(Place),
    /// None can: it is an error about a packet that was ignored, and the kernel noted that in it.
    Never,
}

/// The connection as it is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) mark: [Byte; 4],
    /// Sender and receiver of the first packet as it came.
    pub(super) original: (End, End),
    /// Sender and receiver of the answer as it will come.
    pub(super) reply: (End, End),
    /// It is tracked at all.
    pub(super) exists: bool,
    /// Its first packet went all the way through this host, or out of it.
    pub(super) confirmed: bool,
    /// Labels were set.
    pub(super) labelled: bool,
    /// Whether the destination and the source may not be translated any more.
    pub(super) settled: (bool, bool),
    /// Whether the destination and the source are translated.
    pub(super) translated: (bool, bool),
}

/// What a rule did to a list of xt_recent for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The list.
    pub(super) list: String,
    /// The address it was done for.
    pub(super) address: Address,
    pub(super) does: RecentDoes,
}

/// The state a packet is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) source: End,
    pub(super) destination: End,
    pub(super) mark: [Byte; 4],
    pub(super) tracking: Tracking,
    pub(super) connection: Connection,
    /// Whether a rule told connection tracking to ignore it.
    pub(super) ignored: Ignored,
    /// It goes from the server to the client.
    pub(super) reply: bool,
    /// Interface the first packet came in on.
    pub(super) arrived: Option<Device>,
    pub(super) input: Option<Device>,
    pub(super) output: Option<Device>,
    /// It came over lo, out of this host's own output: what was known then is still known.
    pub(super) looped: bool,
    pub(super) passed: Vec<Pass>,
    pub(super) translated: Option<Place>,
    /// Keys that rules put into sets on the way.
    pub(super) added: Vec<(SetId, Vec<Byte>)>,
    /// What was done to lists of xt_recent for it, in order.
    pub(super) listed: Vec<Seen>,
    /// What it depends on, and which way that went.
    pub(super) doubts: Vec<(DoubtId, bool)>,
    /// Its fate is told already; it goes on only to ask for what may be needed next.
    pub(super) ghost: bool,
}
