//! What a server does in the first moments of a connection: greet, wait, hang up; and taking leave of it politely.

use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::time::Duration;

use nix::errno::Errno;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::errno;

/// How long to look at an open connection. A TCP wrapper hangs up at once, a greeting comes at once.
const LOOK: Duration = Duration::from_millis(100);
/// Longest greeting kept, in bytes.
const LONGEST: usize = 200;
/// How long a server may take to hang up after we did, and how much it may say at a time (in reads of 4 KiB).
const LEAVE: Duration = Duration::from_secs(1);
const LEAVE_READS: usize = 64;

/// What the server did first.
#[derive(Debug)]
pub(super) enum FirstWords {
    /// It waits for us to speak.
    None,
    /// It greeted.
    Greeting(String),
    /// It hung up without a byte.
    HungUp,
    /// It sent a RST.
    Reset(Errno),
}

/// Looks at a connection for a moment.
pub(super) async fn first(fd: &AsyncFd<Socket>) -> FirstWords {
    let until = Instant::now() + LOOK;
    loop {
        let Ok(Ok(mut ready)) = timeout_at(until, fd.ready(Interest::READABLE | Interest::ERROR)).await else {
            return FirstWords::None;
        };
        let mut said = [0; LONGEST];
        match fd.get_ref().read(&mut said) {
            Ok(0) => return FirstWords::HungUp,
            Ok(n) => {
                let said = said.get(..n).unwrap_or_default();
                return FirstWords::Greeting(String::from_utf8_lossy(said).into_owned());
            }
            Err(error) => {
                let errno = errno(&error);
                if matches!(errno, Errno::ECONNRESET | Errno::EPIPE) {
                    return FirstWords::Reset(errno);
                }
                if !matches!(errno, Errno::EAGAIN | Errno::EINTR) {
                    return FirstWords::None; // an ICMP error about a connection that stands: it stands
                }
                ready.clear_ready();
            }
        }
    }
}

/// Hangs up so that the server sees an ordinary end: bytes left unread at the end would make the kernel send a RST,
/// which daemons log as an error. Nobody waits for it.
pub(super) fn take_leave(fd: AsyncFd<Socket>) {
    if fd.get_ref().shutdown(Shutdown::Write).is_err() || has_ended(fd.get_ref()) {
        return;
    }
    tokio::spawn(async move {
        let _ = timeout(LEAVE, hear_out(&fd)).await;
    });
}

async fn hear_out(fd: &AsyncFd<Socket>) {
    loop {
        let Ok(mut ready) = fd.ready(Interest::READABLE | Interest::ERROR).await else { return };
        if has_ended(fd.get_ref()) {
            return;
        }
        ready.clear_ready();
    }
}

/// Reads and drops what is there; true when there will be no more, or more than anybody says to a stranger.
fn has_ended(mut socket: &Socket) -> bool {
    let mut ignored = [0; 4096];
    for _ in 0..LEAVE_READS {
        match socket.read(&mut ignored) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    true
}
