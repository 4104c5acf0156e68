//! AppArmor keeps nginx from its port: the profile lacks a rule, or denies it.

use crate::scenario::{SCENARIO, Scenario};

/// A profile under which nginx works on Debian, but for the rules between these parts.
const BEGIN: &str = "systemctl start nginx; cat >/etc/apparmor.d/usr.sbin.nginx <<'E'\n\
    abi <abi/3.0>,\ninclude <tunables/global>\n";
const NAMED: &str = "profile nginx /usr/sbin/nginx {\n";
const BY_PATH: &str = "/usr/sbin/nginx {\n";
const USUAL: &str = "  include <abstractions/base>\n  capability dac_override, capability setuid, capability setgid,\n  \
    capability chown, capability kill,\n  /usr/sbin/nginx mr,\n  /usr/lib/nginx/** mr,\n  /usr/share/nginx/** r,\n  \
    /etc/** r,\n  /var/log/nginx/* rw,\n  /var/lib/nginx/** rw,\n  /var/www/** r,\n  /run/nginx.pid rw,\n  \
    owner /proc/@{pid}/** r,\n";
const LOAD: &str = "}\nE\napparmor_parser -r /etc/apparmor.d/usr.sbin.nginx\n";
const RESTART: &str = "systemctl restart nginx || true";

const NGINX: Scenario = Scenario {
    cause: "apparmor-denied-bind",
    repair: "ln -s /etc/apparmor.d/usr.sbin.nginx /etc/apparmor.d/disable/\n\
             apparmor_parser -R /etc/apparmor.d/usr.sbin.nginx; systemctl reset-failed nginx 2>/dev/null || true; systemctl start nginx",
    state: "cat /sys/kernel/security/apparmor/profiles",
    ..SCENARIO
};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nginx-no-capability",
        break_it: &[
            BEGIN,
            NAMED,
            USUAL,
            "  network inet stream, network inet6 stream,\n  include if exists <local/usr.sbin.nginx>\n",
            LOAD,
            RESTART,
        ],
        names: &["nginx.service", "net_bind_service", "/etc/apparmor.d/usr.sbin.nginx"],
        fixes: &["apparmor-rule"],
        ..NGINX
    },
    Scenario {
        name: "nginx-no-network-with-auditd",
        break_it: &[
            BEGIN,
            BY_PATH,
            USUAL,
            "  capability net_bind_service,\n",
            LOAD,
            "systemctl start auditd\n",
            RESTART,
        ],
        names: &["nginx.service", "network inet stream", "/var/log/audit/audit.log"],
        fixes: &["apparmor-rule"],
        ..NGINX
    },
    Scenario {
        name: "nginx-silent-deny",
        break_it: &[
            BEGIN,
            NAMED,
            USUAL,
            "  capability net_bind_service, network inet stream,\n  deny network inet stream,\n  network inet6 stream,\n",
            LOAD,
            RESTART,
        ],
        names: &["nginx.service", "logs nothing", "deny network inet stream"],
        fixes: &["apparmor-without-deny"],
        ..NGINX
    },
];
