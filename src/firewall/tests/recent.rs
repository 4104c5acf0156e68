//! Lists of recent packets.

use super::world::World;
use crate::facts::ruleset::Recent;
use crate::firewall::{Client, Fate};

const WEB: &str = "10.0.0.5:80";

/// What `ufw limit` makes, with the ages of one client's packets in seconds.
fn limited(ages: &[u64]) -> World {
    let mut world = World::new().chain(
        "ip filter input",
        "filter input 0 accept",
        "dport 80 state new recent set\ndport 80 state new recent update/30/6 reject\ndport 80 accept",
    );
    let ages = ages.iter().map(|s| s * 1000).collect();
    world.recent.insert("tries".into(), Recent { seen: vec![("10.72.0.1".parse().unwrap(), ages)] });
    world
}

#[test]
fn the_sixth_within_the_time_is_refused_and_others_are_not() {
    let often = limited(&[1, 2, 3, 4, 5]);
    assert_eq!(often.gets("10.72.0.1", WEB), "reject input 2");
    assert_eq!(often.gets("10.72.0.2", WEB), "open");
    assert_eq!(often.gets("10.72.0.1", "10.0.0.5:22"), "open");
    assert_eq!(limited(&[1, 2, 3, 4]).gets("10.72.0.1", WEB), "open");
    assert_eq!(limited(&[1, 2, 3, 4, 31]).gets("10.72.0.1", WEB), "open");
    assert_eq!(limited(&[1, 2, 3, 4, 30]).gets("10.72.0.1", WEB), "reject input 2");
}

#[test]
fn a_list_is_filled_for_those_who_passed_the_matches_before_only() {
    let world = |rules| {
        let mut world = World::new().chain("ip filter input", "filter input 0 accept", rules);
        world.recent.insert("tries".into(), Recent::default());
        world
    };
    let knock = world("saddr 10.1.0.0/16 recent set\nrecent check drop");
    assert_eq!(knock.gets("10.1.2.3", WEB), "drop input 2");
    assert_eq!(knock.gets("10.2.2.3", WEB), "open");
    let taken_out = world("recent set\nrecent remove\nrecent check drop");
    assert_eq!(taken_out.gets("10.1.2.3", WEB), "open");
}

#[test]
fn a_list_that_is_not_read_makes_it_unknown() {
    let mut world = limited(&[]);
    world.recent.clear();
    let walk = world.walk(Client::Any, WEB);
    assert!(matches!(walk.parts[0].fate, Fate::Unknown { open: true, .. }), "{walk:#?}");
}
