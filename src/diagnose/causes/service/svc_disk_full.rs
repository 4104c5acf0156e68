//! The daemon does not start because it cannot write: its file system is full.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, failed_by, found_failed, start_again};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-disk-full",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The disk is full, so the daemon cannot start",
        what: "Databases write a lock file, a log or a journal before they listen. With no space (or no inodes, or no \
               quota) left they end at once, or crash while running.",
        see: "journalctl -b -u UNIT\ndf -h\ndf -i",
        fix: "free space (old logs, backups, container images; never the database's own files), then systemctl start UNIT",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, ()) = failed_by(scene, |kind| matches!(kind, FailureKind::DiskFull).then_some(()))?;
    let summary = format!("{} does not start: no space left on its disk", unit.name);
    let free = Advice::new(
        "see which file system is full and what fills it, and free space",
        "df -h\ndf -i\ndu -xh --max-depth=1 /var | sort -h",
        None,
    );
    Some(found_failed(scene, unit, &failure, summary).advise(free).advise(start_again(unit)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn postgres(message: &str) -> Case {
        let unit = "postgresql@15-main.service";
        let line = format!("postgresql@15-main: 2026-01-02 03:04:05.678 UTC [99] {message}");
        let host = Host::refusing(5432).claimed_by(unit).journal(unit, &[&line]);
        host.unit(unit, |u| u.active_state = "failed".into()).case()
    }

    #[test]
    fn no_room_for_the_lock_file() {
        let case = postgres("FATAL:  could not write lock file \"postmaster.pid\": No space left on device");
        assert_culprit(&case, "svc-disk-full");
    }

    #[test]
    fn another_fatal_error() {
        assert_not_found(&postgres("FATAL:  could not create any TCP/IP sockets"), "svc-disk-full");
    }
}
