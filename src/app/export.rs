//! A diagnosis written to a file of its own in the current directory: as text, Markdown, JSON, or as a recording.
//!
//! What it holds is worked out here from what is known; the file is new (never one that is there, never through a
//! symlink) and for its owner only.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::chart::{Chart, Origin};
use super::ends::Ends;
use super::event::{Effect, Step};
use super::state::{Overlay, Screen, State};
use crate::error::Error;
use crate::facts::recording::Recording;
use crate::facts::redact;
use crate::report::{Report, json, markdown, text};

/// As what a diagnosis is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plain text.
    Text,
    /// Markdown, for a ticket.
    Markdown,
    /// The JSON of `check --json`.
    Json,
    /// A recording, redacted.
    Recording,
}

impl Kind {
    /// All of them, with what they are for.
    pub const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Text, "text", "as `check` prints it"),
        (Self::Markdown, "markdown", "for a ticket, with a diagram"),
        (Self::Json, "json", "for programs (unrefuse.diagnosis/1)"),
        (Self::Recording, "recording", "the facts, redacted, for `unrefuse replay`"),
    ];

    fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Markdown => "md",
            Self::Json => "json",
            // What `replay` reads, told from what `check --json` prints.
            Self::Recording => "recording.json",
        }
    }
}

/// Opens the choice.
pub(super) fn choose(state: &mut State) {
    state.overlay = Overlay::Export(0);
}

/// Moves in the choice.
pub(super) fn walk(state: &mut State, chosen: usize, step: Step) {
    let last = Kind::ALL.len() - 1;
    let to = match step {
        Step::Up => chosen.saturating_sub(1),
        Step::Down => (chosen + 1).min(last),
        Step::PageUp | Step::Top => 0,
        Step::PageDown | Step::Bottom => last,
    };
    state.overlay = Overlay::Export(to);
}

/// Writes what is chosen.
pub(super) fn write(state: &mut State, chosen: usize) -> Vec<Effect> {
    state.overlay = Overlay::None;
    let (Screen::Chart(chart), Some((kind, ..))) = (&state.screen, Kind::ALL.get(chosen)) else { return Vec::new() };
    if *kind == Kind::Recording && chart.origin == Origin::Recording && state.ends == Ends::Still {
        state.notice = Some("it is a recording already: the file it came from holds the same".into());
        return Vec::new();
    }
    match content(chart, *kind, state.now_ms) {
        Ok(text) => {
            let stem = stem(&chart.case.target.input, state.now_ms);
            vec![Effect::Export { stem, extension: kind.extension(), text }]
        }
        Err(error) => {
            state.notice = Some(error.report().replace('\n', "; "));
            Vec::new()
        }
    }
}

fn content(chart: &Chart, kind: Kind, now_ms: u64) -> Result<String, Error> {
    let report = Report { case: &chart.case, diagnosis: &chart.diagnosis, took: chart.took.unwrap_or_default() };
    Ok(match kind {
        Kind::Text => text::diagnosis(&report, text::Style { color: false, ascii: false }),
        Kind::Markdown => markdown::diagnosis(&report),
        Kind::Json => format!("{:#}\n", json::diagnosis(&report)),
        Kind::Recording => {
            let took = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
            let recording = Recording::new(chart.case.clone(), now_ms, took);
            let recording = recording.told(report.outcome().word(), chart.diagnosis.culprit);
            redact::redact(&recording)?.to_json()?
        }
    })
}

/// How long it took until everything was known, from the first question on.
pub(super) fn took(began_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(began_ms))
}

/// The longest part of a name that comes from the target.
const LONGEST: usize = 60;

/// `unrefuse-db1-5432-20261122-013000`: nothing of the target that a shell or a file system would take for more.
fn stem(target: &str, now_ms: u64) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let words: String = target.chars().map(safe).collect();
    let name: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = name.join("-").chars().take(LONGEST).collect();
    let at = i64::try_from(now_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    format!("unrefuse-{name}-{}", at.strftime("%Y%m%d-%H%M%S"))
}

/// Names that are tried, at most.
const MOST_NAMES: usize = 100;

/// Writes a new file into a directory; its name.
pub(super) fn save(directory: &Path, stem: &str, extension: &str, text: &str) -> io::Result<String> {
    for number in 1..=MOST_NAMES {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let name = format!("{stem}{number}.{extension}");
        let file = directory.join(&name);
        // Only a name that nothing has yet: neither a file nor a symlink is written to.
        let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        let mut opened = match opened {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        return match opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()) {
            Ok(()) => Ok(name),
            Err(error) => {
                // Half a report would be worse than none.
                let _ = fs::remove_file(&file);
                Err(error)
            }
        };
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files of their own")]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn names_hold_nothing_but_letters_digits_and_dashes() {
        for (target, name) in [
            ("db1:5432", "unrefuse-db1-5432-20231114-221320"),
            ("unix:/run/../x y.sock", "unrefuse-unix-run-x-y-sock-20231114-221320"),
            ("-rf $(x)\u{1b}[2J", "unrefuse-rf-x-2J-20231114-221320"),
        ] {
            assert_eq!(stem(target, 1_700_000_000_000), name);
        }
        assert!(stem(&"x".repeat(500), 0).len() < 100);
    }

    #[test]
    fn nothing_that_is_there_is_written_to() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        symlink(&victim, home.path().join("report.md")).unwrap();
        symlink(home.path().join("nowhere"), home.path().join("report-2.md")).unwrap();
        assert_eq!(save(home.path(), "report", "md", "text").unwrap(), "report-3.md");
        assert_eq!(save(home.path(), "report", "md", "more").unwrap(), "report-4.md");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
        assert!(!home.path().join("nowhere").exists());
        let written = home.path().join("report-3.md");
        assert_eq!(fs::read_to_string(&written).unwrap(), "text");
        assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn where_nothing_can_be_written_the_reason_is_told() {
        let home = tempfile::tempdir().unwrap();
        let error = save(&home.path().join("gone"), "report", "md", "text").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
