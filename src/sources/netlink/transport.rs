//! A netlink socket: one question, and the kernel's answer entry by entry.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::{libc, setsockopt_impl, sockopt_impl};

use super::wire::{self, Message, Step};
use crate::sources::Trouble;

/// The kernel fills at most 32 KiB at once (measured: 4 KiB buffers take four times as long, more than 32 KiB no less).
const BUFFER: usize = 64 * 1024;
/// The kernel answers at once or not at all; this only keeps a thread from waiting for ever.
const PATIENCE_S: i64 = 2;
/// How often a list is read again because it changed under our hands.
const TRIES: usize = 5;

sockopt_impl!(
    /// `NETLINK_GET_STRICT_CHK`.
    StrictCheck, SetOnly, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, bool
);

/// A question whose answer is a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// What is asked for, as a clause after "because" when it fails: `asking for TCP sockets`.
    pub(super) doing: &'a str,
    /// Message type.
    pub(super) kind: u16,
    /// What follows the header.
    pub(super) body: &'a [u8],
}

/// A netlink socket. It belongs to the network namespace of the thread that opened it, for ever.
#[derive(Debug)]
pub(super) struct Netlink {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

/// How one pass over a list ended.
enum Pass<T> {
    Whole(Vec<T>),
    Changed,
    Refused(Errno),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its last entry.
    Whole,
    /// With its last entry, but what was listed changed meanwhile: entries may be missing or double.
    Changed,
    /// Whoever took it had enough. The rest stays unread, so the socket is used up.
    Stopped,
    /// The kernel does not give it, or gave up.
    Refused(Errno),
}

/// A piece of an answer, as it was received: several messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The messages.
    pub(super) bytes: &'a [u8],
    /// The request they belong to.
    pub(super) sequence: u32,
}

impl<'a> Piece<'a> {
    /// The entries in it.
    pub(super) fn entries(self) -> impl Iterator<Item = Message<'a>> {
        wire::messages(self.bytes).filter(move |m| m.step(self.sequence) == Step::Entry)
    }
}

impl Netlink {
    /// Opens a socket to one of the kernel's services.
    pub(super) fn open(service: SockProtocol) -> Result<Self, Trouble> {
        Self::connect(service).map_err(|e| Trouble::io("opening a netlink socket", &e))
    }

    /// Opens a socket, for those who care why it fails.
    pub(super) fn connect(service: SockProtocol) -> io::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, service)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(PATIENCE_S))?;
        Ok(Self { fd, buffer: vec![0; BUFFER], sequence: 0 })
    }

    /// Lists are to hold only what a request describes (its type, its table). False: this kernel cannot do that.
    pub(super) fn filters(&mut self) -> bool {
        setsockopt(&self.fd, StrictCheck, &true).is_ok()
    }

    /// Reads a whole list, and again when it changed meanwhile. `parse` skips what it does not know.
    pub(super) fn list<T>(
        &mut self,
        request: Request<'_>,
        parse: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Trouble> {
        self.list_or_errno(request, parse)?.map_err(|errno| Trouble::io(request.doing, &errno.into()))
    }

    /// The same. The inner error is the kernel's answer, not a failure to ask.
    pub(super) fn list_or_errno<T>(
        &mut self,
        request: Request<'_>,
        mut parse: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Result<Vec<T>, Errno>, Trouble> {
        for _ in 0..TRIES {
            let pass = self.pass(request, |message, found| {
                found.extend(parse(message));
                ControlFlow::Continue(())
            })?;
            match pass {
                Pass::Whole(found) => return Ok(Ok(found)),
                Pass::Refused(errno) => return Ok(Err(errno)),
                Pass::Changed => {}
            }
        }
        Err(Trouble::failed(format!("{}: it changed each time it was read", request.doing)))
    }

    /// Reads a list until `parse` breaks off. The rest stays unread, so the socket is used up.
    pub(super) fn list_until<T>(
        mut self,
        request: Request<'_>,
        parse: impl FnMut(Message<'_>, &mut Vec<T>) -> ControlFlow<()>,
    ) -> Result<Vec<T>, Trouble> {
        match self.pass(request, parse)? {
            Pass::Whole(found) => Ok(found),
            Pass::Refused(errno) => Err(Trouble::io(request.doing, &errno.into())),
            Pass::Changed => Err(Trouble::failed(format!("{}: it changed while it was read", request.doing))),
        }
    }

    /// Asks for one thing. The inner error is the kernel's answer, not a failure to ask; ENOENT, too, where it says nothing
    /// (some kernels do so for the missing end of an interval in a set).
    pub(super) fn one<T>(
        &mut self,
        request: Request<'_>,
        mut parse: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Result<T, Errno>, Trouble> {
        let failed = |e: Errno| Trouble::io(request.doing, &e.into());
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let bytes = wire::single_request(request.kind, sequence, request.body);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty()).map_err(failed)?;
        loop {
            for message in wire::messages(self.receive().map_err(failed)?) {
                match message.step(sequence) {
                    Step::Entry => {
                        let said = parse(message);
                        return said.map(Ok).ok_or_else(|| Trouble::failed(format!("{}: no answer", request.doing)));
                    }
                    Step::Refused(errno) => return Ok(Err(Errno::from_raw(errno))),
                    Step::Done => return Ok(Err(Errno::ENOENT)),
                    Step::Skip => {}
                }
            }
        }
    }

    #[cfg(feature = "libnftnl")]
    /// Sends several messages at once, which the kernel carries out all together or not at all. `first` to `last` are
    /// their sequence numbers; one of them asks to be acknowledged. The inner error is the kernel's answer.
    pub(super) fn transact(
        &mut self,
        doing: &str,
        bytes: &[u8],
        (first, last): (u32, u32),
    ) -> Result<Result<(), Errno>, Trouble> {
        let failed = |e: Errno| Trouble::io(doing, &e.into());
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty()).map_err(failed)?;
        loop {
            for message in wire::messages(self.receive().map_err(failed)?) {
                let said = (first..=last).map(|sequence| message.step(sequence)).find(|step| *step != Step::Skip);
                match said {
                    Some(Step::Refused(errno)) => return Ok(Err(Errno::from_raw(errno))),
                    Some(Step::Done) => return Ok(Ok(())),
                    Some(Step::Entry | Step::Skip) | None => {}
                }
            }
        }
    }

    fn pass<T>(
        &mut self,
        request: Request<'_>,
        mut parse: impl FnMut(Message<'_>, &mut Vec<T>) -> ControlFlow<()>,
    ) -> Result<Pass<T>, Trouble> {
        let mut found = Vec::new();
        let end = self.dump(request, |piece| piece.entries().try_for_each(|m| parse(m, &mut found)))?;
        Ok(match end {
            End::Whole | End::Stopped => Pass::Whole(found),
            End::Changed => Pass::Changed,
            End::Refused(errno) => Pass::Refused(errno),
        })
    }

    /// Reads a list once, piece by piece as it is received (up to 32 KiB each).
    pub(super) fn dump(
        &mut self,
        request: Request<'_>,
        mut take: impl FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<End, Trouble> {
        let failed = |e: Errno| Trouble::io(request.doing, &e.into());
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let bytes = wire::dump_request(request.kind, sequence, request.body);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty()).map_err(failed)?;
        let mut changed = false;
        loop {
            let bytes = self.receive().map_err(failed)?;
            let mut done = false;
            for message in wire::messages(bytes) {
                changed |= message.interrupted();
                match message.step(sequence) {
                    Step::Entry | Step::Skip => {}
                    Step::Done => done = true,
                    Step::Refused(errno) => return Ok(End::Refused(Errno::from_raw(errno))),
                }
            }
            if take(Piece { bytes, sequence }).is_break() {
                return Ok(End::Stopped);
            }
            if done {
                return Ok(if changed { End::Changed } else { End::Whole });
            }
        }
    }

    fn receive(&mut self) -> nix::Result<&[u8]> {
        let received = loop {
            // With MSG_TRUNC the true length is told, so a cut message cannot pass for a short one.
            match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(Errno::ETIMEDOUT),
                other => break other?,
            }
        };
        self.buffer.get(..received).ok_or(Errno::EMSGSIZE)
    }
}
