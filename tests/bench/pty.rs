//! The screen in a pseudo-terminal: time to the first paint, and what it costs while nothing happens.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};

use crate::Row;
use crate::whole::{median, ms, program};

/// First paint, idle processor time and idle output.
pub(crate) fn screen() -> Vec<Row> {
    const PAINT: &str = "first paint after start";
    let times: Option<Vec<Duration>> = (0..9).map(|_| Screen::open().and_then(|mut s| s.first_paint())).collect();
    let Some(times) = times else { return vec![Row::skipped(PAINT, "no pseudo-terminal here")] };
    let paint = median(times);
    let mut rows = vec![Row::figure(PAINT, format!("{:.1} ms", ms(paint)), "< 50 ms", ms(paint) < 50.0)];
    rows.extend(idle());
    rows
}

/// What ten quiet seconds cost, after two to settle.
fn idle() -> Vec<Row> {
    const WHAT: &str = "idle with live sources";
    let Some(mut screen) = Screen::open() else { return vec![Row::skipped(WHAT, "no pseudo-terminal here")] };
    screen.drain(Duration::from_secs(3));
    let Some(before) = screen.processor_time() else { return vec![Row::skipped(WHAT, "/proc is unreadable")] };
    let quiet = Duration::from_secs(10);
    let bytes = screen.drain(quiet);
    let used = screen.processor_time().unwrap_or(before).saturating_sub(before);
    let percent = 100.0 * used.as_secs_f64() / quiet.as_secs_f64();
    vec![
        Row::figure(WHAT, format!("{percent:.2} % of a core"), "< 0.5 %", percent < 0.5),
        Row::figure("redraws while idle", format!("{bytes} bytes written"), "none", bytes == 0),
    ]
}

struct Screen {
    child: Child,
    terminal: File,
    began: Instant,
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Screen {
    fn open() -> Option<Self> {
        let size = Winsize { ws_row: 60, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).ok()?;
        let stdio = |fd: &OwnedFd| fd.try_clone().ok();
        let began = Instant::now();
        let child = Command::new(program())
            .arg("10.0.0.5:4711")
            .env("TERM", "xterm-256color")
            .stdin(stdio(&pair.slave)?)
            .stdout(stdio(&pair.slave)?)
            .stderr(stdio(&pair.slave)?)
            .spawn()
            .ok()?;
        Some(Self { child, terminal: File::from(pair.master), began })
    }

    /// Until the first words of the chart are there.
    fn first_paint(&mut self) -> Option<Duration> {
        let mut seen = Vec::new();
        while self.began.elapsed() < Duration::from_secs(5) {
            if !self.ready(Duration::from_millis(100)) {
                continue;
            }
            let mut chunk = [0; 8192];
            let read = self.terminal.read(&mut chunk).ok()?;
            seen.extend_from_slice(chunk.get(..read)?);
            if String::from_utf8_lossy(&seen).contains("running?") {
                return Some(self.began.elapsed());
            }
        }
        None
    }

    /// Reads what comes for a while, and tells how much it was.
    fn drain(&mut self, window: Duration) -> usize {
        let end = Instant::now() + window;
        let mut bytes = 0;
        let mut chunk = [0; 8192];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if self.ready(left) {
                match self.terminal.read(&mut chunk) {
                    Ok(read) => bytes += read,
                    Err(_) => break,
                }
            }
        }
        bytes
    }

    fn ready(&self, wait: Duration) -> bool {
        let mut fds = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        poll(&mut fds, wait).is_ok_and(|ready| ready > 0)
    }

    fn processor_time(&self) -> Option<Duration> {
        let stat = procfs::process::Process::new(i32::try_from(self.child.id()).ok()?).ok()?.stat().ok()?;
        let ticks = stat.utime + stat.stime;
        Some(Duration::from_secs_f64(
            f64::from(u32::try_from(ticks).ok()?) / f64::from(u32::try_from(procfs::ticks_per_second()).ok()?),
        ))
    }
}
