//! The port was accepted, but by a rule that comes too late.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-rule-order",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The rule that accepts the port comes too late",
        what: "Rules are tried in order and the first that decides ends the chain. Somebody added an accept \
               for this port below a rule that refuses everything, as `iptables -A` and the catch-all REJECT \
               of cloud images make it: its counter stays at 0.",
        see: "iptables -nvL INPUT --line-numbers\nnft -a list ruleset",
        fix: "move the accepting rule above the refusing one (`iptables -I`, `nft insert rule`), and save \
              the rules",
        undo: "move it back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene)?;
    let late = blocked.late_accept(scene)?;
    let summary =
        format!("{} would accept, but {} in {} comes first", late.text, blocked.text(scene), blocked.chain_words());
    Some(blocked.told(scene, summary).seen(late.evidence))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    fn host(late: u16) -> Host {
        let rules = vec![
            rule(&[dport(22), accept()], 9),
            rule(&[reject(RejectWith::Icmp(10))], 4),
            rule(&[dport(late), accept()], 0),
        ];
        Host::with_outcome(80, Outcome::Unreachable).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "ip filter",
            "INPUT",
            base(Hook::Input, 0, Policy::Accept),
            rules,
        )
    }

    #[test]
    fn an_accept_behind_the_catch_all_is_never_reached() {
        let told = assert_culprit(&host(80).case(), "fw-rule-order");
        let found = told.culprit().unwrap();
        assert_eq!(told.causes.iter().filter(|f| f.subject == found.subject).count(), 1, "told once");
        assert!(found.advice[0].run.starts_with("iptables -I INPUT 2 -p tcp --dport 80 -j ACCEPT"), "{found:?}");
        assert!(found.evidence.iter().any(|e| e.says.starts_with("ip filter INPUT handle 3")), "{found:?}");
    }

    #[test]
    fn an_accept_for_another_port_is_no_reason() {
        assert_not_found(&host(81).case(), "fw-rule-order");
        assert_culprit(&host(81).case(), "fw-input-reject");
    }
}
