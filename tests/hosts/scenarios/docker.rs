//! Docker publishes a container's port, and the packet filter decides who comes to it.

use super::steps::start;
use crate::cmd::Step;
use crate::dial::Outcome::{HostUnreach, Open, Timeout};
use crate::host::Host;
use crate::scenario::{Expect, HEALTHY, Needs, SCENARIO, Scenario, client, fails};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "ct-forward-blocked",
        name: "docker-user",
        break_it: |host| {
            published(host)?;
            host.sh("iptables -I DOCKER-USER -i eth0 -p tcp --dport 80 -j DROP")
        },
        seen: &[client("10.2.0.2:8080", Timeout)],
        expect: fails("ct-forward-blocked", "timeout", &["DOCKER-USER", "--dport 80"]),
        fix: Some("allow-everyone"),
        repair: Some(|host| host.sh("iptables -D DOCKER-USER 1")),
        ..DOCKER
    },
    Scenario {
        cause: "fw-dnat-dead-target",
        name: "docker-rules-restored-after-the-container",
        break_it: |host| {
            published(host)?;
            host.sh("iptables-save >/etc/iptables.rules; docker rm -f web; iptables-restore </etc/iptables.rules")?;
            // The bridge is up as long as some container is there.
            host.sh("docker run -d --name first image; docker run -d --name second image; docker rm -f first")
        },
        seen: &[client("10.2.0.2:8080", HostUnreach)],
        expect: fails("fw-dnat-dead-target", "timeout", &["172.17.0.2"]),
        ..DOCKER
    },
    Scenario {
        cause: HEALTHY,
        name: "docker-publishes-beside-an-input-policy",
        break_it: |host| {
            published(host)?;
            host.sh("iptables -A INPUT -i lo -j ACCEPT
                iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
                iptables -A INPUT -p tcp --dport 22 -j ACCEPT
                iptables -P INPUT DROP")
        },
        seen: &[client("10.2.0.2:8080", Open), client("10.2.0.2:8081", Timeout)],
        ..DOCKER
    },
    Scenario {
        cause: HEALTHY,
        name: "docker-publishes-what-the-host-cannot-try-itself",
        break_it: |host| {
            published(host)?;
            host.sh("iptables -P INPUT DROP")
        },
        seen: &[client("10.2.0.2:8080", Open)],
        // Not even an answer to this host's own attempt comes in: nobody is accused.
        expect: Expect { outcome: "timeout", exit: 3, boxes: &[("firewall", "yes")], ..SCENARIO.expect },
        ..DOCKER
    },
];

pub(super) const DOCKER: Scenario = Scenario { target: "8080", needs: Needs::AllPowers, ..SCENARIO };

/// A small web server.
pub(super) const IMAGE: &str = r#"image=$(mktemp -d)
mkdir "$image/bin" "$image/www"
cp /bin/busybox "$image/bin/"
for applet in sh httpd sleep; do ln -s busybox "$image/bin/$applet"; done
tar -C "$image" -c . | docker import -c 'ENV PATH=/bin' -c 'CMD ["httpd", "-f", "-h", "/www", "-p", "80"]' - image"#;

/// A web server in a container, published on port 8080.
pub(super) fn published(host: &Host) -> Step {
    start(host, "docker")?;
    host.sh(IMAGE)?;
    host.sh("docker run -d --name web -p 8080:80 image")?;
    host.wait("curl -s -o /dev/null -m 2 http://10.2.0.2:8080/")
}
