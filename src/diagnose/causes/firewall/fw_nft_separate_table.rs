//! Accepted by one base chain, refused by another.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-nft-separate-table",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "Another table refuses what the first one accepted",
        what: "An accept ends only the base chain it is in. Every other base chain of the same hook is still \
               passed, in the order of their priorities, and one of another table (a second firewall, a \
               hardening script, a VPN) refuses. `iptables -S` does not show it.",
        see: "nft list hooks\nnft -a list ruleset",
        fix: "accept it in that table, too, or take that table away if nobody needs it",
        undo: "delete the accepting rule, or load the table again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene)?;
    let accepted = blocked.accepted_before()?;
    let summary = format!(
        "{} accepts it, but {} in {} {} it",
        super::common::place_words(&accepted.by),
        blocked.text(scene),
        blocked.chain_words(),
        blocked.verb()
    );
    Some(blocked.told(scene, summary).seen(super::common::evidence_of(scene, &accepted.by)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, drop_it, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};

    fn host(first: Vec<Vec<crate::facts::ruleset::expr::Expr>>) -> Host {
        Host::with_outcome(80, Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet filter", "input", base(Hook::Input, 0, Policy::Accept), first)
            .chain(
                "inet hardening",
                "entry",
                base(Hook::Input, 10, Policy::Accept),
                vec![rule(&[dport(80), drop_it()], 2)],
            )
    }

    #[test]
    fn accepted_by_one_table_and_dropped_by_another() {
        let told = assert_culprit(&host(vec![rule(&[dport(80), accept()], 5)]).case(), "fw-nft-separate-table");
        let found = told.culprit().unwrap();
        assert_eq!(found.subject, "inet hardening entry handle 1");
        assert!(found.summary.starts_with("inet filter input handle 1 accepts it, but"), "{}", found.summary);
    }

    #[test]
    fn a_table_that_says_nothing_of_the_port_accepted_nothing() {
        assert_not_found(&host(vec![rule(&[dport(22), accept()], 5)]).case(), "fw-nft-separate-table");
    }
}
