//! The proxy does not start because a name in its configuration does not resolve.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg, failed_by, found_failed, place, start_again, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::FailureKind;
use crate::diagnose::verdict::Advice;
use crate::facts::daemon::Daemon;
use crate::facts::unit::Unit;

pub(crate) static CAUSE: Cause = Cause {
    id: "svc-failed-upstream-name-unresolved",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "A name in the configuration does not resolve, so the proxy does not start",
        what: "nginx and haproxy look up the names of their backends once, at start, and refuse to start when one of them \
               is unknown. After a boot this happens when the name service comes up later than the proxy; a restart by \
               hand then works.",
        see: "journalctl -b -u UNIT\ngetent ahosts NAME",
        fix: "correct the name, use an address, add the name to /etc/hosts, let haproxy start without it (init-addr none) \
              or nginx resolve it late (resolver and a variable); after a boot race order the unit after \
              network-online.target and nss-lookup.target; then systemctl start UNIT",
        undo: "take the line or the drop-in away again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (unit, failure, (name, file, line)) = failed_by(scene, |kind| {
        let FailureKind::UpstreamName { name, file, line } = kind else { return None };
        Some((name.clone(), file.clone(), *line))
    })?;
    let at = place(file.as_deref(), line);
    let summary = format!("{} does not start: {name} ({at}) does not resolve", unit.name);
    let late = Advice::new(
        "or, if it only fails at boot, start it after the name service",
        format!(
            "systemctl edit {}    # [Unit] Wants=network-online.target After=network-online.target nss-lookup.target",
            arg(&unit.name)
        ),
        Some(&undo_edit(unit)),
    );
    let found = found_failed(scene, unit, &failure, summary);
    Some(found.advise(cure(unit, &name, &at)).advise(late).advise(start_again(unit)))
}

fn cure(unit: &Unit, name: &str, at: &str) -> Advice {
    let tolerant = if Daemon::Haproxy.runs_as(&unit.name) { ", or add init-addr none to its server line" } else { "" };
    Advice::new(
        format!("correct {name} in {at}, or make it known{tolerant}"),
        format!("getent ahosts {}", arg(name)),
        Some("restore the line"),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;

    fn nginx(message: &str) -> Case {
        let line = format!("nginx: 2026/01/02 03:04:05 [emerg] 81#81: {message}");
        let host = Host::refusing(80).claimed_by("nginx.service").journal("nginx.service", &[&line]);
        host.unit("nginx.service", |u| u.active_state = "failed".into()).case()
    }

    #[test]
    fn an_unknown_backend() {
        let case = nginx("host not found in upstream \"backend\" in /etc/nginx/conf.d/shop.conf:1");
        let diagnosis = assert_culprit(&case, "svc-failed-upstream-name-unresolved");
        assert!(diagnosis.culprit().unwrap().summary.contains("backend (/etc/nginx/conf.d/shop.conf:1)"));
    }

    #[test]
    fn an_ordinary_error_of_the_configuration() {
        let case = nginx("unknown directive \"upstreams\" in /etc/nginx/conf.d/shop.conf:1");
        assert_not_found(&case, "svc-failed-upstream-name-unresolved");
    }
}
