//! Makes one real connection attempt and says in one word how it went.
//!
//! The attempt has to happen in another network namespace or inside a booted host, so the test program starts itself
//! again there with [`FLAG`] and prints the word.

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::cmd::{Step, While};

/// The hidden first argument that turns the test program into a dialler.
pub(crate) const FLAG: &str = "--dial";

/// The hidden first argument that turns the test program into a server.
pub(crate) const SERVE: &str = "--serve";

/// Longer than an ICMPv6 reject (1 s) and a failed neighbour lookup (3 s) take.
const PATIENCE: Duration = Duration::from_secs(4);

/// A refusing sshd hangs up after 5 s (TCP wrappers' own delay).
const HOLD: Duration = Duration::from_secs(7);

/// How a connection attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The connection stands.
    Open,
    /// ECONNREFUSED.
    Refused,
    /// ECONNRESET.
    Reset,
    /// The connection stood, and the other side hung up.
    Closed,
    /// No answer.
    Timeout,
    /// "No route to host".
    HostUnreach,
    /// "Network is unreachable".
    NetUnreach,
    /// EACCES or EPERM.
    Denied,
    /// No such name, or no such socket path.
    Unresolved,
    /// Any other error.
    Other,
}

const WORDS: &[(Outcome, &str)] = &[
    (Outcome::Open, "open"),
    (Outcome::Refused, "refused"),
    (Outcome::Reset, "reset"),
    (Outcome::Closed, "closed"),
    (Outcome::Timeout, "timeout"),
    (Outcome::HostUnreach, "host-unreachable"),
    (Outcome::NetUnreach, "net-unreachable"),
    (Outcome::Denied, "denied"),
    (Outcome::Unresolved, "unresolved"),
    (Outcome::Other, "other"),
];

impl Outcome {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        WORDS.iter().find(|(outcome, _)| *outcome == self).map_or("other", |(_, word)| word)
    }

    /// Reads the dialler's answer.
    pub(crate) fn parse(printed: &str) -> Step<Self> {
        let word = printed.split_whitespace().next().unwrap_or_default();
        WORDS
            .iter()
            .find(|(_, known)| *known == word)
            .map(|(outcome, _)| *outcome)
            .ok_or(format!("the dialler said {printed:?}"))
    }
}

/// Connects to `host:port` or `unix:/path` and returns the word and the system's own message. A name means its
/// resolver's first answer. `http:host:port` asks for a page. `hold:host:port` then stays connected for a while, to see whether the other side hangs up.
pub(crate) fn dial(target: &str) -> String {
    match attempt(target) {
        Ok(outcome) => outcome.word().to_owned(),
        Err(error) => format!("{} {error}", outcome_of(&error).word()),
    }
}

/// Takes and keeps every connection to an address, for ever; says `ready` when it does.
pub(crate) fn serve(at: &str) -> Step {
    let listener = TcpListener::bind(at).while_(format!("listening at {at}"))?;
    println!("ready");
    let mut held = Vec::new();
    held.extend(listener.incoming());
    Ok(())
}

/// The same from Rust code in another process: the words to start this program with.
pub(crate) fn own_program() -> Step<String> {
    let path = std::env::current_exe().while_("finding the test program")?;
    path.into_os_string().into_string().map_err(|path| format!("{} is not UTF-8", path.display()))
}

fn attempt(target: &str) -> Result<Outcome, Error> {
    if let Some(path) = target.strip_prefix("unix:") {
        return UnixStream::connect(path).map(|_| Outcome::Open);
    }
    if let Some(at) = target.strip_prefix("http:") {
        return served(at);
    }
    let (hold, target) = target.strip_prefix("hold:").map_or((false, target), |rest| (true, rest));
    let no_address = || Error::new(ErrorKind::NotFound, "the name has no address");
    let found = target.to_socket_addrs().map_err(|_| no_address())?.next().ok_or_else(no_address)?;
    let stream = TcpStream::connect_timeout(&found, PATIENCE)?;
    if hold { stayed_open(stream) } else { Ok(Outcome::Open) }
}

/// Whether the other side keeps the connection, whatever it says meanwhile.
fn stayed_open(mut stream: TcpStream) -> Result<Outcome, Error> {
    stream.set_read_timeout(Some(HOLD))?;
    match std::io::copy(&mut stream, &mut std::io::sink()) {
        Ok(_) => Ok(Outcome::Closed),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Outcome::Closed),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Outcome::Open),
        Err(error) => Err(error),
    }
}

/// Asks for a page: closed is what a proxy says that finds nobody behind it.
fn served(at: &str) -> Result<Outcome, Error> {
    let no_address = || Error::new(ErrorKind::NotFound, "the name has no address");
    let mut stream = TcpStream::connect_timeout(&at.to_socket_addrs()?.next().ok_or_else(no_address)?, PATIENCE)?;
    stream.set_read_timeout(Some(HOLD))?;
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {at}\r\n\r\n").as_bytes())?;
    let mut said = String::new();
    stream.take(4096).read_to_string(&mut said)?;
    let status = said.split(' ').nth(1).unwrap_or_default();
    Ok(if matches!(status, "502" | "503" | "504") { Outcome::Closed } else { Outcome::Open })
}

/// What the system's errors mean here; all others are [`Outcome::Other`].
const KINDS: &[(ErrorKind, Outcome)] = &[
    (ErrorKind::ConnectionRefused, Outcome::Refused),
    (ErrorKind::ConnectionReset, Outcome::Reset),
    (ErrorKind::TimedOut, Outcome::Timeout),
    (ErrorKind::HostUnreachable, Outcome::HostUnreach),
    (ErrorKind::NetworkUnreachable, Outcome::NetUnreach),
    (ErrorKind::PermissionDenied, Outcome::Denied),
    (ErrorKind::NotFound, Outcome::Unresolved),
];

fn outcome_of(error: &Error) -> Outcome {
    KINDS.iter().find(|(kind, _)| *kind == error.kind()).map_or(Outcome::Other, |(_, outcome)| *outcome)
}
