//! Files: replaced whole or not at all, with owner, mode, label and access list as they were.
//!
//! While a change is pending the file as it was stays beside the new one under a name of its own (a second link to it, so
//! that this takes no room and nothing of it is lost): the way back is one rename, which no full disk keeps anybody from.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::apply::change::{Change, Content, FileImage, Value};
use crate::error::Error;
use crate::fixes::action::{Create, Edit, Hunk};

/// No configuration is larger.
const MOST_BYTES: u64 = 4 << 20;

/// The file behind all links: it is what has to change, and the links stay.
pub(super) fn real(path: &str) -> Result<String, Error> {
    let real = fs::canonicalize(path).map_err(|e| Error::broken(format!("cannot find {path}")).because(e))?;
    real.into_os_string().into_string().map_err(|_| Error::broken(format!("{path} leads to a name that is no text")))
}

/// What the file is.
pub(super) fn read(path: &str) -> Result<Value, Error> {
    image(Path::new(path)).map_err(|e| Error::broken(format!("cannot read {path}")).because(e))
}

fn image(path: &Path) -> std::io::Result<Value> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Value::Absent);
        }
        Err(error) => return Err(error),
    };
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other("it is larger than 4 MiB"));
    }
    let modified = meta.modified()?.duration_since(SystemTime::UNIX_EPOCH).ok();
    Ok(Value::File(FileImage {
        content: Content::of(bytes),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        attributes: attributes(path)?,
        modified: modified.map(|d| (d.as_secs(), d.subsec_nanos())),
        directories: Vec::new(),
    }))
}

/// Labels and access lists. A file system that knows none has none.
fn attributes(path: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for name in names.filter_map(|name| name.into_string().ok()) {
        if let Some(value) = xattr::get(path, &name)? {
            all.push((name, value));
        }
    }
    all.sort();
    Ok(all)
}

/// The file with its lines changed. Fails where they are not what the edit expects.
pub(super) fn edited(edit: &Edit, old: &Value) -> Result<Value, Error> {
    let changed = |why: &str| {
        Error::broken(format!("{} is not as it was when the plan was made: {why}", edit.file)).hint("diagnose again")
    };
    let Value::File(image) = old else { return Err(changed("it is gone")) };
    let Content::Text(text) = &image.content else { return Err(changed("it is no text")) };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for hunk in edit.hunks.iter().rev() {
        replace(&mut lines, hunk).map_err(|why| changed(&why))?;
    }
    let mut image = image.clone();
    image.content = Content::Text(lines.concat());
    image.modified = None;
    Ok(Value::File(image))
}

/// One hunk. The new lines are indented as the first old one, and end as lines of this file do.
fn replace(lines: &mut Vec<String>, hunk: &Hunk) -> Result<(), String> {
    let end = if lines.iter().any(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
    let from = match hunk.line {
        0 => lines.len().checked_sub(hunk.old.len()).unwrap_or(usize::MAX),
        line => usize::try_from(line).ok().and_then(|line| line.checked_sub(1)).unwrap_or(usize::MAX),
    };
    let to = from.saturating_add(hunk.old.len());
    let there = lines.get(from..to).ok_or_else(|| format!("it has no line {}", hunk.line))?;
    if let Some((line, _)) = there.iter().zip(&hunk.old).find(|(line, old)| line.trim() != old.trim()) {
        return Err(format!("line {} is now {:?}", hunk.line, crate::text::line(line.trim())));
    }
    let indent: String =
        there.first().map(|line| line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()).unwrap_or_default();
    // A last line without an end gets one before something follows it.
    let unended = to >= lines.len() && lines.last().is_some_and(|line| !line.ends_with('\n'));
    let mut new: Vec<String> = hunk.new.iter().map(|line| format!("{indent}{}{end}", line.trim_start())).collect();
    if unended && !hunk.old.is_empty() {
        if let Some(last) = new.last_mut() {
            last.truncate(last.trim_end_matches(['\r', '\n']).len());
        }
    } else if unended && let Some(last) = lines.last_mut() {
        last.push_str(end);
    }
    lines.splice(from..to, new);
    Ok(())
}

/// A file that is not there yet.
pub(super) fn created(create: &Create, old: &Value) -> Result<Value, Error> {
    if *old != Value::Absent {
        return Err(Error::broken(format!("{} is there already", create.file)).hint("look at it before it is replaced"));
    }
    let missing = Path::new(&create.file).ancestors().skip(1).take_while(|dir| !dir.exists());
    let mut directories: Vec<String> = missing.map(|dir| dir.to_string_lossy().into_owned()).collect();
    directories.reverse();
    let content = Content::Text(create.text.clone());
    Ok(Value::File(FileImage { content, mode: 0o644, directories, ..FileImage::default() }))
}

/// A file that is to go. Only one that is there can.
pub(super) fn removed(file: &str, old: &Value) -> Result<Value, Error> {
    match old {
        Value::File(_) => Ok(Value::Absent),
        Value::Absent | Value::Present | Value::Word(_) | Value::Kept(_) => {
            Err(Error::broken(format!("{file} is not there any more")).hint("diagnose again"))
        }
    }
}

/// Sets a file to what it is to be.
pub(super) fn set(path: &str, change: &Change, entry: u64) -> Result<(), Error> {
    let at = Path::new(path);
    let failed = |e: std::io::Error| Error::broken(format!("cannot write {path}")).because(e);
    match &change.new {
        Value::File(new) => write(at, &change.old, new, entry).map_err(failed),
        Value::Absent => remove(at, &change.old, entry).map_err(failed),
        Value::Present | Value::Word(_) | Value::Kept(_) => Err(Error::broken(format!("{path} has no such value"))),
    }
}

fn write(path: &Path, old: &Value, new: &FileImage, entry: u64) -> std::io::Result<()> {
    let (kept, part) = (beside(path, entry, "old"), beside(path, entry, "new"));
    // The way back: the file itself is still there.
    if image(&kept).is_ok_and(|there| there.is(&Value::File(new.clone()))) {
        fs::rename(&kept, path)?;
        return sync_directory(path);
    }
    for directory in &new.directories {
        fs::create_dir(directory).or_else(|e| if e.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })?;
    }
    let made = fill(&part, new).and_then(|()| {
        if *old == Value::Absent {
            // Unlike a rename this fails where somebody has made the file meanwhile.
            fs::hard_link(&part, path)?;
            return fs::remove_file(&part);
        }
        keep(path, &kept, old)?;
        swap(path, &part, &kept, old)
    });
    if made.is_err() {
        // What is left of a failed attempt is of no use.
        let _ = fs::remove_file(&part);
    }
    made?;
    sync_directory(path)
}

/// Keeps the file as it was: by a second link to it, or as a copy that is the same where there are no links.
fn keep(path: &Path, kept: &Path, old: &Value) -> std::io::Result<()> {
    match (fs::hard_link(path, kept), old) {
        (Err(error), Value::File(image)) if error.kind() != ErrorKind::AlreadyExists => fill(kept, image),
        _ => Ok(()),
    }
}

/// Puts the new file in the place of the old one, unless that is another one by now: then it stays.
fn swap(path: &Path, part: &Path, kept: &Path, old: &Value) -> std::io::Result<()> {
    match renameat_with(CWD, part, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // A file system that cannot exchange two names.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            return fs::rename(part, path);
        }
        Err(error) => return Err(error.into()),
    }
    // What had the name is under the other one now.
    if image(part).is_ok_and(|there| there.is(old)) {
        return fs::remove_file(part);
    }
    fs::rename(part, path)?;
    // Of a file that somebody else has changed the log has what it was; the copy is of no use.
    let _ = fs::remove_file(kept);
    Err(std::io::Error::other("somebody changed it since it was read"))
}

/// Makes a file what it was once; who reads it meanwhile sees the one or the other.
pub(super) fn replace_with(path: &str, image: &FileImage, entry: u64) -> Result<(), Error> {
    let at = Path::new(path);
    let part = beside(at, entry, "new");
    let done = fill(&part, image).and_then(|()| fs::rename(&part, at)).and_then(|()| sync_directory(at));
    done.map_err(|e| {
        // What is left of a failed attempt is of no use.
        let _ = fs::remove_file(&part);
        Error::broken(format!("cannot write {path}")).because(e)
    })
}

/// Writes a file as it is to be, to the disk.
fn fill(path: &Path, new: &FileImage) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(new.content.bytes())?;
    fchown(&file, Some(new.uid), Some(new.gid))?;
    file.set_permissions(fs::Permissions::from_mode(new.mode))?;
    for (name, value) in &new.attributes {
        // The file system of the old file takes them; a label the kernel gave by itself may not be ours to set.
        if xattr::get(path, name)?.as_deref() != Some(value.as_slice()) {
            xattr::set(path, name, value)?;
        }
    }
    if let Some((seconds, nanos)) = new.modified {
        file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)))?;
    }
    file.sync_all()
}

fn remove(path: &Path, old: &Value, entry: u64) -> std::io::Result<()> {
    // One that somebody else has written is kept for the way back; ours says not when it was modified.
    if matches!(old, Value::File(image) if image.modified.is_some()) {
        let kept = beside(path, entry, "old");
        fs::rename(path, &kept)?;
        if !image(&kept).is_ok_and(|there| there.is(old)) {
            fs::rename(&kept, path)?;
            return Err(std::io::Error::other("somebody changed it since it was read"));
        }
    } else {
        fs::remove_file(path)?;
    }
    sync_directory(path)?;
    // What a write that was ended in the middle has left would keep the directories; mostly there is none.
    let _ = fs::remove_file(beside(path, entry, "new"));
    if let Value::File(image) = old {
        for directory in image.directories.iter().rev() {
            // Somebody has put something into it: it stays.
            let _ = fs::remove_dir(directory);
        }
    }
    Ok(())
}

/// What was to be written is not there: directories that were made for it go.
pub(super) fn restore(path: &str, to: &Change, entry: u64) {
    // What a write that was ended in the middle has left would keep them.
    clean(path, entry);
    if let (Value::File(image), Value::Absent) = (&to.old, &to.new) {
        for directory in image.directories.iter().rev() {
            // It was never made, or somebody has put something into it: then it stays.
            let _ = fs::remove_dir(directory);
        }
    }
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// A name beside a file that no daemon's wildcard takes for a part of its configuration.
fn beside(path: &Path, entry: u64, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.unrefuse-{entry}.{what}"))
}

/// Nobody goes back any more, or somebody did.
pub(super) fn clean(path: &str, entry: u64) {
    for what in ["old", "new"] {
        // Mostly there is none.
        let _ = fs::remove_file(beside(Path::new(path), entry, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::change::Thing;

    fn hunk(line: u32, old: &[&str], new: &[&str]) -> Hunk {
        let owned = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect();
        Hunk { line, old: owned(old), new: owned(new) }
    }

    fn text(value: &Value) -> &str {
        let Value::File(image) = value else { panic!("{value:?}") };
        std::str::from_utf8(image.content.bytes()).unwrap()
    }

    fn edit_text(before: &str, hunks: Vec<Hunk>) -> Result<String, Error> {
        let old = Value::File(FileImage { content: Content::Text(before.into()), ..FileImage::default() });
        edited(&Edit { file: "/etc/x".into(), hunks }, &old).map(|value| text(&value).to_owned())
    }

    #[test]
    fn edits_keep_everything_around_them() {
        let file = "# a\n    listen 127.0.0.1:80; # b\n\nend\n";
        let changed = edit_text(file, vec![hunk(2, &["listen 127.0.0.1:80; # b"], &["listen 80; # b"])]).unwrap();
        assert_eq!(changed, "# a\n    listen 80; # b\n\nend\n");
        assert_eq!(edit_text("a\nb\n", vec![hunk(2, &[], &["x"]), hunk(3, &[], &["y"])]).unwrap(), "a\nx\nb\ny\n");
        assert_eq!(edit_text("a\nb", vec![hunk(2, &["b"], &["c"])]).unwrap(), "a\nc");
        assert_eq!(edit_text("a\nb", vec![hunk(3, &[], &["c"])]).unwrap(), "a\nb\nc\n");
        assert_eq!(edit_text("a\r\nb\r\n", vec![hunk(1, &["a"], &["c"])]).unwrap(), "c\r\nb\r\n");
        assert_eq!(edit_text("a\nb\n", vec![hunk(1, &["a"], &[])]).unwrap(), "b\n");
        assert_eq!(edit_text("", vec![hunk(1, &[], &["a"])]).unwrap(), "a\n");
        assert_eq!(edit_text("a\nb", vec![hunk(1, &["a"], &["x"]), hunk(0, &[], &["c"])]).unwrap(), "x\nb\nc\n");
        assert_eq!(edit_text("a\nb\n", vec![hunk(0, &["b"], &[])]).unwrap(), "a\n");
    }

    #[test]
    fn an_edit_of_a_file_that_has_changed_is_refused() {
        let error = edit_text("port 3\n", vec![hunk(1, &["port 1"], &["port 2"])]).unwrap_err();
        assert!(error.to_string().contains("line 1 is now \"port 3\""), "{error}");
        assert!(edit_text("a\n", vec![hunk(7, &["x"], &["y"])]).is_err());
        assert!(edit_text("a\n", vec![hunk(0, &["x"], &["y"])]).is_err());
        assert!(edit_text("a\n", vec![hunk(0, &["x", "a"], &["y"])]).is_err());
    }

    #[test]
    fn a_file_that_is_taken_away_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("not_to_be_run");
        fs::write(&path, "closed\n").unwrap();
        let before = fs::metadata(&path).unwrap();
        let at = path.to_str().unwrap();
        assert!(removed(at, &Value::Absent).is_err());
        let away = change(&path, removed(at, &read(at).unwrap()).unwrap());
        set(at, &away, 3).unwrap();
        assert_eq!(names(dir.path()), [".not_to_be_run.unrefuse-3.old"]);
        set(at, &away.inverse(), 3).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()), "it is the file itself");
        // Once the change is kept only the log has the file.
        set(at, &away, 4).unwrap();
        clean(at, 4);
        assert!(names(dir.path()).is_empty());
        set(at, &away.inverse(), 5).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "closed\n");
        assert_eq!(fs::metadata(&path).unwrap().mtime_nsec(), before.mtime_nsec());
    }

    fn change(path: &Path, new: Value) -> Change {
        let path = path.to_str().unwrap();
        Change { thing: Thing::File(path.into()), old: read(path).unwrap(), new }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_goes_there_and_back_and_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.conf");
        fs::write(&path, "port 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let before = fs::metadata(&path).unwrap();
        let edit = Edit { file: path.to_str().unwrap().into(), hunks: vec![hunk(1, &["port 1"], &["port 2"])] };
        let there = change(&path, edited(&edit, &read(path.to_str().unwrap()).unwrap()).unwrap());
        set(path.to_str().unwrap(), &there, 7).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "port 2\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(names(dir.path()), [".x.conf.unrefuse-7.old", "x.conf"]);
        set(path.to_str().unwrap(), &there.inverse(), 7).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "port 1\n");
        assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()), "it is the file itself");
        assert_eq!(names(dir.path()), ["x.conf"]);
        // Kept, and taken back later.
        set(path.to_str().unwrap(), &there, 8).unwrap();
        clean(path.to_str().unwrap(), 8);
        set(path.to_str().unwrap(), &there.inverse(), 9).unwrap();
        clean(path.to_str().unwrap(), 9);
        let after = fs::metadata(&path).unwrap();
        assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
        assert_eq!(names(dir.path()), ["x.conf"]);
    }

    #[test]
    fn a_new_file_takes_its_directories_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.service.d/y/60.conf");
        let create = Create { file: path.to_str().unwrap().into(), text: "[Unit]\n".into() };
        let there = change(&path, created(&create, &Value::Absent).unwrap());
        set(path.to_str().unwrap(), &there, 1).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[Unit]\n");
        assert!(created(&create, &read(path.to_str().unwrap()).unwrap()).is_err());
        set(path.to_str().unwrap(), &there.inverse(), 1).unwrap();
        assert!(names(dir.path()).is_empty());
        // Ended while it wrote it, or when it had written it: its directories go all the same.
        for ended in [None, Some(&path)] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(beside(&path, 1, "new"), "[Un").unwrap();
            match ended {
                None => restore(path.to_str().unwrap(), &there.inverse(), 1),
                Some(path) => {
                    fs::write(path, "[Unit]\n").unwrap();
                    set(path.to_str().unwrap(), &there.inverse(), 1).unwrap();
                }
            }
            assert!(names(dir.path()).is_empty(), "{ended:?}");
        }
        // Somebody else makes it first.
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(set(path.to_str().unwrap(), &there, 2).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(path.parent().unwrap()), ["60.conf"]);
    }

    #[test]
    fn only_plain_files_of_some_size_are_changed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path().to_str().unwrap()).is_err());
        assert_eq!(read(dir.path().join("none").to_str().unwrap()).unwrap(), Value::Absent);
        let link = dir.path().join("link");
        fs::write(dir.path().join("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert!(read(link.to_str().unwrap()).is_err());
        assert!(real(link.to_str().unwrap()).unwrap().ends_with("/file"));
    }
}
