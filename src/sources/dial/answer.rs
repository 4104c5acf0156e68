//! What came of an attempt, and which word of the contract each errno is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;
use socket2::Socket;

use super::super::Trouble;
use super::queue::{self, Told};
use crate::facts::connect::{Counter, Dial, Endpoint, Icmp, Outcome};

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) errno: Option<Errno>,
    pub(super) icmp: Option<Icmp>,
    pub(super) source: Option<SocketAddr>,
    pub(super) after: Duration,
    pub(super) retransmits: u32,
    pub(super) banner: Option<String>,
}

impl Answer {
    /// An outcome without an errno.
    pub(super) fn plain(outcome: Outcome, after: Duration) -> Self {
        Self { outcome, errno: None, icmp: None, source: None, after, retransmits: 0, banner: None }
    }

    /// An errno, and whatever ICMP error the socket's queue says is behind it.
    pub(super) fn failed(errno: Errno, socket: &Socket, after: Duration) -> Self {
        let icmp = queue::drain(socket).map(|told| told.icmp);
        Self { errno: Some(errno), icmp, ..Self::plain(outcome(errno), after) }
    }

    /// An ICMP error.
    pub(super) fn told(told: Told, after: Duration) -> Self {
        Self { errno: Some(told.errno), icmp: Some(told.icmp), ..Self::plain(outcome(told.errno), after) }
    }

    /// The socket itself could not be made: what that says of the target, if anything.
    pub(super) fn without_socket(error: &io::Error) -> Result<Self, Trouble> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others (EMFILE, ENOBUFS) are our own trouble")]
        match errno(error) {
            // Kernel without this family (ipv6.disable=1), or a sandbox that forbids it: every connect fails like this.
            e @ (Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT | Errno::EACCES | Errno::EPERM) => {
                Ok(Self { errno: Some(e), ..Self::plain(outcome(e), Duration::ZERO) })
            }
            _ => Err(Trouble::failed(format!("no socket to connect with: {error}"))),
        }
    }

    pub(super) fn from(mut self, source: Option<SocketAddr>) -> Self {
        self.source = source;
        self
    }

    pub(super) fn into_dial(self, to: Endpoint, counters: Vec<Counter>) -> Dial {
        Dial {
            to,
            source: self.source,
            outcome: self.outcome,
            errno: self.errno.map(|e| format!("{e:?}")),
            icmp: self.icmp,
            after: self.after,
            retransmits: self.retransmits,
            banner: self.banner,
            counters,
        }
    }
}

/// The outcome an errno of `connect` or `send` means.
pub(super) fn outcome(errno: Errno) -> Outcome {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the contract's word for every other errno is `error`")]
    match errno {
        Errno::ECONNREFUSED => Outcome::Refused,
        Errno::ECONNRESET | Errno::EPIPE => Outcome::Reset,
        Errno::ETIMEDOUT => Outcome::Timeout,
        // EINVAL is what a blackhole route gives (CONTRACT), ENETDOWN an interface that is down.
        Errno::EHOSTUNREACH
        | Errno::ENETUNREACH
        | Errno::ENOPROTOOPT
        | Errno::EINVAL
        | Errno::EADDRNOTAVAIL
        | Errno::ENETDOWN
        | Errno::EHOSTDOWN => Outcome::Unreachable,
        Errno::EACCES | Errno::EPERM => Outcome::Denied,
        _ => Outcome::Error,
    }
}

/// The errno of an I/O error.
pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// Our own end of a socket, once the kernel has chosen it.
pub(super) fn own_end(socket: &Socket) -> Option<SocketAddr> {
    socket.local_addr().ok()?.as_socket().filter(|at| !at.ip().is_unspecified())
}

/// IPv4 written as IPv6 (`::ffff:10.0.0.5`) travels as IPv4, and its errors come on an IPv4 socket's queue.
pub(super) fn canonical(at: SocketAddr) -> SocketAddr {
    match at.ip().to_canonical() {
        v4 if v4.is_ipv4() => SocketAddr::new(v4, at.port()),
        _ => at,
    }
}
