//! Plans that change one line of what a daemon was told: another address, another port, or a listener at all.

use std::net::{IpAddr, SocketAddr};

use super::words;
use crate::facts::daemon::{Daemon, DaemonConfig, Origin};
use crate::facts::unit::Unit;
use crate::fixes::action::{Action, Edit, Hunk};
use crate::fixes::plan::{Plan, Scope};
use crate::fixes::{check, unit as units};
use crate::text::with_word;

/// Names `new` where an address stands that this host does not have, and (re)starts the unit. None where the line does
/// not name the old address.
pub fn readdressed(unit: &Unit, at: &Origin, old: IpAddr, new: IpAddr) -> Option<Plan> {
    let line = with_word(&at.text, &old.to_string(), &new.to_string());
    let plan = Plan::new("listen-address", format!("name {new} in place of {old} for {}", unit.name));
    let plan =
        plan.scope(super::scope_of(new)).warn(format!("whoever reaches {new} can then connect to {}", unit.name));
    changed(plan, unit, at, vec![line])
}

/// Lets it listen on `port`: besides the one it has where it can have several, else instead.
pub fn on_port(config: &DaemonConfig, unit: &Unit, now: u16, port: u16) -> Option<Plan> {
    if !unit.is_running() {
        return None;
    }
    let daemon = config.daemon;
    let several = words::shape(daemon, false) == words::Shape::Lines;
    let places = config.listens.iter().filter(|listen| listen.port == Some(now));
    let mut edits = super::Changed::default();
    for listen in places {
        let origin = listen.port_set_by.as_ref()?;
        let new = |line: &str| {
            let whole = with_word(line, &now.to_string(), &port.to_string());
            if daemon == Daemon::Sshd && line.to_ascii_lowercase().starts_with("port") {
                return Some(vec![line.to_owned(), whole]);
            }
            if several { words::with_port(daemon, line, listen, port) } else { Some(vec![whole]) }
        };
        edits.change(origin, new)?;
    }
    let how = if several { "as well" } else { "instead" };
    let plan =
        Plan::new("listen-port", format!("let {} listen on port {port} {how}", unit.name)).scope(Scope::Everyone);
    let plan = plan.warn(format!("whoever reaches the addresses it listens on can then connect to it on port {port}"));
    let plan = if several { plan } else { plan.warn(format!("who uses port {now} now must use {port} then")) };
    let edits = edits.edits();
    (!edits.is_empty()).then(|| {
        let gentle = matches!(daemon, Daemon::Nginx | Daemon::Haproxy);
        started(super::edited(plan, edits), unit, gentle)
    })
}

/// Lets a daemon listen again that was told to listen nowhere. None where that takes more than this line.
pub fn again(config: &DaemonConfig, unit: &Unit, at: &Origin, wanted: Option<IpAddr>, port: u16) -> Option<Plan> {
    let mind = format!("somebody switched it off by `{}`, perhaps on purpose: ask why first", at.text);
    let to_port = || Plan::new("listen-port", format!("let {} listen on port {port} again", unit.name));
    let to_address = |new| Plan::new("listen-address", format!("let {} listen on {new} again", unit.name));
    let zero = with_word(&at.text, "0", &port.to_string());
    let (plan, line) = match config.daemon {
        Daemon::Mysql if at.text.starts_with("skip") => {
            let ip = wanted?;
            // Where it is not switched off, the last address counts.
            (to_address(SocketAddr::new(ip, port)).scope(super::scope_of(ip)), format!("bind-address = {ip}"))
        }
        Daemon::Postgres => {
            let ip = wanted?;
            let line = words::listed(Daemon::Postgres, &at.text, ip)?;
            (to_address(SocketAddr::new(ip, port)).scope(super::scope_of(ip)), line)
        }
        Daemon::Vsftpd if at.text.eq_ignore_ascii_case("listen=no") => {
            (to_port().scope(Scope::Everyone), "listen=YES".to_owned())
        }
        Daemon::Mysql | Daemon::Redis | Daemon::Memcached if zero != at.text => {
            (to_port().scope(Scope::Everyone), zero)
        }
        Daemon::Nginx
        | Daemon::Apache
        | Daemon::Sshd
        | Daemon::Haproxy
        | Daemon::Vsftpd
        | Daemon::Mysql
        | Daemon::Redis
        | Daemon::Memcached => return None,
    };
    let plan = match super::besides(config.daemon) {
        Some(words) => plan.warn(words),
        None => plan,
    };
    changed(plan.warn(mind), unit, at, vec![line])
}

/// A plan that changes one line, unless it says so already.
fn changed(plan: Plan, unit: &Unit, at: &Origin, new: Vec<String>) -> Option<Plan> {
    if new == [at.text.as_str()] {
        return None;
    }
    let hunks = vec![Hunk { line: at.line, old: vec![at.text.clone()], new }];
    let edit = Action::Edit(Edit { file: at.file.clone(), hunks });
    Some(started(plan.step(format!("change {}", at.file), edit), unit, false))
}

/// The daemon checks its configuration, and takes it up: started, started anew, or, where that is enough (`gentle`), told to
/// read it.
fn started(plan: Plan, unit: &Unit, gentle: bool) -> Plan {
    if unit.is_running() {
        return units::taken_up(plan, &unit.name, gentle);
    }
    units::started(check::added(plan, &unit.name), unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::daemon::{ConfiguredListen, ListenAddress};

    fn origin(line: u32, text: &str) -> Origin {
        Origin { file: "/etc/x.conf".into(), line, text: text.into() }
    }

    fn unit(name: &str, active: &str) -> Unit {
        let sub = if active == "active" { "running" } else { "dead" };
        Unit { name: name.into(), active_state: active.into(), sub_state: sub.into(), ..Unit::default() }
    }

    fn config(daemon: Daemon, places: &[(&str, u16, u32, &str)]) -> DaemonConfig {
        let listen = |(address, port, line, text): &(&str, u16, u32, &str)| ConfiguredListen {
            address: ListenAddress::Ip(address.parse().unwrap()),
            port: Some(*port),
            v6only: None,
            address_set_by: Some(origin(*line, text)),
            port_set_by: Some(origin(*line, text)),
        };
        let listens = places.iter().map(listen).collect();
        DaemonConfig {
            daemon,
            unit: None,
            listens,
            silenced_by: Vec::new(),
            files: Vec::new(),
            gaps: Vec::new(),
            beyond: crate::facts::beyond::Beyond::default(),
        }
    }

    #[test]
    fn an_address_of_another_host_is_replaced_and_the_unit_started() {
        let (failed, line) = (unit("nginx.service", "failed"), origin(1, "listen 10.9.9.9:80;"));
        let plan = readdressed(&failed, &line, "10.9.9.9".parse().unwrap(), "10.2.0.2".parse().unwrap()).unwrap();
        let run = "edit /etc/x.conf:1: listen 10.2.0.2:80;\nnginx -t\nsystemctl reset-failed nginx.service\n\
                   systemctl start nginx.service";
        assert_eq!(plan.commands(), run);
        assert_eq!(
            plan.undo_commands().unwrap(),
            "systemctl stop nginx.service\nedit /etc/x.conf:1: listen 10.9.9.9:80;"
        );
        let elsewhere = readdressed(&failed, &line, "10.9.9.8".parse().unwrap(), "10.2.0.2".parse().unwrap());
        assert_eq!(elsewhere, None);
    }

    #[test]
    fn a_port_is_added_or_exchanged() {
        let one_line = "server { listen 8080; listen [::]:8080; }";
        let nginx = config(Daemon::Nginx, &[("0.0.0.0", 8080, 1, one_line), ("::", 8080, 1, one_line)]);
        let plan = on_port(&nginx, &unit("nginx.service", "active"), 8080, 80).unwrap();
        let both = "server { listen 8080; listen 80; listen [::]:8080; listen [::]:80; }";
        assert!(plan.commands().starts_with(&format!("edit /etc/x.conf:1: {both}\nnginx -t\n")), "{}", plan.commands());
        let sshd = config(Daemon::Sshd, &[("0.0.0.0", 2222, 3, "Port 2222"), ("::", 2222, 3, "Port 2222")]);
        let plan = on_port(&sshd, &unit("ssh.service", "active"), 2222, 22).unwrap();
        assert_eq!(plan.commands(), "edit /etc/x.conf:4: add: Port 22\nsshd -t\nsystemctl restart ssh.service");
        assert!(plan.guarded());
        let postgres = config(Daemon::Postgres, &[("0.0.0.0", 5433, 9, "port = 5433\t# (change requires restart)")]);
        let plan = on_port(&postgres, &unit("postgresql@15-main.service", "active"), 5433, 5432).unwrap();
        assert!(plan.commands().starts_with("edit /etc/x.conf:9: port = 5432\t# (change"), "{}", plan.commands());
        assert!(plan.warnings.iter().any(|w| w.contains("must use 5432")), "{:?}", plan.warnings);
    }

    #[test]
    fn what_was_switched_off_is_switched_on() {
        let on = |daemon, unit: &Unit, text: &str, port| {
            again(&config(daemon, &[]), unit, &origin(2, text), Some("10.2.0.2".parse().unwrap()), port)
        };
        let commands = |plan: Option<Plan>| plan.unwrap().commands();
        let maria = unit("mariadb.service", "active");
        assert_eq!(
            commands(on(Daemon::Mysql, &maria, "skip-networking", 3306)),
            "edit /etc/x.conf:2: bind-address = 10.2.0.2\nsystemctl restart mariadb.service"
        );
        let postgres = commands(on(Daemon::Postgres, &unit("p.service", "active"), "listen_addresses = ''", 5432));
        assert!(postgres.starts_with("edit /etc/x.conf:2: listen_addresses = '10.2.0.2'\n"), "{postgres}");
        let redis = commands(on(Daemon::Redis, &unit("redis-server.service", "failed"), "port 0", 6379));
        assert!(redis.starts_with("edit /etc/x.conf:2: port 6379\nsystemctl reset-failed"), "{redis}");
        assert_eq!(on(Daemon::Apache, &unit("apache2.service", "active"), "<IfModule ssl_module>", 443), None);
    }
}
