//! What can be asked about a host. Each question is answered once a look, by one source, within its own deadline.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::confined::Confined;
use super::connect::Endpoint;
use super::container::ContainerKey;
use super::daemon::Daemon;
use super::exchange::Request;
use super::route::RouteKey;
use super::ruleset::{ChainId, SetId};
use super::socket::Transport;
use super::watched::WatchKey;

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
    /// What happened on this host lately? Asked only where something came and went.
    Happenings,
    /// Who is meant to serve this port?
    Claims(Transport, u16),
    /// Which of this program's units and programs are installed: the effective configuration of a daemon.
    Daemon(Daemon),
    /// Does this process live in another network namespace, and what listens on the port there (0: on any)?
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
    /// Tables, chains and sets of the packet filter, without rules and elements.
    Ruleset,
    /// The rules of a chain of nftables.
    ChainRules(ChainId),
    /// The elements of a set, unless it is too big to list.
    Elements(SetId),
    /// Is this key in this set?
    Member(SetId, Vec<u8>),
    /// The legacy tables of iptables, with all their rules.
    Legacy,
    /// A list of xt_recent.
    Recent(String),
    /// The network interfaces.
    Links,
    /// The way to an address.
    Route(RouteKey),
    /// The policy rules, and the routes that refuse.
    Routing,
    /// Which hops lie on the way of a TCP connection, and at which distance is it answered? Sends packets; each is counted.
    Path(Endpoint),
    /// Does the kernel know this host on this link?
    Neighbour(IpAddr, String),
    /// What firewalld was told.
    Firewalld,
    /// What ufw was told.
    Ufw,
    /// Whom fail2ban has banned.
    Fail2ban,
    /// The files that rules are loaded from.
    RuleFiles,
    /// Which container engines are here, and what do they run and publish?
    Containers,
    /// A container from near.
    Container(ContainerKey),
    /// The kernel's own word about one attempt. Sends packets; counted as one probe.
    Watched(WatchKey),
    /// What does AppArmor say about this program?
    Apparmor(Confined),
    /// What does SELinux say about this program and this port?
    Selinux(Confined, Transport, u16),
    /// What did security modules deny? Asked only where a daemon was denied something.
    Denials,
    /// Does this process (0: none is known), or else this program, use libwrap?
    Libwrap {
        /// The process.
        pid: u32,
        /// The program of its unit; may be empty.
        program: String,
    },
    /// What do hosts.allow and hosts.deny say?
    HostsAccess,
    /// What name does libwrap find for this client?
    ClientName(IpAddr),
    /// What does the server say to one request? Sends packets; counted as one probe.
    Exchange(Request),
    /// How many files may this process open, and how many has it?
    Limits(u32),
    /// Which proxies is this process told to use (0: whoever asks)?
    Proxies(u32),
    /// What was xinetd told?
    Xinetd,
}
