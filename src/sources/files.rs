//! The user's own files: recordings read and written.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::Error;

/// Recordings are far smaller; anything larger is a mistake.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a whole file as text.
pub fn read(path: &Path) -> Result<String, Error> {
    let name = path.display();
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|e| Error::input(format!("cannot read {name}")).because(e))?;
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    read.map_err(|e| Error::input(format!("cannot read {name}")).because(e))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Error::input(format!("{name} is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(text)
}

/// Writes a file that only its owner may read, whole or not at all. What is there and is no plain file (`/dev/stdout`,
/// a pipe, a link) is written to and never replaced.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::broken(format!("cannot write {}", path.display())).because(e);
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        let mut file = OpenOptions::new().write(true).truncate(true).open(path).map_err(failed)?;
        return file.write_all(text.as_bytes()).map_err(failed);
    }
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| Error::input(format!("{} is no file name", path.display())))?;
    let beside = directory.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of a failed attempt is of no use; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_replaces_whole_and_keeps_others_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn devices_pipes_and_links_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, link, pipe) = (dir.path().join("plain"), dir.path().join("link"), dir.path().join("pipe"));
        write(&plain, "longer than what follows").unwrap();
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        write(&link, "through the link").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&plain).unwrap(), "through the link");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || read(&pipe)
        });
        write(&pipe, "through the pipe").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), "through the pipe");
        assert!(write(Path::new("/dev/full"), "x").unwrap_err().report().contains("No space left"));
        assert!(write(dir.path(), "x").unwrap_err().report().contains("Is a directory"));
    }

    #[test]
    fn a_directory_that_is_not_there_is_said() {
        let error = write(Path::new("/nonexistent/x"), "").unwrap_err();
        assert!(error.report().contains("No such file"), "{}", error.report());
        assert_eq!(read(Path::new("/nonexistent/x")).unwrap_err().exit_code(), 2);
    }
}
