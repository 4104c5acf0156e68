//! Does SELinux allow it?

use super::{Judged, Part, chosen};
use crate::diagnose::confined;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Evidence, Verdict};
use crate::facts::Reading;
use crate::facts::selinux::{Mode, Selinux};

pub(super) fn part(judged: &Judged<'_, '_>) -> Part {
    let (look, subject) = (judged.look, judged.subject);
    let (Some(serving), Some(port)) = (serving(look, subject), subject.port) else {
        return Part::new(Verdict::Unneeded, "nobody is known whom SELinux could confine");
    };
    let Some(about) = confined::of_serving(look, subject, &serving) else {
        return Part::new(Verdict::Unneeded, format!("{} runs nothing that SELinux could confine", serving.name));
    };
    let known = look.selinux(&about, subject.transport, port);
    let reading = look.facts().selinux.get(&(about, subject.transport, port));
    if matches!(reading, Some(Reading::Absent)) {
        return Part::new(Verdict::Unneeded, "SELinux is not active on this kernel");
    }
    let Some(selinux) = known else { return Part::new(Verdict::Unknown, "") };
    let mut whole = told(selinux, port);
    if selinux.mode == Mode::Enforcing {
        whole.evidence.extend(chosen(&serving, "SELinuxContext", |sandbox| &sandbox.selinux_context));
    }
    whole
}

fn told(selinux: &Selinux, port: u16) -> Part {
    match selinux.mode {
        Mode::Off => return Part::new(Verdict::Unneeded, "SELinux is turned off"),
        Mode::Permissive => {
            return Part::new(Verdict::Yes, "SELinux is permissive: it only notes what it would forbid");
        }
        Mode::Enforcing => {}
    }
    let blind = selinux.domain.blind().or_else(|| selinux.port.blind());
    let (Some(domain), Some(rule)) = (selinux.domain.value(), selinux.port.value()) else {
        return Part::new(Verdict::Unknown, blind.unwrap_or_else(|| "what SELinux decides could not be read".into()));
    };
    let name = domain.name();
    let (verdict, says) = if rule.bind {
        (Verdict::Yes, format!("SELinux lets {name} bind port {port} ({})", rule.kind))
    } else if domain.permissive {
        (Verdict::Yes, format!("SELinux only notes what {name} does: that domain is permissive"))
    } else {
        // Where it bites, a cause was found. A socket that somebody else opened for it needs no such right.
        (
            Verdict::Yes,
            format!("SELinux does not let {name} bind port {port} ({}), but that is not what fails", rule.kind),
        )
    };
    let seen = Evidence::new("selinux", says.clone(), format!("seinfo --portcon={port}"));
    Part { evidence: vec![seen], ..Part::new(verdict, says) }
}
