//! The daemon is well and the host's own packet filter keeps the client out.

use super::steps::start;
use crate::cmd::Step;
use crate::dial::Outcome::{HostUnreach, Open, Refused, Timeout};
use crate::host::Host;
use crate::scenario::{SCENARIO, Scenario, client, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "fw-input-reject",
        name: "nftables-service",
        break_it: |host| {
            start(host, "nginx")?;
            let chain =
                "chain input {\n type filter hook input priority filter; policy accept;\n tcp dport 80 reject\n }";
            host.write("/etc/nftables.conf", &format!("flush ruleset\ntable inet filter {{\n{chain}\n}}\n"))?;
            start(host, "nftables")
        },
        seen: &[client("10.2.0.2:80", Refused), client("[fd00:2::2]:80", Refused)],
        target: "80",
        expect: refused("fw-input-reject", &["reject"]),
        fix: Some("allow-everyone-permanent"),
        repair: Some(|host| host.run(&["systemctl", "stop", "nftables"])),
        ..SCENARIO
    },
    Scenario {
        cause: "fw-input-reject",
        name: "iptables-tcp-reset",
        break_it: |host| iptables(host, "-A INPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset"),
        seen: &[client("10.2.0.2:80", Refused), client("[fd00:2::2]:80", Open)],
        expect: refused("fw-input-reject", &["REJECT"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-input-drop",
        name: "iptables-rule",
        break_it: |host| iptables(host, "-A INPUT -i eth0 -p tcp --dport 80 -j DROP"),
        seen: &[client("10.2.0.2:80", Timeout), here("127.0.0.1:80", Open)],
        expect: fails("fw-input-drop", "timeout", &["DROP"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-input-drop",
        name: "nft-policy",
        break_it: |host| {
            let rules = "ct state established,related accept\n iif lo accept\n tcp dport 22 accept";
            base_chain(host, "inet filter", "input priority filter; policy drop", rules)
        },
        seen: &[client("10.2.0.2:80", Timeout), here("127.0.0.1:80", Open)],
        expect: fails("fw-input-drop", "timeout", &["drop"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-input-drop",
        name: "nft-policy-and-one-client",
        break_it: |host| {
            base_chain(host, "inet filter", "input priority filter; policy drop", "ct state established accept")
        },
        seen: &[client("10.2.0.2:80", Timeout)],
        ask: FROM_CLIENT,
        expect: fails("fw-input-drop", "timeout", &["10.1.0.2"]),
        fix: Some("allow-client"),
        ..NGINX
    },
    Scenario {
        cause: "fw-input-drop",
        name: "rules-that-are-saved",
        break_it: |host| {
            start(host, "nginx")?;
            let rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
                         -A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n";
            host.run(&["mkdir", "-p", "/etc/iptables"])?;
            host.write("/etc/iptables/rules.v4", rules)?;
            host.run(&["iptables-restore", "/etc/iptables/rules.v4"])
        },
        seen: &[client("10.2.0.2:80", Timeout), here("127.0.0.1:80", Open)],
        ask: FROM_CLIENT,
        expect: fails("fw-input-drop", "timeout", &["rules.v4"]),
        fix: Some("allow-network-permanent"),
        ..NGINX
    },
    Scenario {
        cause: "fw-rule-order",
        name: "accept-after-the-catch-all",
        break_it: |host| {
            iptables(host, "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")?;
            iptables(host, "-A INPUT -i lo -j ACCEPT")?;
            iptables(host, "-A INPUT -j REJECT --reject-with icmp-host-prohibited")?;
            iptables(host, "-A INPUT -p tcp --dport 80 -j ACCEPT")
        },
        seen: &[client("10.2.0.2:80", HostUnreach)],
        expect: fails("fw-rule-order", "unreachable", &["icmp-host-prohibited"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-nft-separate-table",
        name: "accepted-here-dropped-there",
        break_it: |host| {
            base_chain(
                host,
                "inet filter",
                "input priority filter; policy drop",
                "iif lo accept\n tcp dport 80 accept",
            )?;
            base_chain(
                host,
                "inet hardening",
                "input priority filter + 10; policy accept",
                "iif eth0 tcp dport 80 drop",
            )
        },
        seen: &[client("10.2.0.2:80", Timeout), here("127.0.0.1:80", Open)],
        expect: fails("fw-nft-separate-table", "timeout", &["hardening"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-netdev-ingress",
        name: "drop-at-the-interface",
        break_it: |host| {
            let hook = "ingress device eth0 priority 0; policy accept";
            base_chain(host, "netdev early", hook, "tcp dport 80 drop")
        },
        seen: &[client("10.2.0.2:80", Timeout), here("10.2.0.2:80", Open)],
        expect: fails("fw-netdev-ingress", "timeout", &["early"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-prerouting-raw",
        name: "reject-before-routing",
        break_it: |host| {
            base_chain(
                host,
                "inet early",
                "prerouting priority raw; policy accept",
                "tcp dport 80 reject with tcp reset",
            )
        },
        seen: &[client("10.2.0.2:80", Refused)],
        expect: refused("fw-prerouting-raw", &["early"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-loopback-not-accepted",
        name: "policy-drop-without-lo",
        break_it: |host| {
            base_chain(host, "inet filter", "input priority filter; policy drop", "iif eth0 tcp dport 80 accept")
        },
        seen: &[here("127.0.0.1:80", Timeout), client("10.2.0.2:80", Open)],
        target: "127.0.0.1:80",
        expect: fails("fw-loopback-not-accepted", "timeout", &["lo"]),
        fix: Some("allow-loopback"),
        ..NGINX
    },
    Scenario {
        cause: "fw-synack-blocked",
        name: "output-reject",
        break_it: |host| iptables(host, "-A OUTPUT -o eth0 -p tcp --sport 80 -j REJECT"),
        seen: &[client("10.2.0.2:80", Timeout)],
        expect: fails("fw-synack-blocked", "timeout", &["REJECT"]),
        fix: Some("allow-answers"),
        ..NGINX
    },
    Scenario {
        cause: "fw-ipv6-only-filtered",
        name: "ip6tables-reject",
        break_it: |host| {
            start(host, "nginx")?;
            host.sh("ip6tables -A INPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset")
        },
        seen: &[client("[fd00:2::2]:80", Refused), client("10.2.0.2:80", Open)],
        target: "[fd00:2::2]:80",
        expect: refused("fw-ipv6-only-filtered", &["REJECT"]),
        fix: Some("allow-everyone"),
        ..NGINX
    },
    Scenario {
        cause: "fw-legacy-and-nft-mixed",
        name: "reject-among-the-legacy-rules",
        break_it: |host| {
            start(host, "nginx")?;
            host.sh("iptables-legacy -A INPUT -p tcp --dport 80 -j REJECT")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        expect: refused("fw-legacy-and-nft-mixed", &["legacy"]),
        fix: Some("allow-everyone"),
        repair: Some(|host| host.sh("iptables-legacy -F INPUT")),
        ..NGINX
    },
    Scenario {
        cause: "fw-dnat-dead-target",
        name: "redirect-to-a-closed-port",
        break_it: |host| {
            let hook = "prerouting priority dstnat; policy accept";
            base_chain(host, "inet shop", &format!("nat:{hook}"), "tcp dport 80 redirect to :9998")
        },
        seen: &[client("10.2.0.2:80", Refused), here("127.0.0.1:80", Open)],
        expect: refused("fw-dnat-dead-target", &["9998"]),
        ..NGINX
    },
];

const FROM_CLIENT: &[&str] = &["--from", "10.1.0.2"];

const NGINX: Scenario = Scenario { target: "80", repair: Some(|host| host.sh("nft flush ruleset")), ..SCENARIO };

/// Adds a rule as guides on the web do, beside a running nginx.
fn iptables(host: &Host, rule: &str) -> Step {
    start(host, "nginx")?;
    host.sh(&format!("iptables {rule}"))
}

/// Adds a base chain to a table, beside a running nginx. A hook is of type filter unless it starts with its type.
fn base_chain(host: &Host, table: &str, hook: &str, rules: &str) -> Step {
    start(host, "nginx")?;
    let (kind, hook) = hook.split_once(':').unwrap_or(("filter", hook));
    let chain = format!("table {table} {{\nchain entry {{\n type {kind} hook {hook};\n {rules}\n}}\n}}\n");
    host.write("/tmp/chain.nft", &chain)?;
    host.run(&["nft", "-f", "/tmp/chain.nft"])
}
