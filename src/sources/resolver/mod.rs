//! What a name leads to: the resolver's own answer, beside what /etc/hosts, nsswitch.conf and DNS alone say.

pub(super) mod beyond;
pub(super) mod files;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};

use super::Trouble;
use crate::facts::name::Resolution;

/// What a name leads to.
pub fn resolve(name: &str) -> Result<Option<Resolution>, Trouble> {
    // A file that is missing or unreadable to us is so for the resolver in our process too.
    let text = |path: &str| fs::read(path).map(|raw| String::from_utf8_lossy(&raw).into_owned()).unwrap_or_default();
    let hosts_lines = files::hosts_lines(&text("/etc/hosts"), name);
    let nsswitch = files::nsswitch_hosts(&text("/etc/nsswitch.conf"));
    let resolv = text("/etc/resolv.conf");
    let (nameservers, search) = (files::nameservers(&resolv), files::search(&resolv));
    let (addresses, error) = match in_time(name) {
        Some(Ok(addresses)) => (addresses, None),
        Some(Err(error)) => (Vec::new(), Some(error)),
        None if beyond::anybody_answers(name, &nameservers) => {
            return Err(Trouble::failed("the resolver takes too long"));
        }
        None => (Vec::new(), Some(words(LookupErrorKind::Again))),
    };
    let worth_asking = !hosts_lines.is_empty() && beyond::can_be_asked(name, nsswitch.as_deref(), &nameservers);
    let beyond_hosts = worth_asking.then(|| beyond::ask(name, &nameservers)).flatten();
    let unanswered = addresses.is_empty() && beyond::is_used(name, nsswitch.as_deref());
    let servers = if unanswered { beyond::question_all(name, &nameservers) } else { Vec::new() };
    let name = name.to_owned();
    Ok(Some(Resolution { name, addresses, error, hosts_lines, nsswitch, nameservers, beyond_hosts, search, servers }))
}

/// The resolver's answer, or its words about there being none; nothing when it does not come in time: glibc waits 5 s for
/// each server that is silent, and asks each twice.
fn in_time(name: &str) -> Option<Result<Vec<IpAddr>, String>> {
    const LIMIT: Duration = Duration::from_secs(4);
    let (done, end) = mpsc::channel();
    let name = name.to_owned();
    thread::spawn(move || {
        let answer = ask(&name).map_err(|error| {
            let kind = error.kind();
            let of_system = matches!(kind, LookupErrorKind::System | LookupErrorKind::Unknown | LookupErrorKind::IO);
            if of_system { io::Error::from(error).to_string() } else { words(kind) }
        });
        // Nobody listens any more when the limit has passed.
        let _ = done.send(answer);
    });
    end.recv_timeout(LIMIT).ok()
}

/// The resolver's answer in its own order (RFC 6724 and gai.conf), as a program gets it that asks for any family.
fn ask(name: &str) -> Result<Vec<IpAddr>, LookupError> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    let mut addresses = Vec::new();
    for info in getaddrinfo(Some(name), None, Some(hints))?.flatten() {
        let ip = info.sockaddr.ip();
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    Ok(addresses)
}

/// The words `getent`, `ping` and `ssh` use (glibc's `gai_strerror`, whatever the locale).
fn words(kind: LookupErrorKind) -> String {
    let fixed = match kind {
        LookupErrorKind::Again => "Temporary failure in name resolution",
        LookupErrorKind::NoName => "Name or service not known",
        LookupErrorKind::NoData => "No address associated with hostname",
        LookupErrorKind::Fail => "Non-recoverable failure in name resolution",
        LookupErrorKind::Family => "ai_family not supported",
        LookupErrorKind::Socktype => "ai_socktype not supported",
        LookupErrorKind::Service => "Servname not supported for ai_socktype",
        LookupErrorKind::Memory => "Memory allocation failure",
        LookupErrorKind::Badflags => "Bad value for ai_flags",
        LookupErrorKind::System | LookupErrorKind::Unknown | LookupErrorKind::IO => "the resolver failed",
    };
    fixed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_comes_from_the_hosts_file_and_is_not_asked_beyond() {
        let found = resolve("localhost").unwrap().unwrap();
        assert!(found.addresses.iter().any(IpAddr::is_loopback), "{found:?}");
        assert_eq!(found.error, None);
        assert_eq!(found.beyond_hosts, None);
        let mut once = found.addresses.clone();
        once.dedup();
        assert_eq!(once, found.addresses);
    }

    #[test]
    fn what_cannot_be_a_name_is_an_error_with_words() {
        // Never leaves the host: an empty label and a NUL are refused before any server is asked.
        for never in ["a..b", "nul\0inside", ""] {
            let found = resolve(never).unwrap().unwrap();
            assert_eq!(found.addresses, [] as [IpAddr; 0], "{never:?}");
            assert!(found.error.is_some_and(|words| !words.is_empty()), "{never:?}");
        }
    }

    #[test]
    fn errors_are_told_in_the_resolvers_words() {
        use nix::libc::{EAI_AGAIN, EAI_NONAME};
        assert_eq!(words(LookupError::new(EAI_NONAME).kind()), "Name or service not known");
        assert_eq!(words(LookupError::new(EAI_AGAIN).kind()), "Temporary failure in name resolution");
    }

    #[test]
    fn an_address_leads_to_itself() {
        assert_eq!(resolve("10.9.8.7").unwrap().unwrap().addresses, ["10.9.8.7".parse::<IpAddr>().unwrap()]);
    }
}
