//! One process: what it is called, what it holds, which unit it belongs to. It may be gone at any moment.

use std::fs;
use std::io;

use super::super::cgroup;
use crate::facts::socket::Process;

/// Bytes of a command line that are kept.
const COMMAND: usize = 300;

/// Does a process hold a socket?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// It has gone, or is hidden from us.
    Gone,
    /// It belongs to somebody else.
    Unreadable,
}

/// Looks through the open files of a process for the socket with this inode.
pub(super) fn holds(pid: u32, inode: u32) -> Holds {
    match sockets(pid) {
        Ok(mut held) => {
            if held.any(|other| other == inode) {
                Holds::Yes
            } else {
                Holds::No
            }
        }
        Err(why) => why,
    }
}

/// The inodes of the sockets among the open files of a process, or why they cannot be told.
pub(super) fn sockets(pid: u32) -> Result<impl Iterator<Item = u32>, Holds> {
    let entries = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(Holds::Unreadable),
        Err(_) => return Err(Holds::Gone),
    };
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(links.filter_map(|target| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()))
}

/// A process for people; none when it has gone.
pub(super) fn describe(pid: u32) -> Option<Process> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let started_at = procfs::boot_time_secs().map_or(0, |boot| boot + stat.starttime / procfs::ticks_per_second());
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Process { pid, name: stat.comm, command: command_line(&command), started_at, started: stat.starttime })
}

/// The words of a command line with blanks between them, cut to what is worth keeping.
fn command_line(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let words: Vec<u8> = bytes.iter().take(end).map(|b| if *b == 0 { b' ' } else { *b }).collect();
    let mut text = String::from_utf8_lossy(&words).into_owned();
    let end = (0..=COMMAND.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

/// The unit a process belongs to now, by its control group.
pub(super) fn unit(pid: u32) -> Option<String> {
    let groups = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.cgroups().ok()?.0;
    // cgroup2, or on old hosts the hierarchy that systemd keeps for itself.
    let of = |found: &dyn Fn(&procfs::ProcessCGroup) -> bool| {
        groups.iter().find(|g| found(g)).and_then(|g| cgroup::unit_of(&g.pathname))
    };
    of(&|g| g.hierarchy == 0).or_else(|| of(&|g| g.controllers == ["name=systemd"]))
}

/// Every process there is.
pub(super) fn all() -> io::Result<impl Iterator<Item = u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// When a process was started, in clock ticks since boot (field 22 of /proc/PID/stat): tells it from a later one with the
/// same number. None: there is no such process.
pub fn started(pid: u32) -> Option<u64> {
    let process = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?;
    process.stat().ok().map(|stat| stat.starttime)
}

/// Whether the process that was started then runs. One that has ended but is still in its parent's books does not.
pub fn runs(pid: u32, started: u64) -> bool {
    let process = i32::try_from(pid).ok().and_then(|pid| procfs::process::Process::new(pid).ok());
    let stat = process.and_then(|process| process.stat().ok());
    stat.is_some_and(|stat| stat.starttime == started && !matches!(stat.state, 'Z' | 'X'))
}

/// Whether a process was stopped (SIGSTOP, Ctrl-Z) and waits to be continued.
pub fn stopped(pid: i32) -> bool {
    let stat = procfs::process::Process::new(pid).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.state == 'T')
}

/// Nothing that this process starts can have more rights than it has.
pub fn no_new_privileges() -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    status.is_ok_and(|status| status.nonewprivs == Some(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn any_command_line_is_cut_to_its_length(raw in damaged::bytes(&["nginx: master process\0-g\0daemon off;\0"]), times in 1..40_usize) {
            proptest::prop_assert!(command_line(&raw.repeat(times)).len() <= COMMAND);
        }
    }

    #[test]
    fn command_lines_are_words() {
        assert_eq!(
            command_line(b"nginx: master process /usr/sbin/nginx\0\0\0"),
            "nginx: master process /usr/sbin/nginx"
        );
        assert_eq!(command_line(b"redis-server\0--port\x006379\0"), "redis-server --port 6379");
        assert_eq!(command_line(b""), "");
        assert_eq!(command_line(b"\0"), "");
    }

    #[test]
    fn long_command_lines_are_cut_between_characters() {
        let long = command_line("é".repeat(400).as_bytes());
        assert_eq!(long, "é".repeat(150));
        let odd = command_line(format!("x{}", "é".repeat(400)).as_bytes());
        assert_eq!(odd.len(), 299);
    }

    #[test]
    fn we_ourselves_are_a_process() {
        let pid = std::process::id();
        let me = describe(pid).unwrap();
        assert_eq!(me.pid, pid);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(me.started_at <= now + 2 && me.started_at > now - 86_400, "{me:?} at {now}");
        assert!(me.command.contains(me.name.get(..6).unwrap()), "{me:?}");
        assert!(all().unwrap().any(|p| p == pid));
    }

    #[test]
    fn a_process_that_is_gone_holds_nothing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(holds(child.id(), 1), Holds::Gone);
        assert_eq!(describe(child.id()), None);
        assert_eq!(unit(child.id()), None);
    }
}
