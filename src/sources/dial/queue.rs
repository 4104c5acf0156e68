//! The error queue of a socket: the ICMP errors that answered us, and who sent them.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{self, sock_extended_err, sockaddr_in6};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::Socket;

use crate::facts::connect::Icmp;

/// An ICMP error, and the errno the kernel makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) errno: Errno,
    pub(super) icmp: Icmp,
}

/// Entries read of one queue, at most: an attempt gets one or two.
const MOST: usize = 16;

/// Asks the kernel to keep ICMP errors. A kernel that does not still gives the errno, so failing here is no matter.
pub(super) fn keep(socket: &Socket, v6: bool) {
    let _ = if v6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)
    };
}

/// Empties the queue and yields the first ICMP error that ends an attempt. Read `SO_ERROR` before: taking an entry out
/// clears it (Linux 6.1, 6.18).
pub(super) fn drain(socket: &Socket) -> Option<Told> {
    let mut first = None;
    for _ in 0..MOST {
        match next(socket) {
            Ok(told) => first = first.or(told),
            Err(_) => break,
        }
    }
    first
}

fn next(socket: &Socket) -> nix::Result<Option<Told>> {
    // The payload is the packet of ours that was answered; only the control message matters.
    let mut payload = [0; 64];
    let mut iov = [IoSliceMut::new(&mut payload)];
    let mut control = nix::cmsg_space!(sock_extended_err, sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags)?;
    Ok(message.cmsgs()?.find_map(|message| told(&message)))
}

fn told(message: &ControlMessageOwned) -> Option<Told> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "other control messages (timestamps) say nothing of errors")]
    match message {
        ControlMessageOwned::Ipv4RecvErr(error, offender) => {
            let from = offender.filter(|a| i32::from(a.sin_family) == libc::AF_INET);
            // s_addr is in network order in memory.
            let from = from.map(|a| IpAddr::V4(Ipv4Addr::from(a.sin_addr.s_addr.to_ne_bytes())));
            ends(error, false, from)
        }
        ControlMessageOwned::Ipv6RecvErr(error, offender) => {
            let from = offender.filter(|a| i32::from(a.sin6_family) == libc::AF_INET6);
            let from = from.map(|a| IpAddr::V6(Ipv6Addr::from(a.sin6_addr.s6_addr)));
            ends(error, true, from)
        }
        _ => None,
    }
}

/// Only ICMP errors that end an attempt: "packet too big" does not.
fn ends(error: &sock_extended_err, v6: bool, from: Option<IpAddr>) -> Option<Told> {
    const FRAGMENTATION_NEEDED: u8 = 4;
    let from_icmp = error.ee_origin == if v6 { libc::SO_EE_ORIGIN_ICMP6 } else { libc::SO_EE_ORIGIN_ICMP };
    let final_word = match (v6, error.ee_type) {
        (false, 3) => error.ee_code != FRAGMENTATION_NEEDED,
        (false, 11 | 12) | (true, 1 | 3 | 4) => true,
        _ => false,
    };
    let errno = Errno::from_raw(i32::try_from(error.ee_errno).unwrap_or(0));
    (from_icmp && final_word)
        .then_some(Told { errno, icmp: Icmp { v6, kind: error.ee_type, code: error.ee_code, from } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(origin: u8, kind: u8, code: u8) -> sock_extended_err {
        sock_extended_err {
            ee_errno: 111,
            ee_origin: origin,
            ee_type: kind,
            ee_code: code,
            ee_pad: 0,
            ee_info: 0,
            ee_data: 0,
        }
    }

    #[test]
    fn only_icmp_errors_that_end_an_attempt_count() {
        let told = |origin, v6, kind, code| ends(&error(origin, kind, code), v6, None).map(|t| t.errno);
        assert_eq!(told(libc::SO_EE_ORIGIN_ICMP, false, 3, 3), Some(Errno::ECONNREFUSED));
        assert_eq!(told(libc::SO_EE_ORIGIN_ICMP6, true, 1, 4), Some(Errno::ECONNREFUSED));
        assert_eq!(told(libc::SO_EE_ORIGIN_ICMP, false, 3, 4), None, "path MTU");
        assert_eq!(told(libc::SO_EE_ORIGIN_ICMP6, true, 2, 0), None, "packet too big");
        assert_eq!(told(libc::SO_EE_ORIGIN_LOCAL, false, 3, 3), None, "not from the network");
    }
}
