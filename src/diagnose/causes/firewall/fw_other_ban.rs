//! A list of banned addresses holds the client.

use super::super::{Cause, Found, Words};
use super::bans;
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-other-ban",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The client is on a list of banned addresses",
        what: "CrowdSec, sshguard, csf or a list of somebody's own keeps addresses in a set, and a rule \
               refuses whoever is in it. Such lists can hold a whole provider, the gateway, or the office.",
        see: "nft list sets\nipset list -t\ncscli decisions list",
        fix: "take the address out of the list, by the program that keeps it",
        undo: "put it back in",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| !bans::by_fail2ban(scene, b))?;
    bans::other(scene, &blocked)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, drop_it, rule, saddr_in};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};
    use crate::target::From;

    fn host(asked: &str) -> Host {
        let client: std::net::IpAddr = asked.parse().unwrap();
        Host::with_outcome(22, Outcome::Open)
            .from(From::Address(client))
            .listens("0.0.0.0", "ssh.service", |_| ())
            .set("ip crowdsec", "crowdsec-blacklists", &["10.1.0.2"])
            .chain(
                "ip crowdsec",
                "entry",
                base(Hook::Input, -10, Policy::Accept),
                vec![rule(&[saddr_in("crowdsec-blacklists"), drop_it()], 3)],
            )
    }

    #[test]
    fn the_list_that_holds_the_client_is_named() {
        let told = assert_culprit(&host("10.1.0.2").case(), "fw-other-ban");
        let found = told.culprit().unwrap();
        assert!(found.summary.contains("crowdsec-blacklists"), "{}", found.summary);
        assert_eq!(found.advice[0].run, "cscli decisions delete --ip 10.1.0.2");
    }

    #[test]
    fn others_are_not_in_it() {
        assert_not_found(&host("10.1.0.3").case(), "fw-other-ban");
    }
}
