//! What systemd itself writes about a unit that ends badly.

use super::FailureKind;
use crate::facts::journal::Entry;

/// The entries of the first run that ended badly: from at most `window_us` before its end to the next run's begin.
/// All entries when no end is told.
pub(super) fn first_bad_run(entries: &[Entry], window_us: u64) -> &[Entry] {
    let Some(end) = entries.iter().position(|e| e.is_systemd() && tells_bad_end(&e.message)) else { return entries };
    let (before, after) = entries.split_at_checked(end).unwrap_or((entries, &[]));
    let ended_at = after.first().map_or(0, |e| e.at_us);
    let from = before.iter().position(|e| e.at_us.saturating_add(window_us) >= ended_at).unwrap_or(end);
    // A daemon's last words may be filed after systemd's own, so the run lasts until the next one begins.
    let next = after.iter().position(|e| e.is_systemd() && begins(&e.message)).unwrap_or(after.len());
    entries.get(from..end + next).unwrap_or(entries)
}

fn begins(message: &str) -> bool {
    message.contains("Scheduled restart job") || message.starts_with("Starting ") || message.starts_with("Started ")
}

fn tells_bad_end(message: &str) -> bool {
    let process = message.contains("process exited, code=") && !message.contains("code=exited, status=0/");
    process
        || message.contains("Failed with result")
        || message.contains("operation timed out")
        || message.contains("killed by the OOM killer")
}

/// The OOM killer's victim. Told before anything the daemon itself said: it was healthy until then.
pub(super) fn killed_for_memory(run: &[Entry]) -> Option<(&Entry, FailureKind)> {
    let says = |e: &&Entry| {
        e.message.contains("killed by the OOM killer") || e.message.contains("Failed with result 'oom-kill'")
    };
    run.iter().filter(|e| e.is_systemd()).find(says).map(|e| (e, FailureKind::OomKilled))
}

type Ending = fn(&str) -> Option<FailureKind>;

/// How a run ended, most telling first: a timeout is followed by the signal that systemd itself sent.
const ENDINGS: [Ending; 5] = [dependency, timeout, run_time_limit, signal, exit];

/// How the run ended, in systemd's words.
pub(super) fn ended(run: &[Entry]) -> Option<(&Entry, FailureKind)> {
    let mut told = run.iter().filter(|e| e.is_systemd());
    ENDINGS
        .iter()
        .find_map(|ending| told.clone().find_map(|e| Some((e, ending(&e.message)?))))
        .or_else(|| told.find(|e| e.message.contains("Can't open PID file")).map(|e| (e, FailureKind::Timeout)))
}

/// The last lines that the daemon itself wrote before systemd told its end, oldest first.
pub(super) fn last_words(run: &[Entry]) -> Vec<Entry> {
    const MOST: usize = 3;
    let end = run.iter().position(|e| e.is_systemd() && tells_bad_end(&e.message)).unwrap_or(run.len());
    let (before, after) = run.split_at_checked(end).unwrap_or((run, &[]));
    let own = |e: &&Entry| !e.is_systemd() && !e.message.trim().is_empty();
    let mut words: Vec<Entry> = before.iter().rev().filter(own).take(MOST).cloned().collect();
    words.reverse();
    let all = || before.iter().filter(own);
    // Redis tells of its own crash in hundreds of lines.
    if let Some(crash) = all().find(|e| e.message.contains(" crashed by signal: ")) {
        return vec![crash.clone()];
    }
    // What a daemon calls an error says more than how it then ended.
    if let Some(error) = all().find(|e| is_error(&e.message)).filter(|error| !words.contains(error)) {
        words.remove(0);
        words.insert(0, error.clone());
    }
    if words.is_empty() { after.iter().filter(own).take(MOST).cloned().collect() } else { words }
}

/// `[ERROR] Aborting` only says that there was one before.
pub(super) fn is_error(message: &str) -> bool {
    message.contains("[ERROR]") && !message.trim_end().ends_with("Aborting")
}

/// Was the unit not started because another one failed?
pub(super) fn dependency(message: &str) -> Option<FailureKind> {
    let says = message.starts_with("Dependency failed for") || message.contains("failed with result 'dependency'");
    says.then_some(FailureKind::Dependency)
}

/// `start operation timed out`, `start-pre operation timed out` ...: stopping and running too long have other words.
fn timeout(message: &str) -> Option<FailureKind> {
    let says = message.contains(": start") && message.contains("operation timed out");
    says.then_some(FailureKind::Timeout)
}

fn run_time_limit(message: &str) -> Option<FailureKind> {
    message.contains("Service reached runtime time limit").then_some(FailureKind::RunTimeLimit)
}

fn signal(message: &str) -> Option<FailureKind> {
    let number = status(message, "code=killed, status=").or_else(|| status(message, "code=dumped, status="))?;
    Some(FailureKind::Signal(number))
}

fn exit(message: &str) -> Option<FailureKind> {
    status(message, "code=exited, status=").filter(|status| *status != 0).map(FailureKind::Exit)
}

/// The number in `Main process exited, code=killed, status=11/SEGV`.
fn status(message: &str, key: &str) -> Option<i32> {
    let (_, rest) = message.split_once(key)?;
    rest.split_once('/').map_or(rest, |(number, _)| number).trim().parse().ok()
}
