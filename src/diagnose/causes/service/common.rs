//! What the causes of the service box share: finding the unit that is down, and telling what was read of it.

use crate::diagnose::Scene;
use crate::diagnose::answering;
use crate::diagnose::causes::Found;
use crate::diagnose::failure::{self, Failure, FailureKind, first_failure, gist};
use crate::diagnose::look::Look;
use crate::diagnose::serving::{Serving, serving};
use crate::diagnose::verdict::{Advice, Evidence};
pub(super) use crate::diagnose::verdict::{arg, undo_edit};
use crate::facts::connect::Outcome;
use crate::facts::journal::Entry;
use crate::facts::unit::Unit;

/// What the asked side gets while the program does not run. `Unresolved` is a unix socket that is not there, `Error` a
/// unit of which no port is known.
pub(in crate::diagnose::causes) const DOWN: &[Outcome] = &[Outcome::Refused, Outcome::Unresolved, Outcome::Error];

/// Who should serve the target, when nothing listens there.
pub(super) fn idle<'a>(scene: &Scene<'a, '_>) -> Option<Serving<'a>> {
    let found = serving(scene.look, scene.subject)?;
    if found.listens || !nothing_listens(scene)? {
        return None;
    }
    (scene.outcome()? != Outcome::Open).then_some(found)
}

/// The unit that should serve the target, when nothing listens there.
pub(super) fn idle_unit<'a>(scene: &Scene<'a, '_>) -> Option<&'a Unit> {
    idle(scene)?.unit.filter(|unit| unit.exists())
}

/// The same, but the service where that unit is a socket unit.
pub(in crate::diagnose::causes) fn idle_service<'a>(scene: &Scene<'a, '_>) -> Option<&'a Unit> {
    let unit = idle_unit(scene)?;
    if unit.socket.is_none() {
        return Some(unit);
    }
    scene.look.unit(unit.triggers.first()?).filter(|unit| unit.exists())
}

/// The socket units of a unit: itself, or those that start it.
pub(super) fn sockets<'a>(look: &Look<'a>, unit: &'a Unit) -> Vec<&'a Unit> {
    if unit.socket.is_some() {
        return vec![unit];
    }
    let triggers = unit.triggered_by.iter().filter(|name| name.ends_with(".socket"));
    triggers.filter_map(|name| look.unit(name)).filter(|socket| socket.socket.is_some()).collect()
}

/// The idle service and the first failure of its last start, if that is one of these.
pub(in crate::diagnose::causes) fn failed_by<'a, T>(
    scene: &Scene<'a, '_>,
    pick: impl FnOnce(&FailureKind) -> Option<T>,
) -> Option<(&'a Unit, Failure, T)> {
    let unit = idle_service(scene)?;
    let failure = first_failure(scene.look, unit)?;
    let picked = pick(&failure.kind)?;
    Some((unit, failure, picked))
}

fn nothing_listens(scene: &Scene<'_, '_>) -> Option<bool> {
    let Some(port) = scene.subject.port else { return Some(true) };
    let none = scene.look.listeners(scene.subject.transport, port)?.is_empty();
    // Another program may have the unit's port: then the unit itself has nothing there.
    Some(none || answering::other(scene.look, scene.subject).is_some())
}

/// A finding about a unit that does not listen, with what was read of the unit and of its port.
pub(super) fn found(scene: &Scene<'_, '_>, unit: &Unit, summary: impl Into<String>) -> Found {
    let found = Found::new(&unit.name, summary).seen(systemd_says(unit));
    match silence(scene) {
        Some(silence) => found.seen(silence),
        None => found,
    }
}

/// The same for a unit that failed: its first failure comes first.
pub(in crate::diagnose::causes) fn found_failed(
    scene: &Scene<'_, '_>,
    unit: &Unit,
    failure: &Failure,
    summary: String,
) -> Found {
    let mut found = Found::new(&unit.name, summary);
    found.evidence.extend(failure_says(unit, failure));
    found.evidence.push(systemd_says(unit));
    found.evidence.extend(silence(scene));
    found
}

/// That nothing listens, where that was looked at.
pub(super) fn silence(scene: &Scene<'_, '_>) -> Option<Evidence> {
    let port = scene.subject.port?;
    let letter = scene.subject.transport.word().get(..1)?;
    let see = format!("ss -H -ln{letter}p 'sport = :{port}'");
    if let Some((listener, owner)) = answering::other(scene.look, scene.subject) {
        return Some(Evidence::new("sock_diag", format!("LISTEN {} by {}", listener.shown(), owner.shown()), see));
    }
    let see = format!("ss -H -ln{letter} 'sport = :{port}'");
    Some(Evidence::new("sock_diag", format!("nothing listens on port {port}"), see))
}

/// The state of a unit, as systemd tells it.
pub(super) fn systemd_says(unit: &Unit) -> Evidence {
    let mut says = vec![format!("{} is {}", unit.name, unit.shown_state())];
    let result = match (&unit.service, &unit.socket) {
        (Some(service), _) => service.result.as_str(),
        (None, Some(socket)) => socket.result.as_str(),
        (None, None) => "",
    };
    if !matches!(result, "" | "success") {
        says.push(format!("Result={result}"));
    }
    if let Some((command, status)) = unit.service.as_ref().and_then(|s| s.failed_command.as_ref())
        && result == "exit-code"
    {
        says.push(format!("status {status} of {}", shortened(command)));
    }
    if let Some(service) = unit.service.as_ref().filter(|s| s.restarts > 0) {
        says.push(format!("NRestarts={}", service.restarts));
    }
    Evidence::new("systemd", says.join(", "), format!("systemctl status {}", arg(&unit.name)))
}

/// The beginning of a command line.
fn shortened(command: &str) -> String {
    const MOST: usize = 80;
    let begin: String = command.chars().take(MOST).collect();
    if begin.len() < command.len() { format!("{begin}…") } else { begin }
}

/// A line of the journal, raw.
pub(super) fn journal_says(unit: &Unit, entry: &Entry) -> Evidence {
    failure::evidence(unit, entry)
}

/// The lines that tell a failure: the daemon's last words before systemd's verdict on them.
pub(super) fn failure_says(unit: &Unit, failure: &Failure) -> Vec<Evidence> {
    failure.last_words.iter().chain(&failure.entry).map(|entry| journal_says(unit, entry)).collect()
}

/// A failure as a clause: what happened, with the daemon's own words where nobody recognised them.
pub(in crate::diagnose::causes) fn reason(failure: &Failure) -> String {
    let at = |file: &Option<String>, line: &Option<u32>| place(file.as_deref(), *line);
    let address = |address: &Option<String>| address.as_ref().map(|a| format!(" {a}")).unwrap_or_default();
    match &failure.kind {
        FailureKind::ConfigSyntax { file, line } => {
            format!("{} in {}", complaint(failure, file.as_deref()), at(file, line))
        }
        FailureKind::MissingFile { path } => format!("{path} is missing"),
        FailureKind::FileDenied { path } => format!("{path} may not be opened"),
        FailureKind::BadFile { path } => format!("{path} is not usable"),
        FailureKind::ReadOnly { path } => format!("{path} is on a read-only file system for it"),
        FailureKind::UpstreamName { name, .. } => format!("the name {name} does not resolve"),
        FailureKind::RuntimeDir { path } => format!("the directory {path} is missing"),
        FailureKind::NoHostKeys => "it has no host keys".into(),
        FailureKind::Bootstrap { says } => format!("a bootstrap check refuses: {says}"),
        FailureKind::DiskFull => "no space left on device".into(),
        FailureKind::AddressInUse { address: a } => format!("the address{} is already in use", address(a)),
        FailureKind::AddressNotAvailable { address: a } => format!("the address{} is not on this host", address(a)),
        FailureKind::BindDenied { address: a } => format!("it may not bind{}", address(a)),
        FailureKind::FamilyUnsupported { address: a } => {
            format!("the address family of{} is not available", address(a))
        }
        FailureKind::BindFailed { address: a } => format!("it cannot bind{}", address(a)),
        FailureKind::ListensNowhere => "its configuration leaves nothing to listen on".into(),
        FailureKind::Sandbox { step } => format!("systemd could not set up {step} for it"),
        FailureKind::Signal(number) => format!("killed by {}", signal_name(*number)),
        FailureKind::OomKilled => "killed by the OOM killer".into(),
        FailureKind::Dependency => "a unit it needs failed".into(),
        FailureKind::Exit(status) => exit_reason(*status, failure),
        FailureKind::Timeout => "starting took too long".into(),
        FailureKind::RunTimeLimit => "it ran as long as RuntimeMaxSec= lets it".into(),
    }
}

/// What a daemon says against a line of its configuration, as far as its message tells.
pub(super) fn complaint(failure: &Failure, file: Option<&str>) -> String {
    let told = failure.entry.as_ref().and_then(|entry| gist::complaint(&entry.message, file));
    told.unwrap_or_else(|| "an error".into())
}

fn exit_reason(status: i32, failure: &Failure) -> String {
    match failure.telling() {
        Some(entry) if entry.message.contains(" crashed by signal: ") => "it crashed".into(),
        Some(entry) => format!("exit status {status} after \"{}\"", gist::said(&entry.message)),
        None => format!("exit status {status}"),
    }
}

/// `FILE:LINE`, as far as it is known.
pub(super) fn place(file: Option<&str>, line: Option<u32>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.into(),
        (None, Some(line)) => format!("line {line} of its configuration"),
        (None, None) => "its configuration".into(),
    }
}

/// `SIGSEGV` for 11.
pub(super) fn signal_name(number: i32) -> String {
    const NAMES: [(i32, &str); 17] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (10, "SIGUSR1"),
        (11, "SIGSEGV"),
        (12, "SIGUSR2"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (25, "SIGXFSZ"),
        (31, "SIGSYS"),
    ];
    let name = NAMES.iter().find(|(n, _)| *n == number).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("signal {number}"))
}

/// The journal line with which systemd gives up on a unit that failed too often in a row.
pub(super) fn gave_up<'a>(look: &Look<'a>, unit: &Unit) -> Option<&'a Entry> {
    const SAYS: &str = "Start request repeated too quickly";
    look.journal(&unit.name)?.last_start().iter().rev().find(|e| e.is_systemd() && e.message.contains(SAYS))
}

/// Starts the unit by hand: something else has to be repaired first.
pub(super) fn start_by_hand(unit: &Unit) -> Advice {
    let name = arg(&unit.name);
    Advice::new("then start it", format!("systemctl start {name}"), Some(&format!("systemctl stop {name}")))
}

/// Before it is started again: what it failed of has to be gone.
pub(super) fn see_why(unit: &Unit) -> Advice {
    Advice::new("see why, and cure that", format!("journalctl -b -u {}", arg(&unit.name)), None)
}

/// Starts the unit once its reason to fail is cured, also where systemd has given up on it.
pub(super) fn start_again(unit: &Unit) -> Advice {
    let name = arg(&unit.name);
    let run = format!("systemctl reset-failed {name}\nsystemctl start {name}");
    Advice::new("then start it", run, Some(&format!("systemctl stop {name}")))
}
