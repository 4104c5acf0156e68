//! A recording: the facts of one diagnosis in a file, with a format version, to be replayed elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Case, Reading};
use crate::error::Error;
use crate::text;

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
    /// The answer that was given then: a later version may know better. None in recordings of older versions.
    #[serde(default)]
    pub told: Option<Told>,
    /// What was asked and what was found.
    pub case: Case,
}

/// The answer of the program that wrote a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What the asked side got, in the word of the contract.
    pub outcome: String,
    /// Id of the cause that explained it.
    pub culprit: Option<String>,
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
            told: None,
            case,
        }
    }

    /// Notes the answer that was given.
    #[must_use]
    pub fn told(mut self, outcome: &str, culprit: Option<&str>) -> Self {
        self.told = Some(Told { outcome: outcome.into(), culprit: culprit.map(Into::into) });
        self
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

    /// What was recorded is never this host as it runs now, even where it was: without its boot no plan that is made of it
    /// can be applied.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        let client = self.case.client.as_mut().map(|client| &mut client.here.host);
        for host in std::iter::once(&mut self.case.here.host).chain(client) {
            if let Reading::Known(host) = host {
                host.value.boot_id.clear();
            }
        }
        self
    }

    /// The text of the file, for people to read before they send it: short values on one line each, and nothing in it
    /// that a terminal would obey.
    pub fn to_json(&self) -> Result<String, Error> {
        let tree = serde_json::to_value(self).map_err(|e| Error::broken("the facts cannot be written").because(e))?;
        let mut file = String::new();
        lay_out(&tree, 0, &mut file);
        file.push('\n');
        Ok(harmless(&file))
    }
}

/// A value up to this long stands on one line.
const SHORT: usize = 100;

/// Writes a value, its parts each on a line of its own where they do not fit on one.
fn lay_out(value: &Value, depth: usize, file: &mut String) {
    let flat = value.to_string();
    match value {
        Value::Object(map) if flat.len() > SHORT => {
            let parts = map.iter().map(|(key, part)| (format!("{}: ", Value::from(key.as_str())), part));
            enclose(('{', '}'), parts, depth, file);
        }
        Value::Array(items) if flat.len() > SHORT => {
            enclose(('[', ']'), items.iter().map(|part| (String::new(), part)), depth, file);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            file.push_str(&flat);
        }
    }
}

fn enclose<'a>(
    (open, close): (char, char),
    parts: impl Iterator<Item = (String, &'a Value)>,
    depth: usize,
    file: &mut String,
) {
    let indent = |levels| " ".repeat(levels);
    file.push(open);
    for (nth, (name, part)) in parts.enumerate() {
        file.push_str(if nth == 0 { "\n" } else { ",\n" });
        file.push_str(&indent(depth + 1));
        file.push_str(&name);
        lay_out(part, depth + 1, file);
    }
    file.push('\n');
    file.push_str(&indent(depth));
    file.push(close);
}

/// Characters that a terminal obeys or that cannot be seen are written as escapes, which mean the same to a reader of
/// JSON: outside ASCII they only occur within strings.
fn harmless(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        let mut units = [0; 2];
        if c == '\n' || text::line(c.encode_utf8(&mut [0; 4])).starts_with(c) {
            safe.push(c);
        } else {
            safe.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{From, Target};
    use crate::text::damaged;

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn a_damaged_recording_is_read_or_refused(raw in damaged::text(&[
            include_str!("../../examples/healthy--unix-socket.json"),
            include_str!("../../examples/cli-hosts-file-stale--database-moved-to-another-machine.json"),
        ])) {
            match Recording::parse(&raw, "x") {
                Ok(recording) => proptest::prop_assert!(recording.to_json().is_ok()),
                Err(error) => proptest::prop_assert_eq!(error.exit_code(), 2),
            }
        }
    }

    #[test]
    fn a_recording_survives_writing_and_reading() {
        let case = Case::new(Target::parse("8080").unwrap(), From::Unsaid);
        let recording = Recording::new(case, 1, 2).told("refused", Some("svc-masked"));
        assert_eq!(Recording::parse(&recording.to_json().unwrap(), "x").unwrap(), recording);
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_as_escapes() {
        let hostile = "\u{1b}]52;c;eA==\u{7}\u{9b}31m\u{202e}\u{7f}\u{e0041}\n\u{feff}žluť✔";
        let mut case = Case::new(Target::parse("8080").unwrap(), From::Unsaid);
        case.target.input = hostile.into();
        let recording = Recording::new(case, 1, 2);
        let file = recording.to_json().unwrap();
        for line in file.lines() {
            assert_eq!(text::line(line), line);
        }
        assert!(file.contains("žluť✔"), "what is plainly visible stays: {file}");
        assert_eq!(Recording::parse(&file, "x").unwrap(), recording);
    }

    #[test]
    fn short_values_stand_on_a_line_and_long_ones_are_broken_up() {
        let mut file = String::new();
        let long = "x".repeat(SHORT);
        lay_out(&serde_json::json!({"a": {"secs": 1, "nanos": 2}, "b": [[long], 3], "c": []}), 0, &mut file);
        let expected = format!(
            "{{\n \"a\": {{\"secs\":1,\"nanos\":2}},\n \"b\": [\n  [\n   \"{long}\"\n  ],\n  3\n ],\n \"c\": []\n}}"
        );
        assert_eq!(file, expected);
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
