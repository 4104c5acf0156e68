//! The daemon listens, but on loopback addresses only.

use super::super::{Cause, Found, Words};
use super::knob::{self, Knob};
use super::rows::{Missed, missed, missed_at_bridge};
use super::{bind_hostname_127_0_1_1, bind_partial_silent, planned};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::passes_on;
use crate::diagnose::serving::owner_of_any;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::socket::Listener;

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-loopback-only",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service listens on loopback only",
        what: "The daemon is up and answers on 127.0.0.1 or ::1, but has no socket on the address clients use, so the \
               kernel refuses them. Databases, caches, mail servers and development servers ship like this on purpose.",
        see: "ss -H -ltnp 'sport = :PORT'",
        fix: "name the wanted address (or 0.0.0.0 and ::) in the daemon's configuration (listen_addresses, \
              bind-address, bind, listen, ListenAddress, ListenStream=) and restart it, or put a proxy in front",
        undo: "restore the line and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let Some(missed) = missed(scene) else { return to_come(scene) };
    let loopback_v6 = missed.address.is_ipv6() && missed.address.is_loopback();
    if !missed.all.iter().all(Listener::loopback_only) || missed.aside || loopback_v6 {
        return None;
    }
    if bind_hostname_127_0_1_1::line(scene, &missed).is_some() || bind_partial_silent::partial(scene, &missed).is_some()
    {
        return None;
    }
    // Whoever holds the port for a container is bound where that was published.
    if owner_of_any(scene.look, missed.all).is_some_and(|(_, owner)| passes_on(owner)) {
        return None;
    }
    Some(found(scene, &missed))
}

/// A service of the host that containers ask at the bridge's address, where it does not listen.
pub(in crate::diagnose::causes) fn not_on_bridge(scene: &Scene<'_, '_>) -> Option<Found> {
    let missed = missed_at_bridge(scene)?;
    let held = owner_of_any(scene.look, missed.all).is_some_and(|(_, owner)| passes_on(owner));
    (!held).then(|| found(scene, &missed))
}

fn found(scene: &Scene<'_, '_>, missed: &Missed<'_>) -> Found {
    let holder = missed.holder(scene);
    let knob = missed.all.first().and_then(|row| knob::of(scene, row, &holder));
    let why = knob.as_ref().map(|k| format!(": {}", k.says())).unwrap_or_default();
    let loopback = missed.all.iter().all(Listener::loopback_only) && !missed.address.is_loopback();
    let only = if loopback { "on loopback only," } else { "only" };
    let summary = format!("{} listens {only} on {}, not on {}{why}", holder.name, missed.shown(), missed.address);
    let mut found = Found::new(holder.subject(), summary).seen(missed.evidence(&holder));
    if let Some(knob) = knob {
        found = found.seen(knob.evidence()).advise_all(knob.listen_on(scene, missed.address, missed.port));
    }
    found
}

/// Nothing listens yet, but what is going to listen will do so on loopback only.
fn to_come(scene: &Scene<'_, '_>) -> Option<Found> {
    let address = scene.subject.address().filter(|a| !a.is_loopback() && !a.is_unspecified())?;
    let planned = planned::planned(scene).filter(planned::Planned::is_stopped)?;
    if planned.listens.is_empty() || !planned.listens.iter().all(|l| planned::loopback(l)) {
        return None;
    }
    let (listen, name) = (*planned.listens.first()?, &planned.serving.name);
    let mut found = Found::new(name, format!("{name} will listen on loopback only, not on {address}"));
    found.latent = true;
    if let Some(config) = planned.config {
        let knob = Knob::Config { config, listen, unit: name.clone() };
        return Some(found.seen(knob.evidence()).advise_all(knob.listen_on(scene, address, scene.subject.port?)));
    }
    let origin = listen.address_set_by.as_ref()?;
    let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
    Some(found.seen(Evidence::new("config", format!("{origin} says {}", origin.text), see)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_found, assert_not_found};
    use crate::facts::claim::{Claim, ClaimSource};
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Daemon;
    use crate::facts::unit::SocketUnit;

    const PG: &str = "postgresql@15-main.service";
    const LINE: &str = "/etc/postgresql/15/main/postgresql.conf:60: listen_addresses = 'localhost'";

    #[test]
    fn a_database_with_its_setting() {
        let host = Host::refusing(5432).listens("127.0.0.1", PG, |_| ()).listens("::1", PG, |_| ()).running(PG);
        let case = host.configured(Daemon::Postgres, PG, &[("localhost", 5432, LINE)]).case();
        let found = assert_culprit(&case, "bind-loopback-only").causes.remove(0);
        assert!(found.summary.contains("postgresql.conf:60 says listen_addresses"), "{}", found.summary);
        assert_eq!(found.subject, PG);
        let advice = &found.advice[0];
        assert!(advice.run.contains("postgresql.conf:60: listen_addresses = 'localhost, 10.2.0.2'"), "{advice:?}");
        assert!(advice.run.ends_with("systemctl restart postgresql@15-main.service"), "{advice:?}");
        assert!(advice.undo.as_deref().unwrap().contains("60: listen_addresses = 'localhost'\n"), "{advice:?}");
    }

    #[test]
    fn a_configuration_that_only_root_may_read_is_told() {
        let host = Host::refusing(6379).listens("127.0.0.1", "redis-server.service", |_| ());
        let case = host.unreadable(Daemon::Redis, "/etc/redis/redis.conf: permission denied").case();
        let found = assert_culprit(&case, "bind-loopback-only").causes.remove(0);
        let told = "its configuration could not be read (permission denied; needs root)";
        assert!(found.evidence.iter().any(|e| e.says.starts_with(told)), "{:?}", found.evidence);
        assert!(found.advice[0].run.starts_with("edit /etc/redis/redis.conf: bind "), "{:?}", found.advice);
        assert!(found.advice[0].does.contains("requirepass"), "{:?}", found.advice);
    }

    #[test]
    fn a_socket_unit_on_loopback() {
        let host = Host::refusing(8605).listens("127.0.0.1", "init.scope", |_| ()).unit("echo.socket", |u| {
            u.active_state = "active".into();
            u.socket =
                Some(SocketUnit { listens: vec![("Stream".into(), "127.0.0.1:8605".into())], ..SocketUnit::default() });
        });
        let claim = Claim {
            unit: Some("echo.socket".into()),
            daemon: None,
            program: "echo".into(),
            source: ClaimSource::SocketUnit,
            origin: None,
            listen: None,
        };
        let found = assert_culprit(&host.claim(claim).case(), "bind-loopback-only").causes.remove(0);
        assert!(found.summary.contains("echo.socket says ListenStream=127.0.0.1:8605"), "{}", found.summary);
    }

    #[test]
    fn a_development_server_gets_its_own_flag() {
        let host = Host::refusing(5173).listens("::1", "session-3.scope", |_| ()).facts(|f| {
            for owner in f.owners.values_mut() {
                let mut value = owner.value().cloned().unwrap();
                value.processes[0].command = "node /srv/app/node_modules/.bin/vite".into();
                value.processes[0].name = "node".into();
                *owner = crate::facts::Reading::known(value);
            }
        });
        let found = assert_culprit(&host.case(), "bind-loopback-only").causes.remove(0);
        assert!(found.advice[0].run.contains("vite --host 0.0.0.0"), "{:?}", found.advice);
    }

    #[test]
    fn a_program_started_by_hand_gets_its_own_command_line() {
        let host = Host::refusing(8000).listens("127.0.0.1", "session-3.scope", |_| ()).facts(|f| {
            for owner in f.owners.values_mut() {
                let mut value = owner.value().cloned().unwrap();
                value.processes[0].command = "python3 -m http.server --bind 127.0.0.1 8000".into();
                *owner = crate::facts::Reading::known(value);
            }
        });
        let found = assert_culprit(&host.case(), "bind-loopback-only").causes.remove(0);
        assert!(found.summary.ends_with("it was started with 127.0.0.1"), "{}", found.summary);
        assert_eq!(
            found.advice[0].run,
            "kill 812\n# as the user it runs as: python3 -m http.server --bind 0.0.0.0 8000"
        );
    }

    #[test]
    fn what_a_program_calls_itself_is_never_run_by_whoever_copies_the_advice() {
        let hostile = "python3 -m http.server;reboot $(id) --bind 127.0.0.1\nreboot";
        let host = Host::refusing(8000).listens("127.0.0.1", "session-3.scope", |_| ()).facts(|f| {
            for owner in f.owners.values_mut() {
                let mut value = owner.value().cloned().unwrap();
                (value.processes[0].name, value.processes[0].command) = ("vite".into(), hostile.into());
                *owner = crate::facts::Reading::known(value);
            }
        });
        let found = assert_culprit(&host.case(), "bind-loopback-only").causes.remove(0);
        let run = &found.advice[0].run;
        assert!(run.lines().skip(1).all(|line| line.starts_with('#')) && run.contains("'http.server;reboot'"), "{run}");
        assert!(found.advice[0].undo.as_ref().unwrap().starts_with('#'));
    }

    #[test]
    fn only_the_other_loopback() {
        let host = Host::with_outcome(5173, Outcome::Refused).listens("::1", "session-3.scope", |_| ());
        let host = host.dial("127.0.0.1".parse().unwrap(), Outcome::Refused).target("127.0.0.1:5173");
        assert_culprit(&host.case(), "bind-loopback-only");
    }

    #[test]
    fn a_wildcard_or_an_answer_is_no_fault() {
        let wide = Host::refusing(80).listens("127.0.0.1", "nginx.service", |_| ());
        assert_not_found(&wide.listens("0.0.0.0", "nginx.service", |_| ()).case(), "bind-loopback-only");
        let redirected = Host::with_outcome(80, Outcome::Open).listens("127.0.0.1", "nginx.service", |_| ());
        assert_not_found(&redirected.case(), "bind-loopback-only");
        let asked = Host::refusing(80).listens("127.0.0.1", "nginx.service", |_| ()).target("127.0.0.1:80");
        assert_not_found(&asked.dial("127.0.0.1".parse().unwrap(), Outcome::Open).case(), "bind-loopback-only");
    }

    #[test]
    fn a_stopped_service_will_be_on_loopback_once_it_runs() {
        let host = Host::refusing(5432).unit(PG, |_| ()).claimed_by(PG);
        let case = host.configured(Daemon::Postgres, PG, &[("localhost", 5432, LINE)]).dial(OUTSIDE, Outcome::Refused);
        let diagnosis = assert_found(&case.case(), "bind-loopback-only");
        assert_eq!(diagnosis.culprit, Some("svc-not-running"));
        assert!(diagnosis.causes.iter().any(|f| f.cause == "bind-loopback-only" && f.latent));
    }
}
