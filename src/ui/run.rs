//! The loop: waits for what happens, lets `update` and `conclude` decide, performs the effects, draws what changed.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::late::Late;
use super::measure;
use super::settings::{Ground, Settings};
use super::terminal::{Panics, Screen, Stopped, stop_job};
use crate::app::engine::{Engine, Inbox, listen_for_signals, now_ms};
use crate::app::event::{Effect, Event, Leave, Size, What};
use crate::app::{Start, State, conclude, recent, update};
use crate::error::Error;

/// Time between two frames, at least.
const FRAME: Duration = Duration::from_millis(16);
/// Events taken in before the next frame, at most, so that a flood cannot keep the screen still.
const BATCH: usize = 512;

/// Shows the full screen until the user leaves.
///
/// Ends well when the user quits or the terminal goes away; SIGTERM and SIGHUP end it as an error (exit status 4), with
/// the terminal restored.
pub async fn run(start: Start, settings: Settings) -> Result<(), Error> {
    let (inbox, events) = Inbox::new();
    let screen = Screen::take(start.mouse)?;
    let panics = Panics::watch(inbox.clone());
    let ended = AssertUnwindSafe(session(start, settings, screen, inbox, events)).catch_unwind().await;
    let panicked = panics.last();
    match ended {
        Ok(Ok(leave)) => leave.ended(),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::broken("unrefuse broke: this is a defect in it")
            .hint(panicked.unwrap_or_default())
            .hint("please report it, with what was on the screen")),
    }
}

async fn session(
    start: Start,
    settings: Settings,
    screen: Screen,
    inbox: Inbox,
    events: mpsc::Receiver<Event>,
) -> Result<Leave, Error> {
    listen_for_signals(&inbox)?;
    let (recent_file, rights, again) = (start.recent.clone(), start.rights.clone(), start.again.clone());
    let recent = recent_file.as_deref().map(recent::read).unwrap_or_default();
    let (width, height) = crossterm::terminal::size().unwrap_or((80, 24));
    let mut state = State::new(start, recent, Size { width, height }, now_ms());
    if recent_file.as_deref().is_some_and(recent::first_time) {
        state.welcome();
    }
    let engine = Engine::new(&inbox, recent_file, rights, again);
    let keys = Some(EventStream::new());
    let mut session = Session {
        screen,
        settings,
        late: Late::default(),
        state,
        engine,
        events,
        keys,
        lent: false,
        drawn: Instant::now(),
    };
    // The first picture comes before the first question.
    session.draw()?;
    let left = session.run().await;
    session.engine.finish().await;
    left
}

struct Session {
    screen: Screen,
    settings: Settings,
    /// An answer of the terminal that comes too late is no key.
    late: Late,
    state: State,
    engine: Engine,
    events: mpsc::Receiver<Event>,
    /// What is typed; none for a moment while its reader is being changed.
    keys: Option<EventStream>,
    /// The terminal is left to somebody else: nothing is drawn and no key is read.
    lent: bool,
    drawn: Instant,
}

impl Session {
    async fn run(&mut self) -> Result<Leave, Error> {
        loop {
            if let Some(leave) = self.settle()? {
                return Ok(leave);
            }
            self.draw()?;
            let first = self.next().await;
            if let Some(leave) = self.take(first)? {
                return Ok(leave);
            }
            if let Some(leave) = self.batch().await? {
                return Ok(leave);
            }
        }
    }

    /// Takes in what else is there until the next frame is due.
    async fn batch(&mut self) -> Result<Option<Leave>, Error> {
        let due = self.drawn + FRAME;
        for _ in 0..BATCH {
            let what = match self.events.try_recv() {
                Ok(event) => Some(event),
                Err(_) => match tokio::time::timeout_at(due, self.next()).await {
                    Ok(event) => event,
                    Err(_) => break,
                },
            };
            if let Some(leave) = self.take(what)? {
                return Ok(Some(leave));
            }
        }
        Ok(None)
    }

    /// The next thing that happens; none when it means nothing here.
    async fn next(&mut self) -> Option<Event> {
        let what = tokio::select! {
            event = self.events.recv() => return event,
            input = typed(self.keys.as_mut().filter(|_| !self.lent)) => match input {
                Some(Ok(Input::Key(key))) if self.late.swallows(&key) => return None,
                Some(Ok(input)) => super::meaning(input, &self.state, &self.settings)?,
                Some(Err(_)) | None => What::HungUp,
            },
        };
        Some(Event { at_ms: now_ms(), what })
    }

    fn take(&mut self, event: Option<Event>) -> Result<Option<Leave>, Error> {
        let Some(event) = event else { return Ok(None) };
        let effects = update(&mut self.state, event);
        self.perform(effects)
    }

    /// Diagnoses and asks until nothing more is to be done about what is known.
    fn settle(&mut self) -> Result<Option<Leave>, Error> {
        let effects = conclude(&mut self.state);
        if let Some(leave) = self.perform(effects)? {
            return Ok(Some(leave));
        }
        let shown = measure(&self.state, self.state.size, &self.settings);
        if shown == self.state.shown {
            return Ok(None);
        }
        let event = Event { at_ms: self.state.now_ms, what: What::Shown(shown) };
        let mut effects = update(&mut self.state, event);
        effects.extend(conclude(&mut self.state));
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<Option<Leave>, Error> {
        for effect in effects {
            match self.engine.perform(effect) {
                Some(Effect::Quit(leave)) => return Ok(Some(leave)),
                Some(Effect::Copy(text)) => self.screen.copy(&text).map_err(gone)?,
                Some(Effect::StopJob) => stop_job().map_err(|e| Error::broken("cannot stop").because(e))?,
                Some(Effect::LendTerminal) => self.lend(),
                Some(Effect::TakeTerminal) => self.take_back()?,
                // Whoever has the terminal now has it until it is done.
                Some(Effect::Suspend | Effect::Redraw) if self.lent => {}
                Some(Effect::Suspend) => self.suspend()?,
                Some(Effect::Redraw) => self.screen.retake().map_err(gone)?,
                Some(Effect::Mouse(mouse)) => self.screen.point(mouse).map_err(gone)?,
                None
                | Some(
                    Effect::Ask(..)
                    | Effect::Watch(_)
                    | Effect::Unwatch(_)
                    | Effect::WakeAfter(..)
                    | Effect::Remember(_)
                    | Effect::Hinted
                    | Effect::Export { .. }
                    | Effect::Prepare(..)
                    | Effect::Apply { .. }
                    | Effect::Answer(_)
                    | Effect::LookAtBothEnds
                    | Effect::Undo,
                ) => {}
            }
        }
        Ok(None)
    }

    fn suspend(&mut self) -> Result<(), Error> {
        if self.screen.suspend().map_err(gone)? == Stopped::Never {
            let what = What::Notice("no shell here could bring it back: not stopped".into());
            self.take(Some(Event { at_ms: now_ms(), what }))?;
        }
        Ok(())
    }

    /// Leaves the terminal to whoever asks for a password. Nothing of what is typed is read here any more.
    fn lend(&mut self) {
        self.keys = None;
        // The reader of before may still be about to read: this waits until it has stopped, and itself reads nothing yet.
        self.keys = Some(EventStream::new());
        self.screen.leave();
        self.lent = true;
        self.engine.lent();
    }

    fn take_back(&mut self) -> Result<(), Error> {
        if !self.lent {
            return Ok(());
        }
        self.lent = false;
        self.screen.retake().map_err(gone)?;
        let (width, height) = crossterm::terminal::size().unwrap_or((self.state.size.width, self.state.size.height));
        self.take(Some(Event { at_ms: now_ms(), what: What::Resized(Size { width, height }) })).map(drop)
    }

    fn draw(&mut self) -> Result<(), Error> {
        if self.lent {
            return Ok(());
        }
        self.screen.draw(&self.state, &self.settings).map_err(gone)?;
        self.drawn = Instant::now();
        Ok(())
    }
}

/// How long a terminal has to tell what its background is.
const GROUND_WITHIN: Duration = Duration::from_millis(100);

/// The background that the terminal tells of when it is asked (OSC 11); none where it does not do so at once.
pub fn ground() -> Option<Ground> {
    let mut options = terminal_colorsaurus::QueryOptions::default();
    options.timeout = GROUND_WITHIN;
    match terminal_colorsaurus::theme_mode(options).ok()? {
        terminal_colorsaurus::ThemeMode::Dark => Some(Ground::Dark),
        terminal_colorsaurus::ThemeMode::Light => Some(Ground::Light),
    }
}

/// What is typed next; never, while nobody reads it.
async fn typed(keys: Option<&mut EventStream>) -> Option<std::io::Result<Input>> {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

fn gone(error: std::io::Error) -> Error {
    Error::broken("the terminal cannot be written to").because(error)
}
