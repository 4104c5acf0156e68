//! Instructions counted by callgrind: what a diagnosis costs whatever else the machine does, and that it grows no faster than
//! what it is given. Times are measured by `cargo bench`; these counts are the same on an idle machine and a busy one, so
//! they are part of every test run. They are of a debug build: an optimised one takes about a twentieth. Without valgrind the tests are skipped, and counted as skipped.
//!
//! A bound that is missed means that a change made the program slower, or the compiler changed much: look which with
//! `callgrind_annotate`, and move the bound only for the second.

#![expect(clippy::disallowed_methods, reason = "it runs the program under valgrind")]
#![expect(clippy::print_stdout, reason = "the counts are of interest even where they hold")]

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

/// The program starts, says its version and ends.
const START: u64 = 6_000_000;
/// A recording of an ordinary host is read, diagnosed and told, the start included.
const DIAGNOSIS: u64 = 18_000_000;
/// A rule that is read and followed.
const RULE: u64 = 700_000;
/// A line of a journal.
const LINE: u64 = 60_000;
/// By how much the last ones of many may cost more than the first.
const GROWTH: f64 = 1.3;

/// A test.
type Counted = fn() -> Result<(), Failed>;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let missing = Command::new("valgrind").arg("--version").output().is_err();
    if missing && !arguments.list {
        println!("skipped: valgrind is not installed");
    }
    let tests: [(&str, Counted); 4] = [
        ("starting", starting),
        ("an-ordinary-diagnosis", an_ordinary_diagnosis),
        ("rules-before-the-one-that-decides", rules),
        ("lines-of-the-journal", lines),
    ];
    let tests = tests.map(|(name, test)| Trial::test(name, test).with_ignored_flag(missing));
    libtest_mimic::run(&arguments, tests.into()).exit_code()
}

/// Instructions that the program takes for these words.
fn count(words: &[&str]) -> Result<u64, Failed> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_unrefuse")]).args(words);
    let ran = valgrind.output()?;
    let said = String::from_utf8_lossy(&ran.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    collected.ok_or_else(|| format!("valgrind counted nothing: {said}").into())
}

fn example(name: &str) -> Result<Value, Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

/// Instructions for diagnosing it.
fn diagnosing(recording: &Value) -> Result<u64, Failed> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), recording.to_string())?;
    count(&["check", "--json", "--replay", &file.path().to_string_lossy()])
}

fn within(what: &str, got: u64, bound: u64) -> Result<(), Failed> {
    print!("{what}: {got} instructions of at most {bound} ... ");
    if got <= bound { Ok(()) } else { Err(format!("{what} takes {got} instructions, more than {bound}").into()) }
}

/// What one thing more costs, of few and of many.
fn each(what: &str, bound: u64, mut recording: impl FnMut(u64) -> Result<Value, Failed>) -> Result<(), Failed> {
    const SIZES: [u64; 3] = [100, 400, 1600];
    let mut counts = [0; 3];
    for (size, counted) in SIZES.iter().zip(&mut counts) {
        *counted = diagnosing(&recording(*size)?)?;
    }
    let [few, some, many] = counts;
    let (first, last) = (some.saturating_sub(few) / 300, many.saturating_sub(some) / 1200);
    within(what, last, bound)?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let growth = last as f64 / first.max(1) as f64;
    if growth <= GROWTH {
        return Ok(());
    }
    Err(format!("{what} takes {first} instructions among few and {last} among many").into())
}

fn starting() -> Result<(), Failed> {
    within("--version", count(&["--version"])?, START)
}

fn an_ordinary_diagnosis() -> Result<(), Failed> {
    within("a diagnosis", diagnosing(&example("svc-masked--nginx.json")?)?, DIAGNOSIS)
}

fn rules() -> Result<(), Failed> {
    const HOST: &str = "fw-rule-order--accept-after-the-catch-all.json";
    let before = |handle: u64| {
        let [high, low] = u16::try_from(10_000 + handle).unwrap_or_default().to_be_bytes();
        json!({ "handle": 1_000_000 + handle, "exprs": [
            { "meta": { "key": "l4proto", "to": 0 } },
            { "cmp": { "from": 0, "op": "eq", "data": [6] } },
            { "payload": { "base": "transport", "offset": 2, "len": 2, "to": 0 } },
            { "cmp": { "from": 0, "op": "eq", "data": [high, low] } },
            { "counter": { "packets": 0, "bytes": 0 } },
            { "verdict": "accept" },
        ] })
    };
    each("a rule", RULE, |size| {
        let mut recording = example(HOST)?;
        let rules = recording.pointer_mut("/case/here/chains/0/1/known/value/rules").and_then(Value::as_array_mut);
        rules.ok_or("the recording has no rules")?.splice(0..0, (0..size).map(before));
        Ok(recording)
    })
}

fn lines() -> Result<(), Failed> {
    const HOST: &str = "svc-failed-config-syntax--nginx.json";
    each("a line of the journal", LINE, |size| {
        let mut recording = example(HOST)?;
        let entries =
            recording.pointer_mut("/case/here/journals/0/1/known/value/entries").and_then(Value::as_array_mut);
        let entries = entries.ok_or("the recording has no journal")?;
        let first = entries.first().and_then(|entry| entry.get("at_us")?.as_u64()).ok_or("the journal is empty")?;
        let line = |nth: u64| {
            json!({ "at_us": first - 1_000_000 * (size - nth), "priority": 6, "identifier": "nginx", "pid": 77,
                "message": format!("10.0.0.{} - - \"GET /{nth} HTTP/1.1\" 200 612", nth % 250) })
        };
        entries.splice(0..0, (0..size).map(line));
        Ok(recording)
    })
}
