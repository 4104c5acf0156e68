//! Addresses of this host: the kernel says over rtnetlink that one came or went.

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

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR (rtnetlink(7)). Routes are left out: a router has too many.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// The default route is part of the answer and comes without a word.
const AT_LEAST_EVERY: Duration = Duration::from_secs(10);

/// Looks again when the kernel says so, and every now and then.
pub(super) async fn watch(bus: Arc<Bus>, mut teller: Teller) {
    let events = open();
    let mut before = None;
    loop {
        if look(&bus, &mut teller, &mut before).await.is_err() {
            return;
        }
        if let Some(events) = &events {
            // Either way it is time to look again.
            let _ = tokio::time::timeout(AT_LEAST_EVERY, next(events)).await;
            tokio::time::sleep(TOGETHER).await;
        } else {
            tokio::time::sleep(AT_LEAST_EVERY).await;
        }
    }
}

#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd stays the same open file as long as it lives")]
fn open() -> Option<AsyncFd<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).ok()?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).ok()?;
    AsyncFd::with_interest(fd, Interest::READABLE).ok()
}

/// Waits for an event and takes all that are there. What they say does not matter, nor whether some were lost.
async fn next(events: &AsyncFd<OwnedFd>) {
    let Ok(mut ready) = events.readable().await else { return };
    let mut buffer = [0; 8192];
    while let Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) = recv(events.as_raw_fd(), &mut buffer, MsgFlags::empty()) {}
    ready.clear_ready();
}
