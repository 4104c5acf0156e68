//! The counters of this network namespace, read before and after an attempt.

use crate::facts::connect::Counter;

/// Counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct Counters;

/// Reads them; nothing when unreadable.
pub fn read() -> Counters {
    Counters
}

impl Counters {
    /// What moved between `self` and `later`.
    pub fn moved(&self, _later: &Self) -> Vec<Counter> {
        Vec::new()
    }
}
