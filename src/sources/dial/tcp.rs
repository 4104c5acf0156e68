//! One TCP connection attempt.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout_at;

use super::super::Trouble;
use super::answer::{Answer, canonical, errno, outcome, own_end};
use super::queue;
use super::watch;
use super::words::{self, FirstWords};
use crate::facts::connect::Outcome;

/// This host answers within microseconds; what is silent for two SYNs (one retransmit after 1 s) is dropped.
const LOCAL_LIMIT: Duration = Duration::from_secs(2);
/// A dead neighbour is reported after 3.1 s (three ARP or ND requests).
const REMOTE_LIMIT: Duration = Duration::from_secs(5);

/// `struct tcp_info` up to `tcpi_total_retrans`, its last field in the oldest kernels; later ones only append.
type TcpInfoBytes = [u8; 104];

sockopt_impl!(
    /// TCP_INFO as bytes.
    TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, TcpInfoBytes
);

/// Makes one attempt.
pub(super) async fn attempt(at: SocketAddr) -> Result<Answer, Trouble> {
    let at = canonical(at);
    let socket = match non_blocking(at) {
        Ok(socket) => socket,
        Err(error) => return Answer::without_socket(&error),
    };
    let began = Instant::now();
    let connecting = socket.connect(&at.into()).map_err(|e| errno(&e));
    let source = own_end(&socket);
    match connecting {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Ok(Answer::failed(errno, &socket, began.elapsed()).from(source)),
    }
    let limit = if is_local(at, source) { LOCAL_LIMIT } else { REMOTE_LIMIT };
    // Only after connect(): an unconnected TCP socket reports itself ready (EPOLLOUT | EPOLLHUP).
    let fd = watch(socket)?;
    let failure = handshake(&fd, began, limit).await;
    let retransmits = retransmits(fd.get_ref());
    let mut answer = match failure {
        Some(answer) => answer,
        None => opened(fd, began).await,
    };
    answer.retransmits = retransmits;
    Ok(answer.from(source))
}

pub(super) fn non_blocking(at: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    queue::keep(&socket, at.is_ipv6());
    Ok(socket)
}

/// For an address of its own the kernel chooses that very address as ours.
fn is_local(at: SocketAddr, source: Option<SocketAddr>) -> bool {
    let ip = at.ip();
    ip.is_loopback() || ip.is_unspecified() || source.is_some_and(|s| s.ip() == ip)
}

/// Waits for the handshake; yields the answer when it fails.
pub(super) async fn handshake(fd: &AsyncFd<Socket>, began: Instant, limit: Duration) -> Option<Answer> {
    let until = tokio::time::Instant::from_std(began + limit);
    loop {
        let ready = timeout_at(until, fd.ready(Interest::WRITABLE | Interest::ERROR)).await;
        match progress(fd.get_ref(), began) {
            Progress::Connected => return None,
            Progress::Failed(answer) => return Some(*answer),
            Progress::Waiting => {}
        }
        match ready {
            Ok(Ok(mut ready)) => ready.clear_ready(),
            Ok(Err(_)) | Err(_) => return Some(Answer::plain(Outcome::Timeout, began.elapsed())),
        }
    }
}

enum Progress {
    Connected,
    Failed(Box<Answer>),
    Waiting,
}

/// How far a connection in progress is. The order matters: `SO_ERROR` first, because reading the queue clears it.
fn progress(socket: &Socket, began: Instant) -> Progress {
    if let Ok(Some(error)) = socket.take_error() {
        return Progress::Failed(Box::new(Answer::failed(errno(&error), socket, began.elapsed())));
    }
    if socket.peer_addr().is_ok() {
        return Progress::Connected;
    }
    // An ICMP error from this very host arrives while connect() still holds the socket. The kernel then notes it only
    // as a soft error and would fail the connect after the next SYN, a second later. The queue has it at once.
    match queue::drain(socket) {
        Some(told) => Progress::Failed(Box::new(Answer::told(told, began.elapsed()))),
        None => Progress::Waiting,
    }
}

async fn opened(fd: AsyncFd<Socket>, began: Instant) -> Answer {
    let open = Answer::plain(Outcome::Open, began.elapsed());
    let answer = match words::first(&fd).await {
        FirstWords::None => open,
        FirstWords::Greeting(said) => Answer { banner: Some(said), ..open },
        FirstWords::HungUp => Answer::plain(Outcome::Closed, began.elapsed()),
        FirstWords::Reset(errno) => Answer { errno: Some(errno), ..Answer::plain(outcome(errno), began.elapsed()) },
    };
    words::take_leave(fd);
    answer
}

/// SYNs sent again.
fn retransmits(socket: &Socket) -> u32 {
    getsockopt(socket, TcpInfo).ok().and_then(|info| info.last_chunk::<4>().copied()).map_or(0, u32::from_ne_bytes)
}
