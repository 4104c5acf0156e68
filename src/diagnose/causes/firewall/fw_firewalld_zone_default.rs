//! firewalld's zone does not let the port in.

use super::super::{Cause, Found, Words};
use super::common::blocked;
use super::firewalld;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-firewalld-zone-default",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "firewalld refuses: the port is not open in its zone",
        what: "What no service, port or rule of the zone lets in is rejected with admin-prohibited. Clients \
               see \"No route to host\" over IPv4 and \"Permission denied\" over IPv6, after a second, not \
               \"Connection refused\". The zones block and drop do so for everything.",
        see: "firewall-cmd --list-all\nfirewall-cmd --get-active-zones",
        fix: "open the port in that zone: firewall-cmd --zone=public --add-port=80/tcp, and keep it with \
              --runtime-to-permanent",
        undo: "firewall-cmd --zone=public --remove-port=80/tcp",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| firewalld::keeps(scene, b))?;
    Some(firewalld::told(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::firewall::firewalld::testing::host;
    use crate::diagnose::causes::testing::assert_culprit;

    #[test]
    fn the_zone_does_not_have_the_port() {
        let told = assert_culprit(&host(vec![]).case(), "fw-firewalld-zone-default");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "zone public of firewalld does not let 80/tcp in");
        let ids: Vec<&str> = found.plans().map(|plan| plan.id.as_str()).collect();
        assert_eq!(ids, ["firewalld-allow-for-an-hour", "firewalld-allow", "firewalld-allow-permanently"]);
        assert_eq!(found.advice[1].run, "firewall-cmd --zone=public --add-port=80/tcp");
    }
}
