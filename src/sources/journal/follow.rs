//! Each new journal entry of a unit as it is written, without a gap after those that were read before.

use std::process::Stdio;

use tokio::process::{Child, ChildStdout};

use super::lines::Lines;
use super::{FIELDS, check, of_unit, parse, spawn};
use crate::facts::journal::Entry;
use crate::sources::Trouble;

/// The entries to come. Dropping it ends the reader.
#[derive(Debug)]
pub(in crate::sources) struct Follow {
    lines: Lines<ChildStdout>,
    _reader: Child,
}

/// Follows a unit from a snapshot's cursor on; without one, from the first entry of this boot (there was none).
pub(in crate::sources) fn follow(unit: &str, cursor: Option<&str>) -> Result<Follow, Trouble> {
    check(unit)?;
    let after = cursor.map(|cursor| format!("--after-cursor={cursor}"));
    // `--lines=all`: following alone begins with the last ten lines, whatever the cursor.
    let mut arguments = vec!["--follow", "--lines=all", FIELDS];
    arguments.push(after.as_deref().unwrap_or("--boot"));
    let of_unit = of_unit(unit);
    arguments.extend(of_unit.iter().map(String::as_str));
    let mut reader = spawn(&arguments, Stdio::null())?;
    let stdout = reader.stdout.take().ok_or_else(|| Trouble::failed("journalctl has no output"))?;
    Ok(Follow { lines: Lines::new(stdout), _reader: reader })
}

impl Follow {
    /// The next entry; none when the reader has ended.
    pub(in crate::sources) async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(line) = parse::line(&self.lines.next().await?) {
                return Some(line.entry);
            }
        }
    }
}
