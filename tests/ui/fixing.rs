//! The guided loop: what each stage looks like, and that nothing is ever applied by a single key.

use crossterm::event::KeyCode;
use unrefuse::app::What;
use unrefuse::app::event::Effect;
use unrefuse::app::fixing::{End, Stage};
use unrefuse::apply::{Answer, Progress};
use unrefuse::facts::connect::Outcome;
use unrefuse::facts::{Facts, Reading};

use crate::hosts;
use crate::session::Session;
use crate::snapshot::check;

const SIZES: [(u16, u16); 4] = [(40, 15), (80, 24), (120, 40), (200, 60)];

/// A stopped service, as root sees it.
fn stopped() -> Facts {
    let mut facts = hosts::stopped_service();
    if let Reading::Known(host) = &mut facts.host {
        host.value.uid = 0;
    }
    facts
}

/// The number that the chosen plan was asked about with; 0 where it was not.
fn asked(session: &Session) -> u64 {
    let number = |effect: &Effect| if let Effect::Prepare(_, number) = effect { Some(*number) } else { None };
    session.effects.iter().rev().find_map(number).unwrap_or(0)
}

fn shown(size: (u16, u16)) -> Session {
    let mut session = Session::answered(Some("8080"), stopped(), size);
    session.keys("f");
    let number = asked(&session);
    let diff = "--- /etc/shop.conf\n+++ /etc/shop.conf\n@@ -1,3 +1,3 @@\n # shop\n-port 1\n+port 8080\n end\n";
    let preview = vec![diff.to_owned(), "whether shop.service runs: stopped → running".to_owned()];
    session.event(What::Prepared(number, Ok(preview)));
    session
}

fn running(size: (u16, u16)) -> Session {
    let mut session = shown(size);
    session.press(KeyCode::Enter);
    session.keys("y");
    let armed = Progress::Armed { entry: 7, guard: "a transient unit of systemd".into() };
    session.event(What::Fixing(armed));
    session.event(What::Fixing(Progress::Doing("whether shop.service runs: stopped → running".into())));
    session
}

fn confirming(size: (u16, u16)) -> Session {
    let mut session = running(size);
    session.event(What::Fixing(Progress::Retesting));
    let retested = Progress::Retested { outcome: Outcome::Open, how: "both".into(), green: true };
    session.event(What::Fixing(retested));
    session.event(What::Fixing(Progress::Confirm { seconds: 60 }));
    session
}

fn put_back(size: (u16, u16)) -> Session {
    let mut session = running(size);
    session.event(What::Fixing(Progress::Reverting { why: "it did not help: the target is refused".into() }));
    let left = vec!["/etc/shop.conf: somebody changed it since; it is left as it is".to_owned()];
    session.event(What::Fixed(End::Reverted("it did not help: the target is refused".into(), left)));
    session
}

#[test]
fn every_stage_at_every_size() {
    for (width, height) in SIZES {
        let size = (width, height);
        for (name, session) in
            [("choosing", shown(size)), ("confirming", confirming(size)), ("put-back", put_back(size))]
        {
            check(&format!("fix-{name}-{width}x{height}"), &session.picture());
        }
    }
}

fn applies(session: &Session) -> usize {
    session.effects.iter().filter(|effect| matches!(effect, Effect::Apply { .. } | Effect::Undo)).count()
}

#[test]
fn nothing_is_applied_by_a_single_key() {
    let mut session = shown((120, 40));
    for key in ('a'..='z').chain('A'..='Z').filter(|key| *key != 'q') {
        session.keys(&key.to_string());
    }
    assert_eq!(applies(&session), 0, "not while choosing");
    let mut session = shown((120, 40));
    session.press(KeyCode::Enter);
    session.press(KeyCode::Enter);
    assert_eq!(applies(&session), 0, "Enter twice is not yes");
    session.keys("y");
    assert_eq!(applies(&session), 1);
    session.keys("y");
    assert_eq!(applies(&session), 1, "once");
    let mut session = Session::answered(Some("8080"), stopped(), (120, 40));
    session.keys("u");
    assert_eq!(applies(&session), 0);
    session.keys("n");
    session.keys("uy");
    assert_eq!(applies(&session), 1);
}

#[test]
fn who_leaves_while_a_change_is_pending_is_asked() {
    let mut session = confirming((80, 24));
    session.done();
    session.keys("q");
    session.press(KeyCode::Esc);
    assert!(session.done().iter().all(|effect| !matches!(effect, Effect::Quit(_))));
    assert!(session.state.notice.as_ref().is_some_and(|notice| notice.contains("pending")));
    session.keys("n");
    assert!(session.done().contains(&Effect::Answer(Answer::Revert)));
    session.event(What::Fixed(End::Reverted("somebody said so".into(), Vec::new())));
    session.press(KeyCode::Enter);
    assert!(session.state.fixing.is_none());
    session.keys("q");
    assert!(session.done().iter().any(|effect| matches!(effect, Effect::Quit(_))));
}

#[test]
fn words_that_come_late_do_not_reopen_what_is_over() {
    let mut session = put_back((80, 24));
    session.event(What::Fixing(Progress::Reverting { why: "late".into() }));
    let stage = session.state.fixing.as_ref().map(|fixing| fixing.stage.clone());
    assert!(matches!(stage, Some(Stage::Ended(_))));
}

#[test]
fn who_may_not_change_the_host_is_asked_for_a_password_elsewhere() {
    let mut facts = stopped();
    if let Reading::Known(host) = &mut facts.host {
        host.value.uid = 1000;
    }
    let mut session = Session::answered(Some("8080"), facts, (120, 40));
    session.keys("f");
    let number = asked(&session);
    session.event(What::Prepared(number, Ok(vec!["x".into()])));
    session.press(KeyCode::Enter);
    assert!(session.text().contains("as root: a password may be asked for"), "{}", session.text());
    session.keys("y");
    assert_eq!(applies(&session), 1);
    for (asking, turn) in [(true, Effect::LendTerminal), (false, Effect::TakeTerminal)] {
        session.event(What::Asking(asking));
        assert!(session.effects.contains(&turn), "{turn:?}");
    }
    let refused = "sudo did not let it through\nby hand, as root: unrefuse fix 8080 --plan x";
    session.event(What::Fixed(End::Failed(refused.into())));
    assert!(session.text().contains("by hand, as root: unrefuse fix 8080"), "{}", session.text());
}
