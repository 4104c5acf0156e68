//! Putting back: from what the log says of an entry alone, so that any process can do it, and again if it was interrupted.

use std::time::Duration;

use super::change::{Act, Change, Kick, Thing};
use super::log::{Entry, Log, Record};
use super::{Hands, actions, guard};
use crate::error::Error;
use crate::fixes::action::Process;
use crate::sources::{procfs, trouble};

/// How often something that fails is tried, and how long in between: a bus or a daemon may be restarting.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(700);

/// Puts back what an entry changed; what had to be left as it is, and why. The lock is held by the caller.
pub(super) async fn revert(hands: &Hands, log: &mut Log, number: u64, why: &str) -> Result<Vec<String>, Error> {
    let record = reverted(hands, log, number, why).await?;
    let left = if let Record::Reverted { left, .. } = &record { left.clone() } else { Vec::new() };
    log.add(record)?;
    guard::disarm();
    Ok(left)
}

/// The same, and what is to be written down of it.
pub(super) async fn reverted(hands: &Hands, log: &Log, number: u64, why: &str) -> Result<Record, Error> {
    let Some(entry) = log.get(number).cloned() else {
        return Err(Error::broken(format!("the log has no entry {number}")));
    };
    let left = put_back(hands, &entry).await;
    Ok(Record::Reverted { entry: number, at_ms: trouble::now_ms(), why: why.to_owned(), left })
}

async fn put_back(hands: &Hands, entry: &Entry) -> Vec<String> {
    // What a reboot has undone by itself must not be undone again.
    let same_boot = procfs::host().ok().flatten().is_none_or(|host| host.boot_id == entry.boot_id);
    let begun = |at: &usize| entry.begun.contains(at);
    let mut left = Vec::new();
    for (_, act) in entry.acts.iter().enumerate().rev().filter(|(at, _)| begun(at)) {
        if let Act::Set(Change { thing: Thing::Process(process), .. }) = act {
            left.extend(gone(process));
        } else if let Act::Set(change) = act
            && (same_boot || guard::is_lasting(change))
            && let Err(why) = set_back(hands, change, entry.number).await
        {
            left.push(why);
        }
    }
    for (at, act) in entry.acts.iter().enumerate() {
        let Act::Kick(kick) = act else { continue };
        let done = if same_boot && begun(&at) {
            kick_back(hands, kick).await
        } else if !same_boot && !entry.begun.is_empty() {
            kick_of_before(hands, kick).await
        } else {
            Ok(())
        };
        if let Err(error) = done {
            left.push(format!("{act}: {}", error.report()));
        }
    }
    left
}

/// In a later boot systemd has read what was changed, and so has a unit that runs already. One that is yet to start reads
/// what was put back.
async fn kick_of_before(hands: &Hands, kick: &Kick) -> Result<(), Error> {
    match kick {
        Kick::DaemonReload | Kick::LoadProfile(_) => actions::kick(hands, kick).await,
        Kick::Restart { unit, .. } | Kick::Reload { unit, .. } | Kick::Reopen { socket: unit, .. } => {
            if actions::runs(hands, unit.clone()).await? { again(hands, kick).await } else { Ok(()) }
        }
        Kick::Check(_) | Kick::ResetFailed(_) => Ok(()),
    }
}

/// A kick on the way back: tried again where it fails, as a unit that failed too often to be started may have done so
/// because of what was changed.
async fn again(hands: &Hands, kick: &Kick) -> Result<(), Error> {
    let mut ended = actions::kick(hands, kick).await;
    for _ in 1..TRIES {
        let Err(_) = &ended else { break };
        if let Kick::Restart { unit, .. } | Kick::Reload { unit, .. } | Kick::Reopen { socket: unit, .. } = kick {
            // systemd that does not answer does not answer the next call either, and that one says so.
            let _ = actions::kick(hands, &Kick::ResetFailed(unit.clone())).await;
        }
        tokio::time::sleep(PAUSE).await;
        ended = actions::kick(hands, kick).await;
    }
    ended
}

/// What is said of a process that was ended: how it was started nobody here knows. None: it still runs.
pub(super) fn gone(process: &Process) -> Option<String> {
    let ended = !procfs::runs(process.pid, process.started);
    ended.then(|| format!("process {} ({}) was ended, and nothing here can bring it back", process.pid, process.name))
}

/// One change, back; only what is still as we left it.
async fn set_back(hands: &Hands, change: &Change, entry: u64) -> Result<(), String> {
    let mut why = String::new();
    for turn in 0..TRIES {
        if turn > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        match try_back(hands, change, entry).await {
            Ok(done) => return done,
            Err(error) => why = error.report(),
        }
    }
    Err(format!("{}: {why}", change.thing))
}

/// The outer error may go away when it is tried again; the inner one is final.
async fn try_back(hands: &Hands, change: &Change, entry: u64) -> Result<Result<(), String>, Error> {
    let now = actions::read(hands, &change.thing).await?;
    if now.is(&change.new) || (!now.is(&change.old) && now.is_between(&change.old, &change.new)) {
        actions::set(hands, &change.inverse(), entry).await?;
    } else if now.is(&change.old) {
        actions::restore(hands, &change.inverse(), entry).await?;
    } else {
        return Ok(Err(format!("{}: somebody changed it since; it is left as it is", change.thing)));
    }
    actions::clean(change, entry);
    Ok(Ok(()))
}

async fn kick_back(hands: &Hands, kick: &Kick) -> Result<(), Error> {
    match kick {
        Kick::DaemonReload
        | Kick::Reopen { .. }
        | Kick::LoadProfile(_)
        | Kick::Restart { ran: true, .. }
        | Kick::Reload { ran: true, .. } => again(hands, kick).await,
        Kick::Restart { unit, ran: false } | Kick::Reload { unit, ran: false } => actions::stop(hands, unit).await,
        Kick::Check(_) | Kick::ResetFailed(_) => Ok(()),
    }
}
