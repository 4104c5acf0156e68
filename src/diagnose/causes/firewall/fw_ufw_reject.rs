//! ufw rejects the port.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::ufw;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-ufw-reject",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Unreachable, Outcome::Denied],
    words: Words {
        title: "ufw rejects the port",
        what: "A rule made by `ufw reject`, or the default `reject`, answers with an error, so that a \
               healthy service looks as if it were not there.",
        see: "ufw status verbose",
        fix: "delete the rule, or allow the port before it: ufw delete reject 80/tcp",
        undo: "ufw reject 80/tcp",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| b.answers() && ufw::keeps(scene, b) && !ufw::limits(b))?;
    Some(ufw::told(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, jump, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::{Ufw, UfwRule};
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn a_rule_of_its_own_rejects() {
        let rules = vec![rule(&[dport(80), reject(RejectWith::TcpReset)], 3)];
        let host = Host::with_outcome(80, Outcome::Refused)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("ip filter", "ufw-user-input", None, rules)
            .chain("ip filter", "INPUT", base(Hook::Input, 0, Policy::Drop), vec![rule(&[jump("ufw-user-input")], 3)])
            .facts(|f| {
                let rule = UfwRule {
                    action: "reject".into(),
                    spec: "80/tcp".into(),
                    number: 2,
                    v6: false,
                    routed: false,
                    file: "/etc/ufw/user.rules".into(),
                    line: 30,
                };
                f.ufw =
                    Reading::known(Ufw { enabled: true, incoming: "deny".into(), rules: vec![rule], ..Ufw::default() });
            });
        let told = assert_culprit(&host.case(), "fw-ufw-reject");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "ufw rejects 80/tcp (rule 2)");
        assert_eq!(found.advice[0].run, "ufw allow 80/tcp", "the default would refuse it, too");
        assert_eq!(found.advice[0].undo.as_deref(), Some("ufw reject 80/tcp"));
    }
}
