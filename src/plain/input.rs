//! Lines from standard input, read only while one is waited for: whoever asks for a password reads the terminal too.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};
use tokio::sync::mpsc;

/// The longest line that is taken; what is beyond it is left out.
const LONGEST: usize = 4096;
/// How long the reader has to stop reading.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// A line is wanted.
const WANTED: u8 = b'w';
/// None is, until one is wanted again.
const LEFT: u8 = b'l';

/// The lines.
#[derive(Debug)]
pub(super) struct Lines {
    orders: UnixStream,
    stopped: Receiver<()>,
    heard: mpsc::Receiver<Option<String>>,
    wanted: bool,
}

impl Lines {
    /// Begins to read as soon as a line is wanted.
    pub(super) fn new() -> std::io::Result<Self> {
        let (orders, heard) = UnixStream::pair()?;
        let ((stop, stopped), (sender, said)) = (channel(), mpsc::channel(1));
        std::thread::spawn(move || Reader { heard, stop, sender, wanted: false, read: Vec::new(), ended: false }.run());
        Ok(Self { orders, stopped, heard: said, wanted: false })
    }

    /// One line is wanted.
    pub(super) fn want(&mut self) {
        if !self.wanted {
            self.wanted = true;
            // A reader that is gone has said that there are no more lines.
            let _ = self.orders.write_all(&[WANTED]);
        }
    }

    /// The same, for the answer to a question that changes the host: what was typed before it was asked is no answer.
    pub(super) fn want_answer(&mut self) {
        if !self.wanted {
            // Only a terminal has something to forget.
            let _ = tcflush(std::io::stdin(), FlushArg::TCIFLUSH);
        }
        self.want();
    }

    /// Nothing is read any more, until a line is wanted.
    pub(super) fn leave(&mut self) {
        self.wanted = false;
        if self.orders.write_all(&[LEFT]).is_ok() {
            // A reader that is gone reads nothing either.
            let _ = self.stopped.recv_timeout(STOPS_WITHIN);
        }
    }

    /// The next line; none at the end of the input.
    pub(super) async fn next(&mut self) -> Option<String> {
        let line = self.heard.recv().await.flatten();
        self.wanted = false;
        line
    }
}

struct Reader {
    heard: UnixStream,
    stop: Sender<()>,
    sender: mpsc::Sender<Option<String>>,
    wanted: bool,
    read: Vec<u8>,
    ended: bool,
}

impl Reader {
    fn run(mut self) {
        while self.step() {}
    }

    /// False when nobody wants lines any more, or there are none.
    fn step(&mut self) -> bool {
        if self.wanted {
            if let Some(line) = self.line() {
                self.wanted = false;
                return self.sender.blocking_send(Some(line)).is_ok();
            }
            if self.ended {
                // The end is told once.
                let _ = self.sender.blocking_send(None);
                return false;
            }
        }
        let stdin = std::io::stdin();
        let mut ends = vec![PollFd::new(self.heard.as_fd(), PollFlags::POLLIN)];
        if self.wanted {
            ends.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        if poll(&mut ends, PollTimeout::NONE).is_err() {
            return true;
        }
        let some = |at: usize| ends.get(at).and_then(PollFd::revents).is_some_and(|events| !events.is_empty());
        let (ordered, typed) = (some(0), some(1));
        if ordered {
            return self.obey();
        }
        if typed {
            let mut buffer = [0; 1024];
            match nix::unistd::read(stdin.as_fd(), &mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.read.extend(buffer.iter().take(count)),
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
                Err(_) => self.ended = true,
            }
        }
        true
    }

    fn obey(&mut self) -> bool {
        let mut order = [0];
        if self.heard.read_exact(&mut order).is_err() {
            return false;
        }
        self.wanted = order == [WANTED];
        self.wanted || self.stop.send(()).is_ok()
    }

    /// The first whole line of what was read; at the end, what is left.
    fn line(&mut self) -> Option<String> {
        let end = self.read.iter().position(|byte| *byte == b'\n');
        let line: Vec<u8> = match end {
            Some(end) => self.read.drain(..=end).collect(),
            None if self.ended && !self.read.is_empty() => self.read.drain(..).collect(),
            None => {
                self.read.truncate(LONGEST);
                return None;
            }
        };
        let kept = line.get(..line.len().min(LONGEST)).unwrap_or_default();
        Some(String::from_utf8_lossy(kept).trim_end_matches(['\n', '\r']).to_owned())
    }
}
