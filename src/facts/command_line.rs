//! Ports and addresses that a service's command line or environment names (`--port 8080`, `-p 8080`, `:8080`,
//! `--bind=127.0.0.1:8000`, `PORT=8080`).

use std::net::IpAddr;

use super::unit::Service;

/// A port found on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandListen {
    /// The port.
    pub port: u16,
    /// The address beside it, where one is given.
    pub address: Option<IpAddr>,
    /// The words that say so, joined by spaces.
    pub words: String,
}

/// What the command lines and the environment of a service name, in order, without repeats of a port.
pub fn listens(service: &Service) -> Vec<CommandListen> {
    let mut found: Vec<CommandListen> = Vec::new();
    let commands = service.exec_start.iter().flat_map(|argv| in_argv(argv));
    let environment = service.environment.iter().filter_map(|entry| in_environment(entry));
    for listen in commands.chain(environment) {
        if !found.iter().any(|f| f.port == listen.port) {
            found.push(listen);
        }
    }
    found
}

const PORT_FLAGS: [&str; 8] =
    ["-p", "--port", "-port", "--http-port", "--listen-port", "--server-port", "--server.port", "-P"];
const ADDRESS_FLAGS: [&str; 12] = [
    "-b",
    "--bind",
    "-l",
    "--listen",
    "--address",
    "--addr",
    "-addr",
    "-listen",
    "--listen-address",
    "--web.listen-address",
    "--http",
    "-H",
];

fn in_argv(argv: &[String]) -> Vec<CommandListen> {
    let mut found = Vec::new();
    let host = value_of(argv, &["--host", "--bind", "-b", "--address", "-l", "--ip"]).and_then(|v| parse_ip(v));
    for (index, word) in argv.iter().enumerate().skip(1) {
        let (flag, joined) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with('-') => (flag, Some(value)),
            _ => (word.as_str(), None),
        };
        let next = argv.get(index + 1).map(String::as_str);
        let value = joined.or(next);
        let words = match joined {
            Some(_) => word.clone(),
            None => format!("{word} {}", next.unwrap_or_default()),
        };
        if PORT_FLAGS.contains(&flag) {
            if let Some(port) = value.and_then(parse_port) {
                found.push(CommandListen { port, address: host, words });
            }
        } else if ADDRESS_FLAGS.contains(&flag) {
            if let Some((address, port)) = value.and_then(address_and_port) {
                found.push(CommandListen { port, address, words });
            }
        } else if !word.starts_with('-') {
            if let Some((address, port)) = address_and_port(word) {
                found.push(CommandListen { port, address: address.or(host), words: word.clone() });
            } else if let Some(port) = bare_port(argv, word) {
                found.push(CommandListen { port, address: host, words: word.clone() });
            }
        }
    }
    found
}

/// `python3 -m http.server 8000` names its port as a bare word.
fn bare_port(argv: &[String], word: &str) -> Option<u16> {
    argv.iter().any(|w| w == "http.server" || w == "runserver").then(|| parse_port(word)).flatten()
}

fn value_of<'a>(argv: &'a [String], flags: &[&str]) -> Option<&'a str> {
    argv.iter().enumerate().find_map(|(index, word)| {
        if flags.contains(&word.as_str()) {
            return argv.get(index + 1).map(String::as_str);
        }
        word.split_once('=').filter(|(flag, _)| flags.contains(flag)).map(|(_, value)| value)
    })
}

fn in_environment(entry: &str) -> Option<CommandListen> {
    let (name, value) = entry.split_once('=')?;
    let name = name.to_ascii_uppercase();
    if name == "PORT" || name.ends_with("_PORT") {
        let port = parse_port(value)?;
        return Some(CommandListen { port, address: None, words: entry.to_owned() });
    }
    if name.ends_with("ADDR") || name.ends_with("ADDRESS") || name.ends_with("LISTEN") || name.ends_with("BIND") {
        let (address, port) = address_and_port(value)?;
        return Some(CommandListen { port, address, words: entry.to_owned() });
    }
    None
}

fn address_and_port(text: &str) -> Option<(Option<IpAddr>, u16)> {
    let text = text.rsplit_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = text.rsplit_once(':')?;
    let port = parse_port(port)?;
    if host.is_empty() || host == "*" {
        return Some((None, port));
    }
    if host == "localhost" {
        return Some((Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)), port));
    }
    Some((Some(parse_ip(host)?), port))
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    text.trim_matches(['[', ']']).parse().ok()
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(line: &str) -> Vec<(u16, Option<String>)> {
        let argv = line.split(' ').map(String::from).collect();
        let service = Service { exec_start: vec![argv], ..Service::default() };
        listens(&service).into_iter().map(|l| (l.port, l.address.map(|a| a.to_string()))).collect()
    }

    #[test]
    fn common_ways_to_name_a_port() {
        let v4 = |a: &str| Some(a.to_owned());
        assert_eq!(ports("/usr/bin/app --port 8080"), [(8080, None)]);
        assert_eq!(ports("/usr/bin/app --port=8080 --host=127.0.0.1"), [(8080, v4("127.0.0.1"))]);
        assert_eq!(ports("/usr/bin/gunicorn -b 127.0.0.1:8000 app:app"), [(8000, v4("127.0.0.1"))]);
        assert_eq!(ports("python3 -m http.server --bind ::1 8001"), [(8001, v4("::1"))]);
        assert_eq!(ports("/bin/prom --web.listen-address=:9100"), [(9100, None)]);
        assert_eq!(ports("nc -l -p 7000"), [(7000, None)]);
    }

    #[test]
    fn what_only_looks_like_a_port_is_left_alone() {
        assert_eq!(ports("/usr/sbin/mysqld --user=mysql --pid-file=/run/x"), []);
        assert_eq!(ports("/bin/app a:b 1:2:3x --size 8080"), []);
        assert_eq!(ports("/bin/sleep 100"), []);
    }

    #[test]
    fn environment_counts_when_the_name_says_port() {
        let service =
            Service { environment: vec!["PORT=3000".into(), "APP_LISTEN=127.0.0.1:3001".into()], ..Service::default() };
        let found: Vec<u16> = listens(&service).into_iter().map(|l| l.port).collect();
        assert_eq!(found, [3000, 3001]);
    }
}
