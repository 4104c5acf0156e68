//! Listening sockets of every shape, beside what ss says of them.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Instant;

use libtest_mimic::Failed;
use nix::unistd::{Uid, fchown};
use socket2::{Domain, Socket, Type};
use unrefuse::facts::Reading;
use unrefuse::facts::namespace::OtherNetwork;
use unrefuse::facts::socket::{Listener, Transport};
use unrefuse::sources::netlink::sock_diag::{all_listeners, listeners};
use unrefuse::sources::{cgroup, procfs};

use super::helper::{Holder, ask_as_nobody, listen};
use super::space::{Outcome, elsewhere, is_root, run, wire};

/// A line of ss, or a listener, in the same words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    local: String,
    queue: u32,
    backlog: u32,
    uid: u32,
    inode: u32,
    v6only: Option<bool>,
    cgroup: Option<String>,
}

impl Row {
    fn of_ss(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let named = |name: &str| words.iter().find_map(|w| w.strip_prefix(name)).map(ToOwned::to_owned);
        Some(Self {
            local: (*words.get(3)?).to_owned(),
            queue: words.get(1)?.parse().ok()?,
            backlog: words.get(2)?.parse().ok()?,
            uid: named("uid:").map_or(Some(0), |uid| uid.parse().ok())?,
            inode: named("ino:")?.parse().ok()?,
            v6only: named("v6only:").map(|only| only == "1"),
            cgroup: named("cgroup:"),
        })
    }

    fn of(listener: &Listener) -> Self {
        Self {
            local: listener.shown(),
            queue: listener.queue,
            backlog: listener.backlog,
            uid: listener.uid,
            inode: listener.inode,
            v6only: listener.v6only,
            cgroup: listener.cgroup.and_then(|id| cgroup::path_of(id).ok()?),
        }
    }
}

fn ss(args: &[&str]) -> Result<Vec<Row>, Failed> {
    let text = run("ss", args)?;
    let mut rows: Vec<Row> =
        text.lines().map(|l| Row::of_ss(l).ok_or(format!("ss said: {l}"))).collect::<Result<_, _>>()?;
    rows.sort();
    Ok(rows)
}

fn rows(listeners: &[Listener], transport: Transport) -> Vec<Row> {
    let mut rows: Vec<Row> = listeners.iter().filter(|l| l.transport == transport).map(Row::of).collect();
    rows.sort();
    rows
}

fn all() -> Result<Vec<Listener>, Failed> {
    Ok(all_listeners().map_err(|e| format!("{e:?}"))?.unwrap_or_default())
}

fn at(transport: Transport, port: u16) -> Result<Vec<Listener>, Failed> {
    Ok(listeners(transport, port).map_err(|e| format!("{e:?}"))?.unwrap_or_default())
}

/// A socket bound, with everything that can be set before.
fn bound(at: &str, kind: Type, only: Option<bool>, device: Option<&str>) -> Result<Socket, Failed> {
    let at: SocketAddr = at.parse()?;
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if let Some(only) = only {
        socket.set_only_v6(only)?;
    }
    socket.bind_device(device.map(str::as_bytes))?;
    socket.bind(&at.into())?;
    Ok(socket)
}

/// TCP listeners of every shape.
fn every_shape() -> Result<Vec<Socket>, Failed> {
    wire("wan0", "far0")?;
    run("ip", &["addr", "add", "10.2.0.2/24", "dev", "wan0"])?;
    run("ip", &["addr", "add", "fe80::77/64", "dev", "wan0", "nodad"])?;
    run("ip", &["addr", "add", "fd00::2/64", "dev", "wan0", "nodad"])?;
    let scope: u32 = run("cat", &["/sys/class/net/wan0/ifindex"]).unwrap_or_default().trim().parse().unwrap_or(0);
    let mut sockets = vec![
        bound("0.0.0.0:80", Type::STREAM, None, None)?,
        bound("[::]:80", Type::STREAM, Some(true), None)?,
        bound("[::]:81", Type::STREAM, Some(false), None)?,
        bound("127.0.0.1:82", Type::STREAM, None, None)?,
        bound("[::1]:82", Type::STREAM, None, None)?,
        bound("[::ffff:127.0.0.1]:83", Type::STREAM, Some(false), None)?,
        bound("0.0.0.0:84", Type::STREAM, None, Some("lo"))?,
        bound("[::]:84", Type::STREAM, Some(true), Some("wan0"))?,
        bound("10.2.0.2:85", Type::STREAM, None, None)?,
        bound("[fd00::2]:85", Type::STREAM, None, None)?,
    ];
    if scope != 0 {
        sockets.push(bound(&format!("[fe80::77%{scope}]:86"), Type::STREAM, None, None)?);
    }
    for (socket, backlog) in sockets.iter().zip(1..) {
        socket.listen(backlog)?;
    }
    Ok(sockets)
}

pub(crate) fn tcp() -> Outcome {
    let sockets = every_shape()?;
    if is_root() {
        fchown(sockets.last().ok_or("a socket")?, Some(Uid::from_raw(33)), None)?;
    }
    let _waiting = [TcpStream::connect("127.0.0.1:82")?, TcpStream::connect("127.0.0.1:82")?];
    let expected = ss(&["-H", "-ltne"])?;
    assert_eq!(expected.len(), sockets.len(), "{expected:#?}");
    assert!(expected.iter().any(|r| r.queue == 2), "two wait to be accepted: {expected:#?}");
    assert_eq!(rows(&all()?, Transport::Tcp), expected);
    let mut by_port: Vec<Row> = Vec::new();
    for port in 80..=86 {
        by_port.extend(rows(&at(Transport::Tcp, port)?, Transport::Tcp));
    }
    by_port.sort();
    assert_eq!(by_port, expected);
    Ok(())
}

pub(crate) fn udp() -> Outcome {
    let _sockets = [
        bound("0.0.0.0:53", Type::DGRAM, None, None)?,
        bound("[::]:53", Type::DGRAM, Some(true), None)?,
        bound("[::]:54", Type::DGRAM, Some(false), None)?,
        bound("127.0.0.1:55", Type::DGRAM, None, Some("lo"))?,
    ];
    let connected = UdpSocket::bind("127.0.0.1:56")?;
    connected.connect("127.0.0.1:53")?;
    connected.send(b"waiting to be read")?;
    let expected = ss(&["-H", "-lune"])?;
    assert_eq!(expected.len(), 4, "{expected:#?}");
    assert!(expected.iter().any(|r| r.queue > 0), "{expected:#?}");
    assert_eq!(rows(&all()?, Transport::Udp), expected);
    assert_eq!(rows(&at(Transport::Udp, 53)?, Transport::Udp).len(), 2);
    assert_eq!(at(Transport::Udp, 56)?, [], "a connected socket serves nobody else");
    assert_eq!(at(Transport::Tcp, 53)?, []);
    Ok(())
}

pub(crate) fn one_port() -> Outcome {
    let _held = every_shape()?;
    // Byte orders mixed up would ask for 20480.
    let _swapped = listen("127.0.0.1:20480".parse()?, 1)?;
    let _accepted = (TcpStream::connect("127.0.0.1:82")?, TcpStream::connect("[::1]:82")?);
    let shown: Vec<String> = at(Transport::Tcp, 80)?.iter().map(Listener::shown).collect();
    assert_eq!(shown, ["0.0.0.0:80", "[::]:80"]);
    let shown: Vec<String> = at(Transport::Tcp, 84)?.iter().map(Listener::shown).collect();
    assert_eq!(shown, ["0.0.0.0%lo:84", "[::]%wan0:84"]);
    assert_eq!(at(Transport::Tcp, 82)?.len(), 2, "connections are not listed");
    assert_eq!(at(Transport::Tcp, 8080)?, []);
    Ok(())
}

pub(crate) fn come_and_go() -> Outcome {
    let mut fastest = u128::MAX;
    for round in 0..50 {
        let socket = listen("127.0.0.1:7000".parse()?, 5)?;
        let began = Instant::now();
        let found = at(Transport::Tcp, 7000)?;
        fastest = fastest.min(began.elapsed().as_micros());
        assert_eq!(found.len(), 1, "round {round}");
        drop(socket);
        assert_eq!(at(Transport::Tcp, 7000)?, [], "round {round}");
    }
    eprintln!("one look at a port: {fastest} µs");
    Ok(())
}

pub(crate) fn other_network() -> Outcome {
    let _ours = listen("127.0.0.1:8080".parse()?, 5)?;
    let holder = elsewhere(|| {
        run("ip", &["link", "set", "lo", "up"])?;
        run("ip", &["link", "set", "lo", "name", "inner"])?;
        Holder::start("", "127.0.0.9", 8080, 1)
    })?;
    let told = procfs::other_network(holder.pid(), Transport::Tcp, 8080).map_err(|e| format!("{e:?}"))?;
    let told = told.ok_or("it is there")?;
    let netns = run("readlink", &[&format!("/proc/{}/ns/net", holder.pid())])?;
    assert_eq!(format!("net:[{}]\n", told.netns), netns);
    assert!(told.separate);
    let shown: Vec<(String, u32)> = told.listeners.iter().map(|l| (l.shown(), l.backlog)).collect();
    assert_eq!(shown, [("127.0.0.9:8080".to_owned(), 16)]);
    let still_here: Vec<String> = at(Transport::Tcp, 8080)?.iter().map(Listener::shown).collect();
    assert_eq!(still_here, ["127.0.0.1:8080"], "looking elsewhere has not taken us there");
    let pid = holder.pid();
    drop(holder);
    assert_eq!(procfs::other_network(pid, Transport::Tcp, 8080), Ok(None), "it has gone");
    Ok(())
}

pub(crate) fn other_network_as_nobody() -> Outcome {
    let holder = elsewhere(|| {
        run("ip", &["link", "set", "lo", "up"])?;
        Holder::start("", "127.0.0.9", 8080, 1)
    })?;
    let told: Reading<OtherNetwork> = ask_as_nobody(&["other-network", &holder.pid().to_string(), "8080"])?;
    let told = told.value().ok_or(format!("{told:?}"))?;
    assert!(told.separate, "{told:?}");
    let shown: Vec<String> = told.listeners.iter().map(Listener::shown).collect();
    assert_eq!(shown, ["127.0.0.9:8080"]);
    Ok(())
}

pub(crate) fn same_network() -> Outcome {
    let holder = Holder::start("", "127.0.0.1", 8081, 1)?;
    let told = procfs::other_network(holder.pid(), Transport::Tcp, 8081).map_err(|e| format!("{e:?}"))?;
    let told = told.ok_or("it is there")?;
    assert!(!told.separate, "{told:?}");
    assert_eq!(told.listeners.len(), 1);
    Ok(())
}
