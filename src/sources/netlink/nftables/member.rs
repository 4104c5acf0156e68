//! Is a key in a set? One question to the kernel, whatever the size of the set.

use std::time::Duration;

use nix::errno::Errno;

use super::elements::{GET_ELEMENTS, bare};
use super::ranges::{Bare, after, before, in_halves};
use super::sys::Aligned;
use super::tables::{one_set, unreadable};
use super::{Ask, Look, Session, path, steadily, trouble, within};
use crate::facts::ruleset::{Element, Set, SetId};
use crate::sources::Trouble;
use crate::sources::netlink::wire::attribute;

/// How long it may be tried again while the rules change.
const LIMIT: Duration = Duration::from_millis(1500);

/// An attribute that holds others.
const NESTED: u16 = 0x8000;
/// `NFT_SET_ELEM_INTERVAL_END`
const INTERVAL_END: u32 = 1;
/// `NFT_SET_ELEM_CATCHALL`
const CATCHALL: u32 = 2;

/// The element that a key is in, or else the one for every other key; none where there is neither, or no such set.
pub fn member(id: &SetId, key: &[u8]) -> Result<Option<Element>, Trouble> {
    let found = steadily(within(LIMIT), |session, _| {
        let Some(set) = one_set(session, id)? else { return Ok(Look::Read(None)) };
        if u32::try_from(key.len()) != Ok(set.key_len) {
            return Err(Trouble::failed("the set has keys of another length"));
        }
        let in_one = if in_halves(&set) { in_interval(session, &set, key)? } else { in_element(session, &set, key)? };
        let found = if in_one.is_some() { in_one } else { catchall(session, &set)? };
        Ok(Look::Read(found))
    })?;
    Ok(found.flatten())
}

/// The element for every key that is in no other.
pub(super) fn catchall(session: &mut Session, set: &Set) -> Result<Option<Element>, Trouble> {
    // Kernels before 5.13 do not know the flag and find nothing in it.
    let found = get(session, set, None, CATCHALL)?;
    Ok(found.filter(|e| e.catchall).map(|e| e.for_all(set.key_len)))
}

fn in_element(session: &mut Session, set: &Set, key: &[u8]) -> Result<Option<Element>, Trouble> {
    Ok(get(session, set, Some(key), 0)?.filter(|e| !e.closes).map(Bare::alone))
}

/// Both halves of the interval that a key is in. The kernel gives the last beginning at or before a key unless an end
/// stands between, and for an end the first one at or behind it unless a beginning does.
fn in_interval(session: &mut Session, set: &Set, key: &[u8]) -> Result<Option<Element>, Trouble> {
    let Some(begins) = get(session, set, Some(key), 0)?.filter(|e| !e.closes) else { return Ok(None) };
    if begins.key.as_slice() > key {
        return Ok(None);
    }
    if begins.end.is_some() {
        return Ok(Some(begins.alone()));
    }
    let last = vec![u8::MAX; key.len()];
    let Some(next) = after(key) else { return Ok(Some(begins.up_to(last))) };
    let end = get(session, set, Some(&next), INTERVAL_END)?.filter(|e| e.closes);
    let to = match end.and_then(|e| before(&e.key)).filter(|to| to.as_slice() >= key) {
        Some(to) => to,
        // No end: either the interval is open, and the last key is in it, too; or the next one begins where it ends, and
        // all that is known is that the key is in this one.
        None if get(session, set, Some(&last), 0)?.is_some_and(|e| e.key == begins.key) => last,
        None => key.to_vec(),
    };
    Ok(Some(begins.up_to(to)))
}

/// One element; none where there is no such.
fn get(session: &mut Session, set: &Set, key: Option<&[u8]>, flags: u32) -> Result<Option<Bare>, Trouble> {
    const ELEMENTS: u16 = 3;
    const ELEMENT: u16 = 1;
    const KEY: u16 = 1;
    const FLAGS: u16 = 3;
    const VALUE: u16 = 1;
    let doing = "asking whether a set has an element";
    let mut element = key.map(|key| attribute(NESTED | KEY, &attribute(VALUE, key))).unwrap_or_default();
    if flags != 0 {
        element.extend(attribute(FLAGS, &flags.to_be_bytes()));
    }
    let list = attribute(NESTED | ELEMENTS, &attribute(NESTED | ELEMENT, &element));
    let attributes = [path(&set.id.table.name, &set.id.name)?, list].concat();
    let ask = Ask { doing, kind: GET_ELEMENTS, family: Some(set.id.table.family), attributes: &attributes };
    let mut scratch = Aligned::default();
    match session.one(ask, |m| Some(bare(&m, set, &mut scratch)))? {
        Ok(Some(found)) => Ok(found.into_iter().next()),
        Ok(None) => Err(unreadable("set")),
        Err(Errno::ENOENT) => Ok(None),
        Err(Errno::EINVAL | Errno::EOPNOTSUPP) if key.is_none() => Ok(None),
        Err(errno) => Err(trouble(doing, errno)),
    }
}
