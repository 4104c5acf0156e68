//! SELinux keeps daemons from ports that are not of their types.

use crate::image::Boot;
use crate::scenario::{SCENARIO, Scenario};

/// nginx is moved to another port.
const MOVED: &str = "sed -i 's/listen 80 default_server/listen 8099 default_server/; /listen .::.:80/d' \
                     /etc/nginx/sites-enabled/default\n";

const NGINX: Scenario = Scenario {
    cause: "selinux-port-type",
    boot: Boot::Selinux,
    port: 8099,
    state: "grep portcon /var/lib/selinux/default/active/ports.local || true",
    ..SCENARIO
};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nginx-on-8099",
        break_it: &[MOVED, "systemctl restart nginx || true"],
        names: &[
            "nginx.service",
            "httpd_t",
            "unreserved_port_t",
            "http_port_t",
            "semanage port -a -t http_port_t -p tcp 8099",
        ],
        fixes: &["selinux-port-type"],
        ..NGINX
    },
    Scenario {
        name: "sshd-on-2222",
        break_it: &[
            "ssh-keygen -A >/dev/null; echo 'Port 2222' >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh || true",
        ],
        port: 2222,
        names: &["ssh.service", "sshd_t", "semanage port -a -t ssh_port_t -p tcp 2222"],
        repair: "semanage permissive -a sshd_t; systemctl reset-failed ssh || true; systemctl start ssh",
        ..NGINX
    },
    Scenario {
        name: "nginx-silent",
        break_it: &[
            MOVED,
            "echo '(dontaudit httpd_t unreserved_port_t (tcp_socket (name_bind)))' >/root/quiet.cil; semodule -i /root/quiet.cil\n",
            "systemctl restart nginx || true",
        ],
        names: &["nginx.service", "httpd_t", "nothing in the audit tells it", "dontaudit"],
        ..NGINX
    },
    Scenario {
        cause: "selinux-port-label-lost-after-update",
        name: "nginx-on-8099-worked-before",
        break_it: &[
            MOVED,
            "semanage port -a -t http_port_t -p tcp 8099; systemctl start nginx; sleep 2; semanage port -d -p tcp 8099\n",
            "systemctl restart nginx || true",
        ],
        names: &["nginx.service", "httpd_t", "any more", "unreserved_port_t"],
        ..NGINX
    },
];
