//! Named sets and maps.

use super::matches::{ADDRESSES_4, ADDRESSES_6, APART_4, APART_6, PORTS_APART, pick};
use crate::dice::Dice;
use crate::script::Line;

/// What the keys of a set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Address,
    Port,
    AddressAndPort,
}

/// A set or map that a table has.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) v6: bool,
    /// It leads to verdicts.
    pub(super) map: bool,
    /// Rules put elements in.
    pub(super) dynamic: bool,
}

const KINDS: [Kind; 4] = [Kind::Address, Kind::Address, Kind::Port, Kind::AddressAndPort];

/// Sets for a table, and the lines that make them. `chains` are where verdict maps may jump to.
pub(super) fn make(dice: &mut Dice, table: &str, families: &[bool], chains: &[String]) -> (Vec<Named>, Vec<Line>) {
    let (mut named, mut lines) = (Vec::new(), Vec::new());
    for index in 0..dice.below(4) {
        let kind = dice.one(&KINDS);
        let v6 = dice.one(families);
        let (interval, map, dynamic) = (dice.chance(50), dice.chance(30), dice.chance(12));
        let address = if v6 { "ipv6_addr" } else { "ipv4_addr" };
        let keys = match kind {
            Kind::Address => address.to_owned(),
            Kind::Port => "inet_service".to_owned(),
            Kind::AddressAndPort => format!("{address} . inet_service"),
        };
        let name = format!("set{index}");
        if dynamic {
            let flags = dice.pick(&["flags dynamic;", "flags dynamic,timeout; timeout 1h;"]);
            lines.push(Line::new(format!("add set {table} {name} {{ type {keys}; size 1000; {flags} }}")));
            named.push(Named { name, kind, v6, map: false, dynamic });
            continue;
        }
        let flags = match (interval, dice.below(6)) {
            (true, 0) => "flags interval; auto-merge;",
            (true, 1) => "flags interval,timeout;",
            (true, _) => "flags interval;",
            (false, 0) => "flags timeout; timeout 1h;",
            (false, 1) => "flags constant;",
            (false, _) => "",
        };
        let flags = if map { flags.replace(" auto-merge;", "") } else { flags.to_owned() };
        let (word, leads) = if map { ("map", " : verdict") } else { ("set", "") };
        let mut all = elements(dice, kind, v6, interval);
        let catchall = kind != Kind::AddressAndPort && dice.chance(15);
        all.extend(catchall.then(|| "*".to_owned()));
        let led: Vec<String> = all
            .into_iter()
            .map(|element| if map { format!("{element} : {}", verdict(dice, chains)) } else { element })
            .collect();
        // Added one by one, a `*` among ranges makes nft 1.0.6 crash.
        let at_once =
            if catchall && interval { format!("elements = {{ {} }};", led.join(", ")) } else { String::new() };
        lines.push(Line::new(format!("add {word} {table} {name} {{ type {keys}{leads}; {flags} {at_once} }}")));
        for element in led.iter().filter(|_| at_once.is_empty()) {
            lines.push(Line::new(format!("add element {table} {name} {{ {element} }}")));
        }
        named.push(Named { name, kind, v6, map, dynamic });
    }
    (named, lines)
}

/// Some elements that do not overlap.
pub(super) fn elements(dice: &mut Dice, kind: Kind, v6: bool, interval: bool) -> Vec<String> {
    let (single, apart): (&[&str], &[&str]) = if v6 { (&ADDRESSES_6, &APART_6) } else { (&ADDRESSES_4, &APART_4) };
    let count = 1 + dice.below(5);
    let mut all: Vec<String> = match (kind, interval) {
        (Kind::Address, false) => dice.some(single, count).iter().map(ToString::to_string).collect(),
        (Kind::Address, true) => dice.some(apart, count).iter().map(ToString::to_string).collect(),
        (Kind::Port, true) => dice.some(&PORTS_APART, count).iter().map(ToString::to_string).collect(),
        (Kind::Port, false) => {
            dice.some(&["53", "80", "81", "443", "2222", "8080"], count).iter().map(ToString::to_string).collect()
        }
        (Kind::AddressAndPort, false) => (0..count).map(|_| element(dice, kind, v6, false)).collect(),
        (Kind::AddressAndPort, true) => {
            let addresses = dice.some(apart, count);
            addresses.iter().map(|a| format!("{a} . {}", dice.pick(&PORTS_APART))).collect()
        }
    };
    all.sort();
    all.dedup();
    all
}

pub(super) fn element(dice: &mut Dice, kind: Kind, v6: bool, _interval: bool) -> String {
    let port = dice.pick(&["53", "80", "81", "443", "2222", "8080"]);
    match kind {
        Kind::Address => pick(dice, v6).into(),
        Kind::Port => port.into(),
        Kind::AddressAndPort => format!("{} . {port}", pick(dice, v6)),
    }
}

/// What an element of a verdict map leads to.
pub(super) fn verdict(dice: &mut Dice, chains: &[String]) -> String {
    match dice.below(8) {
        0..=2 => "accept".into(),
        3 | 4 => "drop".into(),
        5 => "return".into(),
        _ if chains.is_empty() => "continue".into(),
        6 => format!("goto {}", dice.one(chains)),
        _ => format!("jump {}", dice.one(chains)),
    }
}
