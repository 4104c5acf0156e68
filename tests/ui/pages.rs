//! What can be read over the screen, both ends of a connection, and the guide.

use std::time::Duration;

use crossterm::event::KeyCode;
use unrefuse::app::ends::Again;
use unrefuse::app::event::{Effect, Wake, What};
use unrefuse::app::state::Screen;
use unrefuse::app::{Open, Start};
use unrefuse::error::Error;
use unrefuse::facts::connect::{Endpoint, Outcome};
use unrefuse::facts::path::{End, EndAnswer, Hop, Path};
use unrefuse::facts::{Case, Facts, Question};
use unrefuse::target::{From, Target};

use crate::hosts::{self, known};
use crate::pictures::harmless;
use crate::session::Session;
use crate::snapshot::check;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];
const ELSEWHERE: &str = "192.0.2.9:443";

/// A host whose way to another is known.
fn with_hops() -> Facts {
    let mut facts = hosts::stopped_service();
    let at: std::net::SocketAddr = ELSEWHERE.parse().unwrap();
    let dial = hosts::dial(at.ip(), at.port(), Outcome::Refused);
    facts.dials.insert(dial.to.clone(), known(dial));
    let hop = |distance, from: Option<&str>, ms: u64| Hop {
        distance,
        from: from.map(|ip| ip.parse().unwrap()),
        after: from.map(|_| Duration::from_millis(ms)),
    };
    let hops = vec![hop(1, Some("10.2.0.1"), 1), hop(2, None, 0), hop(3, Some("198.51.100.7"), 12)];
    let end = Some(End { distance: 4, answer: EndAnswer::Reset, after: Duration::from_millis(13) });
    let path = Path { to: at, hops, end, control: None, probes: 9 };
    facts.paths.insert(Endpoint::Tcp(at), known(path));
    facts
}

fn hops(size: (u16, u16)) -> Session {
    let mut session = Session::answered(Some(ELSEWHERE), with_hops(), size);
    session.keys("p");
    session.answer_all();
    session
}

#[test]
fn pages_at_every_size() {
    for (width, height) in SIZES {
        let mut explained = Session::answered(Some("8080"), hosts::loopback_only(), (width, height));
        explained.keys("x");
        check(&format!("explain-{width}x{height}"), &explained.picture());
        check(&format!("hops-{width}x{height}"), &hops((width, height)).picture());
        let mut tried = Session::answered(Some("8080"), hosts::loopback_only(), (width, height));
        tried.press(KeyCode::Home);
        check(&format!("symptom-{width}x{height}"), &tried.picture());
    }
}

#[test]
fn every_box_is_explained_with_values_of_this_host_and_nothing_hostile_gets_through() {
    for (width, height) in SIZES {
        let mut session = Session::answered(Some("8080"), hosts::hostile(), (width, height));
        session.press(KeyCode::Home);
        for _ in 0..9 {
            session.keys("x");
            harmless(&session.picture(), "explained");
            session.press(KeyCode::Esc);
            session.press(KeyCode::Down);
        }
    }
    let mut session = Session::answered(Some("8080"), hosts::loopback_only(), (120, 40));
    session.keys("x");
    let text = session.text();
    assert!(text.contains("$ ss -ltnp 'sport = :8080'") && text.contains("127.0.0.1:8080, [::1]:8080"), "{text}");
    assert!(text.contains("unrefuse explain bind-loopback-only"), "{text}");
}

#[test]
fn hops_are_looked_at_again_slowly_counted_and_only_while_they_are_shown() {
    let mut session = Session::answered(Some(ELSEWHERE), with_hops(), (120, 40));
    session.done();
    session.keys("p");
    let asked = |session: &Session| session.asked.iter().filter(|(q, _)| matches!(q, Question::Path(_))).count();
    assert_eq!(asked(&session), 1);
    session.answer_all();
    let wake = |session: &mut Session| -> Vec<(u64, Wake)> {
        let of_hops =
            |effect| if let Effect::WakeAfter(ms, wake @ Wake::Hops(_)) = effect { Some((ms, wake)) } else { None };
        session.done().into_iter().filter_map(of_hops).collect()
    };
    let [(30_000, first)] = wake(&mut session)[..] else { panic!("one look is planned") };
    let before = looks(&session);
    session.event(What::Woke(first));
    assert_eq!(asked(&session), 1);
    session.answer_all();
    assert_eq!(looks(&session), before + 1);
    assert!(session.text().contains("packets sent"), "{}", session.text());
    let [(30_000, second)] = wake(&mut session)[..] else { panic!("the next look is planned") };
    session.press(KeyCode::Esc);
    session.event(What::Woke(second));
    assert_eq!((asked(&session), wake(&mut session).len()), (0, 0), "nothing once it is closed");
    let mut local = Session::answered(Some("8080"), hosts::loopback_only(), (120, 40));
    local.keys("p");
    assert!(local.state.notice.is_some() && asked(&local) == 0);
}

fn looks(session: &Session) -> u32 {
    let Screen::Chart(chart) = &session.state.screen else { panic!("a chart") };
    chart.hops.looks
}

fn both(outcome: Outcome) -> Case {
    let target = || Target::parse("10.2.0.2:8080").unwrap();
    let mut client = Case::new(target(), From::Here);
    let dial = hosts::dial(hosts::OUTSIDE, 8080, outcome);
    client.here.dials.insert(dial.to.clone(), known(dial));
    let mut case = Case::new(target(), From::Any);
    case.here = hosts::stopped_service();
    case.client = Some(Box::new(client));
    case
}

#[test]
fn both_ends_are_asked_again_by_a_key_one_look_at_a_time() {
    let again = Again::new(|_| async { Err(Error::broken("never asked here")) });
    let start =
        Start { open: Open::Recording(Box::new(both(Outcome::Refused))), again: Some(again), ..Start::default() };
    let mut session = Session::from_start(start, Facts::default(), (120, 40));
    assert!(session.text().contains("both ends"), "{}", session.text());
    session.done();
    session.keys("rr");
    let looks = session.done().iter().filter(|effect| **effect == Effect::LookAtBothEnds).count();
    assert_eq!(looks, 1);
    assert!(session.text().contains("asking both ends"), "{}", session.text());
    session.event(What::Looked(Err("ssh was refused".into())));
    assert_eq!(session.state.notice.as_deref(), Some("ssh was refused"));
    session.keys("r");
    session.event(What::Looked(Ok(Box::new(both(Outcome::Open)))));
    let text = session.text();
    assert!(text.contains("tried again: open; it was refused before"), "{text}");
}

#[test]
fn a_recording_of_both_ends_says_that_nothing_can_be_asked_again() {
    let start = Start { open: Open::Recording(Box::new(both(Outcome::Refused))), ..Start::default() };
    let mut session = Session::from_start(start, Facts::default(), (120, 40));
    session.keys("r");
    assert!(session.state.notice.as_ref().is_some_and(|notice| notice.contains("recording")));
}

#[test]
fn right_and_left_go_to_the_boxes_beside_and_to_the_detail() {
    use unrefuse::app::chart::Focus;
    use unrefuse::diagnose::chart::BoxId;
    let place = |session: &Session| {
        let Screen::Chart(chart) = &session.state.screen else { panic!("a chart") };
        (chart.selected(), chart.focus)
    };
    let mut session = Session::answered(Some("8080"), hosts::loopback_only(), (200, 60));
    assert_eq!(place(&session).0, BoxId::Listener);
    session.press(KeyCode::Right);
    assert_eq!(place(&session), (BoxId::Wrappers, Focus::Chart));
    session.press(KeyCode::Left);
    assert_eq!(place(&session), (BoxId::Listener, Focus::Chart));
    session.press(KeyCode::Left);
    assert_eq!(place(&session), (BoxId::Listener, Focus::Chart));
    let mut session = Session::answered(Some("8080"), hosts::loopback_only(), (80, 24));
    session.press(KeyCode::Right);
    assert_eq!(place(&session), (BoxId::Listener, Focus::Detail));
}
