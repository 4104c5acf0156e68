//! Why a unit's last start failed: the first failure in its journal, recognised by the words daemons use for it.
//!
//! A failed start ends in a heap of lines, and only the first of them names the reason: the rest are consequences
//! (`still could not bind()`, "Failed with result 'exit-code'", "Start request repeated too quickly"). `rules` knows
//! the lines of daemons and runtimes, `manager` those of systemd itself.

pub mod gist;
mod manager;
mod rules;
mod words;

use std::time::Duration;

use super::look::Look;
use super::verdict::{Evidence, arg};
use crate::facts::Reading;
use crate::facts::journal::{Entry, Journal};
use crate::facts::unit::{Service, Unit};

/// The first failure of the last start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// The journal entry that says so, raw.
    pub entry: Option<Entry>,
    /// The daemon's own last lines before its end, where none of them was recognised: people may well understand them.
    pub last_words: Vec<Entry>,
}

/// Kinds of failures that causes tell apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// The configuration cannot be read: file and line where the message names them.
    ConfigSyntax {
        /// File.
        file: Option<String>,
        /// Line.
        line: Option<u32>,
    },
    /// A file the configuration names is not there.
    MissingFile {
        /// The file.
        path: String,
    },
    /// A file is there, but the daemon may not read or write it.
    FileDenied {
        /// The file.
        path: String,
    },
    /// A file is there and readable, but is not what it should be (an empty certificate).
    BadFile {
        /// The file.
        path: String,
    },
    /// A file cannot be written because its file system is read-only for the daemon (often `ProtectSystem=`).
    ReadOnly {
        /// The file.
        path: String,
    },
    /// A host name in the configuration does not resolve.
    UpstreamName {
        /// The name.
        name: String,
        /// File that names it.
        file: Option<String>,
        /// Line.
        line: Option<u32>,
    },
    /// A directory below /run that the daemon needs does not exist.
    RuntimeDir {
        /// The directory.
        path: String,
    },
    /// sshd has no host key.
    NoHostKeys,
    /// Elasticsearch or OpenSearch found the host unfit for a server.
    Bootstrap {
        /// The first check that refuses, in its words.
        says: String,
    },
    /// No space left on device.
    DiskFull,
    /// EADDRINUSE, with the address as the message prints it.
    AddressInUse {
        /// `0.0.0.0:80`, where named.
        address: Option<String>,
    },
    /// EADDRNOTAVAIL, likewise.
    AddressNotAvailable {
        /// `10.9.9.9:80` or `10.9.9.9`, where named.
        address: Option<String>,
    },
    /// EACCES or EPERM of socket or bind.
    BindDenied {
        /// `0.0.0.0:80`, where named.
        address: Option<String>,
    },
    /// EAFNOSUPPORT: no IPv6 in this kernel, or `RestrictAddressFamilies=`.
    FamilyUnsupported {
        /// `[::]:80`, where named.
        address: Option<String>,
    },
    /// Binding failed, and the message does not say why (vsftpd).
    BindFailed {
        /// The address, where named.
        address: Option<String>,
    },
    /// The configuration leaves nothing to listen on.
    ListensNowhere,
    /// systemd could not set up what the unit asks for (`NAMESPACE`, `USER`, `CHDIR` ...).
    Sandbox {
        /// The step that failed, as systemd names it.
        step: String,
    },
    /// Killed by a signal (number).
    Signal(i32),
    /// Killed by the OOM killer.
    OomKilled,
    /// A unit it needs failed.
    Dependency,
    /// Exited with a status, for a reason not recognised.
    Exit(i32),
    /// Start took longer than allowed.
    Timeout,
    /// It ran as long as `RuntimeMaxSec=` lets it.
    RunTimeLimit,
}

impl FailureKind {
    /// A kind that says why; the others only say how it ended.
    pub fn is_reason(&self) -> bool {
        !matches!(self, Self::Signal(_) | Self::Exit(_) | Self::Timeout)
    }
}

/// A unit that has run this long has got over its last failure.
const SETTLED: Duration = Duration::from_secs(60);

/// How long before its end a run's lines may be the reason for it. Older ones were survived.
const WINDOW_US: u64 = 60_000_000;

/// The first failure of the unit's last start; none when it did not fail, or not known yet.
///
/// With a restart loop it is the first failure of the series. Reads the journal only where the unit's own state says
/// that something failed.
pub fn first_failure(look: &Look<'_>, unit: &Unit) -> Option<Failure> {
    let lately = unit.active_state != "active" || run_time(look, unit).is_some_and(|time| time < SETTLED);
    if !has_failed(unit) || !lately {
        return None;
    }
    let entries = look.journal(&unit.name).map(Journal::last_start);
    entries.and_then(of_start).or_else(|| of_state(unit.service.as_ref()?))
}

/// An entry as evidence, with the command that shows it: those of a log file have its path for their writer.
pub fn evidence(unit: &Unit, entry: &Entry) -> Evidence {
    let message = entry.message.trim_end();
    if entry.is_own_log() {
        return Evidence::new("log", message, format!("tail -n 50 {}", arg(&entry.identifier)));
    }
    let see = format!("journalctl -b -u {}", arg(&unit.name));
    Evidence::new("journal", format!("{}: {message}", entry.identifier), see)
}

impl Failure {
    /// The line of the daemon's last words that says most: what it calls an error, else the last one.
    pub fn telling(&self) -> Option<&Entry> {
        self.last_words.iter().find(|e| manager::is_error(&e.message)).or_else(|| self.last_words.last())
    }
}

/// How long the unit's main process had been running when the unit was looked at; none when it did not run.
pub fn run_time(look: &Look<'_>, unit: &Unit) -> Option<Duration> {
    let Reading::Known(known) = look.facts().units.get(&unit.name)? else { return None };
    let service = unit.service.as_ref().filter(|s| s.main_pid != 0 && s.started_us != 0)?;
    known.at_ms.checked_mul(1000)?.checked_sub(service.started_us).map(Duration::from_micros)
}

/// The first failure that one entry of a journal tells, `before` and `after` being those around it. For units that
/// run although something failed (one of two addresses could not be bound).
pub fn recognise(before: &[Entry], entry: &Entry, after: &[Entry]) -> Option<FailureKind> {
    rules::read(&rules::Line { text: &entry.message, before, after })
}

/// The line with which systemd says that it did not start the unit because another one failed, if that is the last it
/// has to say about the unit.
pub fn held_back(journal: &Journal) -> Option<&Entry> {
    let mut told = journal.entries.iter().rev().filter(|entry| entry.is_systemd());
    let last = told.next().filter(|entry| manager::dependency(&entry.message).is_some())?;
    // It says so twice; the first way is the one for people.
    Some(told.next().filter(|entry| manager::dependency(&entry.message).is_some()).unwrap_or(last))
}

/// Did its last run end badly, or does it keep being restarted?
pub fn has_failed(unit: &Unit) -> bool {
    let service = unit.service.as_ref();
    let bad_result = service.is_some_and(|s| !matches!(s.result.as_str(), "" | "success" | "exec-condition"));
    match unit.active_state.as_str() {
        "failed" => true,
        "inactive" | "deactivating" => bad_result,
        "activating" if bad_result || unit.sub_state.starts_with("auto-restart") => true,
        _ => service.is_some_and(|s| s.restarts > 0),
    }
}

/// The first failure in the entries of one start and its automatic restarts.
fn of_start(entries: &[Entry]) -> Option<Failure> {
    let run = manager::first_bad_run(entries, WINDOW_US);
    let (entry, kind) = manager::killed_for_memory(run).or_else(|| said(run)).or_else(|| manager::ended(run))?;
    let last_words = if kind.is_reason() { Vec::new() } else { manager::last_words(run) };
    Some(Failure { kind, entry: Some(entry.clone()), last_words })
}

/// The first entry in which a daemon says what is wrong.
fn said(run: &[Entry]) -> Option<(&Entry, FailureKind)> {
    run.iter().enumerate().find_map(|(index, entry)| {
        let (before, rest) = run.split_at_checked(index)?;
        Some((entry, recognise(before, entry, rest.get(1..).unwrap_or_default())?))
    })
}

/// What systemd itself remembers, where the journal tells nothing.
fn of_state(service: &Service) -> Option<Failure> {
    let kind = match service.result.as_str() {
        "oom-kill" => FailureKind::OomKilled,
        "signal" | "core-dump" => FailureKind::Signal(service.exit_status),
        "exit-code" => {
            // ExecMainStatus stays 0 when ExecStartPre= failed.
            FailureKind::Exit(service.failed_command.as_ref().map_or(service.exit_status, |(_, status)| *status))
        }
        _ => return None,
    };
    Some(Failure { kind, entry: None, last_words: Vec::new() })
}

#[cfg(test)]
mod tests;
