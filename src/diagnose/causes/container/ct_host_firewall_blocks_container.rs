//! A container asks this host, and a rule of this host refuses it.

use super::super::firewall::forwarded::from_container;
use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-host-firewall-blocks-container",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Unreachable, Outcome::Refused, Outcome::Denied, Outcome::Silent],
    words: Words {
        title: "A rule of this host keeps a container out",
        what: "What a container sends to an address of its host (172.17.0.1, host.docker.internal, the host's own address, \
               also to a published port there) passes INPUT like any client's, coming in by docker0 or br-*. Firewalls \
               that let in few ports drop or reject it: ufw lets it vanish, firewalld answers \"No route to host\".",
        see: "iptables -nvL INPUT --line-numbers\nnft -a list ruleset\njournalctl -k -g 'IN=docker0'",
        fix: "let the container's network in: ufw allow in on docker0 to any port PORT; firewalld: docker0 into a zone that \
              accepts it",
        undo: "delete that rule",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    from_container(scene)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, web};
    use crate::diagnose::causes::testing::rules::{base, dport, drop_it, rule, saddr};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::host::LocalAddress;
    use crate::facts::ruleset::{Hook, Policy};
    use crate::target::From;

    /// With the host's own end of the containers' network.
    fn bridged(host: Host) -> Host {
        host.facts(|f| {
            let mut mine = f.addresses.value().cloned().unwrap();
            let (address, interface) = ("172.17.0.1".parse().unwrap(), "docker0".into());
            mine.all.push(LocalAddress { address, interface, ifindex: 3, up: true, link_local: false, prefix: 16 });
            f.addresses = Reading::known(mine);
        })
    }

    fn host(client: &str) -> Host {
        let rules = vec![rule(&[saddr(client), dport(5432), drop_it()], 2)];
        let host = Host::with_outcome(5432, Outcome::Open).listens("0.0.0.0", "postgresql.service", |_| ());
        let host = host.chain("ip filter", "INPUT", base(Hook::Input, 0, Policy::Accept), rules);
        docker(bridged(host), vec![web()]).from(From::Address(client.parse().unwrap()))
    }

    #[test]
    fn a_container_is_kept_out() {
        let told = assert_culprit(&host("172.17.0.2").case(), "ct-host-firewall-blocks-container");
        let found = told.culprit().unwrap();
        assert!(found.summary.ends_with("container web (172.17.0.2)"), "{found:?}");
    }

    #[test]
    fn another_client_is_kept_out() {
        assert_culprit(&host("172.17.0.9").case(), "fw-input-drop");
        assert_not_found(&host("172.17.0.9").case(), "ct-host-firewall-blocks-container");
    }
}
