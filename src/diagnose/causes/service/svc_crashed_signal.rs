//! The daemon was killed by a signal, crashed or shot, and nothing restarts it.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, failed_by, found_failed, gave_up, signal_name};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-crashed-signal",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The daemon was killed by a signal",
        what: "The main process ended by a signal: SIGSEGV, SIGABRT and SIGBUS are crashes of its own, SIGKILL was sent by \
               somebody, SIGSYS by a system call filter. Without Restart= it stays down. Unix sockets it leaves behind \
               refuse connections too.",
        see: "systemctl status UNIT\ncoredumpctl list\njournalctl -b -u UNIT",
        fix: "systemctl start UNIT; for a crash look at the core dump, and up- or downgrade the module named there",
        undo: "systemctl stop UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, number) = failed_by(scene, |kind| {
        let FailureKind::Signal(number) = kind else { return None };
        Some(*number)
    })?;
    if unit.active_state != "failed" || gave_up(scene.look, unit).is_some() {
        return None;
    }
    let signal = signal_name(number);
    let summary = format!("{} was killed by {signal} and not restarted", unit.name);
    let found = found_failed(scene, unit, &failure, summary).fix(fixes::start(unit));
    Some(if crashed(number) { found.advise(core_dump(unit)) } else { found })
}

/// QUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV and SYS leave a core.
fn crashed(number: i32) -> bool {
    matches!(number, 3..=8 | 11 | 31)
}

fn core_dump(unit: &Unit) -> Advice {
    let name = arg(&unit.name);
    Advice::new(
        "see where it crashed, if systemd-coredump keeps cores",
        format!("coredumpctl list\ncoredumpctl info COREDUMP_UNIT={name}"),
        None,
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn nginx(state: &str, line: &str) -> Case {
        let lines = ["systemd: Started nginx.service - nginx.", line];
        let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", &lines);
        let host = host.unit("nginx.service", |u| {
            u.active_state = state.into();
            u.service.as_mut().unwrap().result = "core-dump".into();
        });
        host.case()
    }

    #[test]
    fn a_crash_names_its_signal() {
        let case = nginx("failed", "systemd: nginx.service: Main process exited, code=dumped, status=11/SEGV");
        let diagnosis = assert_culprit(&case, "svc-crashed-signal");
        let finding = diagnosis.culprit().unwrap();
        assert_eq!(finding.summary, "nginx.service was killed by SIGSEGV and not restarted");
        assert!(finding.evidence[0].says.ends_with("status=11/SEGV"));
    }

    #[test]
    fn an_exit_is_no_signal() {
        let case = nginx("failed", "systemd: nginx.service: Main process exited, code=exited, status=1/FAILURE");
        assert_not_found(&case, "svc-crashed-signal");
    }
}
