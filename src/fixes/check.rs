//! A daemon's own check of its configuration: it comes before any restart, because an error in it would leave nothing
//! that serves.

use super::action::Action;
use super::plan::Plan;
use crate::facts::daemon::Daemon;

/// The command that checks the configuration of a unit's daemon, as argv; none where the daemon knows none.
pub fn argv(unit: &str) -> Option<&'static [&'static str]> {
    match Daemon::ALL.into_iter().find(|daemon| daemon.runs_as(unit)) {
        Some(Daemon::Nginx) => Some(&["nginx", "-t"]),
        Some(Daemon::Apache) => Some(&["apachectl", "configtest"]),
        Some(Daemon::Sshd) => Some(&["sshd", "-t"]),
        Some(Daemon::Haproxy) => Some(&["haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"]),
        Some(Daemon::Mysql | Daemon::Postgres | Daemon::Redis | Daemon::Vsftpd | Daemon::Memcached) => None,
        None => match unit {
            "named.service" | "bind9.service" => Some(&["named-checkconf"]),
            "unbound.service" => Some(&["unbound-checkconf"]),
            "dnsmasq.service" => Some(&["dnsmasq", "--test"]),
            "postfix.service" => Some(&["postfix", "check"]),
            _ => None,
        },
    }
}

/// Adds the check to a plan, where there is one.
#[must_use]
pub fn added(plan: Plan, unit: &str) -> Plan {
    let Some(argv) = argv(unit) else { return plan };
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    plan.step("let it check its configuration", Action::Check { argv })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_check_itself_does() {
        assert_eq!(added(Plan::new("x", "x"), "ssh.service").commands(), "sshd -t");
        assert_eq!(added(Plan::new("x", "x"), "shop.service").commands(), "");
    }
}
