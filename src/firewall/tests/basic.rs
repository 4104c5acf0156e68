//! Verdicts, chains, hooks and the order of things.

use super::world::{World, word};
use crate::firewall::{Client, Fate, Leg};

const WEB: &str = "10.0.0.5:80";

#[test]
fn without_rules_everybody_is_let_in() {
    let walk = World::new().walk(Client::Any, WEB);
    assert_eq!(walk.parts.len(), 1, "{walk:#?}");
    assert!(walk.parts[0].sources.is_everyone());
    assert_eq!(walk.parts[0].fate, Fate::Delivered);
}

#[test]
fn a_rule_about_sources_splits_them() {
    let world = World::new().chain(
        "inet filter input",
        "filter input 0 accept",
        "saddr 192.0.2.7 drop
         saddr !10.0.0.0/8 dport 80 reject
         dport 22 drop",
    );
    assert_eq!(world.gets("192.0.2.7", WEB), "drop input 1");
    assert_eq!(world.gets("8.8.8.8", WEB), "reject input 2");
    assert_eq!(world.gets("10.72.0.1", WEB), "open");
    assert_eq!(world.gets("10.72.0.1", "10.0.0.5:22"), "drop input 3");
    assert_eq!(world.walk(Client::Any, WEB).parts.len(), 3);
}

#[test]
fn an_accept_ends_its_own_base_chain_only() {
    let world = World::new().chain("inet one input", "filter input 0 accept", "dport 80 accept").chain(
        "inet two input",
        "filter input 10 accept",
        "saddr 10.0.0.0/8 accept\ndrop",
    );
    assert_eq!(world.gets("8.8.8.8", WEB), "drop input 2");
    let walk = world.walk(Client::Any, WEB);
    let open = walk.parts.iter().find(|part| part.fate == Fate::Delivered).unwrap();
    let passed: Vec<_> = open.passed.iter().map(|p| (p.by.base.table.name.as_str(), p.by.rule)).collect();
    assert_eq!(passed, [("one", Some(1)), ("two", Some(1))]);
    assert_eq!(walk.entered.len(), 2);
}

#[test]
fn jumps_come_back_and_gotos_do_not() {
    let world = World::new()
        .chain("inet f input", "filter input 0 drop", "jump a\nsaddr 10.3.0.0/16 accept\ngoto b\naccept")
        .chain("inet f a", "", "saddr 10.1.0.0/16 return\nsaddr 10.2.0.0/16 accept\nsaddr 10.3.0.0/16 goto c\nreject")
        .chain("inet f b", "", "saddr 10.1.1.1 accept")
        .chain("inet f c", "", "saddr 10.3.3.3 drop");
    assert_eq!(world.gets("10.1.1.1", WEB), "open");
    assert_eq!(world.gets("10.1.1.2", WEB), "drop input policy");
    assert_eq!(world.gets("10.2.0.1", WEB), "open");
    assert_eq!(world.gets("10.3.0.1", WEB), "open");
    assert_eq!(world.gets("10.3.3.3", WEB), "drop c 1");
    assert_eq!(world.gets("8.8.8.8", WEB), "reject a 4");
    let walk = world.walk(Client::Any, WEB);
    let rejected = walk.parts.iter().find(|part| word(&part.fate) == "reject a 4").unwrap();
    let Fate::Rejected { by, .. } = &rejected.fate else { panic!() };
    assert_eq!(by.via, [(World::id("inet f input"), 1)]);
    assert_eq!(by.leg, Leg::Request);
}

#[test]
fn what_a_limit_decides_is_unknown_and_nothing_else() {
    let log = World::new().chain("inet f input", "filter input 0 accept", "limit log\nlimit log counter");
    assert_eq!(log.gets("8.8.8.8", WEB), "open");
    let world = World::new().chain(
        "inet f input",
        "filter input 0 accept",
        "saddr 10.1.0.0/16 accept
         limit drop
         saddr 10.2.0.0/16 drop
         saddr 10.3.0.0/16 reject",
    );
    assert_eq!(world.gets("10.1.0.1", WEB), "open");
    assert_eq!(world.gets("10.2.0.1", WEB), "drop input 3");
    assert_eq!(world.gets("10.3.0.1", WEB), "unknown it depends on a rate limit input 2");
    assert_eq!(world.gets("8.8.8.8", WEB), "unknown it depends on a rate limit input 2");
}

#[test]
fn marks_are_remembered() {
    let world = World::new()
        .chain(
            "inet f pre",
            "filter prerouting -150 accept",
            "saddr 10.1.0.0/16 setmark 7\nsaddr 10.2.0.0/16 setctmark 9",
        )
        .chain("inet f input", "filter input 0 drop", "mark 7 accept\nctmark 9 accept");
    assert_eq!(world.gets("10.1.0.1", WEB), "open");
    assert_eq!(world.gets("10.2.0.1", WEB), "open");
    assert_eq!(world.gets("10.3.0.1", WEB), "drop input policy");
}

#[test]
fn the_first_packet_is_new_and_the_answer_belongs_to_it() {
    let rules = "state invalid drop\nstate established,related accept\niif lo accept\nstate new dport 80 accept";
    let world = World::new().chain("inet f input", "filter input 0 drop", rules).chain(
        "inet f output",
        "filter output 0 drop",
        "state established accept",
    );
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
    assert_eq!(world.gets("8.8.8.8", "10.0.0.5:81"), "drop input policy");
    let here = world.walk(Client::Here, WEB);
    assert_eq!(word(&here.parts[0].fate), "drop output policy");
}

#[test]
fn an_answer_that_is_stopped_is_silence() {
    let world = World::new().chain("inet f output", "filter output 0 accept", "daddr 10.1.0.0/16 reject");
    assert_eq!(world.gets("10.1.0.7", WEB), "drop output 1");
    assert_eq!(world.gets("10.0.0.7", WEB), "open");
}

#[test]
fn sources_come_in_where_their_answers_leave() {
    let world = World::new().chain("inet f input", "filter input 0 accept", "iif eth1 drop\niif !eth0 reject");
    assert_eq!(world.gets("10.1.0.7", WEB), "drop input 1");
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
    let walk = world.walk(Client::Any, WEB);
    assert_eq!(walk.parts.len(), 2);
    assert_eq!(walk.parts[1].sources.interface.as_deref(), Some("eth1"));
}

#[test]
fn sets_cut_all_sources_at_once() {
    let world = World::new()
        .chain("inet f input", "filter input 0 accept", "saddr @bad drop\nvmap who")
        .set("inet f bad", "10.1.0.0/16 192.0.2.7")
        .set("inet f who", "10.2.0.0/16>drop 10.3.0.0/16>accept 10.4.0.0/16>jump:deny")
        .chain("inet f deny", "", "reject");
    assert_eq!(world.gets("10.1.2.3", WEB), "drop input 1");
    assert_eq!(world.gets("192.0.2.7", WEB), "drop input 1");
    assert_eq!(world.gets("10.2.2.3", WEB), "drop input 2");
    assert_eq!(world.gets("10.3.2.3", WEB), "open");
    assert_eq!(world.gets("10.4.2.3", WEB), "reject deny 1");
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
}

#[test]
fn ingress_of_the_device_comes_first() {
    let world = World::new().chain("netdev f in", "filter ingress 0 accept eth0", "saddr 192.0.2.0/24 drop");
    assert_eq!(world.gets("192.0.2.7", WEB), "drop in 1");
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
    let here = world.walk(Client::Here, WEB);
    assert_eq!(word(&here.parts[0].fate), "open");
}

#[test]
fn translation_leads_to_another_port() {
    let world = World::new().chain("ip nat pre", "nat prerouting -100 accept", "dport 80 redirect 8080").chain(
        "ip f input",
        "filter input 0 drop",
        "dport 8080 origdport 80 accept",
    );
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
    let walk = world.walk(Client::Any, WEB);
    let part = walk.parts.iter().find(|part| part.sources.contains([8, 8, 8, 8].into(), 1)).unwrap();
    assert_eq!(part.to.to_string(), "10.0.0.5:8080");
    assert_eq!(part.translated.as_ref().map(|place| place.rule), Some(Some(1)));
}

#[test]
fn an_error_goes_out_through_the_rules_too() {
    let input = |world: World| world.chain("inet f input", "filter input 0 accept", "dport 80 reject\ndport 81 reset");
    let world = input(World::new()).chain("inet f output", "filter output 0 drop", "l4 6 accept");
    assert_eq!(world.gets("8.8.8.8", WEB), "drop output policy");
    assert_eq!(world.gets("8.8.8.8", "10.0.0.5:81"), "reject input 2");
    let related = input(World::new()).chain("inet f output", "filter output 0 drop", "state related accept");
    assert_eq!(related.gets("8.8.8.8", WEB), "reject input 1");
}

#[test]
fn answers_to_what_was_not_tracked_are_invalid() {
    let world = World::new()
        .chain("inet f raw", "filter prerouting -300 accept", "dport 80 notrack")
        .chain("inet f input", "filter input 0 drop", "state untracked accept")
        .chain("inet f output", "filter output 0 accept", "daddr 10.0.0.0/8 state invalid drop");
    assert_eq!(world.gets("8.8.8.8", WEB), "open");
    assert_eq!(world.gets("10.0.0.9", WEB), "drop output 1");
    assert_eq!(world.gets("8.8.8.8", "10.0.0.5:81"), "drop input policy");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
fn ten_thousand_rules_are_quick() {
    let rules: Vec<String> = (0..10_000u32).map(|n| format!("saddr 100.{}.{}.1 drop", n / 250, n % 250)).collect();
    let world = World::new().chain("inet f input", "filter input 0 accept", &rules.join("\n"));
    let begun = std::time::Instant::now();
    let walk = world.walk(Client::Any, WEB);
    assert_eq!(walk.parts.len(), 10_001);
    // Some ten milliseconds where it is optimised; quadratic work would take minutes here.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
