//! Forgets all connections of a network namespace, so that no case sees those of another.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

/// A netlink socket in the namespace of the thread that made it.
pub(crate) struct Conntrack(OwnedFd);

impl Conntrack {
    pub(crate) fn new() -> Self {
        let made =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter);
        Self(made.unwrap())
    }

    /// `IPCTNL_MSG_CT_DELETE` without a tuple: all of them.
    pub(crate) fn forget(&self) {
        const LENGTH: u32 = 20;
        const DELETE: u16 = (1 << 8) | 2;
        const REQUEST_AND_ACK: u16 = 1 | 4;
        let mut message = Vec::new();
        message.extend(LENGTH.to_ne_bytes());
        message.extend(DELETE.to_ne_bytes());
        message.extend(REQUEST_AND_ACK.to_ne_bytes());
        message.extend([0; 12]);
        sendto(self.0.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty()).unwrap();
        let mut answer = [0; 256];
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
        let errno = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
        assert!(length >= 20 && errno == 0, "connections are not forgotten: {errno}");
    }
}
