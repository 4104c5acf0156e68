//! The service ends and is started again, over and over: refused now, open a moment later.

use super::super::{Cause, Found, Words, apply};
use super::common::{arg, failure_says, journal_says, reason, systemd_says};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::first_failure;
use crate::diagnose::look::Look;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::Advice;
use crate::facts::Reading;
use crate::facts::connect::Outcome;
use crate::facts::journal::Entry;
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-flapping-auto-restart",
    in_box: BoxId::Service,
    general: false,
    explains: &[Outcome::Refused, Outcome::Reset, Outcome::Open, Outcome::Unresolved, Outcome::Error],
    words: Words {
        title: "The service keeps ending and being restarted",
        what: "Restart= starts it again after every end, slowly enough that systemd never gives up. Clients are refused \
               while it is down (RestartSec=) and served while it is up, so the fault comes and goes.",
        see: "systemctl show UNIT -p SubState,NRestarts,ExecMainStatus\njournalctl -b -u UNIT -f",
        fix: "cure what ends it: \"Main process exited, code=…, status=…\" and the daemon's lines before it",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = serving(scene.look, scene.subject)?.unit?;
    let service = unit.service.as_ref()?;
    let waiting = unit.sub_state.starts_with("auto-restart");
    if !waiting && (service.restarts == 0 || matches!(unit.active_state.as_str(), "failed" | "inactive")) {
        return None;
    }
    let restarts = restarts(scene.look, unit);
    if !waiting && !lately(scene.look, unit, &restarts) {
        return None;
    }
    scene.outcome()?;
    let failure = first_failure(scene.look, unit);
    let why = failure.as_ref().map(|failure| format!(": {}", reason(failure))).unwrap_or_default();
    let now = if waiting { "waits for its next restart" } else { "was restarted moments ago" };
    let count = if service.restarts > 0 { format!(" (NRestarts={})", service.restarts) } else { String::new() };
    let summary = format!("{} keeps ending and {now}{count}{why}", unit.name);
    let mut found = Found::new(&unit.name, summary).seen(systemd_says(unit));
    found.evidence.extend(failure.iter().flat_map(|failure| failure_says(unit, failure)));
    found.evidence.extend(restarts.last().map(|entry| journal_says(unit, entry)));
    let name = arg(&unit.name);
    let look = Advice::new("see what ends it, and cure that", format!("journalctl -b -u {name}"), None);
    Some(found.advise(look).advise(Advice::new("then restart it", apply::restart(&unit.name), None)))
}

/// The journal's lines about restarts by systemd.
fn restarts<'a>(look: &Look<'a>, unit: &Unit) -> Vec<&'a Entry> {
    let entries = look.journal(&unit.name).map(|journal| journal.entries.as_slice()).unwrap_or_default();
    entries.iter().filter(|e| e.is_systemd() && e.message.contains("Scheduled restart job")).collect()
}

/// Restarted within the last minute, or three times within ten, when the unit was looked at.
fn lately(look: &Look<'_>, unit: &Unit, restarts: &[&Entry]) -> bool {
    const MINUTE_US: u64 = 60_000_000;
    let Some(Reading::Known(known)) = look.facts().units.get(&unit.name) else { return false };
    let now = known.at_ms.saturating_mul(1000);
    let within = |us: u64| restarts.iter().filter(|e| e.at_us.saturating_add(us) >= now).count();
    within(MINUTE_US) >= 1 || within(10 * MINUTE_US) >= 3
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::{Case, Reading};

    const LINES: [&str; 5] = [
        "systemd: Started shop.service - The shop.",
        "systemd: shop.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED",
        "systemd: shop.service: Failed with result 'exit-code'.",
        "systemd: shop.service: Scheduled restart job, restart counter is at 7.",
        "systemd: Started shop.service - The shop.",
    ];
    /// When the restart in these lines was.
    const RESTARTED_MS: u64 = 1_700_000_103_000;

    fn shop(host: Host, sub_state: &'static str, seconds_later: u64) -> Case {
        let host = host.claimed_by("shop.service").journal("shop.service", &LINES).unit("shop.service", |u| {
            u.active_state = if sub_state == "running" { "active".into() } else { "activating".into() };
            u.sub_state = sub_state.into();
            let service = u.service.as_mut().unwrap();
            (service.restarts, service.main_pid) = (7, 812);
            service.started_us = (RESTARTED_MS + 1000) * 1000;
        });
        let seen = host.facts(|f| {
            let Some(Reading::Known(known)) = f.units.get_mut("shop.service") else { panic!("no unit") };
            known.at_ms = RESTARTED_MS + seconds_later * 1000;
        });
        seen.case()
    }

    #[test]
    fn it_waits_for_its_next_restart() {
        let diagnosis = assert_culprit(&shop(Host::refusing(8000), "auto-restart", 500), "svc-flapping-auto-restart");
        assert!(diagnosis.culprit().unwrap().summary.ends_with("(NRestarts=7): exit status 3"));
    }

    #[test]
    fn it_is_up_for_a_moment() {
        let host = Host::with_outcome(8000, Outcome::Open).listens("0.0.0.0", "shop.service", |_| ());
        assert_culprit(&shop(host, "running", 5), "svc-flapping-auto-restart");
    }

    #[test]
    fn a_restart_long_ago_is_history() {
        let host = Host::with_outcome(8000, Outcome::Open).listens("0.0.0.0", "shop.service", |_| ());
        assert_not_found(&shop(host, "running", 3600), "svc-flapping-auto-restart");
    }
}
