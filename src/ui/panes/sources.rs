//! Who gets what from the packet filter: the sources as a bar and as a list.

use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::heading;
use super::rule_line::{kept_by, place_words};
use crate::app::chart::Chart;
use crate::app::rules::book::{base, brief, rules};
use crate::diagnose::ways::{Gets, gets};
use crate::facts::ruleset::Policy;
use crate::facts::socket::Transport;
use crate::firewall::{Fate, Part};
use crate::text;
use crate::ui::theme::{BAD, GOOD, QUIET, STRONG, WARN};
use crate::ui::words::{Row, wrap};

/// The widest bar.
const WIDEST: usize = 100;
/// Columns that every share has, however small it is.
const LEAST: usize = 3;
/// Rows that the sources of one share may take.
const MOST_ROWS: usize = 3;
/// Shares that are listed.
const MOST_SHARES: usize = 12;

/// Sources that get the same by the same rule.
struct Share<'a> {
    part: &'a Part,
    kind: Kind,
    of_all: f64,
    who: Vec<String>,
}

/// How that is shown.
#[derive(Debug, Clone, PartialEq)]
struct Kind {
    sign: &'static str,
    word: String,
    style: Style,
    fill: &'static str,
}

fn kind(part: &Part, transport: Transport) -> Kind {
    let of = |sign, word: &str, style, fill| Kind { sign, word: word.into(), style, fill };
    match gets(part, transport) {
        Gets::Through { beyond: false, .. } => of("✔", "let in", GOOD, "━"),
        Gets::Through { beyond: true, .. } => of("✔", "sent on", GOOD, "━"),
        Gets::Outcome(outcome) => of("✘", outcome.word(), BAD, "═"),
        Gets::Unknown { open: true, .. } => of("…", "looking", WARN, "┄"),
        Gets::Unknown { open: false, .. } => of("?", "cannot tell", WARN, "┄"),
    }
}

/// The shares, the greatest first.
fn shares(chart: &Chart) -> Vec<Share<'_>> {
    let Some(ways) = &chart.diagnosis.ways else { return Vec::new() };
    let mut shares: Vec<Share<'_>> = Vec::new();
    for part in &ways.asked.parts {
        let kind = kind(part, ways.packet.transport);
        let (of_all, who) = (part.sources.share(), part.sources.words());
        match shares.iter_mut().find(|s| s.kind == kind && s.part.fate == part.fate && s.part.to == part.to) {
            Some(share) => {
                share.of_all += of_all;
                share.who.push(who);
            }
            None => shares.push(Share { part, kind, of_all, who: vec![who] }),
        }
    }
    let all: f64 = shares.iter().map(|share| share.of_all).sum();
    for share in &mut shares {
        share.of_all = if all > 0.0 { share.of_all / all } else { 0.0 };
    }
    shares.sort_by(|a, b| b.of_all.total_cmp(&a.of_all));
    shares
}

/// The bar: a stretch for each share, as long as it is great, but never so short that it is not seen.
pub fn bar(chart: &Chart, width: usize) -> Row {
    let shares = shares(chart);
    let width = width.min(WIDEST);
    let fit = (width / (LEAST + 1)).max(1);
    let shown: Vec<&Share<'_>> = shares.iter().take(fit).collect();
    let lengths = lengths(&shown.iter().map(|share| share.of_all).collect::<Vec<_>>(), width);
    let mut row = Row::new();
    for (share, length) in shown.iter().zip(lengths) {
        let kind = &share.kind;
        let gap = if row.width() > 0 { "┃" } else { "" };
        row = row.put(gap, QUIET).then(stretch(kind, length));
    }
    row
}

fn stretch(kind: &Kind, length: usize) -> Row {
    let word = if kind.word.width() + 4 <= length { format!(" {} ", kind.word) } else { " ".to_owned() };
    let rest = length.saturating_sub(1 + word.width());
    Row::of(kind.sign, kind.style)
        .put(text::fit(&word, length.saturating_sub(1)), kind.style)
        .put(kind.fill.repeat(rest), kind.style)
}

/// Lengths of shares that fill a width, with a column between each two.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "columns of a screen, from shares between 0 and 1"
)]
fn lengths(shares: &[f64], width: usize) -> Vec<usize> {
    let room = width.saturating_sub(shares.len().saturating_sub(1));
    let least = LEAST.min(room / shares.len().max(1));
    let free = room.saturating_sub(least * shares.len());
    let all: f64 = shares.iter().sum();
    let of = |share: f64| if all > 0.0 { (share / all * free as f64) as usize } else { 0 };
    let mut lengths: Vec<usize> = shares.iter().map(|share| least + of(*share)).collect();
    let used: usize = lengths.iter().sum();
    if let Some(first) = lengths.first_mut() {
        *first += room.saturating_sub(used);
    }
    lengths
}

/// The bar and the list.
pub fn rows(chart: &Chart, width: usize) -> Vec<Row> {
    let shares = shares(chart);
    if shares.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![heading("Who gets what"), Row::new().say("  ").then(bar(chart, width.saturating_sub(2)))];
    for share in shares.iter().take(MOST_SHARES) {
        rows.extend(listed(share, chart, (width, shares.len() > 1)));
    }
    let more = shares.len().saturating_sub(MOST_SHARES);
    if more > 0 {
        rows.push(Row::of(format!("  … {more} more"), QUIET));
    }
    rows
}

/// `✘ refused  99.6%  everyone but 10.0.0.0/8`, and below it by what.
fn listed(share: &Share<'_>, chart: &Chart, (width, several): (usize, bool)) -> Vec<Row> {
    let kind = &share.kind;
    let head = Row::of(format!("  {} {}", kind.sign, kind.word), kind.style);
    let head = if several { head.put(format!(" {}", percent(share.of_all)), QUIET) } else { head };
    let head = head.say("  ");
    let indent = 4;
    let mut rows = hanging(head, &share.who.join("; "), (width, indent), STRONG);
    if let Some(by) = by(share.part, chart) {
        rows.extend(hanging(Row::of("    by ", QUIET), &by, (width, indent + 3), Style::new()));
    }
    if let Fate::Unknown { why, .. } = &share.part.fate {
        rows.extend(hanging(Row::of("    because ", QUIET), why, (width, indent), QUIET));
    }
    if let Fate::Unrouted { to, silent } = &share.part.fate {
        let to = silent.map_or_else(|| format!("there is no route to {to}"), |why| format!("to {to}: {why}"));
        rows.extend(hanging(Row::of("    ", QUIET), &to, (width, indent), Style::new()));
    }
    if let Some(by) = &share.part.translated {
        let to = format!("sent on to {} by {}", share.part.to, place_words(by));
        rows.extend(hanging(Row::of("    ", QUIET), &to, (width, indent), Style::new()));
    }
    rows
}

/// Text after a first word, wrapped below an indentation.
fn hanging(first: Row, text: &str, (width, indent): (usize, usize), style: Style) -> Vec<Row> {
    let lead = first.width().saturating_sub(indent);
    // What the first word takes of the first row is left free by wrapping a stand-in with the text.
    let stand_in = "x".repeat(lead.saturating_sub(1).max(1));
    let mut rows = Vec::new();
    let mut first = Some(first);
    for line in wrap(&format!("{stand_in} {text}"), width.saturating_sub(indent)) {
        let row = match first.take() {
            Some(first) => first.put(line.strip_prefix(&stand_in).unwrap_or_default().trim_start(), style),
            None => Row::new().to(indent).put(line, style),
        };
        rows.push(row);
    }
    if rows.len() > MOST_ROWS {
        rows.truncate(MOST_ROWS);
        let last = rows.pop().unwrap_or_default();
        rows.push(last.say(" …"));
    }
    rows
}

/// A share in percent; the smallest are not nothing, the greatest not all.
fn percent(share: f64) -> String {
    if share <= 0.0 {
        "0%".into()
    } else if share < 0.001 {
        "<0.1%".into()
    } else if (0.9995..1.0).contains(&share) {
        ">99.9%".into()
    } else {
        format!("{:.1}%", share * 100.0)
    }
}

/// The rule or policy that decides about a part: `inet filter input handle 7: tcp dport 80 reject`.
fn by(part: &Part, chart: &Chart) -> Option<String> {
    let here = &chart.case.here;
    let place = part.decided_by()?;
    let name = place_words(place);
    let Some(handle) = place.rule else {
        let says = if base(here, &place.chain)?.policy == Policy::Drop { "drop" } else { "accept" };
        return Some(format!("{name}: {says}"));
    };
    let rule = rules(here, &place.chain).and_then(|rules| rules.iter().find(|rule| rule.handle == handle));
    let said = rule.map(|rule| format!(": {}", brief(here, &place.chain, rule))).unwrap_or_default();
    Some(format!("{name}{said} ({})", kept_by(&place.chain, rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_is_seen_and_the_bar_is_filled() {
        for width in 1..120 {
            for shares in [&[1.0][..], &[0.999_999, 1e-9], &[0.5, 0.5], &[0.9, 0.05, 0.05], &[0.0, 0.0]] {
                let lengths = lengths(shares, width);
                if width >= shares.len() * 2 - 1 {
                    assert!(lengths.iter().all(|length| *length > 0), "{shares:?} {width}: {lengths:?}");
                    assert_eq!(lengths.iter().sum::<usize>() + shares.len() - 1, width);
                }
            }
        }
        assert_eq!(lengths(&[0.75, 0.25], 41), [29, 11]);
    }

    #[test]
    fn small_shares_are_not_nothing() {
        let shown = [1.0, 0.999_999, 0.25, 0.000_01, 0.0].map(percent);
        assert_eq!(shown, ["100.0%", ">99.9%", "25.0%", "<0.1%", "0%"]);
    }
}
