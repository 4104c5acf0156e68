//! The kernel's own trace of dropped packets and RSTs: a private instance of tracefs, which others do not see and which
//! leaves nothing behind.
//!
//! Nothing is mounted, no event of the system's own trace is touched. The instance goes with the [`Instance`]; what a
//! killed process left is removed at the next use.

pub(super) mod lines;
mod reasons;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

pub use lines::{Attempt, Event, Line, lines, words};

/// Where tracefs is mounted: at its own place, or where it was before 4.1.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const DROPS: &str = "events/skb/kfree_skb";
const RESETS: &str = "events/tcp/tcp_send_reset";
/// The events of one attempt are a few lines.
const MOST_BYTES: u64 = 1 << 20;
const PREFIX: &str = "unrefuse";

/// Instances of this process that stand.
static STANDING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A private trace.
#[derive(Debug)]
pub struct Instance {
    place: PathBuf,
}

impl Instance {
    /// Begins to trace what happens to packets of this protocol (an ethertype) while this thread runs, and the RSTs that
    /// TCP sends; times are those of `CLOCK_MONOTONIC`. The error says why not, as a clause after "because".
    pub fn begin(thread: i32, protocol: u16) -> Result<Self, String> {
        let root = root()?;
        let instances = root.join("instances");
        let space = space();
        remove_stale(&instances, space);
        let instance = Self::make(&instances, space)?;
        let failed = |doing: &str, e: &io::Error| format!("tracing could not be set up: {doing}: {e}");
        let format = fs::read_to_string(instance.place.join(DROPS).join("format"))
            .map_err(|_| "this kernel has no event skb:kfree_skb".to_owned())?;
        for (file, text) in [
            ("trace_clock", "mono".to_owned()),
            ("options/overwrite", "0".to_owned()),
            ("events/skb/kfree_skb/filter", reasons::filter(&format, thread, protocol)),
            ("events/skb/kfree_skb/enable", "1".to_owned()),
        ] {
            fs::write(instance.place.join(file), text).map_err(|e| failed(file, &e))?;
        }
        // Before 4.15 there is no such event: drops alone say a lot.
        let _ = fs::write(instance.place.join(RESETS).join("enable"), "1");
        Ok(instance)
    }

    fn make(instances: &Path, space: u64) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = instances.join(format!("{PREFIX}-{}-{space}-{number}", std::process::id()));
        // Noted first: whatever happens in between, it is removed.
        standing(|all| all.insert(place.clone()));
        match fs::create_dir(&place) {
            Ok(()) => Ok(Self { place }),
            Err(error) => {
                standing(|all| all.remove(&place));
                Err(refused("making an instance", &error))
            }
        }
    }

    /// What was traced so far.
    pub fn read(&self) -> io::Result<Vec<Line>> {
        let mut trace = Vec::new();
        fs::File::open(self.place.join("trace"))?.take(MOST_BYTES).read_to_end(&mut trace)?;
        Ok(lines(&trace))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        remove(&self.place);
    }
}

/// Removes all instances of this process: for its end, which does not wait for what is under way.
pub fn remove_all() {
    for place in standing(|all| all.clone()) {
        remove(&place);
    }
}

/// Removing an instance ends its events. It is busy while somebody reads it, which is soon over.
fn remove(place: &Path) {
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        match fs::remove_dir(place) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Ok(()) | Err(_) => break,
        }
    }
    standing(|all| all.remove(place));
}

fn standing<T>(with: impl FnOnce(&mut BTreeSet<PathBuf>) -> T) -> T {
    with(&mut STANDING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Where tracefs is.
fn root() -> Result<PathBuf, String> {
    for place in PLACES {
        match fs::metadata(Path::new(place).join("instances")) {
            Ok(_) => return Ok(place.into()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err("only root may trace the kernel".into());
            }
            Err(_) => {}
        }
    }
    Err("tracefs is not mounted (mount -t tracefs tracefs /sys/kernel/tracing)".into())
}

fn refused(doing: &str, error: &io::Error) -> String {
    if error.kind() == ErrorKind::PermissionDenied {
        // Root in a container, or a kernel that is locked down.
        return "this process may not trace the kernel".into();
    }
    format!("tracing could not be set up: {doing}: {error}")
}

/// Number of the pid namespace: in another one our numbers mean other processes.
fn space() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino())
}

/// Removes what processes left that are dead.
fn remove_stale(instances: &Path, space: u64) {
    let names = fs::read_dir(instances).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter_map(|name| name.into_string().ok()) {
        if maker(&name, space).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(&instances.join(name));
        }
    }
}

/// The process that made an instance of ours in this pid namespace.
fn maker(name: &str, space: u64) -> Option<u32> {
    let mut parts = name.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-');
    let pid = parts.next()?.parse().ok()?;
    (parts.next()?.parse() == Ok(space)).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_instances_are_ever_removed() {
        assert_eq!(maker("unrefuse-77-4026531836-0", 4_026_531_836), Some(77));
        assert_eq!(maker("unrefuse-77-4026531999-0", 4_026_531_836), None, "of another pid namespace");
        for other in
            ["unrefuse", "unrefuse-77", "bpftrace-77-4026531836-0", "unrefuse-x-4026531836-0", "-77-4026531836"]
        {
            assert_eq!(maker(other, 4_026_531_836), None, "{other}");
        }
    }
}
