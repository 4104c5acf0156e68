//! Programs whose command lines need to be known: clients that listen nowhere, tunnels, containers, UDP servers.

use super::shell;
use super::value::{self, Place};
use crate::facts::socket::Transport;

/// Places found, each with the words that say so.
type Found = Vec<(Place, String)>;

/// Programs in front of the one that matters.
const WRAPPERS: [&str; 14] = [
    "nice",
    "ionice",
    "chrt",
    "taskset",
    "sudo",
    "runuser",
    "setpriv",
    "nohup",
    "tini",
    "dumb-init",
    "stdbuf",
    "unbuffer",
    "numactl",
    "timeout",
];
/// Programs that take ports of others, never their own.
const CLIENTS: [&str; 42] = [
    "[",
    "curl",
    "dig",
    "echo",
    "host",
    "ip",
    "ip6tables",
    "ip6tables-restore",
    "ipset",
    "iptables",
    "iptables-restore",
    "kill",
    "kubectl",
    "logger",
    "mariadb",
    "mariadb-admin",
    "mariadb-dump",
    "mongo",
    "mongosh",
    "mount",
    "mysql",
    "mysqladmin",
    "mysqldump",
    "nft",
    "nmap",
    "pg_dump",
    "pg_isready",
    "ping",
    "printf",
    "psql",
    "redis-cli",
    "scp",
    "sftp",
    "sleep",
    "ss",
    "sshfs",
    "systemctl",
    "tc",
    "telnet",
    "test",
    "wait-for-it",
    "wget",
];
/// Programs whose port may be UDP.
const UDP: [&str; 22] = [
    "atftpd",
    "chronyd",
    "coredns",
    "dhcpd",
    "dnsmasq",
    "gsad",
    "in.tftpd",
    "iperf",
    "iperf3",
    "kea-dhcp4",
    "named",
    "nfdump",
    "ntpd",
    "openvpn",
    "rsyslogd",
    "snmpd",
    "statsd",
    "statsd_exporter",
    "syslog-ng",
    "telegraf",
    "unbound",
    "wireguard",
];

/// The base name of the program an argv runs.
pub(super) fn name(argv: &[String]) -> String {
    let base = |word: &String| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = argv.iter().filter(|w| shell::assignment(w).is_none()).map(base);
    let first = words.next().unwrap_or_default();
    if !WRAPPERS.contains(&first.as_str()) {
        return first;
    }
    // The wrapper's own options and numbers are not a program.
    words.find(|w| w.starts_with(|c: char| c.is_ascii_alphabetic())).unwrap_or(first)
}

/// Which transport a port of this program is for; none where it may be either.
pub(super) fn transport(name: &str, argv: &[String]) -> Option<Transport> {
    if name == "docker-proxy" && argv.iter().any(|w| w == "udp") {
        return Some(Transport::Udp);
    }
    (!UDP.contains(&name)).then_some(Transport::Tcp)
}

/// What a program with a command line of its own kind listens on; none for all others.
pub(super) fn special(name: &str, argv: &[String]) -> Option<Found> {
    if CLIENTS.contains(&name) {
        return Some(Found::new());
    }
    match name {
        "ssh" | "autossh" => Some(ssh(argv)),
        "nc" | "ncat" | "netcat" | "nc.openbsd" | "nc.traditional" => Some(netcat(argv)),
        "socat" => Some(argv.iter().filter_map(|w| Some((socat(w)?, w.clone()))).collect()),
        "docker" | "podman" if !argv.windows(2).any(is_host_network) => Some(published(argv)),
        "websockify" => Some(argv.iter().skip(1).filter_map(|w| bare(w)).take(1).collect()),
        _ => known_word(argv).or_else(|| debugged(argv)),
    }
}

fn bare(word: &str) -> Option<(Place, String)> {
    let place = value::places(word, true).into_iter().next()?;
    Some((place, word.to_owned()))
}

/// `ssh -L [bind:]port:host:port` and `-D [bind:]port` listen here, on loopback unless they say otherwise.
fn ssh(argv: &[String]) -> Found {
    let pairs = argv.iter().zip(argv.iter().skip(1));
    let forwards = pairs.filter_map(|(flag, spec)| {
        let parts: Vec<&str> = spec.rsplitn(4, ':').collect();
        let (port, bind) = match (flag.as_str(), parts.as_slice()) {
            ("-L", [_, _, port]) | ("-D", [port]) => (port, "localhost"),
            ("-L", [_, _, port, bind]) | ("-D", [port, bind]) => (port, *bind),
            _ => return None,
        };
        let address = value::ip(bind);
        Some((Place { address, ..Place::port(value::number(port)?) }, format!("{flag} {spec}")))
    });
    forwards.collect()
}

/// netcat listens only with `-l`; its port is `-p`'s or the last number.
fn netcat(argv: &[String]) -> Found {
    let has = |c: char| argv.iter().any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(c));
    if !has('l') && !argv.iter().any(|w| w == "--listen") {
        return Found::new();
    }
    let Some(word) = argv.iter().skip(1).rfind(|w| value::number(w).is_some()) else { return Found::new() };
    let Some(port) = value::number(word) else { return Found::new() };
    let address = argv.iter().skip(1).find_map(|w| value::ip(w));
    let transport = Some(if has('u') { Transport::Udp } else { Transport::Tcp });
    vec![(Place { port, address, transport }, argv.join(" "))]
}

/// `TCP4-LISTEN:8080,bind=127.0.0.1,fork`.
fn socat(word: &str) -> Option<Place> {
    let (kind, rest) = word.split_once(':')?;
    let kind = kind.to_ascii_uppercase();
    if !["-LISTEN", "-L", "-RECVFROM", "-RECV"].iter().any(|end| kind.ends_with(end)) {
        return None;
    }
    let transport = Some(if kind.starts_with("UDP") { Transport::Udp } else { Transport::Tcp });
    let mut options = rest.split(',');
    let port = value::number(options.next()?)?;
    Some(Place { port, address: options.find_map(|o| value::ip(o.strip_prefix("bind=")?)), transport })
}

fn is_host_network(pair: &[String]) -> bool {
    match pair {
        [flag, value] => {
            (matches!(flag.as_str(), "--network" | "--net") && value == "host")
                || [flag, value].iter().any(|w| matches!(w.as_str(), "--network=host" | "--net=host"))
        }
        _ => false,
    }
}

/// `docker run -p 127.0.0.1:8080:80/tcp`: what comes behind the image is the container's own business.
fn published(argv: &[String]) -> Found {
    let pairs = argv.iter().zip(argv.iter().skip(1));
    let specs = pairs.filter_map(|(flag, next)| match flag.as_str() {
        "-p" | "--publish" => Some((next.as_str(), format!("{flag} {next}"))),
        flag => Some((flag.strip_prefix("--publish=")?, flag.to_owned())),
    });
    let places = specs.filter_map(|(spec, words)| {
        let (ports, transport) = spec.split_once('/').unwrap_or((spec, "tcp"));
        let (outside, _) = ports.rsplit_once(':')?; // a container port alone gets a random one here
        let (address, port) = outside.rsplit_once(':').map_or((None, outside), |(ip, port)| (value::ip(ip), port));
        let transport = Some(if transport == "udp" { Transport::Udp } else { Transport::Tcp });
        Some((Place { port: value::number(port)?, address, transport }, words))
    });
    places.collect()
}

/// `python3 -m http.server 8000`, `manage.py runserver 127.0.0.1:8000`: the port is a bare word.
fn known_word(argv: &[String]) -> Option<Found> {
    let at = argv.iter().position(|w| w == "http.server" || w == "SimpleHTTPServer" || w == "runserver")?;
    let flag = argv.iter().zip(argv.iter().skip(1)).find(|(f, _)| matches!(f.as_str(), "--bind" | "-b"));
    let host = flag.and_then(|(_, value)| value::ip(value));
    let words = argv.iter().skip(at + 1).filter(|w| !w.starts_with('-'));
    let told = |words: String| match flag {
        Some((flag, value)) => format!("{flag} {value} {words}"),
        None => words,
    };
    let found: Found = words.filter_map(|w| bare(w)).map(|(place, words)| (place.at(host), told(words))).collect();
    (!found.is_empty()).then_some(found)
}

/// `-agentlib:jdwp=...,server=y,address=*:5005` of Java; its other flags are read like anybody's.
fn debugged(argv: &[String]) -> Option<Found> {
    let word = argv.iter().find(|w| w.contains("jdwp") && w.contains("server=y"))?;
    let value = word.split(',').find_map(|part| part.split_once("address=").map(|(_, value)| value))?;
    let mut found = super::in_flags(argv, &name(argv));
    found.extend(value::places(value, true).into_iter().map(|place| (place, word.clone())));
    Some(found)
}
