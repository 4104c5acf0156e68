//! Containers ask a service of this host at the bridge's address, where it does not listen.

use super::super::listener::bind_loopback_only::not_on_bridge;
use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-host-service-not-on-bridge",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "A service of the host does not listen on the containers' bridge",
        what: "Containers reach their host at the bridge's address (172.17.0.1, host.docker.internal). The service listens on \
               127.0.0.1, or on another address of the host only, so the host refuses them at the bridge.",
        see: "ss -H -ltnp 'sport = :PORT'\nip -brief address",
        fix: "let the service listen on the bridge's address, too (listen_addresses, bind-address, bind), and restart it",
        undo: "restore the line and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    not_on_bridge(scene)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::host::LocalAddress;

    const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

    fn host(interface: &str) -> Host {
        let host = Host::refusing(5432).listens("127.0.0.1", "shop.service", |_| ()).target("172.17.0.1:5432");
        host.dial(BRIDGE, Outcome::Refused).facts(|f| {
            let mut mine = f.addresses.value().cloned().unwrap();
            let (interface, address) = (interface.into(), BRIDGE);
            mine.all.push(LocalAddress { address, interface, ifindex: 3, up: true, link_local: false, prefix: 16 });
            f.addresses = Reading::known(mine);
        })
    }

    #[test]
    fn on_loopback_only() {
        let told = assert_culprit(&host("docker0").case(), "ct-host-service-not-on-bridge");
        assert!(told.causes.iter().all(|f| f.cause != "bind-loopback-only"), "{told:?}");
    }

    #[test]
    fn an_interface_of_no_containers() {
        assert_not_found(&host("eth1").case(), "ct-host-service-not-on-bridge");
        assert_culprit(&host("eth1").case(), "bind-loopback-only");
    }
}
