//! The loop of plain mode: waits for what happens or a line, lets `update` and `conclude` decide, tells what is new.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::sync::mpsc;

use super::input::Lines;
use super::say::Say;
use super::{Plain, Style, fix};
use crate::app::engine::{Engine, Inbox, listen_for_signals, now_ms};
use crate::app::event::{Effect, Event, Leave, Signal, Size, What};
use crate::app::state::Screen;
use crate::app::{Start, State, conclude, job, recent, update};
use crate::error::Error;

/// What happens within this time is told at once.
const TOGETHER: Duration = Duration::from_millis(30);
/// Events that are taken in before it is told, at most.
const BATCH: usize = 512;
/// Whoever waits is told so after this time, and again after the longer one.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(1500), Duration::from_secs(10));
/// Rounds in which what was told leads to more; a guard, not a limit that is met.
const ROUNDS: usize = 20;

/// Tells and asks until the user leaves.
pub async fn run(start: Start, style: Style) -> Result<(), Error> {
    let (inbox, events) = Inbox::new();
    listen_for_signals(&inbox)?;
    let lines = Lines::new().map_err(|e| Error::broken("lines cannot be read").because(e))?;
    let (recent_file, rights, again) = (start.recent.clone(), start.rights.clone(), start.again.clone());
    let recent = recent_file.as_deref().map(recent::read).unwrap_or_default();
    let state = State::new(start, recent, Size { width: 80, height: 24 }, now_ms());
    let engine = Engine::new(&inbox, recent_file, rights, again);
    let echo = !std::io::stdin().is_terminal();
    let mut session =
        Session { plain: Plain::new(style), state, engine, events, lines, echo, told: false, lent: false };
    let left = session.run().await;
    session.engine.finish().await;
    session.last_words();
    left.ended()
}

struct Session {
    plain: Plain,
    state: State,
    engine: Engine,
    events: mpsc::Receiver<Event>,
    lines: Lines,
    /// Lines come from a file or a pipe: they are written after their questions.
    echo: bool,
    /// It was said that it takes a while.
    told: bool,
    /// The terminal is left to somebody else.
    lent: bool,
}

/// What the loop waited for.
enum Next {
    Event(Box<Event>),
    Line(Option<String>),
    Late,
}

impl Session {
    async fn run(&mut self) -> Leave {
        if let Screen::Chart(chart) = &self.state.screen {
            let mut say = Say::new(self.plain.ascii());
            say.line(format!("Looking at {}. Ctrl-C leaves.", chart.case.target.input));
            if let Err(leave) = write(&say.text()) {
                return leave;
            }
        }
        loop {
            if let Err(leave) = self.turn().await {
                return leave;
            }
        }
    }

    /// Tells what is new, and takes in what comes next; an error is the end.
    async fn turn(&mut self) -> Result<(), Leave> {
        self.settle_and_tell()?;
        match self.next().await {
            Next::Line(None) => {
                if self.state.fixing.as_ref().is_some_and(|fixing| fixing.pending()) {
                    write("\nNobody can answer any more: the change is put back.\n")?;
                }
                Err(Leave::Wanted)
            }
            Next::Line(Some(line)) => {
                self.told = false;
                if self.echo {
                    let mut say = Say::new(self.plain.ascii());
                    say.line(&line);
                    write(&say.text())?;
                }
                let turn = self.plain.heard(&self.state, &line);
                write(&turn.text)?;
                turn.does.into_iter().try_for_each(|what| self.take(what))
            }
            Next::Late => {
                self.told = true;
                let words = self.plain.patience(&self.state);
                write(&words)
            }
            Next::Event(event) => {
                self.take_event(*event)?;
                self.batch().await
            }
        }
    }

    /// Takes in what else happens meanwhile.
    async fn batch(&mut self) -> Result<(), Leave> {
        let due = tokio::time::Instant::now() + TOGETHER;
        for _ in 0..BATCH {
            let Ok(event) = tokio::time::timeout_at(due, self.events.recv()).await else { break };
            self.take_event(event.ok_or(Leave::TerminalGone)?)?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Next {
        let waits = self.plain.waits() && !self.lent;
        match &self.state.fixing {
            Some(_) if waits => self.lines.want_answer(),
            None if waits => self.lines.want(),
            Some(_) | None => {}
        }
        let patience = if self.told { PATIENCE.1 } else { PATIENCE.0 };
        tokio::select! {
            Some(event) = self.events.recv() => Next::Event(Box::new(event)),
            line = self.lines.next(), if waits => Next::Line(line),
            () = tokio::time::sleep(patience), if !waits && !self.lent => Next::Late,
        }
    }

    fn take_event(&mut self, event: Event) -> Result<(), Leave> {
        if matches!(event.what, What::Signalled(Signal::Interrupt)) {
            let turn = self.plain.interrupted(&self.state);
            if !turn.text.is_empty() {
                return write(&turn.text);
            }
        }
        let effects = update(&mut self.state, event);
        self.perform(effects)
    }

    fn take(&mut self, what: What) -> Result<(), Leave> {
        self.take_event(Event { at_ms: now_ms(), what })
    }

    /// Diagnoses, asks and tells until nothing more follows from what is known.
    fn settle_and_tell(&mut self) -> Result<(), Leave> {
        for _ in 0..ROUNDS {
            self.settle()?;
            if self.lent {
                return Ok(());
            }
            let turn = self.plain.tell(&self.state);
            write(&turn.text)?;
            if turn.does.is_empty() {
                return Ok(());
            }
            turn.does.into_iter().try_for_each(|what| self.take(what))?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Leave> {
        let effects = conclude(&mut self.state);
        self.perform(effects)?;
        let shown = self.plain.shown(&self.state);
        if shown == self.state.shown {
            return Ok(());
        }
        self.take(What::Shown(shown))?;
        let effects = conclude(&mut self.state);
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Result<(), Leave> {
        for effect in effects {
            match self.engine.perform(effect) {
                Some(Effect::Quit(leave)) => return Err(leave),
                Some(Effect::LendTerminal) => {
                    self.lines.leave();
                    self.lent = true;
                    self.engine.lent();
                }
                Some(Effect::TakeTerminal) => {
                    self.lent = false;
                    self.plain.ask_again();
                }
                Some(Effect::StopJob | Effect::Suspend) => {
                    // Where no shell could bring it back, it goes on.
                    let _ = job::stop();
                }
                Some(Effect::Redraw) => self.plain.ask_again(),
                _ => {}
            }
        }
        Ok(())
    }

    /// How a change ended that was pending.
    fn last_words(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            if let What::Fixed(end) = event.what {
                let mut say = Say::new(self.plain.ascii());
                fix::tell_end(&end, &mut say);
                // Whoever is gone hears nothing.
                let _ = write(&say.text());
            }
        }
    }
}

/// Writes; whoever cannot be written to is gone.
fn write(text: &str) -> Result<(), Leave> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| Leave::TerminalGone)
}
