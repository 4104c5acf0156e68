//! The way of a connection through two routers, and at which distance it is answered.
//!
//! `client 10.1.0.2 – 10.1.0.1 near 10.3.0.1 – 10.3.0.2 far 10.2.0.1 – 10.2.0.2 server`, `fd00:...` likewise.

use std::fs::Permissions;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use unrefuse::facts::Reading;
use unrefuse::facts::path::{Control, EndAnswer, Path};
use unrefuse::sources::dial::path_to;

use crate::lab::{Family, PORT, nft, tcp};
use crate::net::Net;
use crate::servers;
use crate::test;

struct Chain {
    client: Net,
    near: Net,
    far: Net,
    server: Net,
}

impl Chain {
    fn new() -> Self {
        let chain = Self { client: Net::new(), near: Net::new(), far: Net::new(), server: Net::new() };
        for net in [&chain.client, &chain.near, &chain.far, &chain.server] {
            net.ip("link set lo up\n");
            net.sysctl("net/ipv6/conf/all/forwarding", "1");
            net.sysctl("net/ipv4/ip_forward", "1");
            // Many trials ask the same routers at the same time.
            net.sysctl("net/ipv4/icmp_ratelimit", "0");
            net.sysctl("net/ipv6/icmp/ratelimit", "0");
        }
        let wire = |from: &Net, device: &str, to: &Net, peer: &str| {
            from.ip(&format!("link add {device} type veth peer name {peer} netns {}\n", to.path()));
        };
        wire(&chain.near, "nc", &chain.client, "c0");
        wire(&chain.near, "nf", &chain.far, "fn");
        wire(&chain.far, "fs", &chain.server, "s0");
        let up = |net: &Net, device: &str, subnet: u8, host: u8| {
            net.ip(&format!(
                "addr add 10.{subnet}.0.{host}/24 dev {device}\naddr add fd00:{subnet}::{host}/64 dev {device} nodad\n\
                 link set {device} up\n"
            ));
        };
        up(&chain.client, "c0", 1, 2);
        up(&chain.near, "nc", 1, 1);
        up(&chain.near, "nf", 3, 1);
        up(&chain.far, "fn", 3, 2);
        up(&chain.far, "fs", 2, 1);
        up(&chain.server, "s0", 2, 2);
        let default = |net: &Net, subnet: u8, host: u8| {
            net.ip(&format!(
                "route add default via 10.{subnet}.0.{host}\nroute add default via fd00:{subnet}::{host}\n"
            ));
        };
        default(&chain.client, 1, 1);
        default(&chain.near, 3, 2);
        default(&chain.far, 3, 1);
        default(&chain.server, 2, 1);
        chain.wait_until_it_carries();
        chain
    }

    fn wait_until_it_carries(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        for family in Family::BOTH {
            let at = SocketAddr::new(family.server(), 1);
            let _listener = self.server.run(|| TcpListener::bind(at).unwrap());
            while !self.client.run(|| TcpStream::connect_timeout(&at, Duration::from_millis(100)).is_ok()) {
                assert!(Instant::now() < deadline, "the lab's network does not carry {family:?}");
            }
        }
    }

    fn path(&self, to: IpAddr) -> Path {
        self.client.run(|| path_here(to))
    }
}

fn path_here(to: IpAddr) -> Path {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(path_to(&tcp(to))) {
        Reading::Known(known) => known.value,
        other => panic!("no path: {other:?}"),
    }
}

fn near(family: Family) -> IpAddr {
    family.router()
}

fn far(family: Family) -> IpAddr {
    if family == Family::V4 { "10.3.0.2" } else { "fd00:3::2" }.parse().unwrap()
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for family in Family::BOTH {
        let name = |what: &str| format!("{} path {what}", family.word());
        trials.push(test(name("to a closed port"), move || closed(family)));
        trials.push(test(name("as another user"), move || as_nobody(family)));
        trials.push(test(name("to an open port"), move || open(family)));
        trials.push(test(name("reset by the first router"), move || reset_near(family)));
        trials.push(test(name("reset by the last router"), move || reset_far(family)));
        trials.push(test(name("rejected by a router"), move || rejected(family)));
        trials.push(test(name("dropped by a router"), move || dropped(family)));
        trials.push(test(name("to the router itself"), move || router_itself(family)));
        trials.push(test(name("to nowhere"), move || nowhere(family)));
    }
    trials
}

/// The hops' addresses, in order.
fn hops(path: &Path) -> Vec<Option<IpAddr>> {
    assert!(path.hops.iter().zip(1..).all(|(hop, distance)| hop.distance == distance), "{path:#?}");
    path.hops.iter().map(|hop| hop.from).collect()
}

fn assert_reset(path: &Path, distance: u8, control: &Control) {
    let end = path.end.as_ref().unwrap_or_else(|| panic!("no end: {path:#?}"));
    assert_eq!((end.distance, &end.answer), (distance, &EndAnswer::Reset), "{path:#?}");
    assert_eq!(path.control.as_ref(), Some(control), "{path:#?}");
}

fn closed(family: Family) {
    let path = Chain::new().path(family.server());
    assert_eq!(hops(&path), [Some(near(family)), Some(far(family))]);
    assert_reset(&path, 3, &Control::Target);
    assert_eq!((path.state(), path.probes), ("closed", 4));
}

/// In a program of its own, as nobody and without any capability.
fn as_nobody(family: Family) {
    let chain = Chain::new();
    let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = chain.client.run(|| {
        let mut all = Command::new("setpriv");
        all.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        all.arg(&program).args([HIDDEN, &family.server().to_string()]).output().unwrap()
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path: Path = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(hops(&path), [Some(near(family)), Some(far(family))]);
    assert_reset(&path, 3, &Control::Target);
}

/// The hidden first argument that makes this program tell the path to an address, as JSON.
pub(crate) const HIDDEN: &str = "--path";

pub(crate) fn tell(to: &str) -> ExitCode {
    println!("{}", serde_json::to_string(&path_here(to.parse().unwrap())).unwrap());
    ExitCode::SUCCESS
}

fn open(family: Family) {
    let chain = Chain::new();
    let _listening = servers::listen(&chain.server, family.server());
    let path = chain.path(family.server());
    let end = path.end.as_ref().unwrap();
    assert_eq!((end.distance, &end.answer, path.state()), (3, &EndAnswer::Open, "open"));
}

fn reset_in_forward(net: &Net) {
    let rule = format!("tcp dport {PORT} reject with tcp reset");
    nft(net, &format!("table inet t {{ chain f {{ type filter hook forward priority 0; {rule}; }}; }}\n"));
}

/// The reset comes at the distance of the second router, which passes datagrams on.
fn reset_near(family: Family) {
    let chain = Chain::new();
    reset_in_forward(&chain.near);
    let path = chain.path(family.server());
    assert_eq!(hops(&path), [Some(near(family))]);
    assert_reset(&path, 2, &Control::Beyond(far(family)));
}

/// The last router's reset cannot be told from the target's.
fn reset_far(family: Family) {
    let chain = Chain::new();
    reset_in_forward(&chain.far);
    let path = chain.path(family.server());
    assert_reset(&path, 3, &Control::Target);
    assert_eq!(path.before_end(), Some(far(family)));
}

fn rejected(family: Family) {
    let chain = Chain::new();
    let rule = format!("tcp dport {PORT} reject with icmpx admin-prohibited");
    nft(&chain.far, &format!("table inet t {{ chain f {{ type filter hook forward priority 0; {rule}; }}; }}\n"));
    let path = chain.path(family.server());
    let Some(EndAnswer::Icmp(icmp)) = path.end.as_ref().map(|end| &end.answer) else { panic!("{path:#?}") };
    assert_eq!((icmp.from, icmp.name(), path.state()), (Some(far(family)), "admin-prohibited", "filtered"));
}

fn dropped(family: Family) {
    let chain = Chain::new();
    nft(
        &chain.far,
        &format!("table inet t {{ chain f {{ type filter hook forward priority 0; tcp dport {PORT} drop; }}; }}\n"),
    );
    let path = chain.path(family.server());
    assert_eq!(path.farthest(), Some((2, far(family))), "{path:#?}");
    assert_eq!((path.end.as_ref(), path.state()), (None, "filtered"));
    assert!(path.probes <= 9, "{path:#?}");
}

/// An address that the gateway has, though it lies behind it.
fn router_itself(family: Family) {
    let address = if family == Family::V4 { "10.3.0.1" } else { "fd00:3::1" }.parse().unwrap();
    let path = Chain::new().path(address);
    assert_reset(&path, 1, &Control::Target);
    assert!(path.hops.is_empty());
}

fn nowhere(family: Family) {
    let chain = Chain::new();
    chain.client.ip("route del default\nroute del default via fd00:1::1\n");
    let to = tcp(family.server());
    let reading = chain.client.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(path_to(&to))
    });
    assert!(matches!(reading, Reading::Failed { .. }), "{reading:?}");
}
