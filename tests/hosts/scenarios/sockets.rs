//! systemd holds the port for the daemon (socket units), and that is where it goes wrong.

use std::time::Duration;

use super::steps::{home_made_unit, listening, mariadb_account, nginx_repaired, start, without_drop_in};
use crate::cmd::{Step, wait_until};
use crate::dial::Outcome::{Open, Refused};
use crate::host::Host;
use crate::scenario::{SCENARIO, Scenario, client, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "socket-unit-not-started",
        name: "home-made",
        break_it: |host| {
            home_made_unit(host, "keys", "ExecStart=/bin/sleep 600\n")?;
            socket_unit(host, "ListenStream=7500\n")
        },
        seen: &[client("10.2.0.2:7500", Refused)],
        target: "7500",
        expect: refused("socket-unit-not-started", &["keys.socket"]),
        fix: Some("start-unit"),
        repair: Some(|host| start(host, "keys.socket")),
        ..SCENARIO
    },
    Scenario {
        cause: "socket-unit-not-started",
        name: "sshd-moved-to-its-socket-unit",
        break_it: |host| {
            start(host, "ssh.socket")?;
            host.run(&["systemctl", "stop", "ssh.socket", "ssh.service"])
        },
        seen: &[client("10.2.0.2:22", Refused)],
        target: "22",
        expect: refused("socket-unit-not-started", &["ssh.socket"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "ssh.socket"])),
        ..SCENARIO
    },
    Scenario {
        cause: "socket-unit-trigger-limit",
        name: "four-connections-at-once",
        break_it: |host| {
            home_made_unit(host, "keys@", "ExecStart=/bin/cat\nStandardInput=socket\n")?;
            socket_unit(host, "ListenStream=7500\nAccept=yes\nTriggerLimitIntervalSec=60\nTriggerLimitBurst=3\n")?;
            start(host, "keys.socket")?;
            knock_until_refused(host, "127.0.0.1:7500")
        },
        seen: &[client("10.2.0.2:7500", Refused)],
        target: "7500",
        expect: refused("socket-unit-trigger-limit", &["keys.socket"]),
        fix: Some("raise-trigger-limit"),
        repair: Some(|host| {
            // The repaired socket must stand the connections of the retest.
            host.sh("sed -i s/Burst=3/Burst=200/ /etc/systemd/system/keys.socket; systemctl daemon-reload")?;
            host.sh("systemctl reset-failed; systemctl start keys.socket")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "socket-unit-service-start-limit",
        name: "service-fails-at-every-connection",
        break_it: |host| {
            home_made_unit(host, "keys", "ExecStart=/bin/false\n")?;
            socket_unit(host, "ListenStream=7500\n")?;
            start(host, "keys.socket")?;
            knock_until_refused(host, "127.0.0.1:7500")
        },
        seen: &[client("10.2.0.2:7500", Refused)],
        target: "7500",
        expect: refused("socket-unit-service-start-limit", &["keys.socket"]),
        ..SCENARIO
    },
    Scenario {
        cause: "socket-unit-overrides-daemon-config",
        name: "sshd-port-2222",
        break_it: |host| {
            start(host, "ssh.socket")?;
            host.write("/etc/ssh/sshd_config.d/50-port.conf", "Port 2222\n")?;
            host.run(&["systemctl", "restart", "ssh.socket"])
        },
        seen: &[client("10.2.0.2:2222", Refused), client("10.2.0.2:22", Open)],
        target: "2222",
        expect: refused("socket-unit-overrides-daemon-config", &["ssh.socket"]),
        fix: Some("listen-address"),
        repair: Some(move_ssh_socket_and_restart),
        ..SCENARIO
    },
    Scenario {
        cause: "socket-unit-overrides-daemon-config",
        name: "mariadb-port-3307",
        break_it: |host| {
            let wanted = "[mysqld]\nbind-address = 0.0.0.0\nport = 3307\n";
            host.write("/etc/mysql/mariadb.conf.d/99-local.cnf", wanted)?;
            start(host, "mariadb.socket")?;
            host.run(&["systemctl", "start", "mariadb"])?;
            mariadb_account(host)
        },
        seen: &[client("10.2.0.2:3307", Refused), client("10.2.0.2:3306", Open)],
        target: "3307",
        expect: refused("socket-unit-overrides-daemon-config", &["mariadb.socket"]),
        fix: Some("turn-socket-off"),
        repair: Some(|host| {
            host.sh("systemctl disable --quiet --now mariadb.socket; systemctl restart mariadb")?;
            mariadb_account(host)
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "socket-unit-needs-restart-after-edit",
        name: "sshd-port-2222",
        break_it: |host| {
            start(host, "ssh.socket")?;
            move_ssh_socket(host)
        },
        seen: &[client("10.2.0.2:2222", Refused)],
        target: "2222",
        expect: refused("socket-unit-needs-restart-after-edit", &["ssh.socket"]),
        fix: Some("reopen-socket"),
        once: Some("the edit was there before, and what it lacked was only that somebody read it"),
        repair: Some(move_ssh_socket_and_restart),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-loopback-only",
        name: "socket-unit",
        break_it: |host| {
            home_made_unit(host, "keys", "ExecStart=/bin/sleep 600\n")?;
            socket_unit(host, "ListenStream=127.0.0.1:7500\n")?;
            start(host, "keys.socket")
        },
        seen: &[client("10.2.0.2:7500", Refused), here("127.0.0.1:7500", Open)],
        target: "7500",
        expect: refused("bind-loopback-only", &["keys.socket"]),
        repair: Some(|host| {
            socket_unit(host, "ListenStream=7500\n")?;
            host.sh("systemctl stop keys.socket keys.service; systemctl start keys.socket")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "systemd-private-network",
        name: "nginx",
        break_it: |host| {
            nginx_repaired(host, "80")?;
            host.unit("nginx.service.d/50-local.conf", "[Service]\nPrivateNetwork=yes\n")?;
            host.run(&["systemctl", "restart", "nginx"])
        },
        seen: &[client("10.2.0.2:80", Refused), here("127.0.0.1:80", Refused)],
        target: "80",
        expect: refused("systemd-private-network", &["nginx.service"]),
        fix: Some("host-network"),
        repair: Some(|host| {
            without_drop_in(host, "nginx.service")?;
            listening(host, "80")
        }),
        ..SCENARIO
    },
];

fn socket_unit(host: &Host, socket: &str) -> Step {
    host.unit("keys.socket", &format!("[Socket]\n{socket}[Install]\nWantedBy=sockets.target\n"))
}

fn move_ssh_socket(host: &Host) -> Step {
    host.unit("ssh.socket.d/50-port.conf", "[Socket]\nListenStream=\nListenStream=2222\n")
}

/// A socket unit cannot be restarted while its service runs ("already active, refusing").
fn move_ssh_socket_and_restart(host: &Host) -> Step {
    move_ssh_socket(host)?;
    host.sh("systemctl stop ssh.socket ssh.service; systemctl start ssh.socket")
}

/// Connects again and again until systemd gives the socket up.
fn knock_until_refused(host: &Host, target: &str) -> Step {
    wait_until("the socket unit gives up", Duration::from_secs(20), || Ok(host.connect(target)? == Refused))
}
