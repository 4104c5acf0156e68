//! What rules of nft do.

use super::matches::{At, Place, ports};
use super::sets::{Kind, Named, elements, verdict};
use crate::dice::Dice;

const REJECTS_4: [&str; 8] = [
    "port-unreachable",
    "host-unreachable",
    "net-unreachable",
    "prot-unreachable",
    "net-prohibited",
    "host-prohibited",
    "admin-prohibited",
    "admin-prohibited",
];
const REJECTS_6: [&str; 6] =
    ["no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route"];
const REJECTS: [&str; 4] = ["no-route", "port-unreachable", "host-unreachable", "admin-prohibited"];

/// Things a rule does on its way.
pub(super) fn statements(dice: &mut Dice, place: &Place<'_>) -> Vec<String> {
    let mut all = Vec::new();
    if dice.chance(15) {
        all.push(
            dice.pick(&[
                "counter",
                "counter name \"passed\"",
                "log prefix \"x \"",
                "log group 3",
                "meta priority set 1:2",
                "counter name tcp dport map { 80 : \"passed\", 443 : \"passed\" }",
            ])
            .into(),
        );
    }
    if dice.chance(14) {
        all.push(remember(dice, place));
    }
    let own: Vec<&Named> = place.sets.iter().filter(|s| s.dynamic && s.v6 == place.v6).collect();
    if !own.is_empty() && dice.chance(35) {
        let set = own[dice.below(own.len())];
        let key = match set.kind {
            Kind::Address => format!("{} {}", place.ip(), dice.pick(&["saddr", "saddr", "daddr"])),
            Kind::Port => format!("{} {}", place.transport, dice.pick(&["dport", "sport"])),
            Kind::AddressAndPort => format!("{} saddr . {} dport", place.ip(), place.transport),
        };
        all.push(format!("{} @{} {{ {key} }}", dice.pick(&["add", "update", "update", "delete"]), set.name));
    }
    all
}

fn remember(dice: &mut Dice, place: &Place<'_>) -> String {
    let value = dice.pick(&["1", "2", "0x10", "0x15"]);
    if place.at.on_device() {
        return format!("meta mark set {value}");
    }
    match dice.below(11) {
        10 => "meta mark set meta mark << 1".into(),
        0..=3 => format!("meta mark set {value}"),
        4 => format!("meta mark set meta mark | {value}"),
        5 => format!("meta mark set meta mark & {value}"),
        6 => format!("ct mark set {value}"),
        7 => "meta mark set ct mark".into(),
        8 => "ct mark set meta mark".into(),
        _ => format!("meta mark set {} dport map {{ 80 : 1, 443 : 2, 1000-2999 : 3 }}", place.transport),
    }
}

/// What ends a rule of a filter chain.
pub(super) fn verdict_of(dice: &mut Dice, place: &Place<'_>, chains: &[String]) -> Option<String> {
    Some(match dice.weighted(&[30, 18, 26, 14, 5, 9, 3, 4, 1]) {
        0 => "accept".into(),
        1 => "drop".into(),
        2 if matches!(place.at, At::Postrouting | At::Egress) => "drop".into(),
        2 => reject(dice, place),
        3 if chains.is_empty() => "accept".into(),
        3 => format!("{} {}", dice.pick(&["jump", "jump", "goto"]), dice.one(chains)),
        4 => dice.pick(&["return", "continue"]).into(),
        5 => by_map(dice, place, chains),
        6 if matches!(place.at, At::Prerouting | At::Output) => "notrack".into(),
        8 => by_proxy(dice, place)?,
        _ => return None,
    })
}

/// To a proxy of this host's.
fn by_proxy(dice: &mut Dice, place: &Place<'_>) -> Option<String> {
    let port = dice.pick(&["80", "8080"]);
    match place.at {
        At::Prerouting if place.v6 => {
            Some(format!("meta l4proto tcp tproxy {} to [::1]:{port}", of_inet(place, "ip6")))
        }
        At::Prerouting => Some(format!("meta l4proto tcp tproxy {} to 127.0.0.1:{port}", of_inet(place, "ip"))),
        At::Input | At::Forward => Some(format!("tcp dport {port} synproxy mss 1460 wscale 7 timestamp sack-perm")),
        At::Ingress | At::Egress | At::Output | At::Postrouting => None,
    }
}

fn reject(dice: &mut Dice, place: &Place<'_>) -> String {
    match dice.below(10) {
        0 | 1 => "reject".into(),
        2..=4 if place.transport == "tcp" => "reject with tcp reset".into(),
        5 if place.family == "inet" => format!("reject with icmpx type {}", dice.pick(&REJECTS)),
        _ if place.v6 => format!("reject with icmpv6 type {}", dice.pick(&REJECTS_6)),
        _ => format!("reject with icmp type {}", dice.pick(&REJECTS_4)),
    }
}

/// A verdict looked up.
fn by_map(dice: &mut Dice, place: &Place<'_>, chains: &[String]) -> String {
    let maps: Vec<&Named> = place.sets.iter().filter(|s| s.map && s.v6 == place.v6).collect();
    if !maps.is_empty() && dice.chance(60) {
        let map = maps[dice.below(maps.len())];
        return format!("{} vmap @{}", key(place, map.kind), map.name);
    }
    if dice.chance(15) && !place.at.on_device() {
        return format!("ct state vmap {{ new : {}, established : accept, invalid : drop }}", verdict(dice, chains));
    }
    if dice.chance(15) {
        return format!(
            "meta mark vmap {{ 0 : {}, 1 : {}, 2-9 : drop }}",
            verdict(dice, chains),
            verdict(dice, chains)
        );
    }
    let kind = dice.one(&[Kind::Address, Kind::Port, Kind::AddressAndPort]);
    let interval = dice.chance(50);
    let all: Vec<String> = elements(dice, kind, place.v6, interval)
        .into_iter()
        .map(|element| format!("{element} : {}", verdict(dice, chains)))
        .collect();
    format!("{} vmap {{ {} }}", key(place, kind), all.join(", "))
}

fn key(place: &Place<'_>, kind: Kind) -> String {
    match kind {
        Kind::Address => format!("{} saddr", place.ip()),
        Kind::Port => format!("{} dport", place.transport),
        Kind::AddressAndPort => format!("{} saddr . {} dport", place.ip(), place.transport),
    }
}

/// What a rule of a nat chain does.
pub(super) fn translation(dice: &mut Dice, place: &Place<'_>) -> String {
    let transport = place.transport;
    let port = dice.pick(&["80", "81", "443", "8080"]);
    if matches!(place.at, At::Postrouting | At::Input) {
        let (address, address_6) = (dice.pick(&["10.9.0.1", "10.1.0.1", "192.0.2.1"]), "fd00:9::1");
        return match dice.below(3) {
            0 if place.at == At::Postrouting => "masquerade".into(),
            _ if place.v6 => format!("snat {} to {address_6}", of_inet(place, "ip6")),
            _ => format!("snat {} to {address}", of_inet(place, "ip")),
        };
    }
    let (here, behind) = if place.v6 { ("fd00:2::1", "fd00:9::2") } else { ("10.2.0.1", "10.9.0.2") };
    let (bare_here, bare_behind) = (here, behind);
    let bracketed = |address: &str| if place.v6 { format!("[{address}]") } else { address.to_owned() };
    let (here, behind) = (bracketed(here), bracketed(behind));
    let dnat = format!("dnat {}", of_inet(place, place.ip()));
    match dice.below(9) {
        0 | 1 => format!("meta l4proto {transport} redirect to :{port}"),
        2 => {
            format!("meta l4proto {transport} redirect to :{transport} dport map {{ 80 : 8080, 443 : 81, 8080 : 80 }}")
        }
        3 => format!("meta l4proto {transport} {dnat} to {here}:{port}"),
        4 | 5 => format!("meta l4proto {transport} {dnat} to {behind}:{port}"),
        6 => format!("{dnat} to {bare_behind}"),
        7 => format!(
            "meta l4proto {transport} {dnat} to {transport} dport map {{ 80 : {bare_behind}, 443 : {bare_here} }}"
        ),
        _ => format!(
            "meta l4proto {transport} dnat {} addr . port to {} saddr map {{ {} : {bare_behind} . 80, {} : {bare_here} . 443 }}",
            place.ip(),
            place.ip(),
            super::matches::pick(dice, place.v6),
            super::matches::pick(dice, place.v6),
        ),
    }
}

/// `dnat ip to` in an inet table, `dnat to` elsewhere.
fn of_inet<'a>(place: &Place<'_>, ip: &'a str) -> &'a str {
    if place.family == "inet" { ip } else { "" }
}

/// A match that most nat rules have: they rarely translate everything.
pub(super) fn which(dice: &mut Dice, place: &Place<'_>) -> String {
    match dice.below(10) {
        0..=3 => format!("{} dport {}", place.transport, ports(dice)),
        4..=7 => place.one(dice),
        _ => format!("meta l4proto {}", place.transport),
    }
}
