//! systemd's own sandbox forbids what the daemon needs.

use super::steps::{drop_in, restart_in_vain, start, without_drop_in};
use crate::cmd::Step;
use crate::dial::Outcome::Refused;
use crate::host::Host;
use crate::scenario::{SCENARIO, Scenario, client, refused};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "systemd-restrict-address-families",
        name: "nginx-unix-only",
        break_it: |host| confined(host, "RestrictAddressFamilies=AF_UNIX"),
        expect: refused("systemd-restrict-address-families", &["nginx.service"]),
        fix: Some("allow-address-families"),
        ..NGINX
    },
    Scenario {
        cause: "systemd-protect-filesystem",
        name: "nginx-read-only-run",
        break_it: |host| confined(host, "ProtectSystem=strict"),
        expect: refused("systemd-protect-filesystem", &["nginx.service", "ProtectSystem"]),
        fix: Some("write-state"),
        ..NGINX
    },
    Scenario {
        cause: "systemd-protect-filesystem",
        name: "nginx-configuration-out-of-sight",
        break_it: |host| confined(host, "InaccessiblePaths=/etc/nginx"),
        expect: refused("systemd-protect-filesystem", &["nginx.service", "InaccessiblePaths"]),
        fix: Some("path-off-list"),
        ..NGINX
    },
    Scenario {
        cause: "systemd-protect-filesystem",
        name: "nginx-missing-read-write-path",
        break_it: |host| confined(host, "ReadWritePaths=/srv/no-such-directory"),
        expect: refused("systemd-protect-filesystem", &["nginx.service", "/srv/no-such-directory"]),
        fix: Some("optional-path"),
        ..NGINX
    },
    Scenario {
        cause: "systemd-capability-or-syscall-filter",
        name: "nginx-without-the-capability-to-bind",
        break_it: |host| confined(host, "CapabilityBoundingSet=~CAP_NET_BIND_SERVICE"),
        expect: refused("systemd-capability-or-syscall-filter", &["nginx.service"]),
        fix: Some("allow-capability"),
        ..NGINX
    },
    Scenario {
        cause: "systemd-capability-or-syscall-filter",
        name: "nginx-bind-filtered",
        break_it: |host| confined(host, "SystemCallFilter=~bind"),
        expect: refused("systemd-capability-or-syscall-filter", &["nginx.service"]),
        fix: Some("allow-system-calls"),
        ..NGINX
    },
];

const NGINX: Scenario = Scenario {
    seen: &[client("10.2.0.2:80", Refused)],
    target: "80",
    repair: Some(|host| without_drop_in(host, "nginx.service")),
    ..SCENARIO
};

/// nginx was well, then somebody hardened its unit.
fn confined(host: &Host, setting: &str) -> Step {
    start(host, "nginx")?;
    drop_in(host, "nginx.service", &format!("[Service]\n{setting}\n"))?;
    restart_in_vain(host, "nginx")
}
