//! One configuration being read: its files in order, what could not be read, and the limits that keep it finite.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::files::{Files, Unread};
use super::glob;
use crate::facts::beyond::{Beyond, Setting};
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};

/// Different files of one configuration.
const MOST_FILES: usize = 2_000;
/// Times a file is entered, repeats included: a snippet may stand in a thousand virtual hosts.
const MOST_ENTERED: usize = 10_000;
/// Bytes of all of them.
const MOST_BYTES: usize = 32 << 20;
/// Bytes walked through, repeats included.
const MOST_WALKED: usize = 64 << 20;
/// Gaps worth telling.
const MOST_GAPS: usize = 40;
/// Listens of one daemon.
const MOST_LISTENS: usize = 4_096;
/// Characters of a line that are kept.
const MOST_LINE: usize = 400;

/// What reading one configuration has brought so far.
pub(super) struct Reader<'f> {
    /// Where files come from.
    pub(super) files: &'f dyn Files,
    /// Where it listens.
    pub(super) listens: Vec<ConfiguredListen>,
    /// What takes listening away.
    pub(super) silenced_by: Vec<Origin>,
    /// What it says besides.
    pub(super) beyond: Beyond,
    known: BTreeMap<String, Option<Rc<str>>>,
    read: Vec<String>,
    gaps: Vec<String>,
    inside: Vec<String>,
    entered: usize,
    bytes: usize,
    walked: usize,
}

/// Must the file be there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The daemon does without.
    May,
    /// The daemon fails without it.
    Must,
}

impl<'f> Reader<'f> {
    /// Begins to read.
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            listens: Vec::new(),
            silenced_by: Vec::new(),
            beyond: Beyond::default(),
            known: BTreeMap::new(),
            read: Vec::new(),
            gaps: Vec::new(),
            inside: Vec::new(),
            entered: 0,
            bytes: 0,
            walked: 0,
        }
    }

    /// Notes something that could not be read or understood.
    pub(super) fn gap(&mut self, what: impl Into<String>) {
        let what = what.into();
        if self.gaps.len() < MOST_GAPS && !self.gaps.contains(&what) {
            self.gaps.push(what);
        }
    }

    /// Adds a place to listen.
    pub(super) fn listen(&mut self, listen: ConfiguredListen) {
        if self.listens.len() < MOST_LISTENS {
            self.listens.push(listen);
        } else {
            self.gap(format!("more than {MOST_LISTENS} listen directives"));
        }
    }

    /// A setting that decides about clients, in place of one that was set before.
    pub(super) fn setting(&mut self, name: &str, value: &str, by: Origin) {
        self.beyond.settings.retain(|known| known.name != name);
        self.beyond.settings.push(Setting { name: name.to_owned(), value: value.to_owned(), by });
    }

    /// The text of a file. It is read once, however often it is asked for.
    pub(super) fn text(&mut self, path: &str, need: Need) -> Option<Rc<str>> {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        if self.known.len() >= MOST_FILES || self.bytes >= MOST_BYTES {
            self.gap(format!("more than {MOST_FILES} files or {} MiB of configuration", MOST_BYTES >> 20));
            return None;
        }
        let text = match self.files.read(path) {
            Ok(text) => {
                self.bytes += text.len();
                self.read.push(path.to_owned());
                Some(Rc::from(text))
            }
            Err(Unread::Missing) if need == Need::May => None,
            Err(why) => {
                self.gap(format!("{path}: {why}"));
                None
            }
        };
        self.known.insert(path.to_owned(), text.clone());
        text
    }

    /// Enters a file that may include others; [`Reader::leave`] must follow when it yields a text.
    pub(super) fn enter(&mut self, path: &str, need: Need, deepest: usize) -> Option<Rc<str>> {
        if self.inside.iter().any(|p| p == path) {
            self.gap(format!("{path}: includes itself"));
            return None;
        }
        if self.inside.len() >= deepest {
            self.gap(format!("{path}: included too deep (more than {deepest} levels)"));
            return None;
        }
        let text = self.text(path, need)?;
        self.entered += 1;
        self.walked += text.len();
        if self.entered > MOST_ENTERED || self.walked > MOST_WALKED {
            self.gap("too many includes");
            return None;
        }
        self.inside.push(path.to_owned());
        Some(text)
    }

    /// Leaves the file entered last.
    pub(super) fn leave(&mut self) {
        self.inside.pop();
    }

    /// Was this file read?
    pub(super) fn has_read(&self, path: &str) -> bool {
        self.read.iter().any(|p| p == path)
    }

    /// Nothing could be read, though something is there.
    pub(super) fn blind(&self) -> bool {
        self.read.is_empty() && !self.gaps.is_empty()
    }

    /// The paths a pattern means, sorted; a plain path means itself, whether it exists or not.
    pub(super) fn expand(&mut self, pattern: &str) -> Vec<String> {
        if !glob::is_pattern(pattern) {
            return vec![pattern.to_owned()];
        }
        let (paths, troubles) = glob::expand(self.files, pattern);
        for (dir, why) in troubles {
            self.gap(format!("{dir}: {why}"));
        }
        paths
    }

    /// What is directly in a directory and has this ending, sorted.
    pub(super) fn files_in(&mut self, dir: &str, ending: &str) -> Vec<String> {
        match self.files.list(dir) {
            Ok(names) => {
                let fitting = names.into_iter().filter(|e| e.name.ends_with(ending));
                fitting.map(|e| format!("{}/{}", dir.trim_end_matches('/'), e.name)).collect()
            }
            Err(why) => {
                self.gap(format!("{dir}: {why}"));
                Vec::new()
            }
        }
    }

    /// The configuration as far as it was read.
    pub(super) fn done(mut self, daemon: Daemon, unit: Option<String>) -> DaemonConfig {
        if self.listens.iter().any(|l| l.port.is_some()) {
            // Only part of it is switched off: a TLS listener of several, one frontend, Redis without plain text.
            self.silenced_by.clear();
        }
        DaemonConfig {
            daemon,
            unit,
            listens: self.listens,
            silenced_by: self.silenced_by,
            files: self.read,
            gaps: self.gaps,
            beyond: self.beyond,
        }
    }
}

/// A value and the line that sets it.
#[derive(Debug, Clone)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) by: Option<Origin>,
}

impl<T> Set<T> {
    /// What the daemon does when nothing is said.
    pub(super) fn built_in(value: T) -> Self {
        Self { value, by: None }
    }

    /// Set by a line.
    pub(super) fn by(value: T, origin: Origin) -> Self {
        Self { value, by: Some(origin) }
    }
}

/// Where a line stands. Overlong lines are cut.
pub(in crate::sources) fn origin(file: &str, line: u32, text: &str) -> Origin {
    let text: String = text.trim().chars().take(MOST_LINE).collect();
    Origin { file: file.to_owned(), line, text }
}

/// The lines of a text with their numbers, from 1.
pub(in crate::sources) fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1_u32..).zip(text.lines())
}

/// An address and a port, each with what sets it.
pub(super) fn listen(address: &Set<ListenAddress>, port: &Set<u16>, v6only: Option<bool>) -> ConfiguredListen {
    ConfiguredListen {
        address: address.value.clone(),
        port: Some(port.value),
        v6only: if is_v6_wildcard(&address.value) { v6only } else { None },
        address_set_by: address.by.clone(),
        port_set_by: port.by.clone(),
    }
}

fn is_v6_wildcard(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Any => true,
        ListenAddress::Ip(ip) => ip.is_ipv6() && ip.is_unspecified(),
        ListenAddress::Name(_) | ListenAddress::Path(_) => false,
    }
}

/// A unix socket.
pub(super) fn unix(path: &str, by: Option<Origin>) -> ConfiguredListen {
    let address = ListenAddress::Path(path.to_owned());
    ConfiguredListen { address, port: None, v6only: None, address_set_by: by, port_set_by: None }
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::*;

    #[test]
    fn a_file_is_entered_once_at_a_time_and_only_so_deep() {
        let files = Memory::default().file("/a", "x").file("/b", "y").denied("/c");
        let mut reader = Reader::new(&files);
        assert!(reader.enter("/a", Need::Must, 2).is_some());
        assert!(reader.enter("/a", Need::Must, 2).is_none());
        assert!(reader.enter("/b", Need::Must, 1).is_none());
        reader.leave();
        assert!(reader.enter("/a", Need::Must, 2).is_some());
        assert!(reader.text("/c", Need::May).is_none());
        assert!(reader.text("/d", Need::May).is_none());
        assert!(reader.text("/e", Need::Must).is_none());
        let config = reader.done(Daemon::Nginx, None);
        assert_eq!(config.files, ["/a"]);
        assert_eq!(
            config.gaps,
            [
                "/a: includes itself",
                "/b: included too deep (more than 1 levels)",
                "/c: permission denied",
                "/e: no such file"
            ]
        );
    }
}
