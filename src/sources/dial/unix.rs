//! One attempt to a unix stream socket, by path or abstract name.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use super::super::Trouble;
use super::answer::{Answer, errno, outcome};
use super::watch;
use super::words::{self, FirstWords};
use crate::facts::connect::Outcome;

/// Makes one attempt. An abstract name begins with NUL.
pub(super) async fn attempt(name: &str) -> Result<Answer, Trouble> {
    let socket = match Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None) {
        Ok(socket) => socket,
        Err(error) => return Answer::without_socket(&error),
    };
    let Ok(address) = SockAddr::unix(name) else {
        // Longer than sockaddr_un holds (108 bytes): no program can connect to it by this name.
        return Ok(failed(Errno::ENAMETOOLONG, Duration::ZERO));
    };
    let began = Instant::now();
    if let Err(error) = socket.connect(&address) {
        return Ok(failed(errno(&error), began.elapsed()));
    }
    let after = began.elapsed();
    let fd = watch(socket)?;
    let open = Answer::plain(Outcome::Open, after);
    let answer = match words::first(&fd).await {
        FirstWords::None => open,
        FirstWords::Greeting(said) => Answer { banner: Some(said), ..open },
        FirstWords::HungUp => Answer::plain(Outcome::Closed, began.elapsed()),
        FirstWords::Reset(errno) => failed(errno, began.elapsed()),
    };
    words::take_leave(fd);
    Ok(answer)
}

fn failed(errno: Errno, after: Duration) -> Answer {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others mean what they mean for TCP")]
    let outcome = match errno {
        Errno::ENOENT | Errno::ENOTDIR => Outcome::Unresolved,
        // Non-blocking connect() to a listener whose backlog is full; a blocking one would hang.
        Errno::EAGAIN => Outcome::Timeout,
        // EINVAL: an empty or malformed name, nothing about routes.
        Errno::EINVAL => Outcome::Error,
        _ => outcome(errno),
    };
    Answer { errno: Some(errno), ..Answer::plain(outcome, after) }
}
