//! The log as people read it: what was changed here, when, by whom, and whether it stands.

use std::fmt::Write as _;

use super::log::{Entry, Log, State};
use crate::text;

/// The whole history, newest first.
pub fn told(log: &Log) -> String {
    if log.entries.is_empty() {
        return "nothing was changed on this host yet\n".into();
    }
    let mut out = String::new();
    for entry in log.entries.iter().rev() {
        told_entry(log, entry, &mut out);
    }
    out
}

fn told_entry(log: &Log, entry: &Entry, out: &mut String) {
    let at = i64::try_from(entry.at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let when = at.map(|t| t.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string());
    let about = match (&entry.cause, entry.undoes) {
        (Some(cause), None) => format!(" for {} [{cause}]", text::line(&entry.target)),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "{:>4}  {}  {}  {}{about}: {}",
        entry.number,
        when.unwrap_or_else(|| "?".into()),
        text::line(&entry.who),
        text::line(&entry.title),
        standing(log, entry)
    );
    for act in &entry.acts {
        let _ = writeln!(out, "        {}", text::line(&act.to_string()));
    }
    for left in &entry.left {
        let _ = writeln!(out, "        left as it is: {}", text::line(left));
    }
}

/// Whether it stands.
pub fn standing(log: &Log, entry: &Entry) -> String {
    match (&entry.state, log.undone_by(entry.number)) {
        (State::Kept, Some(by)) => format!("undone by {}", by.number),
        (State::Kept, None) => "stands".into(),
        (State::Pending, _) if entry.begun.is_empty() => "nothing of it was done".into(),
        (State::Pending, _) => "pending: neither kept nor put back yet".into(),
        (State::Reverted(why), _) => format!("put back: {}", text::line(why)),
    }
}
