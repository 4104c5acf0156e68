//! The network of the sandbox: loopback, and `eth0` with 10.0.0.5, 10.0.0.6 and fd00::5. Made over rtnetlink, so that
//! the demo needs no `ip` program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

use crate::sources::netlink::wire::{self, Step};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const CREATE_NEW: u16 = 0x200 | 0x400;
const NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VETH_PEER: u16 = 1;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const UP: u32 = 1;
/// No duplicate address detection: the address is usable at once.
const NO_DAD: u8 = 0x02;

const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(10, 0, 0, 6)];
const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5);

/// Builds it in the network namespace of this thread.
pub(super) fn build() -> nix::Result<()> {
    let mut kernel = Kernel::open()?;
    kernel.up("lo")?;
    let device = if kernel.pair("eth0", "eth0-wire").and_then(|()| kernel.up("eth0-wire")).is_ok() {
        kernel.up("eth0")?;
        "eth0"
    } else {
        "lo" // a kernel without veth: the addresses matter more than the interface they are on
    };
    let index = if_nametoindex(device)?;
    for address in V4 {
        kernel.address(index, address.into(), 24)?;
    }
    match kernel.address(index, V6.into(), 64) {
        // A kernel without IPv6, or with it disabled.
        Ok(()) | Err(Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP | Errno::EACCES) => Ok(()),
        other => other,
    }
}

/// A netlink socket that changes links and addresses.
struct Kernel {
    fd: OwnedFd,
    sequence: u32,
}

impl Kernel {
    fn open() -> nix::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { fd, sequence: 0 })
    }

    fn up(&mut self, name: &str) -> nix::Result<()> {
        self.ask(NEW_LINK, 0, &[link(UP), attribute(NAME, &named(name))].concat())
    }

    fn pair(&mut self, name: &str, peer: &str) -> nix::Result<()> {
        let peer = attribute(VETH_PEER, &[link(0), attribute(NAME, &named(peer))].concat());
        let info = [attribute(INFO_KIND, &named("veth")), attribute(INFO_DATA, &peer)].concat();
        self.ask(NEW_LINK, CREATE_NEW, &[link(0), attribute(NAME, &named(name)), attribute(LINK_INFO, &info)].concat())
    }

    fn address(&mut self, index: u32, address: IpAddr, prefix: u8) -> nix::Result<()> {
        let (family, bytes) = match address {
            IpAddr::V4(v4) => (2, v4.octets().to_vec()),
            IpAddr::V6(v6) => (10, v6.octets().to_vec()),
        };
        let mut body = vec![family, prefix, NO_DAD, 0]; // struct ifaddrmsg, scope global
        body.extend(index.to_ne_bytes());
        body.extend(attribute(LOCAL, &bytes));
        body.extend(attribute(ADDRESS, &bytes));
        self.ask(NEW_ADDRESS, CREATE_NEW, &body)
    }

    /// Asks for a change and waits for the answer.
    fn ask(&mut self, kind: u16, flags: u16, body: &[u8]) -> nix::Result<()> {
        self.sequence += 1;
        let request = request(kind, REQUEST | ACK | flags, self.sequence, body);
        send(self.fd.as_raw_fd(), &request, MsgFlags::empty())?;
        let mut buffer = [0; 8192];
        loop {
            let received = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            for message in wire::messages(buffer.get(..received).unwrap_or_default()) {
                match message.step(self.sequence) {
                    Step::Done => return Ok(()),
                    Step::Refused(errno) => return Err(Errno::from_raw(errno)),
                    Step::Entry | Step::Skip => {}
                }
            }
        }
    }
}

fn request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    const HEADER: usize = 16;
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// `struct ifinfomsg` for a link that is named, not numbered.
fn link(flags: u32) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes()); // which flags change
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(usize::from(length).next_multiple_of(4));
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn named(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let inner = attribute(NAME, &named("eth0"));
        let bytes = request(NEW_LINK, REQUEST | ACK, 7, &[link(UP), inner].concat());
        assert_eq!(bytes.len() % 4, 0);
        let message = wire::messages(&bytes).next().unwrap();
        assert_eq!((message.kind, message.body.len()), (NEW_LINK, 16 + 12));
        let attributes: Vec<_> = wire::attributes(&message.body[16..]).collect();
        assert_eq!(attributes, [(NAME, &b"eth0\0"[..])]);
    }
}
