//! The kernel's own word about one connection attempt: what was traced and counted while it ran.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connect::{Dial, Endpoint};
use super::ruleset::ChainId;

/// What to watch: an attempt, and chains whose counters are read before and after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchKey {
    /// Where the attempt goes.
    pub to: Endpoint,
    /// Chains whose rules' counters are compared.
    pub chains: Vec<ChainId>,
}

/// An attempt that was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The attempt; it is a probe and is counted as one.
    pub dial: Dial,
    /// What the kernel said about exactly its packets, in order. It may say something later, or where it cannot be told
    /// from others' packets (an answer from another host, a SYN that is sent again). A full accept queue is no word of
    /// Linux 6.18: that there are none proves nothing.
    pub words: Vec<Word>,
    /// Why nothing could be traced, as a clause after "because".
    pub untraced: Option<String>,
    /// Rules that counted packets meanwhile: chain, handle, packets. Others' packets are among them.
    pub counted: Vec<(ChainId, u64, u64)>,
}

/// A trace event about a packet of the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The event: `kfree_skb` (a packet was dropped) or `tcp_send_reset` (TCP itself sent a RST).
    pub event: String,
    /// The kernel's reason (`NETFILTER_DROP`, `NO_SOCKET`, `TCP_LISTEN_OVERFLOW` ...).
    pub reason: Option<String>,
    /// The kernel function it happened in.
    pub place: Option<String>,
    /// How long after the attempt began.
    pub after: Duration,
}

/// What a reason of the kernel means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meaning {
    /// A packet filter dropped it, or answered in its place.
    Filter,
    /// No socket listens there.
    NoSocket,
    /// The accept queue is full, or another queue of the socket.
    Full,
    /// A checksum is wrong.
    Checksum,
    /// Its source may not come that way (`rp_filter`, martian).
    Source,
    /// There is no route, or no neighbour, on its way.
    NoWay,
    /// A program decided: XDP, tc, a socket filter or one of the control group.
    Program,
    /// A security module or an IPsec policy decided.
    Policy,
    /// TCP takes it for no part of any connection (wrong sequence number, flags, signature).
    NotTcp,
    /// The kernel is out of memory for it.
    Memory,
}

impl Meaning {
    /// What was done to the packet and why, as the end of a sentence that begins with "the kernel".
    pub fn words(self) -> &'static str {
        match self {
            Self::Filter => "dropped it in a packet filter",
            Self::NoSocket => "found no socket for it",
            Self::Full => "dropped it because the queue of the socket is full",
            Self::Checksum => "dropped it because of a wrong checksum",
            Self::Source => "dropped it because its source may not come that way",
            Self::NoWay => "dropped it because it has no way to go",
            Self::Program => "dropped it because a BPF program said so",
            Self::Policy => "dropped it because of a security policy",
            Self::NotTcp => "dropped it because it fits no TCP connection",
            Self::Memory => "dropped it for want of memory",
        }
    }
}

/// What a reason means (`enum skb_drop_reason`, `enum sk_rst_reason`); none for those that say nothing about why a
/// connection attempt fails.
pub fn meaning(reason: &str) -> Option<Meaning> {
    Some(match reason {
        "NETFILTER_DROP" => Meaning::Filter,
        "NO_SOCKET" => Meaning::NoSocket,
        "TCP_LISTEN_OVERFLOW" | "SOCKET_BACKLOG" | "SOCKET_RCVBUFF" => Meaning::Full,
        "IP_CSUM" | "TCP_CSUM" | "UDP_CSUM" | "ICMP_CSUM" | "SKB_CSUM" => Meaning::Checksum,
        "IP_RPFILTER" | "IP_LOCAL_SOURCE" | "IP_INVALID_SOURCE" | "IP_LOCALNET" => Meaning::Source,
        "IP_OUTNOROUTES" | "IP_INNOROUTES" | "IP_INADDRERRORS" | "IP_INVALID_DEST" | "IP_NOPROTO" | "IPV6DISABLED"
        | "NEIGH_CREATEFAIL" | "NEIGH_FAILED" | "NEIGH_QUEUEFULL" | "NEIGH_DEAD" => Meaning::NoWay,
        "XDP" | "TC_INGRESS" | "TC_EGRESS" | "SOCKET_FILTER" | "BPF_CGROUP_EGRESS" => Meaning::Program,
        "SECURITY_HOOK" | "XFRM_POLICY" => Meaning::Policy,
        "PROTO_MEM" | "NOMEM" | "CPU_BACKLOG" => Meaning::Memory,
        // Those of a connection that ends.
        "TCP_RESET" | "TCP_CLOSE" | "TCP_OLD_DATA" | "TCP_OLD_ACK" | "TCP_OFOMERGE" => return None,
        "INVALID_SYN" => Meaning::NotTcp,
        other if other.starts_with("TCP_") => Meaning::NotTcp,
        _ => return None,
    })
}

impl Word {
    /// What the reason means.
    pub fn meaning(&self) -> Option<Meaning> {
        self.reason.as_deref().and_then(meaning)
    }

    /// TCP itself sent a RST: no rule did.
    pub fn is_reset(&self) -> bool {
        self.event == "tcp_send_reset"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_all_kernels_mean_the_same() {
        assert_eq!(meaning("NETFILTER_DROP"), Some(Meaning::Filter));
        assert_eq!(meaning("TCP_LISTEN_OVERFLOW"), Some(Meaning::Full));
        assert_eq!(meaning("TCP_MD5FAILURE"), Some(Meaning::NotTcp));
        assert_eq!(meaning("TCP_CSUM"), Some(Meaning::Checksum));
        assert_eq!(meaning("NOT_SPECIFIED"), None);
        assert_eq!(meaning("TCP_RESET"), None);
    }
}
