//! A pseudo terminal with a program on it. Everything waits for a condition, with a deadline.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};

pub(crate) const ENTER: &str = "\u{1b}[?1049h";
pub(crate) const LEAVE: &str = "\u{1b}[?1049l";
/// Nothing takes this long, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Both ends of a new pseudo terminal. No other program inherits them, so that dropping them hangs up.
fn open() -> (File, File, String) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags).expect("a pseudo terminal");
    grantpt(&master).expect("ours");
    unlockpt(&master).expect("usable");
    let name = ptsname_r(&master).expect("a name");
    let slave = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&name);
    (File::from(OwnedFd::from(master)), slave.expect("the other end"), name)
}

fn stty(name: &str, columns: u16, rows: u16) {
    let size = ["rows", &rows.to_string(), "cols", &columns.to_string()];
    assert!(Command::new("stty").arg("-F").arg(name).args(size).status().expect("stty").success());
}

fn some(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has cells")
}

pub(crate) struct Pty {
    master: File,
    slave: File,
    name: String,
    pub(crate) child: Child,
    pub(crate) seen: String,
    /// What it wrote before that which was waited for last.
    pub(crate) before: String,
    rest: Vec<u8>,
    /// What a terminal would show of all it wrote.
    screen: vt100::Parser,
    home: tempfile::TempDir,
}

impl Pty {
    /// Starts the program itself.
    pub(crate) fn start(size: (u16, u16), args: &[&str]) -> Self {
        let mut words = vec![env!("CARGO_BIN_EXE_unrefuse")];
        words.extend(args);
        Self::run(size, &words, &[])
    }

    /// Starts any command in a session of its own, with the terminal as its controlling one.
    pub(crate) fn run((columns, rows): (u16, u16), words: &[&str], variables: &[(&str, &str)]) -> Self {
        let (master, slave, name) = open();
        stty(&name, columns, rows);
        let home = tempfile::tempdir().expect("a directory");
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let child = Command::new("setsid")
            .arg("--ctty")
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("HOME", home.path())
            .envs(variables.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid of util-linux");
        let screen = vt100::Parser::new(some(rows), some(columns), 0);
        Self { master, slave, name, child, seen: String::new(), before: String::new(), rest: Vec::new(), screen, home }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Takes in what the program writes within `wait`; false when it wrote nothing.
    fn listen(&mut self, wait: Duration) -> bool {
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, timeout).unwrap_or(0) == 0 {
            return false;
        }
        let mut buffer = [0; 1 << 14];
        let Ok(count) = self.master.read(&mut buffer) else { return false };
        self.rest.extend_from_slice(&buffer[..count]);
        self.screen.process(&buffer[..count]);
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(_) => self.rest.len(),
            Err(error) => error.valid_up_to(),
        };
        let text: Vec<u8> = self.rest.drain(..whole).collect();
        self.seen.push_str(&String::from_utf8(text).expect("checked"));
        true
    }

    /// Waits until the program has written this since the last wait; forgets what came before it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                self.before = std::mem::replace(&mut self.seen, rest);
                self.before.truncate(at);
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} never came; it wrote {:?}", self.seen);
            if !self.listen(left) {
                assert!(self.child.try_wait().ok().flatten().is_none(), "it ended; it wrote {:?}", self.seen);
            }
        }
    }

    /// Waits until the terminal shows this, whichever part of it was written when: a frame writes only what changed.
    #[track_caller]
    pub(crate) fn wait_until_shown(&mut self, text: &str) {
        let until = Instant::now() + DEADLINE;
        loop {
            let shown = self.screen.screen().contents();
            if shown.contains(text) {
                self.seen.clear();
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} is never shown; the screen is\n{shown}");
            if !self.listen(left) {
                assert!(self.child.try_wait().ok().flatten().is_none(), "it ended with the screen\n{shown}");
            }
        }
    }

    /// What it writes in this time: for showing that it is quiet.
    pub(crate) fn within(&mut self, time: Duration) -> String {
        self.seen.clear();
        let until = Instant::now() + time;
        while self.listen(until.saturating_duration_since(Instant::now())) {}
        self.seen.clone()
    }

    pub(crate) fn send(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        stty(&self.name, columns, rows);
        self.screen.screen_mut().set_size(some(rows), some(columns));
    }

    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(&self.slave).expect("a terminal")
    }

    /// Waits for the end; everything it wrote till then is in `seen`.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            self.listen(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().expect("a child") {
                while self.listen(Duration::ZERO) {}
                return status;
            }
            assert!(Instant::now() < until, "it does not end; it wrote {:?}", self.seen);
        }
    }

    /// Takes the terminal away, as a closed window or a lost ssh session does.
    pub(crate) fn hang_up(self) -> Child {
        self.child
    }
}
