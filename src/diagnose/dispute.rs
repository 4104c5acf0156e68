//! Two ways to know what a filter does: following its rules, and what really happened to an attempt. Where they differ,
//! both are told and neither is believed.

use super::look::Look;
use super::subject::Subject;
use super::symptom::is_no_socket;
use super::verdict::Evidence;
use super::ways::{Gets, Ways, gets, main_part};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::ruleset::Backend;
use crate::facts::watched::WatchKey;
use crate::firewall::{Fate, Part, Place, Walk};

/// Chains whose counters are compared, at most.
const MOST_CHAINS: usize = 8;

/// The rules say one thing and the kernel did another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// What follows from the rules, as a sentence.
    pub rules: String,
    /// What the kernel did, as a sentence.
    pub kernel: String,
    /// What the kernel's side rests on.
    pub evidence: Vec<Evidence>,
}

/// Does the attempt from here contradict its way through the rules?
pub(super) fn of(look: &Look<'_>, subject: &Subject, ways: &Ways) -> Option<Dispute> {
    let dial = look.dialled(&subject.endpoint()?)?;
    let part = main_part(&ways.here)?;
    match (&part.fate, gets(part, subject.transport)) {
        (Fate::Rejected { by, .. } | Fate::Dropped { by }, Gets::Outcome(expected)) if expected != dial.outcome => {
            contradicted(by, expected, dial)
        }
        (Fate::Delivered, _) if subject.local == Some(true) => unexplained(look, subject, dial, &ways.here),
        _ => None,
    }
}

/// The rules refuse, and yet something else came back.
fn contradicted(by: &Place, expected: Outcome, dial: &Dial) -> Option<Dispute> {
    // What never left this host, or what a slow answer ended, contradicts nothing.
    let telling = matches!(dial.outcome, Outcome::Open | Outcome::Refused | Outcome::Closed | Outcome::Reset);
    telling.then(|| Dispute {
        rules: format!("{} in {} gives {}", by_words(by), by.chain.name, expected.word()),
        kernel: format!("the attempt from here was {}", dial.outcome.word()),
        evidence: Vec::new(),
    })
}

/// A rule, or a policy.
fn by_words(place: &Place) -> String {
    place.rule.map_or_else(|| "the policy".to_owned(), |handle| format!("the rule with handle {handle}"))
}

/// The rules let it in, and yet a filter was at work.
fn unexplained(look: &Look<'_>, subject: &Subject, dial: &Dial, walk: &Walk) -> Option<Dispute> {
    let rules = "the rules let this host's own packets in".to_owned();
    if let Some(trace) = rule_at_work(dial) {
        return Some(Dispute { rules, kernel: trace, evidence: Vec::new() });
    }
    if dial.outcome != Outcome::Timeout {
        return None;
    }
    let listeners = look.listeners(subject.transport, subject.port?)?;
    let taking = listeners.iter().find(|l| l.takes(subject.endpoint().and_then(|e| e.ip()).unwrap_or(l.address)))?;
    if taking.backlog > 0 && taking.queue >= taking.backlog {
        return None;
    }
    let nft = walk.entered.iter().filter(|chain| chain.table.backend == Backend::Nftables);
    let chains = nft.take(MOST_CHAINS).cloned().collect();
    let to = subject.endpoint()?;
    // One attempt is watched, however the rules change meanwhile.
    let watched = match look.watched_already(&to) {
        Some(watched) => watched,
        None => look.watched(&WatchKey { to, chains })?,
    };
    let word = watched.words.iter().find(|w| w.reason.as_deref().is_some_and(|r| r.starts_with("NETFILTER")))?;
    let reason = word.reason.as_deref().unwrap_or_default();
    let kernel = format!("the kernel dropped the packet: {reason}");
    let see = "trace-cmd record -e skb:kfree_skb".to_owned();
    Some(Dispute { rules, evidence: vec![Evidence::new("tracefs", kernel.clone(), see)], kernel })
}

/// What an attempt to this host tells of a rule, although no rule was read.
pub(super) fn rule_at_work(dial: &Dial) -> Option<String> {
    match &dial.icmp {
        Some(icmp) if icmp.from == dial.to.ip() && !is_no_socket(dial) => {
            Some(format!("the ICMP {} came from this host itself: a rule here rejects", icmp.name()))
        }
        None if dial.was_reset() && dial.counter("Tcp.OutRsts") == Some(0) => {
            Some("the reset was not sent by TCP here: a rule made it".into())
        }
        Some(_) | None => None,
    }
}

/// A part that is refused or dropped by a rule that is known.
pub(super) fn refusing(part: &Part) -> Option<&Place> {
    match &part.fate {
        Fate::Rejected { by, .. } | Fate::Dropped { by } => Some(by),
        Fate::Delivered | Fate::Forwarded { .. } | Fate::Unrouted { .. } | Fate::Unknown { .. } => None,
    }
}
