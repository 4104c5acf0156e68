//! Runs the real program to its end, within a time, and holds all it prints to what may be printed.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value;
use unrefuse::facts::recording::Recording;
use unrefuse::text;

/// Longer than any source's own deadline (6 s for a connection), with room for a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);

/// The program with its words, ready to run.
#[derive(Clone)]
pub(crate) struct Program {
    wrapper: Vec<OsString>,
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    patience: Duration,
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// The same diagnosis in every form there is.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) exit: i32,
    pub(crate) text: String,
    pub(crate) markdown: String,
    pub(crate) json: Value,
    pub(crate) recording: String,
}

impl Program {
    pub(crate) fn new<W: AsRef<OsStr>>(words: &[W]) -> Self {
        let words = words.iter().map(|word| word.as_ref().to_owned()).collect();
        Self { wrapper: Vec::new(), words, variables: Vec::new(), patience: PATIENCE }
    }

    /// In this environment, which is otherwise empty but for a path and a language.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Started by this command, which gets the program and its words at its end.
    pub(crate) fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(Into::into).collect();
        self
    }

    /// It must have ended by then.
    pub(crate) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The command, for tests that do something of their own with its descriptors.
    pub(crate) fn command(&self) -> Command {
        let program = OsStr::new(env!("CARGO_BIN_EXE_unrefuse"));
        let mut all =
            self.wrapper.iter().map(OsString::as_os_str).chain([program]).chain(self.words.iter().map(AsRef::as_ref));
        let mut command = Command::new(all.next().unwrap_or(program));
        command.args(all).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it; what it prints is safe, and it is no report of a defect.
    pub(crate) fn run(&self) -> Result<Ran, Failed> {
        let began = Instant::now();
        let mut child = self.command().spawn()?;
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let status = self.wait(&mut child, began)?;
        let took = began.elapsed();
        let text = |reader: thread::JoinHandle<Vec<u8>>| {
            let bytes = reader.join().map_err(|_| Failed::from("reading broke off"))?;
            String::from_utf8(bytes).map_err(|e| Failed::from(format!("it prints what is no text: {e}")))
        };
        let ran = Ran { exit: exit_of(status), stdout: text(stdout)?, stderr: text(stderr)?, took };
        for shown in [&ran.stdout, &ran.stderr] {
            check_safe(shown)?;
        }
        if ran.stderr.contains("defect") || ran.stderr.contains("panicked") || ran.exit > 4 {
            return Err(format!("it broke: {ran:?}").into());
        }
        Ok(ran)
    }

    /// Waits for its end, and ends it when it takes too long.
    pub(crate) fn wait(&self, child: &mut Child, began: Instant) -> Result<ExitStatus, Failed> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > self.patience {
                child.kill()?;
                child.wait()?;
                return Err(format!("{:?} did not end within {:?}", self.words, self.patience).into());
            }
            thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// `check` in its three forms and `record`, of the target and with further words; the setting is that of `base`.
pub(crate) fn told(words: &[&str], change: impl Fn(Program) -> Program) -> Result<Told, Failed> {
    let run = |before: &[&str], after: &[&str]| change(Program::new(&[before, words, after].concat())).run();
    let plain = run(&["check"], &[])?;
    let json = run(&["check", "--json"], &[])?;
    let markdown = run(&["check", "--markdown"], &[])?;
    let record = run(&["record", "-o", "-"], &[])?;
    for (form, ran) in [("--json", &json), ("--markdown", &markdown)] {
        same(&format!("the exit status of {form}"), ran.exit, plain.exit)?;
        same("what it complains of", ran.stderr.as_str(), "")?;
    }
    same("the exit status of record", record.exit, 0)?;
    let recording = Recording::parse(&record.stdout, "what record wrote").map_err(|e| e.report())?;
    same("redacted", recording.redacted, true)?;
    let json: Value = serde_json::from_str(&json.stdout).map_err(|e| format!("{e} in {}", json.stdout))?;
    same("the schema", json.get("schema").and_then(Value::as_str), Some("unrefuse.diagnosis/1"))?;
    check_strings(&json)?;
    Ok(Told { exit: plain.exit, text: plain.stdout, markdown: markdown.stdout, json, recording: record.stdout })
}

impl Told {
    pub(crate) fn culprit(&self) -> Option<&str> {
        self.json.get("culprit")?.as_str()
    }

    pub(crate) fn outcome(&self) -> &str {
        self.json.get("outcome").and_then(Value::as_str).unwrap_or_default()
    }

    /// All three forms for people and programs hold these words.
    pub(crate) fn says(&self, words: &str) -> Result<(), Failed> {
        contains(&self.text, words)?;
        let json = self.json.to_string();
        if json.contains(words) { Ok(()) } else { Err(format!("{words:?} is not in {json}").into()) }
    }
}

pub(crate) fn contains(text: &str, words: &str) -> Result<(), Failed> {
    if text.contains(words) { Ok(()) } else { Err(format!("it does not say {words:?}:\n{text}").into()) }
}

pub(crate) fn same<T: PartialEq + Copy + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Result<(), Failed> {
    if got == wanted { Ok(()) } else { Err(format!("{what} is {got:?}, not {wanted:?}").into()) }
}

/// Nothing but new lines and what is plainly visible.
fn check_safe(shown: &str) -> Result<(), Failed> {
    for line in shown.split('\n') {
        same("what is printed", line, text::line(line).as_str())?;
    }
    Ok(())
}

/// The same for every text inside JSON; a program may print it as it is. Command lines may have several lines.
fn check_strings(json: &Value) -> Result<(), Failed> {
    match json {
        Value::String(text) => check_safe(text),
        Value::Array(items) => items.iter().try_for_each(check_strings),
        Value::Object(map) => map.values().try_for_each(check_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn drain(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            // What came before an error counts.
            let _ = from.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn exit_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
