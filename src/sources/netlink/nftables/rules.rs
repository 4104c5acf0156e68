//! The rules of one chain.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use super::expr::{Around, decode};
use super::policy::{self, FAMILY_HEADER};
use super::sys::{self, Aligned};
use super::walk::{self, RawExpr};
use super::{Ask, Look, Session, family, is_of_another, kind, path, steadily, trouble, within};
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::{ChainId, ChainRules, Family, Rule};
use crate::sources::Trouble;
use crate::sources::netlink::transport::{End, Piece, Request};
use crate::sources::netlink::wire::Message;

const NEW_RULE: u16 = kind(6);
const GET_RULE: u16 = kind(7);

/// How long a chain may take. The kernel walks a chain from its beginning for each 32 KiB it hands over, so that the time
/// grows with the square: 10,000 rules 0.04 s, 50,000 2.2 s, 100,000 13 s.
const LIMIT: Duration = Duration::from_millis(2500);

/// Pieces of an answer that may wait to be decoded, 32 KiB each.
const WAITING: usize = 8;

/// The rules of a chain, as many as can be read in time. A chain that is not there has none.
pub fn chain_rules(id: &ChainId) -> Result<Option<ChainRules>, Trouble> {
    chain_rules_within(id, LIMIT)
}

/// The rules of a chain, as many as can be read within a time.
pub fn chain_rules_within(id: &ChainId, limit: Duration) -> Result<Option<ChainRules>, Trouble> {
    let until = within(limit);
    let attributes = path(&id.table.name, &id.name)?;
    let doing = "asking for the rules of a chain";
    let ask = Ask { doing, kind: GET_RULE, family: Some(id.table.family), attributes: &attributes };
    let rules = steadily(until, |session, generation| read(session, ask, generation, until))?;
    Ok(Some(rules.unwrap_or_default()))
}

/// Reads the rules once: one thread receives while another decodes.
fn read(session: &mut Session, ask: Ask<'_>, generation: u32, until: Instant) -> Result<Look<ChainRules>, Trouble> {
    let (pieces, received) = sync_channel::<(Vec<u8>, u32)>(WAITING);
    thread::scope(|scope| {
        let receive = move || {
            let request = Request { doing: ask.doing, kind: ask.kind, body: &ask.body() };
            session.netlink.dump(request, |piece| {
                let late = Instant::now() >= until;
                match pieces.send((piece.bytes.to_vec(), piece.sequence)) {
                    Ok(()) if !late => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                }
            })
        };
        let reader = thread::Builder::new()
            .name("rules".into())
            .spawn_scoped(scope, receive)
            .map_err(|e| Trouble::failed(format!("starting a thread: {e}")))?;
        let mut rules = Vec::new();
        let (mut moved, mut decoder) = (false, Decoder::default());
        while let Ok((bytes, sequence)) = received.recv() {
            for message in (Piece { bytes: &bytes, sequence }).entries().filter(|m| m.kind == NEW_RULE) {
                moved |= is_of_another(&message, generation);
                rules.push(rule(&message, &mut decoder));
            }
        }
        match reader.join().map_err(|_| Trouble::failed("looking broke off"))?? {
            End::Refused(errno) => Err(trouble(ask.doing, errno)),
            End::Changed => Ok(Look::Moved),
            End::Whole | End::Stopped if moved => Ok(Look::Moved),
            end @ (End::Whole | End::Stopped) => {
                Ok(Look::Read(ChainRules { generation, rules, more: end == End::Stopped }))
            }
        }
    })
}

/// Makes plain data of rules. Most expressions stand in many rules: those are decoded once and copied.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    scratch: Aligned,
    /// Expressions as the kernel sends them, and what they are.
    known: HashMap<Vec<u8>, Expr>,
}

/// How many expressions are remembered.
const MOST_KNOWN: usize = 4096;

/// A rule as plain data, with each of its expressions.
pub(super) fn rule(message: &Message<'_>, decoder: &mut Decoder) -> Rule {
    const HANDLE: u16 = 3;
    const EXPRESSIONS: u16 = 4;
    const USERDATA: u16 = 7;
    const COMMENT: u8 = 0;
    let attributes = message.body.get(FAMILY_HEADER..).unwrap_or_default();
    let whole = walk::walk(attributes).all(|a| a.is_ok());
    let listed = walk::find(attributes, EXPRESSIONS).filter(|_| whole).map(RawExpr::list);
    let exprs = match listed {
        Some(Ok(list)) => expressions(family(message.body), &list, decoder),
        Some(Err(_)) | None => vec![Expr::Opaque { name: "rule".into(), raw: message.body.to_vec() }],
    };
    Rule {
        handle: walk::find(attributes, HANDLE).and_then(walk::long).unwrap_or(0),
        exprs,
        comment: walk::find(attributes, USERDATA).and_then(|u| walk::comment(u, COMMENT)),
        text: None,
    }
}

/// The expressions of a rule: those that are new all at once, or where that cannot be one by one.
fn expressions(family: Option<Family>, list: &[RawExpr<'_>], decoder: &mut Decoder) -> Vec<Expr> {
    let Decoder { scratch, known } = decoder;
    let new: Vec<&RawExpr<'_>> = list.iter().filter(|raw| !known.contains_key(raw.whole)).collect();
    let sane = if new.is_empty() { None } else { policy::expressions(&new) };
    let parsed = sane.and_then(|sane| sys::Rule::parse(scratch.load(&sane)));
    let found = parsed.as_ref().map(sys::Rule::exprs).unwrap_or_default();
    let all = found.len() == new.len() && found.iter().zip(&new).all(|(e, raw)| e.name() == raw.name);
    let mut found = found.iter().filter(|_| all);
    let mut exprs = Vec::with_capacity(list.len());
    for raw in list {
        if let Some(expr) = known.get(raw.whole) {
            exprs.push(expr.clone());
            continue;
        }
        let expr = match found.next() {
            Some(e) => decode(e, Around { family, before: &exprs }),
            None => alone(raw, family, &exprs, scratch),
        };
        exprs.push(expr.unwrap_or_else(|| opaque(raw)));
    }
    for (raw, expr) in list.iter().zip(&exprs) {
        if known.len() < MOST_KNOWN && stands_alone(raw.name) && !known.contains_key(raw.whole) {
            known.insert(raw.whole.to_vec(), expr.clone());
        }
    }
    exprs
}

/// Does it mean the same whatever stands around it, and stand in many rules?
fn stands_alone(name: &[u8]) -> bool {
    matches!(name, b"payload" | b"meta" | b"ct" | b"cmp" | b"bitwise" | b"immediate" | b"lookup")
}

/// An expression parsed apart from its rule; none where it is not known.
fn alone(raw: &RawExpr<'_>, family: Option<Family>, before: &[Expr], scratch: &mut Aligned) -> Option<Expr> {
    let sane = policy::expressions(&[raw])?;
    let parsed = sys::Rule::parse(scratch.load(&sane))?;
    match parsed.exprs().as_slice() {
        [one] if one.name() == raw.name => decode(one, Around { family, before }),
        _ => None,
    }
}

/// What is not known, as it came.
fn opaque(raw: &RawExpr<'_>) -> Expr {
    Expr::Opaque { name: String::from_utf8_lossy(raw.name).into_owned(), raw: raw.data.to_vec() }
}
