//! What a name leads to: the resolver's own answer, beside what /etc/hosts, nsswitch.conf and DNS alone say.

mod beyond;
mod files;

use std::fs;
use std::io;
use std::net::IpAddr;

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, SockType, getaddrinfo};

use super::Trouble;
use crate::facts::name::Resolution;

/// What a name leads to.
pub fn resolve(name: &str) -> Result<Option<Resolution>, Trouble> {
    // A file that is missing or unreadable to us is so for the resolver in our process too.
    let text = |path: &str| fs::read(path).map(|raw| String::from_utf8_lossy(&raw).into_owned()).unwrap_or_default();
    let hosts_lines = files::hosts_lines(&text("/etc/hosts"), name);
    let nsswitch = files::nsswitch_hosts(&text("/etc/nsswitch.conf"));
    let nameservers = files::nameservers(&text("/etc/resolv.conf"));
    let (addresses, error) = match ask(name) {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(words(error))),
    };
    let worth_asking = !hosts_lines.is_empty() && beyond::can_be_asked(name, nsswitch.as_deref(), &nameservers);
    let beyond_hosts = worth_asking.then(|| beyond::ask(name, &nameservers)).flatten();
    Ok(Some(Resolution { name: name.to_owned(), addresses, error, hosts_lines, nsswitch, nameservers, beyond_hosts }))
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
fn words(error: LookupError) -> String {
    let fixed = match error.kind() {
        LookupErrorKind::Again => "Temporary failure in name resolution",
        LookupErrorKind::NoName => "Name or service not known",
        LookupErrorKind::NoData => "No address associated with hostname",
        LookupErrorKind::Fail => "Non-recoverable failure in name resolution",
        LookupErrorKind::Family => "ai_family not supported",
        LookupErrorKind::Socktype => "ai_socktype not supported",
        LookupErrorKind::Service => "Servname not supported for ai_socktype",
        LookupErrorKind::Memory => "Memory allocation failure",
        LookupErrorKind::Badflags => "Bad value for ai_flags",
        LookupErrorKind::System | LookupErrorKind::Unknown | LookupErrorKind::IO => {
            return io::Error::from(error).to_string();
        }
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
        assert_eq!(words(LookupError::new(EAI_NONAME)), "Name or service not known");
        assert_eq!(words(LookupError::new(EAI_AGAIN)), "Temporary failure in name resolution");
    }

    #[test]
    fn an_address_leads_to_itself() {
        assert_eq!(resolve("10.9.8.7").unwrap().unwrap().addresses, ["10.9.8.7".parse::<IpAddr>().unwrap()]);
    }
}
