//! fail2ban has banned the client.

use super::super::{Cause, Found, Words};
use super::bans;
use super::common::blocked;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-fail2ban-ban",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "fail2ban has banned this client",
        what: "After too many failures in a log, fail2ban refuses one address on the ports of a jail, for a \
               while. Other clients and other ports are not touched, and it heals by itself when the ban is \
               over.",
        see: "fail2ban-client status\nfail2ban-client status sshd",
        fix: "lift the ban: fail2ban-client set JAIL unbanip ADDRESS; keep such clients out of it with \
              ignoreip",
        undo: "fail2ban-client set JAIL banip ADDRESS",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = blocked(scene).filter(|b| bans::by_fail2ban(scene, b))?;
    Some(bans::fail2ban(scene, &blocked))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, jump, reject, rule, saddr};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::{Fail2ban, Jail};
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};
    use crate::target::From;

    fn host(asked: &str) -> Host {
        let client: std::net::IpAddr = asked.parse().unwrap();
        let banned = vec![rule(&[saddr("10.1.0.2"), reject(RejectWith::Icmp(3))], 3)];
        Host::with_outcome(22, Outcome::Open)
            .from(From::Address(client))
            .listens("0.0.0.0", "ssh.service", |_| ())
            .chain("ip filter", "f2b-sshd", None, banned)
            .chain("ip filter", "INPUT", base(Hook::Input, 0, Policy::Accept), vec![rule(&[jump("f2b-sshd")], 3)])
            .facts(|f| {
                let jail =
                    Jail { name: "sshd".into(), banned: vec![("10.1.0.2".parse().unwrap(), Some(1_700_000_600_000))] };
                f.fail2ban = Reading::known(Fail2ban { jails: vec![jail] });
            })
    }

    #[test]
    fn the_jail_and_the_end_of_the_ban_are_named() {
        let told = assert_culprit(&host("10.1.0.2").case(), "fw-fail2ban-ban");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "fail2ban's jail sshd has banned 10.1.0.2 until 2023-11-14 22:23:20 UTC");
        assert_eq!(found.advice[0].run, "fail2ban-client set sshd unbanip 10.1.0.2");
    }

    #[test]
    fn another_client_is_not_banned() {
        assert_not_found(&host("10.1.0.3").case(), "fw-fail2ban-ban");
    }
}
