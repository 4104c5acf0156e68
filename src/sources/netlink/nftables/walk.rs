//! Attributes walked with suspicion: every one must fit, to the last byte. What does not is not read at all, so that
//! nothing cut short passes for whole.

use std::ops::Range;

use crate::sources::netlink::wire::{split, u16_at};

/// The two upper bits of an attribute's type are flags (nested, network byte order).
const TYPE: u16 = 0x3fff;

/// Attributes one by one; none at the end, an error where the bytes are not attributes.
pub(super) struct Walk<'a> {
    rest: &'a [u8],
}

/// These bytes are not attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Type and value of each attribute.
pub(super) fn walk(bytes: &[u8]) -> Walk<'_> {
    Walk { rest: bytes }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<(u16, &'a [u8]), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let next = self.attribute();
        if next.is_none() {
            self.rest = &[];
        }
        Some(next.ok_or(Broken))
    }
}

impl<'a> Walk<'a> {
    fn attribute(&mut self) -> Option<(u16, &'a [u8])> {
        let (head, after) = split(self.rest, usize::from(u16_at(self.rest, 0)?), 4)?;
        self.rest = after;
        Some((u16_at(head, 2)? & TYPE, head.get(4..)?))
    }
}

/// The value of an attribute.
pub(super) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    walk(bytes).filter_map(Result::ok).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// Four bytes in network order, as nf_tables sends its numbers.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// Eight bytes in network order.
pub(super) fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// Text up to its NUL.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// An expression as the kernel sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawExpr<'a> {
    /// Its kind (`payload`, `cmp` ...), without the NUL.
    pub(super) name: &'a [u8],
    /// Its own attributes.
    pub(super) data: &'a [u8],
    /// Both together, as an element of a list.
    pub(super) whole: &'a [u8],
}

impl<'a> RawExpr<'a> {
    /// Takes apart the value of one list element: name and data.
    pub(super) fn of(whole: &'a [u8]) -> Result<Self, Broken> {
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        let (mut name, mut data) = (None, None);
        for attribute in walk(whole) {
            match attribute? {
                (NAME, value) if name.is_none() => name = Some(value),
                (DATA, value) if data.is_none() => data = Some(value),
                _ => return Err(Broken),
            }
        }
        let name = name.and_then(|n| n.strip_suffix(&[0])).filter(|n| !n.contains(&0)).ok_or(Broken)?;
        Ok(Self { name, data: data.unwrap_or_default(), whole })
    }

    /// The expressions of a list.
    pub(super) fn list(bytes: &'a [u8]) -> Result<Vec<Self>, Broken> {
        const ELEMENT: u16 = 1;
        walk(bytes).map(|a| if let (ELEMENT, value) = a? { Self::of(value) } else { Err(Broken) }).collect()
    }
}

/// The comment in what a user's program left with an object: a list of type, length and value, `kind` of which is the
/// comment.
pub(super) fn comment(userdata: &[u8], kind: u8) -> Option<String> {
    let mut rest = userdata;
    while let [found, length, ..] = rest {
        let value = Range { start: 2, end: 2 + usize::from(*length) };
        let value_bytes = rest.get(value.clone())?;
        if *found == kind {
            return Some(text(value_bytes));
        }
        rest = rest.get(value.end..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::netlink::wire::attribute;

    #[test]
    fn a_length_that_lies_is_an_error_not_an_end() {
        let good = [attribute(1, b"abc"), attribute(2, b"d")].concat();
        assert_eq!(walk(&good).collect::<Vec<_>>(), [Ok((1, b"abc".as_slice())), Ok((2, b"d".as_slice()))]);
        for length in [0u8, 3, 9, 200] {
            let mut bad = good.clone();
            bad[8] = length;
            assert_eq!(walk(&bad).last(), Some(Err(Broken)), "length {length}");
        }
        let mut cut = good;
        cut.truncate(10);
        assert_eq!(walk(&cut).last(), Some(Err(Broken)));
    }

    #[test]
    fn comments_stand_among_other_things() {
        assert_eq!(comment(b"\x02\x01\x07\x00\x03hi\x00", 0).as_deref(), Some("hi"));
        assert_eq!(comment(b"\x00\x09hi\x00", 0), None, "cut short");
        assert_eq!(comment(b"", 0), None);
        assert_eq!(comment(b"\x00", 0), None);
    }

    #[test]
    fn an_expression_without_a_proper_name_is_none() {
        let named = |name: &[u8]| attribute(1, name);
        assert!(RawExpr::of(&named(b"cmp\0")).is_ok());
        assert!(RawExpr::of(&named(b"cmp")).is_err(), "no end");
        assert!(RawExpr::of(&named(b"c\0p\0")).is_err());
        assert!(RawExpr::of(&attribute(2, b"")).is_err());
        assert!(RawExpr::of(&[named(b"cmp\0"), named(b"ct\0")].concat()).is_err(), "two names");
    }
}
