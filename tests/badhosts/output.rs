//! Outputs that do not take what is written: full, closed, given up by the reader, or a terminal that can do nothing.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileTypeExt;
use std::process::Stdio;
use std::time::Instant;

use super::program::{Program, contains, same};
use super::space::Outcome;

const TARGET: &str = "127.0.0.1:1";

pub(crate) fn full() -> Outcome {
    for words in [
        &["check", TARGET][..],
        &["check", "--json", TARGET],
        &["check", "--markdown", TARGET],
        &["record", TARGET, "-o", "-"],
        &["listeners", "--once"],
        &["explain", "--list"],
        &["--help"],
        &["man"],
    ] {
        let program = Program::new(words);
        let full = OpenOptions::new().write(true).open("/dev/full")?;
        let output = program.command().stdout(full).output()?;
        same(&format!("the exit status of {words:?}"), output.status.code(), Some(4))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        contains(&said, "unrefuse: cannot write the answer: No space left on device")?;
    }
    Ok(())
}

/// The reader has left before the first byte, as `| head -0` does: that is no error.
pub(crate) fn closed_pipe() -> Outcome {
    for (words, exit) in [(&["check", TARGET][..], 1), (&["record", TARGET, "-o", "-"], 0), (&["explain", "--list"], 0)]
    {
        let program = Program::new(words);
        let began = Instant::now();
        let mut child = program.command().spawn()?;
        drop(child.stdout.take());
        let status = program.wait(&mut child, began)?;
        same(&format!("the exit status of {words:?}"), status.code(), Some(exit))?;
    }
    Ok(())
}

pub(crate) fn closed() -> Outcome {
    for (redirect, exit) in [("<&-", 1), (">&-", 1), ("2>&-", 1), ("<&- >&- 2>&-", 1)] {
        let line = format!("exec \"$@\" {redirect}");
        let ran = Program::new(&["check", TARGET]).through(&["sh", "-c", &line, "sh"]).run()?;
        same(&format!("the exit status with {redirect}"), ran.exit, exit)?;
    }
    let ran = Program::new(&["check", ""]).through(&["sh", "-c", "exec \"$@\" 2>&-", "sh"]).run()?;
    same("the exit status of an error that nobody hears", ran.exit, 2)
}

/// Without a terminal, or on one that cannot move its cursor, text stays text.
pub(crate) fn dumb() -> Outcome {
    let ran = Program::new(&["check", TARGET]).with("TERM", "dumb").run()?;
    same("the exit status", ran.exit, 1)?;
    let screen = Program::new(&[TARGET]).with("TERM", "dumb").run()?;
    same("the exit status of the screen", screen.exit, 2)?;
    contains(&screen.stderr, "unrefuse check TARGET")
}

/// A device is written to, never replaced by a file.
pub(crate) fn devices() -> Outcome {
    let record = |to: &str| Program::new(&["record", TARGET, "-o", to]).run();
    let full = record("/dev/full")?;
    same("the exit status", full.exit, 4)?;
    contains(&full.stderr, "unrefuse: cannot write /dev/full: No space left on device")?;
    same("the exit status", record("/dev/null")?.exit, 0)?;
    for device in ["/dev/full", "/dev/null"] {
        same(device, fs::metadata(device)?.file_type().is_char_device(), true)?;
    }
    let mut command = Program::new(&["record", TARGET, "-o", "/dev/stdout"]).command();
    let output = command.stdout(Stdio::piped()).output()?;
    contains(&String::from_utf8_lossy(&output.stdout), "unrefuse.recording/1")
}
