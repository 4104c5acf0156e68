//! The name leads nowhere, or to the wrong machine.

use super::steps::{change_hosts_file, open_postgres, start};
use crate::dial::Outcome::{Refused, Unresolved};
use crate::scenario::{SCENARIO, Scenario, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "name-does-not-resolve",
        name: "nobody-has-that-name",
        break_it: |host| host.sh("sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf"),
        seen: &[here("database.shop.example:5432", Unresolved)],
        target: "database.shop.example:5432",
        expect: fails("name-does-not-resolve", "unresolved", &["database.shop.example"]),
        ..SCENARIO
    },
    Scenario {
        cause: "name-does-not-resolve",
        name: "no-name-server-answers",
        seen: &[here("database.shop.example:5432", Unresolved)],
        target: "database.shop.example:5432",
        expect: fails("name-does-not-resolve", "unresolved", &["database.shop.example"]),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-hosts-file-stale",
        name: "database-left-on-loopback",
        break_it: |host| host.append("/etc/hosts", "127.0.0.1 database.shop.example\n"),
        seen: &[here("database.shop.example:5432", Refused)],
        target: "database.shop.example:5432",
        expect: refused("cli-hosts-file-stale", &["/etc/hosts", "127.0.0.1"]),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-hosts-file-stale",
        name: "database-moved-to-another-machine",
        break_it: |host| {
            open_postgres(host)?;
            host.append("/etc/hosts", "10.1.0.2 database.shop.example\n")
        },
        seen: &[here("database.shop.example:5432", Refused)],
        target: "database.shop.example:5432",
        expect: refused("cli-hosts-file-stale", &["/etc/hosts", "10.1.0.2"]),
        fix: Some("correct-hosts-line"),
        repair: Some(|host| change_hosts_file(host, "s/^10.1.0.2 database/10.2.0.2 database/")),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-sinkhole-0000",
        name: "blocked-by-the-hosts-file",
        break_it: |host| {
            start(host, "ssh")?;
            host.append("/etc/hosts", "0.0.0.0 telemetry.shop.example\n")
        },
        seen: &[here("telemetry.shop.example:443", Refused)],
        target: "telemetry.shop.example:443",
        expect: refused("cli-sinkhole-0000", &["0.0.0.0"]),
        ..SCENARIO
    },
];
