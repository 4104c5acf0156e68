//! The tree of rules.

use crossterm::event::KeyCode;
use unrefuse::app::chart::Learned;
use unrefuse::app::event::{Effect, Size, Wake, What};
use unrefuse::app::state::Screen;
use unrefuse::facts::{Fact, Facts, Question, Reading};

use crate::filters::{busier, chain, followed, long, moved, partly, rejected};
use crate::session::Session;
use crate::snapshot::check;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];

fn opened(size: (u16, u16)) -> Session {
    let mut session = followed(rejected(), size);
    session.keys("w");
    session.answer_all();
    session.done();
    session
}

#[test]
fn sources_are_parted() {
    for (width, height) in SIZES {
        let mut session = followed(partly(), (width, height));
        session.keys("w");
        session.answer_all();
        check(&format!("parted-{width}x{height}"), &session.picture());
    }
    let mut session = followed(partly(), (120, 40));
    session.keys("c203.0.113.7");
    session.press(KeyCode::Enter);
    session.keys("w");
    session.answer_all();
    let text = session.text();
    assert!(text.contains("✔ let in  203.0.113.7"), "{text}");
    let line = text.lines().find(|line| line.contains("decides")).unwrap_or_default();
    assert!(line.contains('✔'), "{text}");
}

#[test]
fn pictures_of_the_tree() {
    for (width, height) in SIZES {
        check(&format!("rules-{width}x{height}"), &opened((width, height)).picture());
    }
    let mut session = opened((80, 24));
    session.settings.theme.color = false;
    check("rules-no-color-80x24", &session.picture());
    session.settings.theme.ascii = true;
    let picture = session.picture();
    assert!(picture.content.iter().all(|cell| cell.symbol().is_ascii()));
    check("rules-ascii-80x24", &picture);
}

#[test]
fn the_line_that_decides_is_open_selected_and_said_in_words() {
    let session = opened((200, 60));
    let text = session.text();
    let line = text.lines().find(|line| line.contains("decides")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains('✘') && line.contains("tcp dport 8080 reject"), "{line}");
    assert!(text.contains("─ inet filter web handle 22"), "{text}");
    assert!(text.contains("not on this way  2 chains"), "{text}");
}

#[test]
fn rules_of_chains_that_are_not_on_the_way_are_asked_for_when_they_are_opened() {
    let mut session = opened((200, 60));
    session.press(KeyCode::End);
    session.press(KeyCode::Enter);
    let text = session.text();
    assert!(text.contains("▶ inet filter  2"), "{text}");
    assert!(session.asked.is_empty(), "{:?}", session.asked);
    session.press(KeyCode::Down);
    session.press(KeyCode::Right);
    session.keys("j");
    session.press(KeyCode::Enter);
    let asked: Vec<&Question> = session.asked.iter().map(|(question, _)| question).collect();
    assert_eq!(asked, [&Question::ChainRules(chain("forward"))], "{}", session.text());
}

#[test]
fn lines_close_and_lead_back_to_what_they_are_in() {
    let mut session = opened((120, 40));
    session.press(KeyCode::Left);
    assert!(session.text().contains("decides"), "it is only left: {}", session.text());
    session.press(KeyCode::Left);
    let text = session.text();
    assert!(text.contains("▶ ·") && !text.contains("decides"), "{text}");
    session.press(KeyCode::Right);
    assert!(session.text().contains("decides"));
    session.press(KeyCode::Esc);
    session.keys("w");
    assert!(session.text().contains("─ inet filter web handle 22"), "the one that decides is selected again");
}

#[test]
fn of_a_long_chain_only_what_is_near_the_way_is_shown_until_more_is_wanted() {
    let mut session = followed(long(10_000), (200, 60));
    session.keys("w");
    let text = session.text();
    assert!(text.contains("decides"), "{text}");
    assert!(text.contains("… 9,990 more rules") || text.contains("… 9,991 more rules"), "{text}");
    let lines = |session: &Session| match &session.state.screen {
        Screen::Chart(chart) => chart.rules.lines().len(),
        Screen::Picker(_) | Screen::Listeners(_) => 0,
    };
    assert!(lines(&session) < 60, "{}", lines(&session));
    for _ in 0..9 {
        session.press(KeyCode::Down);
    }
    session.press(KeyCode::Enter);
    assert!(lines(&session) > 9_000, "{}", session.text());
    session.press(KeyCode::End);
    session.press(KeyCode::Up);
    session.picture();
}

fn wakes(session: &mut Session) -> Vec<(u64, Wake)> {
    let wake = |e: Effect| if let Effect::WakeAfter(ms, wake) = e { Some((ms, wake)) } else { None };
    session.done().into_iter().filter_map(wake).collect()
}

#[test]
fn counters_on_the_screen_are_looked_at_again_while_they_are_there() {
    let mut session = followed(rejected(), (80, 24));
    assert!(wakes(&mut session).iter().all(|(_, wake)| !matches!(wake, Wake::Counters(_))), "not on the screen");
    session.keys("w");
    let planned = wakes(&mut session);
    session.answer_all();
    let [(1_000, wake @ Wake::Counters(_))] = planned[..] else { panic!("{planned:?}") };
    session.event(What::Woke(wake));
    let asked: Vec<Question> = session.asked.iter().map(|(question, _)| question.clone()).collect();
    assert_eq!(asked, [Question::ChainRules(chain("input")), Question::ChainRules(chain("web"))]);
    session.host = moved(rejected());
    session.answer_all();
    let line = session.text().lines().find(|line| line.contains("decides")).map(str::to_owned).unwrap_or_default();
    assert!(line.contains("15") && line.contains("+3"), "{}", session.text());
    // Away from the pane nothing is looked at.
    session.keys("g");
    session.answer_all();
    session.done();
    session.event(What::Woke(wake));
    assert!(session.asked.is_empty() && wakes(&mut session).is_empty());
}

#[test]
fn what_rules_have_counted_is_no_reason_to_diagnose_again() {
    let session = followed(rejected(), (80, 24));
    let Screen::Chart(chart) = &session.state.screen else { panic!("no chart") };
    let learned = |id: &str, facts: Facts| {
        let reading = facts.chains.get(&chain(id)).cloned().unwrap_or_default();
        chart.clone().learn(Fact::ChainRules(chain(id), reading), 1)
    };
    assert_eq!(learned("input", busier("input", 12, rejected())), Learned::Counts);
    assert_eq!(learned("web", busier("web", 21, rejected())), Learned::Counts);
    assert_eq!(learned("web", moved(rejected())), Learned::Little, "the rule that decides: its box says how often");
    assert_eq!(learned("web", partly()), Learned::Change, "another rule");
    let mut gone = rejected();
    gone.chains.insert(chain("web"), Reading::Denied { needs: "root".into() });
    assert_ne!(learned("web", gone), Learned::Counts);
}

#[test]
fn a_client_is_typed_and_its_way_is_shown() {
    let mut session = Session::answered(Some("8080"), rejected(), (80, 24));
    session.keys("c");
    assert!(session.text().contains("client    an address, any or here"), "{}", session.text());
    session.keys("10.0.0.0/8");
    session.press(KeyCode::Enter);
    assert!(session.text().contains("10.0.0.0/8 is a network"), "{}", session.text());
    session.press_with(KeyCode::Char('u'), crossterm::event::KeyModifiers::CONTROL);
    session.keys("203.0.113.7");
    session.press(KeyCode::Enter);
    session.answer_all();
    assert!(session.text().contains("from 203.0.113.7"), "{}", session.text());
    session.keys("cq");
    session.press(KeyCode::Esc);
    session.answer_all();
    assert!(session.text().contains("from any client"), "{}", session.text());
    session.keys("c203.0.113.7");
    session.press(KeyCode::Enter);
    session.keys("c");
    session.press(KeyCode::Enter);
    session.answer_all();
    assert!(session.text().contains("from any client"), "{}", session.text());
}

#[test]
fn hostile_names_of_chains_and_rules_stay_harmless() {
    for (width, height) in SIZES {
        let mut session = Session::answered(Some("8080"), crate::filters::hostile(), (width, height));
        session.keys("w");
        for key in [KeyCode::Home, KeyCode::Down, KeyCode::Enter, KeyCode::Down, KeyCode::Enter, KeyCode::End] {
            session.press(key);
            session.answer_all();
            crate::pictures::harmless(&session.picture(), &format!("{key:?} at {width}x{height}"));
        }
        session.keys("c\u{202e}");
        session.event(What::Pasted("\u{1b}]52;c;aa\u{7}\u{202e}".into()));
        session.press(KeyCode::Enter);
        crate::pictures::harmless(&session.picture(), "a client");
    }
}

#[test]
fn every_size_draws() {
    for mut session in [opened((80, 24)), opened((200, 60)), Session::answered(Some("8080"), rejected(), (80, 24))] {
        for width in (1..=300).step_by(23).chain([2, 3, 5, 28, 36, 44, 56, 59, 60, 84]) {
            for height in (1..=100).step_by(9).chain([2, 3, 5, 6, 8, 15, 16, 24]) {
                session.event(What::Resized(Size { width, height }));
                session.picture();
            }
        }
        session.keys("cweb1");
        session.press(KeyCode::Enter);
        for (width, height) in [(1, 1), (2, 1), (40, 2), (300, 100)] {
            session.event(What::Resized(Size { width, height }));
            session.picture();
        }
    }
}

#[test]
fn ten_thousand_open_rules_draw_quickly() {
    let mut session = followed(long(5_000), (200, 60));
    session.keys("w");
    session.press(KeyCode::Home);
    for _ in 0..60 {
        session.press(KeyCode::Right);
        session.press(KeyCode::Down);
    }
    session.press(KeyCode::End);
    let began = std::time::Instant::now();
    for _ in 0..20 {
        session.press(KeyCode::Up);
        session.picture();
    }
    let each = began.elapsed() / 20;
    println!("a frame with its update took {each:?}");
    let limit = if cfg!(debug_assertions) { 200 } else { 2 };
    assert!(each.as_millis() < limit, "{each:?}");
}
