//! Tables of nft.

use super::actions::{statements, translation, verdict_of, which};
use super::matches::{At, Place};
use super::sets::{self, Named};
use crate::dice::Dice;
use crate::script::{Line, Section, Tool};

/// A chain in the making.
struct Chain {
    name: String,
    at: At,
    kind: &'static str,
    base: bool,
}

/// One to three tables, with everything in them.
pub(super) fn section(dice: &mut Dice) -> Section {
    let mut section = Section { tool: Tool::Nft, table: String::new(), lines: Vec::new() };
    for index in 0..dice.one(&[1, 1, 2, 2, 3]) {
        let family = dice.one(&["inet", "inet", "inet", "ip", "ip", "ip6", "netdev"]);
        table(dice, family, &format!("{family} t{index}"), &mut section.lines);
    }
    section
}

fn table(dice: &mut Dice, family: &'static str, table: &str, lines: &mut Vec<Line>) {
    lines.push(Line::new(format!("add table {table}")));
    lines.push(Line::new(format!("add counter {table} passed")));
    if dice.chance(30) {
        lines.push(Line::new(format!("add limit {table} slow {{ rate 1/hour burst 2 packets; }}")));
        lines.push(Line::new(format!("add quota {table} much {{ over 200 bytes; }}")));
    }
    if family != "netdev" && dice.chance(2) {
        lines.push(Line::new(format!(
            "add flowtable {table} fast {{ hook ingress priority 0; devices = {{ s0, s2 }}; }}"
        )));
    }
    let has = |word: &str| lines.iter().any(|line| line.head.contains(word) && line.head.contains(table));
    let (limits, fast) = (has("add limit"), has("add flowtable"));
    let chains = chains(dice, family);
    for chain in &chains {
        let base = if chain.base { base(dice, family, chain) } else { String::new() };
        lines.push(Line::new(format!("add chain {table} {}{base}", chain.name)));
    }
    let families: &[bool] = match family {
        "ip" => &[false],
        "ip6" => &[true],
        _ => &[false, false, true],
    };
    let last: Vec<String> =
        chains.iter().rev().find(|c| !c.base && c.kind == "filter").map(|c| c.name.clone()).into_iter().collect();
    let (named, more) = sets::make(dice, table, families, &last);
    lines.extend(more);
    for (index, chain) in chains.iter().enumerate() {
        // Only onwards: no chain leads back to itself.
        let onwards: Vec<String> = chains[index + 1..]
            .iter()
            .filter(|c| !c.base && c.at == chain.at && c.kind == chain.kind)
            .map(|c| c.name.clone())
            .collect();
        for _ in 0..dice.weighted(&[1, 3, 4, 3, 2, 1]) {
            let mut parts = rule(dice, family, chain, (&named, families), &onwards);
            if limits && dice.chance(4) {
                parts.insert(0, dice.pick(&["limit name \"slow\"", "quota name \"much\""]).into());
            }
            if fast && chain.at == At::Forward && chain.kind == "filter" {
                parts = vec!["meta l4proto { tcp, udp } flow add @fast".into()];
            }
            lines.push(Line { head: format!("add rule {table} {}", chain.name), parts });
        }
    }
}

fn chains(dice: &mut Dice, family: &str) -> Vec<Chain> {
    let mut chains = Vec::new();
    let filters: &[At] = match family {
        "netdev" => &[At::Ingress, At::Ingress, At::Ingress, At::Egress],
        _ => &[
            At::Prerouting,
            At::Input,
            At::Input,
            At::Input,
            At::Input,
            At::Output,
            At::Output,
            At::Postrouting,
            At::Forward,
        ],
    };
    for index in 0..=dice.below(4) {
        let nat = family != "netdev" && dice.chance(25);
        let at = match (nat, family == "inet" && dice.chance(4)) {
            (true, _) => dice.one(&[At::Prerouting, At::Prerouting, At::Output, At::Postrouting, At::Input]),
            (_, true) => At::Ingress,
            _ => dice.one(filters),
        };
        let kind = match (nat, at) {
            (true, _) => "nat",
            (_, At::Output) if dice.chance(15) => "route",
            _ => "filter",
        };
        chains.push(Chain { name: format!("base{index}"), at, kind, base: true });
    }
    for index in 0..dice.below(4) {
        let of = dice.below(chains.iter().filter(|c| c.base).count());
        let (at, kind) = (chains[of].at, chains[of].kind);
        chains.push(Chain { name: format!("sub{index}"), at, kind, base: false });
    }
    chains
}

fn base(dice: &mut Dice, family: &str, chain: &Chain) -> String {
    let priority = match (chain.kind, chain.at) {
        ("nat", At::Prerouting | At::Output) => dice.one(&[-100, -100, -100, -150, 10]),
        ("nat", _) => dice.one(&[100, 100, 100, 50]),
        ("route", _) => dice.one(&[-150, -150, 0]),
        _ => dice.one(&[0, 0, 0, 0, -300, -300, -150, -100, -10, 10, 5, 100, 225, -401, 301]),
    };
    let device = match (chain.at.on_device(), family) {
        (false, _) => "",
        (true, "netdev") => dice.pick(&[" device \"s0\"", " device \"s1\"", " devices = { \"s0\", \"s1\" }"]),
        (true, _) => " device \"s0\"",
    };
    let policy = if chain.kind != "nat" && dice.chance(9) { "drop" } else { "accept" };
    format!(" {{ type {} hook {}{device} priority {priority}; policy {policy}; }}", chain.kind, chain.at.word())
}

fn rule(
    dice: &mut Dice,
    family: &'static str,
    chain: &Chain,
    (sets, families): (&[Named], &[bool]),
    onwards: &[String],
) -> Vec<String> {
    let place = Place {
        family,
        at: chain.at,
        v6: dice.one(families),
        transport: dice.one(&["tcp", "tcp", "tcp", "udp"]),
        sets,
    };
    let mut parts: Vec<String> = (0..dice.weighted(&[1, 6, 4, 1])).map(|_| place.one(dice)).collect();
    parts.extend(statements(dice, &place));
    if chain.kind == "nat" && dice.chance(75) {
        if dice.chance(60) {
            parts.clear();
        }
        parts.push(which(dice, &place));
        parts.push(translation(dice, &place));
    } else if chain.kind == "nat" {
        parts.push(if onwards.is_empty() { "accept".into() } else { format!("jump {}", dice.one(onwards)) });
    } else {
        parts.extend(verdict_of(dice, &place, onwards));
    }
    if parts.is_empty() { vec!["counter".into()] } else { parts }
}
