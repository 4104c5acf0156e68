//! The kernel over netlink: its sockets and its addresses, asked for directly instead of read from text tables.

pub mod hooks;
pub mod links;
pub mod lookup;
pub mod namespace;
pub mod neighbour;
#[cfg(feature = "libnftnl")]
pub mod nftables;
#[cfg(not(feature = "libnftnl"))]
#[path = "without_libnftnl.rs"]
pub mod nftables;
pub mod route;
pub mod rules;
pub mod sock_diag;
mod transport;
pub mod wire;
