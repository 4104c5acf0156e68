//! A real connection attempt: does it work from here, and if not, who said no and how?
//!
//! One non-blocking attempt tells more than `nc`: the socket's error queue holds the ICMP error behind a "Connection
//! refused" and the address of whoever sent it, without any privilege (Linux 6.1 and 6.18). "Refused" with an empty
//! queue is a RST. The namespace's counters around the attempt tell a RST of this host's TCP from one a rule made.

mod answer;
mod path;
mod queue;
mod tcp;
mod udp;
mod unix;
mod words;

use std::time::Instant;

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Trouble, counters, trouble};
use crate::facts::Reading;
use crate::facts::connect::{Dial, Endpoint};
use crate::facts::path::Path;

/// Makes one attempt. Needs a tokio runtime with I/O and time.
pub async fn dial(to: &Endpoint) -> Reading<Dial> {
    let began = Instant::now();
    let before = counters::read();
    let answer = match to {
        Endpoint::Tcp(at) => tcp::attempt(*at).await,
        Endpoint::Udp(at) => udp::attempt(*at).await,
        Endpoint::Unix(path) => unix::attempt(path).await,
        Endpoint::Abstract(name) => unix::attempt(&format!("\0{name}")).await,
    };
    let moved = before.moved(&counters::read());
    trouble::reading(answer.map(|answer| Some(answer.into_dial(to.clone(), moved))), began)
}

/// The way of a TCP connection, hop by hop. There is none for other endpoints.
pub async fn path_to(to: &Endpoint) -> Reading<Path> {
    let began = Instant::now();
    let Endpoint::Tcp(at) = to else { return Reading::Absent };
    trouble::reading(path::sweep(*at).await.map(Some), began)
}

/// Watches a socket for everything that may happen to it.
#[expect(
    deprecated,
    reason = "its successor is an unsafe fn; a Socket owns its descriptor, which is all that asks for"
)]
fn watch(socket: Socket) -> Result<AsyncFd<Socket>, Trouble> {
    AsyncFd::with_interest(socket, Interest::READABLE | Interest::WRITABLE | Interest::ERROR)
        .map_err(|error| Trouble::failed(format!("cannot wait for the socket: {error}")))
}
