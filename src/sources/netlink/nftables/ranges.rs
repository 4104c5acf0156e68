//! Elements as the kernel keeps them put together into ranges. Pure.
//!
//! A set of intervals over one field keeps two elements for each: where it begins, and (marked as an end) what follows
//! it. Kernels list them from the last to the first or the other way round; an end is left out where the next interval
//! begins, and where there is nothing behind. A concatenation of intervals keeps the first and the last key in one
//! element, both inclusive.

use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::{Element, Elements, Leads, Set};

/// An element as the kernel keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bare {
    /// Its key; empty for the catch-all.
    pub(super) key: Vec<u8>,
    /// Last key, inclusive, where the element has one.
    pub(super) end: Option<Vec<u8>>,
    /// It is no element, but the first key behind one.
    pub(super) closes: bool,
    /// It stands for every key that is in no other element.
    pub(super) catchall: bool,
    pub(super) leads_to: Option<Leads>,
    pub(super) expires_ms: Option<u64>,
    pub(super) exprs: Vec<Expr>,
    pub(super) comment: Option<String>,
}

impl Bare {
    /// As an element up to this key.
    pub(super) fn up_to(self, to: Vec<u8>) -> Element {
        let Self { key, leads_to, expires_ms, exprs, comment, .. } = self;
        Element { from: key, to, leads_to, expires_ms, exprs, comment }
    }

    /// As an element of its own: a single key, or all keys up to its own end.
    pub(super) fn alone(mut self) -> Element {
        let to = self.end.take().unwrap_or_else(|| self.key.clone());
        self.up_to(to)
    }

    /// As the element for every key.
    pub(super) fn for_all(mut self, key_len: u32) -> Element {
        let length = usize::try_from(key_len).unwrap_or(0);
        self.key = vec![0; length];
        self.up_to(vec![u8::MAX; length])
    }
}

/// Whether a set keeps intervals as two elements each.
pub(super) fn in_halves(set: &Set) -> bool {
    set.interval && set.fields.len() == 1
}

/// The elements of a set. Not `complete`: reading was broken off, and the last range that was begun may go anywhere.
pub(super) fn put_together(set: &Set, found: Vec<Bare>, complete: bool) -> Elements {
    let (mut all, mut keyed) = (Elements { more: !complete, ..Elements::default() }, Vec::new());
    for bare in found {
        if bare.catchall {
            all.catchall = Some(bare.for_all(set.key_len));
        } else {
            keyed.push(bare);
        }
    }
    all.elements = if in_halves(set) { halves(keyed, complete) } else { keyed.into_iter().map(Bare::alone).collect() };
    all
}

/// Ranges from beginnings and ends, in any order.
fn halves(mut keyed: Vec<Bare>, complete: bool) -> Vec<Element> {
    let from_the_last = keyed.first().zip(keyed.last()).is_some_and(|(first, last)| first.key > last.key);
    // An end comes before what begins at the same key.
    keyed.sort_by(|a, b| a.key.cmp(&b.key).then(b.closes.cmp(&a.closes)));
    let mut ranges = Vec::new();
    let mut behind: Option<Vec<u8>> = None;
    for bare in keyed.into_iter().rev() {
        let key = bare.key.clone();
        if !bare.closes {
            match (&bare.end, &behind) {
                (Some(_), _) => ranges.push(bare.alone()),
                (None, Some(next)) => ranges.extend(before(next).map(|to| bare.up_to(to))),
                // Nothing behind it: open, unless what is behind it was not read.
                (None, None) if complete || from_the_last => {
                    let last = vec![u8::MAX; key.len()];
                    ranges.push(bare.up_to(last));
                }
                (None, None) => {}
            }
        }
        behind = Some(key);
    }
    ranges.reverse();
    ranges
}

/// The key before this one; none before the first.
pub(super) fn before(key: &[u8]) -> Option<Vec<u8>> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        let (value, borrow) = byte.overflowing_sub(1);
        *byte = value;
        if !borrow {
            return Some(key);
        }
    }
    None
}

/// The key after this one; none after the last.
pub(super) fn after(key: &[u8]) -> Option<Vec<u8>> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        let (value, carry) = byte.overflowing_add(1);
        *byte = value;
        if !carry {
            return Some(key);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(key: u8, closes: bool) -> Bare {
        Bare {
            key: vec![key],
            end: None,
            closes,
            catchall: false,
            leads_to: None,
            expires_ms: None,
            exprs: Vec::new(),
            comment: None,
        }
    }

    fn ranges(of: &[(u8, bool)], complete: bool) -> Vec<(u8, u8)> {
        let found = of.iter().map(|(key, closes)| bare(*key, *closes)).collect();
        halves(found, complete).iter().map(|e| (e.from[0], e.to[0])).collect()
    }

    const BEGINS: bool = false;
    const ENDS: bool = true;

    #[test]
    fn intervals_are_put_together_in_either_order() {
        let mut listed =
            vec![(0, ENDS), (10, BEGINS), (20, ENDS), (20, BEGINS), (21, ENDS), (30, BEGINS), (40, BEGINS), (50, ENDS)];
        let expected = [(10, 19), (20, 20), (30, 39), (40, 49)];
        assert_eq!(ranges(&listed, true), expected);
        listed.reverse();
        assert_eq!(ranges(&listed, true), expected);
    }

    #[test]
    fn an_interval_without_an_end_goes_to_the_last_key() {
        assert_eq!(ranges(&[(0, ENDS), (224, BEGINS)], true), [(224, 255)]);
        assert_eq!(ranges(&[(0, BEGINS)], true), [(0, 255)]);
        assert_eq!(ranges(&[(255, BEGINS)], true), [(255, 255)]);
        assert_eq!(ranges(&[(0, ENDS)], true), []);
        assert_eq!(ranges(&[], true), []);
    }

    #[test]
    fn what_was_begun_when_reading_was_broken_off_is_left_out() {
        assert_eq!(ranges(&[(1, BEGINS), (5, ENDS), (9, BEGINS)], false), [(1, 4)]);
        assert_eq!(ranges(&[(9, BEGINS), (5, ENDS)], false), [(9, 255)], "the open one came first");
        assert_eq!(ranges(&[(9, ENDS), (5, BEGINS), (4, ENDS)], false), [(5, 8)]);
        assert_eq!(ranges(&[(9, BEGINS)], false), [], "nobody knows");
    }

    #[test]
    fn keys_have_neighbours() {
        assert_eq!(before(&[1, 0, 0]), Some(vec![0, 255, 255]));
        assert_eq!(after(&[0, 255]), Some(vec![1, 0]));
        assert_eq!((before(&[0, 0]), after(&[255, 255])), (None, None));
    }
}
