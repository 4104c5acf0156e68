//! The kernel killed the daemon because memory ran out.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, failed_by, found_failed, start_again, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-oom-killed",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The OOM killer killed the daemon",
        what: "The host, or the unit within its MemoryMax=, ran out of memory, and the kernel chose the daemon as its \
               victim: typically a database under load.",
        see: "journalctl -b -u UNIT\njournalctl -k -b -g 'Out of memory|oom-kill'\nsystemctl show UNIT -p MemoryMax",
        fix: "give it memory (more RAM or swap, a higher MemoryMax=) or let it use less (smaller buffers), then \
              systemctl start UNIT",
        undo: "systemctl revert UNIT, restore the former limits",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, ()) = failed_by(scene, |kind| matches!(kind, FailureKind::OomKilled).then_some(()))?;
    let name = arg(&unit.name);
    let summary = format!("{} was killed by the OOM killer", unit.name);
    let limits = Advice::new(
        "see whose memory ran out: the host's, or the unit's own limit",
        format!("journalctl -k -b -g 'Out of memory|oom-kill'\nsystemctl show {name} -p MemoryMax,MemoryHigh\nfree -m"),
        None,
    );
    let more = Advice::new(
        "give it more, or configure it to use less",
        format!("systemctl edit {name}    # [Service] MemoryMax=…"),
        Some(&undo_edit(unit)),
    );
    Some(found_failed(scene, unit, &failure, summary).advise(limits).advise(more).advise(start_again(unit)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn mysql(result: &str, line: &str) -> Case {
        let lines = ["systemd: Started mariadb.service - MariaDB.", "mariadbd: [Note] ready for connections.", line];
        let host = Host::refusing(3306).claimed_by("mariadb.service").journal("mariadb.service", &lines);
        let host = host.unit("mariadb.service", |u| {
            u.active_state = "failed".into();
            u.service.as_mut().unwrap().result = result.into();
        });
        host.case()
    }

    #[test]
    fn systemd_tells_it() {
        let line = "systemd: mariadb.service: A process of this unit has been killed by the OOM killer.";
        assert_culprit(&mysql("oom-kill", line), "svc-oom-killed");
    }

    #[test]
    fn a_kill_by_hand_is_not_the_kernels() {
        let line = "systemd: mariadb.service: Main process exited, code=killed, status=9/KILL";
        assert_not_found(&mysql("signal", line), "svc-oom-killed");
    }
}
