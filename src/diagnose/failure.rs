//! Why a unit's last start failed: the first failure in its journal, recognised.

use super::look::Look;
use crate::facts::journal::Entry;
use crate::facts::unit::Unit;

/// The first failure of the last start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// The journal entry that says so, raw.
    pub entry: Option<Entry>,
}

/// Kinds of failures that causes tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// The configuration cannot be read: file and line where the message names them.
    ConfigSyntax {
        /// File.
        file: Option<String>,
        /// Line.
        line: Option<u32>,
    },
    /// A file the configuration names is not there.
    MissingFile {
        /// The file.
        path: String,
    },
    /// No space left on device.
    DiskFull,
    /// EADDRINUSE, with the address as the message prints it.
    AddressInUse {
        /// `0.0.0.0:80`, where named.
        address: Option<String>,
    },
    /// EADDRNOTAVAIL, likewise.
    AddressNotAvailable {
        /// `10.9.9.9:80` or `10.9.9.9`, where named.
        address: Option<String>,
    },
    /// EACCES of bind.
    BindDenied {
        /// `0.0.0.0:80`, where named.
        address: Option<String>,
    },
    /// Killed by a signal (number).
    Signal(i32),
    /// Killed by the OOM killer.
    OomKilled,
    /// A unit it needs failed.
    Dependency,
    /// Exited with a status, for a reason not recognised.
    Exit(i32),
    /// Start took longer than allowed.
    Timeout,
}

/// The first failure of the unit's last start; none when it did not fail, or not known yet.
pub fn first_failure(_look: &Look<'_>, _unit: &Unit) -> Option<Failure> {
    None
}
