//! Where the simulator may say that it cannot tell: only where a rule asks for what is not known before a packet comes.

use std::net::IpAddr;

use unrefuse::facts::ruleset::Rule;
use unrefuse::facts::ruleset::expr::{BitOp, CtKey, Expr, ExthdrOf, MetaKey};
use unrefuse::facts::ruleset::xt::{Match, Xt};
use unrefuse::firewall::Place;

use crate::facts::Reader;
use crate::script::Script;

/// May this not be known? `by` is what the simulator says it depends on; `any`: of any client.
pub(crate) fn may_be(by: Option<&Place>, any: bool, reader: &Reader, script: &Script) -> bool {
    let Some((place, handle)) = by.and_then(|place| Some((place, place.rule?))) else { return false };
    let find = |rules: &[Rule]| rules.iter().find(|rule| rule.handle == handle).cloned();
    let legacy = || {
        let mut chains = reader.legacy_tables().iter().flat_map(|table| &table.chains);
        chains.find(|(chain, _)| chain.id == place.chain).and_then(|(_, rules)| find(rules))
    };
    let rule = reader.rules(&place.chain).and_then(|rules| find(&rules.rules)).or_else(legacy);
    rule.is_some_and(|rule| {
        rule.exprs.iter().any(|expr| unknowable(expr) || scatters(expr, any))
            || (rule.exprs.iter().any(reads_a_mark) && asks_the_unknowable(script))
    })
}

fn unknowable(expr: &Expr) -> bool {
    match expr {
        Expr::Limit { .. }
        | Expr::Quota { .. }
        | Expr::Connlimit { .. }
        | Expr::Numgen { .. }
        | Expr::Hash { .. }
        | Expr::Socket { .. } => true,
        Expr::Exthdr { of, .. } => *of == ExthdrOf::Tcp,
        Expr::Meta { key, .. } => {
            matches!(key, MetaKey::Skuid | MetaKey::Skgid | MetaKey::Cpu | MetaKey::Len | MetaKey::Prandom)
        }
        Expr::Payload { base, offset, .. } => {
            *base == unrefuse::facts::ruleset::expr::Base::Network && matches!(offset, 2..=5)
        }
        Expr::Xt(Xt::Match(one)) => matches!(
            one,
            Match::Limit { .. }
                | Match::Hashlimit { .. }
                | Match::Statistic { .. }
                | Match::Length { .. }
                | Match::Owner { .. }
                | Match::Connlimit { .. }
                | Match::Socket { .. }
                | Match::Unknowable { .. }
        ),
        _ => false,
    }
}

/// True for a mask that picks sources all over the place: hardly as ranges, of which there would be thousands.
fn scatters(expr: &Expr, any: bool) -> bool {
    const PORT: usize = 2;
    match expr {
        Expr::Bitwise { op: BitOp::Mask { mask, .. }, .. } => !is_prefix(mask) && (any || mask.len() == PORT),
        Expr::Xt(Xt::Match(Match::Ip(ip))) => {
            let masks = [ip.source, ip.destination].into_iter().flatten();
            any && masks.map(|(_, mask)| mask).any(|mask| match mask {
                IpAddr::V4(v4) => !is_prefix(&v4.octets()),
                IpAddr::V6(v6) => !is_prefix(&v6.octets()),
            })
        }
        _ => false,
    }
}

/// Ones, then zeroes.
fn is_prefix(mask: &[u8]) -> bool {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let bit = |index: u32| mask[usize::try_from(index / 8).unwrap()] & (0x80 >> (index % 8)) != 0;
    (0..ones).all(bit)
}

fn reads_a_mark(expr: &Expr) -> bool {
    match expr {
        Expr::Meta { key, .. } => *key == MetaKey::Mark,
        Expr::Ct { key, .. } => *key == CtKey::Mark,
        Expr::Xt(Xt::Match(one)) => matches!(one, Match::Mark { .. } | Match::Connmark { .. }),
        _ => false,
    }
}

/// A rule that may or may not hit may set a mark that another one reads.
fn asks_the_unknowable(script: &Script) -> bool {
    ["limit", "numgen", "quota", "skuid", "cpu", "hash", "ct count", "socket", "length", "option", "statistic", "owner"]
        .iter()
        .any(|word| script.says(word))
}
