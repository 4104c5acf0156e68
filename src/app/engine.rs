//! Performs effects: asks the sources, keeps the watches, wakes the loop, remembers targets. Everything that comes back
//! goes through one bounded channel of events, in order, stamped with its time.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::ends::{Again, Terminal};
use super::event::{Effect, Event, Signal, Wake, What};
use super::fixing::End;
use super::recent;
use crate::apply::rights::Rights;
use crate::apply::rights::call::{Ends, Turn, call};
use crate::apply::rights::order::{Job, Over, Wanted};
use crate::apply::{self, Answer, Ended, Hands, Progress, Terms};
use crate::error::Error;
use crate::facts::Case;
use crate::fixes::Plan;
use crate::sources::live::{Change, Live};
pub use crate::sources::trouble::now_ms;
use crate::sources::{Arrival, Sources, procfs};

/// Events that may wait; whoever brings more waits too.
const WAITING: usize = 1024;

/// How long a change that works waits to be confirmed.
const REVERT_AFTER: Duration = Duration::from_secs(60);
/// How long the program stays to put back what is not kept.
const PUT_BACK_WITHIN: Duration = Duration::from_secs(20);

/// The sending end of the one channel.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::Sender<Event>);

impl Inbox {
    /// The channel.
    pub fn new() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Sends an event; false when the loop is gone.
    pub async fn send(&self, what: What) -> bool {
        self.0.send(Event { at_ms: now_ms(), what }).await.is_ok()
    }

    /// Sends an event from where nothing may wait; it is dropped when the channel is full.
    pub fn send_now(&self, what: What) {
        let _ = self.0.try_send(Event { at_ms: now_ms(), what });
    }
}

/// What performs effects.
#[derive(Debug)]
pub struct Engine {
    inbox: Inbox,
    sources: Sources,
    live: Live,
    recent: Option<PathBuf>,
    /// The last target, being written down.
    remembering: Option<JoinHandle<()>>,
    /// That the hint was shown, being written down.
    hinting: Option<JoinHandle<()>>,
    /// The fix that is being applied, and the way to answer it.
    fixing: Option<(mpsc::Sender<Answer>, JoinHandle<()>)>,
    rights: Rights,
    again: Option<Again>,
    /// Waits to be told that the terminal is lent.
    lending: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Engine {
    /// An engine that reports to `inbox`.
    pub fn new(inbox: &Inbox, recent: Option<PathBuf>, rights: Rights, again: Option<Again>) -> Self {
        let (arrivals, arrived) = mpsc::channel(WAITING);
        let (changes, watched) = mpsc::channel(WAITING);
        forward(arrived, inbox.clone(), What::Arrived as fn(Arrival) -> What);
        forward(watched, inbox.clone(), What::Changed as fn(Change) -> What);
        let sources = Sources::new(arrivals);
        let live = Live::new(sources.bus().clone(), changes);
        let (inbox, lending) = (inbox.clone(), Arc::default());
        Self { inbox, sources, live, recent, remembering: None, hinting: None, fixing: None, rights, again, lending }
    }

    /// Performs an effect that does not concern the terminal; others are handed back.
    pub fn perform(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Ask(question, number) => self.sources.ask(question, number),
            Effect::Watch(question) => {
                self.live.watch(question);
            }
            Effect::Unwatch(question) => self.live.unwatch(&question),
            Effect::WakeAfter(ms, wake) => self.wake_after(ms, wake),
            Effect::Remember(target) => self.remember(target),
            Effect::Hinted => self.hinted(),
            Effect::Export { stem, extension, text } => self.export(stem, extension, text),
            Effect::Prepare(plan, number) => self.prepare(*plan, number),
            Effect::Apply { plan, target, from } => self.apply(*plan, Case::new(target, from)),
            Effect::Answer(answer) => self.answer(answer),
            Effect::Undo => self.undo(),
            Effect::LookAtBothEnds => self.look_at_both_ends(),
            Effect::Copy(_)
            | Effect::StopJob
            | Effect::Suspend
            | Effect::Mouse(_)
            | Effect::Redraw
            | Effect::LendTerminal
            | Effect::TakeTerminal
            | Effect::Quit(_) => {
                return Some(effect);
            }
        }
        None
    }

    fn wake_after(&self, ms: u64, wake: Wake) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            inbox.send(What::Woke(wake)).await;
        });
    }

    fn prepare(&self, plan: Plan, number: u64) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let preview = apply::prepare::previews(&Hands::new(), &plan).await.map_err(|error| error.report());
            inbox.send(What::Prepared(number, preview)).await;
        });
    }

    fn apply(&mut self, plan: Plan, case: Case) {
        if self.rights != Rights::Root {
            return self.hand_over(Job::Apply(Box::new(Wanted {
                plan,
                target: case.target.input,
                from: case.from,
                revert_after: REVERT_AFTER.as_secs(),
                keep: false,
                force: false,
                session: procfs::session(),
            })));
        }
        let (answers, heard) = mpsc::channel(4);
        let inbox = self.inbox.clone();
        let task = tokio::spawn(async move {
            let progress = told_to(&inbox);
            let who = apply::who();
            let terms = Terms { case, who, revert_after: REVERT_AFTER, keep: false, force: false, session: None };
            let ended = Box::pin(apply::run(&Hands::new(), &plan, &terms, progress, heard)).await;
            inbox.send(What::Fixed(end_of(ended))).await;
        });
        self.fixing = Some((answers, task));
    }

    fn answer(&self, answer: Answer) {
        if let Some((answers, _)) = &self.fixing {
            // It is over already.
            let _ = answers.try_send(answer);
        }
    }

    fn undo(&mut self) {
        if self.rights != Rights::Root {
            return self.hand_over(Job::Undo { entry: None });
        }
        let (answers, _) = mpsc::channel(1);
        let inbox = self.inbox.clone();
        let task = tokio::spawn(async move {
            let progress = told_to(&inbox);
            let undone = Box::pin(apply::undo::undo(&Hands::new(), None, &apply::who(), &progress)).await;
            let end = match undone {
                Ok(undone) => End::Undone(undone.of.number, undone.left),
                Err(error) => End::Failed(error.report()),
            };
            inbox.send(What::Fixed(end)).await;
        });
        self.fixing = Some((answers, task));
    }

    /// Has it done by this program as root; the terminal is lent to whoever asks for a password.
    fn hand_over(&mut self, job: Job) {
        let (answers, heard) = mpsc::channel(4);
        let (turns, mut turned) = mpsc::channel(2);
        let (inbox, rights, lending) = (self.inbox.clone(), self.rights.clone(), Arc::clone(&self.lending));
        let teller = self.inbox.clone();
        tokio::spawn(async move {
            while let Some(turn) = turned.recv().await {
                let lend = match turn {
                    Turn::Lend(lent) => {
                        *lending.lock().unwrap_or_else(PoisonError::into_inner) = Some(lent);
                        true
                    }
                    Turn::Back => false,
                };
                teller.send(What::Asking(lend)).await;
            }
        });
        let task = tokio::spawn(async move {
            let ends = Ends { turns, progress: told_to(&inbox), answers: heard };
            let end = match Box::pin(call(job, &rights, ends)).await {
                Ok(Over::Kept { entry }) => End::Kept(entry),
                Ok(Over::Reverted { why, left, .. }) => End::Reverted(why, left),
                Ok(Over::Undone { entry, left, .. }) => End::Undone(entry, left),
                Ok(Over::Failed { report, .. }) => End::Failed(report),
                Err(error) => End::Failed(error.report()),
            };
            inbox.send(What::Fixed(end)).await;
        });
        self.fixing = Some((answers, task));
    }

    /// Asks both ends: first without a word, and where that is not enough with the terminal, where ssh may ask for a
    /// password.
    fn look_at_both_ends(&self) {
        let Some(again) = self.again.clone() else { return };
        let (inbox, lending) = (self.inbox.clone(), Arc::clone(&self.lending));
        tokio::spawn(async move {
            let mut looked = again.ask(Terminal::Ours).await;
            if looked.is_err() {
                let (lent, waits) = oneshot::channel();
                *lending.lock().unwrap_or_else(PoisonError::into_inner) = Some(lent);
                inbox.send(What::Asking(true)).await;
                if waits.await.is_ok() {
                    looked = again.ask(Terminal::Lent).await;
                }
                inbox.send(What::Asking(false)).await;
            }
            let looked = looked.map(Box::new).map_err(|error| error.report().replace('\n', "; "));
            inbox.send(What::Looked(looked)).await;
        });
    }

    /// The terminal is lent now: whoever waits for it may ask.
    pub fn lent(&self) {
        if let Some(waiting) = self.lending.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever wanted it is gone.
            let _ = waiting.send(());
        }
    }

    /// Waits for what must be on disk before the program leaves; a file system that hangs does not keep it. What is not
    /// kept yet is put back.
    pub async fn finish(&mut self) {
        if let Some((answers, fixing)) = self.fixing.take() {
            drop(answers);
            // The guard takes over from one that does not end.
            let _ = tokio::time::timeout(PUT_BACK_WITHIN, fixing).await;
        }
        for writing in self.remembering.take().into_iter().chain(self.hinting.take()) {
            // Late or broken: recent targets are a convenience.
            let _ = tokio::time::timeout(Duration::from_millis(500), writing).await;
        }
    }

    fn hinted(&mut self) {
        let Some(file) = self.recent.clone() else { return };
        // Where it cannot be remembered it is shown again.
        self.hinting = Some(tokio::task::spawn_blocking(move || drop(recent::hinted(&file))));
    }

    /// A new file in the current directory.
    fn export(&self, stem: String, extension: &'static str, text: String) {
        let inbox = self.inbox.clone();
        tokio::task::spawn_blocking(move || {
            let written = super::export::save(Path::new("."), &stem, extension, &text);
            inbox.send_now(What::Exported(written.map_err(|error| error.to_string())));
        });
    }

    fn remember(&mut self, target: String) {
        let (Some(file), inbox) = (self.recent.clone(), self.inbox.clone()) else { return };
        self.remembering = Some(tokio::task::spawn_blocking(move || {
            let Err(error) = recent::remember(&file, &target) else { return };
            // Where nothing may be written nobody expects it.
            if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
                inbox.send_now(What::Notice(format!("recent targets are not kept: {}: {error}", file.display())));
            }
        }));
    }
}

/// Progress of a fix, as events.
fn told_to(inbox: &Inbox) -> mpsc::Sender<Progress> {
    let (progress, told) = mpsc::channel(WAITING);
    forward(told, inbox.clone(), What::Fixing as fn(Progress) -> What);
    progress
}

fn end_of(ended: Result<Ended, Error>) -> End {
    match ended {
        Ok(Ended::Kept { entry, .. }) => End::Kept(entry),
        Ok(Ended::Reverted { why, left, .. }) => End::Reverted(why, left),
        Err(error) => End::Failed(error.report()),
    }
}

/// Sends on what arrives, as events, until either end is gone.
fn forward<T: Send + 'static>(mut from: mpsc::Receiver<T>, inbox: Inbox, what: fn(T) -> What) {
    tokio::spawn(async move {
        while let Some(item) = from.recv().await {
            if !inbox.send(what(item)).await {
                break;
            }
        }
    });
}

/// Turns signals into events.
pub fn listen_for_signals(inbox: &Inbox) -> Result<(), Error> {
    for (kind, meaning) in [
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::hangup(), Signal::HangUp),
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::from_raw(nix::libc::SIGTSTP), Signal::Stop),
        (SignalKind::from_raw(nix::libc::SIGCONT), Signal::Continue),
    ] {
        let mut signals = signal(kind).map_err(|e| Error::broken("signals cannot be listened for").because(e))?;
        let inbox = inbox.clone();
        tokio::spawn(
            async move { while signals.recv().await.is_some() && inbox.send(What::Signalled(meaning)).await {} },
        );
    }
    Ok(())
}
