//! A fault that comes and goes: when a target failed, and what happened then, on one line of time.
//!
//! What happened shortly before a fault began is a correlation and is told as one. Only where a reading shows it (what
//! serves the target was down when it failed) it is told as the cause. Where nothing known happened, that is said, with
//! what could not be read.

mod blame;
mod downs;
mod outages;
pub mod pace;
mod period;
#[cfg(test)]
mod tests;

use crate::facts::connect::Outcome;
use crate::facts::happening::Past;

pub use downs::{Down, Why, downs};
pub use period::Period;

/// One attempt of a watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// When it began, in microseconds since the Unix epoch.
    pub at_us: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// The name of the errno, where there is one.
    pub errno: Option<String>,
}

impl Attempt {
    /// It got no working connection. UDP without an answer may be healthy.
    pub fn failed(&self) -> bool {
        !matches!(self.outcome, Outcome::Open | Outcome::Silent)
    }
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The unit that serves it, where one is known.
    pub unit: Option<String>,
    /// The container that serves it, where one is known.
    pub container: Option<String>,
}

/// A stretch of time in which the target failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The first failure; without attempts: when the unit went down.
    pub from_us: u64,
    /// The first attempt that worked again, or when the unit was up again; none while it lasts.
    pub until_us: Option<u64>,
    /// The last attempt that had worked before; none when there was none.
    pub worked_us: Option<u64>,
    /// The last failure.
    pub last_us: u64,
    /// What the first failure got; none where nobody tried and the journal alone tells of it.
    pub outcome: Option<Outcome>,
    /// Its errno.
    pub errno: Option<String>,
    /// How many attempts failed.
    pub attempts: usize,
    /// What it goes with, the best first; empty: nothing that is known happened then.
    pub links: Vec<Link>,
}

impl Outage {
    /// How long it lasted, in microseconds, as far as attempts tell.
    pub fn lasted_us(&self) -> u64 {
        self.until_us.unwrap_or(self.last_us).saturating_sub(self.from_us)
    }
}

/// How sure it is that something goes with an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// A reading shows it: what serves the target was down when it failed.
    Shown,
    /// It came first, and can have this outcome: a correlation, no proof.
    Fits,
    /// It happened then: more is not known.
    Near,
}

impl Proof {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Fits => "fits",
            Self::Near => "near",
        }
    }
}

/// Something that an outage goes with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// How sure it is.
    pub proof: Proof,
    /// What happened; host text in it is raw.
    pub says: String,
    /// When it happened, in microseconds since the epoch; none where it was so before anything was read.
    pub began_us: Option<u64>,
    /// When it was over or taken back; none where that is not known.
    pub ended_us: Option<u64>,
    /// Who tells of it.
    pub source: &'static str,
}

/// Everything a watch tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// How many attempts were made.
    pub attempts: usize,
    /// How many of them failed.
    pub failed: usize,
    /// When it failed, oldest first.
    pub outages: Vec<Outage>,
    /// It fails at equal intervals.
    pub period: Option<Period>,
    /// What could not be read, as clauses after "because".
    pub blind: Vec<String>,
}

impl Timeline {
    /// What attempts and happenings tell together; neither need be in order.
    pub fn of(attempts: &[Attempt], past: &Past, about: &About) -> Self {
        let past = in_order(past);
        let mut attempts = attempts.to_vec();
        attempts.sort();
        let mut outages = outages::of(&attempts);
        let downs = own_downs(&past, about);
        for outage in &mut outages {
            outage.links = blame::links(outage, &past, &downs, about);
        }
        let failed = attempts.iter().filter(|attempt| attempt.failed()).count();
        Self::from(attempts.len(), failed, outages, &past)
    }

    /// What the happenings alone tell: when the unit was down.
    pub fn without_attempts(past: &Past, about: &About) -> Self {
        let past = in_order(past);
        let downs = own_downs(&past, about);
        let mut outages: Vec<Outage> = downs.iter().map(|down| outages::of_down(down, past.since_us)).collect();
        for outage in &mut outages {
            outage.links = blame::links(outage, &past, &downs, about);
        }
        Self::from(0, 0, outages, &past)
    }

    fn from(attempts: usize, failed: usize, outages: Vec<Outage>, past: &Past) -> Self {
        let period = period::of(&outages, past);
        Self { attempts, failed, outages, period, blind: past.blind.clone() }
    }

    /// The longest outage.
    pub fn longest(&self) -> Option<&Outage> {
        self.outages.iter().max_by_key(|outage| outage.lasted_us())
    }

    /// No failure was seen (0), each goes with something known (1), or one does not (3).
    pub fn exit_code(&self) -> u8 {
        match self.outages.as_slice() {
            [] => 0,
            outages if outages.iter().all(|outage| !outage.links.is_empty()) => 1,
            _ => 3,
        }
    }
}

fn own_downs(past: &Past, about: &About) -> Vec<Down> {
    about.unit.as_ref().map(|unit| downs(unit, &past.happenings)).unwrap_or_default()
}

/// In order, each once.
fn in_order(past: &Past) -> Past {
    let mut past = past.clone();
    past.happenings.sort();
    past.happenings.dedup();
    past
}
