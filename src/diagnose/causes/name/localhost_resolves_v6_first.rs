//! `localhost` is ::1 first, and the service listens on 127.0.0.1 only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::listener::{knob, rows};
use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::name::Resolution;
use crate::facts::socket::Listener;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

pub(crate) static CAUSE: Cause = Cause {
    id: "localhost-resolves-v6-first",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The name is ::1 first, and the service listens on 127.0.0.1 only",
        what: "The resolver puts ::1 before 127.0.0.1. Clients that try only the first address (Node from 17 on, Java, \
               psql, nginx's proxy_pass) are refused on ::1 while 127.0.0.1 works. curl sorts localhost by itself and \
               shows no fault.",
        see: "getent ahosts localhost\nss -H -ltnp 'sport = :PORT'",
        fix: "use 127.0.0.1, or let the service listen on ::1 too, or let IPv4 come first (`precedence ::ffff:0:0/96 \
              100` in /etc/gai.conf, --dns-result-order=ipv4first for Node)",
        undo: "restore the name, the setting or the line",
    },
    detect,
};

/// The resolution that leads to ::1, where only 127.0.0.1 is served.
pub(in crate::diagnose::causes) fn fits<'a>(scene: &Scene<'a, '_>) -> Option<(&'a Resolution, &'a Listener)> {
    let subject = scene.subject;
    let host = subject.host.as_ref().filter(|host| host.parse::<IpAddr>().is_err())?;
    let resolution = scene.look.name(host)?;
    let both = resolution.addresses.contains(&V4) || host == "localhost";
    if resolution.addresses.first() != Some(&V6) || !both {
        return None;
    }
    let listeners = scene.look.listeners(subject.transport, subject.port?)?;
    let on_v4 = listeners.iter().find(|l| l.takes(V4))?;
    if listeners.iter().any(|l| l.takes(V6)) || scene.outcome()? == Outcome::Open {
        return None;
    }
    Some((resolution, on_v4))
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (resolution, on_v4) = fits(scene)?;
    let (host, port) = (&resolution.name, scene.subject.port?);
    let order: Vec<String> = resolution.addresses.iter().map(ToString::to_string).collect();
    let who = scene.look.owner(on_v4).map(crate::facts::socket::Owner::shown).filter(|name| name != "?");
    let who = who.unwrap_or_else(|| "the program".into());
    let holder = rows::holder(scene, std::slice::from_ref(on_v4));
    let mut on_v6 = knob::of(scene, on_v4, &holder).map(|knob| knob.listen_on(scene, V6, port)).unwrap_or_default();
    for advice in &mut on_v6 {
        advice.does = format!("or {}", advice.does);
    }
    Some(
        Found::new(host, format!("{host} is ::1 first, but {who} listens on {} only", on_v4.shown()))
            .seen(Evidence::new("resolver", format!("{host} is {}", order.join(", ")), format!("getent ahosts {host}")))
            .seen(Evidence::new(
                "sock_diag",
                format!("LISTEN {}, nothing on [::1]:{port}", on_v4.shown()),
                format!("ss -H -ltnp 'sport = :{port}'"),
            ))
            .advise(Advice::new(
                "use 127.0.0.1 in the client in place of the name",
                format!("unrefuse check 127.0.0.1:{port}"),
                None,
            ))
            .advise_all(on_v6)
            .advise(Advice::new(
                "or, for the whole host and all its programs: let IPv4 come first wherever a name has both",
                "echo 'precedence ::ffff:0:0/96 100' >> /etc/gai.conf",
                Some("sed -i '/^precedence ::ffff:0:0.96 100$/d' /etc/gai.conf"),
            )),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    fn localhost(first: &str, second: &str) -> Host {
        let host = Host::refusing(3000).named("localhost", &[first, second], |_| ());
        host.dial("::1".parse().unwrap(), Outcome::Refused)
    }

    #[test]
    fn a_server_on_127_0_0_1() {
        let host = localhost("::1", "127.0.0.1").listens("127.0.0.1", "node.service", |_| ());
        let case = host.dial("127.0.0.1".parse().unwrap(), Outcome::Open).case();
        let found = assert_culprit(&case, "localhost-resolves-v6-first").causes.remove(0);
        assert!(found.advice[0].does.contains("in the client"), "{:?}", found.advice);
        let last = found.advice.last().unwrap();
        assert!(last.run.contains("/etc/gai.conf") && last.does.contains("the whole host"), "{:?}", found.advice);
        assert_not_found(&case, "listen-v4-only-client-v6");
    }

    #[test]
    fn a_stopped_service_is_just_that() {
        let host = localhost("::1", "127.0.0.1").unit("node.service", |_| ()).claimed_by("node.service");
        let case = host.dial("127.0.0.1".parse().unwrap(), Outcome::Refused).case();
        assert_culprit(&case, "svc-not-running");
        assert_not_found(&case, "localhost-resolves-v6-first");
    }

    #[test]
    fn ipv4_first_or_a_listener_on_v6_is_no_fault() {
        let first = localhost("127.0.0.1", "::1").listens("127.0.0.1", "node.service", |_| ());
        let case = first.dial("127.0.0.1".parse().unwrap(), Outcome::Open).case();
        assert_not_found(&case, "localhost-resolves-v6-first");
        assert_not_found(&case, "listen-v4-only-client-v6");
        let both = localhost("::1", "127.0.0.1").listens("::", "node.service", |_| ());
        assert_not_found(&both.dial("::1".parse().unwrap(), Outcome::Open).case(), "localhost-resolves-v6-first");
    }
}
