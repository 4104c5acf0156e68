//! A command line or a file that makes no sense: one clear line, exit status 2.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::program::{Program, contains, same};
use super::space::Outcome;

pub(crate) fn no_targets() -> Outcome {
    for target in [
        "",
        " ",
        "0",
        "65536",
        "host:",
        ":",
        "[::1",
        "[::1]",
        "::1:80",
        "host:80:90",
        "udp://h",
        "gopher://h",
        "unix:",
        "unix:relative",
        "unix:@",
        "http://",
        "a b",
        "no such unit",
        "../x",
        "-.mount.x",
    ] {
        let ran = Program::new(&["check", "--", target]).run()?;
        same(&format!("the exit status for {target:?}"), ran.exit, 2)?;
        same("the answer", ran.stdout.as_str(), "")?;
        contains(&ran.stderr, "unrefuse: ")?;
    }
    for words in [
        &["check"][..],
        &["check", "80", "--timeout", "0"],
        &["check", "80", "--timeout", "nan"],
        &["check", "80", "--timeout", "1e400"],
        &["check", "80", "--from", "there"],
        &["explain", "x"],
        &["demo", "x"],
    ] {
        let ran = Program::new(words).run()?;
        same(&format!("the exit status for {words:?}"), ran.exit, 2)?;
        same("the answer", ran.stdout.as_str(), "")?;
    }
    Ok(())
}

/// `words` with an escape sequence, a one-byte CSI, a direction override and a new line in its middle.
pub(crate) const HOSTILE: &str = "x\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\u{202e}\ny";

pub(crate) fn hostile_words() -> Outcome {
    for words in [
        &["check", HOSTILE][..],
        &["check", "80", HOSTILE],
        &["check", "--from", HOSTILE, "80"],
        &["check", "--timeout", HOSTILE, "80"],
        &["check", "--replay", HOSTILE],
        &["explain", HOSTILE],
        &["demo", HOSTILE],
        &["replay", HOSTILE],
        &["completions", HOSTILE],
        &[HOSTILE, "80"],
        &["check", "80", "-\u{202e}x"],
        &["--\u{202e}\u{9b}x"],
    ] {
        let ran = Program::new(words).run()?;
        same(&format!("the exit status for {words:?}"), ran.exit, 2)?;
        same("the answer", ran.stdout.as_str(), "")?;
    }
    let ran = Program::new(&[OsString::from("check"), OsString::from_vec(b"80\xff".to_vec())]).run()?;
    same("the exit status for what is no text", ran.exit, 2)?;
    contains(&ran.stderr, "UTF-8")
}

pub(crate) fn no_recordings() -> Outcome {
    let place = tempfile::tempdir()?;
    let path = |name: &str| place.path().join(name).to_string_lossy().into_owned();
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("bytes", vec![0xff; 4096]),
        ("deep", vec![b'['; 1 << 20]),
        ("other", b"{\"format\":\"else\"}".to_vec()),
        ("later", b"{\"format\":\"unrefuse.recording/9\"}".to_vec()),
        ("cut", b"{\"format\":\"unrefuse.recording/1\",\"case\":{".to_vec()),
    ] {
        std::fs::write(path(name), bytes)?;
    }
    for name in ["empty", "bytes", "deep", "other", "later", "cut", "missing", "."] {
        for words in [["check", "--replay"].as_slice(), &["replay"]] {
            let ran = Program::new(&[words, &[&path(name)]].concat()).run()?;
            same(&format!("the exit status for {words:?} {name}"), ran.exit, 2)?;
            same("the answer", ran.stdout.as_str(), "")?;
            contains(&ran.stderr, "unrefuse: ")?;
        }
    }
    let ran = Program::new(&["check", "--replay", "/dev/zero"]).run()?;
    same("the exit status for an endless file", ran.exit, 2)?;
    contains(&ran.stderr, "larger than 64 MiB")
}
