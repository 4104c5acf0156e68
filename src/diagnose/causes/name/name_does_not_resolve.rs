//! The name leads to no address at all.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "name-does-not-resolve",
    in_box: BoxId::Name,
    general: false,
    explains: &[Outcome::Unresolved],
    words: Words {
        title: "The name does not resolve",
        what: "Neither /etc/hosts nor the name service knows an address for the name, so nothing was ever sent.",
        see: "getent ahosts NAME\ncat /etc/nsswitch.conf /etc/resolv.conf",
        fix: "correct the name, add it to DNS or /etc/hosts, or repair the resolver",
        undo: "remove the line again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let host = scene.subject.host.as_ref()?;
    if host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let resolution = scene.look.name(host).filter(|r| r.addresses.is_empty())?;
    let error = resolution.error.as_deref().unwrap_or("no address");
    Some(Found::new(host, format!("{host} does not resolve: {error}")).seen(Evidence::new(
        "resolver",
        format!("getaddrinfo: {error}"),
        format!("getent ahosts {host}"),
    )))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    #[test]
    fn a_name_nobody_knows() {
        let case = Host::refusing(80).named("db.example", &[], |_| ()).case();
        let diagnosis = assert_culprit(&case, "name-does-not-resolve");
        assert_eq!(diagnosis.outcome, Some(Outcome::Unresolved));
    }

    #[test]
    fn a_name_with_an_address_resolves() {
        assert_not_found(
            &Host::refusing(80).named("db.example", &["10.2.0.2"], |_| ()).case(),
            "name-does-not-resolve",
        );
    }
}
