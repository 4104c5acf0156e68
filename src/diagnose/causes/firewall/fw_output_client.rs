//! This host's own rules refuse what it sends.

use super::super::{Cause, Found, Words};
use super::common::leaving;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Hook;
use crate::firewall::Leg;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-output-client",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The client's own firewall refuses its packets",
        what: "A rule in an output or postrouting chain refuses or drops the packet before it leaves: a kill \
               switch of a VPN, a rule against outgoing mail, a rule for one user. Every destination fails \
               the same way and nothing is seen on the wire.",
        see: "nft -a list ruleset\niptables -nvL OUTPUT --line-numbers",
        fix: "accept the connection before that rule",
        undo: "delete the accepting rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = leaving(scene)?;
    let out = matches!(blocked.place.hook, Hook::Output | Hook::Postrouting | Hook::Egress);
    if !out || blocked.place.leg != Leg::Request {
        return None;
    }
    let summary = format!(
        "{} in {} {} what this host sends to {}",
        blocked.text(scene),
        blocked.chain_words(),
        blocked.verb(),
        blocked.packet.to
    );
    Some(blocked.told(scene, summary))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    fn host(port: u16) -> Host {
        let rules = vec![rule(&[dport(port), reject(RejectWith::Icmpx(1))], 2)];
        let there: std::net::IpAddr = "192.0.2.7".parse().unwrap();
        Host::with_outcome(25, Outcome::Open).target("192.0.2.7:25").dial(there, Outcome::Refused).chain(
            "inet filter",
            "output",
            base(Hook::Output, 0, Policy::Accept),
            rules,
        )
    }

    #[test]
    fn what_this_host_sends_is_refused_by_itself() {
        let told = assert_culprit(&host(25).case(), "fw-output-client");
        assert!(told.culprit().unwrap().summary.contains("192.0.2.7:25"), "{told:?}");
    }

    #[test]
    fn a_rule_for_another_port_is_no_reason() {
        assert_not_found(&host(26).case(), "fw-output-client");
    }
}
