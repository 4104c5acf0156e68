//! What a real connection attempt showed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a connection attempt goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// TCP to an address and port.
    Tcp(SocketAddr),
    /// UDP to an address and port.
    Udp(SocketAddr),
    /// A unix stream socket in the file system.
    Unix(String),
    /// A unix stream socket in the abstract name space, without the leading `@`.
    Abstract(String),
}

impl Endpoint {
    /// The internet address, where there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(at) | Self::Udp(at) => Some(at.ip()),
            Self::Unix(_) | Self::Abstract(_) => None,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(at) => write!(f, "{at}"),
            Self::Udp(at) => write!(f, "udp://{at}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
        }
    }
}

/// What the asked side gets, in the words of CONTRACT `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The connection works.
    Open,
    /// ECONNREFUSED.
    Refused,
    /// ECONNRESET during the handshake or right after it.
    Reset,
    /// The handshake works and the server hangs up without serving.
    Closed,
    /// No answer.
    Timeout,
    /// EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT, EINVAL of a blackhole route, EADDRNOTAVAIL.
    Unreachable,
    /// EACCES, EPERM.
    Denied,
    /// No such name, no such socket path.
    Unresolved,
    /// UDP without any answer (may be healthy).
    Silent,
    /// Anything else.
    Error,
}

impl Outcome {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Unresolved => "unresolved",
            Self::Silent => "silent",
            Self::Error => "error",
        }
    }
}

/// One connection attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// Where it went.
    pub to: Endpoint,
    /// Our own address it left from, where the kernel chose one.
    pub source: Option<SocketAddr>,
    /// What came of it.
    pub outcome: Outcome,
    /// Name of the errno (`ECONNREFUSED`), none when open, silent or timed out without one.
    pub errno: Option<String>,
    /// The ICMP error behind it, from the socket's error queue. `Refused` without one is a RST.
    pub icmp: Option<Icmp>,
    /// Time from the first packet to the answer (or to giving up).
    pub after: Duration,
    /// SYNs the kernel sent again meanwhile (TCP_INFO total_retrans).
    pub retransmits: u32,
    /// First bytes the server said by itself, shown safely (lossy, at most 200 bytes).
    pub banner: Option<String>,
    /// What the namespace's counters did meanwhile; empty when unreadable.
    pub counters: Vec<Counter>,
}

/// An ICMP error that answered us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icmp {
    /// True for ICMPv6.
    pub v6: bool,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Who sent it (SO_EE_OFFENDER).
    pub from: Option<IpAddr>,
}

/// A counter of the network namespace (`Tcp.OutRsts`, `TcpExt.ListenOverflows`, `Icmp.OutDestUnreachs` ...) and how far
/// it moved while the attempt ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// `Table.Name` as in /proc/net/snmp, snmp6 (`Icmp6.Name`) or netstat.
    pub name: String,
    /// How far it moved.
    pub delta: i64,
}

impl Dial {
    /// How far a counter moved; `None` when counters could not be read.
    pub fn counter(&self, name: &str) -> Option<i64> {
        if self.counters.is_empty() {
            return None;
        }
        Some(self.counters.iter().find(|c| c.name == name).map_or(0, |c| c.delta))
    }

    /// A RST answered (rather than an ICMP error).
    pub fn was_reset(&self) -> bool {
        self.outcome == Outcome::Refused && self.icmp.is_none() && self.to.ip().is_some()
    }
}

impl Icmp {
    /// The name operators know (`port-unreachable`, `admin-prohibited` ...).
    pub fn name(&self) -> &'static str {
        match (self.v6, self.kind, self.code) {
            (false, 3, 0) | (true, 1, 0) => "no-route (net-unreachable)",
            (false, 3, 1) => "host-unreachable",
            (false, 3, 2) => "proto-unreachable",
            (false, 3, 3) | (true, 1, 4) => "port-unreachable",
            (false, 3, 9) => "net-prohibited",
            (false, 3, 10) => "host-prohibited",
            (false, 3, 13) | (true, 1, 1) => "admin-prohibited",
            (true, 1, 3) => "addr-unreachable",
            (true, 1, 5) => "policy-fail",
            (true, 1, 6) => "reject-route",
            (false, 11, _) | (true, 3, _) => "time-exceeded",
            _ => "other",
        }
    }
}
