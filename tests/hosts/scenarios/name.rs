//! The name leads nowhere, or to the wrong machine.

use super::steps::{change_hosts_file, home_made, home_made_unit, listening, listens_at, open_postgres, start};
use crate::cmd::Step;
use crate::dial::Outcome::{Refused, Unresolved};
use crate::host::Host;
use crate::scenario::{SCENARIO, Scenario, client, fails, here, refused};

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
        cause: "name-does-not-resolve",
        name: "the-stub-of-systemd-does-not-run",
        break_it: |host| {
            start(host, "nginx")?;
            name_server(host, "systemd-resolved", "127.0.0.53", "10.2.0.2")?;
            host.run(&["systemctl", "stop", "systemd-resolved"])
        },
        seen: &[here("www.shop.example:80", Unresolved)],
        target: "www.shop.example:80",
        expect: fails("name-does-not-resolve", "unresolved", &["127.0.0.53", "systemd-resolved.service"]),
        fix: Some("start-unit"),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-wrong-host-dns",
        name: "the-hosts-own-name-is-another-machine",
        break_it: |host| {
            start(host, "nginx")?;
            name_server(host, "names", "127.0.0.1", "10.1.0.2")?;
            host.sh("echo 'search shop.example' >>/etc/resolv.conf")
        },
        seen: &[here("server.shop.example:80", Refused)],
        target: "server.shop.example:80",
        expect: refused("cli-wrong-host-dns", &["10.1.0.2", "10.2.0.2", "server.shop.example"]),
        repair: Some(|host| host.append("/etc/hosts", "10.2.0.2 server.shop.example\n")),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-wrong-port-or-protocol",
        name: "a-server-of-udp-asked-over-tcp",
        break_it: |host| {
            let server = listens_at("'0.0.0.0'").replace("socket.socket()", "socket.socket(type=socket.SOCK_DGRAM)");
            home_made(host, "tunnel", "1194", &server.replace("s.listen(16)", "print(s.recv(1))"))?;
            host.wait("ss -Hlun 'sport = :1194' | grep -q .")
        },
        seen: &[client("10.2.0.2:1194", Refused)],
        target: "1194",
        expect: refused("cli-wrong-port-or-protocol", &["tunnel.service", "UDP", "1194/udp"]),
        ..SCENARIO
    },
    Scenario {
        cause: "cli-proxy-env-dead",
        name: "a-proxy-of-every-session-that-is-gone",
        break_it: |host| host.append("/etc/environment", "https_proxy=http://shop:secret@127.0.0.1:3128\n"),
        seen: &[here("127.0.0.1:3128", Refused)],
        target: "127.0.0.1:3128",
        expect: refused("cli-proxy-env-dead", &["https_proxy", "/etc/environment:"]),
        repair: Some(|host| {
            home_made(host, "proxy", "3128", &listens_at("'127.0.0.1'"))?;
            listening(host, "3128")
        }),
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

/// A name server at an address of the host that has this one IPv4 address for every name; the host asks it.
fn name_server(host: &Host, name: &str, at: &str, address: &str) -> Step {
    const SERVER: &str = r"
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
while True:
    query, client = s.recvfrom(512)
    end = query.index(0, 12) + 5
    wants = query[end - 4:end - 2] == bytes([0, 1])
    found = bytes([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]) + socket.inet_aton(sys.argv[2])
    head = query[:2] + bytes([0x81, 0x80, 0, 1, 0, int(wants), 0, 0, 0, 0])
    s.sendto(head + query[12:end] + (found if wants else b''), client)
";
    host.write("/opt/names.py", SERVER)?;
    home_made_unit(host, name, &format!("ExecStart=/usr/bin/python3 /opt/names.py {at} {address}\n"))?;
    start(host, name)?;
    host.wait(&format!("ss -Hlun 'src {at}:53' | grep -q ."))?;
    host.sh(&format!("echo 'nameserver {at}' >/etc/resolv.conf"))
}
