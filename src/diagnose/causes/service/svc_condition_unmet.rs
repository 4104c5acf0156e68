//! The unit was started, but a condition in it (`ConditionPathExists=` ...) was not met, so systemd skipped it.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle_unit, journal_says, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::unit::Unit;

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
    Some(found.advise(meet(unit, condition)))
}

/// How the condition is met.
fn meet(unit: &Unit, condition: &str) -> Advice {
    let start = format!("systemctl start {}", arg(&unit.name));
    let stop = format!("systemctl stop {}", arg(&unit.name));
    let (kind, value) = condition.split_once('=').unwrap_or((condition, ""));
    let value = value.trim_start_matches('|');
    match (kind.contains("PathExists"), value.strip_prefix('!').map(arg)) {
        (true, Some(path)) => Advice::new(
            "remove the path that forbids it, and start it",
            format!("rm {path}\n{start}"),
            Some(&format!("{stop}\ntouch {path}")),
        ),
        (true, None) if !value.contains(['*', '?', '[']) => {
            let path = arg(value);
            Advice::new(
                "create the path it waits for, if what should be there is ready, and start it",
                format!("touch {path}\n{start}"),
                Some(&format!("{stop}\nrm {path}")),
            )
        }
        _ => Advice::new(
            "make the condition hold, or drop it from the unit, and start it",
            format!("systemctl edit {}    # [Unit] {kind}=\n{start}", arg(&unit.name)),
            Some(&format!("{stop}\n{}", undo_edit(unit))),
        ),
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
