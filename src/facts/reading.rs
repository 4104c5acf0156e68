//! What became of looking: a value, or why there is none.
//!
//! Never an `Option`: "there is no such unit" and "I may not read the units" lead to opposite advice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The answer to one question about the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading<T> {
    /// Nobody asked yet.
    #[default]
    NotAsked,
    /// Asked; the answer is on its way.
    Pending,
    /// Read.
    Known(Known<T>),
    /// Looked, and there is none.
    Absent,
    /// The host would not let us look.
    Denied {
        /// What it takes: `root`, `group systemd-journal`, `CAP_NET_ADMIN` ...
        needs: String,
    },
    /// Looking went wrong.
    Failed {
        /// What happened, as a clause that can follow "because".
        why: String,
    },
    /// No answer before the source's own deadline.
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
}

/// A value and how it was had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known<T> {
    /// What was read.
    pub value: T,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How long reading took.
    pub took: Duration,
}

impl<T> Reading<T> {
    /// A value whose time does not matter (tests, computed facts).
    pub fn known(value: T) -> Self {
        Self::Known(Known { value, at_ms: 0, took: Duration::ZERO })
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(&known.value),
            Self::NotAsked
            | Self::Pending
            | Self::Absent
            | Self::Denied { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. } => None,
        }
    }

    /// True while the answer may still come.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::NotAsked | Self::Pending)
    }

    /// True when nobody asked.
    pub fn is_not_asked(&self) -> bool {
        matches!(self, Self::NotAsked)
    }

    /// Why this can no longer become a value, as a clause after "because"; `None` while open, known or absent.
    pub fn blind(&self) -> Option<String> {
        match self {
            Self::Denied { needs } => Some(format!("needs {needs}")),
            Self::Failed { why } => Some(why.clone()),
            Self::TimedOut { after } => Some(format!("no answer within {} ms", after.as_millis())),
            Self::NotAsked | Self::Pending | Self::Known(_) | Self::Absent => None,
        }
    }

    /// The same reading of something made from the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::NotAsked => Reading::NotAsked,
            Self::Pending => Reading::Pending,
            Self::Known(Known { value, at_ms, took }) => Reading::Known(Known { value: make(value), at_ms, took }),
            Self::Absent => Reading::Absent,
            Self::Denied { needs } => Reading::Denied { needs },
            Self::Failed { why } => Reading::Failed { why },
            Self::TimedOut { after } => Reading::TimedOut { after },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_and_blindness_are_different() {
        assert_eq!(Reading::<u8>::Absent.blind(), None);
        assert_eq!(Reading::<u8>::Denied { needs: "root".into() }.blind().as_deref(), Some("needs root"));
        assert!(!Reading::<u8>::Absent.is_open());
        assert!(Reading::<u8>::Pending.is_open());
    }
}
