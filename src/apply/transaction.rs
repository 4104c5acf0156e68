//! The transaction: from a plan to a host that is better, or as it was.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::change::Act;
use super::lock::Lock;
use super::log::{Entry, Log, Record, State};
use super::prepare::{Prepared, prepare};
use super::retest::{Retest, retest};
use super::{Hands, actions, guard, revert};
use crate::check;
use crate::diagnose::session::{Way, cut};
use crate::error::Error;
use crate::facts::Case;
use crate::facts::connect::Outcome;
use crate::fixes::{Lasting, Plan};
use crate::sources::procfs::Session;
use crate::sources::{procfs, trouble};
use crate::target::{From, Target};

/// On what terms a plan is carried out.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What was asked: it is asked again afterwards.
    pub case: Case,
    /// Who carries it out, for the log.
    pub who: String,
    /// How long a change that works waits for its confirmation.
    pub revert_after: Duration,
    /// A change that works is kept without one.
    pub keep: bool,
    /// It may cut off the session it is made from.
    pub force: bool,
    /// That session, where it is known already.
    pub session: Option<Session>,
}

/// What happens, as it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Something an earlier run left pending was put back first.
    Recovered {
        /// Its number.
        entry: u64,
        /// What it was.
        title: String,
    },
    /// It is in the log and guarded; nothing has been done yet.
    Armed {
        /// Its number.
        entry: u64,
        /// What guards it.
        guard: String,
    },
    /// An act is being done.
    Doing(String),
    /// Everything is done: the target is asked again.
    Retesting,
    /// What the target gives now.
    Retested {
        /// The word of the contract.
        outcome: Outcome,
        /// `connect`, `simulated` or `both`.
        how: String,
        /// It is what was promised, or better.
        green: bool,
    },
    /// It works; it is kept only when somebody says so.
    Confirm {
        /// Seconds left.
        seconds: u64,
    },
    /// It works, and is only for a while: whatever is said, it is put back.
    Trial {
        /// Seconds left.
        seconds: u64,
    },
    /// It is being put back.
    Reverting {
        /// Why.
        why: String,
    },
}

impl Progress {
    /// In words, safe to show.
    pub fn told(&self) -> String {
        match self {
            Self::Recovered { entry, title } => {
                format!("entry {entry} was still pending and is put back: {}", crate::text::line(title))
            }
            Self::Armed { entry, guard } => format!("entry {entry}, guarded by {guard}"),
            Self::Doing(act) => crate::text::line(act),
            Self::Retesting => "look again".into(),
            Self::Retested { outcome, how, green } => {
                let sign = if *green { "as promised" } else { "not as promised" };
                format!("{} ({how}): {sign}", outcome.word())
            }
            Self::Confirm { seconds } => format!("it works; keep it? It is put back in {seconds} s unless you say so"),
            Self::Trial { seconds } => {
                format!(
                    "it works, and is only for a while: look what else is in the way; it is put back in {seconds} s"
                )
            }
            Self::Reverting { why } => format!("put back: {}", crate::text::line(why)),
        }
    }
}

/// What somebody says to a change that waits to be confirmed, or at any time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Keep it.
    Keep,
    /// Put it back.
    Revert,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The change stands.
    Kept {
        /// Its number in the log.
        entry: u64,
        /// What the target gives.
        retest: Box<Retest>,
    },
    /// The host is as it was.
    Reverted {
        /// Its number in the log.
        entry: u64,
        /// Why it was put back.
        why: String,
        /// What had to be left as it is, and why.
        left: Vec<String>,
        /// What the target gave before it was put back, where it came that far.
        retest: Option<Box<Retest>>,
    },
}

/// Carries out a plan. Errors mean that nothing was changed.
pub async fn run(
    hands: &Hands,
    plan: &Plan,
    terms: &Terms,
    progress: mpsc::Sender<Progress>,
    answers: mpsc::Receiver<Answer>,
) -> Result<Ended, Error> {
    let lock = Lock::take(&hands.state, super::lock::PATIENCE).map_err(super::lock::Missed::error)?;
    let mut log = Log::read(&hands.state)?;
    recover(hands, &mut log, &progress).await?;
    let prepared = prepare(hands, plan).await?;
    let entry = entry_of(&log, plan, terms, prepared);
    let number = entry.number;
    let session = if plan.may_close() && !terms.force { own_session(terms, plan).await? } else { None };
    let mut running = Running { hands, log, number, terms, progress, answers, session };
    let ended = Box::pin(running.carry_out(entry, plan.then)).await;
    drop(lock);
    ended
}

/// Whoever left something pending is gone, or the lock would not be ours.
pub(super) async fn recover(hands: &Hands, log: &mut Log, progress: &mpsc::Sender<Progress>) -> Result<(), Error> {
    while let Some((entry, title)) = log.pending().map(|e| (e.number, e.title.clone())) {
        revert::revert(hands, log, entry, "whoever made the change is gone").await?;
        tell(progress, Progress::Recovered { entry, title }).await;
    }
    Ok(())
}

fn entry_of(log: &Log, plan: &Plan, terms: &Terms, prepared: Prepared) -> Entry {
    Entry {
        number: log.next(),
        at_ms: trouble::now_ms(),
        who: terms.who.clone(),
        target: terms.case.target.input.clone(),
        cause: Some(plan.cause.clone()),
        plan: plan.id.clone(),
        title: plan.title.clone(),
        boot_id: boot_id(),
        revert_after: terms.revert_after.as_secs(),
        trial: plan.lasting == Lasting::Trial,
        undoes: None,
        acts: prepared.acts,
        state: State::Pending,
        begun: Vec::new(),
        left: Vec::new(),
    }
}

/// The ssh session we were started in, where it could come in anew before the change. Refuses a plan after which, as far as
/// that can be told before, it could not.
async fn own_session(terms: &Terms, plan: &Plan) -> Result<Option<Session>, Error> {
    let Some(session) = terms.session.or_else(procfs::session) else { return Ok(None) };
    let Some(mut case) = let_in(session).await else { return Ok(None) };
    let way = Way { client: session.client, server: session.server };
    match check::work_out(&mut case, SESSION_WITHIN, |look| cut(look, way, plan)).await {
        Some(why) => {
            let refused = format!("this would cut off your own session from {}: {why}", session.client);
            Err(Error::input(refused).hint("--force does it all the same; its guard puts it back unless it is kept"))
        }
        None => Ok(Some(session)),
    }
}

/// What is known of it, where a new connection like that of the session would be let in: asked as its client, of rules and
/// listeners.
async fn let_in(session: Session) -> Option<Case> {
    let target = Target::parse(&session.server.to_string()).ok()?;
    let case = Case::new(target, From::Address(session.client));
    let (case, diagnosis) = check::settle(case, SESSION_WITHIN).await;
    (diagnosis.outcome == Some(Outcome::Open)).then_some(case)
}

/// How long it may take to tell whether a session could come in again.
const SESSION_WITHIN: Duration = Duration::from_secs(10);

/// This boot.
pub(super) fn boot_id() -> String {
    procfs::host().ok().flatten().map(|host| host.boot_id).unwrap_or_default()
}

/// Nobody listens when the screen is gone; what has to be done is done all the same.
pub(super) async fn tell(progress: &mpsc::Sender<Progress>, event: Progress) {
    let _ = progress.send(event).await;
}

struct Running<'a> {
    hands: &'a Hands,
    log: Log,
    number: u64,
    terms: &'a Terms,
    progress: mpsc::Sender<Progress>,
    answers: mpsc::Receiver<Answer>,
    /// The operator's own way in, where the plan could close it.
    session: Option<Session>,
}

impl Running<'_> {
    async fn carry_out(&mut self, entry: Entry, promised: Option<Outcome>) -> Result<Ended, Error> {
        self.log.add(Record::Begin(Box::new(entry.clone())))?;
        let guard = match guard::arm(self.hands, &entry) {
            Ok(guard) => guard.to_owned(),
            Err(error) => {
                self.close(Record::Reverted {
                    entry: self.number,
                    at_ms: trouble::now_ms(),
                    why: "there was no guard".into(),
                    left: Vec::new(),
                })?;
                return Err(error);
            }
        };
        tell(&self.progress, Progress::Armed { entry: self.number, guard }).await;
        for (at, act) in entry.acts.iter().enumerate() {
            if let Err(why) = self.act(at, act).await {
                return self.put_back(why, None).await;
            }
        }
        if let Some(session) = self.session
            && let_in(session).await.is_none()
        {
            let why = format!("your own session from {} could not come in at {} again", session.client, session.server);
            return self.put_back(why, None).await;
        }
        tell(&self.progress, Progress::Retesting).await;
        let cause = entry.cause.as_deref().unwrap_or_default();
        let retest = retest(&self.terms.case, promised, cause).await;
        let green = retest.is_green(promised, cause);
        let (outcome, how) = (retest.outcome, retest.how.to_owned());
        tell(&self.progress, Progress::Retested { outcome, how, green }).await;
        if !green {
            let why = match retest.diagnosis.says_no() {
                Some(found) => format!("it did not help: {}", found.summary),
                None => format!("it did not help: the target is {}", retest.outcome.word()),
            };
            return self.put_back(why, Some(retest)).await;
        }
        if self.stopped() {
            return self.put_back("somebody stopped it".into(), Some(retest)).await;
        }
        if entry.trial {
            let why = self.looked().await;
            return self.put_back(why, Some(retest)).await;
        }
        if !self.terms.keep
            && let Err(why) = self.confirmed().await
        {
            return self.put_back(why, Some(retest)).await;
        }
        Box::pin(self.keep(&entry, retest)).await
    }

    /// One act. What it rests on is looked at again right before, and what came of it right after.
    async fn act(&mut self, at: usize, act: &Act) -> Result<(), String> {
        if self.stopped() {
            return Err("somebody stopped it".into());
        }
        let shown = |error: Error| format!("{act}: {}", error.report());
        tell(&self.progress, Progress::Doing(act.to_string())).await;
        match act {
            Act::Kick(kick) => {
                self.log.add(Record::Doing { entry: self.number, act: at }).map_err(shown)?;
                actions::kick(self.hands, kick).await.map_err(shown)
            }
            Act::Set(change) => {
                let now = actions::read(self.hands, &change.thing).await.map_err(shown)?;
                if !now.is(&change.old) {
                    return Err(format!("{} changed since it was read", change.thing));
                }
                self.log.add(Record::Doing { entry: self.number, act: at }).map_err(shown)?;
                actions::set(self.hands, change, self.number).await.map_err(shown)?;
                let now = actions::read(self.hands, &change.thing).await.map_err(shown)?;
                if now.is(&change.new) { Ok(()) } else { Err(format!("{} is {now} afterwards", change.thing)) }
            }
        }
    }

    /// Somebody said so, or nobody is there any more.
    fn stopped(&mut self) -> bool {
        match self.answers.try_recv() {
            Ok(Answer::Revert) | Err(mpsc::error::TryRecvError::Disconnected) => true,
            Ok(Answer::Keep) | Err(mpsc::error::TryRecvError::Empty) => false,
        }
    }

    async fn confirmed(&mut self) -> Result<(), String> {
        let until = Instant::now() + self.terms.revert_after;
        tell(&self.progress, Progress::Confirm { seconds: self.terms.revert_after.as_secs() }).await;
        match tokio::time::timeout_at(until, self.answers.recv()).await {
            Ok(Some(Answer::Keep)) => Ok(()),
            Ok(Some(Answer::Revert)) => Err("somebody said so".into()),
            Ok(None) => Err("nobody was there to confirm it".into()),
            Err(_) => Err(format!("nobody confirmed it within {} s", self.terms.revert_after.as_secs())),
        }
    }

    /// Waits until the time of a trial is over, or somebody ends it. That it is to be kept is not heard.
    async fn looked(&mut self) -> String {
        let seconds = self.terms.revert_after.as_secs();
        let until = Instant::now() + self.terms.revert_after;
        tell(&self.progress, Progress::Trial { seconds }).await;
        loop {
            match tokio::time::timeout_at(until, self.answers.recv()).await {
                Ok(Some(Answer::Keep)) => {}
                Ok(Some(Answer::Revert)) => return "somebody said so".into(),
                Ok(None) => return "nobody was there to look".into(),
                Err(_) => return format!("it was only for {seconds} s, to look"),
            }
        }
    }

    async fn keep(&mut self, entry: &Entry, retest: Retest) -> Result<Ended, Error> {
        let kept = Record::Kept { entry: self.number, at_ms: trouble::now_ms() };
        if let Err(error) = self.close(kept) {
            return self.put_back(format!("that it is kept cannot be written down: {}", error.report()), None).await;
        }
        guard::tidy(entry);
        Ok(Ended::Kept { entry: self.number, retest: Box::new(retest) })
    }

    fn close(&mut self, record: Record) -> Result<(), Error> {
        self.log.add(record)?;
        guard::disarm();
        Ok(())
    }

    async fn put_back(&mut self, why: String, retest: Option<Retest>) -> Result<Ended, Error> {
        tell(&self.progress, Progress::Reverting { why: why.clone() }).await;
        let left = revert::revert(self.hands, &mut self.log, self.number, &why).await?;
        Ok(Ended::Reverted { entry: self.number, why, left, retest: retest.map(Box::new) })
    }
}
