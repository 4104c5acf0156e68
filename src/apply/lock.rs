//! One pending change a host: whoever changes something holds this lock until the change is kept or put back.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::Error;
use crate::sources::procfs;

/// The lock while it is held. The kernel lets go of it when its holder dies, however.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum Missed {
    /// Somebody else holds it: its process, where that is known.
    Held(Option<Holder>),
    /// It cannot be had at all.
    Error(Error),
}

/// Who holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When that was started, in clock ticks since boot.
    pub started: u64,
}

/// How long whoever changes something waits for the lock: the guard of the change before looks after it for a moment.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// How often a lock that is held is tried again.
const AGAIN: Duration = Duration::from_millis(50);

impl Lock {
    /// Takes the lock, waiting for it at most this long.
    pub fn take(state: &Path, wait: Duration) -> Result<Self, Missed> {
        let failed = |e: std::io::Error| {
            let needs = Error::broken(format!("cannot keep a log in {}", state.display())).because(e);
            Missed::Error(needs.hint("changing this host takes root: try sudo"))
        };
        make(state).map_err(failed)?;
        let path = state.join("lock");
        let until = Instant::now() + wait;
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Self::signed(held).map_err(failed),
                Err((mut back, Errno::EWOULDBLOCK)) if Instant::now() >= until => {
                    return Err(Missed::Held(Holder::read(&mut back)));
                }
                Err((back, Errno::EWOULDBLOCK)) => {
                    file = back;
                    std::thread::sleep(AGAIN);
                }
                Err((_, errno)) => return Err(failed(errno.into())),
            }
        }
    }

    /// Writes down who holds it, for those who wait.
    fn signed(mut held: Flock<File>) -> std::io::Result<Self> {
        let pid = std::process::id();
        let started = procfs::started(pid).unwrap_or_default();
        held.set_len(0)?;
        held.rewind()?;
        // On a full disk nobody can read who holds it; it is held all the same.
        let _ = write!(held, "{pid} {started}");
        Ok(Self { _held: held })
    }
}

impl Holder {
    fn read(file: &mut File) -> Option<Self> {
        let mut text = String::new();
        file.rewind().ok()?;
        file.read_to_string(&mut text).ok()?;
        let (pid, started) = text.split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }

    /// It still is the process that took the lock.
    pub fn lives(self) -> bool {
        procfs::started(self.pid).is_some_and(|started| started == self.started)
    }
}

impl Missed {
    /// In words.
    pub fn error(self) -> Error {
        match self {
            Self::Error(error) => error,
            Self::Held(holder) => {
                let who = holder.map(|h| format!(" by process {}", h.pid)).unwrap_or_default();
                Error::broken(format!("another change is being made on this host{who}"))
                    .hint("one change at a time: wait until it is kept or put back (unrefuse history)")
            }
        }
    }
}

/// Makes the directory of the log: what is in it is nobody else's business.
pub(super) fn make(state: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_lock_and_it_tells_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let lock = Lock::take(&state, Duration::ZERO).unwrap();
        let Err(Missed::Held(Some(holder))) = Lock::take(&state, Duration::from_millis(60)) else {
            panic!("a second lock")
        };
        assert_eq!(holder.pid, std::process::id());
        assert!(holder.lives());
        drop(lock);
        assert!(Lock::take(&state, Duration::ZERO).is_ok());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_said() {
        let missed = Lock::take(Path::new("/proc/unrefuse"), Duration::ZERO).unwrap_err();
        assert!(missed.error().report().contains("cannot keep a log"));
    }
}
