//! A rule of this host refuses, with an answer.

use super::super::{Cause, Found, Words};
use super::common::{Blocked, blocked};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-input-reject",
    in_box: BoxId::Firewall,
    general: true,
    explains: &[Outcome::Refused, Outcome::Unreachable, Outcome::Denied],
    words: Words {
        title: "A packet filter of this host rejects the connection",
        what: "A rule or a chain's last rule answers with a TCP RST or an ICMP error instead of letting the \
               packet in. A port-unreachable or a RST looks exactly like a missing service; the prohibited \
               and unreachable kinds say \"No route to host\", and over IPv6 \"Permission denied\".",
        see: "nft -a list ruleset\niptables -nvL --line-numbers",
        fix: "accept the port before that rule, in the same chain, and save the rules",
        undo: "delete the accepting rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(Blocked::answers)?;
    Some(blocked.found(scene, "refuses"))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    fn rejecting(with: RejectWith) -> Host {
        let rules = vec![rule(&[dport(22), accept()], 9), rule(&[dport(80), reject(with)], 3)];
        Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "inet filter",
            "input",
            base(Hook::Input, 0, Policy::Accept),
            rules,
        )
    }

    #[test]
    fn the_rule_is_named_with_its_counter_and_how_to_let_the_port_in() {
        let told = assert_culprit(&rejecting(RejectWith::Icmpx(1)).target("10.2.0.2:80").case(), "fw-input-reject");
        assert_eq!(told.outcome, Some(Outcome::Refused));
        let found = told.culprit().unwrap();
        assert_eq!(found.subject, "inet filter input handle 2");
        assert!(found.summary.contains("refuses everyone"), "{}", found.summary);
        assert!(found.evidence.iter().any(|e| e.says == "it has met 3 packets so far"), "{:?}", found.evidence);
        assert!(found.advice[0].run.starts_with("nft insert rule inet filter input position 2"), "{:?}", found.advice);
    }

    #[test]
    fn prohibited_is_no_route_to_host() {
        let told = assert_culprit(&rejecting(RejectWith::Icmpx(3)).case(), "fw-input-reject");
        assert_eq!(told.outcome, Some(Outcome::Unreachable));
    }
}
