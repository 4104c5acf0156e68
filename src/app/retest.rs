//! When the target is tried again: on a key, every two seconds, or because something on the host changed.
//!
//! Every attempt counts for fail2ban, `ufw limit` and trigger limits, so attempts are few: one an occasion, and after a
//! change that made no difference each further one waits longer.

use super::event::Wake;
use crate::facts::connect::Outcome;

/// Time between attempts while retesting continuously.
pub const EVERY_MS: u64 = 2_000;
/// Time between attempts after changes, at least and at most.
const PAUSE_MS: (u64, u64) = (1_000, 30_000);
/// A daemon that has just opened its socket is given this long.
const SETTLE_MS: u64 = 40;

/// How the target is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retest {
    /// Number of the case, which wakes carry.
    pub number: u64,
    /// By key only, or continuously.
    pub mode: Mode,
    /// Whether an attempt after a change is waiting for its time.
    waiting: Waiting,
    pause_ms: u64,
    last_ms: u64,
    before: Option<Outcome>,
}

/// By key only, or continuously.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On a key.
    OnKey,
    /// Every two seconds.
    Continuous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    No,
    Yes,
}

impl Retest {
    /// Of the case with this number.
    pub fn new(number: u64) -> Self {
        Self { number, mode: Mode::OnKey, waiting: Waiting::No, pause_ms: PAUSE_MS.0, last_ms: 0, before: None }
    }

    /// Something changed: when to try again, unless that is planned already.
    pub fn after_change(&mut self, now_ms: u64) -> Option<(u64, Wake)> {
        if self.waiting == Waiting::Yes {
            return None;
        }
        self.waiting = Waiting::Yes;
        let due = self.last_ms.saturating_add(self.pause_ms).max(now_ms.saturating_add(SETTLE_MS));
        Some((due.saturating_sub(now_ms), Wake::AfterChange(self.number)))
    }

    /// An attempt begins.
    pub fn begins(&mut self, now_ms: u64, outcome: Option<Outcome>) {
        self.waiting = Waiting::No;
        self.last_ms = now_ms;
        self.before = outcome;
    }

    /// What the attempt before got.
    pub fn before(&self) -> Option<Outcome> {
        self.before
    }

    /// An attempt ended: true when it got something else than the one before.
    pub fn ended(&mut self, outcome: Option<Outcome>) -> bool {
        let differs = self.before.is_some() && outcome != self.before;
        self.pause_ms = if differs { PAUSE_MS.0 } else { (self.pause_ms * 2).min(PAUSE_MS.1) };
        self.before = outcome;
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_make_no_difference_are_tried_less_and_less() {
        let mut retest = Retest::new(1);
        let mut now = 10_000;
        let mut waits = Vec::new();
        for _ in 0..7 {
            let (wait, wake) = retest.after_change(now).expect("planned");
            assert_eq!(wake, Wake::AfterChange(1));
            assert_eq!(retest.after_change(now), None, "planned already");
            now += wait;
            waits.push(wait);
            retest.begins(now, Some(Outcome::Refused));
            assert!(!retest.ended(Some(Outcome::Refused)));
        }
        assert_eq!(waits, [SETTLE_MS, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        retest.begins(now, Some(Outcome::Refused));
        assert!(retest.ended(Some(Outcome::Open)));
        assert_eq!(retest.after_change(now).map(|(wait, _)| wait), Some(PAUSE_MS.0));
    }
}
