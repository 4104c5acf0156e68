//! Do SELinux, AppArmor and the systemd sandbox allow it? Each is a part of its own; the box is what they say together.

mod apparmor;
mod sandbox;
mod selinux;

use super::{Judged, elsewhere};
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{BoxState, Evidence, Verdict};

/// What one of the powers over a service says about it, where no cause was found in it.
pub(super) struct Part {
    /// Yes: it is there and not in the way. Unneeded: it is not there, or has no say over this service.
    verdict: Verdict,
    /// One clause for people: also why, where it cannot be told or is not needed. Empty: what was missing tells.
    says: String,
    /// What it rests on.
    evidence: Vec<Evidence>,
}

impl Part {
    fn new(verdict: Verdict, says: impl Into<String>) -> Self {
        Self { verdict, says: says.into(), evidence: Vec::new() }
    }

    fn seen(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }
}

/// Whom to ask, in the order in which they are told.
const PARTS: [fn(&Judged<'_, '_>) -> Part; 3] = [sandbox::part, selinux::part, apparmor::part];

pub(super) fn state(judged: &Judged<'_, '_>) -> BoxState {
    elsewhere(BoxId::Policy, judged)
        .unwrap_or_else(|| together(PARTS.iter().map(|part| heard(judged, *part)).collect()))
}

/// Who is not needed as far as can be seen may be needed all the same where not everything was seen.
fn heard(judged: &Judged<'_, '_>, part: fn(&Judged<'_, '_>) -> Part) -> Part {
    let (told, missing) = judged.look.noting(|| part(judged));
    judged.look.also_missing(&missing);
    let unsure = missing.open || !missing.blind.is_empty();
    if unsure && told.verdict == Verdict::Unneeded { Part::new(Verdict::Unknown, "") } else { told }
}

/// One that cannot be told leaves the whole untold; the box is unneeded where none of them has a say.
fn together(parts: Vec<Part>) -> BoxState {
    let order = [Verdict::No, Verdict::Unknown, Verdict::Yes, Verdict::Unneeded];
    let verdict = order.into_iter().find(|v| parts.iter().any(|p| p.verdict == *v)).unwrap_or(Verdict::Unneeded);
    let deciding = parts.iter().filter(|p| p.verdict == verdict && !p.says.is_empty());
    let mut words: Vec<&str> = deciding.map(|p| p.says.as_str()).collect();
    words.dedup();
    let summary = words.join("; ");
    let because = matches!(verdict, Verdict::Unknown | Verdict::Unneeded).then(|| summary.clone());
    BoxState {
        id: BoxId::Policy,
        verdict,
        because: because.filter(|why| !why.is_empty()),
        summary,
        evidence: parts.into_iter().flat_map(|p| p.evidence).collect(),
        looking: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[(Verdict, &str)]) -> BoxState {
        together(parts.iter().map(|(verdict, says)| Part::new(*verdict, *says)).collect())
    }

    #[test]
    fn one_that_cannot_be_told_leaves_the_whole_untold() {
        let state = of(&[(Verdict::Yes, "the sandbox allows it"), (Verdict::Unknown, "needs root")]);
        assert_eq!((state.verdict, state.because.as_deref()), (Verdict::Unknown, Some("needs root")));
    }

    #[test]
    fn those_without_a_say_do_not_count() {
        let state = of(&[(Verdict::Unneeded, "no SELinux on this kernel"), (Verdict::Yes, "the sandbox allows it")]);
        assert_eq!((state.verdict, state.summary.as_str()), (Verdict::Yes, "the sandbox allows it"));
        let state = of(&[(Verdict::Unneeded, "no SELinux"), (Verdict::Unneeded, "no AppArmor")]);
        assert_eq!((state.verdict, state.because.as_deref()), (Verdict::Unneeded, Some("no SELinux; no AppArmor")));
    }
}
