//! Control groups: from the id in a socket to the unit that made it.

use super::Trouble;

/// Path below the cgroup2 root of the control group with this id; none when it is gone.
pub fn path_of(_id: u64) -> Result<Option<String>, Trouble> {
    Err(Trouble::failed("not looked at yet"))
}

/// Id of a control group (inode of its directory), by its path below the root.
pub fn id_of(_path: &str) -> Option<u64> {
    None
}
