//! The lines with which daemons and language runtimes say why they do not start, as a table.
//!
//! A rule is tried on a line that holds all its words; the first rule that can read it wins, so the more telling ones
//! stand first. Most texts were taken from real failures on Debian 12.

#![expect(
    clippy::unnecessary_wraps,
    reason = "the rows of the table return an Option, so do the words they are made of"
)]

use super::FailureKind;
use super::words::{Errno, errno, file_and_line, number_after, path, quoted_after, soon, word_after};
use crate::facts::journal::Entry;

/// A journal line among its neighbours: tracebacks and Redis spread one failure over several.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) before: &'a [Entry],
    pub(super) after: &'a [Entry],
}

/// A kind of line.
struct Rule {
    /// Words it holds, all of them.
    says: &'static [&'static str],
    /// What it means.
    reads: fn(&Line<'_>) -> Option<FailureKind>,
}

const fn rule(says: &'static [&'static str], reads: fn(&Line<'_>) -> Option<FailureKind>) -> Rule {
    Rule { says, reads }
}

/// What the line says, if it says why something fails.
pub(super) fn read(line: &Line<'_>) -> Option<FailureKind> {
    let fits = |rule: &&Rule| rule.says.iter().all(|words| line.text.contains(words));
    [NAMES, FILES, BINDS, CONFIGS, RUNTIMES].into_iter().flatten().filter(fits).find_map(|rule| (rule.reads)(line))
}

/// Names that do not resolve.
const NAMES: &[Rule] = &[
    rule(&["[emerg]", "host not found in"], |l| upstream(l, quoted_after(l.text, "host not found in", '"')?)),
    rule(&["could not resolve address"], |l| upstream(l, quoted_after(l.text, "could not resolve address", '\'')?)),
    // apache: Name or service not known: AH00549: Failed to resolve server name for 10.0.0.1
    rule(&["AH00547", "Could not resolve host name"], |l| upstream(l, word_after(l.text, "host name ")?)),
];

/// Files, directories and disks.
const FILES: &[Rule] = &[
    rule(&["Missing privilege separation directory"], |l| {
        Some(FailureKind::RuntimeDir { path: path(l.text)?.to_owned() })
    }),
    rule(&["no hostkeys available"], |_| Some(FailureKind::NoHostKeys)),
    rule(&["bootstrap check failure ["], |l| bootstrap(l.text)),
    rule(&["bootstrap checks failed"], |l| bootstrap(soon(l.after, "]: ")?)),
    rule(&["cannot load certificate"], certificate),
    rule(&["SSLCertificate", "does not exist or is empty"], |l| missing(path(l.text)?)),
    rule(&["unable to stat SSL certificate"], |l| missing(path(l.text)?)),
    rule(&["unable to load SSL"], certificate),
    rule(&["could not load server certificate file"], certificate),
    rule(&["could not access private key file"], certificate),
    rule(&["private key file", "has group or world access"], |l| {
        Some(FailureKind::BadFile { path: path(l.text)?.to_owned() })
    }),
    rule(&["Failed at step EXEC spawning"], |l| of_file(l, word_after(l.text, "spawning ")?)),
    rule(&["ailed to locate executable"], |l| of_file(l, word_after(l.text, "executable ")?)),
    rule(&["Unable to locate executable"], |l| of_file(l, quoted_after(l.text, "executable", '\'')?)),
    rule(&["Failed to load environment files"], |l| of_file(l, "EnvironmentFile=")),
    rule(&["Failed at step "], |l| {
        Some(FailureKind::Sandbox { step: word_after(l.text, "Failed at step ")?.to_owned() })
    }),
    rule(&["No space left on device"], |_| Some(FailureKind::DiskFull)),
    rule(&["Disk quota exceeded"], |_| Some(FailureKind::DiskFull)),
    rule(&["[emerg]", "failed ("], file_of_nginx),
    rule(&["can't open config file"], |l| of_file(l, path(l.text)?)),
    rule(&["Could not open configuration file"], |l| of_file(l, path(l.text)?)),
    rule(&["data directory", "does not exist"], |l| missing(path(l.text)?)),
    rule(&["FileNotFoundError: [Errno 2]"], |l| missing(quoted_after(l.text, "[Errno 2]", '\'')?)),
    rule(&["PermissionError: [Errno 13]", ": '"], |l| denied(quoted_after(l.text, "[Errno 13]", '\'')?)),
    rule(&["ENOENT: no such file or directory"], |l| missing(quoted_after(l.text, "directory", '\'')?)),
];

/// Sockets that cannot be opened.
const BINDS: &[Rule] = &[
    rule(&["bind() to "], |l| bind(l, word_after(l.text, "bind() to "))),
    rule(&["[emerg]", "socket() "], |l| bind(l, word_after(l.text, "socket() "))),
    rule(&["Bind to port ", " on ", " failed"], |l| {
        let (port, address) = (number_after(l.text, "Bind to port ")?, word_after(l.text, " on ")?);
        bind(l, Some(&join(address, port)))
    }),
    rule(&["could not bind IPv"], |l| {
        let address = quoted_after(l.text, "could not bind IPv", '"')?;
        let port = soon(l.after, "running on port ").and_then(|hint| number_after(hint, "running on port "));
        bind(l, Some(&port.map_or_else(|| address.to_owned(), |port| join(address, port))))
    }),
    rule(&["could not bind Unix address"], |l| bind(l, quoted_after(l.text, "Unix address", '"'))),
    rule(&["Bind on TCP/IP port"], |l| bind(l, None)),
    rule(&["Can't create IP socket"], |l| bind(l, None)),
    rule(&["TCP listening socket "], |l| bind(l, word_after(l.text, "TCP listening socket "))),
    rule(&["could not bind to address "], |l| bind(l, word_after(l.text, "could not bind to address "))),
    rule(&["cannot bind "], |l| bind(l, bracketed(l.text))),
    rule(&["could not bind listening"], |l| bind(l, None)),
    rule(&["failed to listen on TCP port "], |l| {
        bind(l, number_after(l.text, "TCP port ").map(|port| format!(":{port}")).as_deref())
    }),
    rule(&["failed to create listening socket for port "], |l| {
        bind(l, number_after(l.text, "for port ").map(|port| format!(":{port}")).as_deref())
    }),
    rule(&["failed to create listening socket for "], |l| bind(l, word_after(l.text, "socket for "))),
    rule(&["Failed to create listening socket ("], |l| {
        bind(l, l.text.split_once("socket (").and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside))
    }),
    rule(&["unable to bind listening socket for address"], |l| bind(l, quoted_after(l.text, "for address", '\''))),
    rule(&["listen tcp", "bind: "], |l| bind(l, word_after(strip_family(l.text, "listen tcp")?, " "))),
    rule(&["listen udp", "bind: "], |l| bind(l, word_after(strip_family(l.text, "listen udp")?, " "))),
    rule(&["listen EADDR"], |l| bind(l, l.text.split_whitespace().next_back().filter(|w| w.contains(':')))),
    rule(&["listen EACCES"], |l| bind(l, l.text.split_whitespace().next_back().filter(|w| w.contains(':')))),
    rule(&["attempting to bind on address"], |l| bind(l, tuple(l.text).as_deref())),
    rule(&["Connection in use: ("], |l| Some(FailureKind::AddressInUse { address: tuple(l.text) })),
    rule(&["Invalid address: ("], |l| Some(FailureKind::AddressNotAvailable { address: tuple(l.text) })),
];

/// Configurations that cannot be read.
const CONFIGS: &[Rule] = &[
    rule(&["[emerg]"], |l| file_and_line(l.text).map(at)),
    rule(&["[ALERT]", "parsing ["], |l| file_and_line(l.text).map(at)),
    rule(&["Bad configuration option"], |l| of_line(l.text, ": line ")),
    rule(&["/etc/ssh/", " line ", ": "], |l| of_line(l.text, " line ")),
    rule(&["syntax error in file "], |l| of_line(l.text, " line ")),
    rule(&["unrecognized configuration parameter"], |l| of_line(l.text, " line ")),
    rule(&["configuration file ", "contains errors"], |l| of_line(l.text, " line ")),
    rule(&["invalid value for parameter"], |_| Some(FailureKind::ConfigSyntax { file: None, line: None })),
    rule(&["AH00526: Syntax error on line "], apache_syntax),
    rule(&["FATAL CONFIG FILE ERROR"], |l| {
        let line = soon(l.after, "at line ").and_then(|told| number_after(told, "at line "));
        Some(FailureKind::ConfigSyntax { file: None, line })
    }),
    rule(&["Configured to not listen anywhere"], |_| Some(FailureKind::ListensNowhere)),
    rule(&["no listening sockets available"], |_| Some(FailureKind::ListensNowhere)),
    rule(&["in config file", " at line"], |l| of_line(l.text, " at line")),
    rule(&["unknown variable '"], |_| Some(FailureKind::ConfigSyntax { file: None, line: None })),
    rule(&["unknown option '--"], |_| Some(FailureKind::ConfigSyntax { file: None, line: None })),
    rule(&["Fatal error in defaults handling"], |_| Some(FailureKind::ConfigSyntax { file: None, line: None })),
    rule(&["500 OOPS:", "config file"], |_| {
        Some(FailureKind::ConfigSyntax { file: Some("/etc/vsftpd.conf".into()), line: None })
    }),
    rule(&[" at line ", " of /"], |l| {
        Some(at((word_after(l.text, " of ")?.to_owned(), number_after(l.text, " at line ")?)))
    }),
    rule(&["unable to configure the Docker daemon with file"], |l| of_line(l.text, " line ")),
    rule(&["parsing YAML file "], |l| of_line(l.text, ": line ")),
    rule(&["ERROR: [/", "] "], |l| file_and_line(l.text).map(at)),
    rule(&["unknown option '", "/named.conf"], |l| file_and_line(l.text).map(at)),
    rule(&["invalid line ", " in /"], |l| {
        Some(at((word_after(l.text, " in ")?.to_owned(), number_after(l.text, "invalid line ")?)))
    }),
];

/// What language runtimes and libraries say when nobody says it better.
const RUNTIMES: &[Rule] = &[
    rule(&["PermissionError: [Errno 13]"], |l| {
        let binding = l.before.iter().rev().take(12).any(|e| e.message.contains("bind"));
        binding.then_some(FailureKind::BindDenied { address: None })
    }),
    rule(&["OSError: [Errno 9"], |l| bind(l, tuple(l.text).as_deref())),
    rule(&["BindException"], |l| bind(l, None)),
    rule(&["Web server failed to start. Port "], |l| {
        let port = number_after(l.text, "Port ")?;
        Some(FailureKind::AddressInUse { address: Some(format!(":{port}")) })
    }),
    rule(&["ddress already in use"], |_| Some(FailureKind::AddressInUse { address: None })),
    rule(&["bind", "assign requested address"], |_| Some(FailureKind::AddressNotAvailable { address: None })),
];

fn at((file, line): (String, u32)) -> FailureKind {
    FailureKind::ConfigSyntax { file: Some(file), line: Some(line) }
}

/// `FILE … line N`
fn of_line(text: &str, key: &str) -> Option<FailureKind> {
    Some(FailureKind::ConfigSyntax { file: path(text).map(Into::into), line: number_after(text, key) })
}

/// Apache names the place in one line and the reason in the next.
fn apache_syntax(line: &Line<'_>) -> Option<FailureKind> {
    let reason =
        line.after.iter().take(2).map(|e| e.message.as_str()).find(|m| m.contains("does not exist or is empty"));
    if let Some(file) = reason.and_then(path) {
        return missing(file);
    }
    let file = word_after(line.text, " of ")?.to_owned();
    Some(FailureKind::ConfigSyntax { file: Some(file), line: number_after(line.text, "on line ") })
}

fn upstream(line: &Line<'_>, name: &str) -> Option<FailureKind> {
    let (file, number) = file_and_line(line.text).unzip();
    Some(FailureKind::UpstreamName { name: name.to_owned(), file, line: number })
}

/// `bootstrap check failure [1] of [2]: …`, and with older ones `[1]: …`.
fn bootstrap(text: &str) -> Option<FailureKind> {
    let (_, says) = text.split_once("]: ")?;
    Some(FailureKind::Bootstrap { says: says.trim().to_owned() })
}

fn missing(path: &str) -> Option<FailureKind> {
    Some(FailureKind::MissingFile { path: path.to_owned() })
}

fn denied(path: &str) -> Option<FailureKind> {
    Some(FailureKind::FileDenied { path: path.to_owned() })
}

/// What the line's error means for a file.
fn of_file(line: &Line<'_>, path: &str) -> Option<FailureKind> {
    let path = path.to_owned();
    match errno(line.text)? {
        Errno::NoEntry => Some(FailureKind::MissingFile { path }),
        Errno::Denied => Some(FailureKind::FileDenied { path }),
        Errno::ReadOnly => Some(FailureKind::ReadOnly { path }),
        Errno::NoSpace => Some(FailureKind::DiskFull),
        Errno::Family | Errno::InUse | Errno::NotAvailable => None,
    }
}

/// `open() "/etc/nginx/x.conf" failed (2: No such file or directory) in …`
fn file_of_nginx(line: &Line<'_>) -> Option<FailureKind> {
    let file = quoted_after(line.text, "[emerg]", '"').filter(|file| file.starts_with('/'))?;
    of_file(line, file)
}

/// A certificate or key that is missing, unreadable or no certificate.
fn certificate(line: &Line<'_>) -> Option<FailureKind> {
    let file = path(line.text)?;
    of_file(line, file).or_else(|| Some(FailureKind::BadFile { path: file.to_owned() }))
}

/// What the line's error means for a socket.
fn bind(line: &Line<'_>, address: Option<&str>) -> Option<FailureKind> {
    let address = address.map(Into::into);
    Some(match errno(line.text) {
        Some(Errno::InUse) => FailureKind::AddressInUse { address },
        Some(Errno::NotAvailable) => FailureKind::AddressNotAvailable { address },
        Some(Errno::Denied) => FailureKind::BindDenied { address },
        Some(Errno::Family) => FailureKind::FamilyUnsupported { address },
        Some(Errno::NoSpace) => FailureKind::DiskFull,
        Some(Errno::NoEntry | Errno::ReadOnly) => return None,
        None => FailureKind::BindFailed { address },
    })
}

/// `10.0.0.1` and 22, `::` and 22: as ss prints them.
fn join(address: &str, port: u32) -> String {
    if address.contains(':') && !address.starts_with('[') {
        return format!("[{address}]:{port}");
    }
    format!("{address}:{port}")
}

/// haproxy ends with the address in brackets; a file and line may stand in brackets before it.
fn bracketed(text: &str) -> Option<&str> {
    let inside = text.trim_end().strip_suffix(']')?.rsplit_once(" [")?.1;
    (!inside.starts_with('/')).then_some(inside)
}

/// `('127.0.0.1', 5000)`
fn tuple(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("('")?;
    let (address, rest) = rest.split_once('\'')?;
    Some(join(address, number_after(rest, ",")?))
}

/// What follows `listen tcp`, `listen tcp4` or `listen tcp6`.
fn strip_family<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    Some(rest.trim_start_matches(['4', '6']))
}
