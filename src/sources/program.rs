//! What another program prints, where it is the only one that knows.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::Trouble;

/// What a program prints with these words; it ends well and prints less than `most` bytes, or it is in trouble, which is
/// told of `what`. It ends with the caller's interest in it.
pub(super) async fn printed(program: &str, words: &[&str], what: &str, most: u64) -> Result<Vec<u8>, Trouble> {
    let failed = |e: &std::io::Error| Trouble::io(what, e);
    let mut child = Command::new(program)
        .args(words.iter().map(OsStr::new))
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(&e))?;
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(most).read_to_end(&mut printed).await.map_err(|e| failed(&e))?;
    }
    if printed.len() as u64 >= most {
        return Err(Trouble::failed(format!("{what} prints more than {} MiB", most >> 20)));
    }
    let status = child.wait().await.map_err(|e| failed(&e))?;
    if status.success() { Ok(printed) } else { Err(Trouble::failed(format!("{what} ended with {status}"))) }
}
