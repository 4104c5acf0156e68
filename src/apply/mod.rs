//! WHO CHANGES THINGS: a plan is carried out as a transaction, or not at all.
//!
//! ```text
//! lock ─▶ read again what it rests on ─▶ log with old and new values, synced ─▶ guard armed ─▶ act ─▶ look again ─▶ retest
//!                                                                                              │            │
//!                                                          keep, after a yes ◀── green ────────┼────────────┤
//!                                                          put back ◀──────── anything else ───┘◀───────────┘
//! ```
//!
//! Everything a plan sets is a [`change::Change`]: a thing of the host, the value it had, and the value it gets. That
//! alone is enough to put it back, whoever does that: this process, the [`guard`] when this process is gone, the next
//! start of the program, or `unrefuse undo` a week later. What is no longer as we left it is left alone and said.
//!
//! The guard is a process of its own (a transient timer of systemd, else a detached child) that waits until the time for
//! confirming is over and then puts back whatever is still pending. It is armed before the first change.

#![expect(clippy::disallowed_methods, reason = "apply is the module that may change the host")]

pub mod actions;
pub mod change;
pub mod guard;
pub mod history;
pub mod lock;
pub mod log;
pub mod prepare;
pub mod retest;
pub mod revert;
pub mod rights;
pub mod transaction;
pub mod undo;

use std::path::PathBuf;
use std::sync::Arc;

use crate::sources::dbus::Bus;

pub use transaction::{Answer, Ended, Progress, Terms, run};

/// Where the log, the lock and nothing else are kept.
pub const STATE: &str = "/var/lib/unrefuse";

/// Who changes this host, for the log: the user behind sudo, run0 or pkexec, where there is one.
pub fn who() -> String {
    let user = |uid| nix::unistd::User::from_uid(uid).ok().flatten().map(|u| u.name);
    let name = user(nix::unistd::Uid::current()).unwrap_or_else(|| nix::unistd::Uid::current().to_string());
    let by_pkexec = || user(std::env::var("PKEXEC_UID").ok()?.parse::<u32>().ok()?.into());
    match std::env::var("SUDO_USER").ok().filter(|behind| !behind.is_empty()).or_else(by_pkexec) {
        Some(behind) => format!("{behind} as {name}"),
        None => name,
    }
}

/// This process may change the host.
pub fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// What acting on this host takes.
#[derive(Debug, Clone)]
pub struct Hands {
    /// The directory of the log and the lock.
    pub state: PathBuf,
    /// The way to systemd.
    pub bus: Arc<Bus>,
}

impl Hands {
    /// Of this host.
    pub fn new() -> Self {
        Self { state: PathBuf::from(STATE), bus: Arc::new(Bus::patient()) }
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self::new()
    }
}
