//! Containers that a real Docker runs, and why their ports are refused.

use super::docker::{DOCKER, IMAGE, published};
use super::steps::{redis_password, start};
use crate::cmd::Step;
use crate::dial::Outcome::{HostUnreach, Open, Refused, Timeout};
use crate::host::Host;
use crate::scenario::{Expect, HEALTHY, Scenario, client, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "ct-app-bound-loopback",
        name: "httpd-on-127-0-0-1-inside",
        break_it: |host| run(host, "-p 8080:80 image httpd -f -h /www -p 127.0.0.1:80"),
        seen: &[client("10.2.0.2:8080", Refused), here("10.2.0.2:8080", Refused)],
        expect: refused("ct-app-bound-loopback", &["web", "127.0.0.1:80", "docker inspect web"]),
        repair: Some(|host| again(host, "-p 8080:80 image")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-wrong-container-port",
        name: "httpd-listens-on-80",
        break_it: |host| run(host, "-p 8080:81 image"),
        seen: &[client("10.2.0.2:8080", Refused)],
        expect: refused("ct-wrong-container-port", &["0.0.0.0:8080->81/tcp", "it listens on 80", "-p 8080:80"]),
        repair: Some(|host| again(host, "-p 8080:80 image")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-app-not-listening",
        name: "the-program-waits",
        break_it: |host| run(host, "-p 8080:80 image sleep 1000"),
        seen: &[client("10.2.0.2:8080", Refused)],
        expect: refused("ct-app-not-listening", &["web", "docker logs"]),
        repair: Some(|host| again(host, "-p 8080:80 image")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-port-not-published",
        name: "exposed-only",
        break_it: |host| run(host, "--expose 8000 image httpd -f -h /www -p 8000"),
        seen: &[client("10.2.0.2:8000", Refused), here("172.17.0.2:8000", Open)],
        target: "8000",
        expect: refused("ct-port-not-published", &["container web serves port 8000", "-p 8000:8000"]),
        repair: Some(|host| again(host, "-p 8000:8000 image httpd -f -h /www -p 8000")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-published-on-loopback",
        name: "for-a-proxy-on-the-host",
        break_it: |host| run(host, "-p 127.0.0.1:8080:80 image"),
        seen: &[client("10.2.0.2:8080", Refused), here("127.0.0.1:8080", Open)],
        expect: refused("ct-published-on-loopback", &["127.0.0.1:8080->80/tcp", "-p 8080:80"]),
        repair: Some(|host| again(host, "-p 8080:80 image")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-stopped-or-restarting",
        name: "docker-stop",
        break_it: |host| {
            published(host)?;
            host.sh("docker stop -t 0 web")
        },
        seen: &[client("10.2.0.2:8080", Refused)],
        expect: refused("ct-stopped-or-restarting", &["exit status 137", "docker start web"]),
        repair: Some(|host| host.sh("docker start web")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-stopped-or-restarting",
        name: "ends-at-once",
        break_it: |host| {
            run(host, "--restart always -p 8080:80 image sh -c 'echo no database; exit 3'")?;
            // It waits longer from time to time.
            host.wait("docker inspect -f '{{.RestartCount}} {{.State.Status}}' web | grep -q '^[6-9] restarting'")
        },
        seen: &[client("10.2.0.2:8080", Refused)],
        expect: refused("ct-stopped-or-restarting", &["no database", "exit status 3", "docker logs --tail 50 web"]),
        repair: Some(|host| again(host, "-p 8080:80 image")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-host-port-taken",
        name: "somebody-has-it-on-loopback",
        break_it: |host| {
            host.unit("shop.service", "[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8080\n")?;
            host.sh("systemctl start shop")?;
            host.wait("ss -Hltn 'sport = :8080' | grep -q .")?;
            prepared(host)?;
            host.sh("! docker run -d --name web -p 8080:80 image")
        },
        seen: &[client("10.2.0.2:8080", Refused), here("127.0.0.1:8080", Open)],
        expect: refused(
            "ct-host-port-taken",
            &["shop.service", "address already in use", "systemctl stop shop.service"],
        ),
        repair: Some(|host| host.sh("systemctl stop shop; docker start web")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-iptables-flushed",
        name: "restarted-after-flush-ruleset",
        break_it: |host| {
            published(host)?;
            host.sh("nft flush ruleset; ! docker restart -t 0 web")
        },
        seen: &[client("10.2.0.2:8080", Refused)],
        expect: refused("ct-iptables-flushed", &["No chain/target/match by that name", "systemctl restart docker"]),
        repair: Some(|host| host.sh("systemctl restart docker; docker start web")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-iptables-flushed",
        name: "without-docker-proxy",
        break_it: |host| {
            host.write("/etc/docker/daemon.json", "{\"userland-proxy\": false}\n")?;
            run(host, "--restart always -p 8080:80 image")?;
            host.wait("curl -s -o /dev/null -m 2 http://10.2.0.2:8080/")?;
            host.sh("iptables -t nat -F; ! curl -s -m 2 http://10.2.0.2:8080/")
        },
        // dockerd's own socket keeps others off the port, and takes nothing.
        seen: &[client("10.2.0.2:8080", Open)],
        expect: Expect {
            culprit: Some("ct-iptables-flushed"),
            exit: 0,
            names: &["container web", "systemctl restart docker"],
            ..DOCKER.expect
        },
        fix: Some("restart-unit"),
        once: Some("a restart of Docker writes its rules again"),
        repair: Some(|host| host.sh("systemctl restart docker")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-forward-blocked",
        name: "ip-forward-is-off",
        break_it: |host| {
            published(host)?;
            host.sh("sysctl -qw net.ipv4.ip_forward=0")
        },
        seen: &[client("10.2.0.2:8080", Timeout), here("10.2.0.2:8080", Open)],
        expect: fails("ct-forward-blocked", "timeout", &["172.17.0.2:80", "net.ipv4.ip_forward"]),
        fix: Some("ip-forward"),
        repair: Some(|host| host.sh("sysctl -qw net.ipv4.ip_forward=1")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-forward-blocked",
        name: "reject-before-dockers-rules",
        break_it: |host| {
            published(host)?;
            host.sh("iptables -I FORWARD -i eth0 -j REJECT --reject-with icmp-host-prohibited")
        },
        seen: &[client("10.2.0.2:8080", HostUnreach), here("10.2.0.2:8080", Open)],
        expect: fails("ct-forward-blocked", "unreachable", &["FORWARD", "icmp-host-prohibited", "172.17.0.2:80"]),
        fix: Some("allow-everyone"),
        repair: Some(|host| host.sh("iptables -D FORWARD 1")),
        ..DOCKER
    },
    Scenario {
        cause: "ct-host-service-not-on-bridge",
        name: "redis-on-loopback",
        break_it: |host| {
            redis_password(host)?;
            start(host, "redis-server")?;
            run(host, "image")
        },
        seen: &[here("172.17.0.1:6379", Refused)],
        target: "172.17.0.1:6379",
        expect: refused("ct-host-service-not-on-bridge", &["redis-server", "172.17.0.1"]),
        fix: Some("listen-address"),
        ..DOCKER
    },
    Scenario {
        cause: "ct-host-firewall-blocks-container",
        name: "input-on-docker0",
        break_it: |host| {
            start(host, "nginx")?;
            run(host, "image")?;
            host.sh("iptables -A INPUT -i docker0 -p tcp --dport 80 -j REJECT --reject-with icmp-host-prohibited")?;
            host.sh(&format!("! {INSIDE} curl -s -m 3 -o /dev/null http://172.17.0.1/"))
        },
        seen: &[client("10.2.0.2:80", Open)],
        target: "172.17.0.1:80",
        ask: &["--from", "172.17.0.2"],
        expect: fails("ct-host-firewall-blocks-container", "unreachable", &["container web", "docker0"]),
        fix: Some("allow-client"),
        repair: Some(|host| {
            host.sh("iptables -F INPUT")?;
            host.sh(&format!("{INSIDE} curl -s -m 3 -o /dev/null http://172.17.0.1/"))
        }),
        ..DOCKER
    },
    Scenario {
        cause: "ct-client-localhost-inside",
        name: "redis-of-the-host",
        break_it: |host| {
            start(host, "redis-server")?;
            run(host, "image")?;
            host.sh(&format!("{INSIDE} curl -s -m 3 telnet://127.0.0.1:6379 </dev/null || test $? = 7"))
        },
        seen: &[here("127.0.0.1:6379", Open)],
        target: "127.0.0.1:6379",
        ask: &["--from", "172.17.0.2"],
        expect: refused("ct-client-localhost-inside", &["container web", "host.docker.internal:6379"]),
        ..DOCKER
    },
    Scenario {
        cause: "docker-daemon-down",
        name: "its-socket",
        break_it: |host| {
            start(host, "docker")?;
            host.sh("systemctl stop docker.socket docker.service")
        },
        seen: &[here("unix:/run/docker.sock", Refused)],
        target: "unix:/run/docker.sock",
        expect: refused("docker-daemon-down", &["docker.service", "systemctl start docker.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.sh("systemctl start docker")),
        ..DOCKER
    },
    Scenario {
        cause: "docker-daemon-down",
        name: "a-container-of-it",
        break_it: |host| {
            run(host, "--restart always -p 8080:80 image")?;
            host.wait("curl -s -o /dev/null -m 2 http://10.2.0.2:8080/")?;
            host.sh("systemctl stop docker.socket docker.service")
        },
        seen: &[client("10.2.0.2:8080", Refused)],
        expect: refused("docker-daemon-down", &["container web", "systemctl start docker.service"]),
        fix: Some("start-unit"),
        once: Some("Docker leaves its rules and bridges behind"),
        repair: Some(|host| host.sh("systemctl start docker")),
        ..DOCKER
    },
    Scenario {
        cause: "docker-daemon-down",
        name: "asked-at-2375",
        break_it: |host| start(host, "docker"),
        seen: &[here("127.0.0.1:2375", Refused)],
        target: "127.0.0.1:2375",
        expect: refused("docker-daemon-down", &["unset DOCKER_HOST", "/run/docker.sock"]),
        ..DOCKER
    },
    Scenario {
        cause: HEALTHY,
        name: "docker-proxy-serves-without-rules",
        break_it: |host| {
            published(host)?;
            host.sh("iptables -t nat -F")
        },
        seen: &[client("10.2.0.2:8080", Open)],
        ..DOCKER
    },
];

/// Runs a program in the network of the container.
const INSIDE: &str = "nsenter -n -t $(docker inspect -f '{{.State.Pid}}' web)";

/// Docker and its image, and nothing that runs.
fn prepared(host: &Host) -> Step {
    start(host, "docker")?;
    host.sh(IMAGE)
}

/// A container made so.
fn run(host: &Host, words: &str) -> Step {
    prepared(host)?;
    host.sh(&format!("docker run -d --name web {words}"))
}

/// The same container made otherwise.
fn again(host: &Host, words: &str) -> Step {
    host.sh(&format!("docker rm -f web; docker run -d --name web {words}"))
}
