//! A rule or policy of this host lets packets vanish.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-input-drop",
    in_box: BoxId::Firewall,
    general: true,
    explains: &[Outcome::Timeout, Outcome::Silent],
    words: Words {
        title: "A packet filter of this host drops the connection",
        what: "A rule, or the policy of a chain that no rule accepted the packet in, throws it away without \
               an answer. The client waits until it gives up; nothing in the service's log tells of it.",
        see: "nft -a list ruleset\niptables -nvL --line-numbers",
        fix: "accept the port before that rule, in the same chain, and save the rules",
        undo: "delete the accepting rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| !b.answers())?;
    Some(blocked.found(scene, "drops"))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, drop_it, iifname, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};
    use crate::target::From;

    fn host(policy: Policy, rules: Vec<Vec<crate::facts::ruleset::expr::Expr>>) -> Host {
        Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "inet filter",
            "input",
            base(Hook::Input, 0, policy),
            rules,
        )
    }

    #[test]
    fn a_policy_drops_whom_no_rule_accepts() {
        let rules = vec![rule(&[iifname("lo"), accept()], 0), rule(&[dport(22), accept()], 0)];
        let told = assert_culprit(&host(Policy::Drop, rules).case(), "fw-input-drop");
        assert_eq!(told.outcome, Some(Outcome::Timeout));
        let found = told.culprit().unwrap();
        assert_eq!(found.subject, "policy of inet filter input");
        assert!(found.advice[0].run.starts_with("nft add rule inet filter input tcp dport 80 accept"), "{found:?}");
    }

    #[test]
    fn a_rule_that_spares_this_host_itself_drops_others() {
        let rules = || vec![rule(&[iifname("eth0"), dport(80), drop_it()], 2)];
        assert_culprit(&host(Policy::Accept, rules()).case(), "fw-input-drop");
        assert_not_found(&host(Policy::Accept, rules()).from(From::Here).case(), "fw-input-drop");
    }
}
