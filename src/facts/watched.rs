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
    /// What the kernel said about exactly its packets, in order.
    pub words: Vec<Word>,
    /// Why nothing could be traced.
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
