//! The connection stands, and then the program says no: no network fault, and named so that nobody hunts the firewall.

use super::steps::{open_mariadb, open_redis, start};
use crate::dial::Outcome::{Closed, Open};
use crate::scenario::{SCENARIO, Scenario, client, fails, here};

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
        cause: "app-mysql-host-not-allowed",
        name: "no-account-for-others",
        break_it: |host| {
            host.write("/etc/mysql/mariadb.conf.d/99-local.cnf", "[mysqld]\nbind-address = 0.0.0.0\n")?;
            start(host, "mariadb")
        },
        seen: &[client("hold:10.2.0.2:3306", Closed), client("10.2.0.2:3306", Open)],
        target: "3306",
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
];
