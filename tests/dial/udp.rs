//! UDP: what a datagram gets.

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use libtest_mimic::Trial;
use unrefuse::facts::connect::Endpoint;
use unrefuse::facts::connect::Outcome::{Denied, Open, Refused, Silent, Unreachable};

use crate::lab::{Expect, Family, Lab, PORT, dial_from, nft};
use crate::net::Net;
use crate::test;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for family in Family::BOTH {
        let name = |what: &str| format!("{} udp {what}", family.word());
        trials.push(test(name("no listener"), move || no_listener(family)));
        trials.push(test(name("healthy but silent"), move || silent(family)));
        trials.push(test(name("dropped on the way"), move || dropped(family)));
        trials.push(test(name("dropped on our own output"), move || own_output(family)));
        trials.push(test(name("answers"), move || answers(family)));
        trials.push(test(name("rejected as prohibited"), move || prohibited(family)));
    }
    trials.push(test("udp name server answers a proper question", name_server));
    trials.push(test("udp no route", no_route));
    trials
}

fn udp(family: Family) -> Endpoint {
    Endpoint::Udp(SocketAddr::new(family.server(), PORT))
}

fn bind(net: &Net, family: Family, port: u16) -> UdpSocket {
    let socket = net.run(|| UdpSocket::bind((family.server(), port)).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn no_listener(family: Family) {
    let lab = Lab::new();
    let (kind, code) = if family == Family::V4 { (3, 3) } else { (1, 4) };
    let expect = Expect::new(Refused, Some("ECONNREFUSED")).icmp(kind, code, family.server());
    expect.hold(&dial_from(&lab.client, &udp(family)));
    expect.hold(&dial_from(&lab.server, &udp(family)));
}

fn still_silent() -> Expect {
    Expect { after_ms: 600..=1400, ..Expect::new(Silent, None) }
}

fn silent(family: Family) {
    let lab = Lab::new();
    let socket = bind(&lab.server, family, PORT);
    still_silent().hold(&dial_from(&lab.client, &udp(family)));
    let received: Vec<usize> = (0..2).map(|_| socket.recv(&mut [0; 64]).unwrap()).collect();
    assert_eq!(received, [0, 0], "two empty datagrams arrived");
}

fn dropped(family: Family) {
    let lab = Lab::new();
    let _socket = bind(&lab.server, family, PORT);
    nft(&lab.router, &chain("forward", "drop"));
    still_silent().hold(&dial_from(&lab.client, &udp(family)));
}

fn own_output(family: Family) {
    let lab = Lab::new();
    nft(&lab.client, &chain("output", "drop"));
    Expect::new(Denied, Some("EPERM")).hold(&dial_from(&lab.client, &udp(family)));
}

fn prohibited(family: Family) {
    let lab = Lab::new();
    nft(&lab.server, &chain("input", "reject with icmpx type admin-prohibited"));
    let expect = match family {
        Family::V4 => Expect::new(Unreachable, Some("EHOSTUNREACH")).icmp(3, 13, family.server()),
        Family::V6 => Expect::new(Denied, Some("EACCES")).icmp(1, 1, family.server()),
    };
    expect.hold(&dial_from(&lab.client, &udp(family)));
}

fn answers(family: Family) {
    let lab = Lab::new();
    let socket = bind(&lab.server, family, PORT);
    let serving = thread::spawn(move || {
        let (_, client) = socket.recv_from(&mut [0; 64]).unwrap();
        socket.send_to(b"", client).unwrap();
    });
    Expect::new(Open, None).hold(&dial_from(&lab.client, &udp(family)));
    serving.join().unwrap();
}

/// A name server ignores what is no question, so it gets one.
fn name_server() {
    let lab = Lab::new();
    let socket = bind(&lab.server, Family::V4, 53);
    let serving = thread::spawn(move || {
        let mut query = [0; 512];
        let (length, client) = socket.recv_from(&mut query).unwrap();
        let question = query.get(12..length).unwrap().to_vec();
        socket.send_to(&query[..length], client).unwrap();
        question
    });
    let to = Endpoint::Udp(SocketAddr::new(Family::V4.server(), 53));
    Expect::new(Open, None).hold(&dial_from(&lab.client, &to));
    assert_eq!(serving.join().unwrap(), [0, 0, 2, 0, 1], "the name servers of the root");
}

fn no_route() {
    let lab = Lab::new();
    let to = Endpoint::Udp(SocketAddr::new(Family::V4.elsewhere(), PORT));
    Expect::new(Unreachable, Some("ENETUNREACH")).hold(&dial_from(&lab.client, &to));
}

fn chain(hook: &str, verdict: &str) -> String {
    format!(
        "table inet t {{\n chain c {{\n type filter hook {hook} priority 0; policy accept;\n udp dport {PORT} {verdict}\n }}\n}}\n"
    )
}
