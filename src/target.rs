//! WHAT WAS ASKED: a port, a host and port, a URL, a unit or a unix socket; TCP or UDP; and from which client.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::facts::socket::Transport;

/// A target as the user gave it, understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The words as given; of a URL without user, password, query and fragment, which may be secret.
    pub input: String,
    /// What they mean.
    pub kind: TargetKind,
}

/// What a target can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A port of this host.
    Port {
        /// TCP or UDP.
        transport: Transport,
        /// Port.
        port: u16,
    },
    /// A port of a named host or of an address.
    Host {
        /// TCP or UDP.
        transport: Transport,
        /// Name or literal address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unit: its own ports.
    Unit {
        /// Full unit name (`nginx.service`).
        name: String,
    },
    /// A unix socket path.
    Path {
        /// Absolute path.
        path: String,
    },
    /// An abstract unix socket.
    Abstract {
        /// Name without `@`.
        name: String,
    },
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// Not said: any client for a local target, this host for a remote one.
    #[default]
    Unsaid,
    /// This host itself.
    Here,
    /// An arbitrary client on another host.
    Any,
    /// That client.
    Address(IpAddr),
}

impl Target {
    /// Understands a target.
    pub fn parse(input: &str) -> Result<Self, Error> {
        let input = input.trim();
        let kind = parse_kind(input)?;
        Ok(Self { input: without_secrets(input), kind })
    }

    /// What is asked for with HTTP, where the target says so.
    pub fn url(&self) -> Option<Url> {
        let (scheme, rest) = self.input.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let uri: http::Uri = format!("x://{rest}").parse().ok()?;
        let host = uri.authority()?.as_str().rsplit('@').next().filter(|host| !host.is_empty())?;
        let host = if host.starts_with(':') { format!("localhost{host}") } else { host.to_owned() };
        let path = uri.path().to_owned();
        Some(Url { tls, host, path })
    }
}

/// What is asked for with HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// With TLS.
    pub tls: bool,
    /// Host, with its port where one was given.
    pub host: String,
    /// Path; at least `/`.
    pub path: String,
}

impl From {
    /// Understands `--from`.
    pub fn parse(input: &str) -> Result<Self, Error> {
        match input {
            "here" => Ok(Self::Here),
            "any" => Ok(Self::Any),
            address => address
                .trim_matches(['[', ']'])
                .parse()
                .map(Self::Address)
                .map_err(|_| Error::input(format!("--from takes here, any or an IP address, not `{address}`"))),
        }
    }
}

/// The words, of a URL without user, password, query and fragment.
fn without_secrets(input: &str) -> String {
    let Some((scheme, rest)) = input.split_once("://").filter(|(scheme, _)| !scheme.contains([':', '/'])) else {
        return input.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

fn parse_kind(input: &str) -> Result<TargetKind, Error> {
    let bad = |why: &str| Error::input(format!("`{input}` is no target: {why}")).hint(FORMS);
    if input.is_empty() {
        return Err(Error::input("the target is empty").hint(FORMS));
    }
    if input.chars().any(char::is_control) {
        return Err(Error::input("the target holds control characters").hint(FORMS));
    }
    if let Some(path) = input.strip_prefix("unix:") {
        return parse_unix(path).ok_or_else(|| bad("a unix socket is unix:/absolute/path or unix:@name"));
    }
    if input.starts_with('/') {
        return Ok(TargetKind::Path { path: input.to_owned() });
    }
    if let Some((scheme, rest)) = input.split_once("://") {
        return parse_url(scheme, rest, input);
    }
    if input.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        let address = input.trim_matches(['[', ']']);
        let shown = if address.contains(':') { format!("[{address}]:80") } else { format!("{address}:80") };
        return Err(bad(&format!("an address needs a port: {shown}")));
    }
    if let Some((port, transport)) = input.split_once('/')
        && let Some(transport) = [Transport::Tcp, Transport::Udp].into_iter().find(|t| t.word() == transport)
    {
        let port = parse_port(port).ok_or_else(|| bad("ports go from 1 to 65535"))?;
        return Ok(TargetKind::Port { transport, port });
    }
    if input.bytes().all(|b| b.is_ascii_digit()) {
        let port = parse_port(input).ok_or_else(|| bad("ports go from 1 to 65535"))?;
        return Ok(TargetKind::Port { transport: Transport::Tcp, port });
    }
    if let Some(port) = input.strip_prefix(':') {
        let port = parse_port(port).ok_or_else(|| bad("ports go from 1 to 65535"))?;
        return Ok(TargetKind::Port { transport: Transport::Tcp, port });
    }
    if input.contains(':') {
        let (host, port) = split_host_port(input).map_err(&bad)?;
        return host_kind(Transport::Tcp, host, port).map_err(|why| bad(&why));
    }
    unit_name(input).map(|name| TargetKind::Unit { name }).ok_or_else(|| bad("neither a port nor a unit name"))
}

const FORMS: &str =
    "targets are: 8080   host:port   [::1]:443   udp://host:53   https://host/   nginx   unix:/run/x.sock   unix:@name";

fn parse_unix(path: &str) -> Option<TargetKind> {
    if let Some(name) = path.strip_prefix('@') {
        return (!name.is_empty()).then(|| TargetKind::Abstract { name: name.to_owned() });
    }
    // `unix:///run/x.sock` is common too.
    let path = path.strip_prefix("//").filter(|p| p.starts_with('/')).unwrap_or(path);
    path.starts_with('/').then(|| TargetKind::Path { path: path.to_owned() })
}

fn parse_url(scheme: &str, rest: &str, input: &str) -> Result<TargetKind, Error> {
    let bad = |why: &str| Error::input(format!("`{input}` is no target: {why}")).hint(FORMS);
    let (transport, default) = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => (Transport::Tcp, Some(80)),
        "https" | "wss" => (Transport::Tcp, Some(443)),
        "tcp" => (Transport::Tcp, None),
        "udp" => (Transport::Udp, None),
        other => match known_scheme(other) {
            Some(port) => (Transport::Tcp, Some(port)),
            None => return Err(bad(&format!("the scheme {other}:// is unknown; use host:port"))),
        },
    };
    let uri: http::Uri = format!("x://{rest}").parse().map_err(|_| bad("the URL cannot be understood"))?;
    let authority = uri.authority().ok_or_else(|| bad("the URL names no host"))?;
    let host = authority.host().trim_matches(['[', ']']);
    let port = match authority.port() {
        Some(port) => Some(parse_port(port.as_str()).ok_or_else(|| bad("ports go from 1 to 65535"))?),
        // `host:` and `host:99999` have a port that is none.
        None if authority.as_str().rsplit(['@', ']']).next().is_some_and(|end| end.contains(':')) => {
            return Err(bad("ports go from 1 to 65535"));
        }
        None => default,
    };
    if host.is_empty() {
        let port = port.ok_or_else(|| bad("the URL names no host"))?;
        return Ok(TargetKind::Port { transport, port });
    }
    let port = port.ok_or_else(|| bad("it names no port"))?;
    host_kind(transport, host, port).map_err(|why| bad(&why))
}

/// The port that a scheme stands for (`https`, `postgres`).
pub fn usual_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(443),
        "ws" => Some(80),
        other => known_scheme(other),
    }
}

fn known_scheme(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "http" => 80,
        "https" => 443,
        "domain" => 53,
        "ntp" => 123,
        "imap" => 143,
        "imaps" => 993,
        "pop3" => 110,
        "submission" => 587,
        "ssh" | "sftp" => 22,
        "ftp" => 21,
        "smtp" => 25,
        "postgres" | "postgresql" => 5432,
        "mysql" | "mariadb" => 3306,
        "redis" | "rediss" => 6379,
        "amqp" => 5672,
        "mongodb" => 27017,
        "ldap" => 389,
        "ldaps" => 636,
        _ => return None,
    })
}

fn host_kind(transport: Transport, host: &str, port: u16) -> Result<TargetKind, String> {
    if host.parse::<IpAddr>().is_err() && !is_host_name(host) {
        return Err(format!("`{host}` is neither an address nor a host name"));
    }
    Ok(TargetKind::Host { transport, host: host.to_owned(), port })
}

fn split_host_port(input: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = input.rsplit_once(':').ok_or("it names no port")?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or("the bracket is not closed")?,
        None if host.contains(':') => return Err("an IPv6 address and port is [::1]:443"),
        None => host,
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    let number = parse_port(port).or_else(|| known_scheme(port));
    let known = "ports go from 1 to 65535 (of service names only common ones like ssh or https are known)";
    Ok((host, number.ok_or(known)?))
}

fn parse_port(text: &str) -> Option<u16> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

fn is_host_name(text: &str) -> bool {
    // Underscores are no host-name characters, but containers use them all the time. `%` ends a zone (fe80::1%eth0).
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '%'))
}

const UNIT_KINDS: [&str; 2] = [".service", ".socket"];

fn unit_name(text: &str) -> Option<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    if text.len() > 255 || text.starts_with('-') || !text.chars().all(valid) {
        return None;
    }
    let has_kind = UNIT_KINDS.iter().any(|kind| text.ends_with(kind));
    Some(if has_kind { text.to_owned() } else { format!("{text}.service") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    fn kind(input: &str) -> TargetKind {
        Target::parse(input).expect(input).kind
    }

    fn host(transport: Transport, host: &str, port: u16) -> TargetKind {
        TargetKind::Host { transport, host: host.into(), port }
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn any_words_are_a_target_or_an_input_error(words in damaged::text(&[
            "8080", "db1.example.org:5432", "[fe80::1%eth0]:443", "udp://h:53", "https://u:p@h:8443/x?y#z", "nginx.service",
            "unix:/run/x.sock", "unix:@name", "postgresql@15-main",
        ])) {
            match Target::parse(&words) {
                Ok(target) => proptest::prop_assert!(!target.input.chars().any(char::is_control)),
                Err(error) => proptest::prop_assert_eq!(error.exit_code(), 2),
            }
            let _ = From::parse(&words);
        }
    }

    #[test]
    fn every_form_of_the_contract() {
        assert_eq!(kind("8080"), TargetKind::Port { transport: Transport::Tcp, port: 8080 });
        assert_eq!(kind("db1:5432"), host(Transport::Tcp, "db1", 5432));
        assert_eq!(kind("[::1]:443"), host(Transport::Tcp, "::1", 443));
        assert_eq!(kind("udp://ns1:53"), host(Transport::Udp, "ns1", 53));
        assert_eq!(kind("https://example.org/a?b"), host(Transport::Tcp, "example.org", 443));
        assert_eq!(kind("http://[fd00::2]:8080/x"), host(Transport::Tcp, "fd00::2", 8080));
        assert_eq!(kind("nginx"), TargetKind::Unit { name: "nginx.service".into() });
        assert_eq!(kind("ssh.socket"), TargetKind::Unit { name: "ssh.socket".into() });
        assert_eq!(kind("postgresql@15-main"), TargetKind::Unit { name: "postgresql@15-main.service".into() });
        assert_eq!(kind("unix:/run/x.sock"), TargetKind::Path { path: "/run/x.sock".into() });
        assert_eq!(kind("unix:///run/x.sock"), TargetKind::Path { path: "/run/x.sock".into() });
        assert_eq!(kind("server:ssh"), host(Transport::Tcp, "server", 22));
        assert_eq!(kind("53/udp"), TargetKind::Port { transport: Transport::Udp, port: 53 });
        assert_eq!(kind("unix:@bus"), TargetKind::Abstract { name: "bus".into() });
    }

    #[test]
    fn a_url_tells_what_is_asked_for() {
        let url = |input: &str| Target::parse(input).unwrap().url().map(|url| (url.tls, url.host, url.path));
        let told = |tls, host: &str, path: &str| Some((tls, host.to_owned(), path.to_owned()));
        assert_eq!(url("https://example.org/a?b=c#d"), told(true, "example.org", "/a"));
        assert_eq!(url("http://u:p@h:8080"), told(false, "h:8080", "/"));
        assert_eq!(url("http://[fd00::2]:81/x"), told(false, "[fd00::2]:81", "/x"));
        assert_eq!(url("http://:8080/"), told(false, "localhost:8080", "/"));
        assert_eq!(url("example.org:443"), None);
        assert_eq!(url("postgres://h/db"), None);
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_kept() {
        for (input, kept) in [
            ("https://joe:secret@shop.example:8443/a/b?token=x#y", "https://shop.example:8443/a/b"),
            ("http://h?key=x", "http://h"),
            ("postgres://u:p@db1/shop", "postgres://db1/shop"),
            ("unix:/run/a?b://c@d", "unix:/run/a?b://c@d"),
            ("db1:5432", "db1:5432"),
        ] {
            assert_eq!(Target::parse(input).unwrap().input, kept);
        }
    }

    #[test]
    fn bad_input_is_an_input_error_in_one_line() {
        for bad in [
            "",
            "0",
            "65536",
            "99999999999",
            "host:0",
            "host:x",
            "::1:80",
            "[::1:80",
            "-rf",
            "a b",
            "x\u{1b}[2J:80",
            "gopher://h/",
            "udp://h",
            "http://",
            "http://h:99999/",
            "http://u:p@[::1]:x/",
            "unix:",
            "unix:relative",
            "unix:@",
            "host name:80",
            "8.8.8.8",
            "[::1]",
            "fe80::1",
            "53/sctp",
            "a;b:80",
            "$(id):80",
        ] {
            let error = Target::parse(bad).expect_err(bad);
            assert_eq!(error.exit_code(), 2, "{bad}");
            assert!(!error.to_string().contains(['\n', '\u{1b}']), "{bad}");
        }
    }

    #[test]
    fn from_takes_three_forms() {
        assert_eq!(From::parse("here").unwrap(), From::Here);
        assert_eq!(From::parse("10.0.0.9").unwrap(), From::Address([10, 0, 0, 9].into()));
        assert_eq!(From::parse("[::1]").unwrap(), From::Address(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)));
        assert!(From::parse("there").is_err());
    }
}
