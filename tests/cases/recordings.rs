//! Recorded broken hosts: each file below `examples/` is diagnosed as its name says, keeps its answer without anybody's
//! names and addresses, and stays readable. Damaged or hostile, a recording is refused or diagnosed, and shown safely.
//!
//! The files are made by `UNREFUSE_RECORD=examples cargo test --test hosts CAUSE`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use unrefuse::check::replayed;
use unrefuse::diagnose::chart::BoxId;
use unrefuse::diagnose::verdict::{Diagnosis, Verdict};
use unrefuse::facts::connect::Outcome;
use unrefuse::facts::recording::{FORMAT, Recording};
use unrefuse::facts::redact::redact;
use unrefuse::report::text::Style;
use unrefuse::report::{Report, json, markdown, text as plain};
use unrefuse::text;

/// What stands before `--` in the name of a healthy host's recording.
const HEALTHY: &str = "healthy";
/// No more than a person reads through before sending it; firewalld alone has a hundred chains.
const MOST_BYTES: usize = 80 << 10;

/// A recorded host: the file's name without its ending, its text, and what is in it.
struct Example {
    name: String,
    json: String,
    recording: Recording,
}

impl Example {
    /// The cause that the file's name promises.
    fn culprit(&self) -> Option<&str> {
        let (cause, _) = self.name.split_once("--").expect("CAUSE--NAME.json");
        (cause != HEALTHY).then_some(cause)
    }
}

fn directory(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn load(path: &Path) -> Example {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let json = std::fs::read_to_string(path).unwrap();
    let recording = Recording::parse(&json, &name).map_err(|error| error.report()).unwrap();
    Example { name, json, recording }
}

fn examples() -> Vec<Example> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let examples: Vec<Example> = paths.iter().map(|path| load(path)).collect();
    assert!(examples.len() >= 16, "only {} examples", examples.len());
    examples
}

fn diagnosis(of: &Recording) -> Diagnosis {
    replayed(of.case.clone()).1
}

/// What a diagnosis comes down to.
#[derive(Debug, PartialEq)]
struct Essence {
    culprit: Option<&'static str>,
    outcome: Option<Outcome>,
    boxes: Vec<(BoxId, Verdict)>,
    causes: Vec<&'static str>,
}

fn essence(of: &Recording) -> Essence {
    let found = diagnosis(of);
    Essence {
        culprit: found.culprit,
        outcome: found.outcome,
        boxes: found.boxes.iter().map(|b| (b.id, b.verdict)).collect(),
        causes: found.causes.iter().map(|c| c.cause).collect(),
    }
}

/// All that the program would show of it.
fn shown(recording: Recording) -> [String; 3] {
    let (case, diagnosis) = replayed(recording.case);
    let report = Report { case: &case, diagnosis: &diagnosis, took: Duration::from_millis(recording.took_ms) };
    let style = Style { color: false, ascii: false };
    [plain::diagnosis(&report, style), markdown::diagnosis(&report), format!("{:#}", json::diagnosis(&report))]
}

fn assert_safe(shown: &str, about: &str) {
    for line in shown.lines() {
        assert_eq!(text::line(line), line, "{about}");
    }
}

#[test]
fn each_is_diagnosed_as_its_name_says_and_as_it_was_then() {
    for example in examples() {
        let found = diagnosis(&example.recording);
        assert_eq!(found.culprit, example.culprit(), "{}", example.name);
        let told = example.recording.told.as_ref().expect("what was told then");
        assert_eq!(found.outcome.map(Outcome::word), Some(told.outcome.as_str()), "{}", example.name);
        assert_eq!(told.culprit.as_deref(), example.culprit(), "{}", example.name);
        let bad = found.boxes.iter().any(|b| b.verdict == Verdict::No);
        assert_eq!(bad, example.culprit().is_some(), "{}: {:?}", example.name, found.boxes);
    }
}

#[test]
fn each_is_as_the_program_writes_it_and_small_enough_to_read() {
    for example in examples() {
        assert!(example.recording.redacted, "{} is not redacted", example.name);
        assert_eq!(example.recording.format, FORMAT);
        assert_eq!(example.recording.to_json().unwrap(), example.json, "{} was edited by hand", example.name);
        assert!(example.json.len() < MOST_BYTES, "{} has {} bytes", example.name, example.json.len());
        assert_safe(&example.json, &example.name);
    }
}

/// The test network's own addresses and the machine it ran on would tell where the recording was made.
#[test]
fn none_tells_where_it_was_made() {
    for example in examples() {
        // In rules and sets, addresses are bytes: 10.1.0., 10.2.0., fd00:1::, fd00:2::.
        let bytes = ["[10,1,0,", "[10,2,0,", "[253,0,0,1,", "[253,0,0,2,"];
        for secret in ["10.1.0.", "10.2.0.", "fd00:", "/work", "unrefuse-tests"].into_iter().chain(bytes) {
            assert!(!example.json.contains(secret), "{secret} in {}", example.name);
        }
        for (at, _) in example.json.match_indices("fe80::") {
            // Of several stand-ins the first begins so, and the others end so; everybody knows the network.
            let address = example.json[at..].split(['"', ' ', '%']).next().unwrap_or_default();
            assert!(address.contains(":5afe:") || address == "fe80::/10", "{address} in {}", example.name);
        }
    }
}

/// Where a stand-in was by chance an address that was to be hidden, others were taken, which a second redaction takes
/// for anybody's addresses: it changes them, and nothing else.
#[test]
fn redacting_again_changes_nothing() {
    let all = examples();
    let mut taken_otherwise = Vec::new();
    for example in &all {
        let again = redact(&Recording { redacted: false, ..example.recording.clone() }).unwrap();
        assert_eq!(essence(&again), essence(&example.recording), "{}", example.name);
        if again != example.recording {
            taken_otherwise.push(&example.name);
        }
    }
    assert!(taken_otherwise.len() * 10 < all.len(), "{taken_otherwise:?}");
}

/// What a real company's host would hold in place of the stand-ins.
const SEEDS: [(&str, &str); 4] = [
    ("198.18.0.", "10.77.3."),
    ("2001:db8::", "fd12:3456:78::"),
    ("fe80::5afe:", "fe80::b4e1:"),
    ("id-1", "7c9e6679f"),
];

#[test]
fn redacting_private_values_keeps_the_diagnosis() {
    for example in examples() {
        let seeded = SEEDS.iter().fold(example.json.clone(), |json, (stand_in, seed)| json.replace(stand_in, seed));
        let seeded = with_private_names(&seeded).replace("\"redacted\": true", "\"redacted\": false");
        let private = Recording::parse(&seeded, &example.name).unwrap();
        assert_ne!(private.case, example.recording.case, "{}: nothing was seeded", example.name);
        assert_eq!(essence(&private), essence(&example.recording), "{}", example.name);
        let safe = redact(&private).unwrap();
        let written = safe.to_json().unwrap();
        for (_, seed) in SEEDS {
            assert!(!written.contains(seed), "{seed} in {}", example.name);
        }
        for name in ["corp", "dbx", "joe"] {
            assert!(!written.contains(name), "{name} in {}", example.name);
        }
        assert_eq!(essence(&safe), essence(&private), "{}", example.name);
    }
}

/// `host-3`, `user-3` and `domain-3` become names of a company.
fn with_private_names(json: &str) -> String {
    (1..20).rev().fold(json.to_owned(), |json, n| {
        let json =
            json.replace(&format!("host-{n}"), &format!("dbx{n}")).replace(&format!("user-{n}"), &format!("joe{n}"));
        json.replace(&format!("domain-{n}.example"), &format!("corp{n}.example.com"))
    })
}

/// A recording as version 0.1.0 wrote it before it noted what it told: later versions must go on reading it.
#[test]
fn old_recordings_stay_readable() {
    let mut old: Vec<PathBuf> =
        std::fs::read_dir(directory("tests/cases/old")).unwrap().map(|entry| entry.unwrap().path()).collect();
    old.sort();
    assert!(!old.is_empty());
    for path in old {
        let example = load(&path);
        let found = diagnosis(&example.recording);
        assert_eq!(found.culprit, Some("svc-failed-config-syntax"), "{}", path.display());
        let first = found.causes.first().unwrap();
        assert!(first.evidence.iter().any(|e| e.says.contains("bad.conf") || e.says.contains(".conf:")), "{first:?}");
    }
}

/// What host text may carry: OSC 52, a one-byte CSI, a new line, an override of the writing direction.
const HOSTILE: &str = "\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\n\u{202e}`|<b>\"\u{0}";

#[test]
fn hostile_text_anywhere_in_a_recording_is_shown_safely() {
    for example in examples() {
        let tree: Value = serde_json::from_str(&example.json).unwrap();
        let mut taken = 0;
        for nth in spots(&tree, Value::is_string) {
            let mut changed = tree.clone();
            change(&mut changed, nth, &|leaf| {
                if let Value::String(text) = leaf {
                    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
                    text.insert_str(middle, HOSTILE);
                }
            });
            // Words that the format fixes (an outcome, an address) are refused.
            let Ok(recording) = Recording::parse(&changed.to_string(), "hostile") else { continue };
            taken += 1;
            assert_safe(&recording.to_json().unwrap(), &example.name);
            for shown in shown(recording) {
                assert_safe(&shown, &format!("{} with leaf {nth} changed", example.name));
            }
        }
        assert!(taken > 5, "{}: only {taken} texts were taken", example.name);
    }
}

#[test]
fn numbers_of_any_size_in_a_recording_break_nothing() {
    for example in examples() {
        let tree: Value = serde_json::from_str(&example.json).unwrap();
        for nth in spots(&tree, Value::is_number) {
            let odd = ODD[nth % ODD.len()];
            let mut changed = tree.clone();
            change(&mut changed, nth, &|leaf| *leaf = odd.into());
            if let Ok(recording) = Recording::parse(&changed.to_string(), "odd") {
                drop(shown(recording));
            }
        }
    }
}

/// Numbers at the ends of what a field can hold.
const ODD: [u64; 5] = [u64::MAX, 0, u32::MAX as u64, u64::MAX / 1000, 1];

#[test]
fn a_recording_cut_off_or_garbled_is_refused_with_a_sentence() {
    let example = examples().remove(0);
    for cut in (0..example.json.trim_end().len()).step_by(97) {
        let error = Recording::parse(&example.json[..cut], "cut.json").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.report().contains("cut.json is no recording of unrefuse"), "{}", error.report());
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let message = Recording::parse(&deep, "deep\u{1b}.json").unwrap_err().report();
    assert_safe(&message, "an error");
}

/// Places of values that hold no others and are worth changing: of many in lists of the same form, one.
fn spots(tree: &Value, wanted: fn(&Value) -> bool) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let numbered = leaves(tree, "").into_iter().enumerate();
    numbered.filter(|(_, (form, leaf))| wanted(leaf) && seen.insert(form.clone())).map(|(nth, _)| nth).collect()
}

/// Every value that holds no others, in order, with the names that lead to it.
fn leaves<'a>(tree: &'a Value, form: &str) -> Vec<(String, &'a Value)> {
    match tree {
        Value::Object(map) => map.iter().flat_map(|(name, part)| leaves(part, &format!("{form}.{name}"))).collect(),
        Value::Array(items) => items.iter().flat_map(|part| leaves(part, form)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![(form.to_owned(), tree)],
    }
}

/// Changes the n-th leaf; yields how many were passed when it is not in here.
fn change(tree: &mut Value, nth: usize, with: &dyn Fn(&mut Value)) -> usize {
    let parts: Vec<&mut Value> = match tree {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            if nth == 0 {
                with(leaf);
            }
            return 1;
        }
    };
    let mut passed = 0;
    for part in parts {
        if passed > nth {
            break;
        }
        passed += change(part, nth - passed, with);
    }
    passed
}
