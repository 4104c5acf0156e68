//! Host text that would move the cursor, write the clipboard or reorder what is read never reaches the terminal.

use serde_json::Value;

use crate::pty::{ENTER, Pty};

/// OSC 52, a one-byte CSI, a direction override, a new line.
const HOSTILE: &str = "\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\u{202e}\n";

/// A recorded host whose journal, unit, processes and configuration carry hostile text.
fn recording() -> tempfile::NamedTempFile {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/svc-failed-config-syntax--nginx.json");
    let mut tree: Value = serde_json::from_str(&std::fs::read_to_string(example).expect("an example")).expect("JSON");
    let spoilt = spoil(&mut tree);
    assert!(spoilt > 10, "only {spoilt} texts");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), tree.to_string()).expect("written");
    file
}

/// Puts hostile text into everything the host itself worded.
fn spoil(tree: &mut Value) -> usize {
    const WORDED: [&str; 6] = ["message", "description", "identifier", "command", "text", "fragment"];
    match tree {
        Value::Object(map) => {
            let texts = map.iter_mut().map(|(name, part)| {
                if let (Value::String(text), true) = (&mut *part, WORDED.contains(&name.as_str())) {
                    let at = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= 8).last().unwrap_or_default();
                    text.insert_str(at, HOSTILE);
                    return 1;
                }
                spoil(part)
            });
            texts.sum()
        }
        Value::Array(items) => items.iter_mut().map(spoil).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[test]
fn every_pane_shows_it_safely() {
    let file = recording();
    for size in [(80, 24), (120, 40), (200, 60)] {
        let mut pty = Pty::start(size, &["replay", &file.path().to_string_lossy()]);
        pty.wait_for(ENTER);
        pty.wait_for("REFUSED");
        let mut all = String::new();
        for key in ["\r", "\u{1b}", "j", "j", "\r", "\t", "g", "l", "\t", "?"] {
            pty.send(key);
            all.push_str(&pty.within(std::time::Duration::from_millis(60)));
        }
        pty.send("\u{3}");
        assert_eq!(pty.end().code(), Some(0));
        all.push_str(&pty.seen);
        assert!(all.contains("␛]52;c;"), "it was never shown at {size:?}");
        for raw in ["\u{1b}]52", "\u{7}", "\u{9b}", "\u{202e}"] {
            assert!(!all.contains(raw), "{raw:?} at {size:?}");
        }
    }
}
