//! What has just been done, said for a few seconds: a copy, a file. It goes by itself, and at most one is shown.

use super::event::{Effect, Wake};
use super::state::State;

/// How long it is shown.
const FOR_MS: u64 = 4_000;

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What.
    pub text: String,
    /// Which one: the time of an earlier one does not end this one.
    number: u64,
}

/// Says something.
pub(super) fn say(state: &mut State, text: String) -> Effect {
    state.toasts += 1;
    let number = state.toasts;
    state.toast = Some(Toast { text, number });
    Effect::WakeAfter(FOR_MS, Wake::Toast(number))
}

/// Its time is over.
pub(super) fn over(state: &mut State, number: u64) {
    if state.toast.as_ref().is_some_and(|toast| toast.number == number) {
        state.toast = None;
    }
}
