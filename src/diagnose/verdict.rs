//! What came out: the verdict of each box, the causes found, the culprit, and what should be asked next.

use std::time::Duration;

use serde::Serialize;

use super::chart::BoxId;
use super::dispute::Dispute;
use super::subject::Subject;
use super::ways::Ways;
use crate::facts::Question;
use crate::facts::connect::{Endpoint, Icmp, Outcome};
use crate::facts::unit::Unit;
use crate::fixes::Plan;
pub use crate::text::{arg, with_word};

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

impl Verdict {
    /// What a connection attempt amounts to. UDP need not answer.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Open => Self::Yes,
            Outcome::Silent => Self::Unknown,
            Outcome::Refused
            | Outcome::Reset
            | Outcome::Closed
            | Outcome::Timeout
            | Outcome::Unreachable
            | Outcome::Denied
            | Outcome::Unresolved
            | Outcome::Error => Self::No,
        }
    }
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

/// A command line that /proc tells, each of its words safe to copy. Where words held blanks cannot be told any more.
pub fn args(command: &str) -> String {
    command.split(' ').filter(|word| !word.is_empty()).map(arg).collect::<Vec<_>>().join(" ")
}

/// The command that shows who is bound to a unix name. ss takes its filter apart again at blanks and the like.
pub fn see_unix(name: &str) -> String {
    let word = arg(name);
    if word == name { format!("ss -H -lx src {word}") } else { format!("ss -H -lx | grep -F -e {word}") }
}

/// Takes back what `systemctl edit` put into a unit. `systemctl revert` would take every other change of it along.
pub fn undo_edit(unit: &Unit) -> String {
    let name = arg(&unit.name);
    let own = unit.fragment.as_deref().is_some_and(|file| file.starts_with("/etc/"));
    if unit.drop_ins.is_empty() && !own {
        return format!("systemctl revert {name}");
    }
    format!("systemctl edit {name}    # take it out again")
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
    /// The same as data, where this program can do it and take it back.
    #[serde(skip)]
    pub plan: Option<Box<Plan>>,
}

impl Advice {
    /// A thing to do by hand.
    pub fn new(does: impl Into<String>, run: impl Into<String>, undo: Option<&str>) -> Self {
        Self { does: does.into(), run: run.into(), undo: undo.map(Into::into), plan: None }
    }

    /// A thing this program can do.
    pub fn of(plan: Plan) -> Self {
        let undo = plan.undo_commands();
        Self { does: plan.title.clone(), run: plan.commands(), undo, plan: Some(Box::new(plan)) }
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

impl Finding {
    /// What this program can do about it, safest first.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.advice.iter().filter_map(|advice| advice.plan.as_deref())
    }
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
    /// Where it was tried from.
    pub vantage: Vantage,
}

/// Where an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vantage {
    /// On the host that is looked at, where only one is.
    Here,
    /// At the client's end.
    Client,
    /// At the server's end.
    Server,
}

impl Vantage {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// Everything that can be said about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What the target turned out to be.
    pub subject: Subject,
    /// What the asked side gets now; none while it is not known yet.
    pub outcome: Option<Outcome>,
    /// Why what the asked side gets cannot be told, as a clause after "because": `outcome` is then only what this host
    /// itself gets.
    pub untold: Option<String>,
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
    /// The packet's way through the rules; none where it crosses no network or is not known (yet).
    pub ways: Option<Ways>,
    /// The rules say one thing and the kernel did another.
    pub dispute: Option<Dispute>,
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

    /// The culprit, where it is what the program says once the connection stands, or why. An open port is no proof against
    /// it.
    pub fn says_no(&self) -> Option<&Finding> {
        const ALSO: [&str; 1] = ["selinux-connect-denied"];
        let after = |found: &&Finding| found.in_box == BoxId::Connect || ALSO.contains(&found.cause);
        self.culprit().filter(after)
    }

    /// Everything this program can do, by cause in the order they bite, safest first.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.causes.iter().flat_map(Finding::plans)
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

    #[test]
    fn what_is_copied_into_a_shell_stays_one_word_on_one_line() {
        assert_eq!(arg("nginx.service"), "nginx.service");
        assert_eq!(arg(r"we\x2dird@a.service"), r"'we\x2dird@a.service'");
        assert_eq!(arg("a'b; $(id)"), r"'a'\''b; $(id)'");
        assert_eq!(arg("x\nreboot"), "'x␊reboot'");
        assert_eq!(see_unix("@bus"), "ss -H -lx src @bus");
        assert_eq!(see_unix("/run/a b"), "ss -H -lx | grep -F -e '/run/a b'");
        assert_eq!(args("/tmp/x;id --a  $(id)"), "'/tmp/x;id' --a '$(id)'");
    }

    #[test]
    fn an_edit_is_taken_back_without_the_edits_that_were_there_before() {
        let mut unit = Unit { name: "shop.service".into(), ..Unit::default() };
        assert_eq!(undo_edit(&unit), "systemctl revert shop.service");
        unit.drop_ins = vec!["/etc/systemd/system/shop.service.d/limits.conf".into()];
        assert!(!undo_edit(&unit).contains("revert"));
        unit = Unit {
            name: "shop.service".into(),
            fragment: Some("/etc/systemd/system/shop.service".into()),
            ..Unit::default()
        };
        assert!(!undo_edit(&unit).contains("revert"));
    }
}
