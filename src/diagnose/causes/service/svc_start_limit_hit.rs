//! The unit failed so often in a row that systemd does not start it any more.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, found_failed, gave_up, idle_service, journal_says, reason, start_again};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::first_failure;
use crate::diagnose::verdict::Advice;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-start-limit-hit",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The service failed too often, so systemd gave up starting it",
        what: "Restart= started it again after each failure until StartLimitBurst= (5 in 10 s) was reached. The last lines \
               of its journal only say \"Start request repeated too quickly\"; the first failure of the series is the \
               reason. systemctl start may be refused until the counter is reset.",
        see: "systemctl status UNIT\njournalctl -b -u UNIT\nsystemctl show UNIT -p Result,NRestarts,StartLimitBurst",
        fix: "cure the first failure, then systemctl reset-failed UNIT and systemctl start UNIT",
        undo: "systemctl stop UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_service(scene).filter(|unit| unit.active_state == "failed")?;
    // systemd 252 leaves Result= at that of the last failure and only writes to the journal that it gave up.
    let told = unit.service.as_ref().is_some_and(|s| s.result == "start-limit-hit");
    let entry = gave_up(scene.look, unit);
    if entry.is_none() && !told {
        return None;
    }
    let failure = first_failure(scene.look, unit);
    let summary = match &failure {
        Some(failure) => format!("{} failed too often and is not started any more: {}", unit.name, reason(failure)),
        None => format!("{} failed too often and is not started any more", unit.name),
    };
    let found = match &failure {
        Some(failure) => found_failed(scene, unit, failure, summary),
        None => found(scene, unit, summary),
    };
    let found = entry.into_iter().fold(found, |found, entry| found.seen(journal_says(unit, entry)));
    if failure.is_none() {
        return Some(found.fix(fixes::start(unit)));
    }
    let why = Advice::new("cure the first failure", format!("journalctl -b -u {}", arg(&unit.name)), None);
    Some(found.advise(why).advise(start_again(unit)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    const LOOP: [&str; 6] = [
        "systemd: Started shop.service - The shop.",
        "python3: the licence for port 8000 has run out",
        "systemd: shop.service: Main process exited, code=exited, status=1/FAILURE",
        "systemd: shop.service: Failed with result 'exit-code'.",
        "systemd: shop.service: Scheduled restart job, restart counter is at 1.",
        "systemd: shop.service: Start request repeated too quickly.",
    ];

    fn shop(result: &str, lines: &[&str]) -> Case {
        let host = Host::refusing(8000).claimed_by("shop.service").journal("shop.service", lines);
        let host = host.unit("shop.service", |u| {
            u.active_state = "failed".into();
            u.service.as_mut().unwrap().result = result.into();
        });
        host.case()
    }

    #[test]
    fn the_journal_tells_it_and_the_first_failure() {
        let diagnosis = assert_culprit(&shop("exit-code", &LOOP), "svc-start-limit-hit");
        let finding = diagnosis.culprit().unwrap();
        assert!(finding.summary.ends_with("exit status 1 after \"the licence for port 8000 has run out\""));
        assert_eq!(finding.evidence[0].says, "python3: the licence for port 8000 has run out");
    }

    #[test]
    fn a_crash_that_was_restarted_too_often_is_told_as_the_limit() {
        let mut lines = LOOP;
        lines[2] = "systemd: shop.service: Main process exited, code=dumped, status=11/SEGV";
        let diagnosis = assert_culprit(&shop("core-dump", &lines), "svc-start-limit-hit");
        assert!(diagnosis.causes.iter().all(|f| f.cause != "svc-crashed-signal"));
    }

    #[test]
    fn newer_systemd_tells_it_in_the_result() {
        assert_culprit(&shop("start-limit-hit", &[]), "svc-start-limit-hit");
    }

    #[test]
    fn one_failure_is_no_series() {
        assert_not_found(&shop("exit-code", &LOOP[..4]), "svc-start-limit-hit");
    }
}
