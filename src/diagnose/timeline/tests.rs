//! Histories with what they must tell, and random ones.

use proptest::prelude::*;

use super::{About, Attempt, Outage, Proof, Timeline};
use crate::facts::connect::Outcome;
use crate::facts::happening::{Change, Happening, Past, Teller, Timer, What};

/// A second, in microseconds.
const S: u64 = 1_000_000;
/// When these histories begin.
const T0: u64 = 1_795_262_000 * S;

fn about() -> About {
    About { unit: Some("nginx.service".into()), container: None }
}

/// Attempts one a second: `o` open, `r` refused, `t` timed out.
fn attempts(row: &str) -> Vec<Attempt> {
    let attempt = |(at, letter)| {
        let (outcome, errno) = match letter {
            'r' => (Outcome::Refused, Some("ECONNREFUSED".into())),
            't' => (Outcome::Timeout, None),
            _ => (Outcome::Open, None),
        };
        Attempt { at_us: T0 + at * S, outcome, errno }
    };
    (0u64..).zip(row.chars()).map(attempt).collect()
}

/// Tenths of a second after the beginning.
fn at(tenths: u64, what: What) -> Happening {
    Happening { at_us: T0 + tenths * S / 10, what, source: Teller::Journal }
}

fn unit(name: &str, change: Change) -> What {
    What::Unit { unit: name.into(), change, words: String::new() }
}

fn nginx(change: Change) -> What {
    unit("nginx.service", change)
}

fn packages(names: &[&str], until: u64) -> What {
    What::Packages {
        tool: "apt".into(),
        verb: "upgrade".into(),
        packages: names.iter().map(|n| (*n).to_owned()).collect(),
        command: Some("apt upgrade".into()),
        until_us: Some(T0 + until * S / 10),
    }
}

fn past(happenings: Vec<Happening>) -> Past {
    Past { since_us: T0, happenings, ..Past::default() }
}

fn told(row: &str, happenings: Vec<Happening>) -> Timeline {
    Timeline::of(&attempts(row), &past(happenings), &about())
}

fn only(timeline: &Timeline) -> &Outage {
    assert_eq!(timeline.outages.len(), 1, "{timeline:#?}");
    &timeline.outages[0]
}

fn restart(stop: u64, up: u64) -> Vec<Happening> {
    vec![
        at(stop, nginx(Change::Stopping)),
        at(stop + 1, nginx(Change::Stopped)),
        at(up - 1, nginx(Change::Starting)),
        at(up, nginx(Change::Started)),
    ]
}

#[test]
fn a_restart_by_apt_is_shown_and_says_who() {
    let mut all = restart(25, 65);
    all.push(at(20, packages(&["libssl3", "nginx-common", "nginx"], 80)));
    let timeline = told("ooorrrrooo", all);
    let outage = only(&timeline);
    assert_eq!((outage.attempts, outage.from_us, outage.until_us), (4, T0 + 3 * S, Some(T0 + 7 * S)));
    let link = &outage.links[0];
    assert_eq!(link.proof, Proof::Shown);
    assert_eq!(link.says, "nginx.service was restarted by apt (upgrade nginx-common, nginx, `apt upgrade`)");
    assert_eq!((link.began_us, link.ended_us), (Some(T0 + 25 * S / 10), Some(T0 + 65 * S / 10)));
    assert_eq!(timeline.exit_code(), 1);
}

#[test]
fn packages_of_others_are_not_said_to_have_done_it() {
    let mut all = restart(25, 65);
    all.push(at(20, packages(&["tree"], 80)));
    let timeline = told("ooorrrrooo", all);
    let says = &only(&timeline).links[0].says;
    assert_eq!(says, "nginx.service was restarted while apt was at work (upgrade tree, `apt upgrade`)");
}

#[test]
fn who_said_so_is_named_before_what_else_went_on() {
    let mut all = restart(25, 65);
    let command = |by: &str, command: &str| What::Command { by: by.into(), command: command.into() };
    all.push(at(24, command("alice (sudo)", "systemctl restart nginx")));
    all.push(at(24, command("bob (sudo)", "systemctl restart nginx-exporter")));
    all.push(at(20, packages(&["tree"], 80)));
    let timeline = told("ooorrrrooo", all);
    let links = &only(&timeline).links;
    assert_eq!(links[0].says, "nginx.service was restarted by alice (sudo): `systemctl restart nginx`");
}

#[test]
fn an_end_of_its_own_says_how() {
    let exited = What::Unit {
        unit: "nginx.service".into(),
        change: Change::Exited,
        words: "code=exited, status=3/NOTIMPLEMENTED".into(),
    };
    let mut all = vec![
        at(25, exited),
        at(25, nginx(Change::Failed)),
        at(45, nginx(Change::RestartScheduled)),
        at(46, nginx(Change::Started)),
    ];
    let says = told("ooorroo", all.clone()).outages[0].links[0].says.clone();
    assert_eq!(
        says,
        "nginx.service ended (code=exited, status=3/NOTIMPLEMENTED) and was restarted by systemd (Restart=)"
    );
    all.push(at(25, What::Oom { unit: Some("nginx.service".into()), words: "killed".into() }));
    let says = told("ooorroo", all).outages[0].links[0].says.clone();
    assert_eq!(says, "nginx.service was killed for want of memory (OOM) and was restarted by systemd (Restart=)");
}

#[test]
fn a_timeout_is_not_laid_on_a_unit_that_was_down() {
    let links = told("ooottoo", restart(25, 45)).outages[0].links.clone();
    assert!(links.iter().all(|link| link.proof != Proof::Shown), "{links:#?}");
}

#[test]
fn rules_that_changed_and_changed_back_fit_and_are_no_proof() {
    let rules = |tenths| Happening { source: Teller::Netlink, ..at(tenths, What::Rules { by: Some("nft".into()) }) };
    let timeline = told("ooorrroo", vec![rules(28), rules(55)]);
    let link = &only(&timeline).links[0];
    assert_eq!((link.proof, link.ended_us.is_some()), (Proof::Fits, true));
    assert!(link.says.ends_with("changed by nft, and again by nft as it ended"), "{}", link.says);
}

#[test]
fn nothing_known_is_said_to_be_nothing() {
    let timeline = told("ooorroo", vec![at(0, What::Rules { by: None }), at(65, What::Rules { by: None })]);
    assert!(only(&timeline).links.is_empty(), "{timeline:#?}");
    assert_eq!(timeline.exit_code(), 3);
    assert_eq!(told("oooo", restart(10, 12)).exit_code(), 0);
}

#[test]
fn an_outage_that_goes_on_after_the_unit_is_up_says_so() {
    let says = told("ooorrrrrro", restart(25, 45)).outages[0].links[0].says.clone();
    assert!(says.ends_with("; it went on for 4 s after the unit was up again"), "{says}");
}

#[test]
fn what_was_over_before_an_attempt_worked_is_not_shown() {
    let rules = Happening { source: Teller::Netlink, ..at(25, What::Rules { by: Some("nft".into()) }) };
    let mut all = restart(5, 15);
    all.push(rules);
    let links = told("ororroo", all).outages[1].links.clone();
    assert_eq!((links.len(), links[0].proof), (1, Proof::Fits), "{links:#?}");
}

#[test]
fn what_was_down_before_the_watch_is_shown_all_the_same() {
    let timeline = told("rrroo", vec![at(28, nginx(Change::Starting)), at(29, nginx(Change::Started))]);
    assert_eq!(only(&timeline).links[0].says, "nginx.service was down and was started");
    assert_eq!(only(&timeline).links[0].began_us, None);
}

#[test]
fn the_past_is_told_without_attempts() {
    let mut all = restart(25, 65);
    all.extend(restart(600, 605));
    all.push(at(599, What::Command { by: "cron (root)".into(), command: "systemctl restart nginx".into() }));
    let timeline = Timeline::without_attempts(&past(all), &about());
    assert_eq!((timeline.outages.len(), timeline.attempts), (2, 0));
    assert_eq!(timeline.outages[0].lasted_us(), 4 * S);
    assert_eq!(timeline.outages[0].links[0].says, "nginx.service was restarted");
    let second = &timeline.outages[1].links[0].says;
    assert_eq!(second, "nginx.service was restarted by cron (root): `systemctl restart nginx`");
}

#[test]
fn a_timer_is_named_where_its_times_match() {
    let (mut all, mut row) = (Vec::new(), String::new());
    for round in 0..4 {
        row += "oooorooooo";
        let begin = round * 100;
        all.push(at(begin + 33, unit("reload.service", Change::Starting)));
        all.extend(restart(begin + 35, begin + 45));
    }
    let timers = vec![Timer { name: "reload.timer".into(), starts: "reload.service".into() }];
    let past = Past { timers, ..past(all) };
    let timeline = Timeline::of(&attempts(&row), &past, &about());
    let period = timeline.period.unwrap();
    assert_eq!(period.every_us, 10 * S);
    assert_eq!(period.with.as_deref(), Some("reload.timer, which starts reload.service"));
    assert!(timeline.outages[0].links[0].says.contains("just after reload.timer"));
    let irregular = told("ooroooorooooooooooroorooooooooooooooooro", Vec::new());
    assert_eq!(irregular.period, None);
}

fn change() -> impl Strategy<Value = Change> {
    prop::sample::select(vec![
        Change::Starting,
        Change::Started,
        Change::Stopping,
        Change::Stopped,
        Change::Reloading,
        Change::Reloaded,
        Change::Exited,
        Change::Failed,
        Change::RestartScheduled,
        Change::Finished,
    ])
}

fn what() -> impl Strategy<Value = What> {
    let name = || prop::sample::select(vec!["nginx.service", "shop.service", "evil\u{1b}[2J.service", ""]);
    prop_oneof![
        (name(), change()).prop_map(|(name, change)| unit(name, change)),
        Just(What::Rules { by: Some("nft".into()) }),
        Just(What::Oom { unit: None, words: "Out of memory: Killed process 1 (x)".into() }),
        (name(), any::<bool>()).prop_map(|(address, lifted)| What::Ban {
            address: address.into(),
            jail: "sshd".into(),
            lifted
        }),
        any::<bool>().prop_map(|up| What::Link { interface: "eth0".into(), up }),
        any::<Option<i64>>().prop_map(|by_ms| What::Clock { by_ms }),
        (0u64..900).prop_map(|until| packages(&["nginx"], until)),
        name().prop_map(|name| What::Command { by: "cron".into(), command: name.into() }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let source = prop::sample::select(vec![Teller::Journal, Teller::Netlink, Teller::PackageLog, Teller::Engine]);
    (0u64..900, what(), source).prop_map(|(tenths, what, source)| Happening { source, ..at(tenths, what) })
}

/// Where what a link tells of must lie.
fn may_be_named(outage: &Outage, from: u64) -> bool {
    // The widest of all: ten seconds before a first attempt, and what an engine tells late.
    let earliest = outage.worked_us.unwrap_or(outage.from_us).min(outage.from_us).saturating_sub(14 * S);
    (earliest..=outage.from_us + S).contains(&from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_outside_the_window_is_named(row in "[ort]{1,80}", all in prop::collection::vec(happening(), 0..40)) {
        for outage in told(&row, all).outages {
            for link in outage.links.iter().filter(|link| link.proof != Proof::Shown) {
                let lasts = link.says.starts_with("apt: ");
                prop_assert!(lasts || link.began_us.is_some_and(|from| may_be_named(&outage, from)), "{:?} {:?}", outage, link);
            }
        }
    }

    #[test]
    fn what_is_shown_was_so_when_it_failed(row in "[ort]{1,80}", all in prop::collection::vec(happening(), 0..40)) {
        for outage in told(&row, all).outages {
            for link in outage.links.iter().filter(|link| link.proof == Proof::Shown) {
                prop_assert!(link.began_us.is_none_or(|from| from <= outage.from_us + S));
                prop_assert!(link.ended_us.is_none_or(|until| until + 2 * S >= outage.from_us));
            }
        }
    }

    #[test]
    fn more_happenings_hide_no_outage(row in "[ort]{1,80}", all in prop::collection::vec(happening(), 0..40)) {
        let bare = |timeline: Timeline| -> Vec<Outage> {
            timeline.outages.into_iter().map(|outage| Outage { links: Vec::new(), ..outage }).collect()
        };
        let few = all.iter().take(all.len() / 2).cloned().collect();
        prop_assert_eq!(bare(told(&row, few)), bare(told(&row, all)));
    }

    #[test]
    fn the_order_of_events_does_not_matter(
        row in "[ort]{1,60}",
        (all, mixed) in prop::collection::vec(happening(), 0..30).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let mut backwards = attempts(&row);
        backwards.reverse();
        let other = Timeline::of(&backwards, &past(mixed), &about());
        prop_assert_eq!(told(&row, all), other);
    }

    #[test]
    fn times_at_their_limits_break_nothing(
        ats in prop::collection::vec((any::<u64>(), any::<bool>()), 0..30),
        all in prop::collection::vec((any::<u64>(), what()), 0..20),
    ) {
        let outcome = |fails| if fails { Outcome::Refused } else { Outcome::Open };
        let attempts: Vec<Attempt> =
            ats.into_iter().map(|(at_us, fails)| Attempt { at_us, outcome: outcome(fails), errno: None }).collect();
        let happenings = all.into_iter().map(|(at_us, what)| Happening { at_us, what, source: Teller::Journal }).collect();
        let past = Past { since_us: u64::MAX, happenings, ..Past::default() };
        let timeline = Timeline::of(&attempts, &past, &about());
        prop_assert!(timeline.failed <= timeline.attempts);
        let _ = Timeline::without_attempts(&past, &about());
    }
}
