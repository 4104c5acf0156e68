//! The connection is sent elsewhere, and nobody answers there.

use super::super::{Cause, Found, Words};
use super::translation;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-dnat-dead-target",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Unreachable, Outcome::Timeout],
    words: Words {
        title: "Address translation leads to where nobody answers",
        what: "A dnat or redirect rule before routing sends the packet to another address or port, so the \
               socket on the asked port is never reached. There nothing listens, or the host is gone. `ss` \
               shows no fault and the input chain is open.",
        see: "nft -a list ruleset\niptables -t nat -nvL --line-numbers\nconntrack -L -p tcp",
        fix: "correct the target of that rule, or delete it",
        undo: "add the rule as it was",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    translation::dead_end(scene)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use crate::diagnose::causes::testing::rules::{base, dport, nat, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::diagnose::diagnose;
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::Expr;
    use crate::facts::ruleset::{Family, Hook, Policy};

    /// A container's address.
    const CONTAINER: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2));

    fn host() -> Host {
        let target = vec![Expr::Immediate { to: 4, data: 9998u16.to_be_bytes().to_vec() }];
        let redirect = vec![Expr::Redirect { port: Some((4, 4)), flags: 2 }];
        Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).chain(
            "inet shop",
            "entry",
            nat(Hook::Prerouting, -100),
            vec![rule(&[dport(80), target, redirect], 3)],
        )
    }

    #[test]
    fn sent_to_a_port_where_nothing_listens() {
        let told = assert_culprit(&host().case(), "fw-dnat-dead-target");
        assert_eq!(told.outcome, Some(Outcome::Refused));
        assert!(told.culprit().unwrap().summary.contains(":9998"), "{told:?}");
    }

    #[test]
    fn sent_to_where_something_listens() {
        let host = host().listens_on(9998, "0.0.0.0", "other.service", |_| ());
        assert_not_found(&host.case(), "fw-dnat-dead-target");
    }

    fn to_the_container() -> Vec<Expr> {
        let load = |to, data: &[u8]| Expr::Immediate { to, data: data.to_vec() };
        let address = Some((4, 4));
        let dnat = Expr::Nat { source: false, family: Family::Ip, address, port: Some((8, 8)), flags: 0 };
        let target = vec![load(4, &[172, 17, 0, 2]), load(8, &80u16.to_be_bytes()), dnat];
        rule(&[dport(80), target], 3)
    }

    /// A host that forwards a port to a container: what its own attempt gets, and one at the container's address.
    fn publishing(own: Outcome, container: Outcome) -> Host {
        Host::with_outcome(80, own)
            .listens("0.0.0.0", "docker.service", |_| ())
            .dial(CONTAINER, container)
            .sysctl("net/ipv4/conf/eth0/forwarding", "1")
            .chain("ip nat", "before", nat(Hook::Prerouting, -100), vec![to_the_container()])
    }

    #[test]
    fn sent_to_a_container_that_is_gone() {
        let told = assert_culprit(&publishing(Outcome::Open, Outcome::Unreachable).case(), "fw-dnat-dead-target");
        assert_eq!(told.outcome, Some(Outcome::Unreachable));
        assert_not_found(&publishing(Outcome::Open, Outcome::Open).case(), "fw-dnat-dead-target");
    }

    #[test]
    fn this_hosts_own_attempt_is_sent_there_too() {
        let host = publishing(Outcome::Timeout, Outcome::Open);
        let host = host.chain("ip nat", "out", nat(Hook::Output, -100), vec![to_the_container()]);
        // No other attempt is needed then, nor made.
        let host = host.facts(|facts| facts.dials.retain(|to, _| to.ip() != Some(CONTAINER)));
        let told = assert_culprit(&host.case(), "fw-dnat-dead-target");
        assert_eq!(told.outcome, Some(Outcome::Timeout));
    }

    #[test]
    fn an_attempt_whose_answers_this_host_drops_says_nothing_of_others() {
        let host = publishing(Outcome::Timeout, Outcome::Timeout);
        let host = host.chain("ip filter", "in", base(Hook::Input, 0, Policy::Drop), vec![]);
        let told = diagnose(&host.case());
        assert_eq!((told.culprit, told.outcome), (None, Some(Outcome::Timeout)), "{told:?}");
    }
}
