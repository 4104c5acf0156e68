//! The lines of a daemon's configuration that say where it listens, in its own words.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use crate::facts::daemon::{ConfiguredListen, Daemon, ListenAddress};

/// How a daemon is told several addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line for each.
    Lines,
    /// A list in one line.
    List,
    /// It takes a single one.
    One,
}

/// How a daemon is told several addresses. `several`: this version of it takes several where older ones take one.
pub(super) fn shape(daemon: Daemon, several: bool) -> Shape {
    match daemon {
        Daemon::Nginx | Daemon::Apache | Daemon::Haproxy | Daemon::Sshd => Shape::Lines,
        Daemon::Postgres | Daemon::Redis | Daemon::Memcached => Shape::List,
        Daemon::Mysql if several => Shape::List,
        Daemon::Mysql | Daemon::Vsftpd => Shape::One,
    }
}

/// What becomes of the line that sets `old`, so that the daemon listens on `new` as well, or instead where it takes a
/// single address. None: this line cannot be made to say it.
pub(super) fn with(
    daemon: Daemon,
    line: &str,
    old: &ConfiguredListen,
    new: SocketAddr,
    several: bool,
) -> Option<Vec<String>> {
    if shape(daemon, several) == Shape::Lines {
        let at = directive(daemon, line, old)?;
        let added = at.saying(&at.written(daemon, new));
        return Some(at.beside(daemon, vec![line.to_owned(), added]));
    }
    let ip = new.ip();
    if shape(daemon, several) == Shape::List {
        return listed(daemon, line, ip).map(|line| vec![line]);
    }
    let right_family = daemon != Daemon::Vsftpd || line.starts_with("listen_address6") == ip.is_ipv6();
    let at = value(daemon, line).filter(|_| right_family)?;
    Some(vec![replaced(line, at, &ip.to_string())])
}

/// The line with one more address in its list.
pub(super) fn listed(daemon: Daemon, line: &str, ip: IpAddr) -> Option<String> {
    let at = value(daemon, line)?;
    let now = line.get(at.clone())?.trim();
    let list = match daemon {
        _ if now.is_empty() => ip.to_string(),
        Daemon::Postgres => format!("{now}, {ip}"),
        Daemon::Redis => format!("{now} {ip}"),
        Daemon::Mysql
        | Daemon::Memcached
        | Daemon::Vsftpd
        | Daemon::Nginx
        | Daemon::Apache
        | Daemon::Haproxy
        | Daemon::Sshd => format!("{now},{ip}"),
    };
    Some(replaced(line, at, &list))
}

/// The line, and one that says the same for another port.
pub(super) fn with_port(daemon: Daemon, line: &str, old: &ConfiguredListen, port: u16) -> Option<Vec<String>> {
    let at = directive(daemon, line, old)?;
    let argument = line.get(at.argument.clone())?;
    let (host, now) = split(argument);
    let new = match now {
        Some(now) => format!("{}{port}", argument.strip_suffix(&now.to_string())?),
        None if host.contains(':') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    };
    let added = replaced(at.line.get(at.whole.clone())?, at.inside(), &new);
    Some(at.beside(daemon, vec![line.to_owned(), added]))
}

/// What becomes of the line that sets `old`, so that the daemon listens on all addresses of these families.
pub(super) fn everywhere(
    daemon: Daemon,
    line: &str,
    old: &ConfiguredListen,
    wildcards: &[SocketAddr],
) -> Option<Vec<String>> {
    let v6 = wildcards.iter().any(SocketAddr::is_ipv6);
    match daemon {
        Daemon::Postgres | Daemon::Mysql => Some(vec![replaced(line, value(daemon, line)?, "*")]),
        Daemon::Redis => {
            let optional = line.contains(" -");
            let all = match (v6, optional) {
                (true, true) => "0.0.0.0 -::",
                (true, false) => "0.0.0.0 ::",
                (false, _) => "0.0.0.0",
            };
            Some(vec![replaced(line, value(daemon, line)?, all)])
        }
        Daemon::Memcached => {
            let all = if v6 { "0.0.0.0,::" } else { "0.0.0.0" };
            Some(vec![replaced(line, value(daemon, line)?, all)])
        }
        Daemon::Vsftpd => value(daemon, line).map(|_| vec![commented(line)]),
        // One such line takes both families.
        Daemon::Apache => {
            let at = directive(daemon, line, old)?;
            Some(vec![replaced(line, at.argument.clone(), &old.port?.to_string())])
        }
        Daemon::Nginx | Daemon::Haproxy | Daemon::Sshd => {
            let at = directive(daemon, line, old)?;
            let mut lines: Vec<String> = wildcards.iter().map(|new| at.saying(&at.written(daemon, *new))).collect();
            if is_wildcard(old) {
                lines.insert(0, line.to_owned());
            }
            Some(at.beside(daemon, lines))
        }
    }
}

/// The line that says what is built in, and `new` beside it; none for daemons whose default is no single address.
pub(super) fn said(daemon: Daemon, new: Option<IpAddr>) -> Option<String> {
    match (daemon, new) {
        (Daemon::Postgres, Some(ip)) => Some(format!("listen_addresses = 'localhost, {ip}'")),
        (Daemon::Postgres, None) => Some("listen_addresses = '*'".into()),
        _ => None,
    }
}

/// A line that is there no more, for the daemon.
pub(super) fn commented(line: &str) -> String {
    format!("#{line}")
}

/// Does it take all addresses of a family?
pub(super) fn is_wildcard(listen: &ConfiguredListen) -> bool {
    match &listen.address {
        ListenAddress::Any => true,
        ListenAddress::Ip(ip) => ip.is_unspecified(),
        ListenAddress::Name(_) | ListenAddress::Path(_) => false,
    }
}

/// The wildcards of some families.
pub(super) fn wildcards(v4: bool, v6: bool, port: u16) -> Vec<SocketAddr> {
    let v4 = v4.then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let v6 = v6.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    v4.into_iter().chain(v6).map(|ip| SocketAddr::new(ip, port)).collect()
}

/// A directive in its line.
struct Directive<'t> {
    line: &'t str,
    /// Its address.
    argument: Range<usize>,
    /// All of it.
    whole: Range<usize>,
}

/// The directive of a line that sets `old`.
fn directive<'t>(daemon: Daemon, line: &'t str, old: &ConfiguredListen) -> Option<Directive<'t>> {
    let keyword = match daemon {
        Daemon::Nginx | Daemon::Apache => "listen",
        Daemon::Haproxy => "bind",
        Daemon::Sshd => "listenaddress",
        Daemon::Mysql | Daemon::Postgres | Daemon::Redis | Daemon::Memcached | Daemon::Vsftpd => return None,
    };
    let argument = arguments(line, keyword).find(|at| line.get(at.clone()).is_some_and(|arg| says(arg, old)))?;
    let from = line.get(..argument.start)?.to_ascii_lowercase().rfind(keyword)?;
    let rest = line.get(argument.end..)?;
    let to = if daemon == Daemon::Nginx {
        argument.end + rest.find(';')? + 1
    } else {
        argument.end + rest.find('#').map_or(rest, |at| rest.get(..at).unwrap_or(rest)).trim_end().len()
    };
    Some(Directive { line, argument, whole: from..to })
}

impl Directive<'_> {
    /// Its address, counted from its own start.
    fn inside(&self) -> Range<usize> {
        let from = self.argument.start.saturating_sub(self.whole.start);
        from..from + self.argument.len()
    }

    /// The directive alone, with another address.
    fn saying(&self, address: &str) -> String {
        let whole = self.line.get(self.whole.clone()).unwrap_or_default();
        let new = replaced(whole, self.inside(), address);
        if address.starts_with('[') || address.contains("::") { new } else { without_v6_options(&new) }
    }

    /// An address as this daemon writes it here.
    fn written(&self, daemon: Daemon, new: SocketAddr) -> String {
        let old = self.line.get(self.argument.clone()).unwrap_or_default();
        if daemon == Daemon::Nginx && new.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
            return new.port().to_string();
        }
        if daemon == Daemon::Haproxy && new.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            return format!("{new} v6only");
        }
        // sshd may have its port in a line of its own.
        if daemon == Daemon::Sshd && split(old).1.is_none() { new.ip().to_string() } else { new.to_string() }
    }

    /// These in place of the line; in its place within the line, where something else stands there too.
    fn beside(&self, daemon: Daemon, lines: Vec<String>) -> Vec<String> {
        let before = self.line.get(..self.whole.start).unwrap_or_default();
        let after = self.line.get(self.whole.end..).unwrap_or_default().trim_start();
        let alone = before.trim().is_empty() && (after.is_empty() || after.starts_with('#'));
        let own = self.line.get(self.whole.clone()).unwrap_or_default();
        let words = |line: &String| if line == self.line { own.to_owned() } else { line.clone() };
        if daemon != Daemon::Nginx || alone {
            let mut lines = lines;
            // A comment stays with the first.
            if let Some(first) = lines.first_mut().filter(|first| *first != self.line && !after.is_empty()) {
                *first = format!("{first} {after}");
            }
            return lines;
        }
        let all = lines.iter().map(words).collect::<Vec<_>>().join(" ");
        vec![replaced(self.line, self.whole.clone(), &all)]
    }
}

/// What only an IPv6 socket can be told.
fn without_v6_options(line: &str) -> String {
    [" ipv6only=on", " ipv6only=off", " v6only", " v4v6"]
        .iter()
        .fold(line.to_owned(), |line, word| line.replace(word, ""))
}

/// The places of the first words after each `keyword`.
fn arguments(line: &str, keyword: &str) -> impl Iterator<Item = Range<usize>> {
    let lower = line.to_ascii_lowercase();
    let starts: Vec<usize> = lower.match_indices(keyword).map(|(at, _)| at).collect();
    starts.into_iter().filter_map(move |at| {
        let before = lower.get(..at)?.chars().next_back();
        if before.is_some_and(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | ';' | '"' | '\'')) {
            return None;
        }
        let rest = lower.get(at + keyword.len()..)?;
        let word = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
        let start = at + keyword.len() + (rest.len() - word.len());
        let end = word.find(|c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '#')).unwrap_or(word.len());
        (word.len() < rest.len() && end > 0).then_some(start..start + end)
    })
}

/// The value of a setting that is a list or a single address.
fn value(daemon: Daemon, line: &str) -> Option<Range<usize>> {
    match daemon {
        Daemon::Memcached => {
            let after = |keyword| arguments(line, keyword).next();
            after("-l").or_else(|| after("--listen"))
        }
        Daemon::Redis => {
            let key = line.get(..4).filter(|key| key.eq_ignore_ascii_case("bind"))?;
            let rest = line.get(key.len()..)?;
            Some(key.len() + (rest.len() - rest.trim_start().len())..line.len())
        }
        Daemon::Postgres => after_name(line, "listen_addresses", true),
        Daemon::Mysql => after_name(line, "bind-address", false).or_else(|| after_name(line, "bind_address", false)),
        Daemon::Vsftpd => {
            after_name(line, "listen_address", false).or_else(|| after_name(line, "listen_address6", false))
        }
        Daemon::Nginx | Daemon::Apache | Daemon::Haproxy | Daemon::Sshd => None,
    }
}

/// The value in `name = value # comment`, or in `name = 'value'`.
fn after_name(line: &str, name: &str, bare_too: bool) -> Option<Range<usize>> {
    let key = line.get(..name.len()).filter(|key| key.eq_ignore_ascii_case(name))?;
    let rest = line.get(key.len()..)?;
    let value = rest.trim_start().strip_prefix('=').or_else(|| rest.strip_prefix([' ', '\t']).filter(|_| bare_too))?;
    let value = value.trim_start();
    let start = line.len() - value.len();
    for quote in ['\'', '"'] {
        if let Some(inner) = value.strip_prefix(quote) {
            return Some(start + 1..start + 1 + inner.find(quote)?);
        }
    }
    let end = value.find('#').map_or(value, |at| value.get(..at).unwrap_or(value)).trim_end().len();
    // What stands there bare could not hold a list.
    (!bare_too).then_some(start..start + end)
}

fn replaced(line: &str, at: Range<usize>, new: &str) -> String {
    let (before, after) = (line.get(..at.start).unwrap_or_default(), line.get(at.end..).unwrap_or_default());
    format!("{before}{new}{after}")
}

/// Host and port of an argument; a lone number is a port.
fn split(argument: &str) -> (&str, Option<u16>) {
    if let Ok(port) = argument.parse() {
        return ("", Some(port));
    }
    if let Some(inner) = argument.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').unwrap_or((inner, ""));
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    let colons = argument.matches(':').count();
    match argument.rsplit_once(':') {
        // `:::80` of HAProxy
        Some((host, port)) if colons == 1 || host == "::" => (host, port.parse().ok()),
        _ => (argument, None),
    }
}

/// Is this argument the one that sets `listen`?
fn says(argument: &str, listen: &ConfiguredListen) -> bool {
    let (host, port) = split(argument);
    if port.is_some() && port != listen.port {
        return false;
    }
    let wild = matches!(host, "" | "*");
    match &listen.address {
        ListenAddress::Any => wild,
        ListenAddress::Ip(ip) => (wild && ip.is_unspecified() && ip.is_ipv4()) || host.parse() == Ok(*ip),
        ListenAddress::Name(name) => host.eq_ignore_ascii_case(name),
        ListenAddress::Path(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str, port: u16) -> ConfiguredListen {
        let address = match address.parse() {
            Ok(ip) => ListenAddress::Ip(ip),
            Err(_) if address == "*" => ListenAddress::Any,
            Err(_) => ListenAddress::Name(address.into()),
        };
        ConfiguredListen { address, port: Some(port), v6only: None, address_set_by: None, port_set_by: None }
    }

    fn too(daemon: Daemon, line: &str, old: (&str, u16), new: &str) -> String {
        with(daemon, line, &at(old.0, old.1), new.parse().unwrap(), true).unwrap_or_default().join("\n")
    }

    fn all(daemon: Daemon, line: &str, old: (&str, u16)) -> String {
        everywhere(daemon, line, &at(old.0, old.1), &wildcards(true, true, old.1)).unwrap_or_default().join("\n")
    }

    #[test]
    fn another_address_in_a_line_of_its_own() {
        let local = ("127.0.0.1", 80);
        let line = "listen 127.0.0.1:80 default_server; # only here";
        let added = "listen 10.2.0.2:80 default_server;";
        assert_eq!(too(Daemon::Nginx, line, local, "10.2.0.2:80"), format!("{line}\n{added}"));
        assert_eq!(
            too(Daemon::Nginx, "listen 127.0.0.1;", local, "[fd00::2]:80"),
            "listen 127.0.0.1;\nlisten [fd00::2]:80;"
        );
        assert_eq!(
            too(Daemon::Nginx, "server { listen 127.0.0.1:80; root /x; }", local, "10.2.0.2:80"),
            "server { listen 127.0.0.1:80; listen 10.2.0.2:80; root /x; }"
        );
        let v6 = "listen [::]:80 ipv6only=on;";
        assert_eq!(too(Daemon::Nginx, v6, ("::", 80), "10.2.0.2:80"), format!("{v6}\nlisten 10.2.0.2:80;"));
        assert_eq!(
            too(Daemon::Apache, "Listen 127.0.0.1:443 https", ("127.0.0.1", 443), "10.2.0.2:443"),
            "Listen 127.0.0.1:443 https\nListen 10.2.0.2:443 https"
        );
        assert_eq!(
            too(Daemon::Sshd, "ListenAddress 127.0.0.1", ("127.0.0.1", 22), "10.2.0.2:22"),
            "ListenAddress 127.0.0.1\nListenAddress 10.2.0.2"
        );
        assert_eq!(
            too(Daemon::Sshd, "ListenAddress localhost:2222", ("localhost", 2222), "[fd00::2]:2222"),
            "ListenAddress localhost:2222\nListenAddress [fd00::2]:2222"
        );
        assert_eq!(
            too(Daemon::Haproxy, "bind 127.0.0.1:80 ssl crt /x.pem", local, "10.2.0.2:80"),
            "bind 127.0.0.1:80 ssl crt /x.pem\nbind 10.2.0.2:80 ssl crt /x.pem"
        );
    }

    #[test]
    fn another_address_in_a_list() {
        let local = ("127.0.0.1", 1);
        let line = "listen_addresses = 'localhost'\t\t# what IP address(es) to listen on;";
        let new = "listen_addresses = 'localhost, 10.2.0.2'\t\t# what IP address(es) to listen on;";
        assert_eq!(too(Daemon::Postgres, line, ("localhost", 1), "10.2.0.2:1"), new);
        assert_eq!(too(Daemon::Postgres, "listen_addresses ''", local, "10.2.0.2:1"), "listen_addresses '10.2.0.2'");
        assert_eq!(too(Daemon::Redis, "bind 127.0.0.1 -::1", local, "10.2.0.2:1"), "bind 127.0.0.1 -::1 10.2.0.2");
        assert_eq!(too(Daemon::Memcached, "-l 127.0.0.1", local, "10.2.0.2:1"), "-l 127.0.0.1,10.2.0.2");
        let redhat = "OPTIONS=\"-l 127.0.0.1,::1\"";
        assert_eq!(too(Daemon::Memcached, redhat, local, "10.2.0.2:1"), "OPTIONS=\"-l 127.0.0.1,::1,10.2.0.2\"");
        let line = "bind-address            = 127.0.0.1 # local";
        assert_eq!(
            too(Daemon::Mysql, line, local, "10.2.0.2:1"),
            "bind-address            = 127.0.0.1,10.2.0.2 # local"
        );
        let one = with(Daemon::Mysql, line, &at("127.0.0.1", 1), "10.2.0.2:1".parse().unwrap(), false).unwrap();
        assert_eq!(one, ["bind-address            = 10.2.0.2 # local"]);
        assert_eq!(too(Daemon::Vsftpd, "listen_address=127.0.0.1", local, "10.2.0.2:1"), "listen_address=10.2.0.2");
        assert_eq!(too(Daemon::Vsftpd, "listen_address=127.0.0.1", local, "[fd00::2]:1"), "");
    }

    #[test]
    fn all_addresses() {
        let local = ("127.0.0.1", 80);
        assert_eq!(all(Daemon::Nginx, "listen 127.0.0.1:80; # x", local), "listen 80; # x\nlisten [::]:80;");
        assert_eq!(all(Daemon::Apache, "Listen 127.0.0.1:80", local), "Listen 80");
        assert_eq!(
            all(Daemon::Haproxy, "bind 127.0.0.1:80 ssl", local),
            "bind 0.0.0.0:80 ssl\nbind [::]:80 v6only ssl"
        );
        assert_eq!(
            all(Daemon::Sshd, "ListenAddress 127.0.0.1", ("127.0.0.1", 22)),
            "ListenAddress 0.0.0.0\nListenAddress ::"
        );
        assert_eq!(all(Daemon::Postgres, "listen_addresses = 'localhost'", ("localhost", 1)), "listen_addresses = '*'");
        assert_eq!(all(Daemon::Mysql, "bind-address = 127.0.0.1", local), "bind-address = *");
        assert_eq!(all(Daemon::Redis, "bind 127.0.0.1 -::1", local), "bind 0.0.0.0 -::");
        assert_eq!(all(Daemon::Memcached, "-l 127.0.0.1", local), "-l 0.0.0.0,::");
        assert_eq!(all(Daemon::Vsftpd, "listen_address=127.0.0.1", local), "#listen_address=127.0.0.1");
    }

    #[test]
    fn another_port() {
        let port = |daemon, line, old: (&str, u16)| with_port(daemon, line, &at(old.0, old.1), 80).unwrap().join("\n");
        assert_eq!(port(Daemon::Nginx, "listen 8080;", ("0.0.0.0", 8080)), "listen 8080;\nlisten 80;");
        assert_eq!(
            port(Daemon::Nginx, "listen [::]:8080 ssl;", ("::", 8080)),
            "listen [::]:8080 ssl;\nlisten [::]:80 ssl;"
        );
        assert_eq!(port(Daemon::Apache, "Listen 8080", ("*", 8080)), "Listen 8080\nListen 80");
        assert_eq!(port(Daemon::Haproxy, "bind *:8080", ("0.0.0.0", 8080)), "bind *:8080\nbind *:80");
        assert_eq!(
            port(Daemon::Nginx, "server { listen 8080; listen [::]:8080; }", ("::", 8080)),
            "server { listen 8080; listen [::]:8080; listen [::]:80; }"
        );
    }

    #[test]
    fn a_line_that_says_something_else_is_left_alone() {
        let new = "10.2.0.2:80".parse().unwrap();
        assert_eq!(with(Daemon::Nginx, "listen $x;", &at("127.0.0.1", 80), new, true), None);
        assert_eq!(with(Daemon::Nginx, "listen 127.0.0.1:8080;", &at("127.0.0.1", 80), new, true), None);
        assert_eq!(with(Daemon::Nginx, "listening 127.0.0.1:80;", &at("127.0.0.1", 80), new, true), None);
        assert_eq!(with(Daemon::Postgres, "listen_addresses = localhost", &at("localhost", 80), new, true), None);
    }
}
