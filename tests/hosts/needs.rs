//! Whether this machine can boot test hosts at all, and if not, why.

use std::fs;

use crate::cmd::{command, run};
use crate::lab::cgroup_roots;
use crate::root::has_program;

/// What the harness starts.
const PROGRAMS: &[&str] =
    &["systemd-nspawn", "debootstrap", "apt-get", "ip", "nsenter", "unshare", "setpriv", "mount", "chroot"];

/// The first thing that is missing, in words for the summary line.
pub(crate) fn missing() -> Option<String> {
    if !is_root() {
        return Some("needs root".to_owned());
    }
    if let Some(program) = PROGRAMS.iter().find(|program| !has_program(program)) {
        return Some(format!("needs the program {program}"));
    }
    if cgroup_roots().map_or(true, |roots| roots.is_empty()) {
        return Some("needs control groups as systemd uses them".to_owned());
    }
    let isolated = ["unshare", "--mount", "--net", "--pid", "--fork", "--uts", "--ipc"];
    let mount = ["mount", "-t", "tmpfs", "unrefuse", "/mnt"];
    match run(&mut command(&[&isolated[..], &mount[..]].concat())) {
        Ok(ran) if ran.code == 0 => None,
        _ => Some("needs namespaces and mounts, which this machine does not allow".to_owned()),
    }
}

/// Whether a unit's `MemoryMax=` has any effect in a host booted here.
pub(crate) fn memory_can_be_limited() -> bool {
    let controllers = |root: &std::path::Path| fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    cgroup_roots()
        .is_ok_and(|roots| roots.iter().any(|root| controllers(root).split_whitespace().any(|c| c == "memory")))
}

/// Whether hosts booted here have control groups of the unified hierarchy.
pub(crate) fn groups_are_unified() -> bool {
    let unified = |root: &std::path::PathBuf| root.join("cgroup.controllers").exists();
    cgroup_roots().is_ok_and(|roots| roots.iter().any(unified))
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    ids.split_whitespace().nth(1) == Some("0")
}
