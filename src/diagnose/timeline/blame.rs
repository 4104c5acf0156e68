//! What an outage goes with: what shows it, what fits, what merely happened then. Nothing outside its window is named.

use std::fmt::Write as _;

use super::downs::{Down, Why};
use super::period::scheduled;
use super::{About, Link, Outage, Proof};
use crate::facts::connect::Outcome;
use crate::facts::happening::{Change, Happening, Past, What, some};

/// What happened this long before the first failure is held against it, in microseconds, even where an attempt in
/// between still worked: queues drain, and rules let established connections be.
pub(super) const BEFORE_US: u64 = 2_000_000;
/// The same where no attempt came before the first failure.
const BEFORE_FIRST_US: u64 = 10_000_000;
/// Who asked for a stop did so at most this long before, in microseconds.
const ASKED_US: u64 = 5_000_000;
/// Something that listens only when its unit is said to be up may take this long more.
const SETTLES_US: u64 = 1_000_000;
/// An attempt goes on a while after it began, and what happens is noted a little later.
const NOTED_US: u64 = 300_000;
/// Links that are told.
const MOST: usize = 6;

/// From when on what happened may have to do with the beginning of an outage.
pub(super) fn before_us(outage: &Outage) -> u64 {
    let near = outage.from_us.saturating_sub(if outage.worked_us.is_some() { BEFORE_US } else { BEFORE_FIRST_US });
    outage.worked_us.map_or(near, |worked| near.min(worked))
}

/// Until when: clocks and logs are not exact.
pub(super) fn after_us(outage: &Outage) -> u64 {
    outage.from_us.saturating_add(1_000_000)
}

/// What an outage goes with, the best first. Downs and happenings are in order.
pub(super) fn links(outage: &Outage, past: &Past, downs: &[Down], about: &About) -> Vec<Link> {
    let mut links: Vec<Link> = shown(outage, past, downs, about).into_iter().collect();
    let mut others: Vec<Link> = Vec::new();
    for (index, happening) in past.happenings.iter().enumerate() {
        others.extend(other(outage, past, index, happening, about));
    }
    // Those that ended with it first, then the nearest.
    others.sort_by_key(|link| {
        let away = link.began_us.unwrap_or_default().abs_diff(outage.from_us);
        (link.proof, link.ended_us.is_none(), away, link.says.clone())
    });
    let mut told: Vec<String> = links.iter().map(|link| link.says.clone()).collect();
    for link in others {
        // What is part of a sentence already is not told again.
        if !told.iter().any(|says| says.contains(&link.says)) {
            told.push(link.says.clone());
            links.push(link);
        }
    }
    links.truncate(MOST);
    links
}

/// The unit was down when the first failure came.
fn shown(outage: &Outage, past: &Past, downs: &[Down], about: &About) -> Option<Link> {
    if !outage.outcome.is_none_or(is_of_no_listener) {
        return None;
    }
    let unit = about.unit.as_ref()?;
    let until = outage.until_us.unwrap_or(outage.last_us);
    // One that was over before an attempt worked has nothing to do with the failure after that.
    let counts = |down: &&Down| outage.worked_us.is_none_or(|worked| down.until_us.is_none_or(|up| up > worked));
    let near = outage.from_us.saturating_sub(SETTLES_US);
    let begins = |down: &&Down| counts(down) && down.meets(near, outage.from_us.saturating_add(NOTED_US));
    let first = downs.iter().rfind(begins)?;
    let meanwhile = |down: &&Down| counts(down) && down.meets(near, until);
    let times = downs.iter().filter(meanwhile).count();
    let last = downs.iter().rfind(meanwhile)?;
    let mut says = down_says(unit, first, past);
    if times > 1 {
        let _ = write!(says, "; it was down {times} times meanwhile");
    }
    if let Some(up) = last.until_us
        && until > up.saturating_add(SETTLES_US)
    {
        let seconds = until.saturating_sub(up) / 1_000_000;
        let _ = write!(says, "; it went on for {seconds} s after the unit was up again");
    }
    Some(Link { proof: Proof::Shown, says, began_us: first.from_us, ended_us: last.until_us, source: "journal" })
}

/// What a client gets where nobody listens, or the listener goes away.
fn is_of_no_listener(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Refused | Outcome::Reset | Outcome::Closed | Outcome::Unresolved | Outcome::Error => true,
        Outcome::Open | Outcome::Timeout | Outcome::Unreachable | Outcome::Denied | Outcome::Silent => false,
    }
}

fn down_says(unit: &str, down: &Down, past: &Past) -> String {
    let again = down.until_us.is_some();
    let by = || down.from_us.and_then(|at| asker(unit, at, past)).unwrap_or_default();
    let and_restarted = match (again, down.automatic) {
        (true, true) => " and was restarted by systemd (Restart=)".to_owned(),
        (true, false) => " and was started again".into(),
        (false, true) => " and waits for systemd to restart it".into(),
        (false, false) => String::new(),
    };
    match &down.why {
        Why::Stopped if again => format!("{unit} was restarted{}", by()),
        Why::Stopped => format!("{unit} was stopped{}", by()),
        Why::Ended(words) if words.is_empty() => format!("{unit} ended{and_restarted}"),
        Why::Ended(words) => format!("{unit} ended ({words}){and_restarted}"),
        Why::Oom => format!("{unit} was killed for want of memory (OOM){and_restarted}"),
        Why::Crashed(signal) => format!("{unit} crashed ({signal}){and_restarted}"),
        Why::Unknown if again => format!("{unit} was down and was started"),
        Why::Unknown => format!("{unit} was down"),
    }
}

/// Who had a unit stopped at this time, as far as that is known, as the end of a sentence.
pub(super) fn asker(unit: &str, at_us: u64, past: &Past) -> Option<String> {
    let mut best: Option<(u8, u64, String)> = None;
    for happening in &past.happenings {
        let away = at_us.abs_diff(happening.at_us);
        let Some((rank, words)) = asks(unit, at_us, happening, past) else { continue };
        if best.as_ref().is_none_or(|(r, a, _)| (rank, away) < (*r, *a)) {
            best = Some((rank, away, words));
        }
    }
    best.map(|(_, _, words)| words)
}

fn asks(unit: &str, at_us: u64, happening: &Happening, past: &Past) -> Option<(u8, String)> {
    let stem = stem(unit);
    let exact = happening.source.exact_us();
    let within = |before: u64| {
        happening.at_us <= at_us.saturating_add(exact) && at_us <= happening.at_us.saturating_add(before + exact)
    };
    if let What::Command { by, command } = &happening.what {
        let asked = within(ASKED_US) && names(command, stem) && acts(command);
        return asked.then(|| (0, format!(" by {by}: `{command}`")));
    }
    if let What::Packages { tool, verb, packages, command, until_us } = &happening.what {
        let runs = happening.at_us <= at_us.saturating_add(exact)
            && until_us.is_none_or(|until| at_us <= until.saturating_add(exact));
        let said = command.as_ref().map(|c| format!(", `{c}`")).unwrap_or_default();
        let of_unit: Vec<String> = packages.iter().filter(|p| belongs(p, stem)).cloned().collect();
        let asked = if of_unit.is_empty() {
            (3, format!(" while {tool} was at work ({verb} {}{said})", some(packages)))
        } else {
            (1, format!(" by {tool} ({verb} {}{said})", some(&of_unit)))
        };
        return runs.then_some(asked);
    }
    let What::Unit { unit: other, .. } = &happening.what else { return None };
    if other == unit || !within(ASKED_US) {
        return None;
    }
    scheduled(&happening.what, past).map(|timer| (2, format!(" just after {timer}, ran")))
}

/// `nginx` of `nginx.service`, `postgresql` of `postgresql@15-main.service`.
fn stem(unit: &str) -> &str {
    unit.split(['.', '@']).next().unwrap_or(unit)
}

/// A command that names the unit.
fn names(command: &str, stem: &str) -> bool {
    let words = command.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':')));
    words.into_iter().any(|word| self::stem(word) == stem && !stem.is_empty())
}

/// A command that stops, starts or replaces something; one that only asks does not.
fn acts(command: &str) -> bool {
    const UNITS: [&str; 10] = [
        "stop",
        "start",
        "restart",
        "reload",
        "try-restart",
        "reload-or-restart",
        "kill",
        "isolate",
        "mask",
        "disable",
    ];
    const PACKAGES: [&str; 9] = [
        "install",
        "remove",
        "purge",
        "upgrade",
        "dist-upgrade",
        "full-upgrade",
        "autoremove",
        "reinstall",
        "downgrade",
    ];
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    let short = |word: &str, letters: &[char]| word.strip_prefix('-').is_some_and(|rest| rest.starts_with(letters));
    words.iter().enumerate().any(|(at, word)| {
        let rest = words.get(at + 1..).unwrap_or_default();
        let mut plain = rest.iter().filter(|word| !word.starts_with('-'));
        match *word {
            "systemctl" => plain.next().is_some_and(|verb| UNITS.contains(verb)),
            "service" | "invoke-rc.d" => plain.nth(1).is_some_and(|verb| UNITS.contains(verb)),
            "kill" | "pkill" | "killall" => at_program(&words, at) && !rest.iter().any(|w| matches!(*w, "-0" | "-l")),
            "reboot" | "shutdown" | "init" => at_program(&words, at),
            "apt" | "apt-get" | "aptitude" => rest.iter().any(|word| PACKAGES.contains(word)),
            "dnf" | "yum" => rest.iter().any(|word| PACKAGES.contains(word) || *word == "update"),
            "dpkg" | "rpm" => rest.iter().any(|word| {
                let long = word.strip_prefix("--").is_some_and(|long| PACKAGES.contains(&long) || long == "erase");
                long || short(word, &['i', 'r', 'P', 'U', 'e'])
            }),
            _ => false,
        }
    })
}

/// The word is a program, no argument of one: the first, or what stands behind what is not shown.
fn at_program(words: &[&str], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| words.get(before) == Some(&"…"))
}

/// A package whose name and the unit's begin alike: `nginx-common`, `postgresql-15`, `openssh-server` of `ssh`.
fn belongs(package: &str, stem: &str) -> bool {
    const SHORTEST: usize = 3;
    let alike = |a: &str, b: &str| b.len() >= SHORTEST && a.starts_with(b);
    let usual = stem.trim_end_matches("-server").trim_end_matches('d');
    alike(package, usual) || alike(stem, package) || package.strip_prefix("open").is_some_and(|rest| alike(rest, usual))
}

/// Something else that happened as it began.
fn other(outage: &Outage, past: &Past, index: usize, happening: &Happening, about: &About) -> Option<Link> {
    let exact = happening.source.exact_us();
    let (from, until) = (before_us(outage).saturating_sub(exact), outage.from_us.saturating_add(exact.min(1_000_000)));
    // Packages take their time: they are at work from here to there.
    let lasts = if let What::Packages { until_us, .. } = &happening.what { until_us.unwrap_or(u64::MAX) } else { 0 };
    if happening.at_us > until || happening.at_us.max(lasts) < from {
        return None;
    }
    let fits = fits(&happening.what, outage.outcome, about)?;
    let ended =
        past.happenings.get(index + 1..).unwrap_or_default().iter().find(|later| ends(outage, happening, later));
    let mut says = happening.what.to_string();
    if let (Some(ended), Proof::Fits) = (ended, fits) {
        if let What::Rules { by } = &ended.what {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let _ = write!(says, ", and again{by} as it ended");
        } else {
            says += ", and that was over as it ended";
        }
    }
    let ended_us = ended.map(|ended| ended.at_us);
    Some(Link { proof: fits, says, began_us: Some(happening.at_us), ended_us, source: happening.source.word() })
}

/// Can it have this outcome? None: it is not worth a word, or told otherwise.
fn fits(what: &What, outcome: Option<Outcome>, about: &About) -> Option<Proof> {
    use Outcome::{Closed, Denied, Error, Refused, Reset, Timeout, Unreachable, Unresolved};
    let can = |outcomes: &[Outcome]| outcome.is_some_and(|outcome| outcomes.contains(&outcome));
    let when = |fits: bool| Some(if fits { Proof::Fits } else { Proof::Near });
    let own = |unit: &String| about.unit.as_ref() == Some(unit);
    match what {
        What::Rules { .. } => when(can(&[Refused, Reset, Timeout, Unreachable, Denied, Closed])),
        What::Ban { lifted: false, .. } => when(can(&[Refused, Reset, Timeout, Unreachable, Closed])),
        What::Address { came: false, .. } | What::Link { up: false, .. } => {
            when(can(&[Timeout, Unreachable, Refused, Error]))
        }
        What::Container { name, runs: false } => {
            when(about.container.as_ref() == Some(name) && can(&[Refused, Reset, Closed, Timeout, Unreachable]))
        }
        What::Unit { unit, change: Change::Reloading, .. } if own(unit) => when(can(&[Refused, Reset, Closed])),
        What::Sleeps | What::Woke { .. } => when(can(&[Timeout, Unreachable, Reset])),
        What::Unit { unit, change: Change::Stopping | Change::Exited | Change::Failed, .. } if !own(unit) => {
            Some(Proof::Near)
        }
        What::Oom { .. } | What::Crash { .. } | What::Packages { .. } | What::Clock { .. } | What::Boot => {
            Some(Proof::Near)
        }
        What::Command { .. } => Some(Proof::Near),
        What::Address { came: true, .. } | What::Link { up: true, .. } => {
            when(can(&[Unreachable, Unresolved, Refused]))
        }
        What::Unit { .. } | What::Ban { lifted: true, .. } | What::Container { runs: true, .. } => None,
    }
}

/// Does `later` take back what began it, at the time the outage ended?
fn ends(outage: &Outage, began: &Happening, later: &Happening) -> bool {
    let Some(until) = outage.until_us else { return false };
    let exact = later.source.exact_us();
    let ended = until.saturating_add(exact).saturating_add(NOTED_US);
    let as_it_ended = (outage.last_us.saturating_sub(exact)..=ended).contains(&later.at_us);
    as_it_ended
        && match (&began.what, &later.what) {
            (What::Rules { .. }, What::Rules { .. }) | (What::Sleeps, What::Woke { .. }) => true,
            (What::Ban { address: a, .. }, What::Ban { address: b, lifted: true, .. })
            | (What::Address { address: a, .. }, What::Address { address: b, came: true, .. })
            | (What::Link { interface: a, .. }, What::Link { interface: b, up: true })
            | (What::Container { name: a, .. }, What::Container { name: b, runs: true })
            | (What::Unit { unit: a, .. }, What::Unit { unit: b, change: Change::Reloaded, .. }) => a == b,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::acts;

    #[test]
    fn only_what_changes_something_stands_behind_by() {
        for command in [
            "systemctl --no-block restart nginx",
            "cd … systemctl stop nginx",
            "service nginx reload",
            "pkill nginx",
            "apt-get -y install nginx",
            "dpkg -i nginx.deb",
            "rpm -Uvh nginx.rpm",
            "dnf update nginx",
        ] {
            assert!(acts(command), "{command}");
        }
        for command in [
            "systemctl status nginx",
            "systemctl is-active restart",
            "service nginx status",
            "nginx -t",
            "apt update nginx",
            "apt-cache policy nginx",
            "dpkg -l nginx",
            "rpm -qi nginx",
            "kill -0 nginx",
            "cat …",
            "",
        ] {
            assert!(!acts(command), "{command}");
        }
    }
}
