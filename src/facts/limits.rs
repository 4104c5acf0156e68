//! How many files a process may have open, and how many it has.

use serde::{Deserialize, Serialize};

/// The open files of one process. Each connection is one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How many it may have (RLIMIT_NOFILE); `u64::MAX`: as many as it likes.
    pub soft: u64,
    /// Up to how many it may raise that itself.
    pub hard: u64,
    /// How many it has.
    pub open: u64,
}

impl Limits {
    /// It can open no further file, and so accept no further connection.
    pub fn is_spent(&self) -> bool {
        self.open >= self.soft
    }
}
