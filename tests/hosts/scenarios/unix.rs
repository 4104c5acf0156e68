//! Unix sockets: a file that nobody listens behind, no file, or one that may not be written to.

use super::steps::{drop_in, open_mariadb, start};
use crate::dial::Outcome::{Open, Refused, Unresolved};
use crate::scenario::{SCENARIO, Scenario, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "unix-socket-stale",
        name: "home-made",
        break_it: |host| {
            host.sh("mkdir -p /run/shop")?;
            host.run(&["python3", "-c", "import socket; socket.socket(socket.AF_UNIX).bind('/run/shop/shop.sock')"])
        },
        seen: &[here("unix:/run/shop/shop.sock", Refused)],
        target: "unix:/run/shop/shop.sock",
        expect: refused("unix-socket-stale", &["/run/shop/shop.sock"]),
        ..SCENARIO
    },
    Scenario {
        cause: "unix-socket-stale",
        name: "mariadb-killed",
        break_it: |host| {
            open_mariadb(host)?;
            drop_in(host, "mariadb.service", "[Service]\nRestart=no\n")?;
            host.run(&["systemctl", "kill", "--signal=KILL", "mariadb"])?;
            host.wait("systemctl is-failed mariadb")
        },
        seen: &[here("unix:/run/mysqld/mysqld.sock", Refused)],
        target: "unix:/run/mysqld/mysqld.sock",
        expect: refused("unix-socket-stale", &["/run/mysqld/mysqld.sock"]),
        fix: Some("start-unit"),
        once: Some("a daemon that is stopped in peace takes its socket along"),
        repair: Some(|host| host.run(&["systemctl", "start", "mariadb"])),
        ..SCENARIO
    },
    Scenario {
        cause: "unix-socket-missing-or-denied",
        name: "no-such-path",
        seen: &[here("unix:/run/shop/shop.sock", Unresolved)],
        target: "unix:/run/shop/shop.sock",
        expect: fails("unix-socket-missing-or-denied", "unresolved", &["/run/shop/shop.sock"]),
        ..SCENARIO
    },
    Scenario {
        cause: "unix-socket-missing-or-denied",
        name: "mode-forbids",
        break_it: |host| {
            start(host, "mariadb")?;
            host.run(&["chmod", "0700", "/run/mysqld/mysqld.sock"])
        },
        seen: &[here("unix:/run/mysqld/mysqld.sock", Open)],
        target: "unix:/run/mysqld/mysqld.sock",
        asked_by: "nobody",
        expect: fails("unix-socket-missing-or-denied", "denied", &["/run/mysqld/mysqld.sock"]),
        repair: Some(|host| host.run(&["chmod", "0777", "/run/mysqld/mysqld.sock"])),
        ..SCENARIO
    },
];
