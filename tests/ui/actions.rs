//! The list of actions, the help, reports written to files, and what is said in passing.

use crossterm::event::{KeyCode, KeyModifiers};
use unrefuse::app::chart::Focus;
use unrefuse::app::event::{Effect, Wake, What};
use unrefuse::app::state::{Hint, Mode, Overlay, Screen};
use unrefuse::app::{Open, Start};
use unrefuse::facts::connect::Outcome;
use unrefuse::facts::{Case, Facts};
use unrefuse::target::{From, Target};

use crate::hosts;
use crate::pictures::harmless;
use crate::session::Session;
use crate::snapshot::check;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];

fn diagnosed(host: fn() -> Facts, size: (u16, u16)) -> Session {
    let mut session = Session::answered(Some("8080"), host(), size);
    session.done();
    session
}

fn recording() -> Session {
    let case = Case {
        target: Target::parse("8080").unwrap(),
        from: From::Unsaid,
        here: hosts::stopped_service(),
        client: None,
        behind: false,
    };
    let start = Start { open: Open::Recording(Box::new(case)), ..Start::default() };
    Session::from_start(start, Facts::default(), (120, 40))
}

#[test]
fn pictures_at_every_size() {
    for (width, height) in SIZES {
        let mut listed = diagnosed(hosts::stopped_service, (width, height));
        listed.keys(":");
        check(&format!("actions-{width}x{height}"), &listed.picture());
        let mut report = diagnosed(hosts::stopped_service, (width, height));
        report.keys("e");
        report.press(KeyCode::Down);
        check(&format!("export-{width}x{height}"), &report.picture());
        let mut copied = diagnosed(hosts::stopped_service, (width, height));
        copied.keys("y");
        check(&format!("toast-{width}x{height}"), &copied.picture());
        let mut first = diagnosed(hosts::stopped_service, (width, height));
        first.state.welcome();
        check(&format!("hint-{width}x{height}"), &first.picture());
    }
    for (width, height) in [(1, 1), (2, 3), (7, 5), (19, 9), (300, 100)] {
        for keys in [":", "e", "y"] {
            let mut session = diagnosed(hosts::hostile, (width, height));
            session.state.welcome();
            harmless(&session.picture(), "the hint");
            session.keys(keys);
            harmless(&session.picture(), keys);
        }
    }
}

#[test]
fn what_is_typed_into_the_list_filters_it_and_enter_does_it() {
    let mut session = diagnosed(hosts::stopped_service, (80, 24));
    session.keys(":");
    assert_eq!(session.state.mode(), Mode::Actions);
    session.keys("qrfu");
    assert_eq!((session.done(), session.state.mode()), (Vec::new(), Mode::Actions), "letters are text there");
    assert!(session.text().contains("nothing that works here is called that"), "{}", session.text());
    session.press(KeyCode::Enter);
    session.press_with(KeyCode::Char('u'), KeyModifiers::CONTROL);
    session.keys("journal");
    session.press(KeyCode::Enter);
    assert_eq!(session.state.mode(), Mode::Pane(Focus::Journal));
    session.press_with(KeyCode::Char('p'), KeyModifiers::CONTROL);
    session.press(KeyCode::Esc);
    assert_eq!(session.state.mode(), Mode::Pane(Focus::Journal));
    session.keys(":retes");
    session.click_on("retest: look");
    assert!(session.asked.len() > 3, "{:?}", session.asked);
}

#[test]
fn while_text_is_typed_elsewhere_the_list_opens_by_its_other_key() {
    let mut session = Session::answered(None, hosts::stopped_service(), (80, 24));
    session.keys(":");
    assert_eq!(session.state.mode(), Mode::Picker, "it is a part of an address there");
    session.press_with(KeyCode::Char('p'), KeyModifiers::CONTROL);
    assert!(session.text().contains("quit") && !session.text().contains("retest"), "{}", session.text());
}

#[test]
fn the_list_never_says_yes() {
    let mut session = diagnosed(hosts::stopped_service, (120, 40));
    session.keys("u:");
    assert!(!session.text().contains("yes: apply"), "{}", session.text());
    session.keys("yes");
    session.press(KeyCode::Enter);
    session.press(KeyCode::Enter);
    assert!(!session.effects.iter().any(|e| matches!(e, Effect::Apply { .. } | Effect::Undo)));
}

#[test]
fn the_help_shows_keys_that_work_now_and_no_others() {
    let shown = |session: &mut Session| {
        session.press(KeyCode::F(1));
        let mut text = session.text();
        session.press(KeyCode::End);
        text += &session.text();
        session.press(KeyCode::Esc);
        text
    };
    let mut session = diagnosed(hosts::stopped_service, (120, 80));
    let text = shown(&mut session);
    assert!(text.contains("retest: look") && text.contains("what can be done"), "{text}");
    for absent in ["hops to a target", "While typing", "A fix that asks", "show what is in the line", "on the left"] {
        assert!(!text.contains(absent), "{absent:?} in {text}");
    }
    session.keys("w");
    session.keys("u");
    let text = shown(&mut session);
    assert!(text.contains("yes: apply it") && !text.contains("retest: look"), "{text}");
    let mut open = diagnosed(hosts::all_open, (120, 80));
    assert!(!shown(&mut open).contains("what can be done"), "nothing is to be fixed");
    let mut recorded = recording();
    let text = shown(&mut recorded);
    assert!(!text.contains("retest") && !text.contains("undo the last") && text.contains("export"), "{text}");
    let mut picker = Session::answered(None, hosts::all_open(), (120, 80));
    let text = shown(&mut picker);
    assert!(text.contains("While typing") && !text.contains("sort the listeners"), "{text}");
}

#[test]
fn what_was_copied_is_said_for_some_seconds_and_no_longer() {
    let mut session = diagnosed(hosts::stopped_service, (120, 40));
    session.keys("y");
    let wakes = |session: &mut Session| -> Vec<Wake> {
        session
            .done()
            .iter()
            .filter_map(|e| if let Effect::WakeAfter(_, wake) = e { Some(*wake) } else { None })
            .collect()
    };
    let [first] = wakes(&mut session)[..] else { panic!("one wake") };
    assert!(session.text().contains("✔ copied: "), "{}", session.text());
    session.keys("Y");
    let [second] = wakes(&mut session)[..] else { panic!("one wake") };
    session.event(What::Woke(first));
    assert!(session.text().contains("✔ copied: systemctl start"), "the later one stays: {}", session.text());
    session.event(What::Woke(second));
    assert!(!session.text().contains("copied"), "{}", session.text());
}

#[test]
fn reports_are_written_as_every_kind_and_a_recording_can_be_read_again() {
    let export = |kind: usize| {
        let mut session = diagnosed(hosts::stopped_service, (120, 40));
        session.keys("e");
        for _ in 0..kind {
            session.press(KeyCode::Down);
        }
        session.press(KeyCode::Enter);
        assert_eq!(session.state.overlay, Overlay::None);
        let [Effect::Export { stem, extension, text }] = &session.done()[..] else { panic!("one file") };
        assert!(stem.starts_with("unrefuse-8080-2023"), "{stem}");
        ((*extension).to_owned(), text.clone())
    };
    let (extension, text) = export(0);
    assert!(extension == "txt" && text.contains("nginx.service is not running") && !text.contains('\u{1b}'), "{text}");
    let (extension, text) = export(1);
    assert!(extension == "md" && text.starts_with("# 8080: refused"), "{text}");
    let (extension, text) = export(2);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(extension == "json" && json["schema"] == "unrefuse.diagnosis/1", "{text}");
    let (extension, text) = export(3);
    let recording = unrefuse::facts::recording::Recording::parse(&text, "it").unwrap();
    assert!(extension == "recording.json" && recording.redacted);
    let start = Start { open: Open::Recording(Box::new(recording.elsewhere().case)), ..Start::default() };
    let session = Session::from_start(start, Facts::default(), (120, 40));
    let outcome = if let Screen::Chart(chart) = &session.state.screen { chart.diagnosis.outcome } else { None };
    assert_eq!(outcome, Some(Outcome::Refused), "{}", session.text());
}

#[test]
fn a_recording_that_is_shown_is_not_recorded_once_more() {
    let mut session = recording();
    session.keys("e");
    session.press(KeyCode::End);
    session.click_on("recording  the facts");
    assert_eq!(session.done(), []);
    assert!(session.text().contains("it is a recording already"), "{}", session.text());
}

#[test]
fn the_hint_is_remembered_at_once_and_goes_with_the_first_key_which_still_does_what_it_does() {
    let mut session = diagnosed(hosts::stopped_service, (120, 40));
    session.state.welcome();
    session.event(What::Exported(Ok("x.md".into())));
    assert!(session.done().contains(&Effect::Hinted));
    assert!(session.text().contains("For the first time here"));
    session.keys("g");
    assert_eq!((session.state.hint, session.state.mode()), (Hint::None, Mode::Pane(Focus::Journal)));
    assert!(!session.text().contains("For the first time here"));
}
