//! Where it is set on which address a listening program listens, and how that is changed.

use std::net::{IpAddr, SocketAddr};

use super::super::apply;
use super::rows::Holder;
use crate::diagnose::Scene;
use crate::diagnose::verdict::{Advice, Evidence, arg, args, undo_edit, with_word};
use crate::facts::claim::ClaimSource;
use crate::facts::command_line;
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress};
use crate::facts::socket::{Listener, Process};
use crate::facts::unit::Unit;
use crate::fixes::listen::{self, Listening};
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
    pub(in crate::diagnose::causes) fn listen_on(
        &self,
        scene: &Scene<'_, '_>,
        address: IpAddr,
        port: u16,
    ) -> Vec<Advice> {
        let Self::Config { config, listen, unit } = self else { return vec![self.start_with(address, port)] };
        let own = own_addresses(scene);
        let description = scene.look.unit(unit).map(|unit| unit.description.as_str()).unwrap_or_default();
        let at = Listening { config, listen, unit, description, own: &own };
        let plans = listen::plans(&at, SocketAddr::new(address, port));
        if plans.is_empty() {
            return vec![self.start_with(address, port)];
        }
        plans.into_iter().map(Advice::of).collect()
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
                by_hand("as root, let", *daemon, file, unit, SocketAddr::new(address, port))
            }
            Self::Config { config, listen, unit } => {
                let set_by = listen.address_set_by.as_ref().map(|origin| origin.file.as_str());
                let file = set_by.or(config.files.first().map(String::as_str)).unwrap_or("its configuration");
                by_hand("let", config.daemon, file, unit, SocketAddr::new(address, port))
            }
        }
    }
}

/// This host's addresses as others reach them.
fn own_addresses(scene: &Scene<'_, '_>) -> Vec<IpAddr> {
    let all = scene.look.addresses().map(|mine| mine.all.as_slice()).unwrap_or_default();
    all.iter().filter(|a| !a.address.is_loopback() && !a.link_local).map(|a| a.address).collect()
}

/// What to write where this program cannot.
fn by_hand(who: &str, daemon: Daemon, file: &str, unit: &str, new: SocketAddr) -> Advice {
    let words = listen::besides(daemon).map(|words| format!(" ({words})")).unwrap_or_default();
    let does = format!("{who} {} listen on {} by its {}{words}", daemon.name(), new.ip(), setting(daemon));
    let then = apply::restart(unit);
    let undo = format!("edit {file}: restore the former {}\n{then}", setting(daemon));
    Advice::new(does, format!("edit {file}: {}\n{then}", example(daemon, new)), Some(&undo))
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

/// The setting as it is written where nothing is known of what stands there.
fn example(daemon: Daemon, new: SocketAddr) -> String {
    let ip = new.ip();
    match daemon {
        Daemon::Nginx => format!("listen {new};"),
        Daemon::Apache => format!("Listen {new}"),
        Daemon::Haproxy => format!("bind {new}"),
        Daemon::Sshd if new.port() == 22 => format!("ListenAddress {ip}"),
        Daemon::Sshd => format!("ListenAddress {new}"),
        // Older versions take a single address only.
        Daemon::Mysql => format!("bind-address = {ip}"),
        Daemon::Vsftpd if ip.is_ipv4() => format!("listen_address={ip}"),
        Daemon::Vsftpd => format!("listen_address6={ip}"),
        Daemon::Postgres => format!("listen_addresses = 'localhost, {ip}'"),
        Daemon::Redis => format!("bind 127.0.0.1 -::1 {ip}"),
        Daemon::Memcached => format!("-l {ip}"),
    }
}
