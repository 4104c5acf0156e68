//! systemd holds the sockets for the daemon, so the port and address in the daemon's own configuration count for nothing.

use std::net::IpAddr;

use super::super::{Cause, Found, Words, apply};
use super::common::{DOWN, arg, idle, sockets, systemd_says, undo_edit};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::daemon::ListenAddress;
use crate::facts::unit::Unit;
use crate::fixes::socket::{Wanted, listen, turn_off};

pub(crate) static CAUSE: Cause = Cause {
    id: "socket-unit-overrides-daemon-config",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The socket unit decides where to listen, not the daemon's configuration",
        what: "systemd listens for the daemon and hands it the open sockets. Port, ListenAddress, bind-address and the like \
               in the daemon's own configuration are ignored while the socket unit is active: ssh.socket on Ubuntu since \
               22.10, mariadb.socket on Debian.",
        see: "systemctl list-sockets\nsystemctl cat X.socket\nss -H -ltnp",
        fix: "set ListenStream= in a drop-in of the socket unit and open it anew, or turn the socket unit off and let the \
              daemon listen by itself",
        undo: "systemctl revert X.socket, systemctl enable --now X.socket",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let port = scene.subject.port.filter(|_| scene.subject.local == Some(true))?;
    let listeners = scene.look.listeners(scene.subject.transport, port)?;
    let (claim, socket) = if listeners.is_empty() { other_port(scene, port)? } else { other_address(scene, port)? };
    let held = held(socket);
    let wanted = wanted(scene, claim, port, listeners.is_empty());
    let summary =
        format!("{} holds {held} for {}, whatever its configuration says: {wanted}", socket.name, claim.program);
    let see = format!("systemctl cat {}", arg(&socket.name));
    let mut found = Found::new(&socket.name, summary)
        .seen(Evidence::new("systemd", format!("{}: Listen={held}", socket.name), see))
        .seen(systemd_says(socket));
    if let Some(origin) = origin(claim) {
        let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
        found = found.seen(Evidence::new("config", format!("{origin}: {}", origin.text), see));
    }
    let unit = claim.unit.as_deref().unwrap_or_default();
    let addresses = addresses_wanted(scene, socket, port);
    let plan = listen(socket, &Wanted { transport: scene.subject.transport, port, addresses });
    let found = match plan {
        Some(plan) => found.fix(plan),
        None => found.advise(follow(socket, port)),
    };
    Some(match scene.look.unit(unit).filter(|service| service.load_state == "loaded") {
        Some(service) => found.fix(turn_off(socket, service)),
        None => found.advise(by_itself(socket, unit)),
    })
}

/// Nothing listens on the port that the configuration names, and the active socket units hold other ones.
fn other_port<'a>(scene: &Scene<'a, '_>, port: u16) -> Option<(&'a Claim, &'a Unit)> {
    let idle = idle(scene)?;
    let claim = idle.claim.filter(|claim| claim.source == ClaimSource::Config)?;
    let mut active = sockets(scene.look, idle.unit?).into_iter().filter(|s| s.active_state == "active");
    let socket = active.find(|s| !ports(s).is_empty())?;
    let elsewhere = !ports(socket).contains(&(scene.subject.transport, port)) && active.all(|s| !has(scene, s, port));
    elsewhere.then_some((claim, socket))
}

/// The configuration would take the asked address, but the socket unit's socket does not.
fn other_address<'a>(scene: &Scene<'a, '_>, port: u16) -> Option<(&'a Claim, &'a Unit)> {
    let address = scene.subject.address()?;
    let listeners = scene.look.listeners(scene.subject.transport, port)?;
    if listeners.iter().any(|l| l.takes(address)) {
        return None;
    }
    let claims = scene.look.claims(scene.subject.transport, port)?;
    for claim in claims.claims.iter().filter(|claim| claim.source == ClaimSource::Config) {
        let takes = claim.listen.as_ref().is_some_and(|listen| takes(&listen.address, address));
        let (Some(unit), true) = (&claim.unit, takes) else { continue };
        let unit = scene.look.unit(unit)?;
        let mut active = sockets(scene.look, unit).into_iter().filter(|s| s.active_state == "active");
        if let Some(socket) = active.find(|socket| has(scene, socket, port)) {
            return (scene.outcome()? != crate::facts::connect::Outcome::Open).then_some((claim, socket));
        }
    }
    None
}

fn ports(socket: &Unit) -> Vec<(crate::facts::socket::Transport, u16)> {
    socket.socket.as_ref().map(crate::facts::unit::SocketUnit::ports).unwrap_or_default()
}

fn has(scene: &Scene<'_, '_>, socket: &Unit, port: u16) -> bool {
    ports(socket).contains(&(scene.subject.transport, port))
}

fn takes(configured: &ListenAddress, asked: IpAddr) -> bool {
    match configured {
        ListenAddress::Any => true,
        ListenAddress::Ip(ip) => *ip == asked || (ip.is_unspecified() && ip.is_ipv4() == asked.is_ipv4()),
        ListenAddress::Name(_) | ListenAddress::Path(_) => false,
    }
}

fn held(socket: &Unit) -> String {
    let listens = socket.socket.as_ref().map(|s| s.listens.as_slice()).unwrap_or_default();
    listens.iter().map(|(_, address)| address.as_str()).collect::<Vec<_>>().join(", ")
}

fn wanted(scene: &Scene<'_, '_>, claim: &Claim, port: u16, other_port: bool) -> String {
    match (origin(claim), scene.subject.address()) {
        (Some(origin), _) => format!("{} ({origin})", origin.text),
        (None, Some(address)) if !other_port => format!("{address}:{port}"),
        (None, _) => format!("port {port}"),
    }
}

fn origin(claim: &Claim) -> Option<&crate::facts::daemon::Origin> {
    let listen = claim.listen.as_ref();
    claim.origin.as_ref().or_else(|| listen?.port_set_by.as_ref()).or_else(|| listen?.address_set_by.as_ref())
}

/// What the socket unit has to listen on for the asked address. A port alone is both families, unless the unit or the
/// kernel keep them apart.
fn addresses_wanted(scene: &Scene<'_, '_>, socket: &Unit, port: u16) -> Vec<String> {
    let by_unit = socket.socket.as_ref().map(|s| s.bind_ipv6_only.as_str()).unwrap_or_default();
    let by_kernel = || scene.look.sysctl("net/ipv6/bindv6only") == Some("1");
    let apart = by_unit == "ipv6-only" || (by_unit != "both" && by_kernel());
    if apart { vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")] } else { vec![port.to_string()] }
}

fn follow(socket: &Unit, listen: u16) -> Advice {
    let name = arg(&socket.name);
    let both = socket.triggers.iter().fold(name.clone(), |both, service| format!("{both} {}", arg(service)));
    Advice::new(
        format!("let {} listen there", socket.name),
        format!(
            "systemctl edit {name}    # [Socket] ListenStream= ListenStream={listen}\nsystemctl stop {both}\n\
             systemctl start {name}"
        ),
        Some(&format!("{}\nsystemctl stop {both}\nsystemctl start {name}", undo_edit(socket))),
    )
}

fn by_itself(socket: &Unit, service: &str) -> Advice {
    let off = apply::checked(service, &format!("systemctl disable --now {}", arg(&socket.name)));
    let (name, service) = (arg(&socket.name), arg(service));
    Advice::new(
        "or turn the socket unit off, and let the daemon listen as configured",
        format!("{off}\nsystemctl enable {service}\nsystemctl restart {service}"),
        Some(&format!("systemctl stop {service}\nsystemctl enable --now {name}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::daemon::{ConfiguredListen, Daemon, Origin};
    use crate::facts::unit::SocketUnit;

    fn sshd(port: u16, source: ClaimSource) -> Claim {
        let origin = Origin { file: "/etc/ssh/sshd_config.d/50-port.conf".into(), line: 1, text: "Port 2222".into() };
        Claim {
            unit: Some("ssh.service".into()),
            daemon: Some(Daemon::Sshd),
            program: "sshd".into(),
            source,
            origin: Some(origin.clone()),
            listen: Some(ConfiguredListen {
                address: ListenAddress::Any,
                port: Some(port),
                v6only: None,
                address_set_by: None,
                port_set_by: Some(origin),
            }),
        }
    }

    fn held(host: Host, listens: &'static str, state: &'static str) -> Host {
        let host = host.unit("ssh.socket", |u| {
            u.active_state = state.into();
            u.triggers = vec!["ssh.service".into()];
            let listens = vec![("Stream".into(), listens.into())];
            u.socket = Some(SocketUnit { listens, ..SocketUnit::default() });
        });
        host.unit("ssh.service", |u| u.triggered_by = vec!["ssh.socket".into()])
    }

    #[test]
    fn the_configured_port_is_not_the_sockets() {
        let host = held(Host::refusing(2222).claim(sshd(2222, ClaimSource::Config)), "[::]:22", "active");
        let diagnosis = assert_culprit(&host.case(), "socket-unit-overrides-daemon-config");
        let finding = diagnosis.culprit().unwrap();
        assert!(finding.summary.contains("Port 2222 (/etc/ssh/sshd_config.d/50-port.conf:1)"), "{}", finding.summary);
        assert!(finding.advice[0].run.contains("ListenStream=2222"));
        let ids: Vec<&str> = finding.plans().map(|plan| plan.id.as_str()).collect();
        assert_eq!(ids, ["listen-address", "turn-socket-off"]);
    }

    #[test]
    fn the_configured_address_is_not_the_sockets() {
        let host = Host::refusing(22).claim(sshd(22, ClaimSource::Config)).listens("127.0.0.1", "init.scope", |_| ());
        assert_culprit(&held(host, "127.0.0.1:22", "active").case(), "socket-unit-overrides-daemon-config");
    }

    #[test]
    fn a_socket_unit_that_is_off_overrides_nothing() {
        let host = held(Host::refusing(2222).claim(sshd(2222, ClaimSource::Config)), "[::]:22", "inactive");
        assert_not_found(&host.case(), "socket-unit-overrides-daemon-config");
    }

    #[test]
    fn a_port_that_no_configuration_names_was_not_overridden() {
        let host = held(Host::refusing(22).claim(sshd(22, ClaimSource::DefaultPort)), "[::]:2222", "active");
        assert_not_found(&host.case(), "socket-unit-overrides-daemon-config");
    }
}
