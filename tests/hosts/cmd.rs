//! Runs programs and says clearly what went wrong when one fails.

use std::fmt::Display;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What every step of a test returns: its result, or what failed in words.
pub(crate) type Step<T = ()> = Result<T, String>;

/// Adds what was being done to an error of the system.
pub(crate) trait While<T> {
    /// Turns the error into words that start with what was being done.
    fn while_(self, doing: impl Display) -> Step<T>;
}

impl<T, E: Display> While<T> for Result<T, E> {
    fn while_(self, doing: impl Display) -> Step<T> {
        self.map_err(|why| format!("{doing}: {why}"))
    }
}

/// What a finished program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status; 128 + signal where a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// A program and its words, ready to run.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words.first().copied().unwrap_or("true"));
    command.args(words.get(1..).unwrap_or_default());
    command
}

/// Runs a program to its end, whatever its exit status.
pub(crate) fn run(command: &mut Command) -> Step<Ran> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).output().map(|output| ran(&output)).while_(format!("running {shown}"))
}

/// Runs a program that must succeed, and returns what it printed.
pub(crate) fn ok(command: &mut Command) -> Step<String> {
    let shown = format!("{command:?}");
    succeeded(&shown, run(command)?)
}

/// Runs a program that must succeed, with `input` on its standard input.
pub(crate) fn feed(command: &mut Command, input: &str) -> Step<String> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .while_(format!("starting {shown}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).while_(format!("writing to {shown}"))?;
    }
    succeeded(&shown, ran(&child.wait_with_output().while_(format!("waiting for {shown}"))?))
}

/// Waits until `holds` says yes, looking again every few milliseconds.
pub(crate) fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> Step<bool>) -> Step {
    let deadline = Instant::now() + within;
    loop {
        if holds()? {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("after {:.0} s it still does not hold: {what}", within.as_secs_f32()));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn ran(output: &Output) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
    Ran {
        code,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a program printed, if it ended well.
pub(crate) fn succeeded(shown: &str, ran: Ran) -> Step<String> {
    if ran.code == 0 {
        return Ok(ran.stdout);
    }
    Err(format!("{shown} ended with {}: {}{}", ran.code, ran.stderr.trim(), tail(&ran.stdout)))
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    lines.iter().rev().fold(String::new(), |all, line| all + "\n  " + line)
}
