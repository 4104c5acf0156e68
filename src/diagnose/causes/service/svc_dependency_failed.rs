//! systemd did not start the unit because another one, which it requires, failed.

use super::super::{Cause, Found, Words, apply};
use super::common::{DOWN, arg, failure_says, found, idle_service, journal_says, reason, start_by_hand, systemd_says};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::{first_failure, held_back};
use crate::diagnose::look::Look;
use crate::diagnose::verdict::Advice;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-dependency-failed",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "A unit it requires failed, so it was not started",
        what: "Requires=, BindsTo= or RequiresMountsFor= make the unit wait for another one: a mount, a device, another \
               service. That one failed, and systemd did not even try to start this one. After a boot it is often a line \
               of /etc/fstab.",
        see: "journalctl -b -u UNIT\nsystemctl list-dependencies UNIT\nsystemctl --failed",
        fix: "repair and start what it requires (or mark the mount nofail), then systemctl start UNIT",
        undo: "restore /etc/fstab or the drop-in",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_service(scene).filter(|unit| !unit.is_running() && unit.load_state == "loaded")?;
    let entry = held_back(scene.look.journal(&unit.name)?)?;
    let guilty = guilty(scene.look, unit)?.first().copied();
    let other = guilty.map_or("a unit it requires", |other| other.name.as_str());
    let mut found = found(scene, unit, format!("{} was not started because {other} failed", unit.name));
    found.evidence.insert(0, journal_says(unit, entry));
    if let Some(other) = guilty {
        // One that is only stopped now is started along.
        let found = if other.active_state == "failed" {
            about(scene.look, found, other).advise(start_by_hand(unit))
        } else {
            found.fix(fixes::start(unit))
        };
        return Some(found);
    }
    let see = format!("systemctl list-dependencies {}\nsystemctl --failed", arg(&unit.name));
    Some(found.advise(Advice::new("find and repair what it requires", see, None)).advise(start_by_hand(unit)))
}

/// What is known of the unit that failed, and how it is repaired.
fn about(look: &Look<'_>, found: Found, other: &Unit) -> Found {
    let mut found = found.seen(systemd_says(other));
    let failure = first_failure(look, other);
    found.evidence.extend(failure.iter().flat_map(|failure| failure_says(other, failure)));
    let why = failure.map(|failure| format!(" ({})", reason(&failure))).unwrap_or_default();
    let name = arg(&other.name);
    let run = format!("systemctl status {name}\njournalctl -b -u {name}\n{}", apply::restart(&other.name));
    found.advise(Advice::new(format!("repair {}{why}", other.name), run, None))
}

/// The required units that are down, those that failed first; none: not known yet.
fn guilty<'a>(look: &Look<'a>, unit: &Unit) -> Option<Vec<&'a Unit>> {
    let required: Option<Vec<&Unit>> = unit.requires.iter().map(|name| look.unit(name)).collect();
    // A slice is made when its first unit starts.
    let idle = |other: &&Unit| other.active_state == "inactive" && !is_slice(other);
    let (failed, rest): (Vec<_>, Vec<_>) = required?.into_iter().partition(|other| other.active_state == "failed");
    Some(failed.into_iter().chain(rest.into_iter().filter(idle)).collect())
}

fn is_slice(unit: &Unit) -> bool {
    unit.name.rsplit_once('.').is_some_and(|(_, kind)| kind == "slice")
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn nginx(lines: &[&str]) -> Case {
        let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", lines);
        let host = host.unit("nginx.service", |u| u.requires = vec!["system.slice".into(), "srv-data.mount".into()]);
        let host = host.unit("system.slice", |u| u.active_state = "active".into());
        host.unit("srv-data.mount", |u| u.active_state = "failed".into()).case()
    }

    const HELD_BACK: [&str; 2] = [
        "systemd: Dependency failed for nginx.service - A high performance web server.",
        "systemd: nginx.service: Job nginx.service/start failed with result 'dependency'.",
    ];

    #[test]
    fn the_failed_mount_is_named() {
        let diagnosis = assert_culprit(&nginx(&HELD_BACK), "svc-dependency-failed");
        let summary = &diagnosis.culprit().unwrap().summary;
        assert_eq!(summary, "nginx.service was not started because srv-data.mount failed");
    }

    #[test]
    fn a_later_start_and_stop_make_it_history() {
        let later =
            ["systemd: Starting nginx.service - A web server...", "systemd: Stopped nginx.service - A web server."];
        assert_not_found(&nginx(&[HELD_BACK, later].concat()), "svc-dependency-failed");
    }
}
