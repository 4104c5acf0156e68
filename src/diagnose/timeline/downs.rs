//! When a unit was down, from what systemd tells of its life.

use crate::facts::happening::{Change, Happening, What};

/// The end of a process and what is said of it come within this time, in microseconds.
const TOGETHER_US: u64 = 2_000_000;

/// A unit was down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Since when; none: it was so before anything was read.
    pub from_us: Option<u64>,
    /// When it was up again; none while it is not.
    pub until_us: Option<u64>,
    /// Why.
    pub why: Why,
    /// systemd will start it again, or did, by itself.
    pub automatic: bool,
}

/// Why a unit was down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Somebody had it stopped.
    Stopped,
    /// It ended by itself; what systemd says of that, which may be nothing.
    Ended(String),
    /// The kernel killed it for want of memory.
    Oom,
    /// A signal ended it.
    Crashed(String),
    /// It ended before anything was read.
    Unknown,
}

impl Down {
    /// It was down at some time between these.
    pub(super) fn meets(&self, from_us: u64, until_us: u64) -> bool {
        self.from_us.is_none_or(|from| from <= until_us) && self.until_us.is_none_or(|until| from_us <= until)
    }
}

/// When this unit was down; the happenings are in order.
pub fn downs(unit: &str, happenings: &[Happening]) -> Vec<Down> {
    let mut found = Downs::default();
    for happening in happenings {
        if let What::Unit { unit: of, change, words } = &happening.what
            && of == unit
        {
            found.take(happening.at_us, *change, words);
        }
    }
    found.done.extend(found.open);
    for down in &mut found.done {
        if let (Some(from), Why::Ended(_)) = (down.from_us, &down.why) {
            down.why = reason(unit, from, happenings).unwrap_or_else(|| down.why.clone());
        }
    }
    found.done
}

#[derive(Default)]
struct Downs {
    done: Vec<Down>,
    open: Option<Down>,
    /// Something was said of it before.
    known: bool,
}

impl Downs {
    fn take(&mut self, at_us: u64, change: Change, words: &str) {
        match (change, self.open.as_mut()) {
            (Change::Stopped, None) if !self.known => self.begin(None, Why::Stopped),
            (Change::Stopping | Change::Stopped, None) => self.begin(Some(at_us), Why::Stopped),
            (Change::Exited | Change::Failed | Change::Finished, None) => {
                self.begin(Some(at_us), Why::Ended(words.to_owned()));
            }
            (Change::Starting | Change::RestartScheduled, None) if !self.known => self.begin(None, Why::Unknown),
            (Change::RestartScheduled, Some(down)) => down.automatic = true,
            // Somebody stops what waits for its next restart.
            (Change::Stopping, Some(down)) if down.automatic => down.automatic = false,
            (Change::Started | Change::Reloaded, Some(down)) => {
                down.until_us = Some(at_us);
                self.done.extend(self.open.take());
            }
            _ => {}
        }
        self.known = true;
    }

    fn begin(&mut self, from_us: Option<u64>, why: Why) {
        self.open = Some(Down { from_us, until_us: None, why, automatic: false });
    }
}

/// What else is said of the end of a unit that ended by itself.
fn reason(unit: &str, at_us: u64, happenings: &[Happening]) -> Option<Why> {
    let near = |happening: &&Happening| happening.at_us.abs_diff(at_us) <= TOGETHER_US;
    let mut crash = None;
    for happening in happenings.iter().filter(near) {
        if let What::Oom { unit: Some(of), .. } = &happening.what
            && of == unit
        {
            return Some(Why::Oom);
        }
        if let What::Crash { unit: Some(of), signal, .. } = &happening.what
            && of == unit
        {
            crash = Some(Why::Crashed(signal.clone()));
        }
    }
    crash
}
