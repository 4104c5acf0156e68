//! The daemon that should answer does not run: stopped, masked, never installed, waiting, or held back by another unit.

use super::steps::{
    drop_in, edit_and_restart, home_made_unit, open_postgres, pg_unit, redis_password, restart_in_vain, start,
    without_drop_in,
};
use crate::dial::Outcome::{Open, Refused};
use crate::scenario::{Needs, SCENARIO, Scenario, client, here, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "svc-not-running",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            host.run(&["systemctl", "stop", "nginx"])
        },
        seen: &[client("10.2.0.2:80", Refused), here("127.0.0.1:80", Refused)],
        target: "80",
        expect: refused("svc-not-running", &["nginx.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "nginx"])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-not-running",
        name: "nginx-by-unit-asked-by-nobody",
        break_it: |host| {
            start(host, "nginx")?;
            host.run(&["systemctl", "stop", "nginx"])
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "nginx",
        asked_by: "nobody",
        expect: refused("svc-not-running", &["nginx.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "nginx"])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-not-running",
        name: "mariadb",
        break_it: |host| {
            start(host, "mariadb")?;
            host.run(&["systemctl", "stop", "mariadb"])
        },
        seen: &[here("127.0.0.1:3306", Refused)],
        target: "127.0.0.1:3306",
        expect: refused("svc-not-running", &["mariadb.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", "mariadb"])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-not-installed",
        name: "sshd",
        before_boot: |host| host.run(&["dpkg", "--purge", "openssh-server"]),
        seen: &[client("10.2.0.2:22", Refused)],
        target: "22",
        expect: refused("svc-not-installed", &["openssh-server"]),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-not-installed",
        name: "postgresql",
        before_boot: |host| {
            host.sh("dpkg --purge postgresql postgresql-common $(dpkg-query -W -f '${Package}\\n' 'postgresql-[0-9]*')")
        },
        seen: &[client("10.2.0.2:5432", Refused)],
        target: "5432",
        expect: refused("svc-not-installed", &["postgresql"]),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-not-enabled-after-reboot",
        name: "nginx",
        break_it: |host| {
            host.run(&["systemctl", "start", "nginx"])?;
            host.reboot()
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-not-enabled-after-reboot", &["nginx.service"]),
        fix: Some("start-and-enable-unit"),
        repair: Some(|host| start(host, "nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-masked",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            host.run(&["systemctl", "mask", "--quiet", "--now", "nginx"])
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-masked", &["nginx.service"]),
        fix: Some("unmask-unit"),
        repair: Some(|host| {
            host.run(&["systemctl", "unmask", "--quiet", "nginx"])?;
            start(host, "nginx")
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-masked",
        name: "redis-by-unit",
        break_it: |host| {
            redis_password(host)?;
            host.run(&["systemctl", "mask", "--quiet", "redis-server"])
        },
        seen: &[here("127.0.0.1:6379", Refused)],
        target: "redis-server.service",
        expect: refused("svc-masked", &["redis-server.service"]),
        fix: Some("unmask-unit"),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-condition-unmet",
        name: "sshd-not-to-be-run",
        break_it: |host| {
            host.sh("touch /etc/ssh/sshd_not_to_be_run")?;
            start(host, "ssh")
        },
        seen: &[client("10.2.0.2:22", Refused)],
        target: "22",
        expect: refused("svc-condition-unmet", &["ssh.service", "/etc/ssh/sshd_not_to_be_run"]),
        fix: Some("remove-path"),
        repair: Some(|host| {
            host.sh("rm /etc/ssh/sshd_not_to_be_run")?;
            host.run(&["systemctl", "start", "ssh"])
        }),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-condition-unmet",
        name: "nginx-drop-in",
        break_it: |host| {
            drop_in(host, "nginx.service", "[Unit]\nConditionPathExists=/srv/www/ready\n")?;
            start(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-condition-unmet", &["nginx.service", "/srv/www/ready"]),
        fix: Some("create-path"),
        repair: Some(|host| host.sh("mkdir -p /srv/www/ready; systemctl start nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-dependency-failed",
        name: "nginx-needs-a-mount",
        break_it: |host| {
            let mount = "[Mount]\nWhat=/srv/disk.img\nWhere=/srv/data\nType=ext4\nOptions=loop\n";
            host.unit("srv-data.mount", mount)?;
            drop_in(host, "nginx.service", "[Unit]\nRequiresMountsFor=/srv/data\n")?;
            host.run(&["systemctl", "enable", "--quiet", "nginx"])?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-dependency-failed", &["nginx.service", "srv-data.mount"]),
        repair: Some(|host| without_drop_in(host, "nginx.service")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-active-wrapper-hides-failure",
        name: "postgresql-instance-stopped",
        break_it: |host| {
            open_postgres(host)?;
            host.run(&["systemctl", "stop", &pg_unit(host)?])?;
            host.run(&["systemctl", "is-active", "postgresql"])
        },
        seen: &[client("10.2.0.2:5432", Refused)],
        target: "5432",
        expect: refused("svc-active-wrapper-hides-failure", &["-main.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", &pg_unit(host)?])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-active-wrapper-hides-failure",
        name: "postgresql-by-unit",
        break_it: |host| {
            open_postgres(host)?;
            host.run(&["systemctl", "stop", &pg_unit(host)?])
        },
        seen: &[client("10.2.0.2:5432", Refused)],
        target: "postgresql",
        expect: refused("svc-active-wrapper-hides-failure", &["-main.service"]),
        fix: Some("start-unit"),
        repair: Some(|host| host.run(&["systemctl", "start", &pg_unit(host)?])),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-starting-not-ready",
        name: "nginx-waits-before-start",
        break_it: |host| {
            drop_in(host, "nginx.service", "[Service]\nTimeoutStartSec=infinity\nExecStartPre=/bin/sleep 600\n")?;
            host.run(&["systemctl", "start", "--no-block", "nginx"])?;
            host.wait("systemctl show -p SubState nginx | grep -q start-pre")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-starting-not-ready", &["nginx.service"]),
        repair: Some(|host| without_drop_in(host, "nginx.service")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-starting-not-ready",
        name: "notify-unit-never-says-ready",
        break_it: |host| {
            let service = "Type=notify\nTimeoutStartSec=infinity\nEnvironment=PORT=8000\nExecStart=/bin/sleep 600\n";
            home_made_unit(host, "shop", service)?;
            host.run(&["systemctl", "start", "--no-block", "shop"])
        },
        seen: &[client("10.2.0.2:8000", Refused)],
        target: "8000",
        expect: refused("svc-starting-not-ready", &["shop.service"]),
        ..SCENARIO
    },
    Scenario {
        cause: "no-listener-unknown-service",
        name: "port-4711",
        seen: &[client("10.2.0.2:4711", Refused)],
        target: "4711",
        expect: refused("no-listener-unknown-service", &["4711"]),
        ..SCENARIO
    },
    Scenario {
        cause: "no-listener-unknown-service",
        name: "port-4711-among-busy-daemons",
        break_it: |host| start(host, "nginx").and_then(|()| start(host, "ssh")),
        seen: &[client("10.2.0.2:4711", Refused), client("10.2.0.2:80", Open)],
        target: "4711",
        expect: refused("no-listener-unknown-service", &["4711"]),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-oom-killed",
        name: "redis-over-its-memory-limit",
        break_it: |host| {
            drop_in(host, "redis-server.service", "[Service]\nMemoryMax=40M\nMemorySwapMax=0\nRestart=no\n")?;
            start(host, "redis-server")?;
            host.try_run(&["redis-cli", "SETRANGE", "big", "200000000", "x"])?;
            host.wait("systemctl is-failed redis-server")
        },
        seen: &[here("127.0.0.1:6379", Refused)],
        target: "127.0.0.1:6379",
        expect: refused("svc-oom-killed", &["redis-server.service"]),
        repair: Some(|host| without_drop_in(host, "redis-server.service")),
        needs: Needs::MemoryController,
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-upstream-name-unresolved",
        name: "nginx",
        break_it: |host| {
            start(host, "nginx")?;
            let site = "server { listen 8080; location / { proxy_pass http://backend-of-the-shop; } }\n";
            host.write("/etc/nginx/conf.d/shop.conf", site)?;
            restart_in_vain(host, "nginx")
        },
        seen: &[client("10.2.0.2:80", Refused)],
        target: "80",
        expect: refused("svc-failed-upstream-name-unresolved", &["nginx.service", "backend-of-the-shop"]),
        repair: Some(|host| host.sh("rm /etc/nginx/conf.d/shop.conf; systemctl start nginx")),
        ..SCENARIO
    },
    Scenario {
        cause: "svc-failed-upstream-name-unresolved",
        name: "haproxy",
        break_it: |host| {
            let shop = "listen shop\n    bind :8090\n    server s1 backend-of-the-shop:80\n";
            edit_and_restart(host, "haproxy", "/etc/haproxy/haproxy.cfg", shop)
        },
        seen: &[client("10.2.0.2:8090", Refused)],
        target: "8090",
        expect: refused("svc-failed-upstream-name-unresolved", &["haproxy.service", "backend-of-the-shop"]),
        repair: Some(|host| {
            host.sh(
                "echo '10.1.0.2 backend-of-the-shop' >>/etc/hosts; systemctl reset-failed; systemctl restart haproxy",
            )
        }),
        ..SCENARIO
    },
];
