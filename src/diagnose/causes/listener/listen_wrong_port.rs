//! The service runs and listens, but on another port than the one asked.

use super::super::{Cause, Found, Words, apply};
use super::elsewhere::elsewhere;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::fixes::listen;

pub(crate) static CAUSE: Cause = Cause {
    id: "listen-wrong-port",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service listens on another port",
        what: "The program that usually has this port runs, but listens elsewhere: sshd moved to 2222, a second \
               PostgreSQL cluster on 5433, a web server on 8080. Or its configuration was changed and it was not \
               restarted since.",
        see: "systemctl status UNIT\nss -H -ltnp",
        fix: "use the port it has, or set the wanted one in its configuration and restart it",
        undo: "restore the setting and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let found = elsewhere(scene).filter(|e| !e.rows.is_empty() && !e.is_sibling_port())?;
    let (name, port) = (&found.unit.name, found.port);
    let ports: Vec<String> = found.ports().iter().map(ToString::to_string).collect();
    let has = ports.join(", ");
    let named = found.named();
    let but = named.as_ref().map(|e| format!("; {}, but that is not what it runs with", e.says)).unwrap_or_default();
    let [state, rows] = found.evidence();
    let mut told = Found::new(name, format!("{name} listens on port {has}, not on {port}{but}")).seen(state).seen(rows);
    let first = found.rows.first()?;
    let asked =
        Advice::new(format!("ask the port it listens on: {has}"), format!("unrefuse check {}", first.port), None);
    if let Some(says) = named {
        let does = format!("{} it, so that it reads its configuration", apply::reload_word(name));
        told = told.seen(says).advise(Advice::new(does, apply::reload(name), None));
        return Some(told.advise(asked));
    }
    told = told.advise(asked);
    let setting = found.config.and_then(|c| c.listens.iter().find(|l| l.port == Some(first.port)));
    let Some(origin) = setting.and_then(|l| l.port_set_by.as_ref()) else { return Some(told) };
    let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
    told = told.seen(Evidence::new("config", format!("{origin} says {}", origin.text), see));
    let plan = found.config.and_then(|config| listen::on_port(config, found.unit, first.port, port));
    Some(match plan {
        Some(plan) => told.fix(plan),
        None => told,
    })
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::claim::{Claim, ClaimSource};
    use crate::facts::daemon::Daemon;

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

    #[test]
    fn sshd_on_2222() {
        let host = Host::refusing(22).running("ssh.service").listens_on(2222, "0.0.0.0", "ssh.service", |_| ());
        let host = host.configured(
            Daemon::Sshd,
            "ssh.service",
            &[("0.0.0.0", 2222, "/etc/ssh/sshd_config.d/50-port.conf:1: Port 2222")],
        );
        let case = host.claim(usually(Daemon::Sshd, "ssh.service")).case();
        let found = assert_culprit(&case, "listen-wrong-port").causes.remove(0);
        assert_eq!(found.summary, "ssh.service listens on port 2222, not on 22");
        assert_eq!(found.advice[0].run, "unrefuse check 2222");
        let add = "edit /etc/ssh/sshd_config.d/50-port.conf:2: add: Port 22\nsshd -t\nsystemctl restart ";
        assert!(found.advice[1].run.starts_with(add), "{:?}", found.advice);
    }

    #[test]
    fn a_port_that_is_configured_already_is_loaded_and_no_site_moved() {
        let host = Host::refusing(8081).running("nginx.service").listens_on(8080, "0.0.0.0", "nginx.service", |_| ());
        let host = host.configured(
            Daemon::Nginx,
            "nginx.service",
            &[
                ("0.0.0.0", 8080, "/etc/nginx/sites-enabled/default:22: listen 8080;"),
                ("0.0.0.0", 8081, "/etc/nginx/sites-enabled/shop:2: listen 8081;"),
            ],
        );
        let mut claim = usually(Daemon::Nginx, "nginx.service");
        claim.source = ClaimSource::Config;
        let found = assert_culprit(&host.claim(claim).case(), "listen-wrong-port").causes.remove(0);
        let run: Vec<&str> = found.advice.iter().map(|a| a.run.as_str()).collect();
        assert_eq!(run, ["nginx -t && systemctl reload-or-restart nginx.service", "unrefuse check 8080"]);
        assert!(found.evidence.iter().any(|e| e.see == "sed -n 2p /etc/nginx/sites-enabled/shop"), "{found:#?}");
    }

    #[test]
    fn an_instance_behind_a_wrapper() {
        const MAIN: &str = "postgresql@15-main.service";
        let host = Host::refusing(5432).running(MAIN).listens_on(5433, "0.0.0.0", MAIN, |_| ());
        let host = host.unit("postgresql.service", |u| {
            u.active_state = "active".into();
            u.sub_state = "exited".into();
            u.pulls = vec![MAIN.into()];
        });
        let case = host.claim(usually(Daemon::Postgres, "postgresql.service")).case();
        assert_eq!(assert_culprit(&case, "listen-wrong-port").causes[0].subject, MAIN);
    }

    #[test]
    fn the_socket_unit_has_another_port() {
        let host = Host::refusing(22).listens_on(2222, "::", "init.scope", |l| l.cgroup = Some(1));
        let host = host.unit("ssh.service", |u| u.triggered_by = vec!["ssh.socket".into()]).unit("ssh.socket", |u| {
            u.active_state = "active".into();
            u.sub_state = "listening".into();
            u.socket = Some(crate::facts::unit::SocketUnit {
                listens: vec![("Stream".into(), "[::]:2222".into())],
                ..crate::facts::unit::SocketUnit::default()
            });
        });
        let case = host.claim(usually(Daemon::Sshd, "ssh.service")).case();
        let diagnosis = crate::diagnose::diagnose(&case);
        assert!(diagnosis.causes.iter().any(|f| f.cause == "listen-wrong-port"), "{diagnosis:#?}");
    }

    #[test]
    fn a_stopped_service_or_one_with_the_port_is_not_elsewhere() {
        let host = Host::refusing(22).unit("ssh.service", |_| ()).listens_on(2222, "0.0.0.0", "other.service", |_| ());
        assert_not_found(&host.claim(usually(Daemon::Sshd, "ssh.service")).case(), "listen-wrong-port");
        let host = Host::refusing(22).running("ssh.service").listens("127.0.0.1", "ssh.service", |_| ());
        let host = host.listens_on(2222, "0.0.0.0", "ssh.service", |_| ());
        assert_not_found(&host.claim(usually(Daemon::Sshd, "ssh.service")).case(), "listen-wrong-port");
    }
}
