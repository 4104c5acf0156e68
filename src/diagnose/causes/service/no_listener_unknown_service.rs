//! Nothing listens on the port, and nothing on this host is known to be meant to.

use super::super::container::serves;
use super::super::{Cause, Found, Words};
use super::common::DOWN;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::claim::{ClaimSource, Claims};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "no-listener-unknown-service",
    in_box: BoxId::Service,
    general: true,
    explains: DOWN,
    words: Words {
        title: "Nothing listens, and nothing here is known to serve that port",
        what: "No socket is open on the port on any address, and no unit, socket unit, daemon configuration or well-known \
               port points to a program that should have it. Either the port is wrong, or the program is started in a \
               way that leaves no trace: by hand, by a supervisor, in a container.",
        see: "ss -H -ltnp 'sport = :PORT'\nss -ltnp",
        fix: "check the port number against what does listen; else start the program that should have it",
        undo: "stop the program again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let port = subject.port.filter(|_| subject.local == Some(true) && subject.unit.is_none())?;
    if !scene.look.listeners(subject.transport, port)?.is_empty() || scene.outcome()? == Outcome::Open {
        return None;
    }
    let claims = scene.look.claims(subject.transport, port)?;
    if !claims.claims.is_empty() && !only_usual(scene, claims) {
        return None;
    }
    if serves(scene)? {
        return None;
    }
    let word = subject.transport.word();
    let letter = word.get(..1).unwrap_or("t");
    let called = claims.service_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let summary = format!("nothing listens on {word} port {port}{called}, and nothing here is known to serve it");
    let list = format!("ss -ln{letter}p");
    Some(
        Found::new(format!("port {port}"), summary)
            .seen(Evidence::new(
                "sock_diag",
                format!("nothing listens on port {port}"),
                format!("ss -H -ln{letter} 'sport = :{port}'"),
            ))
            .seen(Evidence::new(
                "config",
                "no unit file, socket unit or daemon configuration names this port",
                format!("grep -rnwI {port} /etc /lib/systemd/system"),
            ))
            .advise(Advice::new(
                "check the port number against what does listen, or start the program that should have it",
                list,
                None,
            )),
    )
}

/// Without systemd there is no telling whether the program that usually has the port is installed.
fn only_usual(scene: &Scene<'_, '_>, claims: &Claims) -> bool {
    scene.look.host().is_some_and(|h| !h.systemd) && claims.claims.iter().all(|c| c.source == ClaimSource::EtcServices)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, without_systemd};
    use crate::facts::claim::{Claim, ClaimSource};
    use crate::facts::connect::Outcome;

    #[test]
    fn nobody_claims_the_port() {
        let diagnosis = assert_culprit(&Host::refusing(4711).case(), "no-listener-unknown-service");
        assert!(diagnosis.culprit().unwrap().summary.contains("4711"));
    }

    #[test]
    fn somebody_claims_it() {
        let host = Host::refusing(4711).claimed_by("shop.service").unit("shop.service", |_| ());
        assert_not_found(&host.case(), "no-listener-unknown-service");
    }

    #[test]
    fn without_systemd_a_usual_program_is_only_a_guess() {
        let usual = Claim {
            unit: Some("mysql.service".into()),
            daemon: None,
            program: "mysql".into(),
            source: ClaimSource::EtcServices,
            origin: None,
            listen: None,
        };
        let case = without_systemd(Host::refusing(3306), "mysql.service").claim(usual).case();
        assert_culprit(&case, "no-listener-unknown-service");
    }

    #[test]
    fn somebody_listens_on_it() {
        let host = Host::refusing(4711).listens("127.0.0.1", "shop.service", |_| ());
        assert_not_found(&host.case(), "no-listener-unknown-service");
    }

    #[test]
    fn a_port_that_is_forwarded_elsewhere_needs_no_listener() {
        let case = Host::with_outcome(4711, Outcome::Open).case();
        assert_not_found(&case, "no-listener-unknown-service");
        let listener = crate::diagnose::diagnose(&case).get(crate::diagnose::chart::BoxId::Listener).cloned().unwrap();
        assert_eq!(listener.verdict, crate::diagnose::verdict::Verdict::Unneeded);
    }
}
