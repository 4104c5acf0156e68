//! Does AppArmor allow it?

use super::{Judged, Part, chosen};
use crate::diagnose::confined;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Evidence, Verdict};
use crate::facts::Reading;
use crate::facts::apparmor::{Apparmor, Profile};

pub(super) fn part(judged: &Judged<'_, '_>) -> Part {
    let (look, subject) = (judged.look, judged.subject);
    let Some(serving) = serving(look, subject) else {
        return Part::new(Verdict::Unneeded, "nobody is known whom AppArmor could confine");
    };
    let Some(about) = confined::of_serving(look, subject, &serving) else {
        return Part::new(Verdict::Unneeded, format!("{} runs nothing that AppArmor could confine", serving.name));
    };
    let known = look.apparmor(&about);
    if matches!(look.facts().apparmor.get(&about), Some(Reading::Absent)) {
        return Part::new(Verdict::Unneeded, "AppArmor is not on this kernel");
    }
    let Some(apparmor) = known else { return Part::new(Verdict::Unknown, "") };
    let mut part = told(apparmor, &about.program);
    if apparmor.enabled {
        part.evidence.extend(chosen(&serving, "AppArmorProfile", |sandbox| &sandbox.apparmor_profile));
    }
    part
}

fn told(apparmor: &Apparmor, program: &str) -> Part {
    match &apparmor.profile {
        None if !apparmor.enabled => Part::new(Verdict::Unneeded, "AppArmor is turned off"),
        None => Part::new(Verdict::Unneeded, format!("AppArmor does not confine {program}")),
        Some(profile) => {
            let mut part = Part::new(Verdict::Yes, says(profile));
            let see = "cat /sys/kernel/security/apparmor/profiles";
            part.evidence.push(Evidence::new("apparmor", part.says.clone(), see));
            part
        }
    }
}

/// Where it kept somebody from a port, a cause would have been found.
fn says(profile: &Profile) -> String {
    if profile.enforces() {
        return format!("profile {} of AppArmor ({}) is not in the way", profile.name, profile.mode);
    }
    format!("profile {} of AppArmor only logs ({})", profile.name, profile.mode)
}
