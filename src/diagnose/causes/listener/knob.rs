//! Where it is set on which address a listening program listens, and how that is changed.

use std::net::{IpAddr, SocketAddr};

use super::super::apply;
use super::rows::Holder;
use crate::diagnose::Scene;
use crate::diagnose::verdict::{Advice, Evidence, arg, args, undo_edit, with_word};
use crate::facts::claim::ClaimSource;
use crate::facts::command_line;
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};
use crate::facts::socket::{Listener, Process};
use crate::facts::unit::Unit;
use crate::text;

/// What decides the address.
pub(in crate::diagnose::causes) enum Knob<'a> {
    /// A line of a daemon's configuration, or its built-in default.
    Config {
        /// The configuration it stands in.
        config: &'a DaemonConfig,
        /// The place it sets.
        listen: &'a ConfiguredListen,
        /// The unit to restart.
        unit: String,
    },
    /// A daemon's configuration that could not be read.
    Unread {
        /// The daemon.
        daemon: Daemon,
        /// What could not be read, and why.
        gap: &'a str,
        /// The unit to restart.
        unit: String,
    },
    /// `ListenStream=` of a socket unit.
    Socket {
        /// The socket unit.
        unit: &'a Unit,
        /// The address as systemd prints it.
        address: String,
    },
    /// The command line or environment of a unit.
    Command {
        /// The unit.
        unit: &'a Unit,
        /// The words that say so.
        words: String,
    },
    /// The command line of a program that no unit started.
    Started {
        /// The process.
        process: &'a Process,
        /// The address on it.
        address: String,
    },
    /// A program that listens on loopback unless told otherwise.
    Program {
        /// The process.
        process: &'a Process,
        /// What to give it instead.
        flag: String,
    },
}

/// What decides the address of one listening socket.
pub(in crate::diagnose::causes) fn of<'a>(
    scene: &Scene<'a, '_>,
    row: &Listener,
    holder: &Holder<'a>,
) -> Option<Knob<'a>> {
    if holder.owner.is_some_and(crate::facts::socket::Owner::is_systemd) {
        return of_socket(scene, row);
    }
    of_config(scene, row, holder)
        .or_else(|| of_command(scene, row, holder))
        .or_else(|| of_unread(scene, holder))
        .or_else(|| of_program(row, holder))
}

fn of_socket<'a>(scene: &Scene<'a, '_>, row: &Listener) -> Option<Knob<'a>> {
    let claims = scene.look.claims(row.transport, row.port)?;
    let names = claims.claims.iter().filter(|c| c.source == ClaimSource::SocketUnit).filter_map(|c| c.unit.as_deref());
    names.filter(|name| name.ends_with(".socket")).find_map(|name| {
        let unit = scene.look.unit(name)?;
        let listens = &unit.socket.as_ref()?.listens;
        let ours = |address: &&(String, String)| {
            address.1.parse::<SocketAddr>().is_ok_and(|at| at.ip() == row.address && at.port() == row.port)
        };
        let address = listens.iter().find(ours).map(|(_, address)| address.clone())?;
        Some(Knob::Socket { unit, address })
    })
}

fn of_config<'a>(scene: &Scene<'a, '_>, row: &Listener, holder: &Holder<'a>) -> Option<Knob<'a>> {
    let daemon = daemon_of(holder)?;
    let configs = scene.look.daemon(daemon)?;
    let unit = holder.unit().unwrap_or_else(|| daemon.units().first().copied().unwrap_or_default());
    let own = |config: &&DaemonConfig| config.unit.as_deref().is_none_or(|u| u == unit);
    let places = configs.iter().filter(own).flat_map(|c| c.listens.iter().map(move |l| (c, l)));
    let (config, listen) = places.into_iter().find(|(_, listen)| sets(listen, row))?;
    Some(Knob::Config { config, listen, unit: unit.to_owned() })
}

/// The daemon's configuration says it, but only root may read that.
fn of_unread<'a>(scene: &Scene<'a, '_>, holder: &Holder<'a>) -> Option<Knob<'a>> {
    let daemon = daemon_of(holder)?;
    let unit = holder.unit().unwrap_or_else(|| daemon.units().first().copied().unwrap_or_default());
    let own = |config: &&DaemonConfig| config.unit.as_deref().is_none_or(|u| u == unit);
    let configs = scene.look.daemon(daemon)?.iter().filter(own);
    let gap = configs.flat_map(|config| &config.gaps).find(|gap| gap.contains("permission denied"))?;
    Some(Knob::Unread { daemon, gap, unit: unit.to_owned() })
}

/// The daemon that holds a socket, if it is one whose configuration is read.
pub(super) fn daemon_of(holder: &Holder<'_>) -> Option<Daemon> {
    let owner = holder.owner?;
    let runs = |d: &Daemon| {
        owner.system_unit().is_some_and(|unit| d.runs_as(unit))
            || owner.processes.iter().any(|p| d.processes().contains(&p.name.as_str()))
    };
    Daemon::ALL.into_iter().find(runs)
}

/// Is this the place that a socket comes from?
pub(super) fn sets(listen: &ConfiguredListen, row: &Listener) -> bool {
    listen.port == Some(row.port)
        && match &listen.address {
            ListenAddress::Ip(ip) => *ip == row.address,
            ListenAddress::Any => row.address.is_unspecified(),
            ListenAddress::Name(name) => name == "localhost" && row.loopback_only(),
            ListenAddress::Path(_) => false,
        }
}

fn of_command<'a>(scene: &Scene<'a, '_>, row: &Listener, holder: &Holder<'a>) -> Option<Knob<'a>> {
    let unit = scene.look.unit(holder.unit().filter(|u| u.ends_with(".service"))?)?;
    let listens = command_line::listens(unit.service.as_ref()?);
    let found = listens.into_iter().find(|l| l.port == row.port && l.address == Some(row.address))?;
    Some(Knob::Command { unit, words: found.words })
}

/// Development servers and the like, which listen on loopback until told otherwise, and what tells them.
const PROGRAMS: [(&str, &str); 15] = [
    ("vite", "--host 0.0.0.0"),
    ("uvicorn", "--host 0.0.0.0"),
    ("hypercorn", "--bind 0.0.0.0:PORT"),
    ("gunicorn", "--bind 0.0.0.0:PORT"),
    ("flask", "--host 0.0.0.0"),
    ("runserver", "runserver 0.0.0.0:PORT"),
    ("http.server", "--bind 0.0.0.0"),
    ("jupyter", "--ip 0.0.0.0"),
    ("rails", "--binding 0.0.0.0"),
    ("puma", "--bind tcp://0.0.0.0:PORT"),
    ("webpack", "--host 0.0.0.0"),
    ("next dev", "--hostname 0.0.0.0"),
    ("ng serve", "--host 0.0.0.0"),
    ("Xtigervnc", "-localhost no"),
    ("node", "HOST=0.0.0.0 in its environment"),
];

fn of_program<'a>(row: &Listener, holder: &Holder<'a>) -> Option<Knob<'a>> {
    let process = holder.owner?.processes.first()?;
    let address = row.address.to_string();
    let on_it =
        process.command.split([' ', '=']).any(|word| word == address || word == format!("{address}:{}", row.port));
    if on_it {
        return Some(Knob::Started { process, address });
    }
    if !row.loopback_only() {
        return None;
    }
    let (_, flag) = PROGRAMS.iter().find(|(program, _)| is_program(process, program))?;
    Some(Knob::Program { process, flag: flag.replace("PORT", &row.port.to_string()) })
}

/// Is a program among the words of a command line? (`vite`, `/usr/bin/vite`, `node_modules/.bin/vite.js`)
fn is_program(process: &Process, program: &str) -> bool {
    let words = || process.command.split([' ', '/']).chain([process.name.as_str()]);
    let among = |part: &str| words().any(|w| w == part || w.strip_suffix(".js") == Some(part));
    program.split(' ').all(among)
}

impl Knob<'_> {
    /// What sets the address, as a clause after "because".
    pub(super) fn says(&self) -> String {
        match self {
            Self::Config { listen, config, .. } => match &listen.address_set_by {
                Some(origin) => format!("{origin} says {}", origin.text),
                None => format!("that is the built-in default of {}", config.daemon.name()),
            },
            Self::Unread { daemon, .. } => {
                format!("the configuration of {} could not be read (permission denied; needs root)", daemon.name())
            }
            Self::Socket { unit, address } => format!("{} says ListenStream={address}", unit.name),
            Self::Command { unit, words } => format!("{} is started with {words}", unit.name),
            Self::Started { address, .. } => format!("it was started with {address}"),
            Self::Program { process, .. } => format!("{} listens there unless told otherwise", process.name),
        }
    }

    /// The same, and the command that shows it.
    pub(super) fn evidence(&self) -> Evidence {
        match self {
            Self::Config { listen, config, .. } => Evidence::new("config", self.says(), {
                let file = listen.address_set_by.as_ref().map(|o| (o.file.as_str(), o.line));
                match (file, config.files.first()) {
                    (Some((file, line)), _) => format!("sed -n {line}p {}", arg(file)),
                    (None, Some(file)) => format!("grep -n -e {} {}", setting(config.daemon), arg(file)),
                    (None, None) => format!("systemctl cat {}", arg(config.unit.as_deref().unwrap_or("UNIT"))),
                }
            }),
            Self::Unread { daemon, gap, .. } => {
                let says = format!("its configuration could not be read (permission denied; needs root): {gap}");
                let file = gap.split_once(": ").map_or("/etc", |(file, _)| file);
                Evidence::new("config", says, format!("sudo grep -n {} {}", setting(*daemon), arg(file)))
            }
            Self::Socket { unit, .. } | Self::Command { unit, .. } => {
                Evidence::new("systemd", self.says(), format!("systemctl cat {}", arg(&unit.name)))
            }
            Self::Started { process, .. } | Self::Program { process, .. } => {
                Evidence::new("procfs", process.command.clone(), format!("ps -o args= -p {}", process.pid))
            }
        }
    }

    /// What makes it listen on `address` too.
    pub(in crate::diagnose::causes) fn listen_on(&self, address: IpAddr, port: u16) -> Vec<Advice> {
        let Self::Config { config, listen, unit } = self else { return vec![self.start_with(address, port)] };
        in_config(config, listen, unit, SocketAddr::new(address, port))
    }

    /// The same, for what does not come from a daemon's own configuration.
    fn start_with(&self, address: IpAddr, port: u16) -> Advice {
        match self {
            Self::Socket { unit, address: old } => {
                let (new, name) = (SocketAddr::new(address, port), arg(&unit.name));
                let restart = format!("systemctl daemon-reload\n{}", apply::restart(&unit.name));
                Advice::new(
                    format!("let {} listen on {new} too", unit.name),
                    format!("systemctl edit {name}   # [Socket], then ListenStream={new} beside {old}\n{restart}"),
                    Some(&format!("{}\n{restart}", undo_edit(unit))),
                )
            }
            Self::Command { unit, words } => {
                let (name, words) = (arg(&unit.name), text::line(words));
                let restart = format!("systemctl daemon-reload\n{}", apply::restart(&unit.name));
                Advice::new(
                    format!("start {} with {address} (or 0.0.0.0) in place of the address in `{words}`", unit.name),
                    format!("systemctl edit --full {name}   # change {words}\n{restart}"),
                    Some(&format!("systemctl edit --full {name}   # put {words} back\n{restart}")),
                )
            }
            Self::Started { process, address: old } => {
                let new = with_word(&process.command, old, wildcard(address));
                started_anew(process, &new, &format!("start it with {} in place of {old}", wildcard(address)))
            }
            Self::Program { process, flag } => {
                let flag = flag.replace("0.0.0.0", wildcard(address));
                started_anew(process, &format!("{} {flag}", process.command), &format!("start it with {flag}"))
            }
            Self::Unread { daemon, gap, unit } => {
                let file = gap.split_once(": ").map_or("its configuration", |(file, _)| file);
                let new = match edit(*daemon, None, SocketAddr::new(address, port)) {
                    Edit::Replace(text) | Edit::Add(text) => text,
                };
                let words = besides(*daemon).map(|words| format!(" ({words})")).unwrap_or_default();
                let does =
                    format!("as root, let {} listen on {address} by its {}{words}", daemon.name(), setting(*daemon));
                let then = apply::restart(unit);
                let undo = format!("edit {file}: restore the former {}\n{then}", setting(*daemon));
                Advice::new(does, format!("edit {file}: {new}\n{then}"), Some(&undo))
            }
            Self::Config { config, listen, unit } => edited(config, listen, unit, SocketAddr::new(address, port), ""),
        }
    }
}

/// The wildcard of the address's family; `::` mostly takes both.
fn wildcard(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "0.0.0.0" } else { "::" }
}

fn started_anew(process: &Process, command: &str, does: &str) -> Advice {
    // Anybody may start a program and choose its words: to be read before they are run, and not as root.
    let undo = format!("# stop it and start it as before: {}", args(&process.command));
    Advice::new(does, format!("kill {}\n# as the user it runs as: {}", process.pid, args(command)), Some(&undo))
}

fn in_config(config: &DaemonConfig, listen: &ConfiguredListen, unit: &str, new: SocketAddr) -> Vec<Advice> {
    let everywhere = SocketAddr::new(wildcard(new.ip()).parse().unwrap_or(new.ip()), new.port());
    // It takes one address only, so the wildcard is the way to serve several.
    if config.daemon == Daemon::Mysql && new != everywhere && !new.ip().is_loopback() {
        let first = edited(config, listen, unit, new, "clients of this host then use its unix socket or this address");
        let exposed = "this exposes it to everyone who can reach this host";
        let mut second = edited(config, listen, unit, everywhere, exposed);
        second.does = format!("or, if several addresses must be served: {}", second.does);
        return vec![first, second];
    }
    vec![edited(config, listen, unit, new, "")]
}

fn edited(config: &DaemonConfig, listen: &ConfiguredListen, unit: &str, new: SocketAddr, word: &str) -> Advice {
    // A reload keeps the old socket while it opens the new one, and a wildcard collides with it.
    let then = if new.ip().is_unspecified() { apply::restart(unit) } else { apply::reload(unit) };
    let file = config.files.first().map_or("its configuration", String::as_str);
    let edit = edit(config.daemon, listen.address_set_by.as_ref(), new);
    let words: Vec<&str> = besides(config.daemon).into_iter().chain([word]).filter(|word| !word.is_empty()).collect();
    let words = if words.is_empty() { String::new() } else { format!(" ({})", words.join("; ")) };
    let does = format!("let {} listen on {new}{words}", config.daemon.name());
    let (run, undo) = match (&listen.address_set_by, edit) {
        (Some(at), Edit::Replace(text)) => return apply::change(does, at, &text, &then),
        (Some(at), Edit::Add(text)) => {
            (format!("edit {at}: add below it: {text}"), format!("edit {}: take out the line {text}", at.file))
        }
        (None, Edit::Replace(text) | Edit::Add(text)) => {
            (format!("edit {file}: add: {text}"), format!("edit {file}: take out the line {text}"))
        }
    };
    Advice::new(does, format!("{run}\n{then}"), Some(&format!("{undo}\n{then}")))
}

/// How the setting of a daemon is called.
pub(super) fn setting(daemon: Daemon) -> &'static str {
    match daemon {
        Daemon::Nginx => "listen",
        Daemon::Apache => "Listen",
        Daemon::Sshd => "ListenAddress",
        Daemon::Mysql => "bind-address",
        Daemon::Postgres => "listen_addresses",
        Daemon::Redis | Daemon::Haproxy => "bind",
        Daemon::Vsftpd => "listen_address",
        Daemon::Memcached => "-l",
    }
}

/// What else others need before such a daemon serves them.
fn besides(daemon: Daemon) -> Option<&'static str> {
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

enum Edit {
    Replace(String),
    Add(String),
}

fn edit(daemon: Daemon, old: Option<&Origin>, new: SocketAddr) -> Edit {
    let text = old.map_or("", |origin| origin.text.as_str());
    let ip = new.ip();
    match daemon {
        Daemon::Nginx => Edit::Add(format!("listen {new};")),
        Daemon::Apache => Edit::Add(format!("Listen {new}")),
        Daemon::Haproxy => Edit::Add(format!("bind {new}")),
        Daemon::Sshd if new.port() == 22 => Edit::Add(format!("ListenAddress {ip}")),
        Daemon::Sshd => Edit::Add(format!("ListenAddress {new}")),
        // Older versions take a single address only.
        Daemon::Mysql => Edit::Replace(format!("bind-address = {ip}")),
        Daemon::Vsftpd if ip.is_ipv4() => Edit::Replace(format!("listen_address={ip}")),
        Daemon::Vsftpd => Edit::Replace(format!("listen_address6={ip}")),
        Daemon::Postgres => {
            let quoted = text.split('\'').nth(1).filter(|t| !t.trim().is_empty());
            Edit::Replace(format!("listen_addresses = '{}, {ip}'", quoted.unwrap_or("localhost")))
        }
        Daemon::Redis if text.starts_with("bind") => Edit::Replace(format!("{text} {ip}")),
        Daemon::Redis => Edit::Add(format!("bind 127.0.0.1 -::1 {ip}")),
        Daemon::Memcached if text.starts_with("-l") => Edit::Replace(format!("{text},{ip}")),
        Daemon::Memcached => Edit::Add(format!("-l {ip}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(daemon: Daemon, old: &str, new: &str) -> String {
        let origin = Origin { file: "/etc/x".into(), line: 3, text: old.into() };
        match edit(daemon, Some(&origin), new.parse().unwrap()) {
            Edit::Replace(text) => text,
            Edit::Add(text) => format!("+{text}"),
        }
    }

    #[test]
    fn the_wanted_address_comes_before_all_addresses() {
        let config = DaemonConfig {
            daemon: Daemon::Mysql,
            unit: None,
            listens: Vec::new(),
            silenced_by: Vec::new(),
            files: Vec::new(),
            gaps: Vec::new(),
        };
        let origin = Origin { file: "/etc/mysql/50.cnf".into(), line: 3, text: "bind-address = 127.0.0.1".into() };
        let listen = ConfiguredListen {
            address: ListenAddress::Any,
            port: Some(3306),
            v6only: None,
            address_set_by: Some(origin),
            port_set_by: None,
        };
        let advice = in_config(&config, &listen, "mariadb.service", "10.2.0.2:3306".parse().unwrap());
        assert!(advice[0].run.starts_with("edit /etc/mysql/50.cnf:3: bind-address = 10.2.0.2\n"), "{advice:?}");
        assert!(advice[1].run.contains("bind-address = 0.0.0.0"), "{advice:?}");
        assert!(advice[1].does.contains("everyone"), "{advice:?}");
    }

    #[test]
    fn an_address_is_added_in_each_daemons_own_words() {
        let at = "10.2.0.2:5432";
        assert_eq!(
            edited(Daemon::Postgres, "listen_addresses = 'localhost'", at),
            "listen_addresses = 'localhost, 10.2.0.2'"
        );
        assert_eq!(edited(Daemon::Redis, "bind 127.0.0.1 -::1", at), "bind 127.0.0.1 -::1 10.2.0.2");
        assert_eq!(edited(Daemon::Memcached, "-l 127.0.0.1", at), "-l 127.0.0.1,10.2.0.2");
        assert_eq!(edited(Daemon::Nginx, "listen 127.0.0.1:80;", "[fd00::2]:80"), "+listen [fd00::2]:80;");
        assert_eq!(edited(Daemon::Sshd, "ListenAddress 127.0.0.1", "10.2.0.2:22"), "+ListenAddress 10.2.0.2");
    }
}
