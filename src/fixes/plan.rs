//! A plan: what would be done about a cause, in steps, with what it exposes and what it risks.

use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::facts::connect::Outcome;
use crate::facts::host::Host;

/// A fix that this program can carry out and take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name in `fix --plan` (`listen-address`, `allow-client`): kebab-case, stable, and one of a kind in a finding.
    pub id: String,
    /// Id of the cause it is about.
    pub cause: String,
    /// What it does, as an order: `start nginx.service`.
    pub title: String,
    /// What can go wrong.
    pub risk: Risk,
    /// Who gets in by it.
    pub scope: Scope,
    /// How long it holds.
    pub lasting: Lasting,
    /// What somebody should know before they say yes (`anyone who reaches 10.0.0.5 can ask Redis, which has no password`).
    pub warnings: Vec<String>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What the asked side will get once it is done; none when that cannot be told before.
    pub then: Option<Outcome>,
    /// The cause that bites next where it is not enough.
    pub next: Option<String>,
    /// The host whose facts it was made of; none for a recording, and then nobody can apply it.
    pub made_on: Option<MadeOn>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does, as an order.
    pub does: String,
    /// What exactly.
    pub action: Action,
}

/// What can go wrong with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nobody who is served now notices.
    Low,
    /// A service is interrupted for a moment, or gets reachable for more than who asked.
    Medium,
    /// Somebody may lose a service, a session or data.
    High,
}

impl Risk {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Who gets in by a plan that did not before; narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Nobody whom the host's rules and the service's own settings did not let in already.
    Nobody,
    /// One client.
    Client,
    /// A network.
    Network,
    /// Everyone who reaches this host.
    Everyone,
}

/// How long a plan holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lasting {
    /// For this many seconds.
    For(u32),
    /// Only for as long as somebody looks: it is put back after the time for confirming, whatever is said meanwhile.
    Trial,
    /// Until the next reboot or reload of its owner.
    Runtime,
    /// Beyond a reboot.
    Permanent,
}

impl Lasting {
    /// As people say it.
    pub fn shown(self) -> String {
        match self {
            Self::For(seconds) if seconds % 3600 == 0 && seconds > 3600 => format!("for {} hours", seconds / 3600),
            Self::For(3600) => "for one hour".into(),
            Self::For(seconds) => format!("for {seconds} s"),
            Self::Trial => "only for a while, to look: it is put back by itself".into(),
            Self::Runtime => "until the next reboot or reload".into(),
            Self::Permanent => "for good".into(),
        }
    }
}

/// The host that facts were read on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeOn {
    /// Its name.
    pub hostname: String,
    /// Its boot.
    pub boot_id: String,
}

impl MadeOn {
    /// Of facts; none where they cannot be told from those of another host (a recording's boot is blanked).
    pub fn of(host: &Host) -> Option<Self> {
        let known = !host.boot_id.is_empty();
        known.then(|| Self { hostname: host.hostname.clone(), boot_id: host.boot_id.clone() })
    }
}

impl Plan {
    /// A plan of low risk that lets nobody in who was not let in before; say what differs.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            cause: String::new(),
            title: title.into(),
            risk: Risk::Low,
            scope: Scope::Nobody,
            lasting: Lasting::Permanent,
            warnings: Vec::new(),
            steps: Vec::new(),
            then: None,
            next: None,
            made_on: None,
        }
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, does: impl Into<String>, action: Action) -> Self {
        self.steps.push(Step { does: does.into(), action });
        self
    }

    /// Says what can go wrong.
    #[must_use]
    pub fn risk(mut self, risk: Risk) -> Self {
        self.risk = risk;
        self
    }

    /// Says who gets in.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Says how long it holds.
    #[must_use]
    pub fn lasting(mut self, lasting: Lasting) -> Self {
        self.lasting = lasting;
        self
    }

    /// Adds what somebody should know first.
    #[must_use]
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// It may close what was open: the operator's own session is looked at before and after.
    pub fn may_close(&self) -> bool {
        self.guarded() || self.steps.iter().any(|step| step.action.may_close())
    }

    /// It changes whom this host lets in.
    pub fn guarded(&self) -> bool {
        self.steps.iter().any(|step| step.action.touches_reachability())
    }

    /// The familiar command lines for all of it, one a line.
    pub fn commands(&self) -> String {
        self.steps.iter().map(|step| step.action.preview()).collect::<Vec<_>>().join("\n")
    }

    /// The command lines that take it back: the changes in reverse, then what makes them count.
    pub fn undo_commands(&self) -> Option<String> {
        let (kicks, sets): (Vec<_>, Vec<_>) = self.steps.iter().partition(|step| step.action.is_kick());
        let lines: Vec<String> =
            sets.iter().rev().chain(kicks.iter()).filter_map(|step| step.action.undo_preview()).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixes::action::{Edit, Hunk, Verb};

    #[test]
    fn a_plan_is_taken_back_in_reverse_and_then_made_to_count() {
        let edit = Edit {
            file: "/etc/x.conf".into(),
            hunks: vec![Hunk { line: 3, old: vec!["port 1".into()], new: vec!["port 2".into()] }],
        };
        let plan = Plan::new("x", "x")
            .step("move it", Action::Edit(edit))
            .step("check", Action::Check { argv: vec!["x".into(), "-t".into()] })
            .step("restart", Action::Unit { unit: "x.service".into(), verb: Verb::Restart });
        assert_eq!(plan.commands(), "edit /etc/x.conf:3: port 2\nx -t\nsystemctl restart x.service");
        assert_eq!(plan.undo_commands().unwrap(), "edit /etc/x.conf:3: port 1\nsystemctl restart x.service");
        assert!(!plan.guarded());
    }

    #[test]
    fn lasting_is_said_as_people_do() {
        assert_eq!(Lasting::For(3600).shown(), "for one hour");
        assert_eq!(Lasting::For(7200).shown(), "for 2 hours");
        assert_eq!(Lasting::For(90).shown(), "for 90 s");
    }

    #[test]
    fn a_plan_survives_the_way_to_the_privileged_half() {
        let plan = Plan::new("a", "b").step("c", Action::Unit { unit: "x.service".into(), verb: Verb::Start });
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
