//! One UDP attempt: a datagram to which a healthy server may answer, and again, because an ICMP error to the first only
//! shows with the second.

use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout_at;

use super::super::Trouble;
use super::answer::{Answer, canonical, errno, own_end};
use super::queue;
use super::watch;
use crate::facts::connect::Outcome;

/// How long to wait for an answer to each datagram.
const WAIT: Duration = Duration::from_millis(300);
/// Datagrams sent.
const TRIES: u32 = 2;

/// Makes one attempt.
pub(super) async fn attempt(at: SocketAddr) -> Result<Answer, Trouble> {
    let at = canonical(at);
    let socket = match non_blocking(at) {
        Ok(socket) => socket,
        Err(error) => return Answer::without_socket(&error),
    };
    let began = Instant::now();
    if let Err(error) = socket.connect(&at.into()) {
        return Ok(Answer::failed(errno(&error), &socket, began.elapsed()).from(own_end(&socket)));
    }
    let source = own_end(&socket);
    let fd = watch(socket)?;
    for _ in 0..TRIES {
        let answer = match fd.get_ref().send(question(at.port())) {
            Ok(_) => heard(&fd, began).await,
            Err(error) => Some(Answer::failed(errno(&error), fd.get_ref(), began.elapsed())),
        };
        if let Some(answer) = answer {
            return Ok(answer.from(source));
        }
    }
    Ok(Answer::plain(Outcome::Silent, began.elapsed()).from(source))
}

fn non_blocking(at: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    queue::keep(&socket, at.is_ipv6());
    Ok(socket)
}

/// What is sent: nothing at all, which every server may ignore; to a name server the smallest question (who serves the
/// root?), to a time server the smallest request (version 4, client), so that a healthy one shows itself.
fn question(port: u16) -> &'static [u8] {
    const ROOT_NS: &[u8] = &[0x75, 0x72, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    const NTP_CLIENT: &[u8] = &{
        let mut packet = [0; 48];
        packet[0] = 0x23;
        packet
    };
    match port {
        53 => ROOT_NS,
        123 => NTP_CLIENT,
        _ => &[],
    }
}

/// What comes within the wait, if anything.
async fn heard(fd: &AsyncFd<Socket>, began: Instant) -> Option<Answer> {
    let until = tokio::time::Instant::now() + WAIT;
    loop {
        let mut ready = timeout_at(until, fd.ready(Interest::READABLE | Interest::ERROR)).await.ok()?.ok()?;
        let socket = fd.get_ref();
        match take(socket) {
            Ok(()) => return Some(Answer::plain(Outcome::Open, began.elapsed())),
            Err(Errno::EAGAIN | Errno::EINTR) => match queue::drain(socket) {
                Some(told) => return Some(Answer::told(told, began.elapsed())),
                None => ready.clear_ready(),
            },
            Err(errno) => return Some(Answer::failed(errno, socket, began.elapsed())),
        }
    }
}

/// Takes one datagram, whatever its size, or the pending error.
fn take(mut socket: &Socket) -> Result<(), Errno> {
    socket.read(&mut [0; 16]).map(drop).map_err(|e| errno(&e))
}
