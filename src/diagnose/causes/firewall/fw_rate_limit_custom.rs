//! A rate limit refuses whoever comes too often.

use super::super::{Cause, Found, Words};
use super::limit;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-rate-limit-custom",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "A rate limit refuses",
        what: "A rule with a rate limit (limit, hashlimit, connlimit, a meter) refuses or no longer accepts \
               once there were too many packets or connections. It comes and goes, and looking makes it \
               worse: every attempt counts.",
        see: "nft -a list ruleset\niptables -nvL --line-numbers",
        fix: "raise the limit, or accept the clients that need more before it",
        undo: "put the old limit back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let limited = limit::limited(scene)?;
    Some(limit::found(scene, &limited))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::{Counter, Outcome};
    use crate::facts::ruleset::expr::{Expr, RejectWith};
    use crate::facts::ruleset::{Hook, Policy};

    fn host(outcome: Outcome) -> Host {
        let limit = vec![Expr::Limit { rate: 3, unit_s: 60, burst: 3, bytes: false, inverted: true }];
        let rules = vec![rule(&[dport(80), limit, reject(RejectWith::TcpReset)], 3)];
        Host::with_outcome(80, outcome)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet filter", "input", base(Hook::Input, 0, Policy::Accept), rules)
            .facts(|f| {
                // No reset of TCP's own: the rule made it.
                for dial in f.dials.values_mut() {
                    let mut made = dial.value().cloned().unwrap();
                    made.counters = vec![Counter { name: "Tcp.OutSegs".into(), delta: 1 }];
                    *dial = Reading::known(made);
                }
            })
    }

    #[test]
    fn over_the_limit_it_refuses() {
        assert_culprit(&host(Outcome::Refused).case(), "fw-rate-limit-custom");
    }

    #[test]
    fn under_the_limit_nothing_is_wrong() {
        assert_not_found(&host(Outcome::Open).case(), "fw-rate-limit-custom");
    }
}
