//! The service behind a socket unit failed at every connection, until systemd closed the socket.

use super::super::{Cause, Found, Words};
use super::common::{arg, failure_says, found, idle_unit, reason, sockets, systemd_says};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::first_failure;
use crate::diagnose::verdict::Advice;
use crate::facts::connect::Outcome;
use crate::facts::unit::Unit;
use crate::fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "socket-unit-service-start-limit",
    in_box: BoxId::Service,
    general: false,
    // The first clients are cut off when the socket is closed.
    explains: &[Outcome::Refused, Outcome::Unresolved, Outcome::Error, Outcome::Reset, Outcome::Closed],
    words: Words {
        title: "The service behind the socket unit failed too often, so the socket was closed",
        what: "Each connection started the service, and each time it failed. When the service reached its start limit, \
               systemd closed the socket as well. The first clients still connect and are cut off, later ones are refused.",
        see: "systemctl status X.socket X.service\njournalctl -b -u X.service",
        fix: "cure the service's first failure, then systemctl reset-failed X.socket X.service, systemctl start X.socket",
        undo: "systemctl stop X.socket",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_unit(scene)?;
    let hit = |socket: &&Unit| socket.socket.as_ref().is_some_and(|s| s.result == "service-start-limit-hit");
    let socket = sockets(scene.look, unit).into_iter().find(hit)?;
    let service = match socket.triggers.first() {
        Some(name) => Some(scene.look.unit(name)?),
        None => None,
    };
    let failure = service.and_then(|service| first_failure(scene.look, service));
    let why = failure.as_ref().map(|failure| format!(": {}", reason(failure))).unwrap_or_default();
    let behind = service.map_or("its service", |service| service.name.as_str());
    let summary = format!("{} was closed because {behind} failed at every connection{why}", socket.name);
    let mut found = found(scene, socket, summary);
    if let Some(service) = service {
        found = found.seen(systemd_says(service));
        found.evidence.extend(failure.iter().flat_map(|failure| failure_says(service, failure)));
    }
    if failure.is_none() {
        return Some(found.fix(fixes::socket::open_again(socket, service)));
    }
    Some(cures(found, socket, service))
}

fn cures(found: Found, socket: &Unit, service: Option<&Unit>) -> Found {
    let name = arg(&socket.name);
    let both = service.map_or(name.clone(), |service| format!("{name} {}", arg(&service.name)));
    let found = match service {
        Some(service) => {
            let run = format!("journalctl -b -u {}", arg(&service.name));
            found.advise(Advice::new(format!("cure what ends {}", service.name), run, None))
        }
        None => found,
    };
    found.advise(Advice::new(
        "then open the socket again",
        format!("systemctl reset-failed {both}\nsystemctl start {name}"),
        Some(&format!("systemctl stop {name}")),
    ))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Case;
    use crate::facts::connect::Outcome;
    use crate::facts::unit::SocketUnit;

    fn keys(result: &'static str, outcome: Outcome) -> Case {
        let host = Host::with_outcome(7500, outcome).claimed_by("keys.socket").unit("keys.socket", |u| {
            u.active_state = "failed".into();
            u.triggers = vec!["keys.service".into()];
            u.socket = Some(SocketUnit { result: result.into(), ..SocketUnit::default() });
        });
        let host = host.unit("keys.service", |u| {
            u.active_state = "failed".into();
            u.triggered_by = vec!["keys.socket".into()];
            u.service.as_mut().unwrap().result = "exit-code".into();
        });
        let lines = [
            "systemd: Started keys.service - The keys server.",
            "systemd: keys.service: Main process exited, code=exited, status=1/FAILURE",
            "systemd: keys.service: Start request repeated too quickly.",
        ];
        host.journal("keys.service", &lines).case()
    }

    #[test]
    fn the_client_that_was_waiting_is_cut_off() {
        for outcome in [Outcome::Reset, Outcome::Closed] {
            assert_culprit(&keys("service-start-limit-hit", outcome), "socket-unit-service-start-limit");
        }
    }

    #[test]
    fn the_socket_is_the_culprit_and_the_services_failure_its_reason() {
        let diagnosis =
            assert_culprit(&keys("service-start-limit-hit", Outcome::Refused), "socket-unit-service-start-limit");
        assert!(diagnosis.culprit().unwrap().summary.ends_with("exit status 1"));
    }

    #[test]
    fn another_failure_of_the_socket() {
        assert_not_found(&keys("trigger-limit-hit", Outcome::Refused), "socket-unit-service-start-limit");
    }
}
