//! Expressions of libnftnl as plain data: those that decide, count, change or remember something.

use nftnl::nftnl_sys as c;

use super::expr::{Around, NoRegister, at, flag, maybe_at};
use super::sys::{self, Values};
use super::{exprs, family_of};
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::{CmpOp, DynsetOp, Expr, MetaKey, Register, RejectWith, Verdict};
use crate::facts::ruleset::xt::Xt;
use crate::sources::xtables::binary::{match_of, target_of};

/// An expression as plain data.
pub(super) fn decode(e: &sys::Expr<'_>, around: Around<'_>) -> Option<Expr> {
    match e.name() {
        b"immediate" => immediate(e),
        b"counter" => counter(e, c::NFTNL_EXPR_CTR_PACKETS, c::NFTNL_EXPR_CTR_BYTES),
        b"limit" => limit(e, &LIMIT),
        b"quota" => quota(e, &QUOTA),
        b"connlimit" => connlimit(e, c::NFTNL_EXPR_CONNLIMIT_COUNT, c::NFTNL_EXPR_CONNLIMIT_FLAGS),
        b"last" => Some(Expr::Last),
        b"log" => Some(Expr::Log { prefix: e.text(c::NFTNL_EXPR_LOG_PREFIX), group: e.u16(c::NFTNL_EXPR_LOG_GROUP) }),
        b"reject" => reject(e, around),
        b"nat" => nat(e),
        b"masq" => masquerade(e),
        b"redir" => redirect(e),
        b"tproxy" => tproxy(e),
        b"objref" => objref(e),
        b"dynset" => dynset(e, around),
        b"synproxy" => Some(Expr::Synproxy),
        b"flow_offload" => Some(Expr::FlowOffload { table: e.text(c::NFTNL_EXPR_FLOW_TABLE_NAME)? }),
        b"dup" => Some(Expr::Dup {
            address: maybe_at(e, c::NFTNL_EXPR_DUP_SREG_ADDR).ok()?,
            device: maybe_at(e, c::NFTNL_EXPR_DUP_SREG_DEV).ok()?,
        }),
        b"fwd" => Some(Expr::Fwd {
            device: maybe_at(e, c::NFTNL_EXPR_FWD_SREG_DEV).ok()?,
            address: maybe_at(e, c::NFTNL_EXPR_FWD_SREG_ADDR).ok()?,
        }),
        b"queue" => queue(e),
        b"notrack" => Some(Expr::Notrack),
        b"match" => matched(e, around),
        b"target" => target(e, around),
        _ => None,
    }
}

/// Attributes of a limit, which are numbered in one way for an expression and in another for an object.
pub(super) struct LimitAt {
    pub(super) rate: u32,
    pub(super) unit: u32,
    pub(super) burst: u32,
    pub(super) kind: u32,
    pub(super) flags: u32,
}

const LIMIT: LimitAt = LimitAt {
    rate: c::NFTNL_EXPR_LIMIT_RATE,
    unit: c::NFTNL_EXPR_LIMIT_UNIT,
    burst: c::NFTNL_EXPR_LIMIT_BURST,
    kind: c::NFTNL_EXPR_LIMIT_TYPE,
    flags: c::NFTNL_EXPR_LIMIT_FLAGS,
};

/// Attributes of a quota.
pub(super) struct QuotaAt {
    pub(super) bytes: u32,
    pub(super) used: u32,
    pub(super) flags: u32,
}

const QUOTA: QuotaAt =
    QuotaAt { bytes: c::NFTNL_EXPR_QUOTA_BYTES, used: c::NFTNL_EXPR_QUOTA_CONSUMED, flags: c::NFTNL_EXPR_QUOTA_FLAGS };

const INVERTED: u32 = 1;

/// A counter.
pub(super) fn counter(e: &impl Values, packets: u32, bytes: u32) -> Option<Expr> {
    Some(Expr::Counter { packets: e.u64(packets)?, bytes: e.u64(bytes)? })
}

/// A limit.
pub(super) fn limit(e: &impl Values, at: &LimitAt) -> Option<Expr> {
    let bytes = match e.u32(at.kind).unwrap_or(0) {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Expr::Limit {
        rate: e.u64(at.rate)?,
        unit_s: e.u64(at.unit)?,
        burst: e.u32(at.burst).unwrap_or(0),
        bytes,
        inverted: flag(e, at.flags, INVERTED)?,
    })
}

/// A quota.
pub(super) fn quota(e: &impl Values, at: &QuotaAt) -> Option<Expr> {
    const DEPLETED: u32 = 2;
    let flags = e.u32(at.flags).unwrap_or(0);
    if flags & !(INVERTED | DEPLETED) != 0 {
        return None;
    }
    Some(Expr::Quota { bytes: e.u64(at.bytes)?, used: e.u64(at.used).unwrap_or(0), inverted: flags & INVERTED != 0 })
}

/// A limit of connections.
pub(super) fn connlimit(e: &impl Values, count: u32, flags: u32) -> Option<Expr> {
    Some(Expr::Connlimit { count: e.u32(count)?, inverted: flag(e, flags, INVERTED)? })
}

/// A verdict, by its code and chain.
pub(super) fn verdict(code: i32, chain: Option<String>) -> Option<Verdict> {
    Some(match code & 0xffff {
        // NF_DROP may carry an errno in its upper half.
        0 if code >= 0 => Verdict::Drop,
        1 if code == 1 => Verdict::Accept,
        2 if code == 2 => Verdict::Stolen,
        // NF_QUEUE carries the queue's number.
        3 if code >= 0 => Verdict::Queue,
        _ => match code {
            -1 => Verdict::Continue,
            -2 => Verdict::Break,
            -3 => Verdict::Jump(chain?),
            -4 => Verdict::Goto(chain?),
            -5 => Verdict::Return,
            _ => return None,
        },
    })
}

fn immediate(e: &sys::Expr<'_>) -> Option<Expr> {
    const VERDICT: u32 = 0;
    if e.u32(c::NFTNL_EXPR_IMM_DREG)? == VERDICT {
        let code = e.i32(c::NFTNL_EXPR_IMM_VERDICT)?;
        return verdict(code, e.text(c::NFTNL_EXPR_IMM_CHAIN)).map(Expr::Verdict);
    }
    Some(Expr::Immediate { to: at(e, c::NFTNL_EXPR_IMM_DREG)?, data: e.data(c::NFTNL_EXPR_IMM_DATA)?.to_vec() })
}

fn reject(e: &sys::Expr<'_>, around: Around<'_>) -> Option<Expr> {
    let code = e.u8(c::NFTNL_EXPR_REJECT_CODE);
    Some(Expr::Reject(match e.u32(c::NFTNL_EXPR_REJECT_TYPE)? {
        0 if is_ipv6(around) => RejectWith::Icmpv6(code?),
        0 => RejectWith::Icmp(code?),
        1 => RejectWith::TcpReset,
        2 => RejectWith::Icmpx(code?),
        _ => return None,
    }))
}

/// Whether a rule is for IPv6 packets. The kernel writes an ICMP and an ICMPv6 answer alike and looks at the packet; in a
/// table of both families nft puts a match of the family before such an answer.
fn is_ipv6(around: Around<'_>) -> bool {
    const IPV6: &[u8] = &[10];
    const ETHERTYPE_IPV6: &[u8] = &[0x86, 0xdd];
    match around.family {
        Some(Family::Ip6) => true,
        Some(Family::Ip | Family::Arp) => false,
        Some(Family::Inet | Family::Netdev | Family::Bridge) | None => around.before.windows(2).any(|pair| {
            let [Expr::Meta { key, to }, Expr::Cmp { from, op: CmpOp::Eq, data }] = pair else { return false };
            let wanted = if *key == MetaKey::Nfproto { IPV6 } else { ETHERTYPE_IPV6 };
            to == from && matches!(key, MetaKey::Nfproto | MetaKey::Protocol) && data == wanted
        }),
    }
}

/// Two registers, the second of which may be left out where it is the first.
fn pair(e: &sys::Expr<'_>, low: u32, high: u32) -> Result<Option<(Register, Register)>, NoRegister> {
    match (maybe_at(e, low)?, maybe_at(e, high)?) {
        (Some(low), high) => Ok(Some((low, high.unwrap_or(low)))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(NoRegister),
    }
}

fn nat(e: &sys::Expr<'_>) -> Option<Expr> {
    let source = match e.u32(c::NFTNL_EXPR_NAT_TYPE)? {
        0 => true,
        1 => false,
        _ => return None,
    };
    Some(Expr::Nat {
        source,
        family: family_of(u8::try_from(e.u32(c::NFTNL_EXPR_NAT_FAMILY)?).ok()?)?,
        address: pair(e, c::NFTNL_EXPR_NAT_REG_ADDR_MIN, c::NFTNL_EXPR_NAT_REG_ADDR_MAX).ok()?,
        port: pair(e, c::NFTNL_EXPR_NAT_REG_PROTO_MIN, c::NFTNL_EXPR_NAT_REG_PROTO_MAX).ok()?,
        flags: e.u32(c::NFTNL_EXPR_NAT_FLAGS).unwrap_or(0),
    })
}

fn masquerade(e: &sys::Expr<'_>) -> Option<Expr> {
    let port = pair(e, c::NFTNL_EXPR_MASQ_REG_PROTO_MIN, c::NFTNL_EXPR_MASQ_REG_PROTO_MAX).ok()?;
    Some(Expr::Masquerade { port, flags: e.u32(c::NFTNL_EXPR_MASQ_FLAGS).unwrap_or(0) })
}

fn redirect(e: &sys::Expr<'_>) -> Option<Expr> {
    let port = pair(e, c::NFTNL_EXPR_REDIR_REG_PROTO_MIN, c::NFTNL_EXPR_REDIR_REG_PROTO_MAX).ok()?;
    Some(Expr::Redirect { port, flags: e.u32(c::NFTNL_EXPR_REDIR_FLAGS).unwrap_or(0) })
}

/// A family of 0 means that of the packet.
fn tproxy(e: &sys::Expr<'_>) -> Option<Expr> {
    let family = match u8::try_from(e.u32(c::NFTNL_EXPR_TPROXY_FAMILY)?).ok()? {
        0 => Family::Inet,
        other => family_of(other)?,
    };
    let address = maybe_at(e, c::NFTNL_EXPR_TPROXY_REG_ADDR).ok()?;
    Some(Expr::Tproxy { family, address, port: maybe_at(e, c::NFTNL_EXPR_TPROXY_REG_PORT).ok()? })
}

fn objref(e: &sys::Expr<'_>) -> Option<Expr> {
    if let Some(name) = e.text(c::NFTNL_EXPR_OBJREF_IMM_NAME) {
        return Some(Expr::Objref { name });
    }
    let set = e.text(c::NFTNL_EXPR_OBJREF_SET_NAME)?;
    Some(Expr::ObjrefMap { set, from: at(e, c::NFTNL_EXPR_OBJREF_SET_SREG)? })
}

fn dynset(e: &sys::Expr<'_>, around: Around<'_>) -> Option<Expr> {
    const RUNS_EXPRS: u32 = 2;
    let op = match e.u32(c::NFTNL_EXPR_DYNSET_OP)? {
        0 => DynsetOp::Add,
        1 => DynsetOp::Update,
        2 => DynsetOp::Delete,
        _ => return None,
    };
    let flags = e.u32(c::NFTNL_EXPR_DYNSET_FLAGS).unwrap_or(0);
    if flags & !(INVERTED | RUNS_EXPRS) != 0 {
        return None;
    }
    Some(Expr::Dynset {
        set: e.text(c::NFTNL_EXPR_DYNSET_SET_NAME)?,
        op,
        key: at(e, c::NFTNL_EXPR_DYNSET_SREG_KEY)?,
        data: maybe_at(e, c::NFTNL_EXPR_DYNSET_SREG_DATA).ok()?,
        exprs: exprs(&e.nested(), around.family)?,
        inverted: flags & INVERTED != 0,
    })
}

fn queue(e: &sys::Expr<'_>) -> Option<Expr> {
    const BYPASS: u16 = 1;
    let bypass = e.u16(c::NFTNL_EXPR_QUEUE_FLAGS).unwrap_or(0) & BYPASS != 0;
    if maybe_at(e, c::NFTNL_EXPR_QUEUE_SREG_QNUM).ok()?.is_some() {
        // Which queue depends on the packet: any.
        return Some(Expr::Queue { from: 0, to: u16::MAX, bypass });
    }
    let (from, total) = (e.u16(c::NFTNL_EXPR_QUEUE_NUM)?, e.u16(c::NFTNL_EXPR_QUEUE_TOTAL).unwrap_or(1));
    Some(Expr::Queue { from, to: from.checked_add(total.saturating_sub(1))?, bypass })
}

fn matched(e: &sys::Expr<'_>, around: Around<'_>) -> Option<Expr> {
    let (name, revision) = (e.text(c::NFTNL_EXPR_MT_NAME)?, e.u32(c::NFTNL_EXPR_MT_REV)?);
    let info = e.data(c::NFTNL_EXPR_MT_INFO).unwrap_or_default();
    Some(Expr::Xt(Xt::Match(match_of(&name, revision, info, around.family?))))
}

fn target(e: &sys::Expr<'_>, around: Around<'_>) -> Option<Expr> {
    let (name, revision) = (e.text(c::NFTNL_EXPR_TG_NAME)?, e.u32(c::NFTNL_EXPR_TG_REV)?);
    let info = e.data(c::NFTNL_EXPR_TG_INFO).unwrap_or_default();
    Some(Expr::Xt(Xt::Target(target_of(&name, revision, info, around.family?))))
}
