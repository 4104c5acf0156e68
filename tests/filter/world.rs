//! A small world to send packets through: a client with many addresses on two wires, the server whose rules are tried,
//! and a host behind the server.
//!
//! ```text
//! client c0 10.1.0.0/24 10.1.1.0/24 192.0.2.0/28 fd00:1::/64 2001:db8:1::/64  s0 server s2 10.9.0.0/24 fd00:9::/64 b0 back
//!        c1 10.2.0.0/24 203.0.113.0/24 fd00:2::/64                            s1
//! ```
//!
//! Neighbours are set by hand, so that no rule can break what is not the packet's own way, and every answer of the
//! kernel comes at once or never.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::{Net, feed};

/// Ports of the server, and of the host behind it, where TCP is accepted.
pub(crate) const TCP_OPEN: [u16; 4] = [80, 443, 2222, 8080];
/// Where nobody listens.
pub(crate) const TCP_CLOSED: [u16; 2] = [81, 9090];
/// Where datagrams are answered.
pub(crate) const UDP_OPEN: [u16; 3] = [53, 123, 8080];

/// Addresses of the client: on its first wire, and on its second.
pub(crate) const SOURCES_4: [(&str, &str); 12] = [
    ("c0", "10.1.0.2/24"),
    ("c0", "10.1.0.3/24"),
    ("c0", "10.1.0.77/24"),
    ("c0", "10.1.0.130/24"),
    ("c0", "10.1.1.2/24"),
    ("c0", "10.1.1.200/24"),
    ("c0", "192.0.2.2/28"),
    ("c0", "192.0.2.9/28"),
    ("c1", "10.2.0.2/24"),
    ("c1", "10.2.0.5/24"),
    ("c1", "10.2.0.128/24"),
    ("c1", "203.0.113.7/24"),
];
/// Likewise.
pub(crate) const SOURCES_6: [(&str, &str); 8] = [
    ("c0", "fd00:1::2/64"),
    ("c0", "fd00:1::3/64"),
    ("c0", "fd00:1::77/64"),
    ("c0", "fd00:1:0:0:8000::1/64"),
    ("c0", "2001:db8:1::2/64"),
    ("c0", "2001:db8:1::9/64"),
    ("c1", "fd00:2::2/64"),
    ("c1", "fd00:2::5/64"),
];
/// Addresses of the server.
const SERVER: [(&str, &str); 9] = [
    ("s0", "10.1.0.1/24"),
    ("s0", "10.1.1.1/24"),
    ("s0", "192.0.2.1/28"),
    ("s0", "fd00:1::1/64"),
    ("s0", "2001:db8:1::1/64"),
    ("s1", "10.2.0.1/24"),
    ("s1", "203.0.113.1/24"),
    ("s1", "fd00:2::1/64"),
    ("s2", "10.9.0.1/24"),
];
const SERVER_BACK_6: (&str, &str) = ("s2", "fd00:9::1/64");
/// Addresses of the host behind the server.
pub(crate) const BACK: [&str; 2] = ["10.9.0.2", "fd00:9::2"];

/// Names of the wires at the server, and their other ends.
const WIRES: [(&str, &str, u8); 3] = [("s0", "c0", 1), ("s1", "c1", 2), ("s2", "b0", 3)];

/// The networks and who listens in them.
pub(crate) struct World {
    pub(crate) client: Net,
    pub(crate) server: Net,
    back: Net,
    /// Sockets that accept.
    pub(crate) tcp: Mutex<Vec<TcpListener>>,
    /// Sockets that answer datagrams.
    pub(crate) udp: Vec<UdpSocket>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (client, server, back) = (Net::new(), Net::new(), Net::new());
        for net in [&client, &server, &back] {
            settle(net);
        }
        for (near, far, number) in WIRES {
            let other = if far == "b0" { &back } else { &client };
            server.ip(&format!(
                "link add {near} address 02:00:00:00:00:0{number} type veth peer name {far} address \
                 02:00:00:00:01:0{number} netns {}\nlink set {near} up\n",
                other.path()
            ));
            other.ip(&format!("link set {far} up\n"));
        }
        server.ip(&addresses(SERVER.iter().chain([&SERVER_BACK_6])));
        client.ip(&addresses(SOURCES_4.iter().chain(&SOURCES_6)));
        back.ip(&addresses([("b0", "10.9.0.2/24"), ("b0", "fd00:9::2/64")].iter()));
        server.ip(&neighbours());
        client.ip(&ways_of_the_client());
        client.run(|| feed("ip", &["-batch", "-"], &rules_of_the_client(&SOURCES_4)));
        client.run(|| feed("ip", &["-6", "-batch", "-"], &rules_of_the_client(&SOURCES_6)));
        back.ip("neigh replace 10.9.0.1 lladdr 02:00:00:00:00:03 dev b0 nud permanent\n\
             neigh replace fd00:9::1 lladdr 02:00:00:00:00:03 dev b0 nud permanent\n\
             route add default via 10.9.0.1\nroute add default via fd00:9::1\n");
        let mut udp = server.run(|| answer(&server_addresses()));
        udp.extend(back.run(|| answer(&BACK.map(parse))));
        let world = Self { client, server, back, tcp: Mutex::default(), udp };
        world.listen();
        world
    }

    /// Listens anew: what half-open connections there were is forgotten.
    pub(crate) fn listen(&self) {
        let mut tcp = self.tcp.lock().unwrap();
        tcp.clear();
        tcp.extend(self.server.run(accept));
        tcp.extend(self.back.run(accept));
    }
}

/// Settings that keep the namespace quiet, and its answers quick and unlimited.
fn settle(net: &Net) {
    net.ip("link set lo up\n");
    for (path, value) in [
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv6/conf/all/forwarding", "1"),
        ("net/ipv6/conf/default/addr_gen_mode", "1"),
        ("net/ipv6/conf/default/router_solicitations", "0"),
        ("net/ipv6/conf/default/accept_ra", "0"),
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
        ("net/ipv4/conf/all/send_redirects", "0"),
        ("net/ipv4/conf/default/send_redirects", "0"),
        ("net/ipv4/icmp_ratelimit", "0"),
        ("net/ipv4/icmp_ratemask", "0"),
        ("net/ipv6/icmp/ratelimit", "0"),
        ("net/ipv4/tcp_synack_retries", "0"),
    ] {
        net.sysctl(path, value);
    }
    // Newer kernels count ICMP errors a namespace, older ones for the whole machine, where these stay as they are.
    net.run(|| {
        for path in ["/proc/sys/net/ipv4/icmp_msgs_per_sec", "/proc/sys/net/ipv4/icmp_msgs_burst"] {
            let _ = std::fs::write(path, "1000000");
        }
    });
}

fn addresses<'a>(of: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    of.map(|(device, address)| {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        format!("addr add {address} dev {device}{nodad}\n")
    })
    .collect()
}

/// Everybody the server answers.
fn neighbours() -> String {
    let clients = SOURCES_4.iter().chain(&SOURCES_6).map(|(device, address)| {
        let number = if *device == "c0" { 1 } else { 2 };
        (format!("s{}", number - 1), *address, number)
    });
    clients
        .chain(BACK.iter().map(|address| ("s2".into(), *address, 3)))
        .map(|(device, address, number)| {
            let bare = address.split('/').next().unwrap_or_default();
            format!("neigh replace {bare} lladdr 02:00:00:00:01:0{number} dev {device} nud permanent\n")
        })
        .collect()
}

/// The client sends by the wire that its address is on, to whatever it dials.
fn ways_of_the_client() -> String {
    let mut text = String::new();
    for (table, device, v4, v6, number) in
        [(101, "c0", "10.1.0.1", "fd00:1::1", 1), (102, "c1", "10.2.0.1", "fd00:2::1", 2)]
    {
        for gateway in [v4, v6] {
            text += &format!("neigh replace {gateway} lladdr 02:00:00:00:00:0{number} dev {device} nud permanent\n");
            text += &format!("route add default via {gateway} dev {device} table {table}\n");
        }
    }
    text
}

fn rules_of_the_client(sources: &[(&str, &str)]) -> String {
    let rule = |(wire, address): &(&str, &str)| {
        let table = if *wire == "c0" { 101 } else { 102 };
        format!("rule add from {} lookup {table} pref 100\n", parse(address))
    };
    sources.iter().map(rule).collect()
}

pub(crate) fn parse(address: &str) -> IpAddr {
    address.split('/').next().unwrap_or_default().parse().unwrap()
}

/// All addresses the server has.
pub(crate) fn server_addresses() -> Vec<IpAddr> {
    let own = SERVER.iter().chain([&SERVER_BACK_6]).map(|(_, address)| parse(address));
    own.chain(["127.0.0.1", "::1"].map(parse)).collect()
}

fn accept() -> Vec<TcpListener> {
    let everywhere = ["0.0.0.0", "::"].map(parse);
    TCP_OPEN.iter().flat_map(|port| everywhere.map(|address| tcp((address, *port).into()))).collect()
}

fn answer(addresses: &[IpAddr]) -> Vec<UdpSocket> {
    UDP_OPEN
        .iter()
        .flat_map(|port| addresses.iter().map(|address| UdpSocket::bind((*address, *port)).unwrap()))
        .inspect(|socket| socket.set_nonblocking(true).unwrap())
        .collect()
}

fn tcp(at: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP)).unwrap();
    if at.is_ipv6() {
        socket.set_only_v6(true).unwrap();
    }
    socket.set_reuse_address(true).unwrap();
    // A program that another thread starts holds the listener before for a moment.
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Err(error) = socket.bind(&at.into()) {
        assert!(Instant::now() < deadline, "{at}: {error}");
        thread::yield_now();
    }
    socket.listen(4096).unwrap();
    socket.into()
}
