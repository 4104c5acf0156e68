//! podman without a socket: asked by its own command, since where it keeps what is its own affair.

use std::ffi::OsStr;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::{LINES, MOST_IDLE, parse};
use crate::facts::container::{Container, Inspected};
use crate::sources::Trouble;

const PROGRAM: &str = "podman";
const MOST_BYTES: u64 = 8 << 20;

/// The containers of whoever runs this program.
pub(super) async fn containers() -> Result<Vec<Container>, Trouble> {
    let printed = run(&["ps", "--all", "--quiet", "--no-trunc"]).await?;
    let hexadecimal = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    let printed = String::from_utf8_lossy(&printed).into_owned();
    let ids: Vec<&str> = printed.lines().map(str::trim).filter(hexadecimal).take(MOST_IDLE).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let words: Vec<&str> = ["inspect", "--type", "container"].into_iter().chain(ids).collect();
    let told = json(&run(&words).await?)?;
    Ok(told.as_array().into_iter().flatten().filter_map(parse::summary).collect())
}

/// One of them from near.
pub(super) async fn inspect(id: &str) -> Result<Option<Inspected>, Trouble> {
    let told = json(&run(&["inspect", "--type", "container", id]).await?)?;
    let Some(first) = told.get(0) else { return Ok(None) };
    let mut near = parse::near(first);
    if near.pid.is_none() {
        let log = run(&["logs", "--tail", &LINES.to_string(), id]).await.unwrap_or_default();
        near.log = parse::log_lines(&log, LINES);
    }
    Ok(Some(near))
}

fn json(printed: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(printed).map_err(|e| Trouble::failed(format!("{PROGRAM} does not print JSON: {e}")))
}

async fn run(words: &[&str]) -> Result<Vec<u8>, Trouble> {
    let what = format!("{PROGRAM} {}", words.first().unwrap_or(&""));
    let failed = |e: &std::io::Error| Trouble::io(&what, e);
    let mut child = Command::new(PROGRAM)
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
        stdout.take(MOST_BYTES).read_to_end(&mut printed).await.map_err(|e| failed(&e))?;
    }
    if printed.len() as u64 >= MOST_BYTES {
        return Err(Trouble::failed(format!("{what} prints more than {} MiB", MOST_BYTES >> 20)));
    }
    let status = child.wait().await.map_err(|e| failed(&e))?;
    if status.success() { Ok(printed) } else { Err(Trouble::failed(format!("{what} ended with {status}"))) }
}
