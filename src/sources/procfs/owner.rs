//! Who holds a socket: from its control group to the unit and the few processes in it, and only if need be through the
//! open files of every process.

use super::process::{self, Holds};
use super::{Trouble, check_mounted, hidden, is_hiding};
use crate::facts::socket::Owner;
use crate::sources::cgroup;

/// Who holds the socket with this inode, created in this control group.
pub fn owner(inode: u32, cgroup: Option<u64>) -> Result<Option<Owner>, Trouble> {
    check_mounted()?;
    let path = match cgroup {
        // Without it the processes are found all the same.
        Some(id) => cgroup::path_of(id).unwrap_or_default(),
        None => None,
    };
    let unit = path.as_deref().and_then(cgroup::unit_of);
    let mut search = Search::new(inode);
    search.among(path.as_deref().map(cgroup::processes_of).unwrap_or_default());
    if unit.as_deref() == Some("init.scope") {
        search.among([1]);
    }
    // When the group's own processes are not ours to look into, looking into all others would tell nothing more.
    if search.holders.is_empty() && !search.unreadable {
        search.among(process::all().map_err(|e| Trouble::io("reading /proc", &e))?);
    }
    let unit = unit.or_else(|| search.holders.iter().find_map(|pid| process::unit(*pid)));
    let partial = search.holders.is_empty() && (search.unreadable || is_hiding());
    if partial && unit.is_none() && is_hiding() {
        return Err(hidden());
    }
    let processes = search.holders.into_iter().filter_map(process::describe).collect();
    Ok(Some(Owner { cgroup: path, unit, processes, partial }))
}

/// A search for the processes that hold a socket.
struct Search {
    inode: u32,
    holders: Vec<u32>,
    unreadable: bool,
}

impl Search {
    fn new(inode: u32) -> Self {
        Self { inode, holders: Vec::new(), unreadable: false }
    }

    fn among(&mut self, pids: impl IntoIterator<Item = u32>) {
        for pid in pids {
            match process::holds(pid, self.inode) {
                Holds::Yes if !self.holders.contains(&pid) => self.holders.push(pid),
                Holds::Unreadable => self.unreadable = true,
                Holds::Yes | Holds::No | Holds::Gone => {}
            }
        }
    }
}
