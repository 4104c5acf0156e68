//! The service is meant to be started by its socket unit, and that one does not listen.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, failure_says, found, idle_unit, sockets, systemd_says};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::failure::{FailureKind, first_failure};
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "socket-unit-not-started",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The socket unit that should listen is not started",
        what: "systemd itself listens for this service (X.socket) and starts it on the first connection. The socket unit is \
               stopped, so nobody listens; the service being inactive is normal and not the fault.",
        see: "systemctl list-sockets --all\nsystemctl status X.socket",
        fix: "systemctl enable --now X.socket",
        undo: "systemctl disable --now X.socket",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let unit = idle_unit(scene)?;
    let wanted = |socket: &&Unit| {
        let this_port = scene.subject.port.is_none_or(|p| holds(socket, scene.subject.transport, p));
        down(scene, socket) && this_port && is_the_way(unit, socket)
    };
    let socket = sockets(scene.look, unit).into_iter().find(wanted)?;
    let state = &socket.active_state;
    let summary =
        format!("{} is {state}, so nothing listens and nothing can start {}", socket.name, started_by(socket));
    let mut found = found(scene, socket, summary);
    if unit.name != socket.name {
        found = found.seen(systemd_says(unit));
    }
    let failure = first_failure(scene.look, socket);
    found.evidence.extend(failure.iter().flat_map(|failure| failure_says(socket, failure)));
    let found = if socket.file_state == "disabled" { found.fix(fixes::start_and_enable(socket)) } else { found };
    Some(found.fix(fixes::start(socket)))
}

fn holds(socket: &Unit, transport: crate::facts::socket::Transport, port: u16) -> bool {
    socket.socket.as_ref().is_some_and(|s| s.ports().contains(&(transport, port)))
}

/// Stopped, or failed for a reason that is nobody else's: limits and ports in use have causes of their own.
fn down(scene: &Scene<'_, '_>, socket: &Unit) -> bool {
    let result = socket.socket.as_ref().map(|s| s.result.as_str()).unwrap_or_default();
    match socket.active_state.as_str() {
        "inactive" => socket.load_state == "loaded" && socket.condition_failed.is_empty(),
        "failed" if result.ends_with("limit-hit") => false,
        "failed" => !matches!(
            first_failure(scene.look, socket).map(|failure| failure.kind),
            Some(FailureKind::AddressInUse { .. } | FailureKind::AddressNotAvailable { .. })
        ),
        _ => false,
    }
}

/// Is the service meant to be started by its socket? A service that is enabled itself is not, nor one that was simply
/// never enabled while its socket was not either.
fn is_the_way(unit: &Unit, socket: &Unit) -> bool {
    if unit.name == socket.name {
        return true;
    }
    let socket_enabled = socket.file_state.starts_with("enabled");
    let idle = unit.active_state == "inactive";
    match unit.file_state.as_str() {
        "static" | "indirect" => idle,
        "disabled" => idle && socket_enabled,
        _ => false,
    }
}

fn started_by(socket: &Unit) -> &str {
    socket.triggers.first().map_or("its service", String::as_str)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::unit::SocketUnit;

    fn keys(socket_file: &'static str, socket_state: &'static str) -> Host {
        let host = Host::refusing(7500).unit("keys.socket", |u| {
            (u.active_state, u.file_state) = (socket_state.into(), socket_file.into());
            u.triggers = vec!["keys.service".into()];
            let listens = vec![("Stream".into(), "[::]:7500".into())];
            u.socket = Some(SocketUnit { listens, result: "success".into(), ..SocketUnit::default() });
        });
        host.unit("keys.service", |u| {
            u.file_state = "static".into();
            u.triggered_by = vec!["keys.socket".into()];
        })
    }

    #[test]
    fn the_socket_unit_claims_the_port_and_is_stopped() {
        let diagnosis =
            assert_culprit(&keys("disabled", "inactive").claimed_by("keys.socket").case(), "socket-unit-not-started");
        assert_eq!(
            diagnosis.culprit().unwrap().advice[0].run,
            "systemctl start keys.socket\nsystemctl enable keys.socket"
        );
    }

    #[test]
    fn the_service_cannot_be_enabled_by_itself() {
        let diagnosis =
            assert_culprit(&keys("enabled", "inactive").claimed_by("keys.service").case(), "socket-unit-not-started");
        assert_eq!(diagnosis.culprit().unwrap().subject, "keys.socket");
    }

    #[test]
    fn a_service_that_is_enabled_itself_is_not_running() {
        let host = keys("disabled", "inactive").claimed_by("keys.service").unit("keys.service", |u| {
            u.triggered_by = vec!["keys.socket".into()];
        });
        assert_culprit(&host.case(), "svc-not-running");
    }

    #[test]
    fn a_socket_unit_that_is_up() {
        assert_not_found(&keys("enabled", "active").claimed_by("keys.service").case(), "socket-unit-not-started");
    }
}
