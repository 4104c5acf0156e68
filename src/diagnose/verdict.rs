//! What came out: the verdict of each box, the causes found, the culprit, and what should be asked next.

use std::time::Duration;

use serde::Serialize;

use super::chart::BoxId;
use super::subject::Subject;
use crate::facts::Question;
use crate::facts::connect::{Endpoint, Icmp, Outcome};

/// Is a box of the chart healthy?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Healthy.
    Yes,
    /// A cause was found in it.
    No,
    /// Cannot tell; the box says why.
    Unknown,
    /// The question does not arise.
    Unneeded,
}

/// A statement with the reading behind it and the command that shows the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What was seen. Host text in it is raw until it is shown through `text`.
    pub says: String,
    /// Which source read it (`sock_diag`, `systemd`, `journal`, `dial`, `config` ...).
    pub source: &'static str,
    /// A command that shows the same.
    pub see: String,
}

impl Evidence {
    /// A statement.
    pub fn new(source: &'static str, says: impl Into<String>, see: impl Into<String>) -> Self {
        Self { says: says.into(), source, see: see.into() }
    }
}

/// A name as one word of a command line that people copy into a shell: escaped unit names hold backslashes, and host
/// text may hold anything.
pub fn arg(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._:/-+=".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

/// One box of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxState {
    /// Which.
    pub id: BoxId,
    /// Its verdict.
    pub verdict: Verdict,
    /// One line for people.
    pub summary: String,
    /// For `Unknown` and `Unneeded`: why, as a clause after "because".
    pub because: Option<String>,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Unknown only for now: answers are still on their way.
    pub looking: bool,
}

/// A thing to do about a cause: what it does, the familiar command line for it, and the one that takes it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it does.
    pub does: String,
    /// Command lines, one a line, or the edit to make.
    pub run: String,
    /// What takes it back; none when there is nothing to take back.
    pub undo: Option<String>,
}

impl Advice {
    /// A thing to do.
    pub fn new(does: impl Into<String>, run: impl Into<String>, undo: Option<&str>) -> Self {
        Self { does: does.into(), run: run.into(), undo: undo.map(Into::into) }
    }
}

/// A cause that was found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable id (CAUSES).
    pub cause: &'static str,
    /// The box it is in.
    pub in_box: BoxId,
    /// What it is about: a unit, an address, a file and line.
    pub subject: String,
    /// One line for people.
    pub summary: String,
    /// What it rests on; never empty.
    pub evidence: Vec<Evidence>,
    /// What can be done, best first.
    pub advice: Vec<Advice>,
    /// It does not bite now, but will once the causes before it are gone.
    pub latent: bool,
    /// Outcomes it can produce by itself at the diagnosed address.
    pub explains: &'static [Outcome],
    /// What the asked side gets once this cause is gone and those after it remain; none when that cannot be told.
    pub then: Option<Outcome>,
}

/// What one side got at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symptom {
    /// Where.
    pub to: Endpoint,
    /// What.
    pub outcome: Outcome,
    /// Name of the errno.
    pub errno: Option<String>,
    /// ICMP error behind it.
    pub icmp: Option<Icmp>,
    /// Who answered, where that is known.
    pub answered_by: Option<String>,
    /// After how long.
    pub after: Duration,
    /// This is the address the verdict is about.
    pub diagnosed: bool,
}

/// Everything that can be said about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What the target turned out to be.
    pub subject: Subject,
    /// What the asked side gets now; none while it is not known yet.
    pub outcome: Option<Outcome>,
    /// Every attempt that was made.
    pub symptoms: Vec<Symptom>,
    /// The boxes in chart order.
    pub boxes: Vec<BoxState>,
    /// The culprit first, then the others in the order they will bite.
    pub causes: Vec<Finding>,
    /// Id of the first cause that by itself explains the outcome.
    pub culprit: Option<&'static str>,
    /// Remarks that are no cause (differences between addresses, what was not tried and why).
    pub notes: Vec<String>,
    /// What should be asked next, in order of worth.
    pub wants: Vec<Question>,
    /// True when no answer that was asked for is outstanding and nothing more is wanted.
    pub settled: bool,
}

impl Diagnosis {
    /// The finding that is the culprit.
    pub fn culprit(&self) -> Option<&Finding> {
        let id = self.culprit?;
        self.causes.iter().find(|f| f.cause == id)
    }

    /// The state of one box.
    pub fn get(&self, id: BoxId) -> Option<&BoxState> {
        self.boxes.iter().find(|b| b.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_word_whatever_they_hold() {
        assert_eq!(arg("postgresql@15-main.service"), "postgresql@15-main.service");
        assert_eq!(arg(r"srv-a\x2db.mount"), r"'srv-a\x2db.mount'");
        assert_eq!(arg("x'; reboot"), r"'x'\''; reboot'");
    }
}
