//! systemd without a bus: root may speak to it over its own socket, as systemctl does on hosts that run no D-Bus daemon.
//!
//! systemd signs what it says there with its bus name. A sender must be a unique name (`:1.5`) by the D-Bus
//! specification, and zbus drops the connection otherwise: so the name is replaced on the way in, by one as long.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

use super::{CONNECT_WITHIN, systemd, within};

const SOCKET: &str = "/run/systemd/private";
const SIGNED: &[u8] = systemd::NAME.as_bytes();
const UNIQUE: &[u8] = b":1.systemd-speaks-itself";
const _: () = assert!(SIGNED.len() == UNIQUE.len());

/// A connection to systemd itself; none where that is not possible.
pub(super) async fn connect(answer: Duration) -> Option<Connection> {
    if !Path::new(SOCKET).exists() {
        return None;
    }
    let stream =
        tokio::time::timeout(crate::sources::patient(CONNECT_WITHIN), UnixStream::connect(SOCKET)).await.ok()?.ok()?;
    within(Builder::socket(Private(stream)).p2p(), answer).await.ok()
}

#[derive(Debug)]
struct Private(UnixStream);

impl Socket for Private {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.0.into_split();
        Split::new(Reader { from: read, records: Records::default() }, Writer(write))
    }
}

#[derive(Debug)]
struct Reader {
    from: OwnedReadHalf,
    records: Records,
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let mut chunk = [0; 8192];
        while self.records.ready.is_empty() {
            let read = self.from.read(&mut chunk).await?;
            if read == 0 {
                return Ok((0, Vec::new()));
            }
            self.records.take(chunk.get(..read).unwrap_or_default());
        }
        let mut from = self.records.ready.as_slice();
        let given = io::Read::read(&mut from, buffer)?;
        self.records.ready.drain(..given);
        Ok((given, Vec::new()))
    }
}

#[derive(Debug)]
struct Writer(OwnedWriteHalf);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write(buffer).await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// Cuts what systemd says into lines of the handshake, headers and bodies, and renames the sender in each header.
#[derive(Debug, Default)]
struct Records {
    pending: Vec<u8>,
    body_left: usize,
    ready: Vec<u8>,
}

impl Records {
    fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        loop {
            let Some(length) = self.next_length() else { return };
            let mut record: Vec<u8> = self.pending.drain(..length).collect();
            if self.body_left > 0 {
                self.body_left -= length;
            } else if let Some((_, body)) = sizes(&record) {
                self.body_left = body;
                rename(&mut record);
            }
            self.ready.append(&mut record);
        }
    }

    /// Bytes of the next record, once it is there: what there is of a body, a whole header, a whole line.
    fn next_length(&self) -> Option<usize> {
        let there = self.pending.len();
        if self.body_left > 0 {
            return Some(there.min(self.body_left)).filter(|length| *length > 0);
        }
        match self.pending.first()? {
            b'l' | b'B' => sizes(&self.pending).map(|(header, _)| header).filter(|header| *header <= there),
            _ => self.pending.iter().position(|byte| *byte == b'\n').map(|end| end + 1),
        }
    }
}

/// Length of a message's header with its padding, and of its body (D-Bus specification, "Message Format"); none when
/// this is no message or the first 16 bytes are not there.
fn sizes(message: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| {
        let bytes = message.get(at..at + 4)?.try_into().ok()?;
        let read = match message.first()? {
            b'l' => u32::from_le_bytes(bytes),
            b'B' => u32::from_be_bytes(bytes),
            _ => return None,
        };
        usize::try_from(read).ok()
    };
    let fields = number(12)?;
    Some((16 + fields.checked_next_multiple_of(8)?, number(4)?))
}

/// Gives the sender (header field 7, a string) a unique name.
fn rename(header: &mut [u8]) {
    const FIELD: &[u8] = &[7, 1, b's', 0];
    let length = FIELD.len() + 4;
    let found = header.windows(length + SIGNED.len()).position(|w| w.starts_with(FIELD) && w.ends_with(SIGNED));
    let name = found.and_then(|at| header.get_mut(at + length..at + length + SIGNED.len()));
    if let Some(name) = name {
        name.copy_from_slice(UNIQUE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian message with this sender and body, and nothing else in its header.
    fn message(sender: &[u8], body: &[u8]) -> Vec<u8> {
        let mut fields = vec![7, 1, b's', 0];
        fields.extend(u32::try_from(sender.len()).unwrap().to_le_bytes());
        fields.extend_from_slice(sender);
        fields.push(0);
        let mut message = vec![b'l', 2, 0, 1];
        message.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        message.extend(1u32.to_le_bytes());
        message.extend(u32::try_from(fields.len()).unwrap().to_le_bytes());
        message.append(&mut fields);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend_from_slice(body);
        message
    }

    #[test]
    fn the_sender_is_renamed_however_the_stream_is_cut() {
        let said = b"a body may hold \x07\x01s\0\x18\0\0\0org.freedesktop.systemd1, too";
        let first = [b"OK 1234\r\n".as_slice(), &message(SIGNED, said)].concat();
        let whole = [first.as_slice(), &message(SIGNED, b""), &message(b":1.7", b"x")].concat();
        let first = [b"OK 1234\r\n".as_slice(), &message(UNIQUE, said)].concat();
        let wanted = [first.as_slice(), &message(UNIQUE, b""), &message(b":1.7", b"x")].concat();
        for size in 1..=whole.len() {
            let mut records = Records::default();
            whole.chunks(size).for_each(|chunk| records.take(chunk));
            assert!(records.ready == wanted, "cut every {size} bytes");
        }
    }

    #[test]
    fn an_absurd_length_waits_instead_of_breaking() {
        let mut records = Records::default();
        records.take(&[b'l', 2, 0, 1, 255, 255, 255, 255, 1, 0, 0, 0, 255, 255, 255, 255, 7, 1]);
        assert!(records.ready.is_empty());
    }
}
