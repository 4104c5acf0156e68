//! The connection is sent elsewhere, and nobody answers there.

use super::super::{Cause, Found, Words};
use super::translation;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-dnat-dead-target",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Unreachable, Outcome::Timeout],
    words: Words {
        title: "Address translation leads to where nobody answers",
        what: "A dnat or redirect rule before routing sends the packet to another address or port, so the \
               socket on the asked port is never reached. There nothing listens, or the host is gone. `ss` \
               shows no fault and the input chain is open.",
        see: "nft -a list ruleset\niptables -t nat -nvL --line-numbers\nconntrack -L -p tcp",
        fix: "correct the target of that rule, or delete it",
        undo: "add the rule as it was",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    translation::dead_end(scene)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{dport, nat, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::Hook;
    use crate::facts::ruleset::expr::Expr;

    fn host() -> Host {
        let target = vec![Expr::Immediate { to: 4, data: 9998u16.to_be_bytes().to_vec() }];
        let redirect = vec![Expr::Redirect { port: Some((4, 4)), flags: 2 }];
        Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "inet shop",
            "entry",
            nat(Hook::Prerouting, -100),
            vec![rule(&[dport(80), target, redirect], 3)],
        )
    }

    #[test]
    fn sent_to_a_port_where_nothing_listens() {
        let told = assert_culprit(&host().case(), "fw-dnat-dead-target");
        assert_eq!(told.outcome, Some(Outcome::Refused));
        assert!(told.culprit().unwrap().summary.contains(":9998"), "{told:?}");
    }

    #[test]
    fn sent_to_where_something_listens() {
        let host = host().listens_on(9998, "0.0.0.0", "other.service", |_| ());
        assert_not_found(&host.case(), "fw-dnat-dead-target");
    }
}
