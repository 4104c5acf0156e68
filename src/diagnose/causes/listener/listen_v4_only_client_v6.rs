//! The client comes over IPv6, and the service has IPv4 sockets only.

use std::net::IpAddr;

use super::super::name::localhost_resolves_v6_first;
use super::super::{Cause, Found, Words};
use super::bind_partial_silent;
use super::knob;
use super::rows::{Missed, missed};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "listen-v4-only-client-v6",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused, Outcome::Open],
    words: Words {
        title: "The client uses IPv6, the service listens on IPv4 only",
        what: "The name has an IPv6 address (AAAA), or one was given, but the daemon's only sockets are IPv4 ones like \
               0.0.0.0:PORT. Clients that try IPv6 first are refused or delayed; IPv4 works.",
        see: "ss -H -ltnp 'sport = :PORT'\ngetent ahosts NAME",
        fix: "let the daemon listen on IPv6 too ([::]:PORT), or take the AAAA record out, or make the client use IPv4",
        undo: "take the listener out again, or restore the record",
    },
    detect,
};

/// IPv6 was asked, and every socket is an IPv4 one that would serve such a client if it came over IPv4.
pub(super) fn v4_rows_only(missed: &Missed<'_>) -> bool {
    let v4 = |ip: IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    let serves = missed.address.is_loopback() || missed.all.iter().any(|row| !row.loopback_only());
    missed.address.is_ipv6() && missed.all.iter().all(|row| v4(row.address)) && serves
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let missed = missed(scene).filter(v4_rows_only)?;
    if localhost_resolves_v6_first::fits(scene).is_some() || bind_partial_silent::partial(scene, &missed).is_some() {
        return None;
    }
    let holder = missed.holder(scene);
    let summary = format!("{} listens on IPv4 only ({}), not on {}", holder.name, missed.shown(), missed.wanted());
    let mut found = Found::new(holder.subject(), summary).seen(missed.evidence(&holder));
    if let Some(host) = scene.subject.host.as_ref().filter(|host| host.parse::<IpAddr>().is_err()) {
        let says = format!("{host} is {}", missed.address);
        found = found.seen(Evidence::new("resolver", says, format!("getent ahosts {host}")));
        found = found.advise(Advice::new("make the client use IPv4", format!("curl -4, ssh -4, … {host}"), None));
    }
    if let Some(knob) = missed.all.first().and_then(|row| knob::of(scene, row, &holder)) {
        found.advice.splice(0..0, knob.listen_on(scene, missed.address, missed.port));
        found = found.seen(knob.evidence());
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    fn host(outcome: Outcome) -> Host {
        Host::with_outcome(80, outcome).dial("fd00::2".parse().unwrap(), Outcome::Refused).facts(|f| {
            let mut mine = f.addresses.value().cloned().unwrap();
            let mut second = mine.all[2].clone();
            second.address = "fd00::2".parse().unwrap();
            mine.all.push(second);
            f.addresses = crate::facts::Reading::known(mine);
        })
    }

    #[test]
    fn an_ipv6_literal_and_a_wildcard_of_ipv4() {
        let host = host(Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).target("[fd00::2]:80");
        assert_culprit(&host.case(), "listen-v4-only-client-v6");
    }

    #[test]
    fn a_name_whose_second_address_is_ipv6() {
        let host = host(Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
        let case = host.named("web", &["10.2.0.2", "fd00::2"], |_| ()).case();
        let diagnosis = assert_culprit(&case, "listen-v4-only-client-v6");
        assert_eq!(diagnosis.outcome, Some(Outcome::Open));
    }

    #[test]
    fn a_socket_for_both_families_takes_ipv6() {
        let host = host(Outcome::Open).listens("::", "nginx.service", |l| l.v6only = Some(false));
        assert_not_found(&host.target("[fd00::2]:80").case(), "listen-v4-only-client-v6");
    }

    #[test]
    fn loopback_only_is_another_fault_and_ipv4_asked_is_none() {
        let loopback = host(Outcome::Open).listens("127.0.0.1", "nginx.service", |_| ()).target("[fd00::2]:80");
        assert_culprit(&loopback.case(), "bind-loopback-only");
        let v4 = host(Outcome::Refused).listens("10.2.0.7", "nginx.service", |_| ()).dial(OUTSIDE, Outcome::Refused);
        assert_not_found(&v4.case(), "listen-v4-only-client-v6");
    }
}
