//! What nf_tables may say to libnftnl: which attributes each object and expression has, and how long they are
//! (`<linux/netfilter/nf_tables.h>`).
//!
//! libnftnl ends the process on an attribute of the wrong size, and passes over one that it does not know as if it said
//! nothing. Neither gets there: what does not fit these tables is not given to it, and is kept as it came.

use std::borrow::Cow;

use super::walk::{RawExpr, find, number, walk};
use crate::sources::netlink::wire::attribute;

/// What an attribute holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    U8,
    U16,
    U32,
    U64,
    /// Text with a NUL at its end.
    Text,
    /// Bytes.
    Bytes,
    /// A value, at most as long as all registers.
    Value,
    /// A verdict, or a value.
    Data,
    /// Attributes of its own.
    Nest(&'static [Kind]),
    /// A list, at most so long, of what has these attributes.
    List(&'static [Kind], usize),
    /// A list of texts.
    Texts,
    /// One expression.
    Expr,
    /// A list of expressions.
    Exprs,
    /// Padding.
    Pad,
}

use Kind::{Bytes, Data, Expr, Exprs, List, Nest, Pad, Text, Texts, U8, U16, U32, U64, Value};

/// A message that libnftnl can take.
#[derive(Debug)]
pub(super) struct Sane<'a> {
    kind: u16,
    body: Cow<'a, [u8]>,
}

impl Sane<'_> {
    /// Message type.
    pub(super) fn kind(&self) -> u16 {
        self.kind
    }

    /// What follows the header.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Length of `struct nfgenmsg`: family, version, generation.
pub(super) const FAMILY_HEADER: usize = 4;
/// How deep expressions may lie within expressions.
const DEPTH: u8 = 2;

pub(super) const NEW_TABLE: u16 = 0x0a00;
pub(super) const NEW_CHAIN: u16 = 0x0a03;
pub(super) const NEW_RULE: u16 = 0x0a06;
pub(super) const NEW_SET: u16 = 0x0a09;
pub(super) const NEW_SET_ELEM: u16 = 0x0a0c;
pub(super) const NEW_OBJ: u16 = 0x0a12;

/// NFTA_RULE_EXPRESSIONS
const RULE_EXPRESSIONS: u16 = 4;

/// NFTA_OBJ_TYPE
pub(super) const OBJECT_TYPE: u16 = 3;
/// NFTA_OBJ_DATA
pub(super) const OBJECT_DATA: u16 = 4;

/// A message, if it is as it should be.
pub(super) fn message(kind: u16, body: &[u8]) -> Option<Sane<'_>> {
    let shape = match kind {
        NEW_TABLE => TABLE,
        NEW_CHAIN => CHAIN,
        NEW_RULE => RULE,
        NEW_SET => SET,
        NEW_SET_ELEM => ELEMENTS,
        NEW_OBJ => OBJECT,
        _ => return None,
    };
    let sane = fits(body.get(FAMILY_HEADER..)?, shape, DEPTH) && (kind != NEW_OBJ || object(body));
    sane.then_some(Sane { kind, body: Cow::Borrowed(body) })
}

/// A rule of these expressions and nothing else, if they are as they should be.
pub(super) fn expressions(list: &[&RawExpr<'_>]) -> Option<Sane<'static>> {
    let list: Vec<u8> = list.iter().flat_map(|raw| attribute(1, raw.whole)).collect();
    let body = [&[0; FAMILY_HEADER], attribute(RULE_EXPRESSIONS, &list).as_slice()].concat();
    message(NEW_RULE, &body)?;
    Some(Sane { kind: NEW_RULE, body: Cow::Owned(body) })
}

/// Do these attributes have this shape, to the last byte and none twice?
fn fits(bytes: &[u8], shape: &[Kind], depth: u8) -> bool {
    let mut seen = 0u32;
    walk(bytes).all(|attribute| {
        let Ok((kind, value)) = attribute else { return false };
        let Some(index) = kind.checked_sub(1) else { return false };
        let Some(expected) = shape.get(usize::from(index)) else { return false };
        let bit = 1u32.checked_shl(index.into()).unwrap_or(0);
        let twice = seen & bit != 0;
        seen |= bit;
        (!twice || matches!(expected, Pad)) && holds(value, *expected, depth)
    })
}

fn holds(value: &[u8], kind: Kind, depth: u8) -> bool {
    match kind {
        U8 => value.len() == 1,
        U16 => value.len() == 2,
        U32 => value.len() == 4,
        U64 => value.len() == 8,
        Text => value.split_last().is_some_and(|(end, rest)| *end == 0 && !rest.contains(&0)),
        Bytes | Pad => true,
        Value => data(value, false),
        Data => data(value, true),
        Nest(shape) => fits(value, shape, depth),
        List(shape, most) => {
            let elements = |a| matches!(a, Ok((1, element)) if fits(element, shape, depth));
            walk(value).all(elements) && walk(value).count() <= most
        }
        Texts => walk(value).all(|a| matches!(a, Ok((1, text)) if holds(text, Text, depth))),
        Expr => expression(value, depth),
        Exprs => walk(value).all(|a| matches!(a, Ok((1, one)) if expression(one, depth))),
    }
}

/// `nft_data`: a value, or where that may be a verdict.
fn data(bytes: &[u8], or_verdict: bool) -> bool {
    const MOST: usize = 64;
    let mut attributes = walk(bytes);
    let one = match attributes.next() {
        Some(Ok((1, value))) => (1..=MOST).contains(&value.len()),
        Some(Ok((2, verdict))) => or_verdict && self::verdict(verdict),
        _ => false,
    };
    one && attributes.next().is_none()
}

fn verdict(bytes: &[u8]) -> bool {
    const CODE: u16 = 1;
    fits(bytes, &[U32, Text, U32], 0) && walk(bytes).any(|a| matches!(a, Ok((CODE, _))))
}

/// The data of an object whose type libnftnl is asked about; others are not given to it.
fn object(body: &[u8]) -> bool {
    let Some(attributes) = body.get(FAMILY_HEADER..) else { return false };
    let shape = match find(attributes, OBJECT_TYPE).and_then(number) {
        Some(1) => COUNTER,
        Some(2) => QUOTA,
        Some(4) => LIMIT,
        Some(10) => SYNPROXY,
        _ => return false,
    };
    find(attributes, OBJECT_DATA).is_some_and(|data| fits(data, shape, 0))
}

fn expression(bytes: &[u8], depth: u8) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    RawExpr::of(bytes).is_ok_and(|e| shape_of(e.name).is_some_and(|shape| fits(e.data, shape, depth)))
}

const TABLE: &[Kind] = &[Text, U32, U32, U64, Pad, Bytes, U32];
const COUNTER: &[Kind] = &[U64, U64, Pad];
const CHAIN: &[Kind] =
    &[Text, U64, Text, Nest(&[U32, U32, Text, Texts]), U32, U32, Text, Nest(COUNTER), Pad, U32, U32, Bytes];
const RULE: &[Kind] = &[Text, Text, U64, Exprs, Nest(&[U32, U32]), U64, Bytes, Pad, U32, U32, U32];
/// A set. Its last attributes are newer than libnftnl 1.2.4, which passes them over: the kind of set and how many
/// elements it has, neither of which changes what it does.
const SET: &[Kind] = &[
    Text,
    Text,
    U32,
    U32,
    U32,
    U32,
    U32,
    U32,
    Nest(&[U32, List(&[U32], 16)]),
    U32,
    U64,
    U32,
    Bytes,
    Pad,
    U32,
    U64,
    Expr,
    Exprs,
    Text,
    U32,
];
const ELEMENT: &[Kind] = &[Value, Data, U32, U64, U64, Bytes, Expr, Pad, Text, Value, Exprs];
const ELEMENTS: &[Kind] = &[Text, Text, List(ELEMENT, usize::MAX), U32];
const OBJECT: &[Kind] = &[Text, Text, U32, Bytes, U32, U64, Pad, Bytes];
const LIMIT: &[Kind] = &[U64, U64, U32, U32, U32, Pad];
const QUOTA: &[Kind] = &[U64, U32, Pad, U64];
const SYNPROXY: &[Kind] = &[U16, U8, U32];

/// The attributes of an expression by its name; none for one that is not known.
fn shape_of(name: &[u8]) -> Option<&'static [Kind]> {
    Some(match name {
        b"payload" => &[U32, U32, U32, U32, U32, U32, U32, U32],
        b"meta" | b"socket" | b"fib" | b"tproxy" | b"masq" | b"redir" | b"fwd" => &[U32, U32, U32],
        b"objref" => &[U32, Text, U32, Text, U32],
        b"ct" | b"xfrm" => &[U32, U32, U8, U32],
        b"cmp" => &[U32, U32, Value],
        b"range" => &[U32, U32, Value, Value],
        b"bitwise" => &[U32, U32, U32, Value, Value, U32, Value],
        b"byteorder" => &[U32, U32, U32, U32, U32],
        b"lookup" => &[Text, U32, U32, U32, U32],
        b"immediate" => &[U32, Data],
        b"counter" => COUNTER,
        b"limit" => LIMIT,
        b"quota" => QUOTA,
        b"last" => &[U32, U64, Pad],
        b"log" => &[U16, Text, U32, U16, U32, U32],
        b"reject" => &[U32, U8],
        b"nat" => &[U32, U32, U32, U32, U32, U32, U32],
        b"exthdr" => &[U32, U8, U32, U32, U32, U32, U32],
        b"dynset" => &[Text, U32, U32, U32, U32, U64, Expr, Pad, U32, Exprs],
        b"numgen" => &[U32, U32, U32, U32, Text, U32],
        b"hash" => &[U32, U32, U32, U32, U32, U32, U32, Text, U32],
        b"queue" => &[U16, U16, U16, U32],
        b"notrack" => &[],
        b"dup" | b"rt" | b"connlimit" => &[U32, U32],
        b"osf" => &[U32, U8, U32],
        b"synproxy" => SYNPROXY,
        b"flow_offload" => &[Text],
        b"match" | b"target" => &[Text, U32, Bytes],
        _ => return None,
    })
}
