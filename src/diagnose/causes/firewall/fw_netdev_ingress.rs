//! A rule at the network device itself refuses, before all others.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Hook;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-netdev-ingress",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "A netdev chain refuses packets at the interface",
        what: "Chains of the netdev family see packets as they come from (ingress) or go to (egress) a \
               device, before every other rule and before connection tracking. Neither `iptables -S` nor \
               `nft list table inet ...` shows them, and connections from the host itself do not pass them.",
        see: "nft list hooks\nnft -a list ruleset netdev",
        fix: "delete the rule or accept the port before it",
        undo: "add the rule again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| matches!(b.place.hook, Hook::Ingress | Hook::Egress))?;
    let at = if blocked.place.hook == Hook::Ingress { "as it comes in" } else { "as it goes out" };
    let summary = format!("{} in {} {} it {at}", blocked.text(scene), blocked.chain_words(), blocked.verb());
    Some(blocked.told(scene, summary))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, drop_it, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};
    use crate::target::From;

    fn host() -> Host {
        Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "netdev early",
            "entry",
            base(Hook::Ingress, 0, Policy::Accept),
            vec![rule(&[dport(80), drop_it()], 2)],
        )
    }

    #[test]
    fn others_are_dropped_at_the_device() {
        let told = assert_culprit(&host().case(), "fw-netdev-ingress");
        assert_eq!(told.outcome, Some(Outcome::Timeout));
    }

    #[test]
    fn this_host_itself_does_not_come_by_there() {
        assert_not_found(&host().from(From::Here).case(), "fw-netdev-ingress");
    }
}
