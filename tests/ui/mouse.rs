//! The mouse: what is under it is what is drawn there, and nothing is ever applied by it.

use crossterm::event::{KeyCode, MouseButton, MouseEventKind};
use proptest::prelude::*;
use unrefuse::app::chart::Focus;
use unrefuse::app::event::{Effect, Leave, Size, What};
use unrefuse::app::fixing::Stage;
use unrefuse::app::pointer::Mouse;
use unrefuse::app::state::{Overlay, Screen};
use unrefuse::diagnose::chart::BoxId;
use unrefuse::facts::{Facts, Reading};

use crate::hosts;
use crate::pictures::harmless;
use crate::session::Session;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];
const DOWN: MouseEventKind = MouseEventKind::ScrollDown;
const UP: MouseEventKind = MouseEventKind::ScrollUp;

fn diagnosed(host: fn() -> Facts, size: (u16, u16)) -> Session {
    let mut session = Session::answered(Some("8080"), host(), size);
    session.done();
    session
}

fn chart(session: &Session) -> (BoxId, Focus) {
    let Screen::Chart(chart) = &session.state.screen else { panic!("a chart:\n{}", session.text()) };
    (chart.selected(), chart.focus)
}

#[test]
fn a_click_selects_the_box_that_is_drawn_there_and_another_one_opens_it() {
    for size in SIZES {
        let mut session = diagnosed(hosts::loopback_only, size);
        session.click_on("6 Policy");
        assert_eq!(chart(&session), (BoxId::Policy, Focus::Chart), "{}", session.text());
        session.click_on("2 Service");
        assert_eq!(chart(&session), (BoxId::Service, Focus::Chart), "{}", session.text());
        session.click_on("2 Service");
        assert_eq!(chart(&session), (BoxId::Service, Focus::Detail), "{}", session.text());
    }
}

/// Every box that has a place: a click on its head selects it, wherever it stands.
#[test]
fn every_box_is_where_it_is_drawn() {
    for size in [(80, 24), (120, 40), (150, 48), (200, 60), (300, 100)] {
        for (id, number) in BoxId::ALL.into_iter().skip(1).zip(1..) {
            let mut session = diagnosed(hosts::loopback_only, size);
            session.click_on(&format!(" {number} {}", id.question().get(..12).unwrap()));
            assert_eq!(chart(&session).0, id, "{}", session.text());
        }
    }
}

#[test]
fn words_of_the_bottom_line_do_what_their_keys_do() {
    let mut session = diagnosed(hosts::stopped_service, (120, 40));
    session.click_on_word("rules");
    assert_eq!(chart(&session).1, Focus::Rules);
    session.click_on_word("listeners ");
    assert_eq!(chart(&session).1, Focus::Listeners);
    session.press(KeyCode::Esc);
    session.click_on_word("help");
    assert!(matches!(session.state.overlay, Overlay::Page(..)));
    session.click((0, 0));
    assert_eq!(session.state.overlay, Overlay::None, "a click beside a page closes it");
    session.click_on_word("quit");
    assert_eq!(session.done().last(), Some(&Effect::Quit(Leave::Wanted)));
}

#[test]
fn rows_of_tables_and_lines_of_rules_are_selected_and_opened() {
    let mut session = Session::listening(hosts::loopback_only(), (80, 24));
    session.click_on("127.0.0.1:8080");
    let Screen::Listeners(all) = &session.state.screen else { panic!("the table") };
    assert_eq!(all.table.chosen().map(|row| row.address.clone()).as_deref(), Some("127.0.0.1:8080"));
    session.click_on("127.0.0.1:8080");
    assert!(matches!(session.state.screen, Screen::Chart(_)));
    let mut session = Session::answered(None, hosts::loopback_only(), (80, 24));
    let (x, y) = session.place("db1:5432");
    session.click((x, y + 1));
    assert!(matches!(&session.state.screen, Screen::Picker(picker) if picker.chosen().as_deref() == Some("nginx")));
    session.click((x, y + 1));
    assert!(matches!(&session.state.screen, Screen::Chart(chart) if chart.case.target.input == "nginx"));
}

#[test]
fn the_wheel_scrolls_what_is_under_it_and_leaves_the_keys_where_they_are() {
    let mut session = diagnosed(hosts::hostile, (80, 24));
    session.press(KeyCode::Enter);
    session.press(KeyCode::Home);
    let top = |session: &Session| match &session.state.screen {
        Screen::Chart(chart) => chart.detail_top,
        Screen::Picker(_) | Screen::Listeners(_) => panic!("a chart"),
    };
    session.press(KeyCode::Esc);
    session.mouse(DOWN, (60, 12));
    assert_eq!((top(&session), chart(&session).1), (session.state.shown.detail.last_top().min(3), Focus::Chart));
    session.mouse(UP, (60, 12));
    assert_eq!(top(&session), 0);
    let mut session = Session::listening(hosts::crowded(500), (80, 24));
    for _ in 0..4 {
        session.mouse(DOWN, (10, 12));
    }
    let Screen::Listeners(all) = &session.state.screen else { panic!("the table") };
    assert_eq!((all.table.top, all.table.cursor), (12, 12), "the selection stays on the screen");
    session.keys("?");
    session.mouse(DOWN, (40, 12));
    assert_eq!(session.state.overlay, Overlay::Page(unrefuse::app::state::Page::Help, 3));
}

fn fixes() -> Session {
    let mut host = hosts::stopped_service();
    if let Reading::Known(host) = &mut host.host {
        host.value.uid = 0;
    }
    let mut session = Session::answered(Some("8080"), host, (120, 40));
    session.keys("f");
    let number = |effect: &Effect| if let Effect::Prepare(_, number) = effect { Some(*number) } else { None };
    let number = session.effects.iter().rev().find_map(number).expect("it was read");
    session.event(What::Prepared(number, Ok(vec!["nginx.service: stopped → running".into()])));
    session
}

fn changes(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Apply { .. } | Effect::Undo | Effect::Answer(_)))
}

#[test]
fn a_click_on_yes_applies_nothing_and_says_why() {
    let mut session = fixes();
    session.press(KeyCode::Enter);
    let stage = |session: &Session| session.state.fixing.as_ref().map(|fixing| fixing.stage.clone());
    assert_eq!(stage(&session), Some(Stage::Asking));
    session.click_on_word("y yes");
    assert_eq!(stage(&session), Some(Stage::Asking));
    assert!(session.text().contains("a click applies nothing"), "{}", session.text());
    session.click((1, 1));
    session.click_on_word("n no");
    assert_eq!(stage(&session), Some(Stage::Choosing));
    assert!(!changes(&session.done()));
}

fn copies(effects: &[Effect]) -> Vec<String> {
    effects.iter().filter_map(|e| if let Effect::Copy(text) = e { Some(text.clone()) } else { None }).collect()
}

#[test]
fn what_is_dragged_over_is_marked_within_its_pane_and_copied() {
    let mut session = diagnosed(hosts::stopped_service, (120, 40));
    let (x, y) = session.place("$ systemctl start");
    session.mouse(MouseEventKind::Down(MouseButton::Left), (x + 2, y));
    session.mouse(MouseEventKind::Drag(MouseButton::Left), (x + 10, y));
    let marked = session.picture();
    assert!(marked[(x + 5, y)].modifier.contains(ratatui::style::Modifier::REVERSED));
    session.mouse(MouseEventKind::Drag(MouseButton::Left), (119, y));
    session.mouse(MouseEventKind::Up(MouseButton::Left), (119, y));
    assert_eq!(copies(&session.done()), ["systemctl start nginx.service"]);
    assert!(session.state.marked.is_none());
    session.mouse(MouseEventKind::Down(MouseButton::Left), (x + 2, y));
    session.mouse(MouseEventKind::Drag(MouseButton::Left), (0, 0));
    session.mouse(MouseEventKind::Up(MouseButton::Left), (0, 0));
    let [text] = &copies(&session.done())[..] else { panic!("copied once") };
    assert!(!text.contains('│') && !text.contains('┌'), "it stays in the pane: {text}");
}

#[test]
fn the_key_leaves_the_mouse_to_the_terminal_and_takes_it_again() {
    let mut session = diagnosed(hosts::stopped_service, (80, 24));
    session.keys("m");
    assert_eq!(session.done(), [Effect::Mouse(Mouse::Terminals)]);
    session.click_on("6 Policy");
    session.mouse(DOWN, (5, 10));
    assert_eq!(chart(&session).0, BoxId::Service, "nothing of it is ours");
    session.keys("m");
    assert_eq!(session.done(), [Effect::Mouse(Mouse::Ours)]);
}

/// Anything that can be done with keys and the mouse, but for saying yes.
#[derive(Debug, Clone)]
enum Move {
    Key(char),
    Code(KeyCode),
    Mouse(u8, u16, u16),
    Size(u16, u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let keys: Vec<char> = (' '..='~').filter(|c| *c != 'y').collect();
    let codes = [KeyCode::Enter, KeyCode::Esc, KeyCode::Up, KeyCode::Down, KeyCode::Tab, KeyCode::End];
    let one = prop_oneof![
        2 => prop::sample::select(keys).prop_map(Move::Key),
        2 => prop::sample::select(codes.to_vec()).prop_map(Move::Code),
        6 => (0..6u8, 0..130u16, 0..45u16).prop_map(|(kind, x, y)| Move::Mouse(kind, x, y)),
        1 => (1..300u16, 1..100u16).prop_map(|(w, h)| Move::Size(w, h)),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_clicked_and_typed_nothing_is_applied_without_the_key_that_says_yes(moves in moves(), fix in any::<bool>()) {
        let mut session = if fix { fixes() } else { diagnosed(hosts::hostile, (80, 24)) };
        for step in moves {
            match step {
                Move::Key(c) => session.keys(&c.to_string()),
                Move::Code(code) => session.press(code),
                Move::Size(width, height) => session.event(What::Resized(Size { width, height })),
                Move::Mouse(0, x, y) => session.mouse(DOWN, (x, y)),
                Move::Mouse(1, x, y) => session.mouse(UP, (x, y)),
                Move::Mouse(2, x, y) => session.mouse(MouseEventKind::Drag(MouseButton::Left), (x, y)),
                Move::Mouse(3, x, y) => session.mouse(MouseEventKind::Down(MouseButton::Left), (x, y)),
                Move::Mouse(_, x, y) => session.click((x, y)),
            }
            harmless(&session.picture(), "clicks");
        }
        prop_assert!(!changes(&session.done()));
    }
}
