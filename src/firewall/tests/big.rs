//! Rulesets that are big, and those that are too big.

use std::net::Ipv4Addr;

use super::world::{World, word};
use crate::facts::ruleset::Elements;
use crate::facts::socket::Transport;
use crate::firewall::walker::{RULE, Walker};
use crate::firewall::{Client, Fate, Packet, Walk, follow_within};

const WEB: &str = "10.0.0.5:80";

fn packet() -> Packet {
    Packet { transport: Transport::Tcp, client: Client::Any, to: WEB.parse().unwrap() }
}

/// So many addresses, none next to another.
fn addresses(many: u32) -> String {
    let address = |n: u32| Ipv4Addr::from_bits(0x1400_0000 + 2 * n).to_string();
    (0..many).map(address).collect::<Vec<_>>().join(" ")
}

fn of(walk: &Walk, address: [u8; 4]) -> &Fate {
    let mut parts = walk.parts.iter().filter(|part| part.sources.contains(address.into(), 40_000));
    let part = parts.next().unwrap();
    assert!(parts.next().is_none(), "in one part only");
    &part.fate
}

#[test]
fn a_big_set_is_gone_through_once_whatever_looks_in_it() {
    let rules: Vec<String> = (0..100).map(|n| format!("dport {} saddr @bad drop", 80 + n % 2)).collect();
    let world = World::new()
        .chain("inet f input", "filter input 0 accept", &rules.join("\n"))
        .set("inet f bad", &addresses(1_000));
    let mut walker = Walker::new(&world, &world.ruleset, &world.addresses, packet());
    walker.walk();
    assert_eq!(walker.looked_up.len(), 1, "the key is the same in all rules");
    let walk = walker.outcome();
    assert_eq!(word(of(&walk, [20, 0, 0, 4])), "drop input 1");
    assert_eq!(word(of(&walk, [20, 0, 0, 5])), "open");
}

#[test]
fn the_same_set_is_not_the_same_to_another_key() {
    let world = World::new()
        .chain("inet f input", "filter input 0 accept", "saddr @nets drop\ndaddr @nets reject")
        .set("inet f nets", "10.0.0.0/24");
    let walk = world.walk(Client::Any, WEB);
    assert_eq!(word(of(&walk, [10, 0, 0, 9])), "drop input 1");
    assert_eq!(word(of(&walk, [8, 8, 8, 8])), "reject input 2");
}

#[test]
fn beyond_the_bound_the_rest_is_unknown_and_what_was_decided_stays() {
    let rules = "saddr 192.0.2.0/24 reject\nsaddr @bad drop\nsaddr @good accept\ndrop";
    let world = World::new()
        .chain("inet f input", "filter input 0 accept", rules)
        .set("inet f bad", &addresses(1_000))
        .set("inet f good", "10.0.0.0/8");
    let whole = world.walk(Client::Any, WEB);
    let clients = [[10, 0, 0, 9], [192, 0, 2, 7], [20, 0, 0, 4], [8, 8, 8, 8]];
    let words = |walk: &Walk| clients.map(|client| word(of(walk, client)));
    assert_eq!(words(&whole), ["open", "reject input 1", "drop input 2", "drop input 4"]);
    let mut partly = 0;
    for most in (0..8_000).step_by(100) {
        let walk = follow_within(&packet(), &world, most);
        let unknown = clients.map(|client| {
            let fate = of(&walk, client);
            let Fate::Unknown { why, open, by } = fate else {
                assert_eq!(word(fate), word(of(&whole, client)), "within {most}");
                return false;
            };
            assert_eq!((why.as_str(), *open), ("the ruleset is too big to follow", false));
            assert!(by.as_ref().is_some_and(|place| place.rule.is_some()), "from a rule on");
            true
        });
        partly += u32::from(unknown[3] && !unknown[2]);
    }
    assert!(partly > 0, "what was decided before the bound stays decided");
}

#[test]
fn ways_that_double_with_every_chain_are_left_in_time() {
    // Every chain jumps into the next one twice: 2^10 ways.
    let world = (0..10).fold(World::new(), |world, n| {
        let jump = format!("jump c{}", n + 1);
        let hook = if n == 0 { "filter input 0 accept" } else { "" };
        world.chain(&format!("inet f c{n}"), hook, &format!("{jump}\n{jump}"))
    });
    let world = world.chain("inet f c10", "", "saddr 192.0.2.7 drop");
    let walk = follow_within(&packet(), &world, 100 * RULE);
    assert!(matches!(of(&walk, [8, 8, 8, 8]), Fate::Unknown { why, .. } if why.contains("too big")));
    let whole = world.walk(Client::Any, WEB);
    assert_eq!(word(of(&whole, [192, 0, 2, 7])), "drop c10 1");
    assert_eq!(word(of(&whole, [8, 8, 8, 8])), "open", "that is not too much");
}

#[test]
fn sources_told_apart_by_address_and_port_each_are_too_many_to_cut() {
    let mut world = World::new()
        .chain("inet f input", "filter input 0 accept", "saddr 192.0.2.0/24 reject\nsaddrport @pairs drop")
        .set("inet f pairs", "10.0.0.1");
    let set = world.ruleset.sets.first_mut().unwrap();
    (set.key_len, set.fields) = (8, vec![4, 2]);
    let id = set.id.clone();
    let elements: &mut Elements = world.elements.get_mut(&id).unwrap();
    let one = elements.elements.first().unwrap().clone();
    let pair = |n: u16| {
        let key = [&[10, 0, 0, 1], n.to_be_bytes().as_slice(), &[0, 0]].concat();
        crate::facts::ruleset::Element { from: key.clone(), to: key, ..one.clone() }
    };
    // Every second port: one region each, but all of one address.
    elements.elements = (0..2_000).map(|n| pair(2 * n)).collect();
    let walk = world.walk(Client::Any, WEB);
    assert_eq!(word(of(&walk, [192, 0, 2, 7])), "reject input 1");
    assert!(matches!(of(&walk, [10, 0, 0, 1]), Fate::Unknown { why, .. } if why.contains("too big")));
    assert_eq!(word(of(&walk, [8, 8, 8, 8])), "open", "whoever is in no pair is not concerned");
}

#[test]
fn what_is_about_another_port_is_passed_over_with_all_it_asks() {
    let rules = "saddr @unread dport 81 drop\ndport 81 saddr @unread drop\niif wlan0 limit drop\nl4 17 limit drop";
    let mut world =
        World::new().chain("inet f input", "filter input 0 accept", rules).set("inet f unread", "192.0.2.7");
    world.elements.clear();
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
    assert!(world.gets("8.8.8.8", "10.0.0.5:81").starts_with("unknown"));
}

#[test]
fn what_a_rule_does_before_it_fails_to_match_is_done() {
    let rules = "setmark 7 dport 81 accept\nmark 7 reject";
    let world = World::new().chain("inet f input", "filter input 0 accept", rules);
    assert_eq!(world.gets("8.8.8.8", WEB), "reject input 2");
    assert_eq!(world.gets("8.8.8.8", "10.0.0.5:81"), "open");
}

#[test]
fn while_a_set_is_still_to_come_not_all_ways_are_followed() {
    // Each rule leaves another mark: 2^14 ways until it is known who is in the set, then two.
    let rules: Vec<String> = (1..=14).map(|n| format!("saddr @bad setmark {n}")).collect();
    let world = World::new().chain("inet f input", "filter input 0 accept", &rules.join("\n"));
    let known = world.set("inet f bad", "192.0.2.7");
    assert_eq!(known.gets("192.0.2.7", WEB), "open");
    let mut coming = known;
    let read = std::mem::take(&mut coming.elements);
    let mut walker = Walker::new(&coming, &coming.ruleset, &coming.addresses, packet());
    walker.walk();
    assert!(walker.done.len() < 10_000, "{} ways", walker.done.len());
    let walk = walker.outcome();
    assert!(matches!(of(&walk, [192, 0, 2, 7]), Fate::Unknown { open: true, .. }), "it may yet be told");
    coming.elements = read;
    assert_eq!(coming.gets("8.8.8.8", WEB), "open");
}
