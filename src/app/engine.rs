//! Performs effects: asks the sources, keeps the watches, wakes the loop, remembers targets. Everything that comes back
//! goes through one bounded channel of events, in order, stamped with its time.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::event::{Effect, Event, Signal, Wake, What};
use super::recent;
use crate::error::Error;
use crate::sources::live::{Change, Live};
pub use crate::sources::trouble::now_ms;
use crate::sources::{Arrival, Sources};

/// Events that may wait; whoever brings more waits too.
const WAITING: usize = 1024;

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
}

impl Engine {
    /// An engine that reports to `inbox`.
    pub fn new(inbox: &Inbox, recent: Option<PathBuf>) -> Self {
        let (arrivals, arrived) = mpsc::channel(WAITING);
        let (changes, watched) = mpsc::channel(WAITING);
        forward(arrived, inbox.clone(), What::Arrived as fn(Arrival) -> What);
        forward(watched, inbox.clone(), What::Changed as fn(Change) -> What);
        let sources = Sources::new(arrivals);
        let live = Live::new(sources.bus().clone(), changes);
        Self { inbox: inbox.clone(), sources, live, recent, remembering: None }
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
            Effect::Copy(_) | Effect::StopJob | Effect::Suspend | Effect::Redraw | Effect::Quit(_) => {
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

    /// Waits for what must be on disk before the program leaves; a file system that hangs does not keep it.
    pub async fn finish(&mut self) {
        if let Some(writing) = self.remembering.take() {
            // Late or broken: recent targets are a convenience.
            let _ = tokio::time::timeout(Duration::from_millis(500), writing).await;
        }
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
