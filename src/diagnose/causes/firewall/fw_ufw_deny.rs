//! ufw denies the port.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::ufw;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-ufw-deny",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Silent],
    words: Words {
        title: "ufw denies the port",
        what: "ufw drops what no rule of its allows, unless its default was changed. The client waits until \
               it gives up; with logging on, the kernel's log has [UFW BLOCK] lines.",
        see: "ufw status verbose",
        fix: "allow the port: ufw allow 80/tcp",
        undo: "ufw delete allow 80/tcp",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| !b.answers() && ufw::keeps(scene, b) && !ufw::limits(b))?;
    Some(ufw::told(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, jump, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::Ufw;
    use crate::facts::ruleset::{Hook, Policy};

    #[test]
    fn what_no_rule_allows_meets_the_default() {
        let host = Host::with_outcome(80, Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("ip filter", "ufw-before-input", None, vec![rule(&[dport(22), accept()], 3)])
            .chain("ip filter", "INPUT", base(Hook::Input, 0, Policy::Drop), vec![rule(&[jump("ufw-before-input")], 3)])
            .facts(|f| {
                let ufw = Ufw { enabled: true, incoming: "deny".into(), ..Ufw::default() };
                f.ufw = Reading::known(ufw);
            });
        let told = assert_culprit(&host.case(), "fw-ufw-deny");
        let found = told.culprit().unwrap();
        assert!(found.summary.ends_with("its default for incoming is deny"), "{}", found.summary);
        assert_eq!(found.advice[0].run, "ufw allow 80/tcp");
    }
}
