//! The journal of a unit, through journalctl: its last entries, then each new one as it is written.

use crate::facts::Reading;
use crate::facts::journal::Journal;

/// The last entries of a unit in this boot.
pub async fn read(_unit: &str) -> Reading<Journal> {
    Reading::Failed { why: "not looked at yet".into() }
}
