//! The end of a log file, however long it is.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

use super::minute;
use crate::sources::Trouble;

/// How much of the end of a log is read.
const MOST: u64 = 512 << 10;

/// The end of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) text: String,
    /// Where not all was read that was asked for: the time of the first line that was.
    pub(super) from_us: Option<u64>,
}

impl End {
    /// Says what was not read.
    pub(super) fn not_read(&self, path: &str) -> Option<Trouble> {
        let from = minute(self.from_us?);
        Some(Trouble::failed(format!("{path} is long, and what it tells before {from} is not read")))
    }
}

/// The last whole lines of a file, and whether there are lines before them; none where there is no such file. What is no
/// plain file is not read.
pub(super) fn tail(path: &Path) -> Result<Option<(String, bool)>, Trouble> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| Trouble::io(&name, &error);
    // A pipe in its place would keep whoever opens it waiting.
    let mut file = match OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(Trouble::failed(format!("{name} is no plain file")));
    }
    let from = meta.len().saturating_sub(MOST);
    file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let whole = text.split_once('\n').map(|(_, rest)| rest.to_owned());
    Ok(Some(if from == 0 { (text, false) } else { (whole.unwrap_or_default(), true) }))
}

/// The end of a log, with that of the file it was rotated from where it begins later than `since_us`.
pub(super) fn with_rotated(
    path: &str,
    since_us: u64,
    time: impl Fn(&str) -> Option<u64>,
) -> Result<Option<End>, Trouble> {
    let Some((text, is_cut)) = tail(Path::new(path))? else { return Ok(None) };
    let later = |text: &str| text.lines().find_map(&time).filter(|first| *first > since_us);
    let first = later(&text);
    if is_cut || (first.is_none() && text.lines().find_map(&time).is_some()) {
        return Ok(Some(End { text, from_us: first.filter(|_| is_cut) }));
    }
    let (before, is_cut) = tail(Path::new(&format!("{path}.1")))?.unwrap_or_default();
    let from_us = later(&before).filter(|_| is_cut);
    Ok(Some(End { text: before + &text, from_us }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_log_is_read_from_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dpkg.log");
        let line = "2026-11-21 12:00:00 status installed a:amd64 1\n";
        let mut text = line.repeat(40_000);
        text += "the last line\n";
        std::fs::write(&path, &text).unwrap();
        let (read, is_cut) = tail(&path).unwrap().unwrap();
        assert!(is_cut);
        assert!(read.len() as u64 <= MOST && read.ends_with("the last line\n"));
        assert!(read.starts_with("2026-"), "only whole lines");
    }

    #[test]
    fn what_is_no_plain_file_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(tail(&pipe), Err(Trouble::failed(format!("{} is no plain file", pipe.display()))));
        assert!(tail(Path::new("/dev/zero")).is_err());
        assert_eq!(tail(Path::new("/nonexistent/x")), Ok(None));
    }

    #[test]
    fn a_log_that_was_rotated_goes_on_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "7 b\n").unwrap();
        std::fs::write(dir.path().join("log.1"), "3 a\n").unwrap();
        let time = |line: &str| line.split(' ').next()?.parse().ok();
        let name = path.to_str().unwrap();
        let read = |since_us| with_rotated(name, since_us, time).unwrap().unwrap();
        assert_eq!(read(5), End { text: "3 a\n7 b\n".into(), from_us: None });
        assert_eq!(read(8), End { text: "7 b\n".into(), from_us: None });
        assert_eq!(read(8).not_read(name), None);
        // What was rotated does not join what is cut.
        std::fs::write(&path, "7 b\n".repeat(200_000)).unwrap();
        assert!(!read(5).text.contains('a') && read(5).not_read(name).is_some());
        assert_eq!((read(5).from_us, read(8).from_us), (Some(7), None));
    }
}
