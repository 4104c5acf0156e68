//! Rules of nftables: the kernel tells of each transaction what it changed and who made it. One subscription serves all
//! questions, and only those that a transaction concerns are asked again.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockProtocol, recv, setsockopt, sockopt::RcvBufForce};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::{Change, Gone, kernel};
use crate::facts::Question;
use crate::facts::ruleset::{Backend, ChainId, SetId, TableId};
use crate::sources::netlink::hooks::family_of;
use crate::sources::netlink::wire::{Message, array_at, attributes, messages, text, u8_at};

/// `NFNLGRP_NFTABLES` (7) as a bit.
const GROUP: u32 = 1 << 6;
/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// Changes within this time are told as one.
const TOGETHER: Duration = Duration::from_millis(100);
/// Room for what a big transaction tells; what does not fit is read again as a whole.
const ROOM: usize = 4 << 20;

type Watched = Arc<Mutex<BTreeSet<Question>>>;

/// Does the kernel tell when the answer to this question changes?
pub(super) fn tells_of(question: &Question) -> bool {
    matches!(
        question,
        Question::Ruleset
            | Question::ChainRules(_)
            | Question::Elements(_)
            | Question::Member(..)
            | Question::Firewalld
    )
}

/// The subscription.
#[derive(Debug)]
pub(super) struct Rules {
    watched: Watched,
    task: AbortHandle,
}

impl Rules {
    /// Subscribes at once: what changes from now on is told. Takes `CAP_NET_ADMIN`. Needs a tokio runtime.
    pub(super) fn subscribe(changes: mpsc::Sender<Change>) -> Option<Self> {
        let events = kernel::open(SockProtocol::NetlinkNetFilter, GROUP)?;
        // More is a convenience.
        let _ = setsockopt(&events, RcvBufForce, &ROOM);
        let watched = Watched::default();
        let task = tokio::spawn(tell(events, Arc::clone(&watched), changes)).abort_handle();
        Some(Self { watched, task })
    }

    /// Tells of this question from now on.
    pub(super) fn watch(&self, question: Question) -> bool {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(question);
        true
    }

    /// No longer; true when nothing is left to be watched.
    pub(super) fn unwatch(&self, question: &Question) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.remove(question);
        watched.is_empty()
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Each change of the rules, with who made it, whatever it changed.
#[derive(Debug)]
pub(in crate::sources) struct Generations {
    events: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Generations {
    /// Subscribes at once. Takes `CAP_NET_ADMIN`. Needs a tokio runtime.
    pub(in crate::sources) fn subscribe() -> Option<Self> {
        let events = kernel::open(SockProtocol::NetlinkNetFilter, GROUP)?;
        let _ = setsockopt(&events, RcvBufForce, &ROOM);
        Some(Self { events, buffer: vec![0; 64 * 1024] })
    }

    /// The next change, with the program that made it where the kernel tells; none when the kernel tells no more.
    pub(in crate::sources) async fn next(&mut self) -> Option<Option<String>> {
        loop {
            let mut ready = self.events.readable().await.ok()?;
            tokio::time::sleep(TOGETHER).await;
            let mut burst = Burst::default();
            take(&self.events, &mut self.buffer, &mut burst);
            if burst.by.is_none() && burst != Burst::default() {
                // The end of the transaction, which says who made it, is still to come.
                tokio::time::sleep(TOGETHER).await;
                take(&self.events, &mut self.buffer, &mut burst);
            }
            ready.clear_ready();
            // It may be told once more of what was taken already.
            if burst != Burst::default() {
                return Some(burst.by.map(|(_, name)| name));
            }
        }
    }
}

/// Tells of each burst of changes until nobody listens.
async fn tell(events: AsyncFd<OwnedFd>, watched: Watched, changes: mpsc::Sender<Change>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(mut ready) = events.readable().await else { return };
        tokio::time::sleep(TOGETHER).await;
        let mut burst = Burst::default();
        take(&events, &mut buffer, &mut burst);
        ready.clear_ready();
        let told = burst.changes(&watched.lock().unwrap_or_else(PoisonError::into_inner));
        if send(told, &changes).await.is_err() {
            return;
        }
    }
}

async fn send(told: Vec<Change>, changes: &mpsc::Sender<Change>) -> Result<(), Gone> {
    for change in told {
        changes.send(change).await.map_err(|_| Gone)?;
    }
    Ok(())
}

/// Takes all events that are there.
fn take(events: &AsyncFd<OwnedFd>, buffer: &mut [u8], burst: &mut Burst) {
    loop {
        match recv(events.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
            Ok(length) => match buffer.get(..length) {
                Some(bytes) => burst.take(bytes),
                None => burst.lost = true, // longer than the buffer
            },
            Err(Errno::EINTR) => {}
            Err(Errno::ENOBUFS) => burst.lost = true,
            Err(_) => return,
        }
    }
}

/// What changed within a short time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Burst {
    chains: BTreeSet<ChainId>,
    sets: BTreeSet<SetId>,
    /// Tables, chains, sets or objects came or went.
    declarations: bool,
    /// Some events are missing: anything may have changed.
    lost: bool,
    by: Option<(u32, String)>,
}

impl Burst {
    fn take(&mut self, bytes: &[u8]) {
        for message in messages(bytes).filter(|m| m.kind >> 8 == SUBSYSTEM) {
            match message.kind & 0xff {
                0 | 2 | 3 | 5 | 9 | 11 | 18 | 20 => self.declarations = true, // tables, chains, sets, objects
                6 | 8 => self.lost |= chain(&message).map(|chain| self.chains.insert(chain)).is_none(), // rules
                12 | 14 => self.lost |= set(&message).map(|set| self.sets.insert(set)).is_none(), // elements
                15 => self.by = by(&message).or(self.by.take()),              // NEWGEN ends a transaction
                _ => {}
            }
        }
    }

    /// What is to be asked again of what is watched, and who is to be named for it.
    fn changes(self, watched: &BTreeSet<Question>) -> Vec<Change> {
        let firewalld = self.by.as_ref().is_some_and(|(_, name)| name == "firewalld");
        let concerned = |question: &&Question| {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not watched here: see tells_of")]
            let concerned = match question {
                Question::Ruleset => self.declarations,
                Question::ChainRules(chain) => self.chains.contains(chain),
                Question::Elements(set) | Question::Member(set, _) => self.sets.contains(set),
                Question::Firewalld => firewalld,
                _ => false,
            };
            self.lost || concerned
        };
        let mut told: Vec<Change> = watched.iter().filter(concerned).cloned().map(Change::Again).collect();
        if let (Some((pid, name)), false) = (&self.by, told.is_empty()) {
            told.push(Change::Note(format!("rules changed by {}[{pid}]", crate::text::line(name))));
        }
        told
    }
}

/// `NFTA_RULE_TABLE` and `NFTA_RULE_CHAIN`.
fn chain(message: &Message<'_>) -> Option<ChainId> {
    let (table, name) = named(message)?;
    Some(ChainId { table, name })
}

/// `NFTA_SET_ELEM_LIST_TABLE` and `NFTA_SET_ELEM_LIST_SET`.
fn set(message: &Message<'_>) -> Option<SetId> {
    let (table, name) = named(message)?;
    Some(SetId { table, name })
}

/// The table (attribute 1) and what in it (attribute 2).
fn named(message: &Message<'_>) -> Option<(TableId, String)> {
    let family = family_of(u8_at(message.body, 0)?)?;
    let of = |wanted: u16| {
        attributes(message.body.get(4..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| text(value))
    };
    Some((TableId { backend: Backend::Nftables, family, name: of(1)? }, of(2)?))
}

/// `NFTA_GEN_PROC_PID` and `NFTA_GEN_PROC_NAME`.
fn by(message: &Message<'_>) -> Option<(u32, String)> {
    let of = |wanted: u16| attributes(message.body.get(4..)?).find(|(kind, _)| *kind == wanted).map(|(_, v)| v);
    Some((u32::from_be_bytes(array_at(of(2)?, 0)?), text(of(3)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ruleset::Family;
    use crate::sources::netlink::wire::tests::{attribute, message, spoiled};

    fn event(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = [vec![1, 0, 0, 0], attributes.concat()].concat(); // inet
        message(SUBSYSTEM << 8 | kind, 0, 0, &body)
    }

    fn rule(kind: u16, chain: &str) -> Vec<u8> {
        event(kind, &[attribute(1, b"fw\0"), attribute(2, &[chain.as_bytes(), &[0]].concat()), attribute(3, &[0; 8])])
    }

    fn generation() -> Vec<u8> {
        event(15, &[attribute(1, &[0, 0, 0, 9]), attribute(2, &77u32.to_be_bytes()), attribute(3, b"nft\x1b\0")])
    }

    fn table() -> TableId {
        TableId { backend: Backend::Nftables, family: Family::Inet, name: "fw".into() }
    }

    fn rules_of(name: &str) -> Question {
        Question::ChainRules(ChainId { table: table(), name: name.into() })
    }

    fn watched() -> BTreeSet<Question> {
        let bans = SetId { table: table(), name: "bans".into() };
        [
            Question::Ruleset,
            Question::Firewalld,
            rules_of("a"),
            rules_of("b"),
            Question::Elements(bans.clone()),
            Question::Member(bans, vec![10, 0, 0, 1]),
        ]
        .into()
    }

    fn told(events: &[Vec<u8>]) -> Vec<Change> {
        let mut burst = Burst::default();
        burst.take(&events.concat());
        burst.changes(&watched())
    }

    fn asked(changes: &[Change]) -> Vec<&Question> {
        changes.iter().filter_map(|c| if let Change::Again(q) = c { Some(q) } else { None }).collect()
    }

    #[test]
    fn one_rule_is_one_chain_and_it_is_said_who_changed_it() {
        let changes = told(&[rule(6, "a"), rule(8, "a"), generation()]);
        assert_eq!(asked(&changes), [&rules_of("a")]);
        let Some(Change::Note(note)) = changes.last() else { panic!("{changes:?}") };
        assert!(note.starts_with("rules changed by nft") && note.ends_with("[77]"), "{note}");
        assert!(!note.contains('\u{1b}'), "{note:?}");
    }

    #[test]
    fn what_nobody_watches_is_not_told() {
        assert_eq!(told(&[rule(6, "other"), generation()]), []);
    }

    #[test]
    fn declarations_and_elements_lead_to_their_own_questions() {
        let changes = told(&[event(9, &[attribute(1, b"fw\0")])]);
        assert_eq!(asked(&changes), [&Question::Ruleset]);
        let changes = told(&[event(14, &[attribute(1, b"fw\0"), attribute(2, b"bans\0")])]);
        assert!(matches!(asked(&changes)[..], [Question::Elements(_), Question::Member(..)]), "{changes:?}");
    }

    #[test]
    fn what_was_lost_may_have_been_anything() {
        let burst = Burst { lost: true, ..Burst::default() };
        assert_eq!(burst.changes(&watched()).len(), watched().len());
        let nameless = told(&[event(6, &[])]);
        assert_eq!(nameless.len(), watched().len(), "a rule of no chain");
    }

    #[test]
    fn firewalld_is_asked_again_when_it_changed_the_rules() {
        let by = event(15, &[attribute(2, &[0, 0, 0, 9]), attribute(3, b"firewalld\0")]);
        assert_eq!(asked(&told(&[by])), [&Question::Firewalld]);
    }

    #[test]
    fn spoiled_events_never_break_the_watch() {
        let events =
            [rule(6, "a"), event(12, &[attribute(1, b"fw\0"), attribute(2, b"bans\0")]), generation()].concat();
        for bytes in spoiled(&events) {
            assert!(told(&[bytes]).len() <= watched().len() + 1);
        }
    }
}
