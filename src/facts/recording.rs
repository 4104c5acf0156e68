//! A recording: the facts of one diagnosis in a file, with a format version, to be replayed elsewhere.

use serde::{Deserialize, Serialize};

use super::Case;
use crate::error::Error;

/// Format of the recordings this program writes.
pub const FORMAT: &str = "unrefuse.recording/1";

/// A recorded case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// [`FORMAT`].
    pub format: String,
    /// Version of the program that wrote it.
    pub program: String,
    /// When, milliseconds since the Unix epoch.
    pub recorded_at_ms: u64,
    /// True when names, addresses and secrets were replaced by stand-ins.
    pub redacted: bool,
    /// How long the diagnosis took, in milliseconds.
    pub took_ms: u64,
    /// What was asked and what was found.
    pub case: Case,
}

impl Recording {
    /// Records a case.
    pub fn new(case: Case, recorded_at_ms: u64, took_ms: u64) -> Self {
        Self {
            format: FORMAT.into(),
            program: env!("CARGO_PKG_VERSION").into(),
            recorded_at_ms,
            redacted: false,
            took_ms,
            case,
        }
    }

    /// Reads one; `name` is for the message.
    pub fn parse(json: &str, name: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
        }
        let unusable = |e: serde_json::Error| Error::input(format!("{name} is no recording of unrefuse")).because(e);
        let head: Head = serde_json::from_str(json).map_err(unusable)?;
        match head.format.as_deref() {
            Some(FORMAT) => serde_json::from_str(json).map_err(unusable),
            Some(other) if other.starts_with("unrefuse.recording/") => {
                Err(Error::input(format!("{name} has the format {other}, this version reads {FORMAT}"))
                    .hint("use the version of unrefuse that wrote it, or a newer one"))
            }
            _ => Err(Error::input(format!("{name} is no recording of unrefuse"))),
        }
    }

    /// The text of the file.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|e| Error::broken("the facts cannot be written").because(e))?;
        text.push('\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{From, Target};

    #[test]
    fn a_recording_survives_writing_and_reading() {
        let case = Case::new(Target::parse("8080").unwrap(), From::Unsaid);
        let recording = Recording::new(case, 1, 2);
        assert_eq!(Recording::parse(&recording.to_json().unwrap(), "x").unwrap(), recording);
    }

    #[test]
    fn other_files_and_later_formats_are_input_errors() {
        for (text, says) in [
            ("{}", "no recording"),
            ("not json", "no recording"),
            (r#"{"format":"unrefuse.recording/9"}"#, "unrefuse.recording/9"),
            (r#"{"format":"unrefuse.recording/1"}"#, "no recording"),
        ] {
            let error = Recording::parse(text, "f.json").unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
