//! The daemon is well and ufw, firewalld or fail2ban keep the client out, as they were told to.

use super::steps::start;
use crate::cmd::Step;
use crate::dial::Outcome::{Denied, HostUnreach, Open, Refused, Timeout};
use crate::host::Host;
use crate::scenario::{HEALTHY, SCENARIO, Scenario, Seen, client, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "fw-ufw-deny",
        name: "nothing-allowed-but-ssh",
        break_it: |host| ufw(host, &["allow 22/tcp"]),
        seen: &[client("10.2.0.2:80", Timeout), client("[fd00:2::2]:80", Timeout), here("127.0.0.1:80", Open)],
        expect: fails("fw-ufw-deny", "timeout", &["ufw", "deny"]),
        repair: Some(|host| host.run(&["ufw", "allow", "80/tcp"])),
        fix: Some("ufw-allow"),
        ..NGINX
    },
    Scenario {
        cause: "fw-ufw-deny",
        name: "a-rule-denies",
        break_it: |host| ufw(host, &["default allow incoming", "deny 80/tcp", "allow 443/tcp"]),
        seen: &[client("10.2.0.2:80", Timeout), client("10.2.0.2:9999", Refused)],
        expect: fails("fw-ufw-deny", "timeout", &["ufw", "80/tcp", "/etc/ufw/user.rules"]),
        repair: Some(|host| host.run(&["ufw", "delete", "deny", "80/tcp"])),
        fix: Some("ufw-delete-rule"),
        ..NGINX
    },
    Scenario {
        cause: "fw-ufw-deny",
        name: "the-last-rule-denies",
        break_it: |host| ufw(host, &["default allow incoming", "allow 443/tcp", "deny 80/tcp"]),
        seen: &[client("10.2.0.2:80", Timeout), client("10.2.0.2:9999", Refused)],
        expect: fails("fw-ufw-deny", "timeout", &["ufw", "80/tcp", "/etc/ufw/user.rules"]),
        repair: Some(|host| host.run(&["ufw", "delete", "deny", "80/tcp"])),
        fix: Some("ufw-delete-rule"),
        ..NGINX
    },
    Scenario {
        cause: "fw-ufw-reject",
        name: "a-rule-rejects",
        break_it: |host| ufw(host, &["allow 22/tcp", "reject 80/tcp"]),
        seen: &[client("10.2.0.2:80", Refused), client("[fd00:2::2]:80", Refused)],
        expect: refused("fw-ufw-reject", &["ufw", "80/tcp", "/etc/ufw/user.rules"]),
        repair: Some(|host| host.sh("ufw delete reject 80/tcp; ufw allow 80/tcp")),
        fix: Some("ufw-allow"),
        ..NGINX
    },
    Scenario {
        cause: "fw-ufw-reject",
        name: "by-default",
        break_it: |host| ufw(host, &["allow 22/tcp", "default reject incoming"]),
        seen: &[client("10.2.0.2:80", Refused)],
        expect: refused("fw-ufw-reject", &["ufw", "reject"]),
        repair: Some(|host| host.run(&["ufw", "allow", "80/tcp"])),
        ask: FROM_CLIENT,
        fix: Some("ufw-allow-client"),
        ..NGINX
    },
    Scenario {
        cause: "fw-ufw-limit",
        name: "the-sixth-in-half-a-minute",
        break_it: |host| ufw(host, &["allow 22/tcp", "limit 80/tcp"]),
        seen: &[TRIED, TRIED, TRIED, TRIED, TRIED, client("10.2.0.2:80", Refused)],
        ask: FROM_CLIENT,
        expect: refused("fw-ufw-limit", &["ufw", "80/tcp", "10.1.0.2"]),
        repair: Some(|host| host.sh("ufw delete limit 80/tcp; ufw allow 80/tcp")),
        fix: Some("ufw-allow-client"),
        ..NGINX
    },
    Scenario {
        cause: "fw-firewalld-zone-default",
        name: "http-is-not-in-the-zone",
        break_it: |host| firewalld(host, &[]),
        seen: &[client("10.2.0.2:80", HostUnreach), client("[fd00:2::2]:80", Denied), here("10.2.0.2:80", Open)],
        expect: fails("fw-firewalld-zone-default", "unreachable", &["public"]),
        repair: Some(|host| host.run(&["firewall-cmd", "--quiet", "--add-service=http"])),
        fix: Some("firewalld-allow-for-an-hour"),
        ..NGINX
    },
    Scenario {
        cause: "fw-firewalld-zone-default",
        name: "http-is-to-stay-in-the-zone",
        break_it: |host| firewalld(host, &[]),
        seen: &[client("10.2.0.2:80", HostUnreach), client("[fd00:2::2]:80", Denied), here("10.2.0.2:80", Open)],
        expect: fails("fw-firewalld-zone-default", "unreachable", &["public"]),
        repair: Some(|host| host.run(&["firewall-cmd", "--quiet", "--add-service=http"])),
        fix: Some("firewalld-allow-permanently"),
        ..NGINX
    },
    Scenario {
        cause: "fw-firewalld-zone-default",
        name: "ipv6-in-a-zone-of-its-own",
        break_it: |host| firewalld(host, &["--add-service=http", "--zone=block --add-source=fd00:1::/64"]),
        seen: &[client("[fd00:2::2]:80", Denied), client("10.2.0.2:80", Open)],
        target: "[fd00:2::2]:80",
        ask: &["--from", "fd00:1::2"],
        expect: fails("fw-firewalld-zone-default", "denied", &["block"]),
        repair: Some(|host| host.run(&["firewall-cmd", "--quiet", "--zone=block", "--remove-source=fd00:1::/64"])),
        fix: Some("firewalld-allow-client"),
        ..NGINX
    },
    Scenario {
        cause: "fw-firewalld-rich-rule-reject",
        name: "beside-the-service",
        break_it: |host| {
            firewalld(host, &["--add-service=http"])?;
            host.run(&["firewall-cmd", "--quiet", &format!("--add-rich-rule={RICH_RULE}")])
        },
        seen: &[client("10.2.0.2:80", Refused), client("[fd00:2::2]:80", Open)],
        expect: refused("fw-firewalld-rich-rule-reject", &["public", "reject"]),
        repair: Some(|host| host.run(&["firewall-cmd", "--quiet", &format!("--remove-rich-rule={RICH_RULE}")])),
        fix: Some("firewalld-allow"),
        ..NGINX
    },
    Scenario {
        cause: "fw-firewalld-permanent-not-loaded",
        name: "without-reload",
        break_it: |host| firewalld(host, &["--permanent --add-service=http"]),
        seen: &[client("10.2.0.2:80", HostUnreach)],
        expect: fails("fw-firewalld-permanent-not-loaded", "unreachable", &["public", "80/tcp"]),
        repair: Some(|host| host.run(&["firewall-cmd", "--quiet", "--reload"])),
        fix: Some("firewalld-allow"),
        ..NGINX
    },
    Scenario {
        cause: "fw-fail2ban-ban",
        name: "iptables-multiport",
        break_it: |host| banned(host, "iptables-multiport", "10.1.0.2"),
        seen: &[client("10.2.0.2:22", Refused), client("[fd00:2::2]:22", Open), here("10.2.0.2:22", Open)],
        ..BANNED
    },
    Scenario {
        cause: "fw-fail2ban-ban",
        name: "nftables-multiport",
        break_it: |host| banned(host, "nftables-multiport", "10.1.0.2"),
        seen: &[client("10.2.0.2:22", Refused), here("10.2.0.2:22", Open)],
        ..BANNED
    },
    Scenario {
        name: "ufw-allows",
        break_it: |host| ufw(host, &["allow 22/tcp", "allow 80/tcp"]),
        seen: &[client("10.2.0.2:80", Open), client("10.2.0.2:81", Timeout)],
        ..WELL
    },
    Scenario {
        name: "ufw-limits-and-this-client-came-rarely",
        break_it: |host| ufw(host, &["limit 80/tcp"]),
        seen: &[TRIED, TRIED],
        ask: FROM_CLIENT,
        ..WELL
    },
    Scenario {
        name: "firewalld-lets-http-in",
        break_it: |host| firewalld(host, &["--add-service=http"]),
        seen: &[client("10.2.0.2:80", Open), client("10.2.0.2:81", HostUnreach)],
        ..WELL
    },
    Scenario {
        name: "firewalld-asked-by-nobody",
        break_it: |host| firewalld(host, &["--add-port=80/tcp"]),
        seen: &[client("10.2.0.2:80", Open)],
        target: "127.0.0.1:80",
        asked_by: "nobody",
        ..WELL
    },
    Scenario {
        name: "fail2ban-banned-somebody-else",
        break_it: |host| banned(host, "nftables-multiport", "10.9.9.9"),
        seen: &[client("10.2.0.2:22", Open)],
        target: "22",
        ..WELL
    },
];

const RICH_RULE: &str = r#"rule family="ipv4" port port="80" protocol="tcp" reject"#;
const FROM_CLIENT: &[&str] = &["--from", "10.1.0.2"];
/// One of the connections that use up a limit.
const TRIED: Seen = client("10.2.0.2:80", Open);

const NGINX: Scenario = Scenario { target: "80", ..SCENARIO };
const WELL: Scenario = Scenario { cause: HEALTHY, ..NGINX };
const BANNED: Scenario = Scenario {
    target: "22",
    ask: FROM_CLIENT,
    expect: refused("fw-fail2ban-ban", &["sshd", "10.1.0.2"]),
    fix: Some("unban"),
    repair: Some(|host| host.run(&["fail2ban-client", "set", "sshd", "unbanip", "10.1.0.2"])),
    ..SCENARIO
};

/// Gives ufw these orders and switches it on, beside a running nginx.
fn ufw(host: &Host, orders: &[&str]) -> Step {
    start(host, "nginx")?;
    orders.iter().try_for_each(|order| host.sh(&format!("ufw {order}")))?;
    host.run(&["ufw", "--force", "enable"])
}

/// Starts firewalld and gives it these orders, beside a running nginx.
fn firewalld(host: &Host, orders: &[&str]) -> Step {
    start(host, "nginx")?;
    start(host, "firewalld")?;
    // It is on the bus before its rules are loaded; this waits for them.
    host.run(&["firewall-cmd", "--quiet", "--state"])?;
    orders.iter().try_for_each(|order| host.sh(&format!("firewall-cmd --quiet {order}")))
}

/// Has fail2ban's jail for sshd ban an address, in the way `action` does it.
fn banned(host: &Host, action: &str, address: &str) -> Step {
    start(host, "ssh")?;
    let jails = format!("[DEFAULT]\nbackend = systemd\nbanaction = {action}\nbantime = 1h\n");
    host.write("/etc/fail2ban/jail.local", &jails)?;
    start(host, "fail2ban")?;
    host.wait("fail2ban-client ping")?;
    host.run(&["fail2ban-client", "set", "sshd", "banip", address])?;
    host.wait(&format!("nft list ruleset | grep -qF {address}"))
}
