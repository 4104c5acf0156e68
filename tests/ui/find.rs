//! Finding a text in the rules, in the journal and in what a box says.

use crossterm::event::KeyCode;
use ratatui::style::Modifier;
use unrefuse::app::What;
use unrefuse::app::chart::{Chart, Focus};
use unrefuse::app::state::{Mode, Screen};
use unrefuse::facts::Fact;
use unrefuse::facts::journal::Entry;
use unrefuse::sources::live::Change;

use crate::filters;
use crate::hosts;
use crate::pictures::harmless;
use crate::session::Session;
use crate::snapshot::check;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];

fn chart(session: &Session) -> &Chart {
    let Screen::Chart(chart) = &session.state.screen else { panic!("a chart") };
    chart
}

fn detail(size: (u16, u16)) -> Session {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), size);
    session.press(KeyCode::Enter);
    session.done();
    session
}

/// How many cells of these letters are shown as found.
fn lit(session: &Session, letter: &str) -> usize {
    let cells = session.picture();
    let found = cells.content.iter().filter(|cell| cell.modifier.contains(Modifier::REVERSED.union(Modifier::BOLD)));
    found.filter(|cell| cell.symbol().to_lowercase() == letter).count()
}

#[test]
fn pictures_at_every_size() {
    for (width, height) in SIZES {
        let mut session = detail((width, height));
        session.keys("/systemctl");
        check(&format!("find-{width}x{height}"), &session.picture());
    }
}

#[test]
fn what_is_typed_is_lit_and_enter_and_n_go_from_line_to_line() {
    let mut session = detail((80, 24));
    session.keys("/");
    assert_eq!(session.state.mode(), Mode::Find);
    session.keys("SYSTEMCTL");
    assert_eq!((session.done(), session.state.mode()), (Vec::new(), Mode::Find), "letters are text there");
    assert!(lit(&session, "y") >= 2, "{}", session.text());
    session.press(KeyCode::Enter);
    assert_eq!(session.state.mode(), Mode::Pane(Focus::Detail));
    let at = |session: &Session| chart(session).find.as_ref().and_then(|find| find.at);
    let first = at(&session).expect("found");
    let mut met = vec![first];
    for _ in 0..20 {
        session.keys("n");
        met.push(at(&session).expect("found"));
    }
    let again = met.iter().skip(1).position(|line| *line == first).expect("it comes around");
    assert!(again > 0 && met.windows(2).take(again).all(|pair| pair[0] < pair[1]), "{met:?}");
    session.keys("N");
    assert_eq!(at(&session), met.get(19).copied(), "and back");
    session.press(KeyCode::Esc);
    assert_eq!((lit(&session, "y"), chart(&session).focus), (0, Focus::Detail), "Esc ends it first");
    session.press(KeyCode::Esc);
    assert_eq!(chart(&session).focus, Focus::Chart);
}

#[test]
fn what_is_not_there_is_said_and_nothing_moves() {
    let mut session = detail((80, 24));
    let top = chart(&session).detail_top;
    session.keys("/zebra");
    session.press(KeyCode::Enter);
    assert!(session.text().contains("no line here holds \"zebra\""), "{}", session.text());
    assert_eq!(chart(&session).detail_top, top);
    session.keys("/");
    session.press(KeyCode::Enter);
    assert!(chart(&session).find.is_none(), "an empty text finds nothing");
    session.keys("n");
    assert!(session.text().contains("/ and a text finds it first"), "{}", session.text());
}

#[test]
fn a_rule_is_found_and_selected() {
    let mut session = filters::followed(filters::rejected(), (120, 40));
    session.keys("w");
    session.answer_all();
    session.press(KeyCode::Home);
    session.keys("/dport 8080");
    session.press(KeyCode::Enter);
    let first = chart(&session).rules.cursor();
    assert!(session.text().lines().any(|line| line.contains("dport 8080")), "{}", session.text());
    session.keys("N");
    session.keys("n");
    assert_eq!(chart(&session).rules.cursor(), first);
    session.keys("/");
    session.press(KeyCode::Esc);
    assert_eq!(session.state.mode(), Mode::Pane(Focus::Rules));
}

/// A unit whose journal has 300 entries: each tenth a warning, each hundredth an error.
fn journal(size: (u16, u16)) -> Session {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), size);
    for nth in 1..=300_u64 {
        let (priority, message) = match nth {
            nth if nth % 100 == 0 => (3, format!("no room for {nth}")),
            nth if nth % 10 == 0 => (4, format!("little room for {nth}")),
            nth => (6, format!("did {nth}")),
        };
        let at_us = 1_700_000_500_000_000 + nth;
        let entry = Entry { at_us, priority, identifier: "nginx".into(), pid: 900, message };
        session.event(What::Changed(Change::Fact(Fact::JournalEntry("nginx.service".into(), entry))));
    }
    session.keys("g");
    session.answer_all();
    session
}

#[test]
fn an_entry_of_the_journal_is_found_the_last_one_first() {
    for size in SIZES {
        let mut session = journal(size);
        session.keys("/no room");
        session.press(KeyCode::Enter);
        assert!(session.text().contains("no room for 300"), "{}", session.text());
        assert!(lit(&session, "r") >= 1, "{}", session.text());
        session.keys("N");
        assert!(session.text().contains("no room for 200"), "{}", session.text());
        session.keys("nn");
        assert!(session.text().contains("no room for 100"), "around the end: {}", session.text());
    }
}

#[test]
fn only_warnings_and_worse_are_left() {
    let mut session = journal((120, 40));
    session.keys("v");
    let text = session.text();
    assert!(text.contains("warnings and worse") && text.contains("ERROR: no room for 300"), "{text}");
    assert!(text.contains("WARNING: little room for 290") && !text.contains("did 299"), "{text}");
    session.keys("/little room for 10");
    session.press(KeyCode::Enter);
    assert!(session.text().contains("little room for 10"), "{}", session.text());
    session.keys("v");
    assert!(session.text().contains("did 299"), "{}", session.text());
}

#[test]
fn elsewhere_the_same_key_filters_the_listeners() {
    let mut session = Session::answered(Some("8080"), hosts::stopped_service(), (120, 40));
    session.keys("/");
    assert_eq!(session.state.mode(), Mode::Filter);
}

#[test]
fn whatever_is_looked_for_in_a_hostile_host_nothing_hostile_is_drawn() {
    for text in ["\u{202e}", "e", " ", "\u{1b}", "データ", "[2J"] {
        for size in [(1, 1), (20, 6), (80, 24), (120, 40)] {
            let mut session = Session::answered(Some("8080"), hosts::hostile(), size);
            session.press(KeyCode::Enter);
            session.keys("/");
            session.event(What::Pasted(text.into()));
            session.keys(text);
            harmless(&session.picture(), "typed");
            session.press(KeyCode::Enter);
            session.keys("nnN");
            harmless(&session.picture(), "found");
        }
    }
}
