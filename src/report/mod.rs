//! THE SAME ANSWER WITHOUT A SCREEN: text for people, JSON for programs, Markdown for tickets.

pub mod explain;
mod firewall;
pub mod json;
pub mod listeners;
pub mod markdown;
pub mod text;

use std::time::Duration;

use crate::diagnose::verdict::{Diagnosis, Verdict};
use crate::facts::Case;
use crate::facts::connect::Outcome;

/// A diagnosis and what it took, ready to be told.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was asked, and the facts.
    pub case: &'a Case,
    /// What came out.
    pub diagnosis: &'a Diagnosis,
    /// How long it took.
    pub took: Duration,
}

impl Report<'_> {
    /// What the asked side gets; `error` when no attempt could be made or answered.
    pub fn outcome(&self) -> Outcome {
        self.diagnosis.outcome.unwrap_or(Outcome::Error)
    }

    /// Exit status of the contract: 0 open, 1 not and the cause is named, 3 not and the cause could not be told.
    pub fn exit_code(&self) -> u8 {
        match (self.outcome(), self.diagnosis.culprit) {
            (Outcome::Open, _) => 0,
            (_, Some(_)) => 1,
            (_, None) => 3,
        }
    }
}

/// The sign of a verdict, never by colour alone.
pub fn sign(verdict: Verdict, ascii: bool) -> &'static str {
    match (verdict, ascii) {
        (Verdict::Yes, false) => "✔",
        (Verdict::No, false) => "✘",
        (Verdict::Unknown, _) => "?",
        (Verdict::Unneeded, false) => "–",
        (Verdict::Yes, true) => "+",
        (Verdict::No, true) => "x",
        (Verdict::Unneeded, true) => "-",
    }
}

/// A time as people read it: `50 µs`, `0.2 ms`, `41 ms`, `3.1 s`.
pub fn shown_time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 0.1 {
        format!("{} µs", time.as_micros())
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let shown: Vec<String> = [50, 150, 41_000, 3_100_000].map(|us| shown_time(Duration::from_micros(us))).into();
        assert_eq!(shown, ["50 µs", "0.1 ms", "41 ms", "3.1 s"]);
    }
}
