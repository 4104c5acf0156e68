//! Programs that change the host: one that was started runs to its end, even where this process dies, and whoever reads
//! what it sets waits for that.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::text;

/// Such a program that takes longer hangs.
const WITHIN: Duration = Duration::from_secs(60);
/// So long the end of one that an earlier process started is waited for.
const AT_REST: Duration = Duration::from_secs(150);
/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of what it said that are told.
const LINES: usize = 6;

/// Runs it; the error is what it said.
pub(super) async fn run(state: &Path, argv: &[String]) -> Result<(), Error> {
    run_within(state, argv, WITHIN).await
}

/// The same for a program that is known to take its time.
pub(super) async fn run_within(state: &Path, argv: &[String], within: Duration) -> Result<(), Error> {
    let ran = ended_within(state, argv, within).await?;
    if ran.status.success() { Ok(()) } else { Err(failure(argv, ran)) }
}

/// Runs it for its answer: yes (it ends with 0) or no (it ends with 1).
pub(super) async fn tells(state: &Path, argv: &[String]) -> Result<bool, Error> {
    let ran = asked(state, argv).await?;
    match ran.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(failure(argv, ran)),
    }
}

/// Runs it; what it said, however it ended.
pub(super) async fn ended(state: &Path, argv: &[String]) -> Result<Output, Error> {
    ended_within(state, argv, WITHIN).await
}

async fn ended_within(state: &Path, argv: &[String], within: Duration) -> Result<Output, Error> {
    at_rest(state).await?;
    let held = open(state).and_then(|held| held.lock().map(|()| held));
    let held = held.map_err(|e| Error::broken(format!("cannot look into {}", state.display())).because(e))?;
    // Its standard input is the locked file, and nothing else holds that: the lock is free once the program has ended.
    output(argv, Stdio::from(held), within).await
}

/// The same for one that only tells something.
pub(super) async fn asked(state: &Path, argv: &[String]) -> Result<Output, Error> {
    at_rest(state).await?;
    output(argv, Stdio::null(), WITHIN).await
}

async fn output(argv: &[String], stdin: Stdio, within: Duration) -> Result<Output, Error> {
    let (program, words) = argv.split_first().ok_or_else(|| Error::broken("there is nothing to run"))?;
    let name = text::line(&argv.join(" "));
    let failed = |e: std::io::Error| Error::broken(format!("{name} cannot be run")).because(e);
    let mut command = tokio::process::Command::new(program);
    command.args(words).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.env("LC_ALL", "C.UTF-8").spawn().map_err(failed)?;
    // It holds the standard input of the next one, too.
    drop(command);
    match tokio::time::timeout(within, child.wait_with_output()).await {
        Ok(ran) => ran.map_err(failed),
        Err(_) => Err(Error::broken(format!("{name} takes longer than {} s", within.as_secs()))),
    }
}

fn failure(argv: &[String], ran: Output) -> Error {
    Error::broken(format!("{} fails: {}", text::line(&argv.join(" ")), said(ran)))
}

/// The first lines of what a program said, safe to show, as one.
pub(super) fn said(ran: Output) -> String {
    let all = [ran.stderr, ran.stdout].concat();
    let all = String::from_utf8_lossy(&all);
    let lines: Vec<String> = all.lines().filter(|l| !l.trim().is_empty()).take(LINES).map(text::line).collect();
    lines.join("; ")
}

/// Waits until no such program of an earlier process runs any more.
pub(super) async fn at_rest(state: &Path) -> Result<(), Error> {
    let until = Instant::now() + AT_REST;
    let failed = |e: std::io::Error| Error::broken(format!("cannot look into {}", state.display())).because(e);
    let file = match File::open(place(state)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(LOOK).await,
            Err(TryLockError::WouldBlock) => {
                return Err(Error::broken("a program that was started to change this host still runs"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

fn open(state: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(place(state))
}

fn place(state: &Path) -> PathBuf {
    state.join("running")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[tokio::test]
    async fn who_reads_waits_for_a_program_that_nobody_waits_for_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        at_rest(dir.path()).await.unwrap();
        let line = format!("sleep 0.4; echo done > {}", mark.display());
        let words = argv(&["sh", "-c", &line]);
        let left = tokio::time::timeout(Duration::from_millis(150), run(dir.path(), &words)).await;
        assert!(left.is_err() && !mark.exists(), "it is still at work");
        at_rest(dir.path()).await.unwrap();
        assert!(mark.exists());
    }

    #[tokio::test]
    async fn what_a_failed_program_says_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(dir.path(), &argv(&["sh", "-c", "echo 'bad\u{1b}[31m' >&2; exit 3"])).await.unwrap_err();
        assert!(error.report().ends_with("fails: bad␛[31m"), "{}", error.report());
        assert!(run(dir.path(), &argv(&["/nonexistent/program"])).await.is_err());
        assert!(run(dir.path(), &argv(&["true"])).await.is_ok());
    }
}
