//! firewalld's zone does not let the port in.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::firewalld;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-firewalld-zone-default",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "firewalld refuses: the port is not open in its zone",
        what: "What no service, port or rule of the zone lets in is rejected with admin-prohibited. Clients \
               see \"No route to host\" over IPv4 and \"Permission denied\" over IPv6, after a second, not \
               \"Connection refused\". The zones block and drop do so for everything.",
        see: "firewall-cmd --list-all\nfirewall-cmd --get-active-zones",
        fix: "open the port in that zone: firewall-cmd --zone=public --add-port=80/tcp, and keep it with \
              --runtime-to-permanent",
        undo: "firewall-cmd --zone=public --remove-port=80/tcp",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| firewalld::keeps(scene, b))?;
    Some(firewalld::told(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, jump, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::{Firewalld, PortRange, Zone};
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    fn host(permanent: Vec<PortRange>) -> Host {
        let rules = vec![rule(&[jump("filter_IN_public")], 3), rule(&[reject(RejectWith::Icmpx(3))], 3)];
        let zone = Zone { name: "public".into(), services: vec!["ssh".into()], ..Zone::default() };
        let saved = Zone { ports: permanent, ..zone.clone() };
        Host::with_outcome(80, Outcome::Unreachable)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet firewalld", "filter_IN_public", None, vec![rule(&[dport(22), accept()], 3)])
            .chain("inet firewalld", "filter_INPUT", base(Hook::Input, 10, Policy::Accept), rules)
            .facts(|f| {
                f.firewalld = Reading::known(Firewalld {
                    default_zone: "public".into(),
                    zones: vec![zone],
                    permanent: Some(vec![saved]),
                    ..Firewalld::default()
                });
            })
    }

    #[test]
    fn the_zone_does_not_have_the_port() {
        let told = assert_culprit(&host(vec![]).case(), "fw-firewalld-zone-default");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "zone public of firewalld does not let 80/tcp in");
        assert_eq!(found.advice[0].run, "firewall-cmd --zone=public --add-port=80/tcp");
    }
}
