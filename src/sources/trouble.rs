//! What keeps a source from answering, and how its result becomes a reading.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use crate::facts::{Known, Reading};

/// Why a source has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// We may not; what it takes (`root`, `group systemd-journal`).
    Denied {
        /// What it takes.
        needs: String,
    },
    /// It went wrong, as a clause after "because".
    Failed {
        /// What happened.
        why: String,
    },
    /// It did not answer in the time it was given.
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
}

impl Trouble {
    /// It went wrong.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }

    /// We may not.
    pub fn denied(needs: impl Into<String>) -> Self {
        Self::Denied { needs: needs.into() }
    }

    /// An I/O error while doing `what`.
    pub fn io(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Self::denied("root");
        }
        Self::failed(format!("{what}: {error}"))
    }
}

impl<T> From<Trouble> for Reading<T> {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Denied { needs } => Self::Denied { needs },
            Trouble::Failed { why } => Self::Failed { why },
            Trouble::TimedOut { after } => Self::TimedOut { after },
        }
    }
}

/// Runs a look and stamps its answer.
pub fn timed<T>(look: impl FnOnce() -> Result<Option<T>, Trouble>) -> Reading<T> {
    let began = Instant::now();
    reading(look(), began)
}

/// Stamps an answer that was begun at `began`.
pub fn reading<T>(answer: Result<Option<T>, Trouble>, began: Instant) -> Reading<T> {
    match answer {
        Ok(Some(value)) => Reading::Known(Known { value, at_ms: now_ms(), took: began.elapsed() }),
        Ok(None) => Reading::Absent,
        Err(trouble) => trouble.into(),
    }
}

/// Now, in milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
