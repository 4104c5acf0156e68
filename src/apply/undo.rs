//! Undo: what a kept entry changed is set back, where it is still as that entry left it. An entry of its own in the log,
//! so that it can be undone, too.

use tokio::sync::mpsc;

use super::change::{Act, Kick, Thing};
use super::lock::{Lock, Missed};
use super::log::{Entry, Log, Record, State};
use super::prepare::already;
use super::transaction::{Progress, boot_id, recover, tell};
use super::{Hands, actions, guard, revert};
use crate::error::Error;
use crate::sources::trouble;

/// How long nobody has to confirm an undo: it is over when it is done.
const GUARDED: u64 = 0;

/// What an undo did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The number of the undo itself.
    pub entry: u64,
    /// What it took back.
    pub of: Entry,
    /// What is no longer ours and was left as it is, and why.
    pub left: Vec<String>,
}

/// Takes back a kept entry; the last one that stands, without a number.
pub async fn undo(
    hands: &Hands,
    number: Option<u64>,
    who: &str,
    progress: &mpsc::Sender<Progress>,
) -> Result<Undone, Error> {
    let _lock = Lock::take(&hands.state, super::lock::PATIENCE).map_err(Missed::error)?;
    let mut log = Log::read(&hands.state)?;
    recover(hands, &mut log, progress).await?;
    let of = chosen(&log, number)?.clone();
    let (acts, left) = way_back(hands, &of).await?;
    if acts.is_empty() {
        let only_kicks = of.acts.iter().all(|act| matches!(act, Act::Kick(_)));
        let why = match (left.is_empty(), only_kicks) {
            (true, true) => "it only restarted what was there".into(),
            (true, false) => "there is nothing left of it".into(),
            (false, _) => left.join("; "),
        };
        return Err(Error::input(format!("entry {} cannot be undone: {why}", of.number)));
    }
    let entry = Entry {
        number: log.next(),
        at_ms: trouble::now_ms(),
        who: who.to_owned(),
        plan: "undo".into(),
        title: format!("undo {}: {}", of.number, of.title),
        boot_id: boot_id(),
        revert_after: GUARDED,
        trial: false,
        undoes: Some(of.number),
        acts,
        state: State::Pending,
        begun: Vec::new(),
        left: Vec::new(),
        ..of.clone()
    };
    let number = entry.number;
    log.add(Record::Begin(Box::new(entry.clone())))?;
    if let Err(error) = guard::arm(hands, &entry) {
        let why = "there was no guard".to_owned();
        log.add(Record::Reverted { entry: number, at_ms: trouble::now_ms(), why, left: Vec::new() })?;
        guard::disarm();
        return Err(error);
    }
    for (at, act) in entry.acts.iter().enumerate() {
        tell(progress, Progress::Doing(act.to_string())).await;
        if let Err(error) = done(hands, &mut log, &entry, at).await {
            let why = format!("{act}: {}", error.report());
            tell(progress, Progress::Reverting { why: why.clone() }).await;
            let left = revert::revert(hands, &mut log, number, &why).await?;
            let still = if left.is_empty() { String::new() } else { format!("; left as it is: {}", left.join("; ")) };
            return Err(Error::broken(format!("entry {} stands: {why}{still}", of.number)));
        }
    }
    log.add(Record::Kept { entry: number, at_ms: trouble::now_ms() })?;
    guard::tidy(&entry);
    Ok(Undone { entry: number, of, left })
}

/// One act. As in a fix, what it rests on is looked at right before, and what came of it right after.
async fn done(hands: &Hands, log: &mut Log, entry: &Entry, at: usize) -> Result<(), Error> {
    match entry.acts.get(at) {
        Some(Act::Set(change)) => {
            let now = actions::read(hands, &change.thing).await?;
            if !now.is(&change.old) {
                return Err(Error::broken("it changed since it was read"));
            }
            log.add(Record::Doing { entry: entry.number, act: at })?;
            actions::set(hands, change, entry.number).await?;
            let now = actions::read(hands, &change.thing).await?;
            if now.is(&change.new) { Ok(()) } else { Err(Error::broken(format!("it is {now} afterwards"))) }
        }
        Some(Act::Kick(kick)) => {
            log.add(Record::Doing { entry: entry.number, act: at })?;
            actions::kick(hands, kick).await
        }
        None => Ok(()),
    }
}

/// The entry that is meant, if it can be taken back at all.
fn chosen(log: &Log, number: Option<u64>) -> Result<&Entry, Error> {
    let stands = |entry: &&Entry| entry.state == State::Kept && log.undone_by(entry.number).is_none();
    let Some(number) = number else {
        let last = log.entries.iter().rev().filter(|entry| entry.undoes.is_none()).find(stands);
        return last.ok_or_else(|| Error::input("nothing that was changed here stands").hint("unrefuse history"));
    };
    let entry =
        log.get(number).ok_or_else(|| Error::input(format!("there is no entry {number}")).hint("unrefuse history"))?;
    if stands(&entry) {
        return Ok(entry);
    }
    let why = match (&entry.state, log.undone_by(number)) {
        (_, Some(by)) => format!("entry {} has undone it", by.number),
        (State::Reverted(why), None) => format!("it was put back: {why}"),
        (State::Pending | State::Kept, None) => "it is not kept yet".into(),
    };
    Err(Error::input(format!("entry {number} does not stand: {why}")))
}

/// The acts that take an entry back, and what is no longer ours: sets in reverse, then what makes them count.
async fn way_back(hands: &Hands, of: &Entry) -> Result<(Vec<Act>, Vec<String>), Error> {
    let (mut acts, mut left) = (Vec::new(), Vec::new());
    for act in of.acts.iter().rev() {
        let Act::Set(change) = act else { continue };
        if let Thing::Process(process) = &change.thing {
            left.extend(revert::gone(process));
            continue;
        }
        // A plan may set one thing twice: stopped, and started again.
        let now = match already(&acts, &change.thing) {
            Some(value) => value,
            None => actions::read(hands, &change.thing).await?,
        };
        if now.is(&change.new) {
            acts.push(Act::Set(change.inverse()));
        } else if !now.is(&change.old) {
            left.push(format!("{}: somebody changed it since; it is left as it is", change.thing));
        }
    }
    if acts.is_empty() {
        return Ok((acts, left));
    }
    for act in &of.acts {
        match act {
            Act::Kick(
                kick @ (Kick::DaemonReload
                | Kick::Reopen { .. }
                | Kick::LoadProfile(_)
                | Kick::Restart { ran: true, .. }
                | Kick::Reload { ran: true, .. }),
            ) => {
                acts.push(Act::Kick(kick.clone()));
            }
            Act::Kick(Kick::Restart { unit, ran: false } | Kick::Reload { unit, ran: false }) => {
                let thing = Thing::Running(unit.clone());
                let old = actions::read(hands, &thing).await?;
                let new = super::change::Value::Word("stopped".into());
                if !old.is(&new) {
                    acts.push(Act::Set(super::change::Change { thing, old, new }));
                }
            }
            Act::Kick(Kick::Check(_) | Kick::ResetFailed(_)) | Act::Set(_) => {}
        }
    }
    Ok((acts, left))
}
