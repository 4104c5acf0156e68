//! What the journal holds about a unit.

use serde::{Deserialize, Serialize};

/// Entries of one unit, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The unit that was asked for.
    pub unit: String,
    /// Its last entries of this boot (a bounded number), oldest first, systemd's own words about it included.
    pub entries: Vec<Entry>,
    /// True when it was found to have been active in the boot before this one, false when not, none when not looked at
    /// or when no journal of an earlier boot is kept.
    pub ran_before_this_boot: Option<bool>,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the Unix epoch.
    pub at_us: u64,
    /// syslog priority, 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Who wrote it (`nginx`, `systemd`, `kernel`).
    pub identifier: String,
    /// Its process id, 0 when unknown.
    pub pid: u32,
    /// What it says, raw: make it safe before showing.
    pub message: String,
}

impl Journal {
    /// How many entries are kept while following.
    pub const MOST: usize = 2000;

    /// The entries since the last start was tried: from the last `Starting X` of systemd that follows a success or a
    /// stop, so that with restarts the *first* failure of the series comes first.
    pub fn last_start(&self) -> &[Entry] {
        let from = self.last_start_index();
        self.entries.get(from..).unwrap_or_default()
    }

    fn last_start_index(&self) -> usize {
        let mut from = 0;
        let mut automatic = false;
        for (index, entry) in self.entries.iter().enumerate() {
            if !entry.is_systemd() {
                continue;
            }
            if entry.message.contains("Scheduled restart job") {
                automatic = true;
            } else if entry.message.starts_with("Starting ") || entry.message.starts_with("Started ") {
                // Type=simple units have no "Starting" line: their "Started" begins the start.
                let begins = entry.message.starts_with("Starting ") || !self.starting_before(index, from);
                if begins && !automatic {
                    from = index;
                }
                if entry.message.starts_with("Started ") {
                    automatic = false;
                }
            } else if entry.message.starts_with("Stopped ") && !automatic {
                from = index;
            }
        }
        from
    }

    fn starting_before(&self, index: usize, from: usize) -> bool {
        self.entries
            .get(from..index)
            .unwrap_or_default()
            .iter()
            .any(|e| e.is_systemd() && e.message.starts_with("Starting "))
    }

    /// The last entry whose message holds `needle`.
    pub fn last_with(&self, needle: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|e| e.message.contains(needle))
    }
}

impl Entry {
    /// Written by the service manager.
    pub fn is_systemd(&self) -> bool {
        self.identifier == "systemd"
    }
}
