//! TCP wrappers: whether the daemon asks libwrap, and what hosts.allow and hosts.deny then say about the client.

mod language;
mod options;
mod patterns;

use std::net::IpAddr;

use self::language::{ALLOW, Access, Asked, At, Client, Rule};
use super::look::Look;
use super::serving::socket_unit;
use super::subject::{Asker, Subject};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::socket::Transport;
use crate::facts::unit::Unit;
use crate::facts::wrappers::{HostsAccess, Libwrap, Used};

/// What libwrap says about the asked client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says<'a> {
    /// Nobody asks it, and why, as a clause.
    Unneeded(String),
    /// It lets the client in.
    Granted {
        /// The daemon and its libwrap.
        libwrap: &'a Libwrap,
        /// The line that says so; none where no line is about it.
        by: Option<Line>,
    },
    /// It turns the client away.
    Denied {
        /// The daemon and its libwrap.
        libwrap: &'a Libwrap,
        /// The line that says so.
        by: Line,
    },
    /// It cannot be told, and why.
    Unknown(String),
}

/// A line of hosts.allow or hosts.deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its file.
    pub file: &'static str,
    /// Its number, from 1.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// It runs a command.
    pub runs: bool,
}

impl From<At> for Line {
    fn from(at: At) -> Self {
        Self { file: at.file, line: at.line, text: at.text, runs: at.runs }
    }
}

/// The program behind the diagnosed address: its process, its file and its unit.
struct Program<'a> {
    pid: u32,
    file: String,
    unit: Option<&'a Unit>,
}

/// What libwrap says. None: not known (yet).
pub fn says<'a>(look: &Look<'a>, subject: &Subject, dial: &Dial) -> Option<Says<'a>> {
    let nobody = |why: &str| Some(Says::Unneeded(why.into()));
    if subject.local.is_none() && subject.path.is_none() {
        // Whose address it is, is still to come, or will not be known.
        let _ = look.addresses();
        return None;
    }
    if subject.local != Some(true) || subject.path.is_some() || subject.transport != Transport::Tcp {
        return nobody("only servers of this host that take TCP connections ask libwrap");
    }
    let (address, port) = (subject.address()?, subject.port?);
    if !look.listeners(subject.transport, port)?.iter().any(|l| l.takes(address)) {
        return nobody("nothing listens there");
    }
    let program = program(look, subject)?;
    if program.unit.is_some_and(|unit| unit.sandbox.is_none()) {
        return None; // a recording of before
    }
    let libwrap = look.libwrap(program.pid, &program.file)?;
    if libwrap.by.is_none() {
        return Some(Says::Unneeded(format!("{} is not linked with libwrap", libwrap.program)));
    }
    if let Used::No(why) = &libwrap.used {
        return Some(Says::Unneeded(why.clone()));
    }
    let asked = asked(look, subject, dial, libwrap)?;
    let said = named(look, &asked)?;
    Some(match (said, &libwrap.used) {
        (Access::Granted(by), _) => Says::Granted { libwrap, by: by.map(Line::from) },
        (Access::Denied(by), Used::Yes) => of_denial(dial, subject, Says::Denied { libwrap, by: by.into() }),
        (Access::Denied(_), Used::Unknown(why)) => Says::Unknown(why.clone()),
        (Access::Denied(_), Used::No(why)) => Says::Unneeded(why.clone()),
        (Access::Unknown { why, .. }, _) => Says::Unknown(why),
    })
}

/// What the asked side gets, once libwrap is considered. None: not known (yet).
pub(super) fn outcome(look: &Look<'_>, subject: &Subject, dial: &Dial, outcome: Outcome) -> Option<Outcome> {
    unless_hung_up(look, outcome, || says(look, subject, dial).map(|said| matches!(said, Says::Denied { .. })))
}

/// What the asked side gets where somebody before the server may hang up on it; `denied` tells whether. None: not known
/// (yet).
pub(super) fn unless_hung_up(
    look: &Look<'_>,
    outcome: Outcome,
    denied: impl FnOnce() -> Option<bool>,
) -> Option<Outcome> {
    if outcome != Outcome::Open {
        return Some(outcome);
    }
    let (denied, missing) = look.noting(denied);
    if denied.is_none() && (missing.open || !missing.blind.is_empty()) {
        look.also_missing(&missing);
        return None;
    }
    Some(if denied == Some(true) { Outcome::Closed } else { outcome })
}

/// A server that greets this host although the files turn it away does not go by them. vsftpd says 421 first.
fn of_denial<'a>(dial: &Dial, subject: &Subject, denied: Says<'a>) -> Says<'a> {
    let greeted = dial.banner.as_ref().is_some_and(|banner| !banner.starts_with("421"));
    if greeted && subject.from == Asker::Here {
        return Says::Unknown("the files turn this host away, and yet the server greeted it".into());
    }
    denied
}

/// The program that serves the diagnosed address.
fn program<'a>(look: &Look<'a>, subject: &Subject) -> Option<Program<'a>> {
    let (address, port) = (subject.address()?, subject.port?);
    let listener = look.listeners(subject.transport, port)?.iter().find(|l| l.takes(address))?;
    let owner = look.owner(listener)?;
    let unit = if owner.is_systemd() {
        let socket = socket_unit(look, listener)?;
        Some(look.unit(socket.triggers.first()?)?)
    } else {
        owner.system_unit().and_then(|name| look.unit(name))
    };
    let service = unit.and_then(|unit| unit.service.as_ref());
    let file = service.and_then(|s| s.exec_start.first()?.first()).cloned().unwrap_or_default();
    let own = owner.processes.first().map(|p| p.pid).filter(|pid| *pid > 1);
    let pid = own.or(service.map(|s| s.main_pid)).unwrap_or(0);
    Some(Program { pid, file, unit })
}

fn asked<'a>(look: &Look<'a>, subject: &Subject, dial: &Dial, libwrap: &'a Libwrap) -> Option<Asked<'a>> {
    let client = match subject.from {
        Asker::Any => Client::Any,
        Asker::Address(address) => Client::Address(address.to_canonical(), None),
        Asker::Here => Client::Address(dial.source.map_or(subject.address()?, |at| at.ip()).to_canonical(), None),
    };
    let server = subject.address().map(|address| address.to_canonical());
    let (daemon, port, files) = (libwrap.daemon.as_deref(), subject.port?, look.hosts_access()?);
    Some(Asked { daemon, port, server, client, files })
}

/// The name of the client is only looked up where a line that matters needs it.
fn named<'a>(look: &Look<'a>, asked: &Asked<'a>) -> Option<Access> {
    let said = language::access(asked);
    let (Access::Unknown { name: true, .. }, Client::Address(address, None)) = (&said, asked.client) else {
        return Some(said);
    };
    let name = look.client_name(address)?;
    Some(language::access(&Asked { client: Client::Address(address, Some(name)), ..*asked }))
}

/// The lines about the daemon that treat their clients otherwise than the arbitrary one is treated, as `file:line: text`.
pub fn others(look: &Look<'_>, subject: &Subject, dial: &Dial, libwrap: &Libwrap, denied: bool) -> Option<Vec<Line>> {
    let asked = asked(look, subject, dial, libwrap)?;
    let texts = [(ALLOW, &asked.files.allow), (language::DENY, &asked.files.deny)];
    let rules = texts.into_iter().flat_map(|(file, text)| language::rules(file, text.as_deref().unwrap_or_default()));
    let others = rules.filter(|rule| rule.is_about(&asked) && rule.denies() == Some(!denied));
    Some(others.map(|rule| rule.at.into()).collect())
}

/// A change of hosts.allow that lets the client in: where its line goes, and the line. None: it would not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Number of the line that it goes before; 0: at the end.
    pub before: u32,
    /// The line.
    pub text: String,
    /// There is no hosts.allow yet.
    pub new_file: bool,
}

/// The line that lets these clients (`10.1.0.2`, `ALL`) in, proven with the files as they are then.
pub fn opening(look: &Look<'_>, subject: &Subject, dial: &Dial, libwrap: &Libwrap, clients: &str) -> Option<Opening> {
    let asked = asked(look, subject, dial, libwrap)?;
    let daemon = asked.daemon.map_or_else(|| asked.port.to_string(), str::to_owned);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    if !daemon.chars().all(plain) {
        return None;
    }
    let text = format!("{daemon}: {clients}");
    let old = asked.files.allow.as_deref();
    let before = before(&asked, old.unwrap_or_default());
    let mut files = asked.files.clone();
    files.allow = Some(with_line(old.unwrap_or_default(), before, &text));
    let proven = Asked { files: &files, ..asked };
    let granted = matches!(named(look, &proven)?, Access::Granted(Some(at)) if at.text == text);
    granted.then_some(Opening { before, text, new_file: old.is_none() })
}

/// The line goes before the first that would turn the client away, or may; else to the end, but before a last line that
/// libwrap leaves out because it has no newline: it would count from then on.
fn before(asked: &Asked<'_>, allow: &str) -> u32 {
    let turned = |rule: &Rule| rule.denies() != Some(false) && rule.may_fit(asked);
    let first = language::rules(ALLOW, allow).iter().find(|rule| turned(rule)).map(|rule| rule.at.line);
    let unfinished = || {
        let lines = u32::try_from(allow.lines().count()).ok()?;
        (!allow.is_empty() && !allow.ends_with('\n')).then_some(lines)
    };
    first.or_else(unfinished).unwrap_or(0)
}

fn with_line(text: &str, before: u32, line: &str) -> String {
    let mut new = String::new();
    for (number, old) in (1_u32..).zip(text.split_inclusive('\n')) {
        if number == before {
            new.push_str(line);
            new.push('\n');
        }
        new.push_str(old);
    }
    if before == 0 {
        new.push_str(line);
        new.push('\n');
    }
    new
}

/// What stands for the clients of a network around an address: that of this host's own interface, or else the usual.
pub fn network_of(address: IpAddr, prefix: Option<u8>) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let prefix = prefix.filter(|p| (8..32).contains(p)).unwrap_or(24);
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix.into())?)?;
            let net = std::net::Ipv4Addr::from_bits(ip.to_bits() & mask);
            Some(format!("{net}/{}", std::net::Ipv4Addr::from_bits(mask)))
        }
        IpAddr::V6(ip) => {
            let prefix = prefix.filter(|p| (16..128).contains(p)).unwrap_or(64);
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix.into())?)?;
            Some(format!("[{}]/{prefix}", std::net::Ipv6Addr::from_bits(ip.to_bits() & mask)))
        }
    }
}

/// What is asked of the files of the host, for the differential test: `granted`, `denied`, or why it cannot be told.
#[doc(hidden)]
pub fn tcpdmatch(files: &HostsAccess, daemon: &str, client: IpAddr) -> Result<bool, String> {
    let name = crate::facts::wrappers::ClientName::Unknown;
    let client = Client::Address(client, Some(&name));
    match language::access(&Asked { daemon: Some(daemon), port: 0, server: None, client, files }) {
        Access::Granted(_) => Ok(true),
        Access::Denied(_) => Ok(false),
        Access::Unknown { why, .. } => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_where_it_counts() {
        assert_eq!(with_line("a\nb\n", 2, "x"), "a\nx\nb\n");
        assert_eq!(with_line("a\n", 0, "x"), "a\nx\n");
        assert_eq!(with_line("a\nb", 2, "x"), "a\nx\nb");
        assert_eq!(with_line("", 0, "x"), "x\n");
    }

    #[test]
    fn the_network_around_a_client() {
        let of = |ip: &str, prefix| network_of(ip.parse().unwrap(), prefix).unwrap();
        assert_eq!(of("10.1.0.2", Some(16)), "10.1.0.0/255.255.0.0");
        assert_eq!(of("10.1.0.2", None), "10.1.0.0/255.255.255.0");
        assert_eq!(of("2001:db8::1:2", None), "[2001:db8::]/64");
    }
}
