//! Two ways to know what a filter does: following its rules, and what really happened to an attempt. Where they differ,
//! both are told and neither is believed.

use super::asked::lo_is_down;
use super::look::Look;
use super::subject::Subject;
use super::symptom::is_no_socket;
use super::verdict::Evidence;
use super::ways::{Gets, Ways, gets, main_part, rules_of};
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::facts::ruleset::expr::{Expr, RejectWith};
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{Backend, ChainId};
use crate::facts::watched::{Meaning, WatchKey, Watched, Word};
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
        (Fate::Rejected { with: RejectWith::TcpReset, by }, _) if subject.local == Some(true) => {
            reset_by_tcp(look, dial, (by, &ways.here))
        }
        (Fate::Delivered, _) if subject.local == Some(true) => unexplained(look, subject, dial, &ways.here),
        _ => None,
    }
}

/// A rule resets, and TCP itself has sent a reset meanwhile: its own to the attempt, or another's to somebody else. Only
/// the kernel's trace can tell them apart, and that takes a second attempt: none where attempts are counted.
fn reset_by_tcp(look: &Look<'_>, dial: &Dial, (by, walk): (&Place, &Walk)) -> Option<Dispute> {
    let moved = dial.was_reset() && dial.counter("Tcp.OutRsts").is_some_and(|sent| sent > 0);
    if !moved || walk.entered.iter().any(|chain| counts_attempts(look, chain)) {
        return None;
    }
    let watched = watched(look, &dial.to, walk)?;
    let filtered = watched.words.iter().any(|word| word.meaning() == Some(Meaning::Filter));
    if filtered || !watched.words.iter().any(Word::is_reset) {
        return None;
    }
    let rules = format!("{} in {} resets it", by_words(by), by.chain.name);
    let kernel = "TCP itself sent the reset".to_owned();
    let see = "trace-cmd record -e tcp:tcp_send_reset".to_owned();
    Some(Dispute { rules, evidence: vec![Evidence::new("tracefs", kernel.clone(), see)], kernel })
}

/// Does a chain hold rules that an attempt uses up, or that put who tries into a list?
fn counts_attempts(look: &Look<'_>, chain: &ChainId) -> bool {
    let counting = |expr: &Expr| {
        matches!(
            expr,
            Expr::Limit { .. }
                | Expr::Quota { .. }
                | Expr::Connlimit { .. }
                | Expr::Dynset { .. }
                | Expr::Objref { .. }
                | Expr::Xt(Xt::Match(
                    Match::Limit { .. } | Match::Hashlimit { .. } | Match::Connlimit { .. } | Match::Recent(_)
                ))
        )
    };
    rules_of(look, chain).is_none_or(|rules| rules.iter().any(|rule| rule.exprs.iter().any(counting)))
}

/// One attempt is watched, however the rules change meanwhile.
fn watched<'a>(look: &Look<'a>, to: &Endpoint, walk: &Walk) -> Option<&'a Watched> {
    let nft = walk.entered.iter().filter(|chain| chain.table.backend == Backend::Nftables);
    let chains = nft.take(MOST_CHAINS).cloned().collect();
    match look.watched_already(to) {
        Some(watched) => Some(watched),
        None => look.watched(&WatchKey { to: to.clone(), chains }),
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
    if dial.outcome != Outcome::Timeout || lo_is_down(look)? {
        return None;
    }
    let listeners = look.listeners(subject.transport, subject.port?)?;
    let taking = listeners.iter().find(|l| l.takes(subject.endpoint().and_then(|e| e.ip()).unwrap_or(l.address)))?;
    if taking.backlog > 0 && taking.queue >= taking.backlog {
        return None;
    }
    let watched = watched(look, &subject.endpoint()?, walk)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::diagnose::causes::testing::rules::{base, dport, reject, rule};
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, settle};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::connect::{Counter, Endpoint, Outcome};
    use crate::facts::ruleset::expr::{Expr, RejectWith};
    use crate::facts::ruleset::{Hook, Policy};
    use crate::facts::watched::{WatchKey, Watched, Word};
    use crate::facts::{Fact, Facts, Question, Reading};
    use crate::target::From;

    fn to() -> Endpoint {
        Endpoint::Tcp((OUTSIDE, 80).into())
    }

    /// A rule resets what comes to port 80, after these; the attempt was reset, and TCP sent so many resets.
    fn host(before: Vec<Expr>, resets: i64) -> Host {
        let rules = vec![rule(&[dport(81), before, reject(RejectWith::TcpReset)], 0)];
        let rules = [rules, vec![rule(&[dport(80), reject(RejectWith::TcpReset)], 0)]].concat();
        Host::refusing(80)
            .from(From::Here)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet filter", "input", base(Hook::Input, 0, Policy::Accept), rules)
            .facts(|f| {
                let mut dial = f.dials[&to()].value().cloned().unwrap();
                dial.counters = vec![Counter { name: "Tcp.OutRsts".into(), delta: resets }];
                f.dials.insert(to(), Reading::known(dial));
            })
    }

    fn word(event: &str, reason: &str) -> Word {
        Word { event: event.into(), reason: Some(reason.into()), place: None, after: Duration::ZERO }
    }

    fn watched(facts: &mut Facts, words: Vec<Word>) {
        let dial = facts.dials[&to()].value().cloned().unwrap();
        let watched = Watched { dial, words, untraced: None, counted: Vec::new() };
        facts.watched.insert(WatchKey { to: to(), chains: Vec::new() }, Reading::known(watched));
    }

    /// Was a second attempt asked for?
    fn asked(host: Host) -> bool {
        let asked = std::cell::Cell::new(false);
        settle(host.case(), &|question| {
            asked.set(asked.get() || matches!(question, Question::Watched(_)));
            Fact::without_value(question, Reading::Absent)
        })
        .here
        .watched
        .len()
            == 1
            || asked.get()
    }

    #[test]
    fn a_reset_that_tcp_did_not_send_confirms_the_rule_without_another_attempt() {
        let told = assert_culprit(&host(Vec::new(), 0).case(), "fw-input-reject");
        let counter = told.causes[0].evidence.iter().find(|e| e.source == "counter").unwrap();
        assert_eq!(counter.says, "the reset was not sent by TCP here: a rule made it");
        assert!(!asked(host(Vec::new(), 0)));
    }

    #[test]
    fn where_tcp_has_sent_resets_the_trace_tells_whose_it_was() {
        assert!(asked(host(Vec::new(), 3)));
        let said = |words: Vec<Word>| diagnose(&host(Vec::new(), 3).facts(|f| watched(f, words)).case());
        let dropped = said(vec![word("kfree_skb", "NETFILTER_DROP")]);
        assert_eq!((dropped.culprit, dropped.dispute), (Some("fw-input-reject"), None));
        let reset = said(vec![word("kfree_skb", "NO_SOCKET"), word("tcp_send_reset", "NO_SOCKET")]);
        assert_eq!(reset.dispute.as_ref().map(|d| d.kernel.as_str()), Some("TCP itself sent the reset"));
        let state = reset.get(BoxId::Firewall).unwrap();
        assert_eq!((state.verdict, reset.culprit), (Verdict::Unknown, None));
        assert_eq!(reset.outcome, Some(Outcome::Refused));
    }

    #[test]
    fn no_attempt_is_spent_where_attempts_are_counted() {
        let limit = Expr::Limit { rate: 3, unit_s: 60, burst: 3, bytes: false, inverted: true };
        assert!(!asked(host(vec![limit], 3)));
    }
}
