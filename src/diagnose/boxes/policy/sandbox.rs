//! Does the systemd sandbox allow it?

use super::{Judged, Part};
use crate::diagnose::sandbox::{Effect, bar, layers, taking};
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Evidence, Verdict, arg};
use crate::facts::unit::Unit;

pub(super) fn part(judged: &Judged<'_, '_>) -> Part {
    let (look, subject) = (judged.look, judged.subject);
    let found = taking(look, subject).or_else(|| serving(look, subject)?.unit);
    let Some(unit) = found else {
        return Part::new(Verdict::Unneeded, "no unit of systemd serves it");
    };
    if !unit.exists() {
        return Part::new(Verdict::Unneeded, format!("{} is no unit of this host", unit.name));
    }
    if unit.sandbox.is_none() {
        return Part::new(Verdict::Unknown, format!("the sandbox of {} was not read", unit.name));
    }
    if layers(look, unit).is_none() {
        return Part::new(Verdict::Unknown, "");
    }
    let dial = subject.endpoint().and_then(|endpoint| look.dialled(&endpoint));
    let Some(bar) = dial.and_then(|dial| bar(look, subject, dial)) else {
        return Part::new(Verdict::Yes, format!("the sandbox of {} is not in the way", unit.name)).seen(shown(unit));
    };
    let told = match bar.effect {
        Effect::No => "has no effect here: a connection that it forbids was made",
        Effect::Yes => "keeps the client out",
        Effect::Unknown => "is set; whether it has an effect here cannot be told",
    };
    let verdict = match bar.effect {
        Effect::No => Verdict::Yes,
        Effect::Yes => Verdict::No,
        Effect::Unknown => Verdict::Unknown,
    };
    let says = format!("{} of {} {told}", bar.setting, bar.by);
    let (name, _) = bar.setting.split_once('=').unwrap_or((&bar.setting, ""));
    let see = format!("systemctl show -p {name} {}", arg(bar.by));
    let summary =
        if bar.effect == Effect::No { format!("the sandbox of {} is not in the way", unit.name) } else { says.clone() };
    Part::new(verdict, summary).seen(Evidence::new("systemd", says, see))
}

fn shown(unit: &Unit) -> Evidence {
    let says = format!("no setting of {} or its slices forbids it", unit.name);
    Evidence::new(
        "systemd",
        says,
        format!("systemctl show {} | grep -E '^(Restrict|IPAddress|SocketBind)'", arg(&unit.name)),
    )
}
