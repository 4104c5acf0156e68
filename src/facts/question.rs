//! What can be asked about a host. Each question is answered once a look, by one source, within its own deadline.

use serde::{Deserialize, Serialize};

use super::connect::Endpoint;
use super::daemon::Daemon;
use super::socket::Transport;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Who and what is this host?
    Host,
    /// Its addresses and default interface.
    Addresses,
    /// What does this name lead to?
    Name(String),
    /// What does a real connection get? The only question that sends packets; counted as one probe.
    Dial(Endpoint),
    /// Which sockets listen on exactly this port?
    Listeners(Transport, u16),
    /// All listening sockets, for the table and for finding a daemon's other ports.
    AllListeners,
    /// What is at this unix name (abstract names with a leading `@`)?
    UnixSocket(String),
    /// Who holds the socket with this inode, created in this control group?
    Owner {
        /// Inode of the socket.
        inode: u32,
        /// Control group id from sock_diag.
        cgroup: Option<u64>,
    },
    /// A unit by name.
    Unit(String),
    /// The last journal entries of a unit.
    Journal(String),
    /// Who is meant to serve this port?
    Claims(Transport, u16),
    /// Which of this program's units and programs are installed: the effective configuration of a daemon.
    Daemon(Daemon),
    /// Does this process live in another network namespace, and what listens on the port there?
    OtherNetwork {
        /// Process to look through.
        pid: u32,
        /// TCP or UDP.
        transport: Transport,
        /// Port.
        port: u16,
    },
    /// A kernel setting by its path below /proc/sys, with slashes (`net/core/somaxconn`).
    Sysctl(String),
    /// A failed unit list and such for the target picker: names of units in state failed.
    FailedUnits,
}
