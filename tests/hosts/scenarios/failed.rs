//! The daemon was started and did not survive: a bad line, a missing file, a full disk, a signal, too many restarts.

use super::steps::{
    PG_CONF, drop_in, edit_and_restart, home_made_unit, nginx_repaired, open_postgres, pg_unit, restart_in_vain, start,
    without_drop_in,
};
use crate::cmd::Step;
use crate::dial::Outcome::{Open, Refused};
use crate::host::Host;
use crate::scenario::{HEALTHY, SCENARIO, Scenario, client, here, refused};

/// What Elasticsearch does about its bootstrap checks; a real one is half a gigabyte.
const SEARCH: &str = "#!/bin/sh
if [ $(ulimit -n) -lt 1024 ]; then
    echo 'ERROR: [1] bootstrap checks failed. You must address the points described in the following [1] lines.' >&2
    echo \"bootstrap check failure [1] of [1]: max file descriptors [$(ulimit -n)] for elasticsearch process is too low, \
increase to at least [1024]\" >&2
    exit 78
fi
exec python3 -m http.server 9200
";

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "svc-failed-config-syntax",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            host.write("/etc/nginx/conf.d/bad.conf", "listen 80\n")?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-failed-config-syntax", &["nginx.service", "/etc/nginx/conf.d/bad.conf"]),
        repair: Some(|host| host.sh("rm /etc/nginx/conf.d/bad.conf; systemctl start nginx")),
        ..SCENARIO
    },
    // Why it failed cannot be read: that much is said, and nothing made up.
    Scenario {
        cause: "svc-not-running",
        name: "nginx-broken-and-no-journalctl",
        before_boot: |host| host.sh("rm /usr/bin/journalctl"),
        break_it: |host| {
            start(host, "nginx")?;
            host.write("/etc/nginx/conf.d/bad.conf", "listen 80\n")?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-not-running", &["nginx.service", "journalctl is not installed", "/usr/sbin/nginx -t"]),
        repair: Some(|host| host.sh("rm /etc/nginx/conf.d/bad.conf; systemctl start nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-config-syntax",
        name: "sshd",
        break_it: |host| {
            start(host, "ssh")?;
            host.write("/etc/ssh/sshd_config.d/50-admins.conf", "PermitRootLogins no\n")?;
            restart_in_vain(host, "ssh")
        },
        seen: &[client("10.2.0.2:22", Refused)],
        target: "22",
        expect: refused("svc-failed-config-syntax", &["ssh.service", "/etc/ssh/sshd_config.d/50-admins.conf"]),
        repair: Some(|host| {
            host.sh("rm /etc/ssh/sshd_config.d/50-admins.conf; systemctl reset-failed ssh; systemctl start ssh")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-config-syntax",
        name: "postgresql",
        break_it: |host| {
            host.sh(&format!("echo 'max_connections = 100 200' >>$(echo {PG_CONF})"))?;
            restart_in_vain(host, &pg_unit(host)?)
        },
        seen: &[here("127.0.0.1:5432", Refused)],
        target: "127.0.0.1:5432",
        expect: refused("svc-failed-config-syntax", &["-main.service", "postgresql.conf"]),
        repair: Some(|host| {
            host.sh(&format!("sed -i '$d' $(echo {PG_CONF})"))?;
            host.run(&["systemctl", "start", &pg_unit(host)?])
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-config-syntax",
        name: "redis",
        break_it: |host| {
            edit_and_restart(host, "redis-server", "/etc/redis/redis.conf", "maxmemorie 100mb\n")?;
            host.wait("systemctl is-failed redis-server")
        },
        seen: &[here("127.0.0.1:6379", Refused)],
        target: "127.0.0.1:6379",
        expect: refused("svc-failed-config-syntax", &["redis-server.service"]),
        repair: Some(|host| {
            host.sh("sed -i '$d' /etc/redis/redis.conf; systemctl reset-failed; systemctl start redis-server")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-config-syntax",
        name: "haproxy",
        break_it: |host| {
            let shop = "frontend shop\n    bind :8090\n    mode http\n    default-backend shop\n";
            edit_and_restart(host, "haproxy", "/etc/haproxy/haproxy.cfg", shop)
        },
        seen: &[client("10.2.0.2:8090", Refused)],
        target: "8090",
        expect: refused("svc-failed-config-syntax", &["haproxy.service", "/etc/haproxy/haproxy.cfg"]),
        repair: Some(|host| {
            host.sh("sed -i '$d' /etc/haproxy/haproxy.cfg; systemctl reset-failed; systemctl start haproxy")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-config-syntax",
        name: "apache",
        break_it: |host| {
            start(host, "apache2")?;
            host.write("/etc/apache2/conf-enabled/shop.conf", "ServerNames shop.example\n")?;
            restart_in_vain(host, "apache2")
        },
        seen: &[client("10.2.0.2:8081", Refused)],
        target: "8081",
        expect: refused("svc-failed-config-syntax", &["apache2.service", "shop.conf"]),
        repair: Some(|host| host.sh("rm /etc/apache2/conf-enabled/shop.conf; systemctl start apache2")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-missing-file",
        name: "nginx-certificate",
        break_it: |host| {
            start(host, "nginx")?;
            let site = "server { listen 443 ssl; ssl_certificate /etc/ssl/shop.pem; ssl_certificate_key /etc/ssl/shop.key; }\n";
            host.write("/etc/nginx/conf.d/shop.conf", site)?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:443", Refused), client("10.2.0.2:80", Refused)],
        target: "443",
        expect: refused("svc-failed-missing-file", &["nginx.service", "/etc/ssl/shop.pem"]),
        repair: Some(|host| nginx_repaired_without_shop(host, "80 443")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-missing-file",
        name: "nginx-log-directory",
        break_it: |host| {
            start(host, "nginx")?;
            host.sh("systemctl stop nginx; rm -r /var/log/nginx")?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-failed-missing-file", &["nginx.service", "/var/log/nginx"]),
        repair: Some(|host| host.sh("mkdir /var/log/nginx; systemctl start nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-start-limit-hit",
        name: "nginx",
        break_it: |host| {
            drop_in(host, "nginx.service", "[Service]\nRestart=always\nRestartSec=50ms\nExecStartPre=/bin/false\n")?;
            restart_in_vain(host, "nginx")?;
            host.wait("journalctl -b -u nginx | grep -q 'repeated too quickly'")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-start-limit-hit", &["nginx.service"]),
        repair: Some(|host| without_drop_in(host, "nginx.service")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-start-limit-hit",
        name: "home-made-server",
        break_it: |host| {
            let fails = "import sys\nsys.exit('the licence for port ' + sys.argv[2] + ' has run out')\n";
            host.write("/opt/shop/shop.py", fails)?;
            let service = "ExecStart=/usr/bin/python3 /opt/shop/shop.py --port 8000\nRestart=always\nRestartSec=50ms\n";
            home_made_unit(host, "shop", service)?;
            start(host, "shop")?;
            host.wait("journalctl -b -u shop | grep -q 'repeated too quickly'")
        },
        seen: &[client("10.2.0.2:8000", Refused)],
        target: "8000",
        expect: refused("svc-start-limit-hit", &["shop.service", "licence"]),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-flapping-auto-restart",
        name: "nginx-killed-every-second",
        break_it: |host| {
            let quick =
                "[Service]\nRestart=always\nRestartSec=100ms\nRuntimeMaxSec=500ms\n[Unit]\nStartLimitIntervalSec=0\n";
            drop_in(host, "nginx.service", quick)?;
            start(host, "nginx")?;
            host.wait("test $(systemctl show -P NRestarts nginx) -ge 2")?;
            drop_in(host, "nginx.service", &quick.replace("100ms", "120s"))?;
            host.wait("systemctl show -P SubState nginx | grep -q auto-restart")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-flapping-auto-restart", &["nginx.service"]),
        repair: Some(|host| without_drop_in(host, "nginx.service")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-crashed-signal",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            host.run(&["systemctl", "kill", "--kill-whom=main", "--signal=SEGV", "nginx"])?;
            host.wait("systemctl is-failed nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-crashed-signal", &["nginx.service", "SEGV"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "nginx"])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-crashed-signal",
        name: "vsftpd",
        break_it: |host| {
            start(host, "vsftpd")?;
            host.wait("ss -Hltn 'sport = :21' | grep -q .")?;
            host.run(&["systemctl", "kill", "--signal=ABRT", "vsftpd"])?;
            host.wait("systemctl is-failed vsftpd")
        },
        seen: &[client("10.2.0.2:21", Refused)],
        target: "21",
        expect: refused("svc-crashed-signal", &["vsftpd.service", "ABRT"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "vsftpd"])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-disk-full",
        name: "postgresql",
        break_it: |host| {
            open_postgres(host)?;
            host.run(&["systemctl", "stop", "postgresql", &pg_unit(host)?])?;
            full_disk(host, "$(echo /var/lib/postgresql/*/main)", "100M")?;
            restart_in_vain(host, &pg_unit(host)?)
        },
        seen: &[client("10.2.0.2:5432", Refused)],
        target: "5432",
        expect: refused("svc-disk-full", &["-main.service"]),
        repair: Some(|host| {
            host.sh("rm /var/lib/postgresql/*/main/backup.tar")?;
            host.run(&["systemctl", "start", &pg_unit(host)?])
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-disk-full",
        name: "mariadb",
        break_it: |host| {
            host.write("/etc/mysql/mariadb.conf.d/99-local.cnf", "[mysqld]\nbind-address = 0.0.0.0\n")?;
            full_disk(host, "/var/lib/mysql", "200M")?;
            restart_in_vain(host, "mariadb")
        },
        seen: &[client("10.2.0.2:3306", Refused)],
        target: "3306",
        expect: refused("svc-disk-full", &["mariadb.service"]),
        repair: Some(|host| {
            host.sh("rm /var/lib/mysql/backup.tar; systemctl start mariadb")?;
            host.run(&["mariadb", "-e", "CREATE USER shop@'%' IDENTIFIED BY 'secret'"])
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-start-timeout",
        name: "nginx",
        break_it: |host| {
            drop_in(host, "nginx.service", "[Service]\nTimeoutStartSec=1\nExecStartPre=/bin/sleep 100\n")?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-start-timeout", &["nginx.service"]),
        repair: Some(|host| without_drop_in(host, "nginx.service")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-runtime-dir-missing",
        name: "sshd-under-a-home-made-unit",
        break_it: |host| {
            home_made_unit(host, "sshd-admin", "ExecStart=/usr/sbin/sshd -D -p 2200\n")?;
            host.sh("rm -rf /run/sshd")?;
            start(host, "sshd-admin")?;
            host.wait("systemctl is-failed sshd-admin")
        },
        seen: &[client("10.2.0.2:2200", Refused)],
        target: "2200",
        expect: refused("svc-runtime-dir-missing", &["sshd-admin.service", "/run/sshd"]),
        fix: Some("runtime-directory"),
        repair: Some(|host| {
            drop_in(host, "sshd-admin.service", "[Service]\nRuntimeDirectory=sshd\n")?;
            host.run(&["systemctl", "restart", "sshd-admin"])
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-bootstrap-check-refuses",
        name: "search-server-with-few-files",
        break_it: |host| {
            host.write("/usr/local/bin/search", SEARCH)?;
            host.sh("chmod 755 /usr/local/bin/search")?;
            home_made_unit(host, "elasticsearch", "LimitNOFILE=512\nExecStart=/usr/local/bin/search\n")?;
            start(host, "elasticsearch")?;
            host.wait("systemctl is-failed elasticsearch")
        },
        seen: &[client("10.2.0.2:9200", Refused)],
        target: "9200",
        expect: refused(
            "svc-bootstrap-check-refuses",
            &["elasticsearch.service", "max file descriptors [512]", "LimitNOFILE=1024"],
        ),
        fix: Some("raise-limit"),
        repair: Some(|host| {
            drop_in(host, "elasticsearch.service", "[Service]\nLimitNOFILE=1024\n")?;
            host.run(&["systemctl", "restart", "elasticsearch"])
        }),
        ..SCENARIO
    },
    Scenario {
        cause: HEALTHY,
        name: "bad-edit-not-yet-restarted",
        break_it: |host| {
            start(host, "nginx")?;
            host.write("/etc/nginx/conf.d/bad.conf", "listen 80\n")
        },
        seen: &[client("10.2.0.2:80", Open)],
        target: "80",
        ..SCENARIO
    },
];

/// Puts a daemon's data on a small disk and fills that to the last byte.
fn full_disk(host: &Host, data: &str, size: &str) -> Step {
    host.sh(&format!(
        "data={data}; cp -a $data /tmp/data; mount -t tmpfs -o size={size} disk $data; cp -a /tmp/data/. $data/; \
         chown --reference=/tmp/data $data; chmod --reference=/tmp/data $data; cat /dev/zero >$data/backup.tar || :"
    ))
}

fn nginx_repaired_without_shop(host: &Host, ports: &str) -> Step {
    host.sh("rm /etc/nginx/conf.d/shop.conf")?;
    nginx_repaired(host, ports)
}
