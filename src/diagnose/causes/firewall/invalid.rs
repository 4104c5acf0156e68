//! Rules that drop what connection tracking calls invalid.

use super::common::{Blocked, blocked};
use crate::diagnose::Scene;
use crate::diagnose::ways::rule_of;
use crate::facts::ruleset::expr::{CtKey, Expr, Verdict};
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{ChainId, Rule};
use crate::firewall::{Leg, Place};

/// The bit of that state.
const INVALID: u32 = 1;

/// Such a rule among those that counted packets while an attempt was watched.
pub(super) fn counted(scene: &Scene<'_, '_>, counted: &[(ChainId, u64, u64)]) -> Option<Place> {
    let rules = counted.iter().filter(|(chain, handle, _)| {
        rule_of(scene.look, chain, *handle).is_some_and(|rule| drops(rule) && looks_at_invalid(rule))
    });
    let (chain, handle, _) = rules.into_iter().next()?;
    let hook = scene.look.ruleset()?.chain(chain)?.base.as_ref()?.hook;
    let leg = Leg::Request;
    Some(Place { base: chain.clone(), hook, leg, via: Vec::new(), chain: chain.clone(), rule: Some(*handle) })
}

/// What keeps whoever asks out, where that is such a rule: the answer of a connection that is not tracked.
pub(super) fn refusing<'s>(scene: &'s Scene<'_, '_>) -> Option<Blocked<'s>> {
    blocked(scene).filter(|blocked| blocked.rule(scene).is_some_and(looks_at_invalid))
}

fn drops(rule: &Rule) -> bool {
    rule.exprs.iter().any(|e| matches!(e, Expr::Verdict(Verdict::Drop) | Expr::Reject(_)))
}

fn looks_at_invalid(rule: &Rule) -> bool {
    let by_match = |e: &Expr| match e {
        Expr::Xt(Xt::Match(Match::Conntrack(m))) => !m.states_inverted && m.states.is_some_and(|s| s & INVALID != 0),
        _ => false,
    };
    let state = rule.exprs.iter().any(|e| matches!(e, Expr::Ct { key: CtKey::State, .. }));
    let mask = |e: &Expr| match e {
        Expr::Bitwise { op: crate::facts::ruleset::expr::BitOp::Mask { mask, .. }, .. } => {
            mask.first_chunk::<4>().is_some_and(|bytes| u32::from_ne_bytes(*bytes) == INVALID)
        }
        _ => false,
    };
    rule.exprs.iter().any(by_match) || (state && rule.exprs.iter().any(mask))
}
