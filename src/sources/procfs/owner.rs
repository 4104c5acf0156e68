//! Who holds a socket: from its control group to the unit and the few processes in it, and only if need be through the
//! open files of every process.

use std::collections::{BTreeMap, BTreeSet};

use super::process::{self, Holds};
use super::{Trouble, check_mounted, hidden, is_hiding};
use crate::facts::socket::{Listener, Owner, Process};
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

/// Who holds each of these sockets, in one walk through the open files of all processes: asking for one after the other
/// would take that walk as often as there are sockets. Those of which nothing is known are left out.
pub fn owners(of: &[Listener]) -> Result<BTreeMap<u32, Owner>, Trouble> {
    check_mounted()?;
    let wanted: BTreeSet<u32> = of.iter().map(|l| l.inode).collect();
    let mut holders: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut unreadable = is_hiding();
    for pid in process::all().map_err(|e| Trouble::io("reading /proc", &e))? {
        match process::sockets(pid) {
            Ok(held) => held.filter(|inode| wanted.contains(inode)).for_each(|inode| note(&mut holders, inode, pid)),
            Err(holds) => unreadable |= holds == Holds::Unreadable,
        }
    }
    let mut known = Known::default();
    let owner = |listener: &Listener| {
        let pids = holders.get(&listener.inode).map(Vec::as_slice).unwrap_or_default();
        let owner = known.owner(listener.cgroup, pids, unreadable);
        (owner.unit.is_some() || !owner.processes.is_empty() || unreadable).then_some((listener.inode, owner))
    };
    Ok(of.iter().filter_map(owner).collect())
}

/// A process may hold the same socket more than once.
fn note(holders: &mut BTreeMap<u32, Vec<u32>>, inode: u32, pid: u32) {
    let pids = holders.entry(inode).or_default();
    if pids.last() != Some(&pid) {
        pids.push(pid);
    }
}

/// What has been looked up already: many sockets have the same few holders.
#[derive(Default)]
struct Known {
    groups: BTreeMap<u64, Option<String>>,
    processes: BTreeMap<u32, Option<Process>>,
    units: BTreeMap<u32, Option<String>>,
}

impl Known {
    fn owner(&mut self, cgroup: Option<u64>, pids: &[u32], unreadable: bool) -> Owner {
        let path = cgroup
            .and_then(|id| self.groups.entry(id).or_insert_with(|| cgroup::path_of(id).unwrap_or_default()).clone());
        let of_process = |pid: &u32| self.units.entry(*pid).or_insert_with(|| process::unit(*pid)).clone();
        let unit = path.as_deref().and_then(cgroup::unit_of).or_else(|| pids.iter().find_map(of_process));
        let mut describe = |pid: &u32| self.processes.entry(*pid).or_insert_with(|| process::describe(*pid)).clone();
        let processes = pids.iter().filter_map(&mut describe).collect();
        Owner { cgroup: path, unit, processes, partial: pids.is_empty() && unreadable }
    }
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
