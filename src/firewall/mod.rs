//! A PACKET'S WAY through the rules of a host: which sources get which verdict, and by which rule. Pure.
//!
//! [`follow`] sends a connection's first packet, as many sources would send it at once, through every hook it passes
//! (ingress, prerouting, routing, input or forward, postrouting), then the answer's way back out. What sources share stays
//! one part; where a rule tells them apart the part is split. So the result is a partition of the sources, each part
//! with its fate and the rule that decided it.
//!
//! What cannot be known before a packet comes (a rate limit, a random number, a match this program does not know) makes
//! the part that depends on it [`Fate::Unknown`], by name, and no other.

mod below;
mod bytes;
mod doubt;
mod early;
mod effect;
mod fib;
pub mod file;
mod hooks;
pub mod keeper;
mod load;
mod lookup;
mod nat;
mod outcome;
mod ranges;
mod recent;
mod refusal;
mod routed;
mod rule;
pub mod see;
pub mod sources;
mod split;
mod step;
mod strand;
mod targets;
#[cfg(test)]
mod tests;
mod walker;
mod way;
pub mod words;
mod xt;

use std::net::{IpAddr, SocketAddr};

pub use below::program_at;

use crate::facts::host::Addresses;
use crate::facts::route::{Link, Route, RouteKey};
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::ruleset::{ChainId, ChainRules, Element, Elements, Hook, LegacyTable, Recent, Ruleset, SetId};
use crate::facts::socket::Transport;
use sources::Sources;
use walker::Walker;

/// Why something about the host is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// It is still to come.
    Open,
    /// It will not come, for this reason (a clause after "because").
    Blind(String),
}

/// What following a packet reads. Whoever implements it asks for what is missing; the packet is then followed again.
pub trait Known {
    /// Tables, chains and sets.
    fn ruleset(&self) -> Result<&Ruleset, Missing>;
    /// The rules of a chain of nftables; one that is gone has none.
    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, Missing>;
    /// The elements of a set.
    fn elements(&self, id: &SetId) -> Result<&Elements, Missing>;
    /// The element of a set that holds a key.
    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, Missing>;
    /// The legacy tables.
    fn legacy(&self) -> Result<&[LegacyTable], Missing>;
    /// A list of xt_recent.
    fn recent(&self, name: &str) -> Result<&Recent, Missing>;
    /// The interfaces.
    fn links(&self) -> Result<&[Link], Missing>;
    /// This host's addresses.
    fn addresses(&self) -> Result<&Addresses, Missing>;
    /// The way to an address.
    fn route(&self, key: &RouteKey) -> Result<&Route, Missing>;
    /// A kernel setting by its path below /proc/sys. Where nobody says otherwise this host forwards, and its loopback
    /// addresses stay its own.
    fn sysctl(&self, path: &str) -> Result<&str, Missing> {
        Ok(if path.ends_with("/route_localnet") { "0" } else { "1" })
    }
}

/// Who sends the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// Anybody on another host: every source there may be, each by the interface its answers leave by.
    Any,
    /// That one.
    Address(IpAddr),
    /// This host itself, from the address its kernel chooses.
    Here,
}

/// The first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packet {
    /// TCP (a SYN) or UDP.
    pub transport: Transport,
    /// Who sends it.
    pub client: Client,
    /// Where to. Addresses of this host are delivered, others forwarded (or, from here, sent out).
    pub to: SocketAddr,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walk {
    /// The sources, told apart by what they get. No two parts share a source.
    pub parts: Vec<Part>,
    /// Every chain that some part entered, in the order of the way.
    pub entered: Vec<ChainId>,
}

/// Sources that get the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Who.
    pub sources: Sources,
    /// What they get.
    pub fate: Fate,
    /// Where the packet goes after address translation; the target itself where there is none.
    pub to: SocketAddr,
    /// A port there that nobody listens on can say so. The kernel sends its RST to `::1` out by the interface that holds
    /// `to`, and where that is not lo there is no such way: the client hears nothing.
    pub resets: bool,
    /// The rule that changed where it goes.
    pub translated: Option<Place>,
    /// What it passed on the way, in order.
    pub passed: Vec<Pass>,
}

impl Part {
    /// The rule or policy that decides about it; of what gets through, the last rule that let it pass.
    pub fn decided_by(&self) -> Option<&Place> {
        match &self.fate {
            Fate::Rejected { by, .. } | Fate::Dropped { by } => Some(by),
            Fate::Unknown { by, .. } => by.as_ref(),
            Fate::Delivered | Fate::Forwarded { .. } => {
                self.passed.iter().rev().map(|pass| &pass.by).find(|by| by.rule.is_some())
            }
            Fate::Unrouted { .. } => None,
        }
    }
}

/// What a part gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It comes to `to` on this host, and the answer comes out.
    Delivered,
    /// It leaves this host towards `to`, and the answer comes back through.
    Forwarded {
        /// Interface it leaves by.
        interface: Option<String>,
    },
    /// It is answered with an error.
    Rejected {
        /// How.
        with: RejectWith,
        /// By what.
        by: Place,
    },
    /// It, or its answer, vanishes.
    Dropped {
        /// By what.
        by: Place,
    },
    /// Its route leads nowhere (RTN_BLACKHOLE, RTN_UNREACHABLE ... or none).
    Unrouted {
        /// Where to.
        to: IpAddr,
        /// Why it vanishes without an answer, as a clause; none: the sender is told.
        silent: Option<&'static str>,
    },
    /// It cannot be told.
    Unknown {
        /// Why, as a clause after "because".
        why: String,
        /// The answer may still come.
        open: bool,
        /// What it depends on.
        by: Option<Place>,
    },
}

impl Fate {
    /// The rule or policy that decided it, or that it depends on.
    pub fn by(&self) -> Option<&Place> {
        match self {
            Self::Rejected { by, .. } | Self::Dropped { by } => Some(by),
            Self::Unknown { by, .. } => by.as_ref(),
            Self::Delivered | Self::Forwarded { .. } | Self::Unrouted { .. } => None,
        }
    }
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// The client's packet.
    Request,
    /// The answer.
    Reply,
}

/// A rule, or the policy of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The base chain the packet was in.
    pub base: ChainId,
    /// Where that is hooked in.
    pub hook: Hook,
    /// Which packet.
    pub leg: Leg,
    /// Rules that led from the base chain to `chain`: chain and handle.
    pub via: Vec<(ChainId, u64)>,
    /// The chain the rule is in.
    pub chain: ChainId,
    /// Its handle; none: the policy of the base chain.
    pub rule: Option<u64>,
}

/// A base chain that was passed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pass {
    /// What let it pass: an accepting rule, or the policy.
    pub by: Place,
}

/// Follows a packet. What that may cost is bounded: what is left of a ruleset beyond the bound is unknown.
pub fn follow(packet: &Packet, known: &dyn Known) -> Walk {
    follow_within(packet, known, walker::MOST)
}

/// The same at a cost of at most so many elements of sets gone through, where a rule counts as [`walker::RULE`].
fn follow_within(packet: &Packet, known: &dyn Known, most: u64) -> Walk {
    let blind = |missing: Missing, what: &str| {
        let (why, open) = match missing {
            Missing::Blind(why) => (format!("{what} cannot be read: {why}"), false),
            Missing::Open => (format!("{what} are still being read"), true),
        };
        let fate = Fate::Unknown { why, open, by: None };
        let sources = Sources::all(packet.to.is_ipv6());
        let part = Part { sources, fate, to: packet.to, resets: true, translated: None, passed: Vec::new() };
        Walk { parts: vec![part], entered: Vec::new() }
    };
    // All is asked for at once, whatever is missing first.
    let (ruleset, addresses) = (known.ruleset(), known.addresses());
    match (ruleset, addresses) {
        (Ok(ruleset), Ok(addresses)) => {
            let mut walker = Walker::new(known, ruleset, addresses, *packet);
            walker.most = most;
            walker.walk();
            walker.outcome()
        }
        (Err(missing), _) => blind(missing, "the rules"),
        (_, Err(missing)) => blind(missing, "this host's addresses"),
    }
}
