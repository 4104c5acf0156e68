//! Listeners in network namespaces other than ours.

use serde::{Deserialize, Serialize};

use super::socket::Listener;

/// The network namespace of a running process, when it is not our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherNetwork {
    /// Process it was entered through (a unit's main process).
    pub pid: u32,
    /// Inode of the namespace (`readlink /proc/PID/ns/net`); 0 when we may not read it.
    pub netns: u64,
    /// False: the process shares our own namespace.
    pub separate: bool,
    /// Listeners on the asked port there. Without the right to enter the namespace only address, port, uid and inode
    /// are known: no queue, no backlog, no device, and not whether `[::]` takes IPv4.
    pub listeners: Vec<Listener>,
}
