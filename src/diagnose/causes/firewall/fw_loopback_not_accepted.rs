//! Other hosts come in, this host itself does not.

use std::net::SocketAddr;

use super::super::{Cause, Found, Words};
use super::common::{Blocked, blocked};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::ways::{Gets, gets, main_part};
use crate::facts::connect::Outcome;
use crate::facts::ruleset::Hook;
use crate::firewall::{Client, Packet};

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-loopback-not-accepted",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Timeout, Outcome::Unreachable, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "The firewall does not accept loopback",
        what: "The input chain accepts the port from the network's interface, but nothing accepts what comes \
               in on lo. Programs on this host that talk to each other over 127.0.0.1 or over the host's own \
               address time out, while remote clients work.",
        see: "nft -a list ruleset\niptables -nvL INPUT --line-numbers",
        fix: "accept everything that comes in on lo, first",
        undo: "delete that rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let own = |b: &Blocked<'_>| b.packet.client == Client::Here && b.place.hook == Hook::Input;
    let blocked = blocked(scene).filter(own)?;
    let others = scene.follow(&Packet { client: Client::Any, to: outside(scene)?, ..blocked.packet });
    if !matches!(gets(main_part(&others)?, blocked.packet.transport), Gets::Through { .. }) {
        return None;
    }
    let summary = format!(
        "{} in {} {} what comes in on lo; other hosts are let in",
        blocked.text(scene),
        blocked.chain_words(),
        blocked.verb()
    );
    Some(blocked.told(scene, summary))
}

/// The port at the address that other hosts use.
fn outside(scene: &Scene<'_, '_>) -> Option<SocketAddr> {
    let address = scene.look.addresses()?.primary();
    Some(SocketAddr::new(address, scene.subject.port?))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, iifname, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::{Hook, Policy};

    fn host(accepts: u16) -> Host {
        let rules = vec![rule(&[iifname("eth0"), dport(accepts), accept()], 7)];
        Host::with_outcome(80, Outcome::Open)
            .target("127.0.0.1:80")
            .dial("127.0.0.1".parse().unwrap(), Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet filter", "input", base(Hook::Input, 0, Policy::Drop), rules)
    }

    #[test]
    fn others_come_in_and_this_host_does_not() {
        let told = assert_culprit(&host(80).case(), "fw-loopback-not-accepted");
        assert!(told.culprit().unwrap().advice[0].run.contains("iif lo accept"), "{told:?}");
    }

    #[test]
    fn where_nobody_comes_in_it_is_not_about_loopback() {
        assert_not_found(&host(22).case(), "fw-loopback-not-accepted");
        assert_culprit(&host(22).case(), "fw-input-drop");
    }
}
