//! Patterns of hosts.allow and hosts.deny: does one fit a host, or a daemon's name?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::language::Client;
use crate::facts::wrappers::{ClientName, HostsAccess};

/// Files of patterns that name each other are followed this deep.
const DEEPEST: usize = 8;

/// Whether something holds, as far as that can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown {
        /// Why, as a clause.
        why: String,
        /// The name of the client would tell.
        name: bool,
    },
}

impl Truth {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into(), name: false }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown @ Self::Unknown { .. } => unknown,
        }
    }

    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            unknown @ Self::Unknown { .. } => {
                if other() == Self::No {
                    Self::No
                } else {
                    unknown
                }
            }
        }
    }

    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        self.not().and(|| other().not()).not()
    }
}

/// Does a pattern fit a host?
pub(super) fn host(pattern: &str, host: Client<'_>, files: &HostsAccess) -> Truth {
    host_at(pattern, host, files, 0)
}

fn host_at(pattern: &str, host: Client<'_>, files: &HostsAccess, depth: usize) -> Truth {
    let is = |word: &str| pattern.eq_ignore_ascii_case(word);
    if pattern.starts_with('@') {
        return Truth::unknown(format!("{pattern} is a netgroup"));
    }
    if pattern.starts_with('/') {
        return in_file(pattern, host, files, depth);
    }
    if is("ALL") {
        return Truth::Yes;
    }
    match host {
        // Who comes from anywhere has no address of this or that network, and no name of this or that domain.
        Client::Any if is("KNOWN") || is("UNKNOWN") => Truth::unknown("it depends on the name of the client"),
        Client::Any if is("LOCAL") || is("PARANOID") => Truth::No,
        Client::Any => Truth::of(everybody(pattern)),
        Client::Address(address, name) => of_address(pattern, address.to_canonical(), name),
    }
}

fn of_address(pattern: &str, address: IpAddr, name: Option<&ClientName>) -> Truth {
    if !["KNOWN", "LOCAL", "UNKNOWN", "PARANOID"].iter().any(|word| pattern.eq_ignore_ascii_case(word)) {
        if let Some((net, mask)) = super::language::split_at(pattern, '/') {
            return Truth::of(network(net, mask, address));
        }
        if text(pattern, &address.to_string()) || bracketed(pattern) == Some(address) {
            return Truth::Yes;
        }
        if pattern.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '/')) {
            return Truth::No;
        }
    }
    let Some(name) = name else {
        return Truth::Unknown { why: format!("it depends on the name of {address}"), name: true };
    };
    of_name(pattern, name)
}

fn of_name(pattern: &str, name: &ClientName) -> Truth {
    let known = match name {
        ClientName::Named(name) => Some(name.as_str()),
        ClientName::Unknown | ClientName::Paranoid => None,
    };
    if pattern.eq_ignore_ascii_case("KNOWN") {
        return Truth::of(known.is_some());
    }
    if pattern.eq_ignore_ascii_case("LOCAL") {
        return Truth::of(known.is_some_and(|name| !name.contains('.')));
    }
    // libwrap has these words in the place of a name, and compares them as if they were one.
    let word = match name {
        ClientName::Named(name) => name,
        ClientName::Unknown => "unknown",
        ClientName::Paranoid => "paranoid",
    };
    Truth::of(text(pattern, word))
}

/// Does it fit every address there is?
fn everybody(pattern: &str) -> bool {
    match super::language::split_at(pattern, '/') {
        Some((net, mask)) => mask == "0.0.0.0" && net == "0.0.0.0" || mask == "0" && net.starts_with('['),
        None => !pattern.is_empty() && pattern.chars().all(|c| c == '*'),
    }
}

/// A file that lists patterns.
fn in_file(path: &str, host: Client<'_>, files: &HostsAccess, depth: usize) -> Truth {
    let unread = |why: &str| Truth::unknown(format!("{path}: {why}"));
    if depth >= DEEPEST {
        return unread("files of patterns name each other without end");
    }
    match files.lists.get(path) {
        None => unread("it was not read"),
        Some(Err(why)) if why == HostsAccess::MISSING => Truth::No,
        Some(Err(why)) => unread(why),
        Some(Ok(text)) => text
            .split_ascii_whitespace()
            .fold(Truth::No, |so_far, pattern| so_far.or(|| host_at(pattern, host, files, depth + 1))),
    }
}

/// Does a pattern fit a text: a name, or an address as it is written?
pub(super) fn text(pattern: &str, text: &str) -> bool {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if pattern.contains(['*', '?']) {
        return wild(pattern.as_bytes(), text.as_bytes());
    }
    if pattern.starts_with('.') {
        let from = text.len().checked_sub(pattern.len()).filter(|from| *from > 0);
        return from.and_then(|from| text.get(from..)).is_some_and(|end| same(end, pattern));
    }
    if same(pattern, "ALL") {
        return true;
    }
    if same(pattern, "KNOWN") {
        return !same(text, "unknown");
    }
    if pattern.ends_with('.') {
        return text.get(..pattern.len()).is_some_and(|begin| same(begin, pattern));
    }
    same(pattern, text)
}

/// `*` is any number of characters, `?` one.
fn wild(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(want) if *want == b'?' || want.eq_ignore_ascii_case(c) => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == b'*'))
}

/// `[2001:db8::1]`
fn bracketed(pattern: &str) -> Option<IpAddr> {
    let inside = pattern.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// `net/mask`, `net/length`, `[net]/length`. The net has no bits beyond the mask, or nothing fits.
fn network(net: &str, mask: &str, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let (Ok(net), Some(mask)) = (net.parse::<Ipv4Addr>(), mask_v4(mask)) else { return false };
            address.to_bits() & mask == net.to_bits()
        }
        IpAddr::V6(address) => {
            let inside = net.strip_prefix('[').and_then(|net| net.strip_suffix(']'));
            let (Some(Ok(net)), Ok(length)) = (inside.map(str::parse::<Ipv6Addr>), mask.parse::<u32>()) else {
                return false;
            };
            let Some(rest) = 128_u32.checked_sub(length) else { return false };
            let cut = |ip: Ipv6Addr| ip.to_bits().checked_shr(rest).unwrap_or(0);
            cut(address) == cut(net)
        }
    }
}

/// `255.255.0.0`, `16`
fn mask_v4(mask: &str) -> Option<u32> {
    if let Ok(mask) = mask.parse::<Ipv4Addr>() {
        // libwrap takes this one for an error.
        return Some(mask.to_bits()).filter(|mask| *mask != u32::MAX);
    }
    let length: u32 = mask.parse().ok().filter(|length| (1..=32).contains(length))?;
    u32::MAX.checked_shl(32 - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, address: &str) -> bool {
        let client = Client::Address(address.parse().unwrap(), Some(&ClientName::Unknown));
        host(pattern, client, &HostsAccess::default()) == Truth::Yes
    }

    #[test]
    fn addresses_and_networks() {
        assert!(fits("10.1.0.2", "10.1.0.2") && fits("10.1.0.2", "::ffff:10.1.0.2") && !fits("10.1.0.2", "10.1.0.22"));
        assert!(fits("10.1.", "10.1.0.2") && !fits("10.1.", "10.11.0.2"));
        assert!(fits("10.1.0.0/255.255.0.0", "10.1.9.9") && fits("10.1.0.0/16", "10.1.9.9"));
        assert!(!fits("10.1.0.2/16", "10.1.0.2"), "the net has bits beyond the mask");
        assert!(fits("[2001:db8::]/32", "2001:db8:1::5") && !fits("[2001:db8::]/32", "2001:db9::5"));
        assert!(fits("[2001:db8::5]", "2001:db8::5"));
        assert!(fits("10.*.2", "10.1.0.2") && fits("10.1.0.?", "10.1.0.2") && !fits("10.1.0.?", "10.1.0.22"));
        assert!(fits("UNKNOWN", "10.1.0.2") && !fits("KNOWN", "10.1.0.2") && !fits("LOCAL", "10.1.0.2"));
    }

    #[test]
    fn names() {
        let named = |name: &str| ClientName::Named(name.into());
        let fits = |pattern: &str, name: &ClientName| {
            host(pattern, Client::Address("10.1.0.2".parse().unwrap(), Some(name)), &HostsAccess::default())
                == Truth::Yes
        };
        assert!(fits(".example.org", &named("a.EXAMPLE.org")) && !fits(".example.org", &named("example.org")));
        assert!(fits("LOCAL", &named("client")) && !fits("LOCAL", &named("a.b")) && fits("KNOWN", &named("a")));
        assert!(fits("PARANOID", &ClientName::Paranoid) && !fits("KNOWN", &ClientName::Paranoid));
        assert!(fits("*.example.*", &named("a.example.org")));
    }

    #[test]
    fn files_of_patterns_are_followed_and_do_not_lead_round_in_circles() {
        let file = |path: &str, text: &str| (path.to_owned(), Ok(text.to_owned()));
        let mut files = HostsAccess::default();
        files.lists.extend([file("/a", "10.9.9.9\n10.1. /b"), file("/b", "/a 10.2.0.0/16"), file("/c", "/c")]);
        files.lists.insert("/none".into(), Err(HostsAccess::MISSING.into()));
        let of = |pattern: &str, ip: &str| host(pattern, Client::Address(ip.parse().unwrap(), None), &files);
        assert_eq!(of("/a", "10.1.0.2"), Truth::Yes);
        assert_eq!(of("/a", "10.2.0.2"), Truth::Yes);
        assert!(matches!(of("/c", "10.2.0.2"), Truth::Unknown { .. }));
        assert!(matches!(of("/d", "10.2.0.2"), Truth::Unknown { .. }));
        assert_eq!(of("/none", "10.2.0.2"), Truth::No);
    }
}
