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

/// nginx passes what it is asked on to a server of no domain in particular, which serves a page.
const APP: &str = "mkdir -p /srv/app; echo hello >/srv/app/index.html\n\
    (cd /srv/app; setsid python3 -m http.server $port --bind 127.0.0.1 >/dev/null 2>&1 </dev/null &)\n\
    echo \"server { listen 80 default_server; location / { proxy_pass http://127.0.0.1:$port; } }\" \
    >/etc/nginx/sites-enabled/default; systemctl restart nginx";
const UP: &str = "\nuntil bash -c \": >/dev/tcp/127.0.0.1/$port\" 2>/dev/null; do sleep 0.2; done\n";

const PROXY: Scenario = Scenario {
    cause: "selinux-connect-denied",
    boot: Boot::Selinux,
    target: "http://10.1.0.1/",
    seen: "502",
    works: "200",
    state: "getsebool -a",
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
    Scenario {
        name: "nginx-to-an-app",
        break_it: &["port=9000\n", APP, UP],
        names: &[
            "nginx.service (httpd_t)",
            "127.0.0.1:9000",
            "cslistener_port_t",
            "name_connect",
            "httpd_can_network_connect is off",
            "setsebool httpd_can_network_connect on",
        ],
        fixes: &["selinux-boolean"],
        repair: "setsebool httpd_can_network_connect on",
        ..PROXY
    },
];
