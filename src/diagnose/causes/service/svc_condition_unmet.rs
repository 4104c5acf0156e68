//! The unit was started, but a condition in it (`ConditionPathExists=` ...) was not met, so systemd skipped it.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle_unit, journal_says, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-condition-unmet",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "A condition of the unit is not met, so systemd skips it",
        what: "The unit has a Condition…= or Assert…= line that does not hold. systemctl start then returns success for \
               a condition, and nothing runs. The best known one: /etc/ssh/sshd_not_to_be_run keeps sshd from starting.",
        see: "systemctl status UNIT\nsystemctl show UNIT -p ConditionResult,ConditionTimestamp,AssertResult",
        fix: "make the condition true (create or remove the path it names) or drop it, then systemctl start UNIT",
        undo: "remove or create the path again, systemctl stop UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_unit(scene).filter(|unit| !unit.is_running() && unit.load_state != "masked")?;
    let condition = unit.condition_failed.first()?;
    let see = format!("systemctl show {} -p ConditionResult,Conditions,AssertResult", arg(&unit.name));
    let summary = format!("{} was skipped: {condition} does not hold", unit.name);
    let mut found = found(scene, unit, summary);
    for condition in &unit.condition_failed {
        found = found.seen(Evidence::new("systemd", format!("not met: {condition}"), see.clone()));
    }
    if let Some(entry) = scene.look.journal(&unit.name).and_then(|journal| journal.last_with("unmet condition")) {
        found = found.seen(journal_says(unit, entry));
    }
    Some(meet(found, unit, condition))
}

/// How the condition is met.
fn meet(found: Found, unit: &Unit, condition: &str) -> Found {
    let start = format!("systemctl start {}", arg(&unit.name));
    let stop = format!("systemctl stop {}", arg(&unit.name));
    let (kind, value) = condition.split_once('=').unwrap_or((condition, ""));
    let value = value.trim_start_matches('|');
    let one = value.trim_start_matches('!');
    let path = kind.contains("PathExists") && one.starts_with('/') && !one.contains(['*', '?', '[']);
    // With a second condition, this one alone is not enough.
    let alone = unit.condition_failed.len() == 1;
    match (path && alone, value.starts_with('!')) {
        (true, true) => found.fix(fixes::without_path(unit, one)),
        (true, false) => found.fix(fixes::with_path(unit, one)),
        (false, _) => found.advise(Advice::new(
            "make the condition hold, or drop it from the unit, and start it",
            format!("systemctl edit {}    # [Unit] {kind}=\n{start}", arg(&unit.name)),
            Some(&format!("{stop}\n{}", undo_edit(unit))),
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};

    fn ssh(condition: &'static str, state: &'static str) -> crate::facts::Case {
        let host = Host::refusing(22).unit("ssh.service", |u| {
            u.active_state = state.into();
            u.sub_state = if state == "active" { "running".into() } else { "dead".into() };
            u.condition_failed = vec![condition.into()];
        });
        host.claimed_by("ssh.service").case()
    }

    #[test]
    fn a_path_that_must_not_be_there_is_removed() {
        let case = ssh("ConditionPathExists=!/etc/ssh/sshd_not_to_be_run", "inactive");
        let diagnosis = assert_culprit(&case, "svc-condition-unmet");
        assert!(diagnosis.culprit().unwrap().advice[0].run.starts_with("rm /etc/ssh/sshd_not_to_be_run\n"));
        assert_eq!(diagnosis.culprit().unwrap().plans().next().unwrap().id, "remove-path");
    }

    #[test]
    fn what_is_no_single_path_is_left_to_people() {
        for condition in
            ["ConditionPathExistsGlob=/srv/*.ready", "ConditionFileNotEmpty=/srv/x", "ConditionACPower=true"]
        {
            let diagnosis = assert_culprit(&ssh(condition, "inactive"), "svc-condition-unmet");
            assert_eq!(diagnosis.culprit().unwrap().plans().count(), 0, "{condition}");
        }
    }

    #[test]
    fn a_path_that_must_be_there_is_made() {
        let diagnosis = assert_culprit(&ssh("ConditionPathExists=/srv/www/ready", "inactive"), "svc-condition-unmet");
        assert!(diagnosis.culprit().unwrap().advice[0].run.starts_with("touch /srv/www/ready\n"));
    }

    #[test]
    fn a_unit_that_runs_all_the_same() {
        assert_not_found(&ssh("ConditionPathExists=/srv/www/ready", "active"), "svc-condition-unmet");
    }
}
