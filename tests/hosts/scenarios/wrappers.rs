//! The connection stands, then the daemon hangs up: `/etc/hosts.deny` says so.

use super::steps::{listening, start};
use crate::dial::Outcome::{Closed, Open};
use crate::scenario::{SCENARIO, Scenario, client, fails};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "tcp-wrappers-deny",
        name: "sshd",
        break_it: |host| {
            start(host, "ssh")?;
            host.append("/etc/hosts.deny", "sshd: ALL EXCEPT 192.0.2.7\n")
        },
        seen: &[client("10.2.0.2:22", Open), client("hold:10.2.0.2:22", Closed)],
        target: "22",
        expect: fails("tcp-wrappers-deny", "closed", &["/etc/hosts.deny"]),
        fix: Some("allow-everyone"),
        repair: Some(|host| host.sh("sed -i '$d' /etc/hosts.deny")),
        ..SCENARIO
    },
    Scenario {
        cause: "tcp-wrappers-deny",
        name: "vsftpd",
        break_it: |host| {
            host.append("/etc/vsftpd.conf", "tcp_wrappers=YES\n")?;
            start(host, "vsftpd")?;
            listening(host, "21")?;
            host.append("/etc/hosts.deny", "ALL: 10.\n")
        },
        seen: &[client("10.2.0.2:21", Open), client("hold:10.2.0.2:21", Closed)],
        target: "21",
        ask: &["--from", "10.1.0.2"],
        expect: fails("tcp-wrappers-deny", "closed", &["/etc/hosts.deny"]),
        fix: Some("allow-client"),
        repair: Some(|host| host.sh("sed -i '$d' /etc/hosts.deny")),
        ..SCENARIO
    },
];
