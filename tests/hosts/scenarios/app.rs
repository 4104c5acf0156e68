//! The connection stands, and then the program says no: no network fault, and named so that nobody hunts the firewall.

use super::steps::{home_made_unit, listening, nginx_site, open_mariadb, open_postgres, open_redis, pg_set, start};
use crate::cmd::Step;
use crate::dial::Outcome::{Closed, Open};
use crate::host::Host;
use crate::scenario::{Expect, SCENARIO, Scenario, client, fails, here, says_no};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "app-redis-protected-mode",
        name: "without-a-password",
        break_it: |host| {
            host.append("/etc/redis/redis.conf", "bind 0.0.0.0\n")?;
            start(host, "redis-server")
        },
        seen: &[client("hold:10.2.0.2:6379", Closed), client("10.2.0.2:6379", Open), here("127.0.0.1:6379", Open)],
        target: "6379",
        expect: fails("app-redis-protected-mode", "closed", &["-DENIED", "protected-mode yes", "redis-server"]),
        fix: Some("no-protected-mode"),
        repair: Some(open_redis),
        ..SCENARIO
    },
    Scenario {
        cause: "app-pg-hba-rejects",
        name: "as-it-is-installed",
        break_it: |host| {
            pg_set(host, "listen_addresses", "*")?;
            start(host, "postgresql")
        },
        seen: &[client("10.2.0.2:5432", Open)],
        target: "5432",
        expect: Expect {
            culprit: Some("app-pg-hba-rejects"),
            outcome: "open",
            exit: 0,
            boxes: &[("firewall", "yes")],
            names: &["-main.service", "pg_hba.conf", "127.0.0.1/32"],
        },
        fix: Some("let-in-by-hba"),
        repair: Some(open_postgres),
        ..SCENARIO
    },
    Scenario {
        cause: "app-mysql-host-not-allowed",
        name: "no-account-for-others",
        break_it: |host| {
            host.write("/etc/mysql/mariadb.conf.d/99-local.cnf", "[mysqld]\nbind-address = 0.0.0.0\n")?;
            start(host, "mariadb")
        },
        seen: &[client("hold:10.2.0.2:3306", Closed), client("10.2.0.2:3306", Open)],
        target: "3306",
        ask: &["--from", "here"],
        expect: fails("app-mysql-host-not-allowed", "closed", &["is not allowed to connect to this MariaDB server"]),
        repair: Some(open_mariadb),
        ..SCENARIO
    },
    Scenario {
        cause: "app-sshd-maxstartups",
        name: "two-that-never-log-in",
        break_it: |host| {
            host.write("/etc/ssh/sshd_config.d/50-few.conf", "MaxStartups 2:100:2\nLoginGraceTime 600\n")?;
            start(host, "ssh")?;
            let hold = "exec 3<>/dev/tcp/127.0.0.1/22 4<>/dev/tcp/127.0.0.1/22; sleep 36000";
            host.run(&["systemd-run", "--quiet", "--unit=scanner", "bash", "-c", hold])?;
            host.wait("test $(ss -Htn state established '( sport = :22 )' | wc -l) = 2")
        },
        seen: &[client("hold:10.2.0.2:22", Closed), client("10.2.0.2:22", Open)],
        target: "22",
        expect: fails("app-sshd-maxstartups", "closed", &["MaxStartups 2:100:2", "50-few.conf"]),
        fix: Some("more-startups"),
        once: Some("a reload makes sshd count anew"),
        repair: Some(|host| host.sh("systemctl stop scanner; systemctl restart ssh")),
        ..SCENARIO
    },
    Scenario {
        cause: "app-proxy-upstream-down",
        name: "nginx-before-a-stopped-service",
        break_it: |host| {
            nginx_site(
                host,
                "upstream shop { server 127.0.0.1:8000; }\nserver { listen 80; location / { proxy_pass http://shop; } }\n",
            )?;
            start(host, "nginx")?;
            stopped_shop(host, "8000")
        },
        seen: &[client("http:10.2.0.2:80", Closed), client("10.2.0.2:80", Open)],
        target: "http://10.2.0.2/",
        expect: says_no("app-proxy-upstream-down", &["127.0.0.1:8000", "502", "shop.service", "server 127.0.0.1:8000"]),
        fix: Some("start-unit"),
        repair: Some(|host| {
            host.run(&["systemctl", "start", "shop"])?;
            listening(host, "8000")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "lb-backend-down",
        name: "haproxy-in-tcp-mode",
        break_it: |host| {
            let listen = "listen db\n    mode tcp\n    bind :5433\n    timeout connect 1s\n    timeout client 1m\n    \
                          timeout server 1m\n    server one 127.0.0.1:9000 check inter 300\n";
            host.append("/etc/haproxy/haproxy.cfg", listen)?;
            stopped_shop(host, "9000")?;
            start(host, "haproxy")?;
            host.wait("journalctl -b -u haproxy | grep -q 'is DOWN'")
        },
        seen: &[client("hold:10.2.0.2:5433", Closed), client("10.2.0.2:5433", Open)],
        target: "5433",
        expect: fails("lb-backend-down", "closed", &["127.0.0.1:9000", "haproxy.cfg", "shop.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| {
            host.run(&["systemctl", "start", "shop"])?;
            listening(host, "9000")
        }),
        ..SCENARIO
    },
];

/// A service behind a proxy, installed and not running.
fn stopped_shop(host: &Host, port: &str) -> Step {
    let serves = format!("ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 {port}\n");
    home_made_unit(host, "shop", &serves)?;
    host.run(&["systemctl", "start", "shop"])?;
    listening(host, port)?;
    host.run(&["systemctl", "stop", "shop"])
}
