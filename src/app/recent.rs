//! Recent targets, one a line in `$XDG_STATE_HOME/unrefuse/recent`, for the picker.
//!
//! The file is a convenience: whatever goes wrong with it is told in passing and stops nothing. It is written beside and
//! renamed into place, readable for its owner only, and only where the directory is ours: under sudo, a home directory
//! of somebody else is left alone.

#![expect(clippy::disallowed_methods, reason = "the program's own state file, which says nothing about the host")]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::target::Target;

/// How many are kept.
pub const MOST: usize = 20;
/// No honest file is longer.
const MOST_BYTES: u64 = 64 * 1024;

/// Where recent targets are kept, from `$XDG_STATE_HOME` and `$HOME`; none when neither is an absolute path.
pub fn file(state_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute = |path: &OsStr| Some(PathBuf::from(path)).filter(|p| p.is_absolute());
    let base = state_home.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".local/state")))?;
    Some(base.join("unrefuse/recent"))
}

/// The recent targets, the last one first; none when there is no file or it cannot be read.
pub fn read(file: &Path) -> Vec<String> {
    let mut text = String::new();
    let opened = fs::OpenOptions::new().read(true).custom_flags(flags()).open(file);
    let Ok(opened) =
        opened.and_then(|f| if f.metadata()?.is_file() { Ok(f) } else { Err(io::ErrorKind::Other.into()) })
    else {
        return Vec::new();
    };
    if opened.take(MOST_BYTES).read_to_string(&mut text).is_err() {
        return Vec::new();
    }
    // Only what is a target today: the file may have been edited.
    text.lines().filter(|line| Target::parse(line).is_ok()).take(MOST).map(str::to_owned).collect()
}

/// Puts a target first.
pub fn remember(file: &Path, target: &str) -> io::Result<()> {
    let mut all = read(file);
    all.retain(|known| known != target);
    all.insert(0, target.to_owned());
    all.truncate(MOST);
    let Some(directory) = owned(file)? else { return Ok(()) };
    let beside = directory.join(format!(".recent.{}", std::process::id()));
    let written = write(&beside, &all).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Beside the recent targets: the hint for the first time was shown.
const HINTED: &str = "hinted";

/// Was the hint for the first time never shown, as far as can be told?
pub fn first_time(file: &Path) -> bool {
    fs::symlink_metadata(file.with_file_name(HINTED)).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The hint for the first time was shown: never again.
pub fn hinted(file: &Path) -> io::Result<()> {
    let Some(directory) = owned(file)? else { return Ok(()) };
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(HINTED)).map(drop)
}

/// The directory of this file, made where it is not there; none where it is somebody else's.
fn owned(file: &Path) -> io::Result<Option<&Path>> {
    let Some(directory) = file.parent() else { return Ok(None) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let ours = fs::metadata(directory)?.uid() == nix::unistd::geteuid().as_raw();
    Ok(Some(directory).filter(|_| ours))
}

fn write(file: &Path, all: &[String]) -> io::Result<()> {
    let mut opened =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags()).open(file)?;
    for target in all {
        writeln!(opened, "{target}")?;
    }
    opened.sync_all()
}

/// Never through a symlink, never waiting for the other end of a pipe.
fn flags() -> i32 {
    (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_last_one_comes_first_and_once() {
        let home = tempfile::tempdir().unwrap();
        let file = file(None, Some(home.path().as_os_str())).unwrap();
        assert!(read(&file).is_empty());
        for target in ["8080", "db1:5432", "8080"] {
            remember(&file, target).unwrap();
        }
        assert_eq!(read(&file), ["8080", "db1:5432"]);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn the_first_time_comes_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("state/unrefuse/recent");
        assert!(first_time(&file));
        hinted(&file).unwrap();
        assert!(!first_time(&file));
        assert!(hinted(&file).is_err(), "it is there already");
    }

    #[test]
    fn it_stays_short() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("recent");
        for port in 1..=2 * MOST {
            remember(&file, &port.to_string()).unwrap();
        }
        let all = read(&file);
        assert_eq!((all.len(), all[0].as_str()), (MOST, "40"));
    }

    #[test]
    fn a_symlink_is_neither_read_nor_written_through() {
        let home = tempfile::tempdir().unwrap();
        let (file, victim) = (home.path().join("recent"), home.path().join("victim"));
        fs::write(&victim, "22\n").unwrap();
        std::os::unix::fs::symlink(&victim, &file).unwrap();
        assert!(read(&file).is_empty());
        remember(&file, "80").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "22\n");
        assert_eq!(read(&file), ["80"]);
    }

    #[test]
    fn what_is_no_target_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("recent");
        fs::write(&file, "8080\nx\u{1b}[2Jy\n\n-rf\nnginx\n").unwrap();
        assert_eq!(read(&file), ["8080", "nginx"]);
    }

    #[test]
    fn relative_places_do_not_count() {
        let at = |a: Option<&str>, b: Option<&str>| file(a.map(OsStr::new), b.map(OsStr::new));
        assert_eq!(at(Some("rel"), Some("/home/u")), Some("/home/u/.local/state/unrefuse/recent".into()));
        assert_eq!(at(Some("/s"), None), Some("/s/unrefuse/recent".into()));
        assert_eq!(at(None, Some("")), None);
    }
}
