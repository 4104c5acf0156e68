//! The network leads nowhere, or not back: routes, rules, neighbours, interfaces, ports of one's own.

use super::steps::start;
use crate::cmd::Step;
use crate::dial::Outcome::{Denied, HostUnreach, NetUnreach, Open, Other, Refused, Timeout};
use crate::host::Host;
use crate::lab::Lab;
use crate::scenario::{Expect, HEALTHY, SCENARIO, Scenario, client, fails, here};

/// A server on the other side of the router.
const FAR: &str = "10.1.0.2:8025";
const FAR6: &str = "[fd00:1::2]:8025";
/// Behind the client, which is a router then.
const BEYOND: &str = "10.7.0.2:8025";
const BEYOND_NET: &str = "10.7.0.0/24";
const FROM_CLIENT: &[&str] = &["--from", "10.1.0.2"];

/// The host is the client of a server elsewhere, which works.
const CLIENT: Scenario = Scenario { network: |lab| serve(lab), target: FAR, ..SCENARIO };
/// The host serves nginx, and the client of another network is asked about.
const SERVER: Scenario = Scenario { target: "80", ask: FROM_CLIENT, ..SCENARIO };

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: HEALTHY,
        name: "a-server-behind-a-router",
        seen: &[here(FAR, Open)],
        expect: Expect { culprit: None, outcome: "open", exit: 0, boxes: &[("network", "yes")], names: &[] },
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-unreachable",
        name: "route",
        break_it: |host| ip(host, "route add unreachable 10.1.0.0/24"),
        seen: &[here(FAR, HostUnreach)],
        expect: fails("cli-route-unreachable", "unreachable", &["unreachable 10.1.0.0/24", "EHOSTUNREACH"]),
        repair: Some(|host| ip(host, "route del unreachable 10.1.0.0/24")),
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-unreachable",
        name: "rule",
        break_it: |host| ip(host, "rule add to 10.1.0.0/16 unreachable priority 70"),
        seen: &[here(FAR, NetUnreach)],
        expect: fails("cli-route-unreachable", "unreachable", &["priority 70", "ENETUNREACH"]),
        repair: Some(|host| ip(host, "rule del priority 70")),
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-unreachable",
        name: "route-of-ipv6-asked-by-nobody",
        network: |lab| lab.serve("client", FAR6),
        break_it: |host| ip(host, "-6 route add unreachable fd00:1::/64"),
        seen: &[here(FAR6, HostUnreach)],
        target: FAR6,
        asked_by: "nobody",
        expect: fails("cli-route-unreachable", "unreachable", &["unreachable fd00:1::/64"]),
        repair: Some(|host| ip(host, "-6 route del unreachable fd00:1::/64")),
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-prohibit",
        name: "route-in-a-table-of-its-own",
        break_it: |host| {
            ip(host, "route add prohibit 10.1.0.2 table 77")?;
            ip(host, "rule add to 10.1.0.2 lookup 77 priority 71")
        },
        seen: &[here(FAR, Denied)],
        expect: fails("cli-route-prohibit", "denied", &["prohibit 10.1.0.2/32 table 77"]),
        repair: Some(|host| ip(host, "rule del priority 71")),
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-prohibit",
        name: "rule-for-one-user",
        break_it: |host| ip(host, "rule add uidrange 0-0 to 10.1.0.0/24 prohibit priority 72"),
        seen: &[here(FAR, Denied)],
        expect: fails("cli-route-prohibit", "denied", &["uidrange 0-0"]),
        repair: Some(|host| ip(host, "rule del priority 72")),
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-blackhole",
        name: "route",
        break_it: |host| ip(host, "route add blackhole 10.1.0.2"),
        seen: &[here(FAR, Other)],
        expect: fails("cli-route-blackhole", "unreachable", &["blackhole 10.1.0.2/32", "EINVAL"]),
        repair: Some(|host| ip(host, "route del blackhole 10.1.0.2")),
        ..CLIENT
    },
    Scenario {
        cause: "cli-route-blackhole",
        name: "rule",
        break_it: |host| ip(host, "rule add to 10.1.0.2 blackhole priority 73"),
        seen: &[here(FAR, Other)],
        expect: fails("cli-route-blackhole", "unreachable", &["priority 73", "EINVAL"]),
        repair: Some(|host| ip(host, "rule del priority 73")),
        ..CLIENT
    },
    Scenario {
        cause: "path-no-route",
        name: "default-route-gone",
        break_it: |host| ip(host, "route del default"),
        seen: &[here(FAR, NetUnreach)],
        expect: fails("path-no-route", "unreachable", &["no default route"]),
        repair: Some(|host| ip(host, "route add default via 10.2.0.1")),
        ..CLIENT
    },
    Scenario {
        cause: "path-no-route",
        name: "throw",
        break_it: |host| ip(host, "route add throw 10.1.0.0/24"),
        seen: &[here(FAR, NetUnreach)],
        expect: fails("path-no-route", "unreachable", &["throw 10.1.0.0/24"]),
        repair: Some(|host| ip(host, "route del throw 10.1.0.0/24")),
        ..CLIENT
    },
    Scenario {
        cause: "path-no-route",
        name: "the-router-has-none",
        network: |lab| lab.run_at("router", &["ip", "route", "del", "10.1.0.0/24"]),
        seen: &[here(FAR, NetUnreach)],
        expect: fails("path-no-route", "unreachable", &["10.2.0.1", "no-route"]),
        ..CLIENT
    },
    Scenario {
        cause: "path-host-down",
        name: "nobody-has-the-address",
        target: "10.2.0.99:80",
        seen: &[here("10.2.0.99:80", HostUnreach)],
        expect: fails("path-host-down", "unreachable", &["10.2.0.99", "eth0", "FAILED"]),
        ..CLIENT
    },
    Scenario {
        cause: "path-host-down",
        name: "the-gateway-is-down",
        break_it: |host| {
            ip(host, "route del default")?;
            ip(host, "route add default via 10.2.0.77")
        },
        seen: &[here(FAR, HostUnreach)],
        expect: fails("path-host-down", "unreachable", &["the gateway 10.2.0.77", "eth0"]),
        repair: Some(|host| {
            ip(host, "route del default")?;
            ip(host, "route add default via 10.2.0.1")
        }),
        ..CLIENT
    },
    Scenario {
        cause: "path-host-down",
        name: "behind-the-router",
        target: "10.1.0.99:80",
        seen: &[here("10.1.0.99:80", HostUnreach)],
        expect: fails("path-host-down", "unreachable", &["10.1.0.99", "10.2.0.1"]),
        ..CLIENT
    },
    Scenario {
        cause: "path-middlebox-reset",
        name: "the-first-of-two-routers",
        network: |lab| {
            // What the router forwards it resets, and behind it is another router: the target is farther than the reset.
            lab.run_at("router", &["nft", "add table inet t"])?;
            lab.run_at("router", &["nft", "add chain inet t f { type filter hook forward priority 0; }"])?;
            lab.run_at("router", &["nft", "add rule inet t f tcp dport 8025 reject with tcp reset"])?;
            lab.run_at("client", &["sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
            lab.run_at("router", &["ip", "route", "add", BEYOND_NET, "via", "10.1.0.2"])
        },
        seen: &[here(BEYOND, Refused)],
        target: BEYOND,
        expect: fails("path-middlebox-reset", "refused", &["10.2.0.1", "10.1.0.2"]),
        ..CLIENT
    },
    Scenario {
        cause: "path-port-forward-missing",
        name: "public-address-of-the-router",
        network: |lab| lab.run_at("router", &["ip", "address", "add", "8.9.10.11/32", "dev", "lo"]),
        seen: &[here("8.9.10.11:80", Refused)],
        target: "8.9.10.11:80",
        expect: fails("path-port-forward-missing", "refused", &["10.2.0.1", "8.9.10.11"]),
        ..CLIENT
    },
    Scenario {
        cause: "path-return-route",
        name: "no-default-route",
        break_it: |host| {
            start(host, "nginx")?;
            ip(host, "route del default")
        },
        seen: &[client("10.2.0.2:80", Timeout), here("127.0.0.1:80", Open)],
        expect: fails("path-return-route", "timeout", &["10.1.0.2"]),
        repair: Some(|host| ip(host, "route add default via 10.2.0.1")),
        ..SERVER
    },
    Scenario {
        cause: "path-return-route",
        name: "a-rule-forbids-the-answers",
        break_it: |host| {
            start(host, "nginx")?;
            ip(host, "rule add to 10.1.0.0/24 prohibit priority 74")
        },
        seen: &[client("10.2.0.2:80", Timeout)],
        expect: fails("path-return-route", "timeout", &["priority 74"]),
        repair: Some(|host| ip(host, "rule del priority 74")),
        ..SERVER
    },
    Scenario {
        cause: "path-rp-filter",
        name: "answers-would-leave-by-another-interface",
        network: Lab::wire_beside,
        break_it: |host| {
            start(host, "nginx")?;
            ip(host, "route add 10.1.0.0/24 via 10.8.0.1")?;
            host.run(&["sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1", "net.ipv4.conf.all.rp_filter=0"])
        },
        seen: &[client("10.2.0.2:80", Timeout)],
        expect: fails("path-rp-filter", "timeout", &["eth0", "eth1"]),
        fix: Some("rp-filter-loose"),
        repair: Some(|host| ip(host, "route del 10.1.0.0/24")),
        ..SERVER
    },
    Scenario {
        cause: "cli-lo-down",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            ip(host, "link set lo down")
        },
        seen: &[here("127.0.0.1:80", Timeout), client("10.2.0.2:80", Open)],
        target: "127.0.0.1:80",
        expect: fails("cli-lo-down", "timeout", &["lo"]),
        repair: Some(|host| ip(host, "link set lo up")),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-ephemeral-exhausted",
        name: "two-ports-for-a-pool",
        break_it: |host| {
            host.run(&["sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40001"])?;
            let pool = "import socket, time\n\
                        all = [socket.create_connection(('10.1.0.2', 8025)) for _ in range(2)]\n\
                        time.sleep(600)\n";
            host.write("/opt/pool.py", pool)?;
            host.run(&["systemd-run", "--quiet", "--unit=pool", "python3", "/opt/pool.py"])?;
            host.wait("ss -Htn state established dst 10.1.0.2 | grep -c . | grep -qx 2")
        },
        seen: &[here(FAR, Other)],
        expect: fails("cli-ephemeral-exhausted", "unreachable", &["40000", "40001"]),
        fix: Some("widen-port-range"),
        repair: Some(|host| host.run(&["sysctl", "-qw", "net.ipv4.ip_local_port_range=32768 60999"])),
        ..CLIENT
    },
];

fn serve(lab: &Lab) -> Step {
    lab.serve("client", FAR)
}

fn ip(host: &Host, words: &str) -> Step {
    let words: Vec<&str> = ["ip"].into_iter().chain(words.split(' ')).collect();
    host.run(&words)
}
