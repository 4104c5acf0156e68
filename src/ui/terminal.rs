//! The terminal: taken when the screen begins, given back on every way out.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::theme::Theme;
use crate::app::State;
use crate::app::engine::Inbox;
use crate::app::event::What;
use crate::error::Error;

/// The terminal while it is ours; dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn take() -> Result<Self, Error> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(
                Error::input("the full screen needs a terminal").hint("without one, use: unrefuse check TARGET")
            );
        }
        enter().and_then(|()| fresh()).map(|terminal| Self { terminal }).map_err(|error| {
            restore();
            Error::broken("the terminal cannot be used").because(error)
        })
    }

    /// Takes the terminal anew and forgets what is on it.
    pub(super) fn retake(&mut self) -> io::Result<()> {
        enter()?;
        self.terminal = fresh()?;
        Ok(())
    }

    /// Draws the state.
    pub(super) fn draw(&mut self, state: &State, theme: &Theme) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            if let Some(cursor) = super::draw(frame.buffer_mut(), state, theme) {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Puts text on the clipboard of the terminal, through ssh too (OSC 52). `text` is safe: its base64 is only ASCII.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        write!(out, "\u{1b}]52;c;{}\u{7}", base64(text.as_bytes()))?;
        Write::flush(out)
    }

    /// Gives the terminal back, stops with the whole job, and takes the terminal again when continued.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        restore();
        // Returns when we are continued; at once where nobody does job control.
        kill(Pid::from_raw(0), Signal::SIGTSTP)?;
        self.retake()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
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
        DisableBracketedPaste,
        ResetColor,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let sign = |bits: u32| BASE64.get(bits as usize & 63).copied().map_or('=', char::from);
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        out.push(sign(bits >> 18));
        out.push(sign(bits >> 12));
        out.push(if chunk.len() > 1 { sign(bits >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { sign(bits) } else { '=' });
    }
    out
}

/// What panicked while the screen was up.
///
/// A panic of the drawing thread ends the program: the terminal is given back at once. One of a background task does
/// not: tokio catches it, the screen goes on and tells of it. Neither may print while the screen is up.
pub(super) struct Panics {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Panics {
    /// Watches for panics from now on.
    pub(super) fn watch(inbox: Inbox) -> Self {
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
        Self { seen }
    }

    /// Stops watching; the last panic, if there was one.
    pub(super) fn last(self) -> Option<String> {
        drop(std::panic::take_hook());
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_background_is_told_on_the_screen_and_kept() {
        let (inbox, mut events) = Inbox::new();
        let panics = Panics::watch(inbox);
        let broke = std::thread::spawn(|| panic!("index\u{1b}[2J out of range")).join();
        assert!(broke.is_err());
        let event = events.try_recv().expect("a notice");
        let What::Notice(text) = event.what else { panic!("{event:?}") };
        assert!(text.starts_with("a look broke off") && text.contains("index␛[2J out of range"), "{text}");
        assert!(panics.last().is_some_and(|told| told.contains("out of range")));
    }

    #[test]
    fn base64_of_all_lengths() {
        let all = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64(t.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
