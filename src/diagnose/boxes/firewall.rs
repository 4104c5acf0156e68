//! The firewall box: what the rules of this host do to whoever asks.

use super::{Judged, elsewhere, plain, unknown, unneeded};
use crate::diagnose::chart::BoxId;
use crate::diagnose::dispute::{refusing, rule_at_work};
use crate::diagnose::subject::{Asker, Subject};
use crate::diagnose::verdict::{BoxState, Evidence, Verdict};
use crate::diagnose::ways::{Gets, Ways, gets, main_part, undecided};
use crate::firewall::{Fate, Part, Walk};

/// Shows all rules, whoever keeps them.
const SEE_ALL: &str = "nft -a list ruleset; iptables-save; iptables-legacy-save";

/// Its state where no cause was found in it.
pub(super) fn state(judged: &Judged<'_, '_>) -> BoxState {
    let id = BoxId::Firewall;
    if judged.subject.local == Some(false) {
        return on_the_way_out(judged);
    }
    if let Some(not_here) = elsewhere(id, judged) {
        return not_here;
    }
    let Some(ways) = judged.filter.ways() else {
        return BoxState { because: None, ..unknown(id, "where the packet goes is not known") };
    };
    if let Some(dispute) = judged.filter.dispute() {
        let mut state = unknown(id, format!("disputed: {}, but {}", dispute.rules, dispute.kernel));
        state.because = Some("the rules and the kernel do not agree".into());
        state.evidence = dispute.evidence;
        state.evidence.push(Evidence::new("firewall", dispute.rules, SEE_ALL));
        return state;
    }
    through_the_rules(judged, ways)
}

fn through_the_rules(judged: &Judged<'_, '_>, ways: &Ways) -> BoxState {
    let id = BoxId::Firewall;
    let Some(part) = main_part(&ways.asked) else {
        return unknown(id, undecided(&ways.asked).unwrap_or_else(|| "no source can reach it".into()));
    };
    match gets(part, judged.subject.transport) {
        Gets::Unknown { why, .. } => {
            let mut state = unknown(id, why);
            let dial = judged.subject.endpoint().and_then(|to| judged.look.dialled(&to));
            if let Some(trace) = dial.and_then(rule_at_work) {
                state.summary = format!("{trace}; which one cannot be told");
                state.evidence.push(Evidence::new("dial", trace, SEE_ALL));
            }
            state
        }
        Gets::Through { to, beyond } => {
            if to != ways.packet.to {
                // Let in to somewhere else: whether that is well is for a cause to tell, which must have seen it.
                let _ = if beyond {
                    judged.look.dialled(&judged.subject.endpoint_at(to.ip(), to.port())).is_some()
                } else {
                    judged.look.listeners(judged.subject.transport, to.port()).is_some()
                };
            }
            let_in(&ways.asked, part)
        }
        Gets::Outcome(outcome) => {
            if no_way_back(part, judged.subject) {
                return unneeded(id, "answers have no way back to the client, whatever the rules say");
            }
            let lost = if let Fate::Unrouted { silent, .. } = part.fate { silent } else { None };
            let why = lost.map(|why| format!(": {why}")).unwrap_or_default();
            let mut state = plain(id, Verdict::No, format!("what comes in is {}{why}", outcome.word()));
            state.evidence.push(Evidence::new("firewall", state.summary.clone(), SEE_ALL));
            state
        }
    }
}

/// The greater part comes in; others may not.
fn let_in(walk: &Walk, main: &Part) -> BoxState {
    let others: Vec<&Part> = walk.parts.iter().filter(|p| refusing(p).is_some()).collect();
    let unclear = walk.parts.iter().any(|p| matches!(p.fate, Fate::Unknown { .. }));
    let summary = match (others.len(), unclear) {
        (0, false) if walk.entered.is_empty() => "no rule is in the way".to_owned(),
        (0, false) => "lets everyone in".to_owned(),
        (0, true) => "lets most in; for some it cannot be told".to_owned(),
        (_, _) => format!("lets in {}; others are refused", main.sources.words()),
    };
    let mut state = plain(BoxId::Firewall, Verdict::Yes, summary.clone());
    state.evidence.push(Evidence::new("firewall", summary, SEE_ALL));
    state
}

/// The target is another host: only this host's own way out can be seen.
fn on_the_way_out(judged: &Judged<'_, '_>) -> BoxState {
    let id = BoxId::Firewall;
    let Some(part) = judged.filter.ways().and_then(|ways| main_part(&ways.here)) else {
        return BoxState { because: None, ..unknown(id, "this host's own rules could not be followed") };
    };
    match gets(part, judged.subject.transport) {
        Gets::Unknown { why, .. } => unknown(id, why),
        Gets::Through { .. } => {
            let mut state = unknown(id, "this host lets it out; the rules of the other cannot be seen from here");
            state.evidence.push(Evidence::new("firewall", "this host's own rules let it out", SEE_ALL));
            state
        }
        Gets::Outcome(_) if matches!(part.fate, Fate::Unrouted { .. }) => {
            unneeded(id, "this host's routing lets nothing out to it")
        }
        Gets::Outcome(outcome) => plain(id, Verdict::No, format!("this host's own rules: {}", outcome.word())),
    }
}

/// The client's packets come in, but nothing leads back to it.
fn no_way_back(part: &Part, subject: &Subject) -> bool {
    match (&part.fate, subject.from) {
        (Fate::Unrouted { to, .. }, Asker::Address(client)) => *to == client.to_canonical(),
        _ => false,
    }
}
