//! The port is open in the saved configuration of firewalld, but not now.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::firewalld;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-firewalld-permanent-not-loaded",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The port is open in the permanent configuration only",
        what: "`firewall-cmd --permanent` changes files and nothing else: until a reload, the rules stay \
               what they were. The reverse loses a rule at the next reload or boot.",
        see: "firewall-cmd --list-all\nfirewall-cmd --permanent --list-all",
        fix: "load what is saved: firewall-cmd --reload",
        undo: "firewall-cmd --permanent --remove-port=80/tcp; firewall-cmd --reload",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| firewalld::keeps(scene, b))?;
    firewalld::unloaded(scene, &blocked)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::firewall::firewalld::testing::host;
    use crate::diagnose::causes::testing::assert_culprit;
    use crate::facts::firewalls::PortRange;

    #[test]
    fn what_was_saved_was_never_loaded() {
        let port = PortRange { protocol: "tcp".into(), ports: (80, 80) };
        let told = assert_culprit(&host(vec![port]).case(), "fw-firewalld-permanent-not-loaded");
        assert_eq!(told.causes.len(), 1, "the zone is not blamed as well: {told:?}");
    }
}
