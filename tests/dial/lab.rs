//! Client, router and server, each a network of its own; dialling from one of them; and what is expected of it.
//!
//! `client 10.1.0.2 – 10.1.0.1 router 10.2.0.1 – 10.2.0.2 server`, `fd00:1::` and `fd00:2::` likewise.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use unrefuse::facts::Reading;
use unrefuse::facts::connect::{Dial, Endpoint, Outcome};
use unrefuse::sources::dial::dial;

use crate::net::{Net, feed};

/// Where the server listens, if it does.
pub(crate) const PORT: u16 = 8080;

pub(crate) struct Lab {
    pub(crate) client: Net,
    pub(crate) router: Net,
    pub(crate) server: Net,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { client: Net::new(), router: Net::new(), server: Net::new() };
        for net in [&lab.client, &lab.router, &lab.server] {
            net.ip("link set lo up\n");
            net.sysctl("net/ipv6/conf/all/forwarding", "1");
        }
        lab.router.sysctl("net/ipv4/ip_forward", "1");
        lab.router.ip(&format!(
            "link add rc type veth peer name c0 netns {}\nlink add rs type veth peer name s0 netns {}\n\
             addr add 10.1.0.1/24 dev rc\naddr add fd00:1::1/64 dev rc nodad\nlink set rc up\n\
             addr add 10.2.0.1/24 dev rs\naddr add fd00:2::1/64 dev rs nodad\nlink set rs up\n",
            lab.client.path(),
            lab.server.path(),
        ));
        lab.client.ip(&end("c0", 1, 2));
        lab.server.ip(&end("s0", 2, 1));
        lab.wait_until_it_carries();
        lab
    }

    /// A new link takes up to two seconds to carry packets of both families; connects both ways once it does, so that
    /// all neighbours are known.
    fn wait_until_it_carries(&self) {
        const SETUP_PORT: u16 = 1;
        let deadline = Instant::now() + Duration::from_secs(20);
        for family in Family::BOTH {
            let at = SocketAddr::new(family.server(), SETUP_PORT);
            let _listener = self.server.run(|| TcpListener::bind(at).unwrap());
            let connects = || TcpStream::connect_timeout(&at, Duration::from_millis(100)).is_ok();
            while !self.client.run(connects) {
                assert!(Instant::now() < deadline, "the lab's network does not carry {family:?}");
            }
        }
    }
}

/// One end of the chain on subnet `own`, with a route to subnet `other` and no default route.
fn end(device: &str, own: u8, other: u8) -> String {
    format!(
        "addr add 10.{own}.0.2/24 dev {device}\naddr add fd00:{own}::2/64 dev {device} nodad\nlink set {device} up\n\
         route add 10.{other}.0.0/24 via 10.{own}.0.1\nroute add fd00:{other}::/64 via fd00:{own}::1\n"
    )
}

/// A family and its addresses in the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    fn pick(self, v4: &str, v6: &str) -> IpAddr {
        if self == Self::V4 { v4 } else { v6 }.parse().unwrap()
    }

    pub(crate) fn client(self) -> IpAddr {
        self.pick("10.1.0.2", "fd00:1::2")
    }

    pub(crate) fn router(self) -> IpAddr {
        self.pick("10.1.0.1", "fd00:1::1")
    }

    pub(crate) fn server(self) -> IpAddr {
        self.pick("10.2.0.2", "fd00:2::2")
    }

    pub(crate) fn nobody_near(self) -> IpAddr {
        self.pick("10.1.0.99", "fd00:1::99")
    }

    pub(crate) fn nobody_there(self) -> IpAddr {
        self.pick("10.2.0.99", "fd00:2::99")
    }

    pub(crate) fn elsewhere(self) -> IpAddr {
        self.pick("203.0.113.9", "2001:db8::9")
    }

    pub(crate) fn loopback(self) -> IpAddr {
        self.pick("127.0.0.1", "::1")
    }
}

/// Loads rules.
pub(crate) fn nft(net: &Net, rules: &str) {
    net.run(|| feed("nft", &["-f", "-"], rules));
}

/// Dials once from this network.
pub(crate) fn dial_from(net: &Net, to: &Endpoint) -> Dial {
    net.run(|| dial_here(to))
}

/// Dials once from the network of the calling thread.
pub(crate) fn dial_here(to: &Endpoint) -> Dial {
    dial_and(to, || ()).0
}

/// Dials once, then waits for something else while the dial takes its leave in the background.
pub(crate) fn dial_and<T: Send + 'static>(to: &Endpoint, wait: impl FnOnce() -> T + Send + 'static) -> (Dial, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dial = match dial(to).await {
            Reading::Known(known) => known.value,
            other => panic!("no dial: {other:?}"),
        };
        (dial, tokio::task::spawn_blocking(wait).await.unwrap())
    })
}

pub(crate) fn tcp(ip: IpAddr) -> Endpoint {
    Endpoint::Tcp(SocketAddr::new(ip, PORT))
}

/// What a dial must show.
#[derive(Debug, Clone)]
pub(crate) struct Expect {
    pub(crate) outcome: Outcome,
    pub(crate) errno: Option<&'static str>,
    pub(crate) icmp: Option<(u8, u8, IpAddr)>,
    pub(crate) after_ms: RangeInclusive<u64>,
}

/// Answered without waiting for anything.
pub(crate) const AT_ONCE: RangeInclusive<u64> = 0..=700;
/// Given up on an address of this host.
pub(crate) const LOCAL_LIMIT: RangeInclusive<u64> = 2000..=2900;
/// Given up on another host.
pub(crate) const REMOTE_LIMIT: RangeInclusive<u64> = 5000..=5900;

impl Expect {
    pub(crate) fn new(outcome: Outcome, errno: Option<&'static str>) -> Self {
        Self { outcome, errno, icmp: None, after_ms: AT_ONCE }
    }

    pub(crate) fn timeout(after_ms: RangeInclusive<u64>) -> Self {
        Self { after_ms, ..Self::new(Outcome::Timeout, None) }
    }

    pub(crate) fn icmp(self, kind: u8, code: u8, from: IpAddr) -> Self {
        Self { icmp: Some((kind, code, from)), ..self }
    }

    pub(crate) fn hold(&self, dial: &Dial) {
        assert_eq!((dial.outcome, dial.errno.as_deref()), (self.outcome, self.errno), "{dial:#?}");
        let icmp = dial.icmp.as_ref().map(|i| (i.kind, i.code, i.from));
        assert_eq!(icmp, self.icmp.map(|(kind, code, from)| (kind, code, Some(from))), "{dial:#?}");
        if let (Some(icmp), Some((_, _, from))) = (&dial.icmp, self.icmp) {
            assert_eq!(icmp.v6, from.is_ipv6());
        }
        let after = dial.after;
        let (least, most) =
            (Duration::from_millis(*self.after_ms.start()), Duration::from_millis(*self.after_ms.end()));
        assert!((least..=most).contains(&after), "after {after:?}: {dial:#?}");
        assert!(!dial.counters.is_empty(), "counters were readable: {dial:#?}");
    }
}
