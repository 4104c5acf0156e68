//! Listeners in network namespaces other than ours.

use serde::{Deserialize, Serialize};

use super::socket::Listener;

/// The network namespace of a running process, when it is not our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherNetwork {
    /// Process it was entered through (a unit's main process).
    pub pid: u32,
    /// Inode of the namespace (`readlink /proc/PID/ns/net`).
    pub netns: u64,
    /// False: the process shares our own namespace.
    pub separate: bool,
    /// Listeners on the asked port there.
    pub listeners: Vec<Listener>,
}
