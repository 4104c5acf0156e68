//! Plans that change where a daemon listens: the line of its configuration that decides, its own check, and the restart
//! that makes it count.

mod moved;
mod words;

use std::net::{IpAddr, SocketAddr};

use super::action::{Action, Edit, Hunk};
use super::plan::{Plan, Risk, Scope};
use super::unit as units;
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};

pub use moved::{again, on_port, readdressed};

/// A daemon that listens, but not where it is asked.
#[derive(Debug)]
pub struct Listening<'a> {
    /// Its configuration.
    pub config: &'a DaemonConfig,
    /// The place it sets that others are to stand beside.
    pub listen: &'a ConfiguredListen,
    /// The unit to restart.
    pub unit: &'a str,
    /// What the unit says of itself: some tell the version.
    pub description: &'a str,
    /// This host's own addresses, as others reach them.
    pub own: &'a [IpAddr],
}

/// Lets it listen on this address as well, or on all addresses; narrowest first. Empty where the lines that decide cannot
/// be made to say so.
pub fn plans(at: &Listening<'_>, new: SocketAddr) -> Vec<Plan> {
    [on_address(at, new), everywhere(at, new)].into_iter().flatten().collect()
}

/// Lets it listen on this address as well.
fn on_address(at: &Listening<'_>, new: SocketAddr) -> Option<Plan> {
    let daemon = at.config.daemon;
    let several = takes_several(at);
    let edits = match &at.listen.address_set_by {
        Some(_) => {
            // Every virtual host that listens there, where each has a line of its own.
            let many = words::shape(daemon, several) == words::Shape::Lines;
            let mut changed = Changed::default();
            for listen in at.same_place().filter(|listen| many || *listen == at.listen) {
                let with = |line: &str| words::with(daemon, line, listen, new, several);
                changed.change(listen.address_set_by.as_ref()?, with)?;
            }
            changed.edits()
        }
        None => vec![at.appended(&words::said(daemon, Some(new.ip()))?)?],
    };
    let one = words::shape(daemon, several) == words::Shape::One;
    let instead = if one { ", in place of the address it has" } else { " too" };
    let plan = Plan::new("listen-address", format!("let {} listen on {new}{instead}", daemon.name()));
    let mut plan = exposed(plan.scope(scope_of(new.ip())), at, &[new.ip()], new.port());
    if one && !new.ip().is_loopback() {
        plan = plan.warn(format!(
            "programs of this host that ask {} by 127.0.0.1 must use {} then",
            daemon.name(),
            new.ip()
        ));
    }
    Some(counting(edited(plan, edits), at, new.ip().is_unspecified()))
}

/// Lets it listen on all addresses of this host.
fn everywhere(at: &Listening<'_>, asked: SocketAddr) -> Option<Plan> {
    if asked.ip().is_loopback() {
        return None;
    }
    let daemon = at.config.daemon;
    let edits = match &at.listen.address_set_by {
        Some(_) => at.everywhere_lines(asked)?.edits(),
        None => vec![at.appended(&words::said(daemon, None)?)?],
    };
    let plan = Plan::new("listen-everywhere", format!("let {} listen on all addresses of this host", daemon.name()))
        .scope(Scope::Everyone)
        .risk(if daemon == Daemon::Memcached { Risk::High } else { Risk::Medium });
    let plan = exposed(plan, at, at.own, asked.port());
    // A reload keeps the old socket while it opens the new one, and a wildcard collides with it.
    Some(counting(edited(plan, edits), at, true))
}

impl Listening<'_> {
    /// The places with the same address and port.
    fn same_place(&self) -> impl Iterator<Item = &ConfiguredListen> {
        self.config.listens.iter().filter(|l| l.address == self.listen.address && l.port == self.listen.port)
    }

    fn everywhere_lines(&self, asked: SocketAddr) -> Option<Changed> {
        let daemon = self.config.daemon;
        let there = |v6: bool| {
            let of_family = |l: &ConfiguredListen| match &l.address {
                ListenAddress::Ip(ip) => ip.is_ipv6() == v6,
                ListenAddress::Any | ListenAddress::Name(_) | ListenAddress::Path(_) => true,
            };
            let ports = self.config.listens.iter().filter(|l| l.port == self.listen.port);
            ports.into_iter().any(|l| words::is_wildcard(l) && of_family(l))
        };
        let has = |v6: bool| asked.is_ipv6() == v6 || self.own.iter().any(|ip| ip.is_ipv6() == v6);
        let wildcards = words::wildcards(has(false) && !there(false), has(true) && !there(true), asked.port());
        if wildcards.is_empty() {
            return None;
        }
        let mut changed = Changed::default();
        for listen in self.same_place() {
            let all = |line: &str| words::everywhere(daemon, line, listen, &wildcards);
            changed.change(listen.address_set_by.as_ref()?, all)?;
        }
        // Single addresses beside a wildcard collide with it.
        if matches!(daemon, Daemon::Apache | Daemon::Sshd | Daemon::Memcached) {
            let others = self.config.listens.iter().filter(|l| l.port == self.listen.port && !words::is_wildcard(l));
            let mut others: Vec<&Origin> = others.filter_map(|l| l.address_set_by.as_ref()).collect();
            others.retain(|origin| !changed.has(origin));
            for origin in others {
                changed.change(origin, |line| (!line.starts_with('#')).then(|| vec![words::commented(line)]))?;
            }
        }
        Some(changed)
    }

    /// A line at the end of the main file: what stands there counts, as nothing else says anything.
    fn appended(&self, line: &str) -> Option<Edit> {
        let hunks = vec![Hunk { line: 0, old: Vec::new(), new: vec![line.to_owned()] }];
        Some(Edit { file: self.config.files.first()?.clone(), hunks })
    }
}

/// Whether this version of the daemon takes a list where older ones take one address.
fn takes_several(at: &Listening<'_>) -> bool {
    let (Daemon::Mysql, Some((name, version))) = (at.config.daemon, version(at.description)) else { return false };
    // MariaDB 10.11; MySQL 8.0.13, and the packages of 8.0 are later than that.
    if name.eq_ignore_ascii_case("mariadb") { version >= (10, 11) } else { version >= (8, 0) }
}

/// Name and version in `MariaDB 10.11.6 database server`.
fn version(description: &str) -> Option<(&str, (u32, u32))> {
    let (name, rest) = description.split_once(' ')?;
    let mut numbers = rest.split(' ').next()?.split('.').map(str::parse);
    Some((name, (numbers.next()?.ok()?, numbers.next()?.ok()?)))
}

/// Lines that change, each with what becomes of it.
#[derive(Default)]
struct Changed(Vec<(Origin, Vec<String>)>);

impl Changed {
    /// Changes a line, or changes it further: one line may hold several places. None where `new` cannot change it.
    fn change(&mut self, at: &Origin, new: impl Fn(&str) -> Option<Vec<String>>) -> Option<()> {
        let same = |known: &Origin| known.file == at.file && known.line == at.line;
        let Some((_, lines)) = self.0.iter_mut().find(|(known, _)| same(known)) else {
            self.0.push((at.clone(), new(&at.text)?));
            return Some(());
        };
        // A snippet that several servers share is one place, and is changed already.
        if let [line] = lines.as_slice()
            && let Some(further) = new(line)
        {
            *lines = further;
        }
        Some(())
    }

    fn has(&self, at: &Origin) -> bool {
        self.0.iter().any(|(known, _)| known == at)
    }

    fn edits(mut self) -> Vec<Edit> {
        self.0.sort_by(|(one, _), (two, _)| (&one.file, one.line).cmp(&(&two.file, two.line)));
        let mut edits: Vec<Edit> = Vec::new();
        for (origin, new) in self.0 {
            let hunk = Hunk { line: origin.line, old: vec![origin.text], new };
            match edits.last_mut().filter(|edit| edit.file == origin.file) {
                Some(edit) => edit.hunks.push(hunk),
                None => edits.push(Edit { file: origin.file, hunks: vec![hunk] }),
            }
        }
        edits
    }
}

fn edited(plan: Plan, edits: Vec<Edit>) -> Plan {
    edits.into_iter().fold(plan, |plan, edit| plan.step(format!("change {}", edit.file), Action::Edit(edit)))
}

/// The daemon checks the new configuration and takes it up.
fn counting(plan: Plan, at: &Listening<'_>, restart: bool) -> Plan {
    let reloads = matches!(at.config.daemon, Daemon::Nginx | Daemon::Haproxy);
    units::taken_up(plan, at.unit, reloads && !restart)
}

/// Who gets in, and what that means with this daemon.
fn exposed(mut plan: Plan, at: &Listening<'_>, addresses: &[IpAddr], port: u16) -> Plan {
    let daemon = at.config.daemon;
    if plan.scope != Scope::Nobody {
        let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let where_to = if all.is_empty() { "this host".to_owned() } else { all.join(" or ") };
        plan = plan.warn(format!(
            "whoever reaches {where_to} can then connect to {} on port {port}, unless a firewall keeps them out",
            daemon.name()
        ));
    }
    match besides(daemon) {
        Some(words) => plan.warn(words),
        None => plan,
    }
}

/// What else others need before such a daemon serves them, or what they get.
pub fn besides(daemon: Daemon) -> Option<&'static str> {
    match daemon {
        Daemon::Postgres => Some("clients need a line in pg_hba.conf as well"),
        Daemon::Redis => Some(
            "set requirepass first: without a password protected-mode turns clients away, and without protected-mode \
             everyone may read and write",
        ),
        Daemon::Memcached => Some("it knows no passwords: let a firewall choose its clients"),
        Daemon::Mysql => Some("accounts must allow the client's host as well"),
        Daemon::Nginx | Daemon::Apache | Daemon::Sshd | Daemon::Haproxy | Daemon::Vsftpd => None,
    }
}

/// Who reaches an address.
fn scope_of(ip: IpAddr) -> Scope {
    if ip.is_loopback() {
        Scope::Nobody
    } else if is_private(ip) {
        Scope::Network
    } else {
        Scope::Everyone
    }
}

/// An address that only networks nearby reach.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str, port: u16, set_by: Option<(&str, u32, &str)>) -> ConfiguredListen {
        let origin = |(file, line, text): (&str, u32, &str)| Origin { file: file.into(), line, text: text.into() };
        let address = address.parse().map_or_else(|_| ListenAddress::Name(address.into()), ListenAddress::Ip);
        ConfiguredListen {
            address,
            port: Some(port),
            v6only: None,
            address_set_by: set_by.map(origin),
            port_set_by: None,
        }
    }

    fn made(daemon: Daemon, unit: &str, description: &str, listens: Vec<ConfiguredListen>, new: &str) -> Vec<Plan> {
        let config = DaemonConfig {
            daemon,
            unit: None,
            listens,
            silenced_by: Vec::new(),
            files: vec!["/etc/main.conf".into(), "/etc/other.conf".into()],
            gaps: Vec::new(),
            beyond: crate::facts::beyond::Beyond::default(),
        };
        let own = ["10.2.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let at = Listening { config: &config, listen: &config.listens[0], unit, description, own: &own };
        plans(&at, new.parse().unwrap())
    }

    #[test]
    fn narrowest_first_and_both_say_who_gets_in() {
        let line = Some(("/etc/redis/redis.conf", 3, "bind 127.0.0.1 -::1"));
        let plans =
            made(Daemon::Redis, "redis-server.service", "", vec![place("127.0.0.1", 6379, line)], "10.2.0.2:6379");
        let ids: Vec<_> = plans.iter().map(|p| (p.id.as_str(), p.scope, p.risk)).collect();
        let (near, all) = (Scope::Network, Scope::Everyone);
        assert_eq!(ids, [("listen-address", near, Risk::Medium), ("listen-everywhere", all, Risk::Medium)]);
        assert!(plans[0].warnings[0].starts_with("whoever reaches 10.2.0.2 can"), "{:?}", plans[0].warnings);
        assert!(plans[1].warnings[0].contains("10.2.0.2 or fd00::2"), "{:?}", plans[1].warnings);
        assert!(plans[0].warnings[1].contains("protected-mode"), "{:?}", plans[0].warnings);
        assert_eq!(
            plans[0].commands(),
            "edit /etc/redis/redis.conf:3: bind 127.0.0.1 -::1 10.2.0.2\nsystemctl restart redis-server.service"
        );
        assert_eq!(
            plans[0].undo_commands().unwrap(),
            "edit /etc/redis/redis.conf:3: bind 127.0.0.1 -::1\nsystemctl restart redis-server.service"
        );
    }

    #[test]
    fn what_is_built_in_is_said_in_the_main_file() {
        let plans = made(
            Daemon::Postgres,
            "postgresql@15-main.service",
            "",
            vec![place("localhost", 5432, None)],
            "10.2.0.2:5432",
        );
        assert!(
            plans[0].commands().starts_with("edit /etc/main.conf: add: listen_addresses = 'localhost, 10.2.0.2'\n"),
            "{}",
            plans[0].commands()
        );
        assert!(plans[1].commands().contains("listen_addresses = '*'"), "{}", plans[1].commands());
        assert!(made(Daemon::Nginx, "nginx.service", "", vec![place("0.0.0.0", 80, None)], "[fd00::2]:80").is_empty());
    }

    #[test]
    fn every_virtual_host_of_an_address_gets_the_new_one() {
        let one = Some(("/etc/nginx/a", 2, "listen 127.0.0.1:80;"));
        let two = Some(("/etc/nginx/b", 7, "listen 127.0.0.1:80;"));
        let listens = vec![place("127.0.0.1", 80, one), place("127.0.0.1", 80, two), place("127.0.0.1", 80, two)];
        let plans = made(Daemon::Nginx, "nginx.service", "", listens, "10.2.0.2:80");
        let run = "edit /etc/nginx/a:3: add: listen 10.2.0.2:80;\nedit /etc/nginx/b:8: add: listen 10.2.0.2:80;\n\
                   nginx -t\nsystemctl reload-or-restart nginx.service";
        assert_eq!(plans[0].commands(), run);
        assert_eq!(plans[0].risk, Risk::Low);
        assert!(plans[1].commands().ends_with("nginx -t\nsystemctl restart nginx.service"), "{}", plans[1].commands());
    }

    #[test]
    fn addresses_that_would_collide_with_the_wildcard_go() {
        let one = Some(("/etc/ssh/sshd_config", 14, "ListenAddress 127.0.0.1"));
        let two = Some(("/etc/ssh/sshd_config", 15, "ListenAddress 10.9.9.9"));
        let listens = vec![place("127.0.0.1", 22, one), place("10.9.9.9", 22, two)];
        let plans = made(Daemon::Sshd, "ssh.service", "", listens, "10.2.0.2:22");
        let run = "edit /etc/ssh/sshd_config:14: ListenAddress 0.0.0.0\nedit /etc/ssh/sshd_config:14: ListenAddress ::\n\
                   edit /etc/ssh/sshd_config:15: #ListenAddress 10.9.9.9\nsshd -t\nsystemctl restart ssh.service";
        assert_eq!(plans[1].commands(), run);
        assert!(plans.iter().all(Plan::guarded));
    }

    #[test]
    fn a_database_that_takes_one_address_only_says_whom_that_hurts() {
        let line = Some(("/etc/mysql/50.cnf", 3, "bind-address = 127.0.0.1"));
        let of = |description| {
            made(Daemon::Mysql, "mariadb.service", description, vec![place("127.0.0.1", 3306, line)], "10.2.0.2:3306")
        };
        let old = of("MariaDB 10.5 database server");
        assert!(old[0].commands().starts_with("edit /etc/mysql/50.cnf:3: bind-address = 10.2.0.2\n"));
        assert!(old[0].warnings.iter().any(|w| w.contains("127.0.0.1 must use 10.2.0.2")), "{:?}", old[0].warnings);
        let new = of("MariaDB 10.11.6 database server");
        assert!(new[0].commands().starts_with("edit /etc/mysql/50.cnf:3: bind-address = 127.0.0.1,10.2.0.2\n"));
        assert!(!new[0].warnings.iter().any(|w| w.contains("must use")), "{:?}", new[0].warnings);
    }
}
