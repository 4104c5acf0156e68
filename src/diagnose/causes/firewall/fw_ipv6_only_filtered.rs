//! One family is let in, the other is not.

use std::net::SocketAddr;

use super::super::{Cause, Found, Words};
use super::common::{Blocked, blocked};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::ways::{Gets, gets, main_part};
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Family;
use crate::firewall::{Client, Packet};

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-ipv6-only-filtered",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "Only one of IPv4 and IPv6 is filtered",
        what: "iptables and ip6tables (and the nft families ip and ip6) are separate. A port opened for one \
               of them is still refused for the other, so it depends on which address a client tries first.",
        see: "iptables -S; ip6tables -S\nnft -a list ruleset",
        fix: "give the other family the same rule",
        undo: "delete that rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    // Rules of IPv4 alone are what most hosts have: nothing is odd about them.
    let blocked = blocked(scene).filter(|b| b.packet.to.is_ipv6() && b.place.chain.table.family == Family::Ip6)?;
    let other = other_family(scene, &blocked)?;
    let walk = scene.follow(&Packet { to: other, ..blocked.packet });
    if !matches!(gets(main_part(&walk)?, blocked.packet.transport), Gets::Through { .. }) {
        return None;
    }
    let summary = format!("{} in {} {} it; IPv4 is let in", blocked.text(scene), blocked.chain_words(), blocked.verb());
    Some(blocked.told(scene, summary))
}

/// The same port at an address of the other family, where this host has one.
fn other_family(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Option<SocketAddr> {
    if matches!(blocked.packet.client, Client::Address(_)) {
        return None;
    }
    let loopback = blocked.packet.to.ip().is_loopback();
    let mut mine = scene.look.addresses()?.all.iter().filter(|a| a.address.is_loopback() == loopback && !a.link_local);
    let other = mine.find(|a| a.address.is_ipv6() != blocked.packet.to.is_ipv6())?;
    Some(SocketAddr::new(other.address, blocked.packet.to.port()))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, dport, drop_it, rule};
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::host::LocalAddress;
    use crate::facts::ruleset::{Hook, Policy};

    fn host(table: &str) -> Host {
        Host::with_outcome(80, Outcome::Open)
            .target("[fd00::2]:80")
            .dial("fd00::2".parse().unwrap(), Outcome::Timeout)
            .dial(OUTSIDE, Outcome::Open)
            .listens("::", "nginx.service", |_| ())
            .chain(table, "INPUT", base(Hook::Input, 0, Policy::Accept), vec![rule(&[dport(80), drop_it()], 3)])
            .facts(|f| {
                let mut mine = f.addresses.value().cloned().unwrap();
                mine.all.push(LocalAddress {
                    address: "fd00::2".parse().unwrap(),
                    interface: "eth0".into(),
                    ifindex: 2,
                    up: true,
                    link_local: false,
                    prefix: 64,
                });
                f.addresses = Reading::known(mine);
            })
    }

    #[test]
    fn the_other_family_is_let_in() {
        let told = assert_culprit(&host("ip6 filter").case(), "fw-ipv6-only-filtered");
        assert!(told.culprit().unwrap().summary.ends_with("IPv4 is let in"), "{told:?}");
    }

    #[test]
    fn a_rule_for_both_is_not_about_one() {
        assert_not_found(&host("inet filter").case(), "fw-ipv6-only-filtered");
    }
}
