//! The log: what was changed here, by whom, from what to what, and what became of it. Records are only ever added, each
//! synced to the disk before what it announces is done.
//!
//! A record that was torn by a power cut is the last one and has no end of line: it is ignored, and cut off before the next
//! one is written. What it announced was not begun.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::change::Act;
use super::lock;
use crate::error::Error;

/// The log of a host.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// What was changed, oldest first.
    pub entries: Vec<Entry>,
}

/// One change of the host: a plan that was carried out, or an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// When it was begun, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who did it.
    pub who: String,
    /// The target as it was asked.
    pub target: String,
    /// The cause it is about, where it is about one.
    pub cause: Option<String>,
    /// The plan's id, or `undo`.
    pub plan: String,
    /// What it does.
    pub title: String,
    /// Boot it was begun in.
    pub boot_id: String,
    /// Seconds until it is put back unless somebody keeps it.
    pub revert_after: u64,
    /// It is put back then in any case, which takes time, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    /// The entry it takes back.
    pub undoes: Option<u64>,
    /// What is done, in order.
    pub acts: Vec<Act>,
    /// How far it got. Not part of the record.
    #[serde(skip)]
    pub state: State,
    /// Acts that were begun, by place. Not part of the record.
    #[serde(skip)]
    pub begun: Vec<usize>,
    /// What was left as it is when it was put back, and why. Not part of the record.
    #[serde(skip)]
    pub left: Vec<String>,
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// It is neither kept nor put back: whoever finds it like that puts it back.
    #[default]
    Pending,
    /// It stands.
    Kept,
    /// It was put back, and why.
    Reverted(String),
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// An entry begins: nothing of it has been done yet.
    Begin(Box<Entry>),
    /// An act of it is being done.
    Doing {
        /// Entry.
        entry: u64,
        /// Place of the act.
        act: usize,
    },
    /// It is kept.
    Kept {
        /// Entry.
        entry: u64,
        /// When, milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// It was put back.
    Reverted {
        /// Entry.
        entry: u64,
        /// When, milliseconds since the Unix epoch.
        at_ms: u64,
        /// Why.
        why: String,
        /// What was left as it is, and why.
        left: Vec<String>,
    },
}

impl Log {
    /// Reads the log below this directory; an absent one is empty.
    pub fn read(state: &Path) -> Result<Self, Error> {
        let path = state.join("log");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let failed = Error::broken(format!("cannot read the log {}", path.display())).because(error);
                return Err(failed.hint("it is for root only: try sudo"));
            }
        };
        let mut log = Self { path, entries: Vec::new() };
        for (nth, line) in whole_lines(&bytes).split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let record = serde_json::from_slice(line).map_err(|e| {
                let at = format!("line {} of the log {} cannot be understood", nth + 1, log.path.display());
                Error::broken(at).because(e).hint("was it written by a newer unrefuse? Use that one.")
            })?;
            log.learn(record);
        }
        Ok(log)
    }

    /// Adds a record: on the disk when this returns.
    pub fn add(&mut self, record: Record) -> Result<(), Error> {
        let failed =
            |e: std::io::Error| Error::broken(format!("cannot write the log {}", self.path.display())).because(e);
        let mut line = serde_json::to_vec(&record).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        self.append(&line).map_err(failed)?;
        self.learn(record);
        Ok(())
    }

    fn append(&self, line: &[u8]) -> std::io::Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        lock::make(parent)?;
        let fresh = !self.path.exists();
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let there = fs::read(&self.path)?;
        let whole = whole_lines(&there).len() as u64;
        if whole < there.len() as u64 {
            file.set_len(whole)?;
        }
        // A line that only half fits must not stay.
        if let Err(error) = file.write_all(line).and_then(|()| file.sync_data()) {
            let _ = file.set_len(whole);
            return Err(error);
        }
        if fresh {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    fn learn(&mut self, record: Record) {
        match record {
            Record::Begin(entry) => self.entries.push(*entry),
            Record::Doing { entry, act } => {
                if let Some(found) = self.find(entry) {
                    found.begun.push(act);
                }
            }
            Record::Kept { entry, .. } => {
                if let Some(found) = self.find(entry) {
                    found.state = State::Kept;
                }
            }
            Record::Reverted { entry, why, left, .. } => {
                if let Some(found) = self.find(entry) {
                    found.state = State::Reverted(why);
                    found.left = left;
                }
            }
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.number == number)
    }

    /// An entry by number.
    pub fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// The entry that is neither kept nor put back.
    pub fn pending(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.state == State::Pending)
    }

    /// The kept entry that took this one back.
    pub fn undone_by(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.undoes == Some(number) && entry.state == State::Kept)
    }

    /// The number of the next entry.
    pub fn next(&self) -> u64 {
        self.entries.iter().map(|entry| entry.number).max().unwrap_or(0) + 1
    }
}

/// The part of a log that ends with a line.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An entry for tests.
    pub(crate) fn entry(number: u64, acts: Vec<Act>) -> Entry {
        Entry {
            number,
            at_ms: 1,
            who: "root".into(),
            target: "80".into(),
            cause: Some("svc-masked".into()),
            plan: "unmask-unit".into(),
            title: "unmask x.service".into(),
            boot_id: "b".into(),
            revert_after: 60,
            trial: false,
            undoes: None,
            acts,
            state: State::Pending,
            begun: Vec::new(),
            left: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::read(dir.path()).unwrap();
        assert_eq!(log.next(), 1);
        log.add(Record::Begin(Box::new(entry(1, Vec::new())))).unwrap();
        log.add(Record::Doing { entry: 1, act: 0 }).unwrap();
        assert_eq!(Log::read(dir.path()).unwrap().pending().unwrap().begun, [0]);
        log.add(Record::Kept { entry: 1, at_ms: 2 }).unwrap();
        let mut again = entry(2, Vec::new());
        again.undoes = Some(1);
        log.add(Record::Begin(Box::new(again))).unwrap();
        let reverted = Record::Reverted { entry: 2, at_ms: 3, why: "no".into(), left: vec!["x".into()] };
        log.add(reverted).unwrap();
        let read = Log::read(dir.path()).unwrap();
        assert_eq!(read.entries, log.entries);
        assert_eq!(read.pending(), None);
        assert_eq!(read.get(2).unwrap().state, State::Reverted("no".into()));
        assert_eq!(read.undone_by(1), None, "the undo was put back itself");
        assert_eq!(read.next(), 3);
    }

    #[test]
    fn a_torn_record_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::read(dir.path()).unwrap();
        log.add(Record::Begin(Box::new(entry(1, Vec::new())))).unwrap();
        let path = dir.path().join("log");
        let mut torn = fs::read(&path).unwrap();
        torn.extend_from_slice(br#"{"kept":{"entry":1,"#);
        fs::write(&path, &torn).unwrap();
        let mut log = Log::read(dir.path()).unwrap();
        assert_eq!(log.pending().unwrap().number, 1);
        log.add(Record::Kept { entry: 1, at_ms: 2 }).unwrap();
        assert_eq!(Log::read(dir.path()).unwrap().get(1).unwrap().state, State::Kept);
    }

    #[test]
    fn a_log_that_cannot_be_understood_is_said_and_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("log"), "{\"later\":1}\n").unwrap();
        let error = Log::read(dir.path()).unwrap_err();
        assert!(error.report().contains("line 1 of the log"), "{}", error.report());
    }

    #[test]
    fn every_cut_of_a_log_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::read(dir.path()).unwrap();
        log.add(Record::Begin(Box::new(entry(1, Vec::new())))).unwrap();
        log.add(Record::Doing { entry: 1, act: 0 }).unwrap();
        log.add(Record::Kept { entry: 1, at_ms: 2 }).unwrap();
        let path = dir.path().join("log");
        let all = fs::read(&path).unwrap();
        for cut in 0..all.len() {
            fs::write(&path, &all[..cut]).unwrap();
            assert!(Log::read(dir.path()).is_ok(), "cut at {cut}");
        }
    }
}
