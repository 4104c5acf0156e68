//! A rich rule of firewalld refuses.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::firewalld;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-firewalld-rich-rule-reject",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "A rich rule of firewalld refuses",
        what: "A rich rule (or a policy) of the zone rejects or drops the connection, although the zone may \
               have the port open.",
        see: "firewall-cmd --list-rich-rules",
        fix: "remove the rich rule: firewall-cmd --remove-rich-rule='...'",
        undo: "firewall-cmd --add-rich-rule='...'",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| firewalld::keeps(scene, b) && firewalld::by_own_rule(b))?;
    Some(firewalld::rich(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, jump, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::{Firewalld, Zone};
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn a_rich_rule_of_the_zone_rejects() {
        let rich = "rule family=\"ipv4\" port port=\"80\" protocol=\"tcp\" reject";
        let zone = Zone { name: "public".into(), rich_rules: vec![rich.into()], ..Zone::default() };
        let deny = vec![rule(&[dport(80), reject(RejectWith::Icmp(3))], 3)];
        let host = Host::with_outcome(80, Outcome::Refused)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet firewalld", "filter_IN_public_deny", None, deny)
            .chain(
                "inet firewalld",
                "filter_INPUT",
                base(Hook::Input, 10, Policy::Accept),
                vec![rule(&[jump("filter_IN_public_deny")], 3)],
            )
            .facts(|f| f.firewalld = Reading::known(Firewalld { zones: vec![zone], ..Firewalld::default() }));
        let told = assert_culprit(&host.case(), "fw-firewalld-rich-rule-reject");
        let found = told.culprit().unwrap();
        assert!(found.summary.contains(rich), "{}", found.summary);
        assert!(
            found.advice[0].run.starts_with("firewall-cmd --zone=public '--add-rich-rule=rule priority="),
            "{found:?}"
        );
        let last = &found.advice.last().unwrap().run;
        assert!(last.starts_with("firewall-cmd --zone=public --remove-rich-rule='rule family="), "{found:?}");
    }
}
