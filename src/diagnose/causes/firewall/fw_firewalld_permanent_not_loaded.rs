//! The port is open in the saved configuration of firewalld, but not now.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::firewalld;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-firewalld-permanent-not-loaded",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The port is open in the permanent configuration only",
        what: "`firewall-cmd --permanent` changes files and nothing else: until a reload, the rules stay \
               what they were. The reverse loses a rule at the next reload or boot.",
        see: "firewall-cmd --list-all\nfirewall-cmd --permanent --list-all",
        fix: "load what is saved: firewall-cmd --reload",
        undo: "firewall-cmd --permanent --remove-port=80/tcp; firewall-cmd --reload",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| firewalld::keeps(scene, b))?;
    firewalld::unloaded(scene, &blocked)
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
    fn what_was_saved_was_never_loaded() {
        let port = PortRange { protocol: "tcp".into(), ports: (80, 80) };
        let told = assert_culprit(&host(vec![port]).case(), "fw-firewalld-permanent-not-loaded");
        assert_eq!(told.causes.len(), 1, "the zone is not blamed as well: {told:?}");
    }
}
