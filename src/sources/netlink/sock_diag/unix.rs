//! Unix sockets: who is bound to a name, and what the file system has there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::socket::SockProtocol;

use super::super::transport::{Netlink, Request};
use super::super::wire::{Message, attributes, u8_at, u32_at};
use super::BY_FAMILY;
use super::unix_file::{self, Identity};
use crate::facts::socket::{UnixBound, UnixFile, UnixSocket};
use crate::sources::Trouble;

const FAMILY_UNIX: u8 = 1;
const STATE_UNBOUND: u8 = 7;
const STATE_LISTEN: u8 = 10;
/// UDIAG_SHOW_NAME, UDIAG_SHOW_VFS, UDIAG_SHOW_RQLEN
const SHOW: u32 = 0x1 | 0x2 | 0x10;

/// What stands at a unix name (abstract with a leading `@`).
pub fn unix_socket(name: &str) -> Result<Option<UnixSocket>, Trouble> {
    if let Some(name) = name.strip_prefix('@') {
        let mut key = vec![0];
        key.extend(name.as_bytes());
        let bound = sockets(|s| s.name == key)?;
        return Ok(Some(UnixSocket { path: name.into(), file: UnixFile::Abstract, bound }));
    }
    let path = std::path::absolute(name).map_err(|e| Trouble::io("finding the path", &e))?;
    let (file, identity) = unix_file::look(&path)?;
    let bound = sockets(|s| s.is_at(&path, &file, identity.as_ref()))?;
    Ok(Some(UnixSocket { path: name.into(), file, bound }))
}

/// Sockets with a name that wait for somebody: listening, or bound and not connected. Accepted connections carry the
/// name of their listener too, and there may be 100,000 of them; they are left out in the kernel.
fn sockets(wanted: impl Fn(&Bound) -> bool) -> Result<Vec<UnixBound>, Trouble> {
    let mut netlink = Netlink::open(SockProtocol::NetlinkSockDiag)?;
    let body = request();
    let request = Request { doing: "asking the kernel for unix sockets (unix_diag)", kind: BY_FAMILY, body: &body };
    let mut found = netlink.list(request, |m| parse(&m).filter(&wanted).map(|b| b.socket))?;
    found.sort_by_key(|s| (!s.listening, s.inode));
    found.dedup_by_key(|s| s.inode);
    Ok(found)
}

/// struct unix_diag_req: family, protocol, pad, states, inode, show, cookie.
fn request() -> Vec<u8> {
    let mut body = vec![FAMILY_UNIX, 0, 0, 0];
    body.extend((1u32 << STATE_LISTEN | 1 << STATE_UNBOUND).to_ne_bytes());
    body.extend([0; 4]);
    body.extend(SHOW.to_ne_bytes());
    body.extend([0xff; 8]);
    body
}

/// A socket and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Bound {
    socket: UnixBound,
    /// As it was given to bind(2): a path, perhaps relative, or NUL and an abstract name.
    name: Vec<u8>,
    /// The file it made, which tells it apart from a later one of the same name.
    file: Option<Identity>,
}

impl Bound {
    /// Would a connection to `path`, where `file` stands, reach this socket?
    ///
    /// The kernel finds the socket by the file, so the file decides: links, other mounts and relative names lead to it,
    /// and a daemon whose file was replaced is not it. The name decides where there is no file any more (the daemon
    /// lives on, unreachable) or we may not look.
    fn is_at(&self, path: &Path, file: &UnixFile, identity: Option<&Identity>) -> bool {
        let same_name = || Path::new(OsStr::from_bytes(&self.name)) == path;
        match (file, identity, &self.file) {
            (UnixFile::There { .. }, Some(theirs), Some(mine)) if theirs.comparable => theirs.is(mine),
            (UnixFile::There { .. }, Some(theirs), Some(mine)) => {
                theirs.may_be(mine) && self.last_part() == path.file_name()
            }
            (UnixFile::There { .. } | UnixFile::Missing { .. } | UnixFile::Hidden { .. }, _, _) => same_name(),
            (UnixFile::Abstract, _, _) => false,
        }
    }

    fn last_part(&self) -> Option<&OsStr> {
        Path::new(OsStr::from_bytes(&self.name)).file_name()
    }
}

pub(in crate::sources) fn parse(message: &Message<'_>) -> Option<Bound> {
    // struct unix_diag_msg: family, type, state, pad, inode, cookie
    let body = message.body;
    let state = u8_at(body, 2)?;
    let listening = state == STATE_LISTEN;
    if message.kind != BY_FAMILY || u8_at(body, 0)? != FAMILY_UNIX || !(listening || state == STATE_UNBOUND) {
        return None;
    }
    let (mut name, mut file, mut queue, mut backlog) = (None, None, 0, 0);
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            0 => name = Some(trimmed(value)),
            1 => file = Some(Identity::of_kernel(u32_at(value, 0)?, u32_at(value, 4)?)),
            4 => (queue, backlog) = (u32_at(value, 0)?, u32_at(value, 4)?),
            _ => {}
        }
    }
    let backlog = if listening { backlog } else { 0 };
    let socket = UnixBound { kind: kind(u8_at(body, 1)?).into(), listening, inode: u32_at(body, 4)?, queue, backlog };
    Some(Bound { socket, name: name?, file })
}

/// A path without the NULs that end it. In an abstract name (which begins with one) they count.
fn trimmed(name: &[u8]) -> Vec<u8> {
    match name.first() {
        Some(0) => name.to_vec(),
        _ => name.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
    }
}

fn kind(number: u8) -> &'static str {
    match number {
        1 => "stream",
        2 => "dgram",
        5 => "seqpacket",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::tests::spoiled;
    use crate::sources::netlink::wire::{Step, messages};

    /// Answer of a 6.18 kernel, all states asked for.
    const UNIX: &[u8] = include_bytes!("../captured/unix.bin");

    fn read(bytes: &[u8]) -> Vec<Bound> {
        messages(bytes).filter(|m| m.step(7) == Step::Entry).filter_map(|m| parse(&m)).collect()
    }

    fn named<'a>(bound: &'a [Bound], name: &[u8]) -> &'a Bound {
        bound.iter().find(|b| b.name == name).unwrap()
    }

    #[test]
    fn every_field_of_a_socket_is_read() {
        let bound = read(UNIX);
        let socket = UnixBound { kind: "stream".into(), listening: true, inode: 334_878, queue: 1, backlog: 3 };
        let file = Identity::of_kernel(10_010_943, 254 << 20);
        assert_eq!(named(&bound, b"/tmp/cap.sock"), &Bound { socket, name: b"/tmp/cap.sock".into(), file: Some(file) });
        let dead = named(&bound, b"cap-dead.sock");
        assert_eq!((dead.socket.kind.as_str(), dead.socket.listening, dead.socket.backlog), ("dgram", false, 0));
        let odd = named(&bound, b"\0cap\0x");
        assert_eq!((odd.socket.kind.as_str(), odd.socket.backlog, &odd.file), ("seqpacket", 9, &None));
        assert_eq!(bound.len(), 3, "the client that is connected to cap.sock is none of them");
    }

    #[test]
    fn the_file_decides_where_it_can() {
        let bound = read(UNIX);
        let (live, relative) = (named(&bound, b"/tmp/cap.sock"), named(&bound, b"cap-dead.sock"));
        let there = UnixFile::There {
            kind: "socket".into(),
            mode: 0o755,
            uid: 0,
            user: None,
            gid: 0,
            group: None,
            writable: true,
        };
        let missing = UnixFile::Missing { missing: "/tmp/cap.sock".into() };
        let path = Path::new("/tmp/cap.sock");
        let same = Identity::of_kernel(10_010_943, 254 << 20);
        let other_file = Identity::of_kernel(10_010_999, 254 << 20);
        let other_device = Identity::of_kernel(10_010_943, 253 << 20);
        assert!(live.is_at(path, &there, Some(&same)));
        assert!(live.is_at(Path::new("/other/name"), &there, Some(&same)), "links and mounts lead to it");
        assert!(!live.is_at(path, &there, Some(&other_file)), "its file was replaced");
        assert!(!live.is_at(path, &there, Some(&other_device)));
        assert!(relative.is_at(path, &there, relative.file.as_ref()));
        assert!(live.is_at(path, &missing, None), "its file was removed");
        assert!(!relative.is_at(path, &missing, None));
        let mut overlay = other_device;
        overlay.comparable = false;
        assert!(live.is_at(path, &there, Some(&overlay)), "stat and the kernel number this device differently");
        assert!(live.is_at(Path::new("/link/to/cap.sock"), &there, Some(&overlay)));
        assert!(!relative.is_at(path, &there, Some(&overlay)));
        overlay.inode += 1;
        assert!(!live.is_at(path, &there, Some(&overlay)), "its file was replaced");
    }

    #[test]
    fn nuls_end_a_path_and_belong_to_an_abstract_name() {
        assert_eq!(trimmed(b"/run/x.sock\0\0"), b"/run/x.sock");
        assert_eq!(trimmed(b"\0x\0\0"), b"\0x\0\0");
        assert_eq!(trimmed(b""), b"");
    }

    #[test]
    fn spoiled_answers_never_break_the_reading() {
        for bytes in spoiled(UNIX) {
            assert!(read(&bytes).len() <= 8);
        }
    }
}
