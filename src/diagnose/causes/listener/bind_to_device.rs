//! The socket is bound to one network interface, and the client comes in by another.

use super::super::{Cause, Found, Words, apply};
use super::rows::{Holder, holder, see};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::symptom::interface_of;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::socket::Listener;
use crate::facts::unit::Unit;
use crate::fixes::unit as fixes;

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-to-device",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The socket is bound to another network interface",
        what: "The listening socket carries SO_BINDTODEVICE (`0.0.0.0%eth1:PORT` in ss): only packets that come in by \
               that interface reach it, whatever address they are for. What comes in by another one is refused; what \
               this host sends to itself comes in by lo.",
        see: "ss -H -ltnp 'sport = :PORT'",
        fix: "take the binding away: BindToDevice= of a socket unit, interface= and bind-interfaces of dnsmasq, \
              --interface of others; or bind the interface clients come in by",
        undo: "put the binding back and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let (address, port) = (subject.address()?, subject.port?);
    if subject.local != Some(true) {
        return None;
    }
    let rows = scene.look.listeners(subject.transport, port)?;
    let taking: Vec<&Listener> = rows.iter().filter(|l| l.takes(address)).collect();
    let devices: Vec<&str> = taking.iter().map(|l| l.device.as_deref()).collect::<Option<_>>()?;
    let comes_in = match subject.from {
        Asker::Here => "lo".to_owned(),
        Asker::Any | Asker::Address(_) => interface_of(scene.look, address)?,
    };
    if devices.is_empty() || devices.contains(&comes_in.as_str()) {
        return None;
    }
    let holder = holder(scene, rows);
    let (bound, shown) = (devices.join(", "), taking.iter().map(|l| l.shown()).collect::<Vec<_>>().join(", "));
    let summary = format!("{} answers only what comes in by {bound}; this comes in by {comes_in}", holder.name);
    let socket = bound_socket(scene, &holder);
    let unit = holder.unit().map(arg);
    let pid = holder.owner.and_then(|o| o.processes.first()).map_or(0, |p| p.pid);
    let look_at = unit.clone().map_or_else(|| format!("ps -o args= -p {pid}"), |unit| format!("systemctl cat {unit}"));
    let found = Found::new(holder.subject(), summary).seen(Evidence::new(
        "sock_diag",
        format!("LISTEN {shown}"),
        see(subject.transport, port),
    ));
    if let Some(socket) = socket {
        return Some(found.fix(fixes::any_device(socket)));
    }
    Some(found.advise(Advice::new(
        format!("find what binds it to {bound} (BindToDevice=, interface=, a VRF) and name {comes_in} or none"),
        match &unit {
            Some(unit) => format!("{look_at}\n{}", apply::restart(unit)),
            None => look_at,
        },
        Some("put the binding back and restart it"),
    )))
}

/// The socket unit that binds it to an interface.
fn bound_socket<'a>(scene: &Scene<'a, '_>, holder: &Holder<'a>) -> Option<&'a Unit> {
    let bound = |unit: &&Unit| unit.socket.as_ref().is_some_and(|socket| socket.device.is_some());
    if let Some(socket) = holder.socket_unit {
        return Some(socket).filter(bound);
    }
    let service = scene.look.unit(holder.unit()?)?;
    service.triggered_by.iter().filter_map(|name| scene.look.unit(name)).find(bound)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::diagnose::diagnose;
    use crate::facts::connect::Outcome;
    use crate::target::From;

    fn bound_to(device: &str, here: Outcome) -> Host {
        Host::with_outcome(7100, here).listens("0.0.0.0", "app.service", |l| l.device = Some(device.into()))
    }

    #[test]
    fn bound_to_loopback_answers_this_host_and_refuses_others() {
        let diagnosis = assert_culprit(&bound_to("lo", Outcome::Open).case(), "bind-to-device");
        assert_eq!(diagnosis.outcome, Some(Outcome::Refused));
    }

    #[test]
    fn bound_to_the_clients_interface_refuses_only_this_host_itself() {
        let others = bound_to("eth0", Outcome::Refused).case();
        assert_not_found(&others, "bind-to-device");
        assert_eq!(diagnose(&others).outcome, Some(Outcome::Open));
        assert_culprit(&bound_to("eth0", Outcome::Refused).from(From::Here).case(), "bind-to-device");
    }

    #[test]
    fn a_second_socket_without_a_device_takes_all() {
        let host = bound_to("lo", Outcome::Open).listens("10.2.0.2", "app.service", |_| ());
        assert_not_found(&host.case(), "bind-to-device");
    }
}
