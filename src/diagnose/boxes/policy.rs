//! Do SELinux, AppArmor and the systemd sandbox allow it? Each is a part of its own; the box is what they say together.

mod apparmor;
mod sandbox;
mod selinux;

use super::{Judged, elsewhere};
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::Serving;
use crate::diagnose::verdict::{BoxState, Evidence, Verdict, arg};
use crate::facts::sandbox::Sandbox;

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

/// A setting of the unit that decides what it runs as.
fn chosen(serving: &Serving<'_>, name: &str, value: fn(&Sandbox) -> &str) -> Option<Evidence> {
    let unit = serving.unit?;
    let value = value(unit.sandbox.as_deref()?);
    let says = format!("{}: {name}={value}, which decides what it runs as", unit.name);
    (!value.is_empty()).then(|| Evidence::new("systemd", says, format!("systemctl show -p {name} {}", arg(&unit.name))))
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
    use crate::facts::unit::Unit;

    fn of(parts: &[(Verdict, &str)]) -> BoxState {
        together(parts.iter().map(|(verdict, says)| Part::new(*verdict, *says)).collect())
    }

    #[test]
    fn one_that_cannot_be_told_leaves_the_whole_untold() {
        let state = of(&[(Verdict::Yes, "the sandbox allows it"), (Verdict::Unknown, "needs root")]);
        assert_eq!((state.verdict, state.because.as_deref()), (Verdict::Unknown, Some("needs root")));
    }

    #[test]
    fn a_label_of_the_unit_is_told_where_there_is_one() {
        let sandbox = Sandbox { selinux_context: "system_u:system_r:httpd_t:s0".into(), ..Sandbox::default() };
        let unit = Unit { name: "app.service".into(), sandbox: Some(Box::new(sandbox)), ..Unit::default() };
        let serving = Serving { unit: Some(&unit), name: unit.name.clone(), claim: None, listens: true, wrapper: None };
        let told = chosen(&serving, "SELinuxContext", |s| &s.selinux_context).unwrap();
        assert!(told.says.starts_with("app.service: SELinuxContext=system_u:system_r:httpd_t:s0"), "{}", told.says);
        assert_eq!(told.see, "systemctl show -p SELinuxContext app.service");
        assert!(chosen(&serving, "AppArmorProfile", |s| &s.apparmor_profile).is_none());
    }

    #[test]
    fn those_without_a_say_do_not_count() {
        let state = of(&[(Verdict::Unneeded, "no SELinux on this kernel"), (Verdict::Yes, "the sandbox allows it")]);
        assert_eq!((state.verdict, state.summary.as_str()), (Verdict::Yes, "the sandbox allows it"));
        let state = of(&[(Verdict::Unneeded, "no SELinux"), (Verdict::Unneeded, "no AppArmor")]);
        assert_eq!((state.verdict, state.because.as_deref()), (Verdict::Unneeded, Some("no SELinux; no AppArmor")));
    }
}
