//! A trial of the harness: skipped where it cannot be played, with the reason, and played a second time where it failed. A
//! host that is booted beside a busy one may be late; what is wrong is wrong twice.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use libtest_mimic::Trial;

use crate::cmd::Step;

/// Trials that may be played again in one run. When more fail, something is wrong.
const MOST: usize = 4;

/// Those that were, and why.
static AGAIN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// A trial. Where it cannot be played it is ignored, never passed; asked for all the same, it fails.
pub(crate) fn trial(name: impl Into<String>, cannot: Option<&str>, play: impl Fn() -> Step + Send + 'static) -> Trial {
    let (name, cannot) = (name.into(), cannot.map(str::to_owned));
    let (title, ignored) = (name.clone(), cannot.is_some());
    let played = move || cannot.map_or_else(|| twice(&title, &play), Err).map_err(Into::into);
    Trial::test(name, played).with_ignored_flag(ignored)
}

/// One line for each trial that was played again.
pub(crate) fn say_what_was_played_again() {
    let Ok(again) = AGAIN.lock() else { return };
    for (title, why) in again.iter() {
        eprintln!("played again: {title}: {}", why.lines().next().unwrap_or_default());
    }
}

fn twice(title: &str, play: &impl Fn() -> Step) -> Step {
    let Err(first) = once(play) else { return Ok(()) };
    match AGAIN.lock() {
        Ok(mut again) if again.len() < MOST => again.push((title.to_owned(), first.clone())),
        Ok(_) | Err(_) => return Err(first),
    }
    once(play).map_err(|second| format!("{first}\n\nplayed again: {second}"))
}

fn once(play: &impl Fn() -> Step) -> Step {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said
            .or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()))
            .unwrap_or_else(|| "it panicked".into()))
    })
}
