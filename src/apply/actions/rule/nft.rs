//! Rules of nf_tables: put in and taken out over netlink, each in a transaction of its own that the kernel carries out only
//! while the rules are those that were looked at.

use std::ffi::CString;

use nftnl::expr::{
    Bitwise, Cmp, CmpOp as Compare, Conntrack, Meta, NetworkHeaderField, Payload, TransportHeaderField,
    Verdict as Decide,
};
use nftnl::{Batch, Chain, MsgType, ProtoFamily, Table};
use nix::errno::Errno;

use super::{Found, TRIES, restless};
use crate::error::Error;
use crate::facts::ruleset::expr::{Base, BitOp, CmpOp, CtKey, Expr, MetaKey, Verdict};
use crate::facts::ruleset::{ChainId, ChainRules, Family};
use crate::fixes::rule::Rule;
use crate::sources::Trouble;
use crate::sources::netlink::nftables::{Change, chain_rules, transact};
use crate::sources::netlink::wire;

const NEW_RULE: u16 = 6;
const DELETE_RULE: u16 = 8;
/// `NLM_F_CREATE`.
const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: behind the rule it is placed by, or at the end.
const APPEND: u16 = 0x800;

/// Whether it is there.
pub(super) fn find(rule: &Rule) -> Result<Found, Error> {
    let rules = rules_of(rule)?;
    if ours(rule, &rules).is_some() {
        return Ok(Found::Same);
    }
    if rules.more {
        return Err(Error::broken("the chain is too long to be read in time"));
    }
    let comment = rule.comment();
    let edited = rules.rules.iter().find(|r| r.comment.as_deref() == Some(&comment));
    Ok(edited.map_or(Found::Nowhere, |rule| Found::Edited(format!("another rule now (handle {})", rule.handle))))
}

/// Puts it in, or takes it out.
pub(super) fn set(rule: &Rule, there: bool) -> Result<(), Error> {
    for _ in 0..TRIES {
        let rules = rules_of(rule)?;
        let change = match (there, ours(rule, &rules)) {
            (true, None) => put_in(rule, &rules)?,
            (false, Some(handle)) => take_out(rule, handle)?,
            (true, Some(_)) | (false, None) => return Ok(()),
        };
        match transact(rules.generation, &change).map_err(|trouble| failed(rule, &trouble))? {
            Ok(()) => return Ok(()),
            Err(Errno::ERESTART | Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(Error::broken(format!("the kernel does not take {}", place(rule))).because(errno)),
        }
    }
    Err(restless())
}

fn rules_of(rule: &Rule) -> Result<ChainRules, Error> {
    let rules = chain_rules(&rule.spot.chain).map_err(|trouble| failed(rule, &trouble))?;
    Ok(rules.unwrap_or_default())
}

/// It does what ours does, and has our comment.
fn ours(rule: &Rule, rules: &ChainRules) -> Option<u64> {
    let (exprs, comment) = (rule.exprs(), rule.comment());
    let same = rules.rules.iter().find(|r| r.exprs == exprs && r.comment.as_deref() == Some(&comment));
    same.map(|rule| rule.handle)
}

fn put_in(rule: &Rule, rules: &ChainRules) -> Result<Change, Error> {
    let before = rule.spot.before.as_ref().map(|before| before.handle);
    if let Some(handle) = before.filter(|handle| rules.rules.iter().all(|r| r.handle != *handle)) {
        let why = format!("the rule with handle {handle}, which it goes before, is gone");
        return Err(Error::broken(why).hint("diagnose again"));
    }
    let comment = text(&rule.comment())?;
    let body = body(&rule.spot.chain, MsgType::Add, |new| {
        if let Some(handle) = before {
            new.set_position(handle);
        }
        new.set_comment(&comment).map_err(Error::broken)?;
        rule.exprs().iter().try_for_each(|expr| add(new, expr))
    })?;
    let flags = if before.is_some() { CREATE } else { CREATE | APPEND };
    Ok(Change { message: NEW_RULE, flags, body })
}

fn take_out(rule: &Rule, handle: u64) -> Result<Change, Error> {
    let body = body(&rule.spot.chain, MsgType::Del, |old| {
        old.set_handle(handle);
        Ok(())
    })?;
    Ok(Change { message: DELETE_RULE, flags: 0, body })
}

/// What follows the header of a message about a rule.
fn body(
    chain: &ChainId,
    kind: MsgType,
    make: impl FnOnce(&mut nftnl::Rule<'_>) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let table = Table::new(text(&chain.table.name)?, family(chain.table.family));
    let chain = Chain::new(text(&chain.name)?, &table);
    let mut rule = nftnl::Rule::new(&chain);
    make(&mut rule)?;
    let mut batch = Batch::new();
    batch.add(&rule, kind);
    let batch = batch.finalize();
    // Its begin and end know no generation; those of the transaction do.
    let bytes: Vec<u8> = batch.iter().flatten().copied().collect();
    let message = wire::messages(&bytes).find(|message| message.kind > 0xff);
    message.map(|message| message.body.to_vec()).ok_or_else(|| Error::broken("libnftnl wrote no rule"))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions only those of our rules are written")]
fn add(rule: &mut nftnl::Rule<'_>, expr: &Expr) -> Result<(), Error> {
    let unknown = || Error::broken(format!("no rule is made of {expr:?}"));
    match expr {
        Expr::Meta { key, .. } => rule.add_expr(&match key {
            MetaKey::Nfproto => Meta::NfProto,
            MetaKey::Protocol => Meta::Protocol,
            MetaKey::L4proto => Meta::L4Proto,
            MetaKey::Iif => Meta::Iif,
            _ => return Err(unknown()),
        }),
        // These fields are bytes, whatever they are called.
        Expr::Payload { base: Base::Network, offset, len, .. } => {
            let field = NetworkHeaderField::Raw { offset_bits: *offset, length_bits: *len };
            rule.add_expr(&Payload::Network(field));
        }
        Expr::Payload { base: Base::Transport, offset, len, .. } => {
            let field = TransportHeaderField::Raw { offset_bits: *offset, length_bits: *len };
            rule.add_expr(&Payload::Transport(field));
        }
        Expr::Ct { key: CtKey::State, direction: None, .. } => rule.add_expr(&Conntrack::State),
        Expr::Bitwise { op: BitOp::Mask { mask, xor }, .. } if mask.len() == xor.len() => {
            rule.add_expr(&Bitwise::new(mask.as_slice(), xor.as_slice()));
        }
        Expr::Cmp { op: CmpOp::Eq, data, .. } => rule.add_expr(&Cmp::new(Compare::Eq, data.as_slice())),
        Expr::Cmp { op: CmpOp::Neq, data, .. } => rule.add_expr(&Cmp::new(Compare::Neq, data.as_slice())),
        Expr::Verdict(Verdict::Accept) => rule.add_expr(&Decide::Accept),
        _ => return Err(unknown()),
    }
    Ok(())
}

fn family(family: Family) -> ProtoFamily {
    match family {
        Family::Ip => ProtoFamily::Ipv4,
        Family::Ip6 => ProtoFamily::Ipv6,
        Family::Inet => ProtoFamily::Inet,
        Family::Netdev => ProtoFamily::NetDev,
        Family::Arp => ProtoFamily::Arp,
        Family::Bridge => ProtoFamily::Bridge,
    }
}

fn text(name: &str) -> Result<CString, Error> {
    CString::new(name).map_err(|e| Error::broken("a name of the rules is no text").because(e))
}

fn place(rule: &Rule) -> String {
    let (table, chain) = (&rule.spot.chain.table, &rule.spot.chain.name);
    format!("a rule in {} {} {chain}", table.family.word(), table.name)
}

fn failed(rule: &Rule, trouble: &Trouble) -> Error {
    let error = Error::broken(format!("{} cannot be changed", place(rule)));
    match trouble {
        Trouble::Denied { needs } => error.hint(format!("it takes {needs}")),
        Trouble::Failed { why } => error.because(why.clone()),
        Trouble::TimedOut { after } => error.because(format!("no answer within {} s", after.as_secs())),
    }
}
