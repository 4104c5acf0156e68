//! The way of a TCP connection, hop by hop, and at which distance it is answered.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connect::Icmp;

/// What SYNs with small TTLs showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// Where they went.
    pub to: SocketAddr,
    /// The hops that were asked, by distance; what lies beyond the one that answered is not among them.
    pub hops: Vec<Hop>,
    /// The answer at the smallest distance that is more than a router's word about the TTL; none: nobody gave one.
    pub end: Option<End>,
    /// What a datagram told that was sent just as far as the answer's distance.
    pub control: Option<Control>,
    /// Packets sent.
    pub probes: usize,
}

/// A hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// TTL of the packet; 1 is the first router.
    pub distance: u8,
    /// Who said that the TTL was over; none: nobody did.
    pub from: Option<IpAddr>,
    /// After how long.
    pub after: Option<Duration>,
}

/// An answer to the connection itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Smallest TTL that gets it.
    pub distance: u8,
    /// What it is.
    pub answer: EndAnswer,
    /// After how long.
    pub after: Duration,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndAnswer {
    /// A SYN-ACK.
    Open,
    /// A RST.
    Reset,
    /// An ICMP error.
    Icmp(Icmp),
}

/// Whose word a datagram with the answer's TTL got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// A router there says that the TTL was over: the target lies beyond it.
    Beyond(IpAddr),
    /// The target itself answered: it is no farther than that.
    Target,
    /// Nobody's.
    Silent,
}

impl EndAnswer {
    /// As tcpdump and the names of ICMP have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "SYN-ACK",
            Self::Reset => "RST",
            Self::Icmp(icmp) => icmp.name(),
        }
    }
}

impl Path {
    /// The farthest hop that is known.
    pub fn farthest(&self) -> Option<(u8, IpAddr)> {
        self.hops.iter().rev().find_map(|hop| Some((hop.distance, hop.from?)))
    }

    /// The router right before the distance of the answer, where it is known.
    pub fn before_end(&self) -> Option<IpAddr> {
        let before = self.end.as_ref()?.distance.checked_sub(1)?;
        self.hops.iter().find(|hop| hop.distance == before)?.from
    }

    /// The port in the words of nmap.
    pub fn state(&self) -> &'static str {
        match self.end.as_ref().map(|end| &end.answer) {
            Some(EndAnswer::Open) => "open",
            Some(EndAnswer::Reset) => "closed",
            Some(EndAnswer::Icmp(icmp)) if icmp.name() == "port-unreachable" && icmp.from == Some(self.to.ip()) => {
                "closed"
            }
            Some(EndAnswer::Icmp(_)) | None => "filtered",
        }
    }
}
