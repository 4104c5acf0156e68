//! What scripts hold on to: the schema of `check --json`, the README's jq lines, many targets, waiting, and the words for
//! monitoring systems.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::tree::file;

fn unrefuse(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unrefuse")).args(words).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn examples() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let paths = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let recordings = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut paths: Vec<String> = recordings.map(|path| path.display().to_string()).collect();
    paths.sort();
    paths
}

/// A port of this host that nothing listens on, and one that something does.
fn ports() -> (u16, TcpListener, u16) {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = open.local_addr().unwrap().port();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (free, open, at)
}

#[test]
fn every_diagnosis_is_as_the_schema_says() {
    let schema: Value = serde_json::from_str(&file("assets/diagnosis.schema.json")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("diagnosis.json", schema).unwrap();
    let schema = compiler.compile("diagnosis.json", &mut schemas).unwrap();
    let mut seen = 0;
    for path in examples() {
        let value: Value = serde_json::from_str(&told(&unrefuse(&["check", "--json", "--replay", &path]))).unwrap();
        if let Err(error) = schemas.validate(&value, schema) {
            panic!("{path}: {error:#}");
        }
        seen += 1;
    }
    assert!(seen >= 16, "{seen}");
    // What it does not name has no place in a diagnosis: the schema is whole.
    let mut value: Value = serde_json::from_str(&told(&unrefuse(&["check", "--json", "localhost:1"]))).unwrap();
    assert!(schemas.validate(&value, schema).is_ok());
    value["outcome"] = "sunny".into();
    assert!(schemas.validate(&value, schema).is_err());
}

/// The schema describes every key that is printed.
#[test]
fn the_schema_knows_every_key() {
    let schema: Value = serde_json::from_str(&file("assets/diagnosis.schema.json")).unwrap();
    for path in examples() {
        let value: Value = serde_json::from_str(&told(&unrefuse(&["check", "--json", "--replay", &path]))).unwrap();
        known(&schema, &value, &path);
    }
}

fn known(schema: &Value, value: &Value, at: &str) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let inner = schema["properties"].get(key);
                assert!(inner.is_some(), "the schema lacks {key} in {at}");
                let inner = inner.unwrap();
                known(inner, value, &format!("{at}.{key}"));
            }
        }
        Value::Array(all) => all.iter().for_each(|one| known(&schema["items"], one, &format!("{at}[]"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Each jq program of the README runs on a diagnosis and prints something of it.
#[test]
fn the_jq_lines_of_the_readme_work() {
    let readme = file("README.md");
    let lines: Vec<&str> = readme.lines().filter(|line| line.contains("--json | jq ")).collect();
    assert!(lines.len() >= 5, "{lines:?}");
    let mut printed = Vec::new();
    for line in &lines {
        let (_, filter) = line.split_once("| jq -r ").expect("jq -r");
        let filter = filter.split(" #").next().unwrap().trim().trim_matches('\'');
        let mut any = false;
        for path in examples() {
            let diagnosis = unrefuse(&["check", "--json", "--replay", &path]).stdout;
            let input = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(input.path(), diagnosis).unwrap();
            let output = Command::new("jq").args(["-r", filter]).arg(input.path()).output().expect("jq is installed");
            assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
            any |= !output.stdout.trim_ascii().is_empty();
        }
        printed.push((filter.to_owned(), any));
    }
    assert!(printed.iter().all(|(_, any)| *any), "{printed:?}");
}

#[test]
fn many_targets_get_a_line_each_and_the_worst_status() {
    let (free, _open, at) = ports();
    let (free, at) = (format!("127.0.0.1:{free}"), format!("127.0.0.1:{at}"));
    let output = unrefuse(&["check", "--from", "here", &at, &free, "localhost:1"]);
    let text = told(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains(&at) && lines[0].contains(" open "), "{text}");
    assert!(lines[1].contains(&free) && lines[1].contains(" refused "), "{text}");
    assert!(matches!(output.status.code(), Some(1 | 3)), "{output:?}");
    let json = told(&unrefuse(&["check", "--json", "--from", "here", &at, &free]));
    let outcomes: Vec<Value> =
        json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone()).collect();
    assert_eq!(outcomes, ["open", "refused"]);
    let wrong = unrefuse(&["check", &at, "host:notaport"]);
    assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0), "{wrong:?}");
}

#[test]
fn waiting_ends_when_it_opens_and_not_before() {
    let (free, _open, _) = ports();
    let target = format!("127.0.0.1:{free}");
    let began = Instant::now();
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        TcpListener::bind(("127.0.0.1", free)).unwrap()
    });
    let output = unrefuse(&["check", "--from", "here", "--wait", "30", &target]);
    let _listener = late.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!((Duration::from_secs(2)..Duration::from_secs(20)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(told(&output).contains("note: looked "), "{}", told(&output));
}

#[test]
fn waiting_in_vain_tells_why() {
    let (free, _open, _) = ports();
    let output = unrefuse(&["check", "--json", "--from", "here", "--wait", "1.5", &format!("127.0.0.1:{free}")]);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{output:?}");
    let value: Value = serde_json::from_str(&told(&output)).unwrap();
    assert_eq!(value["outcome"], "refused");
    for wrong in ["0", "-1", "soon"] {
        assert_eq!(unrefuse(&["check", "80", &format!("--wait={wrong}")]).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_monitoring_plugin_has_its_own_statuses() {
    let (free, _open, at) = ports();
    let ok = unrefuse(&["check", "--plugin", "--from", "here", &format!("127.0.0.1:{at}")]);
    assert_eq!(ok.status.code(), Some(0), "{ok:?}");
    let first = told(&ok).lines().next().unwrap().to_owned();
    assert!(first.starts_with("UNREFUSE OK - ") && first.contains(" | time=0."), "{first}");
    let critical = unrefuse(&["check", "--plugin", "--from", "here", &format!("127.0.0.1:{free}")]);
    assert_eq!(critical.status.code(), Some(2), "{critical:?}");
    assert!(told(&critical).starts_with("UNREFUSE CRITICAL - "), "{critical:?}");
    let wrong = unrefuse(&["check", "--plugin", "bad target!!"]);
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
    assert!(told(&wrong).starts_with("UNREFUSE UNKNOWN - "), "{wrong:?}");
}
