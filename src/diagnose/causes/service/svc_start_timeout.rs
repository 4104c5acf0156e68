//! The daemon took longer to start than systemd allows, and was stopped again.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, failed_by, found_failed, start_again, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-start-timeout",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "Starting took longer than allowed",
        what: "systemd waits for the unit to say that it is ready (Type=notify), to fork (Type=forking, PIDFile=) or to \
               finish its ExecStartPre=, and stops it when TimeoutStartSec= (90 s) is over. A wrong Type= or PIDFile= \
               does this to a daemon that is perfectly well.",
        see: "journalctl -b -u UNIT\nsystemctl show UNIT -p Type,PIDFile,TimeoutStartUSec",
        fix: "correct Type= or PIDFile=, find what it waits for, or allow more time (TimeoutStartSec=); then \
              systemctl start UNIT",
        undo: "systemctl revert UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, ()) = failed_by(scene, |kind| matches!(kind, FailureKind::Timeout).then_some(()))?;
    let summary = format!("{} was stopped because starting took too long", unit.name);
    let mut found = found_failed(scene, unit, &failure, summary);
    for advice in cures(unit) {
        found = found.advise(advice);
    }
    Some(found.advise(start_again(unit)))
}

fn cures(unit: &Unit) -> [Advice; 2] {
    let name = arg(&unit.name);
    let kind = unit.service.as_ref().map(|s| s.kind.as_str()).unwrap_or_default();
    let about = match kind {
        "notify" | "notify-reload" => {
            "see whether the program tells systemd that it is ready; if it cannot, use Type=simple"
        }
        "forking" => "see whether it forks and writes its PIDFile=; if it stays in the foreground, use Type=simple",
        _ => "see what it waits for",
    };
    [
        Advice::new(about, format!("systemctl cat {name}\njournalctl -b -u {name}"), None),
        Advice::new(
            "or allow it more time",
            format!("systemctl edit {name}    # [Service] TimeoutStartSec=5min"),
            Some(&undo_edit(unit)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn nginx(line: &str) -> Case {
        let lines = [
            "systemd: Starting nginx.service - nginx...",
            line,
            "systemd: nginx.service: Main process exited, code=killed, status=15/TERM",
            "systemd: nginx.service: Failed with result 'timeout'.",
        ];
        let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", &lines);
        let host = host.unit("nginx.service", |u| {
            u.active_state = "failed".into();
            let service = u.service.as_mut().unwrap();
            (service.result, service.kind) = ("timeout".into(), "forking".into());
        });
        host.case()
    }

    #[test]
    fn a_start_that_took_too_long() {
        let case = nginx("systemd: nginx.service: start-pre operation timed out. Terminating.");
        let diagnosis = assert_culprit(&case, "svc-start-timeout");
        assert!(diagnosis.culprit().unwrap().advice[0].does.contains("PIDFile"));
    }

    #[test]
    fn a_run_that_took_too_long_is_no_start() {
        let case = nginx("systemd: nginx.service: Service reached runtime time limit. Stopping.");
        assert_not_found(&case, "svc-start-timeout");
    }
}
