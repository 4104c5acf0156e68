//! A rule refuses before routing.

use super::super::{Cause, Found, Words};
use super::common::{Blocked, blocked};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Hook;
use crate::firewall::Leg;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-prerouting-raw",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "A chain before routing refuses",
        what: "Chains at prerouting (raw, mangle, or a table of somebody's own) see packets before the input \
               chains that people look at. INPUT may be empty and yet nothing arrives there.",
        see: "nft list hooks\nnft -a list ruleset\niptables -t raw -S; iptables -t mangle -S",
        fix: "delete the rule or accept the port before it",
        undo: "add the rule again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let early = |b: &Blocked<'_>| b.place.hook == Hook::Prerouting && b.place.leg == Leg::Request;
    let blocked = blocked(scene).filter(early)?;
    let summary = format!("{} in {} {} it before routing", blocked.text(scene), blocked.chain_words(), blocked.verb());
    Some(blocked.told(scene, summary))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn refused_before_routing() {
        let rules = vec![rule(&[dport(80), reject(RejectWith::TcpReset)], 2)];
        let host = Host::with_outcome(80, Outcome::Open)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet early", "entry", base(Hook::Prerouting, -300, Policy::Accept), rules)
            .facts(|f| {
                // From here it passes the same chain.
                let dial = f.dials.values_mut().next().unwrap();
                let mut made = dial.value().cloned().unwrap();
                made.outcome = Outcome::Refused;
                *dial = crate::facts::Reading::known(made);
            });
        let told = assert_culprit(&host.case(), "fw-prerouting-raw");
        assert_eq!(told.outcome, Some(Outcome::Refused));
    }
}
