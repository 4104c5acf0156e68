//! The fixes that are ended in the middle: one for every kind of step a plan can have.

use crate::cmd::Step;
use crate::host::Host;
use crate::scenario::Scenario;
use crate::scenarios;
use crate::scenarios::steps::restart_in_vain;

/// A fix, and what to know of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// What it does, in a few words: the row of the table.
    pub what: &'static str,
    /// The scenario it is the fix of: cause and name.
    of: (&'static str, &'static str),
    /// Its plan.
    pub plan: &'static str,
    /// Units that are started more often here than systemd lets anybody in a while.
    units: &'static [&'static str],
    /// What cannot be taken back, and is said to be left.
    pub leaves: Option<&'static str>,
    /// Brings about again what no way back brings: that a unit failed.
    pub again: Option<fn(&Host) -> Step>,
    /// It does most of its work in a program of its own, which takes a while.
    pub slow: bool,
}

const KIND: Kind = Kind { what: "", of: ("", ""), plan: "", units: &[], leaves: None, again: None, slow: false };

/// All of them.
pub(super) const ALL: &[Kind] = &[
    Kind {
        what: "a unit unmasked and started",
        of: ("svc-masked", "nginx"),
        plan: "unmask-unit",
        units: &["nginx"],
        ..KIND
    },
    Kind {
        what: "a line of a file, a check, a restart",
        of: ("bind-one-specific-ip", "nginx-asked-on-loopback"),
        plan: "listen-address",
        units: &["nginx"],
        ..KIND
    },
    Kind {
        what: "a drop-in in a directory of its own",
        of: ("privileged-port-eacces", "development-server"),
        plan: "bind-capability",
        units: &["shop"],
        again: Some(|host| {
            restart_in_vain(host, "shop")?;
            host.wait("systemctl is-failed shop")
        }),
        ..KIND
    },
    Kind {
        what: "a file taken away",
        of: ("svc-condition-unmet", "sshd-not-to-be-run"),
        plan: "remove-path",
        units: &["ssh"],
        again: Some(|host| restart_in_vain(host, "ssh")),
        ..KIND
    },
    Kind {
        what: "a kernel setting, now and for good",
        of: ("privileged-port-eacces", "redis"),
        plan: "unprivileged-ports",
        again: Some(|host| {
            host.run(&["systemctl", "reset-failed"])?;
            restart_in_vain(host, "redis-server")?;
            host.wait("systemctl is-failed redis-server")
        }),
        ..KIND
    },
    Kind {
        what: "a rule of nftables",
        of: ("fw-input-drop", "nft-policy-and-one-client"),
        plan: "allow-client",
        ..KIND
    },
    Kind {
        what: "a rule of iptables",
        of: ("fw-input-reject", "iptables-tcp-reset"),
        plan: "allow-everyone",
        slow: true,
        ..KIND
    },
    Kind {
        what: "a rule of iptables-legacy",
        of: ("fw-legacy-and-nft-mixed", "reject-among-the-legacy-rules"),
        plan: "allow-everyone",
        slow: true,
        ..KIND
    },
    Kind {
        what: "a zone of firewalld, now",
        of: ("fw-firewalld-zone-default", "http-is-not-in-the-zone"),
        plan: "firewalld-allow-for-an-hour",
        ..KIND
    },
    Kind {
        what: "a zone of firewalld, for good",
        of: ("fw-firewalld-zone-default", "http-is-to-stay-in-the-zone"),
        plan: "firewalld-allow-permanently",
        ..KIND
    },
    Kind { what: "a rule of ufw", of: ("fw-ufw-deny", "a-rule-denies"), plan: "ufw-delete-rule", slow: true, ..KIND },
    Kind {
        what: "a ban of fail2ban lifted",
        of: ("fw-fail2ban-ban", "nftables-multiport"),
        plan: "unban",
        slow: true,
        ..KIND
    },
    Kind {
        what: "the unit that has the port stopped",
        of: ("port-conflict-other-daemon", "home-made-holds-apache-port"),
        plan: "stop-other-unit",
        units: &["board", "apache2"],
        again: Some(|host| restart_in_vain(host, "apache2")),
        ..KIND
    },
    Kind {
        what: "the process that has the port ended",
        of: ("port-conflict-old-instance", "nginx-started-by-hand"),
        plan: "end-process",
        units: &["nginx"],
        leaves: Some("nothing here can bring it back"),
        again: Some(|host| {
            // Started before the file names its other port, or it would have that, too.
            host.sh("systemctl stop nginx by-hand 2>/dev/null || :; systemctl reset-failed")?;
            let found = scenarios::all().find(|s| s.name == "nginx-started-by-hand");
            (found.ok_or("there is no such scenario")?.break_it)(host)
        }),
        ..KIND
    },
    Kind {
        what: "a socket unit with another address",
        of: ("socket-unit-overrides-daemon-config", "sshd-port-2222"),
        plan: "listen-address",
        units: &["ssh"],
        ..KIND
    },
];

impl Kind {
    /// The scenario.
    pub(super) fn scenario(&self) -> Step<&'static Scenario> {
        let (cause, name) = self.of;
        scenarios::named(cause, name)
    }

    /// Lets its units be started as often as this takes. Nothing of it is left in /etc.
    pub(super) fn calm(&self, host: &Host) -> Step {
        for unit in self.units {
            let file = format!("/run/systemd/system/{unit}.service.d/00-often.conf");
            host.write(&file, "[Unit]\nStartLimitIntervalSec=0\n")?;
        }
        host.run(&["systemctl", "daemon-reload"])
    }
}
