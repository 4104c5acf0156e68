//! What there is: tables, chains, sets and named objects.

use nftnl::nftnl_sys as c;
use nix::errno::Errno;
use std::ops::ControlFlow;
use std::time::Duration;

use super::policy::{self, FAMILY_HEADER, OBJECT_DATA, OBJECT_TYPE};
use super::statement::{self, LimitAt, QuotaAt};
use super::sys::{self, Aligned, Values};
use super::walk::{self, walk};
use super::{Ask, Look, Session, exprs, family, kind, path, steadily, table_id, trouble, within};
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::{
    Base, Chain, ChainId, ChainKind, Family, Hook, MapsTo, Object, Policy, Ruleset, Set, SetId, Table,
};
use crate::sources::Trouble;
use crate::sources::netlink::hooks;
use crate::sources::netlink::wire::Message;

const GET_TABLE: u16 = kind(1);
const GET_CHAIN: u16 = kind(4);
const GET_SET: u16 = kind(10);
const GET_OBJECT: u16 = kind(19);

/// How long it may be tried again while the rules change.
const LIMIT: Duration = Duration::from_millis(1500);

/// Tables, chains, sets and named objects of all families, and what is hooked in. Without nf_tables there are none.
pub fn ruleset() -> Result<Option<Ruleset>, Trouble> {
    let mut all = steadily(within(LIMIT), read)?.unwrap_or_default();
    // Not to know the order of the hooks is no reason not to know the rules.
    all.hooks = hooks::hooks().ok().flatten();
    Ok(Some(all))
}

/// What cannot be read of a message.
pub(super) fn unreadable(what: &str) -> Trouble {
    Trouble::failed(format!("the kernel's answer about a {what} was not understood"))
}

fn read(session: &mut Session, generation: u32) -> Result<Look<Ruleset>, Trouble> {
    let mut all = Ruleset { generation, ..Ruleset::default() };
    let mut scratch = Aligned::default();
    let all_of = |doing, kind| Ask { doing, kind, family: None, attributes: &[] };
    let looks = [
        session.list(all_of("asking for tables", GET_TABLE), generation, |m| {
            take(&m, &mut all.tables, "table", |family| table(&m, family, &mut scratch))
        })?,
        session.list(all_of("asking for chains", GET_CHAIN), generation, |m| {
            take(&m, &mut all.chains, "chain", |family| chain(&m, family, &mut scratch))
        })?,
        session.list(all_of("asking for sets", GET_SET), generation, |m| {
            take(&m, &mut all.sets, "set", |family| set(&m, family, &mut scratch))
        })?,
        session.list(all_of("asking for named objects", GET_OBJECT), generation, |m| {
            take(&m, &mut all.objects, "named object", |family| object(&m, family, &mut scratch))
        })?,
    ];
    let moved = looks.iter().any(|l| matches!(l, Look::Moved));
    Ok(if moved { Look::Moved } else { Look::Read(all) })
}

/// Adds an item, unless it is of a family that is not known (nothing of TCP or UDP passes it).
fn take<T>(
    message: &Message<'_>,
    into: &mut Vec<T>,
    what: &str,
    parse: impl FnOnce(Family) -> Option<T>,
) -> Result<ControlFlow<()>, Trouble> {
    if let Some(family) = family(message.body) {
        into.push(parse(family).ok_or_else(|| unreadable(what))?);
    }
    Ok(ControlFlow::Continue(()))
}

fn comment(of: &impl Values, userdata: u32, kind: u8) -> Option<String> {
    of.data(userdata).and_then(|u| walk::comment(u, kind))
}

pub(super) fn table(message: &Message<'_>, family: Family, scratch: &mut Aligned) -> Option<Table> {
    const DORMANT: u32 = 1;
    let table = sys::Table::parse(scratch.load(&policy::message(message.kind, message.body)?))?;
    Some(Table {
        id: table_id(family, table.text(c::NFTNL_TABLE_NAME)?),
        handle: table.u64(c::NFTNL_TABLE_HANDLE).unwrap_or(0),
        dormant: table.u32(c::NFTNL_TABLE_FLAGS).unwrap_or(0) & DORMANT != 0,
        comment: comment(&table, c::NFTNL_TABLE_USERDATA, 0),
    })
}

pub(super) fn chain(message: &Message<'_>, family: Family, scratch: &mut Aligned) -> Option<Chain> {
    let chain = sys::Chain::parse(scratch.load(&policy::message(message.kind, message.body)?))?;
    let table = table_id(family, chain.text(c::NFTNL_CHAIN_TABLE)?);
    let base = match chain.u32(c::NFTNL_CHAIN_HOOKNUM) {
        Some(number) => Some(base(&chain, hook(family, number)?, message.body)?),
        None => None,
    };
    Some(Chain {
        id: ChainId { table, name: chain.text(c::NFTNL_CHAIN_NAME)? },
        handle: chain.u64(c::NFTNL_CHAIN_HANDLE).unwrap_or(0),
        base,
        comment: comment(&chain, c::NFTNL_CHAIN_USERDATA, 0),
    })
}

fn base(chain: &sys::Chain, hook: Hook, body: &[u8]) -> Option<Base> {
    // From the message itself: libnftnl 1.2.4 gives only its first four letters.
    const TYPE: u16 = 7;
    let kind = match walk::text(walk::find(body.get(FAMILY_HEADER..)?, TYPE)?).as_str() {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => return None,
    };
    let policy = match chain.u32(c::NFTNL_CHAIN_POLICY) {
        Some(0) => Policy::Drop,
        Some(1) | None => Policy::Accept,
        Some(_) => return None,
    };
    Some(Base {
        kind,
        hook,
        priority: chain.i32(c::NFTNL_CHAIN_PRIO)?,
        policy,
        devices: devices(body),
        packets: chain.u64(c::NFTNL_CHAIN_PACKETS),
    })
}

/// A hook by its number, which families count in their own ways.
fn hook(family: Family, number: u32) -> Option<Hook> {
    Some(match (family, number) {
        (Family::Netdev, 0) | (Family::Inet, 5) => Hook::Ingress,
        (Family::Netdev, 1) => Hook::Egress,
        (Family::Arp, 0) => Hook::Input,
        (Family::Arp, 1) => Hook::Output,
        (Family::Arp, 2) => Hook::Forward,
        (Family::Netdev | Family::Arp, _) => return None,
        (_, 0) => Hook::Prerouting,
        (_, 1) => Hook::Input,
        (_, 2) => Hook::Forward,
        (_, 3) => Hook::Output,
        (_, 4) => Hook::Postrouting,
        _ => return None,
    })
}

/// The devices of a chain, from the message itself: libnftnl gives either one or a list.
fn devices(body: &[u8]) -> Vec<String> {
    const HOOK: u16 = 4;
    const DEVICE: u16 = 3;
    const DEVICES: u16 = 4;
    let hook = body.get(FAMILY_HEADER..).and_then(|a| walk::find(a, HOOK)).unwrap_or_default();
    match walk::find(hook, DEVICES) {
        Some(list) => walk(list).filter_map(Result::ok).map(|(_, name)| walk::text(name)).collect(),
        None => walk::find(hook, DEVICE).map(walk::text).into_iter().collect(),
    }
}

pub(super) fn set(message: &Message<'_>, family: Family, scratch: &mut Aligned) -> Option<Set> {
    const ANONYMOUS: u32 = 0x1;
    const INTERVAL: u32 = 0x4;
    const MAP: u32 = 0x8;
    const EVAL: u32 = 0x20;
    const OBJECT: u32 = 0x40;
    const VERDICT: u32 = 0xffff_ff00;
    const COMMENT: u8 = 7;
    let set = sys::Set::parse(scratch.load(&policy::message(message.kind, message.body)?))?;
    let flags = set.u32(c::NFTNL_SET_FLAGS).unwrap_or(0);
    let maps_to = match set.u32(c::NFTNL_SET_DATA_TYPE) {
        _ if flags & OBJECT != 0 => MapsTo::Object,
        Some(VERDICT) if flags & MAP != 0 => MapsTo::Verdict,
        _ if flags & MAP != 0 => MapsTo::Data,
        _ => MapsTo::Nothing,
    };
    let key_len = set.u32(c::NFTNL_SET_KEY_LEN)?;
    let table = table_id(family, set.text(c::NFTNL_SET_TABLE)?);
    let runs = set.exprs();
    Some(Set {
        id: SetId { table, name: set.text(c::NFTNL_SET_NAME)? },
        anonymous: flags & ANONYMOUS != 0,
        interval: flags & INTERVAL != 0,
        dynamic: flags & EVAL != 0,
        maps_to,
        key_len,
        fields: fields(&set, key_len),
        timeout_ms: set.u64(c::NFTNL_SET_TIMEOUT).filter(|t| *t > 0),
        size: set.u32(c::NFTNL_SET_DESC_SIZE).filter(|s| *s > 0),
        exprs: exprs(&runs, Some(family)).unwrap_or_else(|| vec![not_understood("set")]),
        comment: comment(&set, c::NFTNL_SET_USERDATA, COMMENT),
    })
}

/// One set; none where it has gone.
pub(super) fn one_set(session: &mut Session, id: &SetId) -> Result<Option<Set>, Trouble> {
    let doing = "asking for a set";
    let attributes = path(&id.table.name, &id.name)?;
    let ask = Ask { doing, kind: GET_SET, family: Some(id.table.family), attributes: &attributes };
    let mut scratch = Aligned::default();
    match session.one(ask, |m| Some(set(&m, id.table.family, &mut scratch)))? {
        Ok(set) => set.map(Some).ok_or_else(|| unreadable("set")),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(trouble(doing, errno)),
    }
}

/// What stands where the expressions of a set or an element are that are not understood.
pub(super) fn not_understood(of: &str) -> Expr {
    Expr::Opaque { name: of.into(), raw: Vec::new() }
}

/// Lengths of the fields of a key. The kernel knows them where it needs them (`NFTA_SET_DESC_CONCAT`); otherwise nft has
/// left the types of the fields in the key's type, six bits each.
fn fields(set: &sys::Set, key_len: u32) -> Vec<u32> {
    if let Some(lengths) = set.data(c::NFTNL_SET_DESC_CONCAT) {
        return lengths.iter().map(|l| u32::from(*l)).collect();
    }
    set.u32(c::NFTNL_SET_KEY_TYPE).and_then(|types| concatenated(types, key_len)).unwrap_or_else(|| vec![key_len])
}

/// Lengths of the fields of a concatenation by its type; none for what is none, or where they do not add up.
fn concatenated(types: u32, key_len: u32) -> Option<Vec<u32>> {
    const BITS: u32 = 6;
    let mut rest = types;
    let mut lengths = Vec::new();
    while rest != 0 {
        lengths.push(length_of(rest & ((1 << BITS) - 1)));
        rest >>= BITS;
    }
    lengths.reverse();
    let known: u32 = lengths.iter().flatten().map(|l| l.next_multiple_of(4)).sum();
    let unknown = lengths.iter().filter(|l| l.is_none()).count();
    let left = key_len.checked_sub(known)?;
    let fits = if unknown == 0 { left == 0 } else { unknown == 1 && left > 0 };
    (lengths.len() > 1 && fits).then(|| lengths.into_iter().map(|l| l.unwrap_or(left)).collect())
}

/// Length in bytes of a type of nft (`enum datatypes` of its sources), where the type tells.
fn length_of(kind: u32) -> Option<u32> {
    Some(match kind {
        2 | 12 | 14..=17 | 27 | 29 | 31..=34 | 36 | 37 | 39 | 42 | 45 => 1,
        10 | 11 | 13 | 21 => 2,
        7 | 19 | 20 | 22..=26 | 28 | 35 | 38 | 40 | 44 => 4,
        9 => 6,
        18 | 43 | 46 => 8,
        8 | 30 | 41 => 16,
        _ => return None,
    })
}

const LIMIT_AT: LimitAt = LimitAt {
    rate: c::NFTNL_OBJ_LIMIT_RATE,
    unit: c::NFTNL_OBJ_LIMIT_UNIT,
    burst: c::NFTNL_OBJ_LIMIT_BURST,
    kind: c::NFTNL_OBJ_LIMIT_TYPE,
    flags: c::NFTNL_OBJ_LIMIT_FLAGS,
};

const QUOTA_AT: QuotaAt =
    QuotaAt { bytes: c::NFTNL_OBJ_QUOTA_BYTES, used: c::NFTNL_OBJ_QUOTA_CONSUMED, flags: c::NFTNL_OBJ_QUOTA_FLAGS };

pub(super) fn object(message: &Message<'_>, family: Family, scratch: &mut Aligned) -> Option<Object> {
    let attributes = message.body.get(FAMILY_HEADER..)?;
    if !walk(attributes).all(|a| a.is_ok()) {
        return None;
    }
    let text = |kind| walk::find(attributes, kind).map(walk::text);
    let kind = walk::find(attributes, OBJECT_TYPE).and_then(walk::number)?;
    let does = policy::message(message.kind, message.body)
        .and_then(|sane| sys::Object::parse(scratch.load(&sane)))
        .and_then(|object| does(&object, kind))
        .or_else(|| connlimit(kind, walk::find(attributes, OBJECT_DATA)?));
    let raw = || walk::find(attributes, OBJECT_DATA).unwrap_or_default().to_vec();
    let does = does.unwrap_or_else(|| Expr::Opaque { name: kind_of(kind), raw: raw() });
    Some(Object { table: table_id(family, text(1)?), name: text(2)?, does })
}

fn does(object: &sys::Object, kind: u32) -> Option<Expr> {
    match kind {
        1 => statement::counter(object, c::NFTNL_OBJ_CTR_PKTS, c::NFTNL_OBJ_CTR_BYTES),
        2 => statement::quota(object, &QUOTA_AT),
        4 => statement::limit(object, &LIMIT_AT),
        10 => Some(Expr::Synproxy),
        _ => None,
    }
}

/// A limit of connections as an object, which libnftnl does not know.
fn connlimit(kind: u32, data: &[u8]) -> Option<Expr> {
    let number = |kind| walk::find(data, kind).and_then(walk::number);
    match (kind, number(2).unwrap_or(0)) {
        (5, flags @ (0 | 1)) => Some(Expr::Connlimit { count: number(1)?, inverted: flags == 1 }),
        _ => None,
    }
}

/// As nft calls the kinds of objects.
fn kind_of(number: u32) -> String {
    match number {
        1 => "counter".into(),
        2 => "quota".into(),
        3 => "ct helper".into(),
        4 => "limit".into(),
        5 => "ct count".into(),
        6 => "tunnel".into(),
        7 => "ct timeout".into(),
        8 => "secmark".into(),
        9 => "ct expectation".into(),
        10 => "synproxy".into(),
        other => format!("object type {other}"),
    }
}
