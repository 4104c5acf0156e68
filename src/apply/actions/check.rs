//! A daemon's own check of its configuration.

use std::process::Stdio;
use std::time::Duration;

use super::program;
use crate::error::Error;
use crate::text;

/// A check that takes longer hangs.
const WITHIN: Duration = Duration::from_secs(30);

/// Runs it; the error is what it said.
pub(super) async fn run(argv: &[String]) -> Result<(), Error> {
    let Some((program, words)) = argv.split_first() else { return Ok(()) };
    let name = text::line(&argv.join(" "));
    let mut command = tokio::process::Command::new(program);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true).env("LC_ALL", "C.UTF-8").env("SYSTEMD_PAGER", "");
    let ran = match tokio::time::timeout(WITHIN, command.output()).await {
        Ok(ran) => ran.map_err(|e| Error::broken(format!("{name} cannot be run")).because(e))?,
        Err(_) => return Err(Error::broken(format!("{name} takes longer than {} s", WITHIN.as_secs()))),
    };
    if ran.status.success() {
        return Ok(());
    }
    Err(Error::broken(format!("{name} is not content: {}", program::said(ran))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[tokio::test]
    async fn what_a_check_says_is_told() {
        assert!(run(&argv(&["true"])).await.is_ok());
        let error = run(&argv(&["sh", "-c", "echo 'bad\u{1b}[31m line' >&2; exit 3"])).await.unwrap_err();
        assert!(error.report().ends_with("is not content: bad␛[31m line"), "{}", error.report());
        assert!(run(&argv(&["/nonexistent/check"])).await.is_err());
    }
}
