//! The refusing rule is among the legacy tables.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Backend;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-legacy-and-nft-mixed",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The rule is hidden in the legacy tables of iptables",
        what: "The kernel has two packet filters. `iptables` on most systems today speaks to the new one, \
               and neither it nor `nft` shows rules that `iptables-legacy` (or a program linked to it) put \
               into the old one. Both are passed by every packet.",
        see: "cat /proc/net/ip_tables_names\niptables-legacy -nvL --line-numbers",
        fix: "delete the rule with iptables-legacy, and move what is needed to one of the two",
        undo: "add it again with iptables-legacy",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| b.place.chain.table.backend == Backend::Legacy)?;
    let summary = format!(
        "{} among the legacy rules of iptables {} it; neither nft nor iptables-nft shows it",
        blocked.text(scene),
        blocked.verb()
    );
    Some(blocked.told(scene, summary))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::{Expr, RejectWith};
    use crate::facts::ruleset::xt::{Target, Xt};

    #[test]
    fn the_rule_is_among_the_legacy_ones() {
        let host = Host::with_outcome(80, Outcome::Refused)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .legacy("-A INPUT -j REJECT", vec![Expr::Xt(Xt::Target(Target::Reject(RejectWith::Icmp(3))))]);
        let told = assert_culprit(&host.case(), "fw-legacy-and-nft-mixed");
        let found = told.culprit().unwrap();
        assert!(found.summary.starts_with("-A INPUT -j REJECT among the legacy rules"), "{}", found.summary);
        assert!(found.advice[0].run.starts_with("iptables-legacy -I INPUT 1"), "{found:?}");
    }
}
