//! The service is still starting: it will listen soon, or waits for something.

use std::time::Duration;

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, found, idle_service};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::run_time;
use crate::diagnose::look::Look;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-starting-not-ready",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The service is still starting",
        what: "It has been started, but does not listen yet: it runs its ExecStartPre=, recovers a database, warms up, or \
               its job waits for another unit. Clients that come this early are refused; the same happens when \
               containers or units that need each other start together.",
        see: "systemctl status UNIT\nsystemctl list-jobs\njournalctl -b -u UNIT -f",
        fix: "wait and try again; let clients retry, or order them after the service (After=, a health check)",
        undo: "nothing to take back",
    },
    detect,
};

/// A program that listens at all does so within this time, as a rule.
const YOUNG: Duration = Duration::from_secs(5);

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_service(scene)?;
    let state = starting(scene.look, unit)?;
    let name = arg(&unit.name);
    let summary = format!("{} {state} and does not listen yet", unit.name);
    let mut found = found(scene, unit, summary);
    if let Some(job) = &unit.job {
        found = found.seen(Evidence::new("systemd", format!("a {job} job is under way"), "systemctl list-jobs"));
    }
    let wait = Advice::new(
        "wait, and see how far it is",
        format!("systemctl status {name}\njournalctl -b -f -u {name}"),
        None,
    );
    Some(found.advise(wait))
}

/// How the unit is starting, if it is.
fn starting(look: &Look<'_>, unit: &Unit) -> Option<String> {
    let again = unit.sub_state.starts_with("auto-restart") || unit.service.as_ref().is_some_and(|s| s.restarts > 0);
    match unit.active_state.as_str() {
        "activating" if !again => Some(format!("is still starting ({})", unit.sub_state)),
        "inactive" | "failed" if unit.job.as_deref() == Some("start") => Some("waits to be started".into()),
        "active" if !again && unit.is_running() => {
            let age = run_time(look, unit).filter(|age| *age < YOUNG)?;
            listens_nowhere(look, unit)?.then(|| format!("was started {} ms ago", age.as_millis()))
        }
        _ => None,
    }
}

/// True while the unit has not opened any of its ports; none: not known.
fn listens_nowhere(look: &Look<'_>, unit: &Unit) -> Option<bool> {
    let group = unit.cgroup_id?;
    Some(look.all_listeners()?.iter().all(|listener| listener.cgroup != Some(group)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::unit::Unit;
    use crate::facts::{Case, Reading};

    fn shop(seen_ms: u64, change: fn(&mut Unit)) -> Case {
        let host = Host::refusing(8000).claimed_by("shop.service").unit("shop.service", change);
        let host = host.facts(|f| {
            let Some(Reading::Known(known)) = f.units.get_mut("shop.service") else { panic!("no unit") };
            known.at_ms = seen_ms;
        });
        host.case()
    }

    fn started(u: &mut Unit) {
        (u.active_state, u.sub_state, u.cgroup_id) = ("active".into(), "running".into(), Some(7));
        let service = u.service.as_mut().unwrap();
        (service.main_pid, service.started_us) = (812, 1_000_000_000);
    }

    #[test]
    fn it_runs_its_preparations() {
        let case = shop(0, |u| (u.active_state, u.sub_state) = ("activating".into(), "start-pre".into()));
        assert_culprit(&case, "svc-starting-not-ready");
    }

    #[test]
    fn it_was_started_a_moment_ago() {
        let diagnosis = assert_culprit(&shop(1_000_800, started), "svc-starting-not-ready");
        assert!(diagnosis.culprit().unwrap().summary.contains("started 800 ms ago"));
    }

    #[test]
    fn a_program_that_had_time_to_listen_is_not_starting() {
        assert_not_found(&shop(1_009_000, started), "svc-starting-not-ready");
    }
}
