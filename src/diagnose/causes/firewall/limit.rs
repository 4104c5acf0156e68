//! Rules that let in only so much.

use super::super::Found;
use super::common::{chain_words, evidence_of, place_words, see_chain, text};
use crate::diagnose::Scene;
use crate::diagnose::dispute::rule_at_work;
use crate::diagnose::verdict::Advice;
use crate::diagnose::ways::{main_part, rule_of};
use crate::facts::connect::Outcome;
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::xt::{Match, Xt};
use crate::firewall::{Fate, Place};

/// The rule whose limit decides, where the attempt shows that it refuses now.
pub(super) fn limited(scene: &Scene<'_, '_>) -> Option<Place> {
    let ways = scene.ways()?;
    let Fate::Unknown { by: Some(place), open: false, .. } = &main_part(&ways.asked)?.fate else { return None };
    let rule = rule_of(scene.look, &place.chain, place.rule?)?;
    if !rule.exprs.iter().any(limits) {
        return None;
    }
    let dial = scene.look.dialled(&scene.subject.endpoint()?)?;
    let refused = rule_at_work(dial).is_some() || matches!(dial.outcome, Outcome::Timeout | Outcome::Silent);
    (refused && scene.outcome()? != Outcome::Open).then(|| place.clone())
}

/// Does it let in only so much?
fn limits(expr: &Expr) -> bool {
    match expr {
        Expr::Limit { .. } | Expr::Quota { .. } | Expr::Connlimit { .. } => true,
        Expr::Dynset { exprs, .. } => exprs.is_empty() || exprs.iter().any(limits),
        Expr::Xt(Xt::Match(m)) => {
            matches!(m, Match::Limit { .. } | Match::Hashlimit { .. } | Match::Connlimit { .. } | Match::Recent(_))
        }
        _ => false,
    }
}

/// The finding.
pub(super) fn found(scene: &Scene<'_, '_>, place: &Place) -> Found {
    let summary =
        format!("{} in {} lets in only so many, and there were more", text(scene, place), chain_words(&place.chain));
    Found::new(place_words(place), summary).seen(evidence_of(scene, place)).advise(Advice::new(
        "wait until the limit has recovered, without trying again meanwhile, or raise it",
        see_chain(scene, &place.chain),
        None,
    ))
}
