//! Links and the way to an address, as rtnetlink tells them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Kind of a virtual link (`veth`, `bridge`, `wireguard` ...).
    pub kind: Option<String>,
    /// Hardware type (`ARPHRD_ETHER` = 1, `ARPHRD_LOOPBACK` = 772 ...).
    pub hardware: u16,
    /// Group (`ip link set group`).
    pub group: u32,
    /// Index of the bridge, bond or VRF it belongs to.
    pub master: Option<u32>,
    /// Index of the interface that it is made upon (the parent of a VLAN, the other end of a veth), where that is in this
    /// network namespace.
    #[serde(default)]
    pub parent: Option<u32>,
    /// Flag UP.
    pub up: bool,
    /// Largest packet, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Id of the XDP program attached to it.
    pub xdp: Option<u32>,
    /// Classifiers or programs of tc that see what comes in or goes out, as `tc filter show` names their kinds (`bpf`, `flower` ...).
    pub tc: Vec<String>,
}

/// What a route is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// Where to.
    pub to: IpAddr,
    /// From which source address.
    pub from: Option<IpAddr>,
    /// Interface it came in on, which takes a source, too; none for what this host sends itself.
    pub input: Option<String>,
    /// Packet mark.
    pub mark: u32,
}

/// The way to an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// What kind.
    pub kind: RouteKind,
    /// Interface it leaves by.
    pub interface: Option<String>,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Source address the kernel would choose.
    pub source: Option<IpAddr>,
    /// Routing table it came from.
    pub table: u32,
}

/// What the routing table says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// Leads somewhere else.
    Unicast,
    /// Is this host's.
    Local,
    /// Is a broadcast address.
    Broadcast,
    /// Is a multicast address.
    Multicast,
    /// Silently nowhere (EINVAL for a local connect).
    Blackhole,
    /// Refused: EHOSTUNREACH.
    Unreachable,
    /// Refused: EACCES.
    Prohibit,
    /// There is none: ENETUNREACH.
    NoRoute,
    /// What comes in by that interface from that source is dropped: the source is not reached that way (`rp_filter`,
    /// EXDEV), or may not be one (EINVAL).
    Martian,
}
