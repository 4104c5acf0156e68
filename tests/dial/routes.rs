//! Routes that lead nowhere, neighbours that are not there, interfaces that are down.

use libtest_mimic::Trial;
use unrefuse::facts::connect::Outcome::{Denied, Timeout, Unreachable};
use unrefuse::facts::connect::{Endpoint, Outcome};

use crate::lab::{AT_ONCE, Expect, Family, LOCAL_LIMIT, Lab, PORT, REMOTE_LIMIT, dial_from, tcp};
use crate::servers;
use crate::test;

type Answer = (Outcome, &'static str);
/// A kind of route, what connecting says to a route of the client's own, and to a rule of that kind.
const KINDS: &[(&str, Answer, Answer)] = &[
    ("unreachable", (Unreachable, "EHOSTUNREACH"), (Unreachable, "ENETUNREACH")),
    ("prohibit", (Denied, "EACCES"), (Denied, "EACCES")),
    ("blackhole", (Unreachable, "EINVAL"), (Unreachable, "EINVAL")),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for family in Family::BOTH {
        let name = |what: String| format!("{} {what}", family.word());
        for (kind, route, rule) in KINDS {
            trials.push(test(name(format!("own {kind} route")), move || own_route(family, kind, *route)));
            if family == Family::V4 {
                trials.push(test(name(format!("own {kind} rule")), move || own_rule(kind, *rule)));
            }
        }
        trials.push(test(name("no route".into()), move || no_route(family)));
        trials.push(test(name("dead neighbour".into()), move || dead_neighbour(family)));
        trials.push(test(name("router without a route".into()), move || router_without_route(family)));
        trials.push(test(name("server without a way back".into()), move || no_way_back(family)));
    }
    trials.push(test("ipv4 throw route", throw));
    for (kind, code) in [("unreachable", Some(1)), ("prohibit", Some(13)), ("blackhole", None)] {
        trials.push(test(format!("ipv4 router's {kind} route"), move || router_route(kind, code)));
    }
    trials.push(test("loopback is down", loopback_down));
    trials.push(test("no port of our own is left", no_port_left));
    trials
}

fn own_route(family: Family, kind: &str, (outcome, errno): Answer) {
    let lab = Lab::new();
    lab.client.ip(&format!("route add {kind} {}\n", family.elsewhere()));
    Expect::new(outcome, Some(errno)).hold(&dial_from(&lab.client, &tcp(family.elsewhere())));
}

fn own_rule(kind: &str, (outcome, errno): Answer) {
    let lab = Lab::new();
    let to = Family::V4.elsewhere();
    lab.client.ip(&format!("rule add to {to} {kind}\n"));
    Expect::new(outcome, Some(errno)).hold(&dial_from(&lab.client, &tcp(to)));
}

fn no_route(family: Family) {
    let lab = Lab::new();
    Expect::new(Unreachable, Some("ENETUNREACH")).hold(&dial_from(&lab.client, &tcp(family.elsewhere())));
}

fn throw() {
    let lab = Lab::new();
    let to = Family::V4.elsewhere();
    lab.client.ip(&format!("route add throw {to}\n"));
    Expect::new(Unreachable, Some("ENETUNREACH")).hold(&dial_from(&lab.client, &tcp(to)));
}

/// Nobody answers ARP or ND: on our own network we ourselves say so, behind the router the router does.
fn dead_neighbour(family: Family) {
    let lab = Lab::new();
    let (kind, code) = if family == Family::V4 { (3, 1) } else { (1, 3) };
    for (to, says) in [(family.nobody_near(), family.client()), (family.nobody_there(), family.router())] {
        let mut expect = Expect::new(Unreachable, Some("EHOSTUNREACH")).icmp(kind, code, says);
        expect.after_ms = 2500..=4500;
        expect.hold(&dial_from(&lab.client, &tcp(to)));
    }
}

fn router_without_route(family: Family) {
    let lab = Lab::new();
    lab.client.ip(&format!("route add {} via {}\n", family.elsewhere(), family.router()));
    let (kind, code) = if family == Family::V4 { (3, 0) } else { (1, 0) };
    let expect = Expect::new(Unreachable, Some("ENETUNREACH")).icmp(kind, code, family.router());
    expect.hold(&dial_from(&lab.client, &tcp(family.elsewhere())));
}

fn router_route(kind: &str, code: Option<u8>) {
    let lab = Lab::new();
    let (family, to) = (Family::V4, Family::V4.elsewhere());
    lab.client.ip(&format!("route add {to} via {}\n", family.router()));
    lab.router.ip(&format!("route add {kind} {to}\n"));
    let expect = match code {
        Some(code) => Expect::new(Unreachable, Some("EHOSTUNREACH")).icmp(3, code, family.router()),
        None => Expect::timeout(REMOTE_LIMIT),
    };
    expect.hold(&dial_from(&lab.client, &tcp(to)));
}

fn no_way_back(family: Family) {
    let lab = Lab::new();
    let _listening = servers::listen(&lab.server, family.server());
    let subnet = if family == Family::V4 { "10.1.0.0/24" } else { "fd00:1::/64" };
    lab.server.ip(&format!("route del {subnet}\n"));
    Expect::timeout(REMOTE_LIMIT).hold(&dial_from(&lab.client, &tcp(family.server())));
}

fn loopback_down() {
    let lab = Lab::new();
    lab.server.ip("link set lo down\n");
    let dial = dial_from(&lab.server, &tcp(Family::V4.loopback()));
    assert_eq!(dial.outcome, Timeout, "{dial:#?}");
    Expect::timeout(LOCAL_LIMIT).hold(&dial);
}

fn no_port_left() {
    let lab = Lab::new();
    let server = Family::V4.server();
    let _listening = servers::listen(&lab.server, server);
    lab.client.sysctl("net/ipv4/ip_local_port_range", "40000 40000");
    let _taken = lab.client.run(|| std::net::TcpStream::connect((server, PORT)).unwrap());
    let mut expect = Expect::new(Unreachable, Some("EADDRNOTAVAIL"));
    expect.after_ms = AT_ONCE;
    expect.hold(&dial_from(&lab.client, &Endpoint::Tcp((server, PORT).into())));
}
