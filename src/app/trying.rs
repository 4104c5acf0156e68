//! Trying again: what an answer, a change, a key or the time leads to, so that attempts stay few.

use super::asking::{How, known_questions};
use super::chart::Origin;
use super::event::{Effect, Wake};
use super::retest::{EVERY_MS, Mode};
use super::state::{Screen, State};
use super::update::ask;
use crate::facts::Question;

/// An attempt was answered: plans the next one, and tries the other addresses again when the answer is another.
pub(super) fn attempted(state: &mut State) -> Vec<Effect> {
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    let Some(endpoint) = chart.diagnosis.subject.endpoint() else { return Vec::new() };
    let diagnosed = Question::Dial(endpoint.clone());
    if state.asking.has(&diagnosed) {
        return Vec::new();
    }
    let outcome = chart.dial().map(|dial| dial.outcome);
    let before = chart.retest.before();
    let differs = chart.retest.ended(outcome);
    super::happened::tried(state, before);
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    if !differs {
        return Vec::new();
    }
    let others: Vec<Question> =
        chart.case.here.dials.keys().filter(|to| **to != endpoint).cloned().map(Question::Dial).collect();
    others.into_iter().map(|question| ask(state, question, How::Quietly)).collect()
}

pub(super) fn woke(state: &mut State, wake: Wake) -> Vec<Effect> {
    if wake == Wake::Fade {
        let now = state.now_ms;
        if let Some((table, _)) = state.screen.table() {
            table.fade(now);
        }
        return Vec::new();
    }
    if let Wake::Toast(number) = wake {
        super::toast::over(state, number);
        return Vec::new();
    }
    if wake == Wake::Countdown {
        return super::fixing::ticked(state);
    }
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    match wake {
        Wake::Hops(number) if chart.number == number => super::hops::woke(state),
        Wake::Counters(number) if chart.number == number => look_at_counters(state),
        Wake::Continuous(number) if chart.retest.number == number && chart.retest.mode == Mode::Continuous => {
            let mut effects = try_again(state);
            effects.push(Effect::WakeAfter(EVERY_MS, Wake::Continuous(number)));
            effects
        }
        Wake::AfterChange(number) if chart.retest.number == number => {
            let mut effects = try_again(state);
            effects.extend(look_again(state, Which::Untold));
            effects
        }
        Wake::Continuous(_)
        | Wake::AfterChange(_)
        | Wake::Counters(_)
        | Wake::Hops(_)
        | Wake::Fade
        | Wake::Toast(_)
        | Wake::Countdown => Vec::new(),
    }
}

/// Looks again at the counters that are on the screen.
fn look_at_counters(state: &mut State) -> Vec<Effect> {
    let shown = state.shown.rules;
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    chart.rules.counting.planned = false;
    let mut questions = chart.rules.on_screen(shown);
    questions.retain(|question| !state.asking.has(question));
    questions.into_iter().map(|question| ask(state, question, How::Quietly)).collect()
}

/// Tries the diagnosed address again, unless an attempt is under way.
fn try_again(state: &mut State) -> Vec<Effect> {
    let now = state.now_ms;
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    let outcome = chart.dial().map(|dial| dial.outcome);
    chart.retest.begins(now, outcome);
    let Some(endpoint) = chart.diagnosis.subject.endpoint() else { return Vec::new() };
    let question = Question::Dial(endpoint);
    if state.asking.has(&question) {
        return Vec::new();
    }
    vec![ask(state, question, How::Quietly)]
}

/// What is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// All of it.
    All,
    /// All but rules and sets, which are big and of whose changes the kernel tells.
    Untold,
}

fn big(question: &Question) -> bool {
    matches!(
        question,
        Question::Ruleset | Question::ChainRules(_) | Question::Elements(_) | Question::Member(..) | Question::Legacy
    )
}

/// Looks again at everything besides dials; what is known stays in place until the new answer is there.
fn look_again(state: &mut State, which: Which) -> Vec<Effect> {
    let mut questions = known_questions(state.facts());
    let how = match which {
        Which::All => How::Again,
        Which::Untold => {
            questions.retain(|question| !(big(question) && state.watched.contains(question)));
            How::Quietly
        }
    };
    questions.into_iter().map(|question| ask(state, question, how)).collect()
}

/// Looks at everything again because the user wants it.
pub(super) fn retest(state: &mut State) -> Vec<Effect> {
    if let Some(effects) = super::ends::ask_again(state) {
        return effects;
    }
    let Some(dials) = retestable(state) else { return Vec::new() };
    let mut effects: Vec<Effect> = dials.into_iter().map(|dial| ask(state, dial, How::Again)).collect();
    effects.extend(look_again(state, Which::All));
    effects
}

/// The attempts that can be made again; none in a recording, which says so.
fn retestable(state: &mut State) -> Option<Vec<Question>> {
    let now = state.now_ms;
    let Screen::Chart(chart) = &mut state.screen else { return None };
    if chart.origin == Origin::Recording {
        state.notice = Some("this is a recording: there is nothing to try again".into());
        return None;
    }
    let outcome = chart.dial().map(|dial| dial.outcome);
    chart.retest.begins(now, outcome);
    // What a server said to a request is asked for anew by the diagnosis that wants it.
    chart.case.here.exchanges.clear();
    Some(chart.case.here.dials.keys().cloned().map(Question::Dial).collect())
}

pub(super) fn toggle_continuous(state: &mut State) -> Vec<Effect> {
    if retestable(state).is_none() {
        return Vec::new();
    }
    state.cases += 1;
    let number = state.cases;
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    // A new number makes the wakes of an earlier series void.
    chart.retest.number = number;
    chart.retest.mode = match chart.retest.mode {
        Mode::OnKey => Mode::Continuous,
        Mode::Continuous => Mode::OnKey,
    };
    match chart.retest.mode {
        Mode::OnKey => Vec::new(),
        Mode::Continuous => woke(state, Wake::Continuous(number)),
    }
}
