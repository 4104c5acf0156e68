//! Values that name a port: `8080`, `:8080`, `127.0.0.1:8080`, `[::]:8080`, `tcp://0.0.0.0:8080/path`, lists of them.

use std::net::{IpAddr, Ipv4Addr};

use crate::facts::socket::Transport;

/// Where somebody wants to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) port: u16,
    pub(super) address: Option<IpAddr>,
    pub(super) transport: Option<Transport>,
}

impl Place {
    /// A port alone.
    pub(super) fn port(port: u16) -> Self {
        Self { port, address: None, transport: None }
    }

    /// With the address that stands elsewhere, unless it has its own.
    pub(super) fn at(self, host: Option<IpAddr>) -> Self {
        Self { address: self.address.or(host), ..self }
    }
}

/// Items of a list that are looked at.
const MOST: usize = 64;

/// The ports a port flag names: `8080`, `8080/udp`, `tcp:8080`, `127.0.0.1:8080`, `80,443`.
pub(super) fn ports(value: &str) -> Vec<Place> {
    // A URL in a port variable is what container links leave behind (`DB_PORT=tcp://10.0.0.1:5432`).
    let named = |item: &&str| !item.contains("://");
    let beside = |item| place(item).filter(|p| p.address.is_some() || is_open(item));
    items(value).filter(named).filter_map(|item| bare(item).or_else(|| beside(item))).collect()
}

/// The places an address flag names; a bare number counts where `number` says so.
pub(super) fn places(value: &str, number: bool) -> Vec<Place> {
    items(value).filter_map(|item| place(item).or_else(|| bare(item).filter(|_| number))).collect()
}

/// A bare word is only believed when it can be nothing but an address to listen on: `:80`, `*:80`, `0.0.0.0:80`, `[::]:80`.
pub(super) fn wildcard(word: &str) -> Option<Place> {
    let place = place(word).filter(|_| !word.contains("://"))?;
    let any = place.address.is_some_and(|a| a.is_unspecified()) || is_open(word);
    // `:1` is a display of the X server.
    let display = word.starts_with(':') && place.port < 64;
    (any && !display).then_some(place)
}

/// An address without a port.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        text => text.trim_start_matches('[').trim_end_matches(']').parse().ok(),
    }
}

/// A port: digits only, not 0.
pub(super) fn number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ';']).map(str::trim).take(MOST)
}

fn is_open(word: &str) -> bool {
    word.starts_with(':') || word.starts_with("*:")
}

/// `8080`, `8080/udp`, `tcp:8080`.
fn bare(text: &str) -> Option<Place> {
    let (text, transport) = match text.split_once('/') {
        Some((port, transport)) => (port, Some(transport_of(transport)?)),
        None => match text.split_once(':') {
            Some((transport, port)) => (port, Some(transport_of(transport)?)),
            None => (text, None),
        },
    };
    Some(Place { transport, ..Place::port(number(text)?) })
}

/// `host:port`, with or without a scheme in front and a path behind.
fn place(text: &str) -> Option<Place> {
    let (rest, transport) = match text.split_once("://") {
        Some((scheme, rest)) => (rest.split('/').next().unwrap_or_default(), Some(transport_of(scheme)?)),
        None => (text, None),
    };
    if rest.parse::<IpAddr>().is_ok() {
        return None; // an IPv6 address without a port
    }
    let (host, port) = rest.rsplit_once(':')?;
    let place = Place { transport, ..Place::port(number(port)?) };
    match host {
        "" | "*" | "+" => Some(place),
        host => match ip(host) {
            Some(address) => Some(Place { address: Some(address), ..place }),
            None => is_host_name(host).then_some(place),
        },
    }
}

/// A name that could be a host's: `db.example`, not `1:2:3`, `u:p@db` or `12`.
fn is_host_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !matches!(text, "unix" | "fd" | "inherit" | "file")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn transport_of(scheme: &str) -> Option<Transport> {
    match scheme.to_ascii_lowercase().as_str() {
        "udp" | "udp4" | "udp6" | "quic" => Some(Transport::Udp),
        "tcp" | "tcp4" | "tcp6" | "http" | "https" | "ws" | "wss" | "ssl" | "tls" | "h2" | "h2c" | "grpc" | "ldap"
        | "ldaps" | "mqtt" | "fastcgi" => Some(Transport::Tcp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(places: &[Place]) -> Vec<String> {
        places.iter().map(|p| format!("{}:{}", p.address.map_or("?".into(), |a| a.to_string()), p.port)).collect()
    }

    #[test]
    fn places_with_and_without_schemes() {
        assert_eq!(shown(&places("http://0.0.0.0:80/x,https://[::1]:443", true)), ["0.0.0.0:80", "::1:443"]);
        assert_eq!(shown(&places(":::80", true)), [":::80"]);
        assert_eq!(shown(&places("::1", true)), Vec::<String>::new());
        assert_eq!(shown(&places("web.example:80", true)), ["?:80"]);
        assert_eq!(shown(&places("80", false)), Vec::<String>::new());
        assert_eq!(shown(&places("postgres://u:p@h:5432/x", true)), Vec::<String>::new());
        assert_eq!(shown(&ports("80,443/tcp,tcp:81,x:82")), ["?:80", "?:443", "?:81"]);
    }

    #[test]
    fn bare_words_must_be_wildcards() {
        assert!(wildcard("0.0.0.0:80").is_some());
        assert!(wildcard("[::]:80").is_some());
        assert!(wildcard(":80").is_some());
        assert!(wildcard("127.0.0.1:80").is_none());
        assert!(wildcard("http://0.0.0.0:80").is_none());
        assert!(wildcard("a:80").is_none());
    }
}
