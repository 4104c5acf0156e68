//! Looking again: does the target answer now, as it was promised?

use std::time::{Duration, Instant};

use crate::check;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::Diagnosis;
use crate::facts::Case;
use crate::facts::connect::Outcome;
use crate::sources::patient;

/// A daemon that was just started may take a while until it listens.
const WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(300);
/// One look, at most.
const LOOK: Duration = Duration::from_secs(15);

/// What a retest gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Retest {
    /// What the asked side gets now.
    pub outcome: Outcome,
    /// `connect`, `simulated` or `both`.
    pub how: &'static str,
    /// The facts it rests on.
    pub case: Case,
    /// What they mean.
    pub diagnosis: Diagnosis,
}

/// Looks until the target gives what was promised (or is open), and no longer for this cause, or the time is over.
pub async fn retest(asked: &Case, promised: Option<Outcome>, about: &str) -> Retest {
    let began = Instant::now();
    loop {
        let fresh = Case::new(asked.target.clone(), asked.from);
        let (case, diagnosis) = check::settle(fresh, patient(LOOK)).await;
        let outcome = diagnosis.outcome.unwrap_or(Outcome::Error);
        let how = how(&diagnosis);
        let retest = Retest { outcome, how, case, diagnosis };
        if retest.is_green(promised, about) || began.elapsed() > patient(WITHIN) {
            return retest;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Retest {
    /// It gives what was promised, or better. What a program says once the connection stands is not told by the outcome:
    /// it must say it no longer.
    pub fn is_green(&self, promised: Option<Outcome>, cause: &str) -> bool {
        match self.diagnosis.says_no() {
            // A connection that stands is what was asked of a plan about another cause.
            Some(found) => found.cause != cause,
            None => self.outcome == Outcome::Open || promised == Some(self.outcome),
        }
    }
}

/// What stands for a client on another host is simulated; a connection is always made, too, where one can be.
fn how(diagnosis: &Diagnosis) -> &'static str {
    let tried = diagnosis.symptoms.iter().any(|s| s.diagnosed);
    match (diagnosis.subject.from, diagnosis.ways.is_some(), tried) {
        (Asker::Here, _, _) | (_, false, _) => "connect",
        (_, true, true) => "both",
        (_, true, false) => "simulated",
    }
}
