//! Expressions of libnftnl as plain data: those that look. Those that do something are in [`super::statement`].
//!
//! None is returned for whatever is not wholly understood: it is kept as it came, and what it decides stays open.

use nftnl::nftnl_sys as c;

use super::statement;
use super::sys::{self, Values};
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::{
    Base, BitOp, CmpOp, CtKey, Direction, Expr, ExthdrOf, FibResult, LookupTo, MetaKey, Register, SocketKey,
};

/// What surrounds an expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    /// Family of its table.
    pub(super) family: Option<Family>,
    /// The expressions before it.
    pub(super) before: &'a [Expr],
}

/// An expression as plain data.
pub(super) fn decode(e: &sys::Expr<'_>, around: Around<'_>) -> Option<Expr> {
    match e.name() {
        b"payload" => payload(e),
        b"meta" => meta(e),
        b"ct" => ct(e),
        b"cmp" => cmp(e),
        b"range" => range(e),
        b"bitwise" => bitwise(e),
        b"byteorder" => Some(Expr::Byteorder {
            from: at(e, c::NFTNL_EXPR_BYTEORDER_SREG)?,
            to: at(e, c::NFTNL_EXPR_BYTEORDER_DREG)?,
            len: e.u32(c::NFTNL_EXPR_BYTEORDER_LEN)?,
            size: e.u32(c::NFTNL_EXPR_BYTEORDER_SIZE)?,
        }),
        b"lookup" => lookup(e),
        b"fib" => fib(e),
        b"exthdr" => exthdr(e),
        b"socket" => socket(e),
        b"rt" => Some(Expr::Rt { key: e.u32(c::NFTNL_EXPR_RT_KEY)?, to: at(e, c::NFTNL_EXPR_RT_DREG)? }),
        b"xfrm" => Some(Expr::Xfrm { key: e.u32(c::NFTNL_EXPR_XFRM_KEY)?, to: at(e, c::NFTNL_EXPR_XFRM_DREG)? }),
        b"osf" => Some(Expr::Osf { to: at(e, c::NFTNL_EXPR_OSF_DREG)? }),
        b"numgen" => numgen(e),
        b"hash" => hash(e),
        _ => statement::decode(e, around),
    }
}

/// A register's byte offset: 1 to 4 are of 16 bytes each, 8 to 23 of 4; both begin at 0. Register 0 is the verdict.
pub(super) fn register(number: u32) -> Option<Register> {
    let offset = match number {
        1..=4 => (number - 1) * 16,
        8..=23 => (number - 8) * 4,
        _ => return None,
    };
    Register::try_from(offset).ok()
}

/// The register that an attribute names.
pub(super) fn at(e: &sys::Expr<'_>, attribute: u32) -> Option<Register> {
    register(e.u32(attribute)?)
}

/// An attribute names a register that is not there.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoRegister;

/// The register that an attribute names, where the attribute is there.
pub(super) fn maybe_at(e: &sys::Expr<'_>, attribute: u32) -> Result<Option<Register>, NoRegister> {
    e.u32(attribute).map(|number| register(number).ok_or(NoRegister)).transpose()
}

/// Where a value is loaded to, or taken from.
enum Way {
    To(Register),
    From(Register),
}

/// A register to write, or else one to read.
fn way(e: &sys::Expr<'_>, to: u32, from: u32) -> Option<Way> {
    match (e.u32(to), e.u32(from)) {
        (Some(to), None) => register(to).map(Way::To),
        (None, Some(from)) => register(from).map(Way::From),
        _ => None,
    }
}

fn payload(e: &sys::Expr<'_>) -> Option<Expr> {
    let base = match e.u32(c::NFTNL_EXPR_PAYLOAD_BASE)? {
        0 => Base::Link,
        1 => Base::Network,
        2 => Base::Transport,
        3 => Base::Inner,
        _ => return None,
    };
    let (offset, len) = (e.u32(c::NFTNL_EXPR_PAYLOAD_OFFSET)?, e.u32(c::NFTNL_EXPR_PAYLOAD_LEN)?);
    Some(match way(e, c::NFTNL_EXPR_PAYLOAD_DREG, c::NFTNL_EXPR_PAYLOAD_SREG)? {
        Way::To(to) => Expr::Payload { base, offset, len, to },
        Way::From(from) => Expr::PayloadSet { base, offset, len, from },
    })
}

fn meta(e: &sys::Expr<'_>) -> Option<Expr> {
    let key = meta_key(e.u32(c::NFTNL_EXPR_META_KEY)?);
    Some(match way(e, c::NFTNL_EXPR_META_DREG, c::NFTNL_EXPR_META_SREG)? {
        Way::To(to) => Expr::Meta { key, to },
        Way::From(from) => Expr::MetaSet { key, from },
    })
}

fn ct(e: &sys::Expr<'_>) -> Option<Expr> {
    let key = ct_key(e.u32(c::NFTNL_EXPR_CT_KEY)?);
    let direction = match e.u8(c::NFTNL_EXPR_CT_DIR) {
        None => None,
        Some(0) => Some(Direction::Original),
        Some(1) => Some(Direction::Reply),
        Some(_) => return None,
    };
    Some(match way(e, c::NFTNL_EXPR_CT_DREG, c::NFTNL_EXPR_CT_SREG)? {
        Way::To(to) => Expr::Ct { key, direction, to },
        Way::From(from) => Expr::CtSet { key, direction, from },
    })
}

fn cmp(e: &sys::Expr<'_>) -> Option<Expr> {
    let op = match e.u32(c::NFTNL_EXPR_CMP_OP)? {
        0 => CmpOp::Eq,
        1 => CmpOp::Neq,
        2 => CmpOp::Lt,
        3 => CmpOp::Lte,
        4 => CmpOp::Gt,
        5 => CmpOp::Gte,
        _ => return None,
    };
    let data = e.data(c::NFTNL_EXPR_CMP_DATA)?.to_vec();
    Some(Expr::Cmp { from: at(e, c::NFTNL_EXPR_CMP_SREG)?, op, data })
}

fn range(e: &sys::Expr<'_>) -> Option<Expr> {
    let (low, high) = (e.data(c::NFTNL_EXPR_RANGE_FROM_DATA)?.to_vec(), e.data(c::NFTNL_EXPR_RANGE_TO_DATA)?.to_vec());
    let inverted = match e.u32(c::NFTNL_EXPR_RANGE_OP)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    (low.len() == high.len()).then_some(Expr::Range { from: at(e, c::NFTNL_EXPR_RANGE_SREG)?, inverted, low, high })
}

fn bitwise(e: &sys::Expr<'_>) -> Option<Expr> {
    let len = e.u32(c::NFTNL_EXPR_BITWISE_LEN)?;
    let full = |attribute| e.data(attribute).filter(|d| u32::try_from(d.len()) == Ok(len)).map(<[u8]>::to_vec);
    // Kernels before 5.6 know only the mask, and do not name it.
    let op = match e.u32(c::NFTNL_EXPR_BITWISE_OP).unwrap_or(0) {
        0 => BitOp::Mask { mask: full(c::NFTNL_EXPR_BITWISE_MASK)?, xor: full(c::NFTNL_EXPR_BITWISE_XOR)? },
        1 => BitOp::Left(e.u32(c::NFTNL_EXPR_BITWISE_DATA)?),
        2 => BitOp::Right(e.u32(c::NFTNL_EXPR_BITWISE_DATA)?),
        _ => return None,
    };
    let (from, to) = (at(e, c::NFTNL_EXPR_BITWISE_SREG)?, at(e, c::NFTNL_EXPR_BITWISE_DREG)?);
    Some(Expr::Bitwise { from, to, len, op })
}

fn lookup(e: &sys::Expr<'_>) -> Option<Expr> {
    const INVERTED: u32 = 1;
    let to = match e.u32(c::NFTNL_EXPR_LOOKUP_DREG) {
        None => LookupTo::Match,
        Some(0) => LookupTo::Verdict,
        Some(number) => LookupTo::Register(register(number)?),
    };
    let inverted = flag(e, c::NFTNL_EXPR_LOOKUP_FLAGS, INVERTED)?;
    let set = e.text(c::NFTNL_EXPR_LOOKUP_SET)?;
    Some(Expr::Lookup { set, from: at(e, c::NFTNL_EXPR_LOOKUP_SREG)?, to, inverted })
}

/// Whether the one flag that is known is set; others than it are not understood. Not there: not set.
pub(super) fn flag(e: &impl Values, attribute: u32, known: u32) -> Option<bool> {
    let flags = e.u32(attribute).unwrap_or(0);
    (flags & !known == 0).then_some(flags != 0)
}

fn fib(e: &sys::Expr<'_>) -> Option<Expr> {
    let result = match e.u32(c::NFTNL_EXPR_FIB_RESULT)? {
        1 => FibResult::Oif,
        2 => FibResult::Oifname,
        3 => FibResult::AddrType,
        other => FibResult::Other(other),
    };
    Some(Expr::Fib { result, flags: e.u32(c::NFTNL_EXPR_FIB_FLAGS)?, to: at(e, c::NFTNL_EXPR_FIB_DREG)? })
}

fn exthdr(e: &sys::Expr<'_>) -> Option<Expr> {
    const PRESENT: u32 = 1;
    // Kernels before 4.11 know only IPv6, and do not name it.
    let of = match e.u32(c::NFTNL_EXPR_EXTHDR_OP).unwrap_or(0) {
        0 => ExthdrOf::Ipv6,
        1 => ExthdrOf::Tcp,
        2 => ExthdrOf::Ipv4,
        3 => ExthdrOf::Sctp,
        4 => ExthdrOf::Dccp,
        other => ExthdrOf::Other(other),
    };
    let kind = e.u8(c::NFTNL_EXPR_EXTHDR_TYPE)?;
    let (offset, len) = (e.u32(c::NFTNL_EXPR_EXTHDR_OFFSET), e.u32(c::NFTNL_EXPR_EXTHDR_LEN));
    let present = flag(e, c::NFTNL_EXPR_EXTHDR_FLAGS, PRESENT)?;
    match (maybe_at(e, c::NFTNL_EXPR_EXTHDR_DREG).ok()?, maybe_at(e, c::NFTNL_EXPR_EXTHDR_SREG).ok()?) {
        (Some(to), None) => Some(Expr::Exthdr { of, kind, offset: offset?, len: len?, present, to }),
        // `reset tcp option` takes an option out; it needs neither a value nor a place within it.
        (None, from) => Some(Expr::ExthdrSet { of, kind, offset: offset.unwrap_or(0), len: len.unwrap_or(0), from }),
        (Some(_), Some(_)) => None,
    }
}

fn socket(e: &sys::Expr<'_>) -> Option<Expr> {
    let key = match e.u32(c::NFTNL_EXPR_SOCKET_KEY)? {
        0 => SocketKey::Transparent,
        1 => SocketKey::Mark,
        2 => SocketKey::Wildcard,
        3 => SocketKey::Cgroupv2,
        other => SocketKey::Other(other),
    };
    let level = e.u32(c::NFTNL_EXPR_SOCKET_LEVEL).unwrap_or(0);
    Some(Expr::Socket { key, level, to: at(e, c::NFTNL_EXPR_SOCKET_DREG)? })
}

fn numgen(e: &sys::Expr<'_>) -> Option<Expr> {
    let random = match e.u32(c::NFTNL_EXPR_NG_TYPE)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let (modulus, offset) = (e.u32(c::NFTNL_EXPR_NG_MODULUS)?, e.u32(c::NFTNL_EXPR_NG_OFFSET).unwrap_or(0));
    Some(Expr::Numgen { random, modulus, offset, to: at(e, c::NFTNL_EXPR_NG_DREG)? })
}

fn hash(e: &sys::Expr<'_>) -> Option<Expr> {
    const JENKINS: u32 = 0;
    const SYMMETRIC: u32 = 1;
    let (from, len) = match e.u32(c::NFTNL_EXPR_HASH_TYPE).unwrap_or(JENKINS) {
        JENKINS => (Some(at(e, c::NFTNL_EXPR_HASH_SREG)?), e.u32(c::NFTNL_EXPR_HASH_LEN)?),
        SYMMETRIC => (None, 0),
        _ => return None,
    };
    let (seed, offset) = (e.u32(c::NFTNL_EXPR_HASH_SEED).unwrap_or(0), e.u32(c::NFTNL_EXPR_HASH_OFFSET).unwrap_or(0));
    let modulus = e.u32(c::NFTNL_EXPR_HASH_MODULUS)?;
    Some(Expr::Hash { from, len, modulus, seed, offset, to: at(e, c::NFTNL_EXPR_HASH_DREG)? })
}

/// In the order of `enum nft_meta_keys`.
const META_KEYS: [MetaKey; 36] = [
    MetaKey::Len,
    MetaKey::Protocol,
    MetaKey::Priority,
    MetaKey::Mark,
    MetaKey::Iif,
    MetaKey::Oif,
    MetaKey::Iifname,
    MetaKey::Oifname,
    MetaKey::Iiftype,
    MetaKey::Oiftype,
    MetaKey::Skuid,
    MetaKey::Skgid,
    MetaKey::Nftrace,
    MetaKey::Rtclassid,
    MetaKey::Secmark,
    MetaKey::Nfproto,
    MetaKey::L4proto,
    MetaKey::BridgeIifname,
    MetaKey::BridgeOifname,
    MetaKey::Pkttype,
    MetaKey::Cpu,
    MetaKey::Iifgroup,
    MetaKey::Oifgroup,
    MetaKey::Cgroup,
    MetaKey::Prandom,
    MetaKey::Secpath,
    MetaKey::Iifkind,
    MetaKey::Oifkind,
    MetaKey::BridgeIifPvid,
    MetaKey::BridgeIifVproto,
    MetaKey::Time,
    MetaKey::Day,
    MetaKey::Hour,
    MetaKey::Sdif,
    MetaKey::Sdifname,
    MetaKey::BridgeBroute,
];

fn meta_key(number: u32) -> MetaKey {
    let listed = usize::try_from(number).ok().and_then(|n| META_KEYS.get(n));
    listed.copied().unwrap_or(MetaKey::Other(number))
}

/// In the order of `enum nft_ct_keys`.
const CT_KEYS: [CtKey; 24] = [
    CtKey::State,
    CtKey::Direction,
    CtKey::Status,
    CtKey::Mark,
    CtKey::Secmark,
    CtKey::Expiration,
    CtKey::Helper,
    CtKey::L3protocol,
    CtKey::Source,
    CtKey::Destination,
    CtKey::Protocol,
    CtKey::ProtoSource,
    CtKey::ProtoDestination,
    CtKey::Labels,
    CtKey::Packets,
    CtKey::Bytes,
    CtKey::AveragePacket,
    CtKey::Zone,
    CtKey::EventMask,
    CtKey::SourceIp,
    CtKey::DestinationIp,
    CtKey::SourceIp6,
    CtKey::DestinationIp6,
    CtKey::Id,
];

fn ct_key(number: u32) -> CtKey {
    let listed = usize::try_from(number).ok().and_then(|n| CT_KEYS.get(n));
    listed.copied().unwrap_or(CtKey::Other(number))
}
