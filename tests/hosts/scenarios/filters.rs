//! Filters that no manager of the host keeps: bans, rate limits, Kubernetes, the client's own output, those on the way.

use super::steps::start;
use crate::cmd::{Step, feed};
use crate::dial::Outcome::{HostUnreach, Open, Refused, Timeout};
use crate::host::Host;
use crate::lab::Lab;
use crate::scenario::{Expect, SCENARIO, Scenario, Seen, client, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "fw-other-ban",
        name: "crowdsec",
        break_it: |host| {
            let set = "set crowdsec-blacklists {\n type ipv4_addr; flags timeout;\n \
                       elements = { 192.0.2.1, 10.1.0.2 timeout 4h }\n}";
            let chain = "type filter hook input priority filter - 10; policy accept;\n \
                         ip saddr @crowdsec-blacklists counter drop";
            rules(host, &format!("table ip crowdsec {{\n{set}\nchain crowdsec-chain-input {{\n{chain}\n}}\n}}\n"))
        },
        seen: &[client("10.2.0.2:80", Timeout), client("[fd00:2::2]:80", Open)],
        ask: FROM_CLIENT,
        expect: fails("fw-other-ban", "timeout", &["crowdsec-blacklists", "10.1.0.2"]),
        ..NGINX
    },
    Scenario {
        cause: "fw-rate-limit-custom",
        name: "nft-limit-over",
        break_it: |host| {
            let rule = "tcp dport 80 ct state new limit rate over 1/minute burst 3 packets reject with tcp reset";
            input(host, rule)
        },
        seen: &[TRIED, TRIED, TRIED, client("10.2.0.2:80", Refused)],
        ask: FROM_CLIENT,
        expect: refused("fw-rate-limit-custom", &["limit"]),
        ..NGINX
    },
    Scenario {
        cause: "fw-rate-limit-custom",
        name: "iptables-hashlimit-of-another-client",
        break_it: |host| {
            start(host, "nginx")?;
            let limit = "--hashlimit-above 1/min --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name web";
            host.sh(&format!(
                "iptables -A INPUT -p tcp --syn --dport 80 -m hashlimit {limit} -j REJECT --reject-with tcp-reset"
            ))
        },
        seen: &[TRIED, TRIED, TRIED, client("10.2.0.2:80", Refused), here("10.2.0.2:80", Open)],
        ask: FROM_CLIENT,
        expect: UNTOLD,
        ..NGINX
    },
    Scenario {
        cause: "fw-xdp-or-tc-bpf",
        name: "tc-ingress-drop",
        break_it: |host| {
            start(host, "nginx")?;
            host.run(&["tc", "qdisc", "add", "dev", "eth0", "clsact"])?;
            let filter = ["tc", "filter", "add", "dev", "eth0", "ingress", "bpf", "da", "bytecode", DROP_HTTP];
            host.run(&filter)
        },
        seen: &[client("10.2.0.2:80", Timeout), client("[fd00:2::2]:80", Open), here("10.2.0.2:80", Open)],
        ask: FROM_CLIENT,
        expect: Expect { names: &["fw-xdp-or-tc-bpf", "eth0"], ..UNTOLD },
        repair: Some(|host| host.run(&["tc", "qdisc", "del", "dev", "eth0", "clsact"])),
        ..NGINX
    },
    Scenario {
        cause: "fw-dnat-dead-target",
        name: "docker-without-the-container",
        break_it: |host| {
            start(host, "nginx")?;
            host.sh("ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up")?;
            host.sh("echo 1 >/proc/sys/net/ipv4/ip_forward")?;
            host.sh("iptables -t nat -N DOCKER
                iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
                iptables -t nat -A DOCKER -i docker0 -j RETURN
                iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.3:80")
        },
        seen: &[client("10.2.0.2:80", HostUnreach), here("127.0.0.1:80", Open)],
        expect: fails("fw-dnat-dead-target", "unreachable", &["172.17.0.3"]),
        repair: Some(|host| host.sh("iptables -t nat -F DOCKER")),
        ..NGINX
    },
    Scenario {
        cause: "k8s-service-no-endpoints",
        name: "kube-proxy",
        break_it: |host| {
            start(host, "nginx")?;
            host.sh("iptables -N KUBE-EXTERNAL-SERVICES
                iptables -A INPUT -m conntrack --ctstate NEW -m comment \
                    --comment 'kubernetes externally-visible service portals' -j KUBE-EXTERNAL-SERVICES
                iptables -A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment 'shop/web:http has no endpoints' \
                    -m addrtype --dst-type LOCAL -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable")
        },
        seen: &[client("10.2.0.2:80", Refused), client("[fd00:2::2]:80", Open)],
        expect: refused("k8s-service-no-endpoints", &["shop/web:http"]),
        ..NGINX
    },
    Scenario {
        cause: "fw-conntrack-invalid",
        name: "tracked-one-way-only",
        break_it: |host| {
            let raw = "chain raw {\n type filter hook prerouting priority raw; policy accept;\n \
                       iif eth0 tcp dport 80 notrack\n}";
            let out = "chain out {\n type filter hook output priority filter; policy accept;\n \
                       ct state invalid counter drop\n}";
            rules(host, &format!("table inet lean {{\n{raw}\n{out}\n}}\n"))
        },
        seen: &[client("10.2.0.2:80", Timeout), here("127.0.0.1:80", Open)],
        expect: fails("fw-conntrack-invalid", "timeout", &["invalid"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-output-client",
        name: "iptables-output",
        network: |lab| lab.serve("client", ELSEWHERE),
        break_it: |host| host.sh("iptables -A OUTPUT -p tcp --dport 8025 -j REJECT"),
        seen: &[here(ELSEWHERE, Refused)],
        target: ELSEWHERE,
        expect: refused("fw-output-client", &["REJECT"]),
        fix: Some("allow-target"),
        ..NGINX
    },
    Scenario {
        cause: "fw-upstream",
        name: "the-router-rejects",
        network: |lab| on_the_way(lab, "tcp dport 8025 reject with icmp type admin-prohibited"),
        seen: &[here(ELSEWHERE, HostUnreach)],
        target: ELSEWHERE,
        expect: fails("fw-upstream", "unreachable", &["10.2.0.1"]),
        repair: None,
        ..NGINX
    },
    Scenario {
        cause: "fw-upstream",
        name: "the-router-refuses",
        network: |lab| on_the_way(lab, "tcp dport 8025 reject"),
        seen: &[here(ELSEWHERE, Refused)],
        target: ELSEWHERE,
        expect: refused("fw-upstream", &["10.2.0.1"]),
        repair: None,
        ..NGINX
    },
];

const FROM_CLIENT: &[&str] = &["--from", "10.1.0.2"];
/// A server on the client's end.
const ELSEWHERE: &str = "10.1.0.2:8025";
/// One of the connections that use up a limit.
const TRIED: Seen = client("10.2.0.2:80", Open);

/// What that client gets cannot be told.
const UNTOLD: Expect =
    Expect { outcome: "error", exit: 3, boxes: &[("firewall", "unknown"), ("connect", "unknown")], ..SCENARIO.expect };

/// `ldh [12]; jne #0x800; ldb [23]; jne #6; ldh [36]; jne #80; ret TC_ACT_SHOT; ret TC_ACT_UNSPEC`: IPv4, TCP, port 80.
const DROP_HTTP: &str = "8,40 0 0 12,21 0 5 2048,48 0 0 23,21 0 3 6,40 0 0 36,21 0 1 80,6 0 0 2,6 0 0 4294967295";

const NGINX: Scenario = Scenario { target: "80", repair: Some(|host| host.sh("nft flush ruleset")), ..SCENARIO };

/// Loads rules beside a running nginx.
fn rules(host: &Host, text: &str) -> Step {
    start(host, "nginx")?;
    host.write("/tmp/rules.nft", text)?;
    host.run(&["nft", "-f", "/tmp/rules.nft"])
}

/// Adds a rule to an input chain that accepts the rest.
fn input(host: &Host, rule: &str) -> Step {
    let chain = format!("type filter hook input priority filter; policy accept;\n {rule}");
    rules(host, &format!("table inet filter {{\nchain input {{\n{chain}\n}}\n}}\n"))
}

/// Has the client's end serve, and the router between filter.
fn on_the_way(lab: &Lab, rule: &str) -> Step {
    lab.serve("client", ELSEWHERE)?;
    let chain = format!("type filter hook forward priority filter; policy accept;\n {rule}\n");
    let table = format!("table ip edge {{\nchain forward {{\n{chain}}}\n}}\n");
    feed(&mut lab.command_at("router", &["nft", "-f", "-"]), &table).map(drop)
}
