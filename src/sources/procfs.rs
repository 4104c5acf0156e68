//! /proc and /sys: this host, the owners of sockets, kernel settings, other network namespaces.

use super::Trouble;
use crate::facts::host::Host;
use crate::facts::namespace::OtherNetwork;
use crate::facts::socket::{Owner, Transport};

/// This host.
pub fn host() -> Result<Option<Host>, Trouble> {
    Err(Trouble::failed("not looked at yet"))
}

/// Who holds the socket with this inode, created in this control group.
pub fn owner(_inode: u32, _cgroup: Option<u64>) -> Result<Option<Owner>, Trouble> {
    Err(Trouble::failed("not looked at yet"))
}

/// A kernel setting by its path below /proc/sys.
pub fn sysctl(_path: &str) -> Result<Option<String>, Trouble> {
    Err(Trouble::failed("not looked at yet"))
}

/// The network namespace of a process, and what listens on the port there.
pub fn other_network(_pid: u32, _transport: Transport, _port: u16) -> Result<Option<OtherNetwork>, Trouble> {
    Err(Trouble::failed("not looked at yet"))
}
