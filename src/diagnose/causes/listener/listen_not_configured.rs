//! The service runs, but its configuration does not let it listen on this port.

use super::super::{Cause, Found, Words, apply};
use super::elsewhere::{Elsewhere, elsewhere};
use super::planned::planned;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::{FailureKind, first_failure};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::daemon::{Daemon, DaemonConfig, Origin};
use crate::facts::unit::Unit;
use crate::fixes::listen;

pub(crate) static CAUSE: Cause = Cause {
    id: "listen-not-configured",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service is not configured to listen on this port",
        what: "The daemon is up without a listener for the port: skip-networking of MariaDB and MySQL, \
               listen_addresses = '' of PostgreSQL, port 0 of Redis, or a web server whose TLS listener or site is not \
               enabled. Only its other ports or its unix socket answer.",
        see: "ss -H -ltnp\nsystemctl status UNIT",
        fix: "take the line away that switches the listener off, or enable the site or module that brings it \
              (a2enmod ssl, a2ensite default-ssl, listen 443 ssl), and restart or reload",
        undo: "restore the line, or disable the site again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let Some(found) = elsewhere(scene) else { return stopped(scene) };
    if let Some(origin) = found.config.and_then(|c| c.silenced_by.first()).filter(|_| found.rows.is_empty()) {
        let [state, rows] = found.evidence();
        let told = silenced(scene, found.unit, found.config, found.port, origin);
        return Some(told.seen(state).seen(rows));
    }
    found.is_sibling_port().then(|| sibling(&found))
}

/// The daemon ended because its configuration leaves nothing to listen on, or will have nothing once it runs.
fn stopped(scene: &Scene<'_, '_>) -> Option<Found> {
    let planned = planned(scene).filter(super::planned::Planned::is_stopped)?;
    let unit = planned.serving.unit?;
    let failure = first_failure(scene.look, unit).filter(|f| f.kind == FailureKind::ListensNowhere);
    let origin = planned.config.and_then(|c| c.silenced_by.first());
    let port = scene.subject.port?;
    let mut found = match (origin, &failure) {
        (Some(origin), _) => silenced(scene, unit, planned.config, port, origin),
        (None, Some(_)) => Found::new(&unit.name, format!("{} is configured to listen nowhere, and ended", unit.name)),
        (None, None) => return None,
    };
    found.latent = failure.is_none();
    if let Some(entry) = failure.and_then(|f| f.entry) {
        found = found.seen(crate::diagnose::failure::evidence(unit, &entry));
    }
    Some(found)
}

fn silenced(scene: &Scene<'_, '_>, unit: &Unit, config: Option<&DaemonConfig>, port: u16, origin: &Origin) -> Found {
    let name = &unit.name;
    let says = format!("{origin} says {}", origin.text);
    let found = Found::new(name, format!("{name} does not listen on port {port}: {says}"));
    let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
    let found = found.seen(Evidence::new("config", says, see));
    let wanted = scene.subject.address().filter(|ip| !ip.is_unspecified());
    match config.and_then(|config| listen::again(config, unit, origin, wanted, port)) {
        Some(plan) => found.fix(plan),
        None => found.advise(apply::change(
            format!("take `{}` away, so that it listens again", origin.text),
            origin,
            &format!("# {}", origin.text),
            &apply::restart(name),
        )),
    }
}

fn sibling(found: &Elsewhere<'_>) -> Found {
    let (name, port) = (&found.unit.name, found.port);
    let ports: Vec<String> = found.ports().iter().map(ToString::to_string).collect();
    let [state, rows] = found.evidence();
    let has = format!("{name} listens on port {}", ports.join(", "));
    if let Some(says) = found.named() {
        return Found::new(name, format!("{has} only; {}, but that is not what it runs with", says.says))
            .seen(state)
            .seen(rows)
            .seen(says)
            .advise(Advice::new("let it read its configuration", apply::reload(name), None));
    }
    let told =
        Found::new(name, format!("{has}; nothing in its configuration listens on {port}")).seen(state).seen(rows);
    let then = apply::reload(name);
    let (run, undo) = match (found.daemon, port) {
        (Some(Daemon::Apache), 443) => (
            format!("a2enmod ssl\na2ensite default-ssl\n{then}"),
            format!("a2dissite default-ssl\na2dismod ssl\n{then}"),
        ),
        (Some(Daemon::Apache), _) => (
            format!("edit /etc/apache2/ports.conf: add: Listen {port}\n{then}"),
            format!("edit /etc/apache2/ports.conf: take out: Listen {port}\n{then}"),
        ),
        (_, 443) => (
            format!("edit its server block: add: listen 443 ssl; with ssl_certificate and ssl_certificate_key\n{then}"),
            format!("edit its server block: take the lines out\n{then}"),
        ),
        _ => (
            format!("edit its server block: add: listen {port};\n{then}"),
            format!("edit its server block: take the line out\n{then}"),
        ),
    };
    told.advise(Advice::new(format!("add a listener for port {port}"), run, Some(&undo)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::facts::claim::{Claim, ClaimSource};
    use crate::facts::daemon::{Daemon, Origin};

    fn usually(daemon: Daemon, unit: &str) -> Claim {
        Claim {
            unit: Some(unit.into()),
            daemon: Some(daemon),
            program: daemon.name().into(),
            source: ClaimSource::DefaultPort,
            origin: None,
            listen: None,
        }
    }

    fn skip_networking(host: Host) -> Host {
        host.configured(Daemon::Mysql, "mariadb.service", &[]).claim(usually(Daemon::Mysql, "mariadb.service")).facts(
            |f| {
                let mut configs = f.daemons[&Daemon::Mysql].value().cloned().unwrap();
                configs[0].silenced_by =
                    vec![Origin { file: "/etc/mysql/99.cnf".into(), line: 2, text: "skip-networking".into() }];
                f.daemons.insert(Daemon::Mysql, crate::facts::Reading::known(configs));
            },
        )
    }

    #[test]
    fn a_database_without_networking() {
        let case = skip_networking(Host::refusing(3306).running("mariadb.service")).case();
        let found = assert_culprit(&case, "listen-not-configured").causes.remove(0);
        assert!(found.summary.contains("/etc/mysql/99.cnf:2 says skip-networking"), "{}", found.summary);
    }

    #[test]
    fn a_stopped_one_is_stopped_first() {
        let case = skip_networking(Host::refusing(3306).unit("mariadb.service", |_| ())).case();
        let diagnosis = assert_found(&case, "listen-not-configured");
        assert_eq!(diagnosis.culprit, Some("svc-not-running"));
    }

    #[test]
    fn redis_with_port_0_ends() {
        let host = Host::refusing(6379).unit("redis-server.service", |u| {
            u.active_state = "failed".into();
            u.service.as_mut().unwrap().result = "exit-code".into();
        });
        let host = host.journal(
            "redis-server.service",
            &[
                "systemd: Starting redis-server.service - Advanced key-value store...",
                "redis-server: Configured to not listen anywhere, exiting.",
                "systemd: redis-server.service: Main process exited, code=exited, status=1/FAILURE",
                "systemd: redis-server.service: Failed with result 'exit-code'.",
            ],
        );
        let case = host.claim(usually(Daemon::Redis, "redis-server.service")).case();
        assert_culprit(&case, "listen-not-configured");
    }

    #[test]
    fn a_web_server_without_tls() {
        let host = Host::refusing(443).running("apache2.service").listens_on(80, "::", "apache2.service", |_| ());
        let case = host.claim(usually(Daemon::Apache, "apache2.service")).case();
        let found = assert_culprit(&case, "listen-not-configured").causes.remove(0);
        assert!(found.advice[0].run.starts_with("a2enmod ssl"), "{:?}", found.advice);
        assert_not_found(&case, "listen-wrong-port");
    }
}
