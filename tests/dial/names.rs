//! Names: /etc/hosts against DNS, with a name server and files of the test's own.

use std::fs;
use std::net::UdpSocket;
use std::process::{Command, ExitCode};
use std::thread;

use libtest_mimic::Trial;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use unrefuse::facts::name::Resolution;
use unrefuse::sources::resolver::resolve;

use crate::net::Net;
use crate::test;

/// Makes this binary resolve the next argument and print what it found, instead of testing.
pub(crate) const HIDDEN: &str = "--resolve-here";

pub(crate) fn resolve_and_print(name: &str) -> ExitCode {
    let found = resolve(name).unwrap();
    println!("{}", serde_json::to_string(&found).unwrap());
    ExitCode::SUCCESS
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test("name that /etc/hosts and DNS answer differently", stale_line),
        test("name that only /etc/hosts knows", only_in_hosts),
        test("name server that does not answer", dead_server),
        test("name that only DNS knows", only_in_dns),
    ]
}

const HOSTS: &str = "127.0.0.1 localhost\n10.0.0.4 db1 # old\n10.0.0.6 only-here\n";

/// Resolves in a child with files of its own; `served`: a name server knows db1 and dns-only, and denies all others.
fn resolved(name: &str, served: bool) -> Resolution {
    let net = Net::new();
    net.ip("link set lo up\n");
    if served {
        let socket = net.run(|| UdpSocket::bind("127.0.0.1:53").unwrap());
        thread::spawn(move || serve(&socket));
    }
    let dir = tempfile::tempdir().unwrap();
    let output = net.run(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        // resolv.conf may be a link that leads nowhere here; a private /etc holds what the resolver reads, and no more.
        let put = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        put("hosts", HOSTS);
        put("resolv.conf", "nameserver 127.0.0.1\n");
        put("nsswitch.conf", "hosts: files dns\n");
        mount(Some(dir.path()), "/etc", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        Command::new(std::env::current_exe().unwrap()).args([HIDDEN, name]).output().unwrap()
    });
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice::<Option<Resolution>>(&output.stdout).unwrap().unwrap()
}

fn addresses(found: &[std::net::IpAddr]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

fn stale_line() {
    let found = resolved("db1", true);
    assert_eq!(addresses(&found.addresses), ["10.0.0.4"], "{found:#?}");
    assert_eq!(found.hosts_lines.iter().map(|l| l.line).collect::<Vec<_>>(), [2]);
    assert_eq!(found.beyond_hosts.as_deref().map(addresses), Some(vec!["10.0.0.5".to_owned()]), "{found:#?}");
}

fn only_in_hosts() {
    let found = resolved("only-here", true);
    assert_eq!(addresses(&found.addresses), ["10.0.0.6"]);
    assert_eq!(found.beyond_hosts, Some(Vec::new()), "the server said there is no such name: {found:#?}");
}

fn dead_server() {
    let found = resolved("db1", false);
    assert_eq!(addresses(&found.addresses), ["10.0.0.4"]);
    assert_eq!(found.beyond_hosts, None, "a refused query is no answer: {found:#?}");
}

fn only_in_dns() {
    let found = resolved("dns-only", true);
    assert_eq!(addresses(&found.addresses), ["10.0.0.7"], "{found:#?}");
    assert_eq!((found.hosts_lines.len(), found.beyond_hosts), (0, None), "no line, nothing to compare");
    let unknown = resolved("nowhere", true);
    assert_eq!(unknown.error.as_deref(), Some("Name or service not known"), "{unknown:#?}");
}

/// A name server for two names. Ends with the namespace it serves in: the test process ends first.
fn serve(socket: &UdpSocket) {
    let mut packet = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut packet) {
        let query = &packet[..length];
        let a_record = query.ends_with(&[0, 1, 0, 1]);
        let last = match &query[12..] {
            q if q.starts_with(b"\x03db1\0") => Some(5),
            q if q.starts_with(b"\x08dns-only\0") => Some(7),
            _ => None,
        };
        let mut reply = query.to_vec();
        reply.truncate(length);
        // Without the extra records of the query; authoritative; NXDOMAIN for strangers.
        reply[2..4].copy_from_slice(&[0x85, if last.is_some() { 0x80 } else { 0x83 }]);
        if let Some(last) = last.filter(|_| a_record) {
            reply[7] = 1;
            reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, last]);
        }
        let _ = socket.send_to(&reply, client);
    }
}
