//! What the screen does about what happens.

use crossterm::event::{KeyCode, KeyModifiers};
use proptest::prelude::*;
use unrefuse::app::event::{Leave, Signal, Size, Wake, What};
use unrefuse::app::state::{Mode, Screen};
use unrefuse::app::{Effect, Open, Start};
use unrefuse::facts::connect::Outcome;
use unrefuse::facts::journal::Entry;
use unrefuse::facts::socket::{Owner, Transport};
use unrefuse::facts::{Case, Fact, Question};
use unrefuse::sources::Arrival;
use unrefuse::sources::live::Change;
use unrefuse::target::{From, Target};

use crate::hosts::{self, known};
use crate::session::Session;

const LISTENERS: Question = Question::Listeners(Transport::Tcp, 8080);

fn refused() -> Session {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), (120, 40));
    session.done();
    session
}

fn outcome(session: &Session) -> Option<Outcome> {
    match &session.state.screen {
        Screen::Chart(chart) => chart.diagnosis.outcome,
        Screen::Picker(_) | Screen::Listeners(_) => None,
    }
}

fn dials(session: &Session) -> usize {
    session.asked.iter().filter(|(question, _)| matches!(question, Question::Dial(_))).count()
}

fn wakes(effects: &[Effect]) -> Vec<(u64, Wake)> {
    let wake = |e: &Effect| if let Effect::WakeAfter(ms, wake) = e { Some((*ms, *wake)) } else { None };
    effects.iter().filter_map(wake).collect()
}

#[test]
fn the_first_picture_needs_no_answer_and_everything_needed_is_asked_at_once() {
    let session = Session::start(Some("8080"), hosts::stopped_service(), (80, 24));
    assert!(session.text().contains("trying to connect"), "{}", session.text());
    let asked: Vec<&Question> = session.asked.iter().map(|(q, _)| q).collect();
    assert!(asked.contains(&&Question::Host) && asked.contains(&&LISTENERS), "{asked:?}");
}

#[test]
fn facts_turn_boxes_red_and_name_the_culprit_with_what_to_do() {
    let session = refused();
    let text = session.text();
    assert!(text.contains("REFUSED: nginx.service is not running"), "{text}");
    assert!(text.contains("$ systemctl start nginx.service"), "{text}");
    assert!(text.contains("from this host's own kernel: no socket there"), "{text}");
}

#[test]
fn a_retest_leaves_everything_in_place_until_the_answer_is_there() {
    let mut session = refused();
    let before = session.text();
    session.keys("r");
    assert!(dials(&session) == 3 && session.asked.len() > 5, "{:?}", session.asked);
    let during = session.text();
    assert!(during.contains("looking again") && during.contains("REFUSED: nginx.service is not running"), "{during}");
    session.answer_all();
    let strip = |text: &str| {
        text.lines().filter(|l| !l.contains("probes") && !l.starts_with(" now")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(strip(&session.text()), strip(&before));
    assert!(session.text().contains("6 probes"), "{}", session.text());
}

#[test]
fn late_answers_of_an_earlier_look_are_dropped() {
    let mut session = refused();
    session.keys("r");
    let old = session.asked.clone();
    session.asked.clear();
    session.keys("r");
    session.host = hosts::all_open();
    session.answer_all();
    assert_eq!(outcome(&session), Some(Outcome::Open));
    for (question, generation) in old {
        let fact = hosts::answer(&hosts::stopped_service(), &question);
        session.event(What::Arrived(Arrival { generation, fact }));
    }
    assert_eq!(outcome(&session), Some(Outcome::Open));
}

#[test]
fn a_host_repaired_beside_it_turns_green_by_itself() {
    let mut session = refused();
    session.host = hosts::all_open();
    session.now_ms += 10_000;
    session.event(What::Changed(Change::Again(LISTENERS)));
    session.answer_all();
    let planned = wakes(&session.done());
    let [(wait, wake @ Wake::AfterChange(_))] = planned.as_slice() else { panic!("{planned:?}") };
    assert!(*wait < 1_000, "{wait}");
    assert_eq!(outcome(&session), Some(Outcome::Refused), "not before it was tried");
    session.now_ms += wait;
    session.event(What::Woke(*wake));
    assert_eq!(dials(&session), 1, "one attempt: {:?}", session.asked);
    session.answer_all();
    assert_eq!(outcome(&session), Some(Outcome::Open));
    let text = session.text();
    assert!(
        text.contains("✔ OPEN: 10.2.0.2:8080 accepts connections\n") || text.contains("OPEN: 10.2.0.2:8080"),
        "{text}"
    );
    assert!(!text.contains("not all addresses"), "the other addresses were tried again too: {text}");
    assert!(text.contains("last 2 ▁█"), "{text}");
}

#[test]
fn many_changes_make_one_attempt_a_second_at_most() {
    let mut session = refused();
    session.now_ms += 10_000;
    for state in ["activating", "failed", "activating", "failed"] {
        let unit = hosts::unit("nginx.service", state, "auto-restart");
        session.event(What::Changed(Change::Fact(Fact::Unit("nginx.service".into(), known(unit)))));
    }
    let planned = wakes(&session.done());
    assert_eq!(planned.len(), 1, "{planned:?}");
    session.event(What::Woke(planned[0].1));
    session.answer_all();
    let unit = hosts::unit("nginx.service", "failed", "failed");
    session.event(What::Changed(Change::Fact(Fact::Unit("nginx.service".into(), known(unit)))));
    let again = wakes(&session.done());
    assert!(again.len() == 1 && again[0].0 >= 1_000, "{again:?}");
}

#[test]
fn a_dial_that_starts_a_unit_is_no_reason_to_dial_again() {
    let mut host = hosts::loopback_only();
    for reading in host.owners.values_mut() {
        *reading = known(Owner { unit: Some("init.scope".into()), ..Owner::default() });
    }
    let mut session = Session::answered(Some("8080"), host, (120, 40));
    session.done();
    for state in ["inactive", "activating", "active"] {
        let unit = hosts::unit("nginx.service", state, "x");
        session.event(What::Changed(Change::Fact(Fact::Unit("nginx.service".into(), known(unit)))));
    }
    assert_eq!(wakes(&session.done()), []);
}

#[test]
fn continuous_retest_makes_one_attempt_every_two_seconds_until_it_is_stopped() {
    let mut session = refused();
    session.keys("R");
    let first = wakes(&session.done());
    let [(2_000, wake @ Wake::Continuous(_))] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(dials(&session), 1);
    session.answer_all();
    for _ in 0..4 {
        session.event(What::Woke(*wake));
        assert_eq!(dials(&session), 1);
        session.answer_all();
    }
    assert!(session.text().contains("last 6 ▁▁▁▁▁▁"), "{}", session.text());
    session.keys("R");
    session.event(What::Woke(*wake));
    assert_eq!(dials(&session), 0, "the old wake is void");
    session.keys("R");
    session.answer_all();
    session.event(What::Woke(*wake));
    assert_eq!(dials(&session), 0, "and stays void");
}

#[test]
fn nothing_is_planned_while_nothing_happens() {
    let mut session = Session::answered(Some("8080"), hosts::all_open(), (200, 60));
    assert_eq!(wakes(&session.done()), []);
    assert!(session.asked.is_empty());
}

#[test]
fn what_can_change_is_watched_and_no_longer_when_another_target_is_chosen() {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), (200, 60));
    session.keys("l");
    session.answer_all();
    let watched: Vec<Question> =
        session.done().into_iter().filter_map(|e| if let Effect::Watch(q) = e { Some(q) } else { None }).collect();
    for question in [
        LISTENERS,
        Question::Unit("nginx.service".into()),
        Question::Journal("nginx.service".into()),
        Question::AllListeners,
    ] {
        assert!(watched.contains(&question), "{question:?} of {watched:?}");
    }
    session.keys("t");
    let unwatched = session.done().iter().filter(|e| matches!(e, Effect::Unwatch(_))).count();
    assert_eq!(unwatched, watched.len());
}

#[test]
fn the_picker_takes_every_letter_as_text_and_opens_what_was_typed() {
    let mut session = Session::answered(None, hosts::loopback_only(), (80, 24));
    session.keys("q?rl");
    assert_eq!(session.state.mode(), Mode::Picker);
    assert!(!session.done().iter().any(|e| matches!(e, Effect::Quit(_))));
    session.press_with(KeyCode::Char('u'), KeyModifiers::CONTROL);
    session.keys("8080");
    session.press(KeyCode::Enter);
    assert!(session.done().contains(&Effect::Remember("8080".into())));
    session.answer_all();
    assert!(session.text().contains("listens on loopback only"), "{}", session.text());
    assert_eq!(session.state.recent[0], "8080");
}

#[test]
fn the_picker_offers_recent_targets_failed_units_and_listeners() {
    let mut session = Session::answered(None, hosts::loopback_only(), (80, 24));
    for expected in ["db1:5432", "nginx", "nginx.service", "22"] {
        let Screen::Picker(picker) = &session.state.screen else { panic!("no picker") };
        assert_eq!(picker.chosen().as_deref(), Some(expected));
        session.press(KeyCode::Down);
    }
    session.keys("xy");
    session.press(KeyCode::Esc);
    assert!(!session.done().iter().any(|e| matches!(e, Effect::Quit(_))), "the first Esc clears the line");
    session.press(KeyCode::Esc);
    assert!(session.done().contains(&Effect::Quit(Leave::Wanted)));
}

#[test]
fn what_is_no_target_is_said_to_be_none() {
    let mut session = Session::answered(None, hosts::loopback_only(), (80, 24));
    session.event(What::Pasted("a b\u{1b}]52;c;x\u{7}".into()));
    session.press(KeyCode::Enter);
    assert_eq!(session.state.mode(), Mode::Picker);
    assert!(session.text().contains("a target is"), "{}", session.text());
}

#[test]
fn a_filter_never_triggers_commands() {
    let mut session = Session::answered(Some("8080"), hosts::loopback_only(), (80, 24));
    session.keys("/");
    session.answer_all();
    session.done();
    session.keys("qrt?");
    assert_eq!(session.done(), []);
    assert!(session.text().contains("/qrt?"), "{}", session.text());
    assert!(session.text().contains("no listener fits the filter"), "{}", session.text());
    session.press(KeyCode::Esc);
    session.keys("q");
    assert_eq!(session.done(), [Effect::Quit(Leave::Wanted)]);
}

#[test]
fn new_listeners_are_marked_and_gone_ones_struck() {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), (200, 60));
    session.keys("l");
    session.answer_all();
    let mut all = session.host.all_listeners.value().cloned().unwrap();
    all.remove(0);
    all.push(hosts::listener("0.0.0.0", 9000, 900));
    session.done();
    session.event(What::Changed(Change::Fact(Fact::AllListeners(known(all)))));
    session.answer_all();
    let text = session.text();
    assert!(text.contains("+ LISTEN 0.0.0.0:9000") && text.contains("- LISTEN 0.0.0.0:22"), "{text}");
    assert_eq!(wakes(&session.done()), [(5_000, Wake::Fade)]);
    session.now_ms += 5_000;
    session.event(What::Woke(Wake::Fade));
    assert!(session.text().contains("  LISTEN 0.0.0.0:9000"), "{}", session.text());
}

#[test]
fn enter_on_a_listener_diagnoses_its_port_and_all_listeners_are_one_key_away() {
    let mut session = Session::listening(hosts::loopback_only(), (80, 24));
    assert_eq!(session.done(), [Effect::Watch(Question::AllListeners)], "live, and nothing else is asked for");
    session.keys("/nginx");
    assert!(session.text().contains("/nginx"), "{}", session.text());
    session.press(KeyCode::Enter);
    session.press(KeyCode::Down);
    session.press(KeyCode::Enter);
    session.answer_all();
    assert!(session.done().contains(&Effect::Remember("[::1]:8080".into())));
    assert!(session.text().contains("OPEN: [::1]:8080 accepts connections"), "{}", session.text());
    session.keys("L");
    session.answer_all();
    assert_eq!(session.state.mode(), Mode::Table);
    session.keys("s");
    assert!(session.text().contains("by address"), "{}", session.text());
    session.keys("q");
    assert!(session.done().contains(&Effect::Quit(Leave::Wanted)));
}

#[test]
fn esc_takes_the_filter_of_all_listeners_away_and_does_not_leave() {
    let mut session = Session::listening(hosts::loopback_only(), (80, 24));
    session.keys("/nginx");
    session.press(KeyCode::Esc);
    session.press(KeyCode::Esc);
    assert!(session.text().contains("by port") && session.text().contains("sshd[812]"), "{}", session.text());
    assert!(!session.done().iter().any(|effect| matches!(effect, Effect::Quit(_))));
}

#[test]
fn a_new_journal_entry_is_seen_at_once() {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), (120, 40));
    let entry = Entry {
        at_us: 1_700_000_500_000_000,
        priority: 3,
        identifier: "nginx".into(),
        pid: 900,
        message: "bind() failed".into(),
    };
    session.event(What::Changed(Change::Fact(Fact::JournalEntry("nginx.service".into(), entry))));
    assert!(session.text().contains("22:21:40 nginx[900]: ERROR: bind() failed"), "{}", session.text());
}

#[test]
fn copying_copies_the_command_and_never_an_escape_sequence() {
    let mut session = refused();
    session.keys("y");
    assert_eq!(session.done().first(), Some(&Effect::Copy("systemctl status nginx.service".into())));
    session.keys("Y");
    assert_eq!(session.done().first(), Some(&Effect::Copy("systemctl start nginx.service".into())));
    let mut session = Session::answered(Some("8080"), hosts::hostile(), (120, 40));
    session.done();
    for keys in ["y", "ky", "Y"] {
        session.keys(keys);
        let effects = session.done();
        let copied = effects.iter().find_map(|e| if let Effect::Copy(text) = e { Some(text) } else { None });
        if let Some(text) = copied {
            assert!(text.lines().all(|line| unrefuse::text::line(line) == line), "{text:?}");
        }
    }
}

#[test]
fn a_recording_asks_nothing_and_says_what_it_does_not_hold() {
    let case = Case {
        target: Target::parse("8080").unwrap(),
        from: From::Unsaid,
        here: hosts::stopped_service(),
        client: None,
        behind: false,
    };
    let start = Start { open: Open::Recording(Box::new(case)), ..Start::default() };
    let mut session = Session::from_start(start, hosts::stopped_service(), (120, 40));
    assert_eq!(session.asked, []);
    assert!(session.text().contains("REFUSED: nginx.service is not running"), "{}", session.text());
    assert!(session.text().contains("recording"), "{}", session.text());
    session.keys("rRlg");
    assert_eq!((session.asked.len(), session.done().len()), (0, 0));
    let empty = Case::new(Target::parse("8080").unwrap(), From::Unsaid);
    let start = Start { open: Open::Recording(Box::new(empty)), ..Start::default() };
    let session = Session::from_start(start, hosts::stopped_service(), (120, 40));
    assert_eq!(session.asked, []);
    assert!(session.text().contains("not in the recording"), "{}", session.text());
}

#[test]
fn signals_and_keys_end_or_stop_it() {
    let mut session = refused();
    session.event(What::Signalled(Signal::Terminate));
    session.event(What::Signalled(Signal::Stop));
    session.event(What::Signalled(Signal::Continue));
    session.press_with(KeyCode::Char('z'), KeyModifiers::CONTROL);
    session.press_with(KeyCode::Char('l'), KeyModifiers::CONTROL);
    session.press_with(KeyCode::Char('c'), KeyModifiers::CONTROL);
    session.event(What::HungUp);
    let expected = [
        Effect::Quit(Leave::Signalled(Signal::Terminate)),
        Effect::Suspend,
        Effect::Redraw,
        Effect::StopJob,
        Effect::Redraw,
        Effect::Quit(Leave::Wanted),
        Effect::Quit(Leave::TerminalGone),
    ];
    assert_eq!(session.done(), expected);
}

#[test]
fn the_help_closes_on_any_command_and_scrolls() {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), (80, 24));
    session.keys("?");
    assert!(session.text().contains("Keys"));
    session.press(KeyCode::End);
    assert!(session.text().contains("the last attempts"), "{}", session.text());
    session.press(KeyCode::Esc);
    assert_eq!(session.state.mode(), Mode::Pane(unrefuse::app::chart::Focus::Chart));
}

/// Anything a user, a terminal or a host may do, in any order.
#[derive(Debug, Clone)]
enum Move {
    Key(char),
    Code(u8),
    Size(u16, u16),
    Answer(usize),
    Wait(u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        prop::sample::select("jkrRlLg/sytTab08?".chars().collect::<Vec<_>>()).prop_map(Move::Key),
        (0..10u8).prop_map(Move::Code),
        (1..220u16, 1..80u16).prop_map(|(w, h)| Move::Size(w, h)),
        (0..20usize).prop_map(Move::Answer),
        (0..9_000u16).prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..40)
}

const CODES: [KeyCode; 10] = [
    KeyCode::Up,
    KeyCode::Down,
    KeyCode::PageUp,
    KeyCode::PageDown,
    KeyCode::Home,
    KeyCode::End,
    KeyCode::Enter,
    KeyCode::Esc,
    KeyCode::Tab,
    KeyCode::Backspace,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_it(moves in moves(), hostile in any::<bool>(), picker in any::<bool>()) {
        let host = if hostile { hosts::hostile() } else { hosts::stopped_service() };
        let mut session = Session::start((!picker).then_some("8080"), host, (80, 24));
        for step in moves {
            match step {
                Move::Key(c) => session.press(KeyCode::Char(c)),
                Move::Code(code) => session.press(CODES[usize::from(code)]),
                Move::Size(width, height) => session.event(What::Resized(Size { width, height })),
                Move::Answer(index) if !session.asked.is_empty() => {
                    let (question, generation) = session.asked.remove(index % session.asked.len());
                    let fact = hosts::answer(&session.host, &question);
                    session.event(What::Arrived(Arrival { generation, fact }));
                }
                Move::Answer(_) => {}
                Move::Wait(ms) => {
                    session.now_ms += u64::from(ms);
                    for (_, wake) in wakes(&session.done()) {
                        session.event(What::Woke(wake));
                    }
                }
            }
            session.picture();
        }
    }
}

fn filtered() -> (unrefuse::facts::Facts, Question, Question) {
    use unrefuse::facts::ruleset::{Backend, ChainId, ChainRules, Family, Ruleset, TableId};
    let table = TableId { backend: Backend::Nftables, family: Family::Inet, name: "fw".into() };
    let chain = |name: &str| ChainId { table: table.clone(), name: name.into() };
    let mut host = hosts::stopped_service();
    host.ruleset = known(Ruleset::default());
    for name in ["a", "b"] {
        host.chains.insert(chain(name), known(ChainRules::default()));
    }
    (host, Question::ChainRules(chain("a")), Question::ChainRules(chain("b")))
}

#[test]
fn of_the_rules_only_what_changed_is_asked_again() {
    let (mut host, a, b) = filtered();
    let mut session = refused();
    for (chain, rules) in host.chains.clone() {
        session.event(What::Changed(Change::Fact(Fact::ChainRules(chain, rules))));
    }
    session.event(What::Changed(Change::Fact(Fact::Ruleset(host.ruleset.clone()))));
    session.answer_all();
    let watched: Vec<Effect> = session.done();
    assert!(watched.contains(&Effect::Watch(a.clone())) && watched.contains(&Effect::Watch(b.clone())), "{watched:?}");
    // One rule more in one chain.
    let Question::ChainRules(chain) = &a else { panic!("a chain") };
    let rule = unrefuse::facts::ruleset::Rule { handle: 7, exprs: Vec::new(), comment: None, text: None };
    let rules = unrefuse::facts::ruleset::ChainRules { generation: 2, rules: vec![rule], more: false };
    host.chains.insert(chain.clone(), known(rules));
    session.host = host;
    session.now_ms += 10_000;
    session.event(What::Changed(Change::Again(a.clone())));
    session.event(What::Changed(Change::Note("rules changed by nft[7]".into())));
    let asked: Vec<&Question> = session.asked.iter().map(|(question, _)| question).collect();
    assert_eq!(asked, [&a], "one chain, once");
    assert!(session.text().contains("rules changed by nft[7]"), "{}", session.text());
    session.answer_all();
    // The target is tried again, and the rules stay as they are known.
    let planned = wakes(&session.done());
    let [(wait, wake @ Wake::AfterChange(_))] = planned.as_slice() else { panic!("{planned:?}") };
    session.now_ms += wait;
    session.event(What::Woke(*wake));
    assert_eq!(dials(&session), 1);
    let rules = |q: &Question| matches!(q, Question::Ruleset | Question::ChainRules(_) | Question::Legacy);
    assert!(!session.asked.iter().any(|(question, _)| rules(question)), "{:?}", session.asked);
    session.answer_all();
    session.done();
    // The same rules told once more are no reason to try again, whatever they have counted.
    session.now_ms += 10_000;
    session.event(What::Changed(Change::Again(a)));
    session.answer_all();
    assert_eq!(wakes(&session.done()), []);
    session.keys("r");
    assert!(session.asked.iter().any(|(question, _)| *question == b), "the key looks at everything again");
}
