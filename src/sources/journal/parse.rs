//! A line of `journalctl --output=json` as a journal entry.

use serde::Deserialize;
use serde_json::Value;

use crate::facts::journal::Entry;

/// journalctl writes `null` for what is longer than 4 KiB, unless told `--all`.
const TOO_LONG: &str = "(longer than 4 KiB: journalctl --all shows it)";
/// Priority of a message that has none (informational).
const USUAL: u8 = 6;

/// An entry and its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Line {
    pub(super) entry: Entry,
    pub(super) cursor: Option<String>,
    pub(super) boot: Option<String>,
}

/// A line; none when it is not an entry (`-- No entries --`, half a line, something else).
pub(in crate::sources) fn line(json: &[u8]) -> Option<Line> {
    let raw: Raw = serde_json::from_slice(json).ok()?;
    let number = |value: &Value| text(value)?.parse().ok();
    let entry = Entry {
        at_us: text(&raw.at)?.parse().ok()?,
        priority: text(&raw.priority).and_then(|p| p.parse().ok()).filter(|p| *p <= 7).unwrap_or(USUAL),
        identifier: text(&raw.identifier).or_else(|| text(&raw.comm)).unwrap_or_default(),
        pid: number(&raw.pid).unwrap_or_default(),
        message: if raw.message == Some(Value::Null) {
            TOO_LONG.into()
        } else {
            raw.message.as_ref().and_then(text).unwrap_or_default()
        },
    };
    Some(Line { entry, cursor: text(&raw.cursor), boot: text(&raw.boot) })
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "__REALTIME_TIMESTAMP", default)]
    at: Value,
    #[serde(rename = "__CURSOR", default)]
    cursor: Value,
    #[serde(rename = "_BOOT_ID", default)]
    boot: Value,
    #[serde(rename = "MESSAGE", default, deserialize_with = "present")]
    message: Option<Value>,
    #[serde(rename = "PRIORITY", default)]
    priority: Value,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: Value,
    #[serde(rename = "_COMM", default)]
    comm: Value,
    #[serde(rename = "_PID", default)]
    pid: Value,
}

/// `null` is not the same as nothing: it stands for something long.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// A field is a text, the bytes of what is not UTF-8, or a list of several values: then the first counts.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => {
            let first = values.first()?;
            let several = first.is_string() || first.is_array();
            if several { text(first) } else { Some(String::from_utf8_lossy(&bytes(values)).into_owned()) }
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn bytes(values: &[Value]) -> Vec<u8> {
    values.iter().filter_map(|v| u8::try_from(v.as_u64()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    // As systemd 252 wrote it.
    const REAL: &str = r#"{"__CURSOR":"s=0aed186d;i=be;b=ecb0;m=8284f848;t=660c3d733562b;x=a3d0","__REALTIME_TIMESTAMP":"1795244105618987","_PID":"1","__MONOTONIC_TIMESTAMP":"2189752392","MESSAGE":"nginx.service: Failed with result 'exit-code'.","SYSLOG_IDENTIFIER":"systemd","_BOOT_ID":"ecb025fa","_COMM":"systemd","PRIORITY":"4"}"#;

    fn with(rest: &str) -> Line {
        line(format!(r#"{{"__REALTIME_TIMESTAMP":"1"{rest}}}"#).as_bytes()).unwrap()
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_lines_are_entries_or_nothing(raw in damaged::bytes(&[REAL, r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[27,91],"_PID":["1","2"]}"#])) {
            if let Some(found) = line(&raw) {
                proptest::prop_assert!(found.entry.priority <= 7);
            }
        }
    }

    #[test]
    fn a_real_entry() {
        let got = line(REAL.as_bytes()).unwrap();
        assert_eq!(got.entry.at_us, 1_795_244_105_618_987);
        assert_eq!((got.entry.priority, got.entry.pid), (4, 1));
        assert_eq!(got.entry.identifier, "systemd");
        assert_eq!(got.entry.message, "nginx.service: Failed with result 'exit-code'.");
        assert_eq!(got.cursor.unwrap(), "s=0aed186d;i=be;b=ecb0;m=8284f848;t=660c3d733562b;x=a3d0");
        assert_eq!(got.boot.unwrap(), "ecb025fa");
    }

    #[test]
    fn messages_come_in_four_shapes() {
        assert_eq!(with(r#","MESSAGE":"a\u001b[31mb""#).entry.message, "a\u{1b}[31mb");
        assert_eq!(with(r#","MESSAGE":[27,91,255,120,300]"#).entry.message, "\u{1b}[\u{fffd}x");
        assert_eq!(with(r#","MESSAGE":null"#).entry.message, TOO_LONG);
        assert_eq!(with("").entry.message, "");
        assert_eq!(with(r#","MESSAGE":["first","second"]"#).entry.message, "first");
    }

    #[test]
    fn missing_or_odd_fields_are_filled_in() {
        let got = with(r#","_COMM":"app","PRIORITY":"9","_PID":"none""#).entry;
        assert_eq!((got.identifier.as_str(), got.priority, got.pid), ("app", USUAL, 0));
        assert_eq!(with(r#","SYSLOG_IDENTIFIER":{"a":1},"PRIORITY":true"#).entry.identifier, "");
    }

    #[test]
    fn what_is_no_entry_is_dropped() {
        for none in
            ["-- No entries --", "", "{", r#"{"MESSAGE":"x"}"#, "[]", "null", r#"{"__REALTIME_TIMESTAMP":"-1"}"#]
        {
            assert_eq!(line(none.as_bytes()), None, "{none}");
        }
        for cut in 0..REAL.len() {
            assert_eq!(line(&REAL.as_bytes()[..cut]), None, "cut at {cut}");
        }
        assert_eq!(line(b"{\"__REALTIME_TIMESTAMP\":\"1\xff\"}"), None);
        let deep = format!(r#"{{"__REALTIME_TIMESTAMP":"1","MESSAGE":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert_eq!(line(deep.as_bytes()), None);
    }
}
