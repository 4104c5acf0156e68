//! The bytes of netlink: messages in a buffer, attributes in a message. Pure, and safe on any bytes: what is cut short
//! or lies about its length ends the list.

/// Length of a message header.
const HEADER: usize = 16;
/// The two upper bits of an attribute's type are flags (nested, network byte order).
const ATTRIBUTE_TYPE: u16 = 0x3fff;

const KIND_ERROR: u16 = 2;
const KIND_DONE: u16 = 3;
/// The first type that belongs to a protocol; those below are netlink's own.
const KIND_FIRST: u16 = 16;
const FLAG_DUMP_INTERRUPTED: u16 = 0x10;
const FLAG_REQUEST: u16 = 0x1;
const FLAG_ACK: u16 = 0x4;
const FLAG_DUMP: u16 = 0x300;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is, in the words of its protocol.
    pub kind: u16,
    flags: u16,
    sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

/// What a message means for the dump that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An entry.
    Entry,
    /// Belongs to another request, or says nothing.
    Skip,
    /// The dump is complete.
    Done,
    /// The kernel gave up with this errno.
    Refused(i32),
}

impl Message<'_> {
    /// What this message means for the request with number `sequence`.
    pub fn step(&self, sequence: u32) -> Step {
        if self.sequence != sequence {
            return Step::Skip;
        }
        match self.kind {
            KIND_ERROR | KIND_DONE => match u32_at(self.body, 0).map(u32::cast_signed) {
                Some(code) if code < 0 => Step::Refused(code.saturating_neg()),
                _ => Step::Done,
            },
            KIND_FIRST.. => Step::Entry,
            _ => Step::Skip,
        }
    }

    /// What was listed changed while it was listed: entries may be missing or double.
    pub fn interrupted(&self) -> bool {
        self.flags & FLAG_DUMP_INTERRUPTED != 0
    }
}

/// The messages in a received buffer.
pub fn messages(buffer: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        let (head, after) = split(rest, u32_at(rest, 0)? as usize, HEADER)?;
        rest = after;
        Some(Message {
            kind: u16_at(head, 4)?,
            flags: u16_at(head, 6)?,
            sequence: u32_at(head, 8)?,
            body: head.get(HEADER..)?,
        })
    })
}

/// The attributes in `bytes`: type and value.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, after) = split(rest, usize::from(u16_at(rest, 0)?), 4)?;
        rest = after;
        Some((u16_at(head, 2)? & ATTRIBUTE_TYPE, head.get(4..)?))
    })
}

/// The first `length` bytes and what follows their padding to four bytes. None when `length` is less than a header
/// (which would never end) or more than there is.
pub fn split(bytes: &[u8], length: usize, header: usize) -> Option<(&[u8], &[u8])> {
    if length < header {
        return None;
    }
    let head = bytes.get(..length)?;
    Some((head, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// A request for a dump: header and body.
pub fn dump_request(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    request(kind, FLAG_REQUEST | FLAG_DUMP, sequence, body)
}

/// A request for one thing, to be acknowledged even where there is nothing to say: header and body.
pub fn single_request(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    request(kind, FLAG_REQUEST | FLAG_ACK, sequence, body)
}

/// Appends an attribute with its padding.
pub fn push_attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
    to.extend(length.to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// An attribute with its padding.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_attribute(&mut bytes, kind, value);
    bytes
}

/// A text that ends with a zero byte or with the attribute.
pub fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

/// A request with flags of its own kind: header and body.
pub fn flagged_request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    request(kind, FLAG_REQUEST | flags, sequence, body)
}

fn request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(length.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend([0; 4]); // to the kernel
    request.extend(body);
    request
}

/// A byte.
pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// `N` bytes.
pub fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Two bytes in the host's order.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

/// Two bytes in network order (ports).
pub fn port_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

/// Four bytes in the host's order.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

/// Eight bytes in the host's order.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_ne_bytes)
}

#[cfg(test)]
pub(in crate::sources) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message as the kernel sends it.
    pub(in crate::sources) fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = dump_request(kind, sequence, body);
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    pub(in crate::sources) use super::attribute;

    /// An answer cut short anywhere, and with any byte turned to what hurts most in a length.
    pub(in crate::sources) fn spoiled(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let cut = (0..bytes.len()).map(|end| bytes[..end].to_vec());
        let changed = (0..bytes.len()).flat_map(|at| {
            [0, 1, 3, 4, 0x7f, 0xff].map(|value| {
                let mut changed = bytes.to_vec();
                changed[at] = value;
                changed
            })
        });
        cut.chain(changed)
    }

    #[test]
    fn messages_follow_each_other_at_four_byte_steps() {
        let mut buffer = message(20, 2, 7, &[1, 2, 3, 4, 5]);
        buffer.extend(message(21, 0, 7, &[9]));
        let found: Vec<_> = messages(&buffer).map(|m| (m.kind, m.body.to_vec())).collect();
        assert_eq!(found, [(20, vec![1, 2, 3, 4, 5]), (21, vec![9])]);
    }

    #[test]
    fn the_last_message_may_lack_its_padding() {
        let mut buffer = message(20, 0, 7, &[1]);
        buffer.truncate(17);
        assert_eq!(messages(&buffer).count(), 1);
    }

    #[test]
    fn a_length_of_nothing_or_too_much_ends_the_list() {
        for length in [0u32, 1, 15, 4096, u32::MAX] {
            let mut buffer = message(20, 0, 7, &[1, 2, 3, 4]);
            buffer[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&buffer).count(), 0, "length {length}");
        }
        for length in [0u16, 3, 9, u16::MAX] {
            let mut buffer = attribute(1, &[1, 2, 3, 4]);
            buffer[..2].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(attributes(&buffer).count(), 0, "length {length}");
        }
    }

    #[test]
    fn attribute_flags_are_no_part_of_the_type() {
        let bytes = [attribute(0x8000 | 0x9, &[1]), attribute(0x4000 | 0xa, &[])].concat();
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(9, [1].as_slice()), (10, [].as_slice())]);
    }

    #[test]
    fn a_dump_ends_with_done_or_an_errno() {
        let step = |kind: u16, sequence: u32, code: i32| {
            let bytes = message(kind, 2, sequence, &code.to_ne_bytes());
            messages(&bytes).next().unwrap().step(7)
        };
        assert_eq!(step(KIND_DONE, 7, 0), Step::Done);
        assert_eq!(step(KIND_DONE, 7, -2), Step::Refused(2));
        assert_eq!(step(KIND_ERROR, 7, -1), Step::Refused(1));
        assert_eq!(step(KIND_ERROR, 7, i32::MIN), Step::Refused(i32::MAX));
        assert_eq!(step(20, 7, 0), Step::Entry);
        assert_eq!(step(1, 7, 0), Step::Skip, "no operation");
        assert_eq!(step(KIND_DONE, 6, 0), Step::Skip, "the end of an earlier dump is not ours");
        assert!(messages(&message(20, 0x12, 7, &[])).next().unwrap().interrupted());
        assert!(!messages(&message(20, 0x2, 7, &[])).next().unwrap().interrupted());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes).count() <= bytes.len() / HEADER + 1);
            prop_assert!(attributes(&bytes).count() <= bytes.len() / 4 + 1);
        }
    }
}
