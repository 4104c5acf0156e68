//! Files as the daemons see them: read below a root directory, never longer than a limit, never waited for.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;

/// Bytes of a file that are read at most; a longer one is not read at all, because half of it may say the opposite.
pub(in crate::sources) const LONGEST: usize = 1 << 20;
/// Names of a directory that are looked at.
const MOST_NAMES: usize = 20_000;
/// Symbolic links followed in one path, as the kernel does.
const MOST_LINKS: usize = 40;

/// Why a file or a directory could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) enum Unread {
    /// There is none.
    Missing,
    /// We may not.
    Denied,
    /// Anything else, as a clause.
    Failed(String),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file"),
            Self::Denied => f.write_str("permission denied"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            Self::Missing
        } else if kind == io::ErrorKind::PermissionDenied {
            Self::Denied
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sources) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A device, a pipe, a socket.
    Other,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sources) struct Entry {
    /// The name.
    pub(in crate::sources) name: String,
    /// It is a symbolic link.
    pub(in crate::sources) link: bool,
}

/// Where configuration files come from: the host, or a map in a test.
pub(in crate::sources) trait Files {
    /// The text of a regular file; bytes that are not UTF-8 are replaced.
    fn read(&self, path: &str) -> Result<String, Unread>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &str) -> Result<Vec<Entry>, Unread>;
    /// Where a symbolic link points, as it is written.
    fn link(&self, path: &str) -> Option<String>;
    /// What a path leads to, links followed.
    fn kind(&self, path: &str) -> Result<Kind, Unread>;

    /// Is there something?
    fn exists(&self, path: &str) -> bool {
        self.kind(path).is_ok()
    }
}

/// The files of a host whose root directory is `root`.
#[derive(Debug, Clone)]
pub(in crate::sources) struct HostFiles {
    root: PathBuf,
}

impl HostFiles {
    /// This host's own.
    pub(in crate::sources) fn own() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// A host laid out below a directory; absolute links lead to places below it too.
    #[cfg(test)]
    pub(in crate::sources) fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn at(&self, path: &str, follow_last: bool) -> PathBuf {
        if self.root == Path::new("/") {
            return PathBuf::from(path);
        }
        self.resolve(path, follow_last)
    }

    /// Follows links by hand, so that none leads out of the root.
    fn resolve(&self, path: &str, follow_last: bool) -> PathBuf {
        let mut left: Vec<PathBuf> = reversed(Path::new(path));
        let mut at = self.root.clone();
        let mut depth = 0_usize;
        let mut links = 0_usize;
        while let Some(part) = left.pop() {
            if part == Path::new("..") {
                if depth > 0 {
                    at.pop();
                    depth -= 1;
                }
                continue;
            }
            let next = at.join(&part);
            let is_last = left.is_empty();
            match std::fs::read_link(&next) {
                Ok(target) if links < MOST_LINKS && (follow_last || !is_last) => {
                    links += 1;
                    if target.is_absolute() {
                        at.clone_from(&self.root);
                        depth = 0;
                    }
                    left.extend(reversed(&target));
                }
                _ => {
                    at = next;
                    depth += 1;
                }
            }
        }
        at
    }
}

/// The named parts of a path, last one first.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir));
    parts.rev().map(|c| PathBuf::from(c.as_os_str())).collect()
}

impl Files for HostFiles {
    fn read(&self, path: &str) -> Result<String, Unread> {
        let at = self.at(path, true);
        // Looked at before it is opened: opening a device or a pipe can do things or wait for ever.
        let meta = std::fs::metadata(&at)?;
        if !meta.is_file() {
            return Err(Unread::Failed("not a regular file".into()));
        }
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&at)?;
        let expected = usize::try_from(meta.len()).unwrap_or(LONGEST).min(LONGEST);
        let mut bytes = Vec::with_capacity(expected + 1);
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_end(&mut bytes)?;
        if bytes.len() > LONGEST {
            return Err(Unread::Failed("larger than 1 MiB".into()));
        }
        Ok(text(bytes))
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, Unread> {
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(self.at(dir, true))?.take(MOST_NAMES).flatten() {
            let link = entry.file_type().is_ok_and(|t| t.is_symlink());
            if let Ok(name) = entry.file_name().into_string() {
                found.insert(Entry { name, link });
            }
        }
        Ok(found.into_iter().collect())
    }

    fn link(&self, path: &str) -> Option<String> {
        std::fs::read_link(self.at(path, false)).ok()?.into_os_string().into_string().ok()
    }

    fn kind(&self, path: &str) -> Result<Kind, Unread> {
        let meta = std::fs::metadata(self.at(path, true))?;
        Ok(if meta.is_file() {
            Kind::File
        } else if meta.is_dir() {
            Kind::Dir
        } else {
            Kind::Other
        })
    }
}

/// The text of a file, without the byte order mark some editors leave.
fn text(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// A path without `.`, `..` and doubled slashes, below `base` when it is relative.
pub(in crate::sources) fn absolute(base: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{base}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The directory of a file.
pub(in crate::sources) fn dir_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((dir, _)) => dir,
    }
}

/// The last part of a path.
pub(in crate::sources) fn base_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, base)| base)
}

#[cfg(any(test, fuzzing))]
pub(in crate::sources) use memory::Memory;

#[cfg(any(test, fuzzing))]
#[cfg_attr(not(test), expect(dead_code, reason = "the fuzzers need plain files only"))]
mod memory {
    use std::collections::BTreeMap;

    use super::{Entry, Files, Kind, LONGEST, Unread, absolute, dir_of};

    /// Files in memory, for tests.
    #[derive(Debug, Default)]
    pub(in crate::sources) struct Memory {
        nodes: BTreeMap<String, Node>,
    }

    #[derive(Debug)]
    enum Node {
        File(String),
        Link(String),
        Denied,
    }

    impl Memory {
        pub(in crate::sources) fn file(mut self, path: &str, text: &str) -> Self {
            self.nodes.insert(path.into(), Node::File(text.into()));
            self
        }

        pub(in crate::sources) fn link(mut self, path: &str, to: &str) -> Self {
            self.nodes.insert(path.into(), Node::Link(to.into()));
            self
        }

        pub(in crate::sources) fn denied(mut self, path: &str) -> Self {
            self.nodes.insert(path.into(), Node::Denied);
            self
        }

        fn follow(&self, path: &str) -> String {
            let mut at = path.to_owned();
            for _ in 0..40 {
                match self.nodes.get(&at) {
                    Some(Node::Link(to)) => at = absolute(dir_of(&at), to),
                    _ => break,
                }
            }
            at
        }

        fn has_below(&self, dir: &str) -> bool {
            let prefix = format!("{}/", dir.trim_end_matches('/'));
            self.nodes.keys().any(|k| k.starts_with(&prefix))
        }
    }

    impl Files for Memory {
        fn read(&self, path: &str) -> Result<String, Unread> {
            match self.nodes.get(&self.follow(path)) {
                Some(Node::File(text)) if text.len() > LONGEST => Err(Unread::Failed("larger than 1 MiB".into())),
                Some(Node::File(text)) => Ok(super::text(text.clone().into_bytes())),
                Some(Node::Denied) => Err(Unread::Denied),
                _ if self.has_below(path) => Err(Unread::Failed("not a regular file".into())),
                _ => Err(Unread::Missing),
            }
        }

        fn list(&self, dir: &str) -> Result<Vec<Entry>, Unread> {
            if matches!(self.nodes.get(dir), Some(Node::Denied)) {
                return Err(Unread::Denied);
            }
            let prefix = format!("{}/", dir.trim_end_matches('/'));
            let mut found = std::collections::BTreeSet::new();
            for (path, node) in self.nodes.iter().filter(|(path, _)| path.starts_with(&prefix)) {
                let rest = path.strip_prefix(&prefix).unwrap_or_default();
                let name = rest.split('/').next().unwrap_or_default().to_owned();
                let link = name == rest && matches!(node, Node::Link(_));
                found.insert(Entry { name, link });
            }
            if found.is_empty() { Err(Unread::Missing) } else { Ok(found.into_iter().collect()) }
        }

        fn link(&self, path: &str) -> Option<String> {
            match self.nodes.get(path) {
                Some(Node::Link(to)) => Some(to.clone()),
                _ => None,
            }
        }

        fn kind(&self, path: &str) -> Result<Kind, Unread> {
            match self.nodes.get(&self.follow(path)) {
                Some(Node::File(_)) => Ok(Kind::File),
                Some(Node::Denied) => Err(Unread::Denied),
                _ if self.has_below(path) => Ok(Kind::Dir),
                _ => Err(Unread::Missing),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_plain() {
        assert_eq!(absolute("/etc/nginx", "conf.d/*.conf"), "/etc/nginx/conf.d/*.conf");
        assert_eq!(absolute("/etc/nginx", "../x/./y"), "/etc/x/y");
        assert_eq!(absolute("/", "/../../etc//passwd"), "/etc/passwd");
        assert_eq!(dir_of("/a/b"), "/a");
        assert_eq!(dir_of("/a"), "/");
    }

    #[test]
    fn links_stay_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/alternatives")).unwrap();
        std::fs::write(root.path().join("etc/real"), "inside").unwrap();
        std::os::unix::fs::symlink("/etc/alternatives/a", root.path().join("etc/my.cnf")).unwrap();
        std::os::unix::fs::symlink("../../../../../etc/real", root.path().join("etc/alternatives/a")).unwrap();
        std::os::unix::fs::symlink("loop", root.path().join("etc/loop")).unwrap();
        let files = HostFiles::below(root.path());
        assert_eq!(files.read("/etc/my.cnf"), Ok("inside".into()));
        assert_eq!(files.link("/etc/my.cnf").as_deref(), Some("/etc/alternatives/a"));
        assert!(files.read("/etc/loop").is_err());
        assert_eq!(files.read("/etc/none"), Err(Unread::Missing));
    }

    #[test]
    fn only_regular_files_of_sane_size_are_read() {
        let root = tempfile::tempdir().unwrap();
        let fifo = root.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::write(root.path().join("big"), vec![b'#'; LONGEST + 1]).unwrap();
        std::fs::write(root.path().join("bom"), b"\xef\xbb\xbfport 1\xff").unwrap();
        let files = HostFiles::below(root.path());
        assert_eq!(files.read("/fifo"), Err(Unread::Failed("not a regular file".into())));
        assert_eq!(files.read("/big"), Err(Unread::Failed("larger than 1 MiB".into())));
        assert_eq!(files.read("/bom"), Ok("port 1\u{fffd}".into()));
        assert_eq!(HostFiles::own().read("/dev/zero"), Err(Unread::Failed("not a regular file".into())));
    }
}
