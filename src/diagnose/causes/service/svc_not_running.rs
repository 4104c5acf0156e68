//! The unit that should serve the port is stopped or failed (and nothing more specific explains why).

use super::super::{Cause, Found, Words};
use super::common::{
    DOWN, arg, found, found_failed, idle_service, reason, see_why, silence, start_again, start_by_hand,
};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::{first_failure, has_failed};
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::claim::ClaimSource;
use crate::facts::connect::Outcome;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-not-running",
    in_box: BoxId::Service,
    general: true,
    explains: DOWN,
    words: Words {
        title: "The service is not running",
        what: "The unit that should serve the port exists, but it is stopped or failed, so no socket listens and the \
               kernel itself answers with a reset.",
        see: "systemctl status UNIT\nss -H -ltn 'sport = :PORT'",
        fix: "systemctl start UNIT",
        undo: "systemctl stop UNIT",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if scene.look.host().is_some_and(|host| !host.systemd) {
        return unmanaged(scene);
    }
    let down = |unit: &&Unit| matches!(unit.active_state.as_str(), "inactive" | "failed" | "deactivating");
    let unit = idle_service(scene).filter(down)?;
    if let Some(error) = &unit.load_error {
        return Some(unloadable(scene, unit, error));
    }
    if has_failed(unit) {
        return Some(failed(scene, unit));
    }
    if scene.subject.port.is_none() && has_done_its_work(unit) {
        return None;
    }
    let stopping = if unit.active_state == "deactivating" { "is being stopped" } else { "is not running" };
    let enabled = if unit.file_state == "disabled" { ", and not enabled to start at boot" } else { "" };
    let found = found(scene, unit, format!("{} {stopping}{enabled}", unit.name)).fix(fixes::start(unit));
    Some(if unit.file_state == "disabled" { found.fix(fixes::start_and_enable(unit)) } else { found })
}

/// Without systemd nobody can be asked about the program, but what names the port and that nothing listens is known.
fn unmanaged(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let port = subject.port.filter(|_| subject.local == Some(true) && subject.unit.is_none())?;
    if !scene.look.listeners(subject.transport, port)?.is_empty() || scene.outcome()? == Outcome::Open {
        return None;
    }
    let claims = scene.look.claims(subject.transport, port)?;
    let claim = claims.claims.iter().find(|claim| claim.source != ClaimSource::EtcServices)?;
    // It may well run and listen on another port: that takes all of them to see.
    scene.look.all_listeners()?;
    let program = &claim.program;
    let origin = match &claim.origin {
        Some(at) => {
            let see = format!("sed -n {}p {}", at.line, arg(&at.file));
            Evidence::new("config", format!("{}:{}: {}", at.file, at.line, at.text), see)
        }
        None => Evidence::new("config", format!("port {port} is the default port of {program}"), "less /etc/services"),
    };
    let summary = format!("nothing listens on {} port {port}, where {program} should", subject.transport.word());
    let name = arg(program);
    let mut found = Found::new(program, summary);
    found.evidence.extend(silence(scene));
    Some(found.seen(origin).advise(Advice::new(
        format!("start {program} with this host's service manager"),
        format!("service {name} start"),
        Some(&format!("service {name} stop")),
    )))
}

/// A unit that runs once and ends (`Type=oneshot`) is healthy when it is over. systemd forgets when that was.
fn has_done_its_work(unit: &Unit) -> bool {
    unit.service.as_ref().is_some_and(|s| s.kind == "oneshot" && s.result == "success")
}

/// It failed, for a reason that no cause knows or that nobody could read.
fn failed(scene: &Scene<'_, '_>, unit: &Unit) -> Found {
    let found = match first_failure(scene.look, unit) {
        Some(failure) => {
            let summary = format!("{} failed: {}", unit.name, reason(&failure));
            found_failed(scene, unit, &failure, summary)
        }
        None => found(scene, unit, format!("{} failed", unit.name)),
    };
    let unread = scene.look.facts().journals.get(&unit.name).and_then(crate::facts::Reading::blind);
    let found = match unread {
        Some(why) => {
            let says = format!("why it failed is in its journal, which could not be read: {why}");
            found.seen(Evidence::new("journal", says, format!("journalctl -b -u {}", arg(&unit.name))))
        }
        None => found,
    };
    found.advise(see_why(unit)).advise(start_again(unit))
}

/// systemd cannot make sense of the unit file.
fn unloadable(scene: &Scene<'_, '_>, unit: &Unit, error: &str) -> Found {
    let name = arg(&unit.name);
    let summary = format!("{} cannot be loaded: {error}", unit.name);
    let verify = Advice::new(
        "correct the unit file, and let systemd read it again",
        format!("systemd-analyze verify {name}\nsystemctl daemon-reload"),
        None,
    );
    found(scene, unit, summary)
        .seen(Evidence::new(
            "systemd",
            format!("LoadState={}: {error}", unit.load_state),
            format!("systemctl status {name}"),
        ))
        .advise(verify)
        .advise(start_by_hand(unit))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, without_systemd};
    use crate::facts::claim::{Claim, ClaimSource};
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Origin;
    use crate::facts::{Case, Reading};

    fn nginx(state: &'static str) -> Host {
        let host = Host::refusing(80).claimed_by("nginx.service");
        host.unit("nginx.service", |u| u.active_state = state.into())
    }

    fn summary(case: &Case) -> String {
        assert_culprit(case, "svc-not-running").culprit().unwrap().summary.clone()
    }

    #[test]
    fn a_stopped_unit_that_claims_the_port() {
        assert_eq!(summary(&nginx("inactive").case()), "nginx.service is not running");
    }

    #[test]
    fn a_failed_unit_tells_why_as_far_as_that_is_known() {
        let lines =
            ["app: no such table: shops", "systemd: nginx.service: Main process exited, code=exited, status=3/X"];
        assert_eq!(
            summary(&nginx("failed").journal("nginx.service", &lines).case()),
            "nginx.service failed: exit status 3 after \"no such table: shops\""
        );
    }

    #[test]
    fn without_the_journal_it_says_what_it_takes_to_see_more() {
        let host = nginx("failed").facts(|f| {
            f.journals.insert("nginx.service".into(), Reading::Denied { needs: "group systemd-journal".into() });
        });
        let diagnosis = assert_culprit(&host.case(), "svc-not-running");
        assert!(diagnosis.culprit().unwrap().evidence.iter().any(|e| e.says.ends_with("needs group systemd-journal")));
    }

    #[test]
    fn a_unit_that_is_asked_for_by_name_and_has_no_port() {
        let diagnosis = assert_culprit(&nginx("failed").target("nginx").case(), "svc-not-running");
        assert_eq!(diagnosis.outcome, Some(Outcome::Error));
        assert!(diagnosis.settled);
    }

    #[test]
    fn without_systemd_the_program_that_names_the_port_is_not_running() {
        let claim = Claim {
            unit: Some("nginx.service".into()),
            daemon: None,
            program: "nginx".into(),
            source: ClaimSource::Config,
            origin: Some(Origin { file: "/etc/nginx/nginx.conf".into(), line: 3, text: "listen 80;".into() }),
            listen: None,
        };
        let case = without_systemd(Host::refusing(80), "nginx.service").claim(claim).case();
        let told = assert_culprit(&case, "svc-not-running");
        let found = told.culprit().unwrap();
        assert_eq!(found.subject, "nginx");
        assert!(found.evidence.iter().any(|e| e.says == "nothing listens on port 80"));
        assert!(found.evidence.iter().any(|e| e.says == "/etc/nginx/nginx.conf:3: listen 80;"));
        assert_eq!(found.advice[0].run, "service nginx start");
    }

    #[test]
    fn a_unit_that_runs_once_and_ended_well_is_not_down() {
        let once = |kind: &'static str| {
            Host::refusing(80).target("once").unit("once.service", move |u| {
                let service = u.service.as_mut().unwrap();
                (service.kind, service.result) = (kind.into(), "success".into());
            })
        };
        assert_not_found(&once("oneshot").case(), "svc-not-running");
        assert_culprit(&once("simple").case(), "svc-not-running");
    }

    #[test]
    fn a_running_unit_is_not_stopped() {
        assert_not_found(&nginx("active").case(), "svc-not-running");
    }

    #[test]
    fn a_port_that_is_open_needs_no_unit() {
        let host = Host::with_outcome(80, Outcome::Open).claimed_by("nginx.service").unit("nginx.service", |_| ());
        assert_not_found(&host.case(), "svc-not-running");
    }
}
