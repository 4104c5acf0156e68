//! What DNS alone says of a name that /etc/hosts answers: is the line in the hosts file stale?

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::facts::name::ServerSays;

/// A dead name server must not delay the answer that is already there.
const LIMIT: Duration = Duration::from_secs(1);
/// How long a name server may take to say that it knows no such name.
const DENIAL_LIMIT: Duration = Duration::from_millis(500);
/// systemd-resolved's stub. It answers from /etc/hosts itself, so asking it says nothing about DNS.
const RESOLVED_STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));

/// Would DNS be asked, were it not for /etc/hosts?
pub(super) fn can_be_asked(name: &str, nsswitch: Option<&str>, nameservers: &[IpAddr]) -> bool {
    let plain_name = !name.is_empty() && !name.starts_with('-') && !name.contains('\0');
    let bare = name.trim_end_matches('.').to_ascii_lowercase();
    let localhost = bare == "localhost" || bare.ends_with(".localhost");
    let is_address = name.parse::<IpAddr>().is_ok();
    let has_server = nameservers.iter().any(|server| *server != RESOLVED_STUB);
    plain_name && !localhost && !is_address && has_server && nsswitch.is_some_and(files_before_dns)
}

/// Is DNS asked for such a name? Without nsswitch.conf it is.
pub(super) fn is_used(name: &str, nsswitch: Option<&str>) -> bool {
    let dns = nsswitch.is_none_or(|all| all.split_ascii_whitespace().any(|word| matches!(word, "dns" | "resolve")));
    dns && query(name).is_some() && name.parse::<IpAddr>().is_err()
}

fn files_before_dns(services: &str) -> bool {
    let place = |service: &str| services.split_ascii_whitespace().position(|word| word == service);
    matches!((place("files"), place("dns")), (Some(files), Some(dns)) if files < dns)
}

/// The addresses DNS has; an empty list when it says there is no such name; nothing when it does not say.
pub(super) fn ask(name: &str, nameservers: &[IpAddr]) -> Option<Vec<IpAddr>> {
    // getent, so that search domains and resolver options hold as for any program.
    let (status, output) = run("getent", &["-s", "dns", "ahosts", name])?;
    if status.success() {
        return Some(addresses(&output));
    }
    // 2 is "not found", but also "no server answered": only the server itself can tell.
    let denied = status.code() == Some(2) && nameservers.iter().any(|server| denies(*server, name));
    denied.then(Vec::new)
}

/// The first word of each line, without repeats (`10.0.0.5  STREAM db1`).
pub(in crate::sources) fn addresses(output: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for ip in output.lines().filter_map(|line| line.split_ascii_whitespace().next()?.parse().ok()) {
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

/// Runs a program for at most [`LIMIT`]; its exit status and what it printed.
fn run(program: &str, args: &[&str]) -> Option<(ExitStatus, String)> {
    let mut child = Command::new(program)
        .args(args)
        .env("RES_OPTIONS", "timeout:1 attempts:1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut output = child.stdout.take()?.take(64 * 1024);
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let read = output.read_to_end(&mut said);
        // Nobody listens any more when the limit has passed.
        let _ = done.send(read.map(|_| said));
    });
    let Ok(Ok(said)) = end.recv_timeout(LIMIT) else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    Some((child.wait().ok()?, String::from_utf8_lossy(&said).into_owned()))
}

/// Asks one server for the name: does it answer that there is none (or none with an IPv4 address)?
fn denies(server: IpAddr, name: &str) -> bool {
    matches!(question(server, name), Some(ServerSays::Code(0 | 3)))
}

/// What each of the servers that the resolver asks says to the name, all asked at once. Without any, glibc asks this host.
pub(super) fn question_all(name: &str, nameservers: &[IpAddr]) -> Vec<(IpAddr, ServerSays)> {
    /// As many as the resolver asks.
    const MOST: usize = 3;
    const OWN: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let servers = if nameservers.is_empty() { &OWN[..] } else { nameservers };
    let asked: Vec<_> = servers
        .iter()
        .take(MOST)
        .map(|server| {
            let (server, name) = (*server, name.to_owned());
            (server, thread::spawn(move || question(server, &name)))
        })
        .collect();
    asked.into_iter().filter_map(|(server, answer)| Some((server, answer.join().ok()??))).collect()
}

/// Does any of the servers answer at all?
pub(super) fn anybody_answers(name: &str, nameservers: &[IpAddr]) -> bool {
    question_all(name, nameservers).iter().any(|(_, said)| matches!(said, ServerSays::Code(_)))
}

/// None: it could not be asked.
fn question(server: IpAddr, name: &str) -> Option<ServerSays> {
    let query = query(name)?;
    let here = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(here).ok()?;
    socket.connect(SocketAddr::new(server, 53)).ok()?;
    socket.set_read_timeout(Some(DENIAL_LIMIT)).ok()?;
    socket.send(&query).ok()?;
    let mut reply = [0; 512];
    match socket.recv(&mut reply) {
        Ok(length) => code(reply.get(..length)?, &query).map(ServerSays::Code),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Some(ServerSays::NotThere),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(ServerSays::Nothing),
        Err(_) => None,
    }
}

/// A query for the IPv4 addresses of a name; none when it cannot be written as one.
pub(in crate::sources) fn query(name: &str) -> Option<Vec<u8>> {
    let id = u16::try_from(std::process::id() & 0xffff).ok()?.to_be_bytes();
    let mut query = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        query.push(length);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    Some(query)
}

/// The response code of a reply to `query`.
pub(in crate::sources) fn code(reply: &[u8], query: &[u8]) -> Option<u8> {
    let same_id = reply.get(..2)? == query.get(..2)?;
    let is_reply = reply.get(2)? & 0x80 != 0;
    (same_id && is_reply).then_some(reply.get(3)? & 0x0f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn any_reply_and_any_name_is_survived(
            raw in damaged::bytes(&["10.0.0.5        STREAM db1\n", "\0\0\u{1}\0\0\u{1}\u{3}db1\0"]),
            name in damaged::text(&["db1.example.org."]),
        ) {
            let asked = query(&name);
            if let Some(asked) = &asked {
                let _ = code(&raw, asked);
            }
            proptest::prop_assert!(asked.is_none_or(|q| q.len() <= name.len() + 18));
            let _ = addresses(&String::from_utf8_lossy(&raw));
        }
    }

    #[test]
    fn dns_is_asked_only_where_it_would_be_and_can_answer() {
        let server = ["192.0.2.1".parse().unwrap()];
        let ask = |name, nsswitch, servers: &[IpAddr]| can_be_asked(name, nsswitch, servers);
        assert!(ask("db1", Some("files dns"), &server));
        assert!(ask("db1", Some("files mdns4_minimal [NOTFOUND=return] dns"), &server));
        assert!(!ask("db1", Some("files"), &server), "DNS is not used here");
        assert!(!ask("db1", Some("dns files"), &server), "DNS has answered already");
        assert!(!ask("db1", None, &server));
        assert!(!ask("db1", Some("files dns"), &[]));
        assert!(!ask("db1", Some("files dns"), &[RESOLVED_STUB]), "it reads /etc/hosts itself");
        for never in ["localhost", "LocalHost.", "a.localhost", "-s", "", "10.0.0.1"] {
            assert!(!ask(never, Some("files dns"), &server), "{never}");
        }
    }

    #[test]
    fn addresses_of_getents_lines() {
        let output = "10.0.0.5        STREAM db1\n10.0.0.5        DGRAM  \n2001:db8::5     STREAM \n";
        assert_eq!(addresses(output), ["10.0.0.5".parse::<IpAddr>().unwrap(), "2001:db8::5".parse().unwrap()]);
    }

    #[test]
    fn a_reply_counts_only_if_it_answers_the_query() {
        let query = query("db1.example.org.").unwrap();
        assert_eq!(query[12..], *b"\x03db1\x07example\x03org\0\0\x01\0\x01");
        let mut reply = query.clone();
        assert_eq!(code(&reply, &query), None, "a query is no reply");
        reply[2] |= 0x80;
        reply[3] = 0x83;
        assert_eq!(code(&reply, &query), Some(3));
        reply[0] ^= 1;
        assert_eq!(code(&reply, &query), None);
        assert_eq!(code(&[], &query), None);
        assert_eq!(super::query("a..b"), None);
    }

    #[test]
    fn a_server_that_is_not_there_is_told_from_one_that_is_silent() {
        let none = "127.0.0.254".parse().unwrap();
        let answers = question_all("db1.example", &[none]);
        assert!(matches!(answers.as_slice(), [(ip, ServerSays::NotThere)] if *ip == none), "{answers:?}");
    }

    #[test]
    fn a_program_that_does_not_end_is_not_waited_for() {
        assert_eq!(run("sleep", &["60"]), None);
        assert_eq!(run("printf", &["x"]).map(|(status, said)| (status.success(), said)), Some((true, "x".into())));
        assert_eq!(run("/no/such/program", &[]), None);
    }
}
