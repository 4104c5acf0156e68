//! The connection comes in, but its answer is not let out.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Hook;
use crate::firewall::Leg;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-synack-blocked",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Timeout],
    words: Words {
        title: "The server's answer is dropped on its way out",
        what: "The SYN is accepted, but a rule of an output or postrouting chain drops or rejects the SYN- \
               ACK. Whatever it does, the client sees silence: an error would go to the server itself. \
               Sockets in SYN-RECV pile up.",
        see: "ss -tan state syn-recv\niptables -nvL OUTPUT --line-numbers\nnft -a list ruleset",
        fix: "accept established connections first in that chain",
        undo: "delete the accepting rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let out = |hook| matches!(hook, Hook::Output | Hook::Postrouting | Hook::Egress | Hook::Forward);
    let blocked = blocked(scene).filter(|b| b.place.leg == Leg::Reply && out(b.place.hook))?;
    let summary = format!("{} in {} stops the answers", blocked.text(scene), blocked.chain_words());
    Some(blocked.told(scene, summary))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, drop_it, rule, sport};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn the_answer_does_not_come_out() {
        let host = Host::with_outcome(80, Outcome::Timeout).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "inet filter",
            "output",
            base(Hook::Output, 0, Policy::Accept),
            vec![rule(&[sport(80), drop_it()], 7)],
        );
        let told = assert_culprit(&host.case(), "fw-synack-blocked");
        assert_eq!(told.outcome, Some(Outcome::Timeout));
        assert!(told.culprit().unwrap().advice[0].run.contains("ct state established"), "{told:?}");
    }
}
