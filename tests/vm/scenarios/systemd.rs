//! What systemd does by control groups, which hosts in containers may not do: address filters and limits of memory.

use crate::scenario::{SCENARIO, Scenario};

/// The list.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        cause: "systemd-ipaddress-deny",
        name: "nginx-denies-every-address",
        break_it: &[
            "mkdir -p /etc/systemd/system/nginx.service.d\n",
            "printf '[Service]\\nIPAddressDeny=any\\n' >/etc/systemd/system/nginx.service.d/hard.conf\n",
            "systemctl daemon-reload; systemctl start nginx",
        ],
        seen: "timeout",
        names: &["nginx.service", "IPAddressDeny"],
        repair: "rm /etc/systemd/system/nginx.service.d/hard.conf; systemctl daemon-reload; systemctl restart nginx",
        ..SCENARIO
    },
    Scenario {
        cause: "svc-oom-killed",
        name: "shop-over-its-limit",
        break_it: &[
            "printf '%s\\n' '[Service]' 'MemoryMax=24M' 'MemorySwapMax=0' \
             'ExecStart=/usr/bin/python3 -c \"import http.server as s; w = bytearray(64 << 20); \
             s.HTTPServer((str(), 8080), s.SimpleHTTPRequestHandler).serve_forever()\" --port 8080' \
             '[Install]' 'WantedBy=multi-user.target' >/etc/systemd/system/shop.service\n",
            "systemctl daemon-reload; systemctl enable shop 2>/dev/null; systemctl start shop; sleep 3",
        ],
        port: 8080,
        target: "shop.service",
        names: &["shop.service", "OOM"],
        repair: "sed -i /MemoryMax/d /etc/systemd/system/shop.service; systemctl daemon-reload\n\
                 systemctl reset-failed shop || true; systemctl start shop",
        ..SCENARIO
    },
];
