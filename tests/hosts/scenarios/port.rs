//! The daemon listens on another port, may not have the one it wants, or has it and does not answer.

use super::steps::{
    drop_in, home_made, home_made_unit, listening, listens_at, mariadb_with_account, nginx_repaired, nginx_site,
    open_mariadb, open_postgres, open_redis, pg_set, postgres_clients, redis_password, restart_in_vain, start,
};
use crate::cmd::Step;
use crate::dial::Outcome::{Closed, Open, Refused, Timeout};
use crate::host::Host;
use crate::scenario::{Expect, SCENARIO, Scenario, client, fails, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "listen-wrong-port",
        name: "sshd",
        break_it: |host| {
            host.write("/etc/ssh/sshd_config.d/50-port.conf", "Port 2222\n")?;
            start(host, "ssh")
        },
        seen: &[client("10.2.0.2:22", Refused), client("10.2.0.2:2222", Open)],
        target: "22",
        expect: refused("listen-wrong-port", &["ssh.service", "2222"]),
        fix: Some("listen-port"),
        repair: Some(|host| host.sh("rm /etc/ssh/sshd_config.d/50-port.conf; systemctl restart ssh")),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-wrong-port",
        name: "postgresql",
        break_it: |host| {
            open_postgres(host)?;
            pg_set(host, "port", "5433")?;
            host.run(&["systemctl", "restart", "postgresql"])
        },
        seen: &[client("10.2.0.2:5432", Refused), client("10.2.0.2:5433", Open)],
        target: "5432",
        expect: refused("listen-wrong-port", &["-main.service", "5433"]),
        fix: Some("listen-port"),
        repair: Some(open_postgres),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-wrong-port",
        name: "nginx",
        break_it: |host| nginx_repaired(host, "8080"),
        seen: &[client("10.2.0.2:80", Refused), client("10.2.0.2:8080", Open)],
        target: "80",
        expect: refused("listen-wrong-port", &["nginx.service", "8080"]),
        fix: Some("listen-port"),
        repair: Some(|host| nginx_repaired(host, "80")),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-not-configured",
        name: "mariadb-skip-networking",
        break_it: |host| {
            host.write("/etc/mysql/mariadb.conf.d/99-local.cnf", "[mysqld]\nskip-networking\n")?;
            mariadb_with_account(host)
        },
        seen: &[client("10.2.0.2:3306", Refused), here("unix:/run/mysqld/mysqld.sock", Open)],
        target: "3306",
        expect: refused("listen-not-configured", &["mariadb.service", "99-local.cnf"]),
        fix: Some("listen-address"),
        repair: Some(open_mariadb),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-not-configured",
        name: "postgresql-no-addresses",
        break_it: |host| {
            postgres_clients(host)?;
            pg_set(host, "listen_addresses", "")?;
            start(host, "postgresql")
        },
        seen: &[client("10.2.0.2:5432", Refused), here("unix:/run/postgresql/.s.PGSQL.5432", Open)],
        target: "5432",
        expect: refused("listen-not-configured", &["-main.service"]),
        fix: Some("listen-address"),
        repair: Some(open_postgres),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-not-configured",
        name: "apache-without-tls",
        break_it: |host| {
            apache_on_80(host)?;
            start(host, "apache2")
        },
        seen: &[client("10.2.0.2:443", Refused), client("10.2.0.2:80", Open)],
        target: "443",
        expect: refused("listen-not-configured", &["apache2.service"]),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-not-configured",
        name: "redis-port-0",
        break_it: |host| {
            open_redis(host)?;
            host.sh("sed -i 's/^port .*/port 0/' /etc/redis/redis.conf")?;
            restart_in_vain(host, "redis-server")?;
            host.wait("systemctl is-failed redis-server")
        },
        seen: &[client("10.2.0.2:6379", Refused)],
        target: "6379",
        expect: refused("listen-not-configured", &["redis-server.service"]),
        fix: Some("listen-port"),
        repair: Some(open_redis),
        ..SCENARIO
    },
    Scenario {
        cause: "port-conflict-other-daemon",
        name: "apache-holds-nginx-port",
        break_it: |host| {
            apache_on_80(host)?;
            start(host, "apache2")?;
            two_ports_in_vain(host)
        },
        seen: &[client("10.2.0.2:8443", Refused), client("10.2.0.2:80", Open)],
        target: "8443",
        expect: refused("port-conflict-other-daemon", &["nginx.service", "apache2"]),
        fix: Some("stop-other-unit"),
        repair: Some(|host| host.sh("systemctl disable --quiet --now apache2; systemctl restart nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "port-conflict-other-daemon",
        name: "home-made-holds-apache-port",
        break_it: |host| {
            home_made(host, "board", "8081", &listens_at("'0.0.0.0'"))?;
            listening(host, "8081")?;
            host.append("/etc/apache2/ports.conf", "Listen 8082\n")?;
            host.run(&["systemctl", "enable", "--quiet", "apache2"])?;
            restart_in_vain(host, "apache2")
        },
        seen: &[client("10.2.0.2:8082", Refused), client("10.2.0.2:8081", Open)],
        target: "8082",
        expect: refused("port-conflict-other-daemon", &["apache2.service", "board"]),
        fix: Some("stop-other-unit"),
        repair: Some(|host| host.sh("systemctl disable --quiet --now board; systemctl restart apache2")),
        ..SCENARIO
    },
    Scenario {
        cause: "port-conflict-old-instance",
        name: "nginx-started-by-hand",
        break_it: |host| {
            nginx_site(host, "server { listen 80; root /var/www/html; }\n")?;
            host.run(&["systemd-run", "--quiet", "--unit=by-hand", "nginx", "-g", "daemon off;"])?;
            listening(host, "80")?;
            two_ports_in_vain(host)
        },
        seen: &[client("10.2.0.2:8443", Refused), client("10.2.0.2:80", Open)],
        target: "8443",
        expect: refused("port-conflict-old-instance", &["nginx.service"]),
        fix: Some("end-process"),
        once: Some("nobody starts again what was started by hand"),
        repair: Some(|host| host.sh("systemctl stop by-hand || :; systemctl restart nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "privileged-port-eacces",
        name: "development-server",
        break_it: |host| {
            home_made_unit(host, "shop", "User=www-data\nExecStart=/usr/bin/python3 -m http.server 81\n")?;
            start(host, "shop")?;
            host.wait("systemctl is-failed shop")
        },
        seen: &[client("10.2.0.2:81", Refused)],
        target: "81",
        expect: refused("privileged-port-eacces", &["shop.service"]),
        fix: Some("bind-capability"),
        repair: Some(|host| {
            drop_in(host, "shop.service", "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n")?;
            host.run(&["systemctl", "restart", "shop"])?;
            listening(host, "81")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "privileged-port-eacces",
        name: "redis",
        break_it: |host| {
            redis_password(host)?;
            host.append("/etc/redis/redis.conf", "bind 0.0.0.0\nport 700\n")?;
            host.run(&["systemctl", "enable", "--quiet", "redis-server"])?;
            restart_in_vain(host, "redis-server")?;
            host.wait("systemctl is-failed redis-server")
        },
        seen: &[client("10.2.0.2:700", Refused)],
        target: "700",
        expect: refused("privileged-port-eacces", &["redis-server.service"]),
        fix: Some("unprivileged-ports"),
        ..SCENARIO
    },
    Scenario {
        cause: "accept-queue-overflow",
        name: "server-that-never-accepts",
        break_it: |host| {
            // It hangs only as long as it runs this time.
            let hangs = "import os, time\nif os.path.exists('/run/board.hangs'): s.listen(1); print('stuck'); time.sleep(36000)\n";
            let server = listens_at("'0.0.0.0'").replace("held = []", &format!("{hangs}held = []"));
            host.sh("touch /run/board.hangs")?;
            home_made(host, "board", "7200", &server)?;
            host.wait("journalctl -b -u board | grep -q stuck")?;
            host.sh("rm /run/board.hangs")?;
            host.connect("10.2.0.2:7200")?;
            host.connect("10.2.0.2:7200").map(drop)
        },
        seen: &[client("10.2.0.2:7200", Timeout)],
        target: "7200",
        expect: fails("accept-queue-overflow", "timeout", &["board.service"]),
        fix: Some("restart-unit"),
        once: Some("what hung was restarted"),
        ..SCENARIO
    },
    Scenario {
        cause: "fd-or-connection-limit",
        name: "server-without-files",
        break_it: |host| {
            host.write("/opt/board/board.py", FEW_FILES)?;
            let service = "LimitNOFILE=32\nExecStart=/usr/bin/python3 -u /opt/board/board.py\n";
            home_made_unit(host, "board", service)?;
            start(host, "board")?;
            listening(host, "7200")?;
            host.write("/opt/crowd.py", CROWD)?;
            home_made_unit(host, "crowd", "ExecStart=/usr/bin/python3 -u /opt/crowd.py\n")?;
            start(host, "crowd")?;
            host.wait("journalctl -b -u crowd | grep -q 'no more'")
        },
        seen: &[client("10.2.0.2:7200", Timeout)],
        target: "7200",
        expect: fails(
            "fd-or-connection-limit",
            "timeout",
            &["board.service", "32 files open and may have 32", "Errno 24"],
        ),
        fix: Some("raise-open-files"),
        once: Some("what held the files was restarted"),
        ..SCENARIO
    },
    Scenario {
        cause: "abort-on-overflow",
        name: "queue-that-fills-while-a-client-connects",
        break_it: |host| {
            host.write("/opt/board/board.py", FILLS_UP)?;
            home_made_unit(host, "board", "ExecStart=/usr/bin/python3 -u /opt/board/board.py\n")?;
            start(host, "board")?;
            listening(host, "7200")?;
            host.sh("echo 1 >/proc/sys/net/ipv4/tcp_abort_on_overflow")
        },
        seen: &[client("10.2.0.2:7200", Open), client("hold:10.2.0.2:7200", Closed)],
        target: "7200",
        expect: Expect {
            culprit: Some("abort-on-overflow"),
            outcome: "open",
            exit: 0,
            boxes: &[],
            names: &["net.ipv4.tcp_abort_on_overflow", "ListenOverflows"],
        },
        fix: Some("no-abort-on-overflow"),
        ..SCENARIO
    },
];

/// A server that keeps its clients and goes on when it may have no more files.
const FEW_FILES: &str = r"
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', 7200))
s.listen(1)
held = []
while True:
    try:
        held.append(s.accept()[0])
    except OSError as why:
        print(why)
        time.sleep(1)
";

/// Connects until nobody answers any more.
const CROWD: &str = r"
import socket, time
held = []
try:
    while len(held) < 100:
        held.append(socket.create_connection(('10.2.0.2', 7200), 1))
        time.sleep(0.02)
except OSError:
    pass
print('no more after', len(held))
time.sleep(36000)
";

/// Waits for a client's first words before it takes the connection (as apache does), and has its queue full as soon as
/// one has begun to connect: the handshake of that one ends after a second, when there is no room. Who still waits after
/// two and a half is let in.
const FILLS_UP: &str = r"
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
s.bind(('0.0.0.0', 7200))
s.listen(0)
s.setblocking(False)
filler, since, calm, held = None, 0, 0, []
while True:
    now = time.time()
    rows = [line.split() for line in open('/proc/net/tcp')]
    connecting = any(row[1].endswith(':1C20') and row[3] == '03' for row in rows)
    if connecting and filler is None and now > calm:
        filler, since = socket.create_connection(('127.0.0.1', 7200)), now
        filler.send(b'x')
    elif filler is not None and (not connecting or now > since + 2.5):
        filler.close()
        filler, calm = None, now + 2 if connecting else 0
    if filler is None:
        try:
            held.append(s.accept()[0])
        except BlockingIOError:
            pass
    time.sleep(0.005)
";

fn apache_on_80(host: &Host) -> Step {
    host.sh("sed -i 's/8081/80/' /etc/apache2/ports.conf /etc/apache2/sites-available/000-default.conf")
}

/// nginx is to have 80 and 8443, and cannot.
fn two_ports_in_vain(host: &Host) -> Step {
    nginx_site(host, "server { listen 80; listen 8443; root /var/www/html; }\n")?;
    host.run(&["systemctl", "enable", "--quiet", "nginx"])?;
    restart_in_vain(host, "nginx")
}
