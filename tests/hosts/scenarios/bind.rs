//! The daemon listens, but at another address or family than the one that was asked.

use super::steps::{
    change_hosts_file, home_made, home_made_unit, listening, listens_at, mariadb_with_account, nginx_repaired,
    nginx_site, open_mariadb, open_postgres, open_redis, pg_set, pg_unit, postgres_clients, redis_password,
    restart_in_vain, start,
};
use crate::cmd::Step;
use crate::dial::Outcome::{Open, Refused};
use crate::host::Host;
use crate::scenario::{SCENARIO, Scenario, client, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "bind-loopback-only",
        name: "mariadb",
        break_it: mariadb_with_account,
        seen: &[client("10.2.0.2:3306", Refused), here("10.2.0.2:3306", Refused), here("127.0.0.1:3306", Open)],
        target: "3306",
        expect: refused("bind-loopback-only", &["mariadb.service", "50-server.cnf"]),
        fix: Some("listen-address"),
        repair: Some(open_mariadb),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-loopback-only",
        name: "postgresql",
        break_it: |host| {
            postgres_clients(host)?;
            start(host, "postgresql")
        },
        seen: &[client("10.2.0.2:5432", Refused), here("[::1]:5432", Open), here("127.0.0.1:5432", Open)],
        target: "5432",
        expect: refused("bind-loopback-only", &["-main.service"]),
        fix: Some("listen-address"),
        repair: Some(open_postgres),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-loopback-only",
        name: "redis",
        break_it: |host| {
            redis_password(host)?;
            start(host, "redis-server")
        },
        seen: &[client("10.2.0.2:6379", Refused), here("127.0.0.1:6379", Open)],
        target: "6379",
        expect: refused("bind-loopback-only", &["redis-server.service", "/etc/redis/redis.conf"]),
        fix: Some("listen-address"),
        repair: Some(open_redis),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-loopback-only",
        name: "memcached",
        break_it: |host| {
            start(host, "memcached")?;
            listening(host, "11211")
        },
        seen: &[client("10.2.0.2:11211", Refused), here("127.0.0.1:11211", Open)],
        target: "11211",
        expect: refused("bind-loopback-only", &["memcached.service", "/etc/memcached.conf"]),
        fix: Some("listen-address"),
        repair: Some(|host| {
            host.sh(
                "sed -i -e '/^-l ::1/d' -e 's/^-l .*/-l 0.0.0.0/' /etc/memcached.conf; systemctl restart memcached",
            )?;
            listening(host, "11211")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-loopback-only",
        name: "development-server",
        break_it: |host| development_server(host, "--bind 127.0.0.1 8000"),
        seen: &[client("10.2.0.2:8000", Refused), here("127.0.0.1:8000", Open)],
        target: "8000",
        expect: refused("bind-loopback-only", &["shop.service"]),
        repair: Some(|host| development_server(host, "8000")),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-loopback-only",
        name: "development-server-on-v6-loopback",
        break_it: |host| development_server(host, "--bind ::1 8000"),
        seen: &[client("10.2.0.2:8000", Refused), here("[::1]:8000", Open), here("127.0.0.1:8000", Refused)],
        target: "8000",
        expect: refused("bind-loopback-only", &["shop.service"]),
        repair: Some(|host| development_server(host, "--bind :: 8000")),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-one-specific-ip",
        name: "nginx-on-a-second-address",
        break_it: |host| {
            host.run(&["ip", "address", "add", "10.2.0.3/24", "dev", "eth0"])?;
            nginx_site(host, "server { listen 10.2.0.3:80; root /var/www/html; }\n")?;
            start(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused), client("10.2.0.3:80", Open)],
        target: "80",
        expect: refused("bind-one-specific-ip", &["nginx.service", "10.2.0.3"]),
        fix: Some("listen-everywhere"),
        repair: Some(|host| nginx_repaired(host, "80")),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-one-specific-ip",
        name: "nginx-asked-on-loopback",
        break_it: |host| {
            nginx_site(host, "server { listen 10.2.0.2:80; root /var/www/html; }\n")?;
            start(host, "nginx")
        },
        seen: &[here("127.0.0.1:80", Refused), client("10.2.0.2:80", Open)],
        target: "127.0.0.1:80",
        expect: refused("bind-one-specific-ip", &["nginx.service", "10.2.0.2"]),
        fix: Some("listen-address"),
        repair: Some(|host| nginx_repaired(host, "80")),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-partial-silent",
        name: "sshd",
        break_it: |host| {
            let listen = "ListenAddress 127.0.0.1\nListenAddress 10.9.9.9\n";
            host.write("/etc/ssh/sshd_config.d/50-listen.conf", listen)?;
            start(host, "ssh")
        },
        seen: &[client("10.2.0.2:22", Refused), here("127.0.0.1:22", Open)],
        target: "22",
        expect: refused("bind-partial-silent", &["ssh.service", "10.9.9.9"]),
        fix: Some("listen-address"),
        repair: Some(|host| host.sh("rm /etc/ssh/sshd_config.d/50-listen.conf; systemctl restart ssh")),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-partial-silent",
        name: "postgresql",
        break_it: |host| {
            postgres_clients(host)?;
            pg_set(host, "listen_addresses", "127.0.0.1,10.9.9.9")?;
            start(host, "postgresql")
        },
        seen: &[client("10.2.0.2:5432", Refused), here("127.0.0.1:5432", Open)],
        target: "5432",
        expect: refused("bind-partial-silent", &["-main.service", "10.9.9.9"]),
        fix: Some("listen-address"),
        repair: Some(open_postgres),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-address-not-up-at-boot",
        name: "nginx",
        before_boot: |host| {
            late_address(host, "nginx.service")?;
            nginx_site(host, "server { listen 10.2.0.5:80; root /var/www/html; }\n")?;
            host.run(&["systemctl", "enable", "--quiet", "nginx", "late-address"])
        },
        seen: &[client("10.2.0.5:80", Refused)],
        target: "10.2.0.5:80",
        expect: refused("bind-address-not-up-at-boot", &["nginx.service", "10.2.0.5"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "nginx"])),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-address-not-up-at-boot",
        name: "sshd",
        before_boot: |host| {
            late_address(host, "ssh.service")?;
            host.write("/etc/ssh/sshd_config.d/50-listen.conf", "ListenAddress 10.2.0.5\n")?;
            host.run(&["systemctl", "enable", "--quiet", "ssh", "late-address"])
        },
        seen: &[client("10.2.0.5:22", Refused)],
        target: "10.2.0.5:22",
        expect: refused("bind-address-not-up-at-boot", &["ssh.service", "10.2.0.5"]),
        fix: Some("start-after-network"),
        repair: Some(|host| host.run(&["systemctl", "start", "ssh"])),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-address-foreign",
        name: "nginx",
        break_it: |host| {
            nginx_site(host, "server { listen 10.9.9.9:80; root /var/www/html; }\n")?;
            host.run(&["systemctl", "enable", "--quiet", "nginx"])?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("bind-address-foreign", &["nginx.service", "10.9.9.9"]),
        fix: Some("listen-address"),
        repair: Some(|host| nginx_repaired(host, "80")),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-address-foreign",
        name: "postgresql",
        break_it: |host| {
            postgres_clients(host)?;
            pg_set(host, "listen_addresses", "10.9.9.9")?;
            restart_in_vain(host, &pg_unit(host)?)
        },
        seen: &[client("10.2.0.2:5432", Refused)],
        target: "5432",
        expect: refused("bind-address-foreign", &["-main.service", "10.9.9.9"]),
        fix: Some("listen-address"),
        repair: Some(open_postgres),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-hostname-127-0-1-1",
        name: "home-made",
        break_it: |host| {
            change_hosts_file(host, "s/^10.2.0.2 server/127.0.1.1 server/")?;
            home_made(host, "board", "8899", &listens_at("socket.gethostname()"))?;
            listening(host, "8899")
        },
        seen: &[client("10.2.0.2:8899", Refused), here("127.0.1.1:8899", Open)],
        target: "8899",
        expect: refused("bind-hostname-127-0-1-1", &["board.service", "127.0.1.1"]),
        repair: Some(|host| {
            change_hosts_file(host, "s/^127.0.1.1 server/10.2.0.2 server/")?;
            host.run(&["systemctl", "restart", "board"])?;
            listening(host, "8899")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-to-device",
        name: "home-made",
        break_it: |host| {
            let bound = "s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')\ns.bind";
            home_made(host, "board", "7100", &listens_at("'0.0.0.0'").replace("s.bind", bound))?;
            listening(host, "7100")
        },
        seen: &[client("10.2.0.2:7100", Refused), here("127.0.0.1:7100", Open)],
        target: "7100",
        expect: refused("bind-to-device", &["board.service", "lo"]),
        ..SCENARIO
    },
    Scenario {
        cause: "bind-to-device",
        name: "socket-unit",
        break_it: |host| {
            home_made_unit(host, "keys", "ExecStart=/bin/sleep 600\n")?;
            let socket = "[Socket]\nListenStream=0.0.0.0:7100\nBindToDevice=lo\n[Install]\nWantedBy=sockets.target\n";
            host.unit("keys.socket", socket)?;
            start(host, "keys.socket")
        },
        seen: &[client("10.2.0.2:7100", Refused), here("127.0.0.1:7100", Open)],
        target: "7100",
        expect: refused("bind-to-device", &["keys.socket", "lo"]),
        fix: Some("any-interface"),
        repair: Some(|host| {
            host.sh("sed -i /BindToDevice/d /etc/systemd/system/keys.socket; systemctl daemon-reload")?;
            host.sh("systemctl stop keys.socket keys.service; systemctl start keys.socket")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-v4-only-client-v6",
        name: "nginx",
        break_it: |host| {
            nginx_site(host, "server { listen 80; root /var/www/html; }\n")?;
            start(host, "nginx")
        },
        seen: &[client("[fd00:2::2]:80", Refused), client("10.2.0.2:80", Open)],
        target: "[fd00:2::2]:80",
        expect: refused("listen-v4-only-client-v6", &["nginx.service"]),
        fix: Some("listen-address"),
        repair: Some(|host| nginx_repaired(host, "80")),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-v6-only",
        name: "nginx",
        break_it: |host| {
            nginx_site(host, "server { listen [::]:80; root /var/www/html; }\n")?;
            start(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused), client("[fd00:2::2]:80", Open)],
        target: "80",
        expect: refused("listen-v6-only", &["nginx.service"]),
        fix: Some("listen-everywhere"),
        repair: Some(|host| nginx_repaired(host, "80")),
        ..SCENARIO
    },
    Scenario {
        cause: "listen-v6-only",
        name: "vsftpd-by-sysctl",
        break_it: |host| {
            host.sh("echo 1 >/proc/sys/net/ipv6/bindv6only")?;
            start(host, "vsftpd")?;
            listening(host, "21")
        },
        seen: &[client("10.2.0.2:21", Refused), client("[fd00:2::2]:21", Open)],
        target: "21",
        expect: refused("listen-v6-only", &["vsftpd.service"]),
        fix: Some("both-families"),
        repair: Some(|host| {
            host.sh("echo 0 >/proc/sys/net/ipv6/bindv6only; systemctl restart vsftpd")?;
            listening(host, "21")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "localhost-resolves-v6-first",
        name: "home-made",
        break_it: |host| {
            home_made(host, "board", "8000", &listens_at("'127.0.0.1'"))?;
            listening(host, "8000")
        },
        seen: &[here("localhost:8000", Refused), here("127.0.0.1:8000", Open)],
        target: "localhost:8000",
        expect: refused("localhost-resolves-v6-first", &["::1"]),
        repair: Some(|host| change_hosts_file(host, "s/^::1 localhost /::1 /")),
        ..SCENARIO
    },
    Scenario {
        cause: "ipv6-disabled-bind-fails",
        name: "nginx-on-v6-loopback",
        break_it: |host| {
            host.sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")?;
            nginx_site(host, "server { listen 80; listen [::1]:80; root /var/www/html; }\n")?;
            host.run(&["systemctl", "enable", "--quiet", "nginx"])?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("ipv6-disabled-bind-fails", &["nginx.service"]),
        repair: Some(|host| {
            nginx_site(host, "server { listen 80; root /var/www/html; }\n")?;
            host.run(&["systemctl", "restart", "nginx"])
        }),
        ..SCENARIO
    },
];

/// Python's little web server, (re)started with these words.
fn development_server(host: &Host, words: &str) -> Step {
    home_made_unit(host, "shop", &format!("ExecStart=/usr/bin/python3 -m http.server {words}\n"))?;
    host.run(&["systemctl", "enable", "--quiet", "shop"])?;
    host.run(&["systemctl", "restart", "shop"])?;
    listening(host, "8000")
}

/// An address that comes up only after the daemon was started: the network of many a virtual machine.
fn late_address(host: &Host, after: &str) -> Step {
    let unit = format!(
        "[Unit]\nAfter={after}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=ip address add 10.2.0.5/24 dev eth0\n[Install]\nWantedBy=multi-user.target\n"
    );
    host.write("/etc/systemd/system/late-address.service", &unit)
}
