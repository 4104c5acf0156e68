//! What goes on changing while somebody watches: the screen is told of each change instead of looking again and again.
//!
//! [`Live::watch`] a question once its first answer is there; what changes arrives on the channel as [`Change`]s:
//!
//! * [`Change::Fact`] is the answer now: hand it to `Facts::learn` and diagnose again.
//! * [`Change::Again`] says that the answer is out of date: `Sources::ask` the question again. Bursts are put together.
//! * [`Change::Note`] says who changed something.
//!
//! Whatever happened between that first answer and the watch is not lost: each watch begins with one change. Not so those
//! of the nftables rules, which are too many to be read twice: watch these *before* they are asked for. Watching question twice is watching it once. [`Live::unwatch`] ends one watch; dropping the [`Live`] ends all of them, with the journal readers they started.

mod kernel;
pub(super) mod nftables;
mod polled;
mod units;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::dbus::Bus;
use super::{Trouble, journal, trouble};
use crate::facts::{Fact, Question, Reading};

/// Changes within this time are told as one.
const TOGETHER: Duration = Duration::from_millis(50);
/// How soon a broken bus or journal reader is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// Something changed.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all changes are facts: a box would only cost each an allocation")]
pub enum Change {
    /// This is the answer now (or one more journal entry).
    Fact(Fact),
    /// The answer to this question is out of date: ask it again.
    Again(Question),
    /// Something worth saying in passing, safe to show.
    Note(String),
}

/// The watches of one screen.
#[derive(Debug)]
pub struct Live {
    bus: Arc<Bus>,
    changes: mpsc::Sender<Change>,
    watches: HashMap<Question, AbortHandle>,
    /// One subscription for all that is asked of nftables.
    rules: Option<nftables::Rules>,
}

impl Live {
    /// Nothing is watched yet. `bus` is that of [`super::Sources::bus`].
    pub fn new(bus: Arc<Bus>, changes: mpsc::Sender<Change>) -> Self {
        Self { bus, changes, watches: HashMap::new(), rules: None }
    }

    /// Watches a question; needs a tokio runtime. Those whose answer cannot change by itself (a dial, a claim) are not
    /// watched: false.
    ///
    /// A journal's first change is the whole `Fact::Journal`, so that no entry is lost between it and those that follow.
    pub fn watch(&mut self, question: Question) -> bool {
        if self.watches.contains_key(&question) {
            return true;
        }
        let of_rules = nftables::tells_of(&question) && self.watch_rules(question.clone());
        let teller = Teller { question: question.clone(), changes: self.changes.clone(), told: None };
        let Some(task) = begin(Arc::clone(&self.bus), teller) else { return of_rules };
        self.watches.insert(question, task);
        true
    }

    /// False where the kernel does not tell us, which takes rights that reading the rules takes as well.
    fn watch_rules(&mut self, question: Question) -> bool {
        if self.rules.is_none() {
            self.rules = nftables::Rules::subscribe(self.changes.clone());
        }
        self.rules.as_ref().is_some_and(|rules| rules.watch(question))
    }

    /// Stops watching a question.
    pub fn unwatch(&mut self, question: &Question) {
        if self.rules.as_ref().is_some_and(|rules| rules.unwatch(question)) {
            self.rules = None; // it was the last one
        }
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

/// Begins to watch a question in the way that suits it.
fn begin(bus: Arc<Bus>, teller: Teller) -> Option<AbortHandle> {
    let seconds = Duration::from_secs;
    let task = match teller.question.clone() {
        Question::Unit(name) => tokio::spawn(units::watch(bus, name, teller)),
        Question::FailedUnits => tokio::spawn(units::watch_failed(bus, teller)),
        Question::Journal(unit) => tokio::spawn(follow(unit, teller)),
        Question::Listeners(..) => tokio::spawn(polled::watch(bus, teller, Duration::from_millis(500))),
        Question::AllListeners | Question::UnixSocket(_) => tokio::spawn(polled::watch(bus, teller, seconds(1))),
        Question::Name(_) => tokio::spawn(polled::watch_files(teller, polled::RESOLVER_FILES, seconds(2))),
        Question::Addresses => tokio::spawn(kernel::watch(bus, teller, kernel::ADDRESSES)),
        Question::Links => tokio::spawn(kernel::watch(bus, teller, kernel::LINKS)),
        Question::Route(_) | Question::Routing => tokio::spawn(kernel::watch(bus, teller, kernel::ROUTES)),
        Question::Legacy => tokio::spawn(polled::watch_legacy(bus, teller, seconds(2), seconds(6))),
        Question::Ufw => tokio::spawn(polled::watch_files(teller, polled::UFW_FILES, seconds(2))),
        Question::Fail2ban => tokio::spawn(polled::watch_files(teller, polled::FAIL2BAN_FILES, seconds(2))),
        Question::Firewalld => tokio::spawn(polled::watch_files(teller, polled::FIREWALLD_FILES, seconds(2))),
        Question::RuleFiles => tokio::spawn(polled::watch_files(teller, polled::RULE_FILES, seconds(2))),
        Question::Containers => tokio::spawn(polled::watch(bus, teller, seconds(3))),
        Question::HostsAccess => tokio::spawn(polled::watch_files(teller, polled::HOSTS_ACCESS_FILES, seconds(2))),
        Question::Host
        | Question::Libwrap { .. }
        | Question::ClientName(_)
        | Question::Exchange(_)
        | Question::Limits(_)
        | Question::Proxies(_)
        | Question::Xinetd
        | Question::Dial(_)
        | Question::Owner { .. }
        | Question::Claims(..)
        | Question::Happenings
        | Question::Daemon(_)
        | Question::OtherNetwork { .. }
        | Question::Sysctl(_)
        | Question::Ruleset
        | Question::ChainRules(_)
        | Question::Elements(_)
        | Question::Member(..)
        | Question::Recent(_)
        | Question::Container(_)
        | Question::Neighbour(..)
        | Question::Path(_)
        | Question::Watched(_)
        | Question::Apparmor(_)
        | Question::Selinux(..)
        | Question::Denials => return None,
    };
    Some(task.abort_handle())
}

/// Nobody listens any more.
struct Gone;

/// Tells of the changes to one question.
struct Teller {
    question: Question,
    changes: mpsc::Sender<Change>,
    /// The trouble that was told last: the same is told once.
    told: Option<Trouble>,
}

impl Teller {
    async fn fact(&mut self, fact: Fact) -> Result<(), Gone> {
        self.told = None;
        self.changes.send(Change::Fact(fact)).await.map_err(|_| Gone)
    }

    async fn again(&mut self) -> Result<(), Gone> {
        self.told = None;
        self.changes.send(Change::Again(self.question.clone())).await.map_err(|_| Gone)
    }

    async fn trouble(&mut self, trouble: Trouble) -> Result<(), Gone> {
        if self.told.as_ref() == Some(&trouble) {
            return if self.changes.is_closed() { Err(Gone) } else { Ok(()) };
        }
        let fact = Fact::without_value(&self.question, Reading::from(trouble.clone()));
        self.told = Some(trouble);
        self.changes.send(Change::Fact(fact)).await.map_err(|_| Gone)
    }
}

/// A journal: all of it once, then each entry.
async fn follow(unit: String, mut teller: Teller) {
    loop {
        match follow_once(&unit, &mut teller).await {
            Ok(()) => {}
            Err(Ended::Gone(Gone)) => return,
            Err(Ended::Trouble(trouble)) => {
                if teller.trouble(trouble).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Why a watch ended.
enum Ended {
    Gone(Gone),
    Trouble(Trouble),
}

impl From<Gone> for Ended {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

async fn follow_once(unit: &str, teller: &mut Teller) -> Result<(), Ended> {
    let began = std::time::Instant::now();
    let snapshot = journal::snapshot(unit).await?;
    let mut entries = journal::follow(unit, snapshot.cursor.as_deref())?;
    teller.fact(Fact::Journal(unit.into(), trouble::reading(Ok(Some(snapshot.journal)), began))).await?;
    while let Some(entry) = entries.next().await {
        teller.fact(Fact::JournalEntry(unit.into(), entry)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::facts::socket::Transport;

    async fn next(changes: &mut mpsc::Receiver<Change>) -> Change {
        tokio::time::timeout(Duration::from_secs(10), changes.recv()).await.unwrap().unwrap()
    }

    fn rows(change: &Change) -> usize {
        let Change::Fact(Fact::Listeners(_, _, reading)) = change else { panic!("{change:?}") };
        reading.value().unwrap().len()
    }

    #[tokio::test]
    async fn a_listener_that_goes_is_told_and_nothing_in_between() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let question = Question::Listeners(Transport::Tcp, listener.local_addr().unwrap().port());
        let (sender, mut changes) = mpsc::channel(8);
        let mut live = Live::new(Arc::new(Bus::new()), sender);
        assert!(live.watch(question.clone()) && live.watch(question.clone()), "twice is once");
        assert_eq!(rows(&next(&mut changes).await), 1);
        drop(listener);
        assert_eq!(rows(&next(&mut changes).await), 0);
        live.unwatch(&question);
        drop(live);
        assert_eq!(changes.recv().await, None, "no watch holds the channel any longer");
    }

    #[tokio::test]
    async fn dropping_ends_every_watch() {
        let (sender, mut changes) = mpsc::channel(64);
        let mut live = Live::new(Arc::new(Bus::new()), sender);
        for question in [Question::AllListeners, Question::Addresses, Question::Name("localhost".into())] {
            assert!(live.watch(question));
        }
        assert!(!live.watch(Question::Host), "a host does not change");
        next(&mut changes).await;
        drop(live);
        let ended = async { while changes.recv().await.is_some() {} };
        assert!(tokio::time::timeout(Duration::from_secs(10), ended).await.is_ok());
    }

    #[tokio::test]
    async fn the_same_trouble_is_told_once() {
        let (changes, mut told) = mpsc::channel(8);
        let mut teller = Teller { question: Question::FailedUnits, changes, told: None };
        for why in ["a", "a", "b"] {
            assert!(teller.trouble(Trouble::failed(why)).await.is_ok());
        }
        assert!(teller.again().await.is_ok() && teller.trouble(Trouble::failed("b")).await.is_ok());
        drop(teller);
        let mut count = 0;
        while told.recv().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 4, "a, b, again, b anew");
    }
}
