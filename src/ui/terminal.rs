//! The terminal: taken when the screen begins, given back on every way out.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{Command, cursor, execute, queue};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::settings::Settings;
use crate::app::engine::Inbox;
use crate::app::event::What;
use crate::app::pointer::Mouse;
use crate::app::{State, job};
use crate::error::Error;

/// The terminal while it is ours; dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    mouse: Mouse,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take(mouse: Mouse) -> Result<Self, Error> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(
                Error::input("the full screen needs a terminal").hint("without one, use: unrefuse check TARGET")
            );
        }
        enter(mouse).and_then(|()| fresh()).map(|terminal| Self { terminal, mouse }).map_err(|error| {
            restore();
            Error::broken("the terminal cannot be used").because(error)
        })
    }

    /// Takes the terminal anew and forgets what is on it.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.terminal = fresh()?;
        Ok(())
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub(super) fn point(&mut self, mouse: Mouse) -> io::Result<()> {
        self.mouse = mouse;
        match mouse {
            Mouse::Ours => execute!(self.terminal.backend_mut(), TakeMouse),
            Mouse::Terminals => execute!(self.terminal.backend_mut(), LeaveMouse),
        }
    }

    /// Gives the terminal back for a while.
    #[expect(clippy::unused_self, reason = "only whoever has the terminal can give it back")]
    pub(super) fn leave(&mut self) {
        restore();
    }

    /// Draws the state.
    pub(super) fn draw(&mut self, state: &State, settings: &Settings) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            if let Some(cursor) = super::draw(frame.buffer_mut(), state, settings) {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Puts text on the clipboard of the terminal, through ssh too (OSC 52).
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Gives the terminal back, stops, and takes the terminal again when continued. Where nobody could continue us it
    /// does nothing.
    pub(super) fn suspend(&mut self) -> io::Result<Stopped> {
        if !job::is_one() {
            return Ok(Stopped::Never);
        }
        restore();
        job::stop()?;
        self.retake()?;
        Ok(Stopped::ForAWhile)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Did a stop happen?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Yes, and it is over.
    ForAWhile,
    /// No: there is no shell to come back from.
    Never,
}

/// Stops everything that was started as one job with us, as the terminal does on Ctrl-Z: this program catches that.
pub(super) fn stop_job() -> io::Result<()> {
    Ok(kill(Pid::from_raw(0), Signal::SIGTSTP)?)
}

/// Asks for clicks, drags and the wheel with SGR coordinates; not for every move, of which there are many a second.
struct TakeMouse;

/// No longer.
struct LeaveMouse;

impl Command for TakeMouse {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\u{1b}[?1000h\u{1b}[?1002h\u{1b}[?1006h")
    }
}

impl Command for LeaveMouse {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\u{1b}[?1006l\u{1b}[?1002l\u{1b}[?1000l")
    }
}

fn enter(mouse: Mouse) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse == Mouse::Ours {
        execute!(io::stdout(), TakeMouse)?;
    }
    execute!(io::stdout(), crossterm::terminal::Clear(crossterm::terminal::ClearType::All))
}

fn fresh() -> io::Result<Terminal<CrosstermBackend<BufWriter<Stdout>>>> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout())))
}

/// Gives the terminal back; errors have nowhere to go.
fn restore() {
    let _ = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        LeaveMouse,
        DisableBracketedPaste,
        ResetColor,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// What panicked while the screen was up.
///
/// A panic of the drawing thread ends the program: the terminal is given back at once. One of a background task does
/// not: tokio catches it, the screen goes on and tells of it. Neither may print while the screen is up; whoever told of
/// panics before does so again afterwards.
pub(super) struct Panics {
    seen: Arc<Mutex<Vec<String>>>,
    before: Hook,
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

impl Panics {
    /// Watches for panics from now on.
    pub(super) fn watch(inbox: Inbox) -> Self {
        let before = std::panic::take_hook();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, drawing) = (Arc::clone(&seen), std::thread::current().id());
        std::panic::set_hook(Box::new(move |panic| {
            let message = crate::text::line(&panic.to_string());
            if std::thread::current().id() == drawing {
                restore();
            } else {
                inbox.send_now(What::Notice(format!("a look broke off: {message}")));
            }
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }));
        Self { seen, before }
    }

    /// Stops watching; the last panic, if there was one.
    pub(super) fn last(self) -> Option<String> {
        std::panic::set_hook(self.before);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panic_in_the_background_is_told_on_the_screen_and_whoever_told_of_it_before_does_so_again() {
        let told = Arc::new(AtomicUsize::new(0));
        let (count, original) = (Arc::clone(&told), std::panic::take_hook());
        // Other tests may panic meanwhile: only the one with this mark counts.
        std::panic::set_hook(Box::new(move |panic| {
            count.fetch_add(usize::from(panic.to_string().contains("out of range")), Ordering::SeqCst);
        }));
        let (inbox, mut events) = Inbox::new();
        let panics = Panics::watch(inbox);
        let broke = std::thread::spawn(|| panic!("index\u{1b}[2J out of range")).join();
        assert!(broke.is_err());
        let event = events.try_recv().expect("a notice");
        let What::Notice(text) = event.what else { panic!("{event:?}") };
        assert!(text.starts_with("a look broke off") && text.contains("index␛[2J out of range"), "{text}");
        assert!(panics.last().is_some_and(|told| told.contains("out of range")));
        assert_eq!(told.load(Ordering::SeqCst), 0, "nobody else prints while the screen is up");
        assert!(std::thread::spawn(|| panic!("out of range again")).join().is_err());
        assert_eq!(told.load(Ordering::SeqCst), 1);
        std::panic::set_hook(original);
    }
}
