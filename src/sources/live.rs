//! What goes on changing while somebody watches: the screen is told of each change instead of looking again and again.
//!
//! [`Live::watch`] a question once its first answer is there; what changes arrives on the channel as [`Change`]s:
//!
//! * [`Change::Fact`] is a new answer: hand it to `Facts::learn` and diagnose again.
//! * [`Change::Again`] says that the answer is out of date: `Sources::ask` the question again. Bursts are put together.
//!
//! Watching the same question twice is watching it once. [`Live::unwatch`] ends one watch; dropping the [`Live`] ends
//! all of them, with the journal readers they started.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::dbus::Bus;
use crate::facts::{Fact, Question};

/// Something changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// This is the answer now (or one more journal entry).
    Fact(Fact),
    /// The answer to this question is out of date: ask it again.
    Again(Question),
}

/// The watches of one screen.
#[derive(Debug)]
pub struct Live {
    bus: Arc<Bus>,
    changes: mpsc::Sender<Change>,
    watches: HashMap<Question, AbortHandle>,
}

impl Live {
    /// Nothing is watched yet. `bus` is that of [`super::Sources::bus`].
    pub fn new(bus: Arc<Bus>, changes: mpsc::Sender<Change>) -> Self {
        Self { bus, changes, watches: HashMap::new() }
    }

    /// Watches a question. Those whose answer cannot change by itself (a dial, a claim) are not watched: false.
    ///
    /// A journal's first change is the whole `Fact::Journal`, so that no entry is lost between it and those that follow.
    pub fn watch(&mut self, question: Question) -> bool {
        let _ = (&self.bus, &self.changes);
        let watched = watchable(&question);
        if watched && !self.watches.contains_key(&question) {
            self.watches.insert(question, tokio::spawn(async {}).abort_handle());
        }
        watched
    }

    /// Stops watching a question.
    pub fn unwatch(&mut self, question: &Question) {
        if let Some(watch) = self.watches.remove(question) {
            watch.abort();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        for watch in self.watches.values() {
            watch.abort();
        }
    }
}

/// Can the answer change without anybody asking?
fn watchable(question: &Question) -> bool {
    match question {
        Question::Unit(_)
        | Question::FailedUnits
        | Question::Journal(_)
        | Question::Listeners(..)
        | Question::AllListeners
        | Question::Addresses
        | Question::Name(_)
        | Question::UnixSocket(_) => true,
        Question::Host
        | Question::Dial(_)
        | Question::Owner { .. }
        | Question::Claims(..)
        | Question::Daemon(_)
        | Question::OtherNetwork { .. }
        | Question::Sysctl(_) => false,
    }
}
