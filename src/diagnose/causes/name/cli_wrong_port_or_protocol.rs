//! The service is here, but the client asks another port or another protocol than it has.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::owner_of_any;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::socket::{Listener, Transport};
use crate::target::usual_port;

/// From here on sockets of clients have ports by chance.
const EPHEMERAL: u16 = 32_768;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-wrong-port-or-protocol",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Refused, Outcome::Silent],
    words: Words {
        title: "The client asks the wrong port or protocol",
        what: "Ports of TCP and UDP have nothing to do with each other: a TCP test (telnet, nc) of WireGuard, OpenVPN over \
               UDP or a UDP-only name server is refused although the service runs. Or the URL names a port that nobody \
               has, while the service that its scheme stands for listens at its usual one.",
        see: "ss -H -ltunp 'sport = :PORT'\nunrefuse listeners --once",
        fix: "ask the port and the protocol that the service has",
        undo: "nothing was changed",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let port = subject.port.filter(|_| subject.local == Some(true) && subject.unit.is_none())?;
    let dial = scene.look.dialled(&subject.endpoint()?)?;
    if !scene.look.listeners(subject.transport, port)?.is_empty() || !CAUSE.explains.contains(&dial.outcome) {
        return None;
    }
    other_transport(scene, port).or_else(|| usual(scene, port))
}

/// The same port of the other transport is served.
fn other_transport(scene: &Scene<'_, '_>, port: u16) -> Option<Found> {
    let subject = scene.subject;
    let asked = subject.transport;
    let other = if asked == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
    let rows = scene.look.listeners(other, port)?;
    let row = taking(scene, rows).filter(|_| port < EPHEMERAL)?;
    let (_, owner) = owner_of_any(scene.look, rows)?;
    if meant_for(scene, port, owner.system_unit())? {
        return None;
    }
    let name = owner.shown();
    let (asked, other) = (asked.word().to_uppercase(), other.word());
    let has = other.to_uppercase();
    let summary =
        format!("{name} has port {port} of {has}, and nothing has that of {asked}: the wrong protocol was asked");
    let at = match (&subject.host, other) {
        (Some(host), "udp") if host.contains(':') => format!("udp://[{host}]:{port}"),
        (Some(host), "udp") => format!("udp://{host}:{port}"),
        (Some(host), _) if host.contains(':') => format!("[{host}]:{port}"),
        (Some(host), _) => format!("{host}:{port}"),
        (None, _) => format!("{port}/{other}"),
    };
    let letter = other.get(..1).unwrap_or("u");
    Some(
        Found::new(owner.system_unit().unwrap_or(&name), summary)
            .seen(Evidence::new(
                "sock_diag",
                format!("{other} {} by {name}; no {} socket", row.shown(), asked.to_lowercase()),
                format!("ss -H -ln{letter}p 'sport = :{port}'"),
            ))
            .advise(Advice::new(format!("ask it over {has}"), format!("unrefuse check {}", arg(&at)), None)),
    )
}

/// Nobody is to have the port, while the service that the scheme stands for has its usual one.
fn usual(scene: &Scene<'_, '_>, port: u16) -> Option<Found> {
    let (scheme, _) = scene.look.case().target.input.split_once("://")?;
    let usual = usual_port(scheme).filter(|usual| *usual != port)?;
    let rows = scene.look.listeners(scene.subject.transport, usual)?;
    let row = taking(scene, rows)?;
    let (_, owner) = owner_of_any(scene.look, rows)?;
    if meant_for(scene, port, owner.system_unit())? {
        return None;
    }
    let name = owner.shown();
    let summary =
        format!("nothing is to have port {port}, while {name} listens on {usual}, the usual port of {scheme}");
    let host = scene.subject.host.clone().unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let at = format!("{scheme}://{host}:{usual}");
    Some(
        Found::new(owner.system_unit().unwrap_or(&name), summary)
            .seen(Evidence::new(
                "sock_diag",
                format!("LISTEN {} by {name}; nothing on port {port}", row.shown()),
                "ss -H -ltnp",
            ))
            .advise(Advice::new("ask that port", format!("unrefuse check {}", arg(&at)), None)),
    )
}

fn taking<'a>(scene: &Scene<'_, '_>, rows: &'a [Listener]) -> Option<&'a Listener> {
    let address = scene.subject.address()?;
    rows.iter().find(|row| row.takes(address))
}

/// Is another unit meant to have the asked port, so that it is only down? None: not known (yet).
fn meant_for(scene: &Scene<'_, '_>, port: u16, but: Option<&str>) -> Option<bool> {
    let claims = scene.look.claims(scene.subject.transport, port)?;
    for name in claims.claims.iter().filter_map(|c| c.unit.as_deref()).filter(|name| Some(*name) != but) {
        let unit = scene.look.unit(name)?;
        if unit.exists() && (unit.file_state == "enabled" || unit.active_state != "inactive") {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::socket::Transport;

    const ID: &str = "cli-wrong-port-or-protocol";

    fn over_udp(port: u16) -> Host {
        Host::refusing(port).listens("0.0.0.0", "openvpn@office.service", |l| l.transport = Transport::Udp).facts(|f| {
            let rows = f.listeners.insert((Transport::Tcp, port), Reading::known(Vec::new())).unwrap();
            f.listeners.insert((Transport::Udp, port), rows);
        })
    }

    #[test]
    fn tcp_is_asked_and_udp_is_served() {
        let told = assert_culprit(&over_udp(1194).case(), ID);
        let finding = &told.causes[0];
        assert!(finding.summary.starts_with("openvpn[812] has port 1194 of UDP"), "{}", finding.summary);
        assert_eq!(finding.advice[0].run, "unrefuse check 1194/udp");
        let named = assert_culprit(&over_udp(1194).target("10.2.0.2:1194").case(), ID);
        assert_eq!(named.causes[0].advice[0].run, "unrefuse check udp://10.2.0.2:1194");
    }

    #[test]
    fn a_service_that_is_down_is_not_the_clients_fault() {
        let down = over_udp(443).claimed_by("nginx.service").unit("nginx.service", |_| ());
        assert_not_found(&down.case(), ID);
        assert_not_found(&over_udp(40_000).case(), ID);
    }

    #[test]
    fn the_service_of_the_scheme_is_at_its_usual_port() {
        let host = |target| {
            Host::refusing(5433).target(target).listens_on(5432, "0.0.0.0", "postgresql@15-main.service", |_| ())
        };
        let told = assert_culprit(&host("postgres://10.2.0.2:5433/shop").case(), ID);
        assert_eq!(told.causes[0].advice[0].run, "unrefuse check postgres://10.2.0.2:5432");
        assert_not_found(&host("10.2.0.2:5433").case(), ID);
        assert_not_found(&host("mysql://10.2.0.2:5433").case(), ID);
    }
}
