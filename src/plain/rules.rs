//! The packet filter in sentences: who gets what by which rule, and the packet's way through the chains.

use super::say::{Say, count, sentence};
use crate::app::chart::Chart;
use crate::app::rules::book::{base, brief, packets, rules};
use crate::app::rules::line::{Does, Line, Node, Reach};
use crate::diagnose::ways::{Gets, gets};
use crate::facts::Reading;
use crate::facts::ruleset::{Backend, ChainId, Policy};
use crate::firewall::keeper::keeper;
use crate::firewall::{Leg, Part, Place};

/// Shares that are told.
const MOST_SHARES: usize = 12;
/// Lines of the way that are told.
const MOST_LINES: usize = 80;

/// Who gets what.
pub fn shares(chart: &Chart, say: &mut Say) {
    let Some(ways) = &chart.diagnosis.ways else { return };
    let parts = &ways.asked.parts;
    for part in parts.iter().take(MOST_SHARES) {
        let gets = match gets(part, ways.packet.transport) {
            Gets::Through { beyond: false, .. } => "let in".to_owned(),
            Gets::Through { to, beyond: true } => format!("sent on to {to}"),
            Gets::Outcome(outcome) => outcome.word().to_owned(),
            Gets::Unknown { why, .. } => format!("cannot tell, because {why}"),
        };
        let by = by(part, chart).map(|by| format!(", by {by}")).unwrap_or_default();
        say.at(1, sentence(&format!("{}: {gets}{by}", part.sources.words())));
    }
    if parts.len() > MOST_SHARES {
        say.at(1, format!("And {} more.", count(parts.len() - MOST_SHARES, "share")));
    }
}

/// The rule or policy that decides about a part.
fn by(part: &Part, chart: &Chart) -> Option<String> {
    let here = &chart.case.here;
    let place = part.decided_by()?;
    let name = place_words(place);
    let Some(handle) = place.rule else { return Some(name) };
    let rule = rules(here, &place.chain).and_then(|rules| rules.iter().find(|rule| rule.handle == handle));
    let said = rule.map(|rule| format!(": {}", brief(here, &place.chain, rule))).unwrap_or_default();
    let keeper = keeper(&place.chain, rule);
    let how = if keeper.program.by_hand() { "by hand with" } else { "kept by" };
    Some(format!("{name}{said} ({how} {})", keeper.words()))
}

fn place_words(place: &Place) -> String {
    let at = match (place.rule, place.chain.table.backend) {
        (None, _) => "the policy".to_owned(),
        (Some(handle), Backend::Nftables) => format!("handle {handle}"),
        (Some(number), Backend::Legacy) => format!("rule {number}"),
    };
    let leg = if place.leg == Leg::Reply { ", for the answer" } else { "" };
    format!("{at} of {}{leg}", chain_words(&place.chain))
}

fn chain_words(id: &ChainId) -> String {
    let legacy = if id.table.backend == Backend::Legacy { " (legacy)" } else { "" };
    format!("{} {} {}{legacy}", id.table.family.word(), id.table.name, id.name)
}

/// The packet's way: the places, chains and rules it came to, in order.
pub fn way(chart: &Chart, say: &mut Say) {
    if let Some(why) = blind(&chart.case.here.ruleset) {
        say.line(format!("The rules cannot be read: {why}."));
        return;
    }
    say.line("Who gets what:");
    shares(chart, say);
    say.line("The packet's way, in order:");
    let lines = chart.rules.lines();
    let met =
        |line: &&Line| line.reach == Reach::Reached && (line.does.is_some() || matches!(line.node, Node::Hook(..)));
    let mut told = 0;
    for line in lines.iter().filter(met).take(MOST_LINES) {
        if let Some(words) = words(chart, line) {
            say.at(1 + usize::from(line.depth), words);
            told += 1;
        }
    }
    match told {
        0 => say.at(1, "no rule is on it"),
        _ if lines.iter().filter(met).count() > MOST_LINES => say.at(1, "and more"),
        _ => {}
    }
}

fn blind<T>(reading: &Reading<T>) -> Option<String> {
    match reading {
        Reading::Known(_) | Reading::Absent => None,
        Reading::NotAsked | Reading::Pending => Some("nobody asked for them".into()),
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            Some(reading.blind().unwrap_or_default())
        }
    }
}

fn words(chart: &Chart, line: &Line) -> Option<String> {
    let here = &chart.case.here;
    let does = match line.does {
        Some(Does::Leads) => ": leads on".into(),
        Some(Does::Accepts) => ": accepts".into(),
        Some(Does::Sends(to)) => format!(": sends on to {to}"),
        Some(Does::Unclear) => ": it depends".into(),
        Some(Does::Parts) => ": some pass".into(),
        Some(Does::Drops) => ": DROPS".into(),
        Some(Does::Rejects) => ": REJECTS".into(),
        None => String::new(),
    };
    let decides = if line.decides { ", and that decides" } else { "" };
    let what = match &line.node {
        Node::Hook(leg, hook) => {
            let whose = if *leg == Leg::Reply { ", for the answer" } else { "" };
            format!("at {}{whose}", hook.word())
        }
        Node::Chain(number, _) => format!("chain {}", chain_words(chart.rules.chain(*number)?)),
        Node::Rule { chain, at } => {
            let id = chart.rules.chain(*chain)?;
            let rule = rules(here, id)?.get(*at)?;
            let counted = packets(rule).map(|n| format!(" ({n} packets)")).unwrap_or_default();
            format!("handle {}: {}{counted}", rule.handle, brief(here, id, rule))
        }
        Node::Policy(number) => {
            let drops = base(here, chart.rules.chain(*number)?)?.policy == Policy::Drop;
            format!("policy {}", if drops { "drop" } else { "accept" })
        }
        Node::More(_) | Node::Aside(_) | Node::Table(..) | Node::Note(_) => return None,
    };
    Some(format!("{what}{does}{decides}"))
}
