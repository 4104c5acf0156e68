//! What the causes of security modules share: lines of the audit that belong to a failure, and how they are shown.

use super::super::listener::failed_bind::FailedBind;
use crate::diagnose::verdict::Evidence;
use crate::facts::denial::{Denial, Place};

/// A daemon is denied something at most this long before it complains, and this long after, as clocks and pipes go.
const BEFORE_MS: u64 = 20_000;
const AFTER_MS: u64 = 5_000;

/// Was it denied when the daemon failed?
pub(super) fn then(line: &Denial, failed: &FailedBind<'_>) -> bool {
    let Some(entry) = &failed.failure.entry else { return true };
    let said = entry.at_us / 1000;
    line.at_ms <= said.saturating_add(AFTER_MS) && line.at_ms.saturating_add(BEFORE_MS) >= said
}

/// The line as evidence, with the command that shows it.
pub(super) fn evidence(line: &Denial) -> Evidence {
    let word = if line.field("apparmor").is_some() { "apparmor=" } else { "avc:" };
    let see = match line.place {
        Place::AuditLog => format!("grep {word} {}", line.place.shown()),
        Place::Ring => format!("dmesg | grep {word}"),
        Place::Journal => "journalctl -b _TRANSPORT=audit _AUDIT_TYPE=1400".into(),
    };
    Evidence::new("audit", format!("{}: {}", line.place.shown(), line.text), see)
}
