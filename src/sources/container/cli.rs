//! podman without a socket: asked by its own command, since where it keeps what is its own affair.

use serde_json::Value;

use super::{LINES, MOST_IDLE, parse};
use crate::facts::container::{Container, Inspected};
use crate::sources::Trouble;
use crate::sources::program::printed;

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
    printed(PROGRAM, words, &what, MOST_BYTES).await
}
