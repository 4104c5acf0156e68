//! Addresses, interfaces and routes of this host: the kernel says over rtnetlink that one came or went.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{bind, recv, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::polled::look;
use super::{TOGETHER, Teller};
use crate::sources::dbus::Bus;

/// What the kernel is asked to tell of (rtnetlink(7), as bits of `RTNLGRP_...`), and at what pace it is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Groups {
    bits: u32,
    /// Changes within this time are told as one.
    together: Duration,
    /// What comes without a word is seen after this time.
    at_least_every: Duration,
}

const LINK: u32 = 0x1;
const TC: u32 = 0x8;
const ADDRESS: u32 = 0x10 | 0x100;
const ROUTE: u32 = 0x40 | 0x400;
const RULE: u32 = 0x80 | 0x4_0000;

/// Routes are left out: a router has too many. The default route is part of the answer and comes without a word.
pub(super) const ADDRESSES: Groups =
    Groups { bits: LINK | ADDRESS, together: TOGETHER, at_least_every: Duration::from_secs(10) };
/// An XDP program that goes with its owner comes without a word.
pub(super) const LINKS: Groups =
    Groups { bits: LINK | TC, together: TOGETHER, at_least_every: Duration::from_secs(10) };
/// One look is cheap, but a router's table changes all the time.
pub(super) const ROUTES: Groups = Groups {
    bits: LINK | ADDRESS | ROUTE | RULE,
    together: Duration::from_millis(500),
    at_least_every: Duration::from_secs(60),
};

/// Looks again when the kernel says so, and every now and then.
pub(super) async fn watch(bus: Arc<Bus>, mut teller: Teller, told: Groups) {
    let events = open(SockProtocol::NetlinkRoute, told.bits);
    let mut before = None;
    loop {
        if look(&bus, &mut teller, &mut before).await.is_err() {
            return;
        }
        if let Some(events) = &events {
            // Either way it is time to look again.
            let _ = tokio::time::timeout(told.at_least_every, next(events)).await;
            tokio::time::sleep(told.together).await;
        } else {
            tokio::time::sleep(told.at_least_every).await;
        }
    }
}

/// A socket that is told of changes. It belongs to the network namespace of this thread.
#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd stays the same open file as long as it lives")]
pub(super) fn open(service: SockProtocol, groups: u32) -> Option<AsyncFd<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, service).ok()?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).ok()?;
    AsyncFd::with_interest(fd, Interest::READABLE).ok()
}

/// Waits for an event and takes all that are there. What they say does not matter, nor whether some were lost.
async fn next(events: &AsyncFd<OwnedFd>) {
    let Ok(mut ready) = events.readable().await else { return };
    let mut buffer = [0; 8192];
    while let Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) = recv(events.as_raw_fd(), &mut buffer, MsgFlags::empty()) {}
    ready.clear_ready();
}
