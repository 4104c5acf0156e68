//! Ports of bridges, members of bonds, parents of VLANs, and what is beside the rules.

use super::world::{World, word};
use crate::facts::host::LocalAddress;
use crate::facts::route::Link;
use crate::firewall::{Client, Walk};

/// A host with 10.5.0.5/24 on `top`, and these links: name, kind, master, parent.
fn host(top: &str, links: &[(&str, &str, Option<&str>, Option<&str>)]) -> World {
    let mut world = World::new();
    let number = |name: &str| links.iter().zip(10u32..).find(|(link, _)| link.0 == name).map(|(_, number)| number);
    for (name, kind, master, parent) in links {
        world.links.push(Link {
            index: number(name).unwrap(),
            name: (*name).into(),
            kind: Some((*kind).into()),
            hardware: 1,
            master: master.and_then(number),
            parent: parent.and_then(number),
            up: true,
            ..Link::default()
        });
    }
    world.addresses.all.push(LocalAddress {
        address: "10.5.0.5".parse().unwrap(),
        interface: top.into(),
        ifindex: number(top).unwrap(),
        up: true,
        link_local: false,
        prefix: 24,
    });
    world
}

/// What 10.5.0.9 gets, by each port.
fn gets(world: &World) -> Vec<String> {
    let walk: Walk = world.walk(Client::Any, "10.5.0.5:80");
    let holders = walk.parts.iter().filter(|part| part.sources.contains("10.5.0.9".parse().unwrap(), 40_000));
    let shown = |part: &crate::firewall::Part| match &part.sources.interface {
        Some(interface) => format!("{interface}: {}", word(&part.fate)),
        None => word(&part.fate),
    };
    let mut all: Vec<String> = holders.map(shown).collect();
    all.sort();
    all
}

fn bridge(ports: &[&'static str]) -> World {
    let mut links = vec![("br0", "bridge", None, None)];
    links.extend(ports.iter().map(|port| (*port, "veth", Some("br0"), None)));
    host("br0", &links)
}

#[test]
fn the_only_port_of_a_bridge_is_passed_first() {
    let world = bridge(&["p1"])
        .chain("netdev t port", "filter ingress 0 accept p1", "iif br0 accept\niif p1 dport 80 drop")
        .chain("netdev t own", "filter ingress 0 accept br0", "accept");
    assert_eq!(gets(&world), ["br0: drop port 2"]);
    let out = bridge(&["p1"]).chain("netdev t port", "filter egress 0 accept p1", "oif p1 drop");
    assert_eq!(gets(&out), ["br0: drop port 1"]);
}

#[test]
fn ports_that_differ_are_told_apart_and_others_are_not() {
    let drop = |devices: &str| {
        bridge(&["p1", "p2", "p3"]).chain("netdev t port", &format!("filter ingress 0 accept {devices}"), "drop")
    };
    assert_eq!(gets(&drop("p9")), ["open"]);
    assert_eq!(gets(&drop("p1")), ["open", "p1: drop port 1"]);
    assert_eq!(gets(&drop("p1 p2")), ["drop port 1", "open"]);
    assert_eq!(gets(&drop("p1 p2 p3")), ["drop port 1"]);
}

#[test]
fn a_vlan_upon_a_bond_has_the_way_through_both() {
    let vlan = |rules: &str, device: &str| {
        let links = [
            ("e1", "veth", Some("bond0"), None),
            ("bond0", "bond", None, None),
            ("bond0.7", "vlan", None, Some("bond0")),
        ];
        let world = host("bond0.7", &links);
        gets(&world.chain("netdev t at", &format!("filter ingress 0 accept {device}"), rules))
    };
    for device in ["e1", "bond0", "bond0.7"] {
        assert_eq!(vlan(&format!("iif {device} saddr 10.5.0.9 drop"), device), ["bond0.7: drop at 1"]);
    }
    // The other end of a veth is no parent.
    let veth = host("v0", &[("v0", "veth", None, Some("v1")), ("v1", "veth", None, Some("v0"))]);
    assert_eq!(gets(&veth.chain("netdev t at", "filter ingress 0 accept v1", "drop")), ["open"]);
}

#[test]
fn what_is_not_followed_is_named() {
    let vrf = host("e1", &[("blue", "vrf", None, None), ("e1", "veth", Some("blue"), None)]);
    assert_eq!(gets(&vrf), ["unknown the way through the VRF blue is not followed "]);
    let tables = bridge(&["p1"]).chain("bridge b in", "filter input 0 accept", "drop");
    assert_eq!(gets(&tables), ["unknown the rules of table bridge b at br0 are not followed "]);
    let forward = bridge(&["p1"]).chain("bridge b fw", "filter forward 0 accept", "drop");
    assert_eq!(gets(&forward), ["open"]);
    let zone = |number: u32| {
        let world = host("e1", &[("e1", "veth", None, None)]);
        gets(&world.chain("ip t raw", "filter prerouting -300 accept", &format!("iif e1 setzone {number}")))
    };
    assert!(zone(5)[0].contains("zones are not followed raw 1"), "{:?}", zone(5));
    assert_eq!(zone(0), ["open"]);
}

#[test]
fn a_program_at_a_port_may_do_anything_to_others_and_nothing_to_this_host() {
    let mut world = bridge(&["p1", "p2"]);
    world.links.iter_mut().find(|link| link.name == "p1").unwrap().xdp = Some(7);
    let shown = gets(&world);
    assert_eq!((shown.len(), shown[0].as_str()), (2, "open"));
    assert!(shown[1].starts_with("p1: unknown the XDP program 7 on p1 sees it before every rule"), "{shown:?}");
    world.links.iter_mut().find(|link| link.name == "lo").unwrap().tc = vec!["bpf".into()];
    assert_eq!(word(&world.walk(Client::Here, "10.5.0.5:80").parts[0].fate), "open");
}

#[test]
fn whether_it_is_sent_on_is_a_setting() {
    const OWN: &str = "net/ipv4/conf/e1/route_localnet";
    let world = |settings: &[(&str, &str)]| {
        let mut world = host("e1", &[("e1", "veth", None, None)]).chain(
            "ip t pre",
            "nat prerouting -100 accept",
            "dport 80 dnat 127.0.0.1:8080\ndport 81 dnat 10.9.9.9:80",
        );
        world.sysctls = settings.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        world
    };
    let loopback = |settings: &[(&str, &str)]| world(settings).gets("10.5.0.9", "10.5.0.5:80");
    assert_eq!(loopback(&[(OWN, "1")]), "open");
    assert_eq!(loopback(&[("net/ipv4/conf/all/route_localnet", "1")]), "open");
    assert!(loopback(&[]).starts_with("lost: what comes from other hosts is not delivered to loopback"));
    assert!(loopback(&[(OWN, "?")]).starts_with("unknown whether loopback may be reached is still being read"));
    let stays = world(&[("net/ipv4/conf/e1/forwarding", "0")]).gets("10.5.0.9", "10.5.0.5:81");
    assert_eq!(stays, "lost: this host does not forward (forwarding is 0)");
}
