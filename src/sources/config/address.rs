//! Addresses and ports as configuration files write them: `80`, `*:80`, `10.0.0.1:80`, `[::1]:80`, `localhost:80`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::daemon::ListenAddress;

/// All IPv4 addresses.
pub(super) const ANY4: ListenAddress = ListenAddress::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
/// All IPv6 addresses.
pub(super) const ANY6: ListenAddress = ListenAddress::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

/// Splits `host:port`. A bare IPv6 address has no port; brackets are taken off.
pub(super) fn host_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// A port number: digits only, not 0.
pub(super) fn port(text: &str) -> Option<u16> {
    number(text).filter(|p| *p != 0)
}

/// A number that may be 0.
pub(super) fn number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// An IP address (its zone left out), else a name.
pub(super) fn ip_or_name(host: &str) -> ListenAddress {
    let bare = host.split_once('%').map_or(host, |(address, _)| address);
    match bare.parse() {
        Ok(ip) => ListenAddress::Ip(ip),
        Err(_) => ListenAddress::Name(host.to_owned()),
    }
}

/// Could this be a host name at all? (Rubbish from a broken file is not one.)
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() < 256 && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        assert_eq!(host_port("10.0.0.1:80"), ("10.0.0.1", Some("80")));
        assert_eq!(host_port("[::1]:80"), ("::1", Some("80")));
        assert_eq!(host_port("[::1]"), ("::1", None));
        assert_eq!(host_port("::1"), ("::1", None));
        assert_eq!(host_port(":80"), ("", Some("80")));
        assert_eq!(host_port("db"), ("db", None));
        assert_eq!(host_port("[::1"), ("[::1", None));
    }

    #[test]
    fn ports_and_addresses() {
        assert_eq!(port("80"), Some(80));
        assert_eq!(port("0"), None);
        assert_eq!(port("+80"), None);
        assert_eq!(port(""), None);
        assert_eq!(port("65536"), None);
        assert_eq!(ip_or_name("fe80::1%eth0"), ListenAddress::Ip("fe80::1".parse().unwrap()));
        assert_eq!(ip_or_name("db"), ListenAddress::Name("db".into()));
    }
}
