//! What the rules of this host do to whoever asks, for `check --json`.

use serde_json::{Value, json};

use super::Report;
use crate::firewall::keeper::keeper;
use crate::firewall::{Fate, Leg, Part, Place, words};
use crate::text;

/// The object `firewall`.
pub(super) fn object(report: &Report<'_>) -> Value {
    let parts = report.diagnosis.ways.as_ref().map(|ways| ways.asked.parts.as_slice()).unwrap_or_default();
    json!({
        "verdict": verdict(parts),
        "disputed": report.diagnosis.dispute.is_some(),
        "rules": rules(report, parts),
    })
}

/// `accept`, `reject`, `drop`, `mixed` or `unknown`.
fn verdict(parts: &[Part]) -> &'static str {
    let mut each = parts.iter().map(|part| word(&part.fate));
    let Some(first) = each.next() else { return "unknown" };
    if each.all(|word| word == first) { first } else { "mixed" }
}

fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Delivered | Fate::Forwarded { .. } => "accept",
        Fate::Rejected { .. } => "reject",
        Fate::Dropped { .. } => "drop",
        Fate::Unrouted { .. } | Fate::Unknown { .. } => "unknown",
    }
}

/// The rules that decide, each with the sources it decides for.
fn rules(report: &Report<'_>, parts: &[Part]) -> Vec<Value> {
    let mut told: Vec<(&Place, &'static str, Vec<String>)> = Vec::new();
    for part in parts {
        let Some(place) = deciding(part) else { continue };
        let (verdict, sources) = (word(&part.fate), cidrs(part));
        match told.iter_mut().find(|(p, v, _)| *p == place && *v == verdict) {
            Some((_, _, all)) => all.extend(sources),
            None => told.push((place, verdict, sources)),
        }
    }
    told.into_iter().map(|(place, verdict, sources)| rule(report, place, verdict, &sources)).collect()
}

/// The networks of a part's sources.
fn cidrs(part: &Part) -> Vec<String> {
    part.sources.cidrs().into_iter().map(|(network, length)| format!("{network}/{length}")).collect()
}

/// The rule or policy that decides for a part; of those that let it pass, the last rule that said so.
fn deciding(part: &Part) -> Option<&Place> {
    match &part.fate {
        Fate::Rejected { by, .. } | Fate::Dropped { by } => Some(by),
        Fate::Unknown { by, .. } => by.as_ref(),
        Fate::Delivered | Fate::Forwarded { .. } => {
            part.passed.iter().rev().map(|pass| &pass.by).find(|by| by.rule.is_some() && by.leg == Leg::Request)
        }
        Fate::Unrouted { .. } => None,
    }
}

fn rule(report: &Report<'_>, place: &Place, verdict: &str, sources: &[String]) -> Value {
    let known = place
        .rule
        .and_then(|handle| report.case.here.rules_of(&place.chain)?.iter().find(|rule| rule.handle == handle));
    let words = match (known, place.rule) {
        (Some(rule), _) => words::rule(&place.chain, rule, &report.case.here),
        (None, Some(handle)) => format!("rule with handle {handle}"),
        (None, None) => "policy".to_owned(),
    };
    json!({
        "backend": keeper(&place.chain, known).program.backend(),
        "family": place.chain.table.family.word(),
        "table": text::line(&place.chain.table.name),
        "chain": text::line(&place.chain.name),
        "handle": place.rule,
        "hook": place.hook.word(),
        "text": text::line(&words),
        "verdict": verdict,
        "sources": sources,
    })
}
