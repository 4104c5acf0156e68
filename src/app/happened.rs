//! What happened last: one line that stays on the screen until something else happens.

use super::chart::took;
use super::fixing::{End, Fixing};
use super::state::{Screen, State};
use crate::diagnose::verdict::Verdict;
use crate::facts::connect::Outcome;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What, in a line.
    pub what: String,
    /// Good news, bad news, or neither.
    pub tone: Tone,
}

/// What it means to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// Neither.
    Neutral,
}

/// The target was tried: what it got, and what it got before.
pub(super) fn tried(state: &mut State, before: Option<Outcome>) {
    let Screen::Chart(chart) = &state.screen else { return };
    let Some(dial) = chart.dial() else { return };
    let (outcome, word) = (dial.outcome, dial.outcome.word());
    let what = match before {
        None => format!("tried: {word} after {}", took(dial.after)),
        Some(before) if before == outcome => format!("tried again: {word}, as before"),
        Some(before) => format!("tried again: {word}; it was {} before", before.word()),
    };
    let tone = match Verdict::of(outcome) {
        Verdict::Yes => Tone::Good,
        Verdict::No => Tone::Bad,
        Verdict::Unknown | Verdict::Unneeded => Tone::Neutral,
    };
    note(state, what, tone);
}

/// A fix, or taking one back, came to its end.
pub(super) fn fixed(state: &mut State, end: &End) {
    let title = state.fixing.as_ref().and_then(|fixing| Fixing::plan(fixing)).map(|plan| plan.title.clone());
    let of = title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
    match end {
        End::Kept(entry) => {
            note(state, format!("kept as entry {entry}{of}"), Tone::Good);
            state.standing = title.map(|title| (*entry, title));
        }
        End::Reverted(why, _) => note(state, format!("put back: {why}"), Tone::Bad),
        End::Undone(entry, _) => {
            note(state, format!("entry {entry} is taken back"), Tone::Good);
            state.standing = None;
        }
        End::Failed(why) => {
            let why = why.lines().next().unwrap_or_default().to_owned();
            note(state, format!("nothing was changed: {why}"), Tone::Bad);
        }
    }
}

fn note(state: &mut State, what: String, tone: Tone) {
    state.happened = Some(Happened { at_ms: state.now_ms, what, tone });
}
