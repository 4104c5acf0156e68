//! Plain mode without a terminal: what is told and asked, for made-up hosts and recordings.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use unrefuse::app::event::{Size, Wake, What};
use unrefuse::app::fixing::End;
use unrefuse::app::{Effect, Event, Open, Start, State, conclude, update};
use unrefuse::apply::{Answer, Progress};
use unrefuse::facts::connect::Outcome;
use unrefuse::facts::recording::Recording;
use unrefuse::facts::{Fact, Facts, Question, Reading};
use unrefuse::plain::{Plain, Style};
use unrefuse::sources::Arrival;
use unrefuse::sources::live::Change;
use unrefuse::target::Target;

use crate::hosts::{self, NOW_MS, answer, known};

/// A session: everything that was written, and every effect that was no question.
struct Session {
    plain: Plain,
    state: State,
    host: Facts,
    now_ms: u64,
    text: String,
    effects: Vec<Effect>,
    asked: Vec<(Question, u64)>,
}

impl Session {
    fn start(open: Open, host: Facts) -> Self {
        let start = Start { open, ..Start::default() };
        let state = State::new(start, vec!["db1:5432".into()], Size { width: 80, height: 24 }, NOW_MS);
        let plain = Plain::new(Style { zone: TimeZone::UTC, ascii: false });
        let (text, effects, asked) = (String::new(), Vec::new(), Vec::new());
        let mut session = Self { plain, state, host, now_ms: NOW_MS, text, effects, asked };
        session.tell();
        session
    }

    fn of(target: &str, host: Facts) -> Self {
        let mut session = Self::start(Open::Target(Target::parse(target).unwrap()), host);
        session.answer_all();
        session
    }

    fn recorded(file: &str) -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(file);
        let recording = Recording::parse(&std::fs::read_to_string(file).unwrap(), "a recording").unwrap().elsewhere();
        Self::start(Open::Recording(Box::new(recording.case)), Facts::default())
    }

    fn tell(&mut self) {
        for _ in 0..20 {
            self.settle();
            let turn = self.plain.tell(&self.state);
            self.text.push_str(&turn.text);
            if turn.does.is_empty() {
                return;
            }
            turn.does.into_iter().for_each(|what| self.take(what));
        }
        panic!("it leads to more and more");
    }

    fn settle(&mut self) {
        let effects = conclude(&mut self.state);
        self.perform(effects);
        let shown = self.plain.shown(&self.state);
        if shown != self.state.shown {
            self.take(What::Shown(shown));
            let effects = conclude(&mut self.state);
            self.perform(effects);
        }
    }

    fn take(&mut self, what: What) {
        let effects = update(&mut self.state, Event { at_ms: self.now_ms, what });
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Ask(question, number) = effect {
                self.asked.push((question, number));
            } else {
                self.effects.push(effect);
            }
        }
    }

    fn event(&mut self, what: What) {
        self.take(what);
        self.tell();
    }

    fn answer_all(&mut self) {
        for _ in 0..10_000 {
            if self.asked.is_empty() {
                return;
            }
            let (question, generation) = self.asked.remove(0);
            let fact = answer(&self.host, &question);
            self.event(What::Arrived(Arrival { generation, fact }));
        }
        panic!("it keeps asking: {:?}", self.asked);
    }

    /// Types lines; each is answered before the next.
    fn types(&mut self, lines: &[&str]) {
        for line in lines {
            self.text.push_str(line);
            self.text.push('\n');
            let turn = self.plain.heard(&self.state, line);
            self.text.push_str(&turn.text);
            turn.does.into_iter().for_each(|what| self.take(what));
            self.tell();
            self.answer_all();
        }
    }

    /// What is written from now on.
    fn fresh(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// What would change is known.
    fn prepared(&mut self, preview: Result<Vec<String>, String>) {
        let number = |effect: &Effect| if let Effect::Prepare(_, number) = effect { Some(*number) } else { None };
        let number = self.effects.iter().rev().find_map(number).expect("it was asked");
        self.event(What::Prepared(number, preview));
    }

    fn applied(&self) -> usize {
        self.effects.iter().filter(|effect| matches!(effect, Effect::Apply { .. } | Effect::Undo)).count()
    }
}

/// No cursor is moved, nothing is drawn.
#[track_caller]
fn harmless(text: &str) {
    for line in text.lines() {
        assert_eq!(unrefuse::text::line(line), line);
        assert!(!line.contains(|c| ('\u{2500}'..='\u{259f}').contains(&c)), "{line:?}");
    }
}

/// Holds a text against the one kept under this name.
#[track_caller]
fn check(name: &str, text: &str) {
    harmless(text);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ui/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{name} differs (UPDATE_SNAPSHOTS=1 takes it):\n{text}");
}

fn root(mut facts: Facts) -> Facts {
    if let Reading::Known(host) = &mut facts.host {
        host.value.uid = 0;
    }
    facts
}

fn preview() -> Vec<String> {
    let diff = "--- /etc/shop.conf\n+++ /etc/shop.conf\n@@ -1,3 +1,3 @@\n # shop\n-port 1\n+port 8080\n end\n";
    vec![diff.to_owned(), "whether shop.service runs: stopped → running".to_owned()]
}

/// Said yes to, and at work.
fn confirming() -> Session {
    let mut session = Session::of("8080", root(hosts::stopped_service()));
    session.types(&["1"]);
    session.prepared(Ok(preview()));
    session.types(&["yes"]);
    session.event(What::Fixing(Progress::Armed { entry: 7, guard: "a transient unit of systemd".into() }));
    session.event(What::Fixing(Progress::Doing("whether shop.service runs: stopped → running".into())));
    session.event(What::Fixing(Progress::Retesting));
    let retested = Progress::Retested { outcome: Outcome::Open, how: "both".into(), green: true };
    session.event(What::Fixing(retested));
    session.event(What::Fixing(Progress::Confirm { seconds: 60 }));
    session
}

#[test]
fn recordings_are_told_and_every_choice_answers() {
    for (name, file) in [
        ("loopback", "bind-loopback-only--postgresql.json"),
        ("ufw", "fw-ufw-deny--a-rule-denies.json"),
        ("crashed", "svc-crashed-signal--nginx.json"),
        ("healthy", "healthy--nginx.json"),
    ] {
        let mut session = Session::recorded(file);
        session.types(&["3 0", "box 3", "3", "5", "explain lis", "6", "7", "5", "8", "2", "client", "here", "tell"]);
        session.types(&["nonsense", "re", "99", "0"]);
        assert!(session.effects.iter().any(|effect| matches!(effect, Effect::Quit(_))), "{}", session.text);
        check(&format!("sentences-{name}"), &session.text);
    }
}

#[test]
fn the_guided_loop_from_red_to_green_and_undone() {
    let mut session = Session::of("8080", root(hosts::stopped_service()));
    session.types(&["fix"]);
    session.prepared(Ok(preview()));
    session.types(&["perhaps", "", "1"]);
    session.prepared(Ok(preview()));
    assert_eq!(session.applied(), 0);
    let mut session = {
        let later = confirming();
        Session { text: session.fresh() + "\n----\n" + &later.text, ..later }
    };
    for second in 1..=52 {
        session.now_ms = NOW_MS + second * 1000;
        session.event(What::Woke(Wake::Countdown));
    }
    session.types(&["", "yes"]);
    assert!(session.effects.contains(&Effect::Answer(Answer::Keep)));
    session.host = root(hosts::all_open());
    session.event(What::Fixed(End::Kept(7)));
    session.answer_all();
    session.types(&["undo", "yes"]);
    session.event(What::Fixing(Progress::Doing("whether shop.service runs: running → stopped".into())));
    session.host = root(hosts::stopped_service());
    session.event(What::Fixed(End::Undone(7, vec!["/etc/x: somebody changed it".into()])));
    session.answer_all();
    assert_eq!(session.applied(), 2);
    check("sentences-fix", &session.text);
}

#[test]
fn what_cannot_be_applied_is_said_and_left() {
    let mut session = Session::of("8080", root(hosts::stopped_service()));
    session.types(&["1"]);
    session.fresh();
    session.prepared(Err("nginx.service is gone".into()));
    let text = session.fresh();
    assert!(text.contains("it cannot be applied: nginx.service is gone."), "{text}");
    assert!(text.ends_with("lists the choices: ") && session.state.fixing.is_none(), "{text}");
}

#[test]
fn who_wants_to_leave_while_a_change_is_pending_is_asked_once() {
    let mut session = confirming();
    session.fresh();
    let turn = session.plain.interrupted(&session.state);
    assert!(turn.text.contains("A change is pending") && turn.text.ends_with("Keep it? Type yes or no: "));
    assert!(session.plain.interrupted(&session.state).text.is_empty(), "the second time it leaves");
    let mut session = Session::of("8080", hosts::stopped_service());
    assert!(session.plain.interrupted(&session.state).text.is_empty(), "nothing is pending");
}

#[test]
fn changes_are_told_once_and_nothing_where_nothing_changed() {
    let mut session = Session::of("8080", hosts::stopped_service());
    session.fresh();
    let listeners = Question::Listeners(unrefuse::facts::socket::Transport::Tcp, 8080);
    session.event(What::Changed(Change::Again(listeners.clone())));
    session.answer_all();
    assert_eq!(session.fresh(), "", "the same as before");
    session.host = hosts::all_open();
    session.now_ms += 10_000;
    session.event(What::Changed(Change::Again(listeners)));
    session.answer_all();
    let wake = |effect: &Effect| {
        if let Effect::WakeAfter(_, wake @ Wake::AfterChange(_)) = effect { Some(*wake) } else { None }
    };
    let wake = session.effects.iter().rev().find_map(wake).expect("it is tried again");
    session.event(What::Woke(wake));
    session.answer_all();
    let text = session.fresh();
    assert!(text.contains("22:20:10 10.2.0.2:8080 now is OPEN. It was refused."), "{text}");
    assert!(text.contains("Nothing is to be done: it accepts connections."), "{text}");
    session.types(&["retest"]);
    assert!(session.fresh().contains("22:20:10 10.2.0.2:8080 is open, as before."));
}

#[test]
fn listeners_that_come_and_go_are_told() {
    let mut session = Session::start(Open::Listeners, hosts::loopback_only());
    session.answer_all();
    let mut all = session.host.all_listeners.value().cloned().unwrap();
    all.remove(0);
    all.push(hosts::listener("10.2.0.2", 9000, 900));
    session.host.owners.insert(900, known(hosts::owner("shop.service", "shopd")));
    session.event(What::Changed(Change::Fact(Fact::AllListeners(known(all)))));
    session.answer_all();
    session.types(&["5 nginx", "sort", "5", "3", "target 8080"]);
    check("sentences-listeners", &session.text);
}

#[test]
fn targets_are_chosen_by_number_or_by_name() {
    let mut session = Session::start(Open::Picker, hosts::loopback_only());
    session.answer_all();
    session.types(&["#99", "!!", "?", "#1"]);
    check("sentences-targets", &session.text);
    let mut session = Session::start(Open::Picker, hosts::loopback_only());
    session.answer_all();
    session.types(&["8080"]);
    assert!(session.text.contains("asked for as 8080, for any client: REFUSED."), "{}", session.text);
}

#[test]
fn what_is_wrong_with_a_client_is_said_and_asked_again() {
    let mut session = Session::of("8080", hosts::stopped_service());
    session.fresh();
    session.types(&["client 10.0.0.0/8", "203.0.113.7"]);
    let text = session.fresh();
    assert!(text.contains("10.0.0.0/8 is a network"), "{text}");
    assert!(text.contains("for 203.0.113.7: REFUSED"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_breaks_it_and_nothing_is_applied_without_a_yes(
        lines in proptest::collection::vec(
            prop_oneof![
                "[0-9]{1,2}", "(box|client|listeners|journal|explain|target|list) .{0,12}", "(fix|undo|no|rules|hops|repeat|all|sort|tell)?",
                "#?[0-9]", ".{0,20}",
            ].prop_filter("that is a yes", |line| !matches!(line.trim().to_lowercase().as_str(), "y" | "yes")),
            0..14,
        ),
        hostile: bool,
    ) {
        let host = if hostile { hosts::hostile() } else { hosts::stopped_service() };
        let mut session = Session::of("8080", root(host));
        for line in lines {
            session.types(&[&line]);
            if session.state.fixing.as_ref().is_some_and(|fixing| fixing.preview.is_none()) {
                session.prepared(Ok(preview()));
            }
        }
        prop_assert_eq!(session.applied(), 0);
    }
}

#[test]
fn hostile_text_is_told_safely() {
    for target in ["8080", "nginx"] {
        let mut session = Session::of(target, root(hosts::hostile()));
        session.types(&["3 2", "3 3", "3 0", "6", "5", "7", "explain 2", "1"]);
        session.types(&["12"]);
        assert!(session.text.contains("␛"), "{}", session.text);
        harmless(&session.text);
    }
}
