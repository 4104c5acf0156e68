//! The packet is on its way to a container, and this host does not let it through.

use super::super::firewall::forwarded::{not_forwarding, on_the_way};
use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-forward-blocked",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Unreachable, Outcome::Refused, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "This host does not pass the connection on to the container",
        what: "A published port is led to the container by DNAT and then forwarded: it passes FORWARD and DOCKER-USER, never \
               INPUT. A drop in DOCKER-USER, a reject in FORWARD before Docker's own rules, another table's forward \
               chain, or net.ipv4.ip_forward=0 stops it. On the host itself the port works, because docker-proxy or the \
               host's own output takes it.",
        see: "iptables -nvL DOCKER-USER --line-numbers\niptables -nvL FORWARD --line-numbers\nnft -a list ruleset\n\
              sysctl net.ipv4.ip_forward",
        fix: "let it in before that rule, in DOCKER-USER (which Docker leaves to you) or in the table that refuses; \
              net.ipv4.ip_forward=1",
        undo: "delete the accepting rule; the old value",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    on_the_way(scene).or_else(|| not_forwarding(scene))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{accept, base, dport, drop_it, jump, nat, rule};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::ruleset::expr::Expr;
    use crate::facts::ruleset::{Family, Hook, Policy};

    const CONTAINER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(172, 17, 0, 2));

    fn dnat() -> Vec<Expr> {
        let load = |to, data: &[u8]| Expr::Immediate { to, data: data.to_vec() };
        let address = Some((4, 4));
        let dnat = Expr::Nat { source: false, family: Family::Ip, address, port: Some((8, 8)), flags: 0 };
        let target = vec![load(4, &[172, 17, 0, 2]), load(8, &80u16.to_be_bytes()), dnat];
        rule(&[dport(80), target], 3)
    }

    fn host(forwarding: &str, rules: Vec<Vec<Expr>>) -> Host {
        Host::with_outcome(80, Outcome::Open)
            .listens("0.0.0.0", "docker.service", |_| ())
            .dial(CONTAINER, Outcome::Open)
            .sysctl("net/ipv4/conf/eth0/forwarding", forwarding)
            .chain("ip nat", "PREROUTING", nat(Hook::Prerouting, -100), vec![rule(&[jump("DOCKER")], 3)])
            .chain("ip nat", "DOCKER", None, vec![dnat()])
            .chain("ip filter", "FORWARD", base(Hook::Forward, 0, Policy::Accept), rules)
    }

    #[test]
    fn a_rule_in_forward() {
        let told = assert_culprit(&host("1", vec![rule(&[dport(80), drop_it()], 2)]).case(), "ct-forward-blocked");
        assert_eq!(told.outcome, Some(Outcome::Timeout));
        assert!(told.causes.iter().all(|f| f.cause != "fw-input-drop"), "one rule is told once: {told:?}");
    }

    #[test]
    fn a_host_that_does_not_forward() {
        let told = assert_culprit(&host("0", vec![]).case(), "ct-forward-blocked");
        let plan = told.plans().next().unwrap();
        assert!(plan.commands().contains("sysctl -w net.ipv4.ip_forward=1"), "{plan:?}");
    }

    #[test]
    fn a_host_that_lets_it_through() {
        let told = host("1", vec![rule(&[dport(80), accept()], 2)]).case();
        assert_not_found(&told, "ct-forward-blocked");
    }
}
