//! The kernel over netlink.

pub mod route;
pub mod sock_diag;
