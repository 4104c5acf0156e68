//! Hosts with nothing wrong: the program must say so, and not make up a cause.

use super::steps::{open_mariadb, open_postgres, open_redis, start};
use crate::dial::Outcome::{Open, Refused};
use crate::scenario::{HEALTHY, SCENARIO, Scenario, client, here};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nginx",
        break_it: |host| start(host, "nginx"),
        seen: &[client("10.2.0.2:80", Open), client("[fd00:2::2]:80", Open), here("localhost:80", Open)],
        target: "80",
        ..WELL
    },
    Scenario {
        name: "nginx-by-unit",
        break_it: |host| start(host, "nginx"),
        seen: &[client("10.2.0.2:80", Open)],
        target: "nginx",
        ..WELL
    },
    Scenario {
        name: "sshd",
        break_it: |host| start(host, "ssh"),
        seen: &[client("10.2.0.2:22", Open)],
        target: "22",
        ..WELL
    },
    Scenario {
        name: "sshd-by-socket-unit",
        break_it: |host| start(host, "ssh.socket"),
        seen: &[client("10.2.0.2:22", Open)],
        target: "22",
        ..WELL
    },
    Scenario {
        name: "mariadb-opened",
        break_it: open_mariadb,
        seen: &[client("10.2.0.2:3306", Open)],
        target: "3306",
        ..WELL
    },
    Scenario {
        name: "postgresql-opened",
        break_it: open_postgres,
        seen: &[client("10.2.0.2:5432", Open)],
        target: "5432",
        ..WELL
    },
    Scenario {
        name: "redis-opened",
        break_it: open_redis,
        seen: &[client("10.2.0.2:6379", Open)],
        target: "6379",
        ..WELL
    },
    Scenario {
        name: "loopback-asked-on-loopback",
        break_it: |host| start(host, "redis-server"),
        seen: &[here("127.0.0.1:6379", Open), client("10.2.0.2:6379", Refused)],
        target: "127.0.0.1:6379",
        ..WELL
    },
    Scenario {
        name: "unix-socket",
        break_it: |host| start(host, "mariadb"),
        seen: &[here("unix:/run/mysqld/mysqld.sock", Open)],
        target: "unix:/run/mysqld/mysqld.sock",
        ..WELL
    },
    Scenario {
        name: "asked-by-nobody",
        break_it: |host| start(host, "nginx"),
        seen: &[client("10.2.0.2:80", Open)],
        target: "80",
        asked_by: "nobody",
        ..WELL
    },
];

const WELL: Scenario = Scenario { cause: HEALTHY, ..SCENARIO };
