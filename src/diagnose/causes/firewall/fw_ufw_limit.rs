//! ufw limits how often one client may connect, and this one is over it.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::ufw;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-ufw-limit",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied],
    words: Words {
        title: "ufw's limit refuses a client that came too often",
        what: "`ufw limit` lets a client connect five times in 30 seconds and refuses the sixth. Scripts \
               that open many connections (deployments, CI, monitoring) work at first and are then refused; \
               a pause heals it.",
        see: "ufw status\ncat /proc/net/xt_recent/DEFAULT",
        fix: "let that client in without the limit: ufw allow from ADDRESS to any port 22 proto tcp, before \
              the limit",
        undo: "ufw delete allow from ADDRESS to any port 22 proto tcp",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| ufw::keeps(scene, b) && ufw::limits(b))?;
    Some(ufw::told(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, jump, reject, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn the_chain_of_the_limit_rejects() {
        let host = Host::with_outcome(80, Outcome::Refused)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("ip filter", "ufw-user-limit", None, vec![rule(&[reject(RejectWith::Icmp(3))], 3)])
            .chain("ip filter", "ufw-user-input", None, vec![rule(&[dport(80), jump("ufw-user-limit")], 3)])
            .chain("ip filter", "INPUT", base(Hook::Input, 0, Policy::Drop), vec![rule(&[jump("ufw-user-input")], 3)]);
        assert_culprit(&host.case(), "fw-ufw-limit");
    }
}
