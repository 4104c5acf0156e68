//! The live journal of the unit that serves the target: its end, as it grows, or any part of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Dress, content, pane, rows};
use crate::app::chart::{Chart, Focus, Follow, Origin};
use crate::app::event::Extent;
use crate::facts::Reading;
use crate::facts::journal::{Entry, Journal};
use crate::ui::theme::{BAD, QUIET, STRONG, Theme, WARN};
use crate::ui::words::{Row, wrap};

/// Rows one entry may take.
const MOST_ROWS: usize = 6;

/// How much there is, and how much of it is on the screen, in entries.
pub fn extent(area: Rect, framed: bool, chart: &Chart) -> Extent {
    Extent { rows: usize::from(content(area, framed).height), of: shown(chart).len() }
}

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, framed: bool, chart: &Chart, theme: &Theme) {
    let title = Row::new()
        .say("Journal")
        .put(chart.journal_of.as_ref().map(|unit| format!("  {unit}")).unwrap_or_default(), QUIET)
        .put(if chart.journal_worse { "  warnings and worse" } else { "" }, WARN);
    let extent = extent(area, framed, chart);
    let note = match chart.journal_top {
        Follow::End => String::new(),
        Follow::From(top) => super::part(top, extent.rows, extent.of),
    };
    let place = pane(buffer, area, framed, Dress { title, note, focused: chart.focus == Focus::Journal });
    let width = usize::from(place.width);
    let height = usize::from(place.height);
    let found = shown(chart);
    let lines = match journal(chart) {
        _ if !found.is_empty() => entries(&found, chart.journal_top, (width, height), theme),
        Some(Reading::Known(known)) if !known.value.entries.is_empty() => {
            vec![Row::of("no warning and nothing worse in this boot; v shows all", QUIET)]
        }
        reading => wrap(&nothing(chart, reading), width).iter().map(|line| Row::of(line, QUIET)).collect(),
    };
    rows(buffer, place, &lines);
}

/// Its last lines, as many as there is room for; none where there is nothing to show.
pub(in crate::ui) fn tail(chart: &Chart, (width, height): (usize, usize), theme: &Theme) -> Vec<Row> {
    entries(&shown(chart), Follow::End, (width, height), theme)
}

/// The entries there are to show: all, or the warnings and what is worse (and what has no severity).
pub(in crate::ui) fn shown(chart: &Chart) -> Vec<&Entry> {
    let all = journal(chart).and_then(Reading::value).map(|journal| journal.entries.as_slice()).unwrap_or_default();
    let wanted = |entry: &&Entry| !chart.journal_worse || entry.severity().is_some() || entry.is_own_log();
    all.iter().filter(wanted).collect()
}

/// An entry in one line, as it can be found.
pub(in crate::ui) fn plain(entry: &Entry) -> String {
    format!("{}[{}]: {} {}", entry.identifier, entry.pid, entry.severity().unwrap_or_default(), entry.message)
}

fn journal(chart: &Chart) -> Option<&Reading<Journal>> {
    chart.case.here.journals.get(chart.journal_of.as_ref()?)
}

fn nothing(chart: &Chart, reading: Option<&Reading<Journal>>) -> String {
    if chart.journal_of.is_none() {
        return if chart.diagnosis.settled {
            "no unit is known to serve this target".into()
        } else {
            "looking for the unit …".into()
        };
    }
    match reading {
        None | Some(Reading::NotAsked) if chart.origin == Origin::Recording => "not in the recording".into(),
        None | Some(Reading::NotAsked | Reading::Pending) => "reading …".into(),
        Some(Reading::Known(_) | Reading::Absent) => "no entries in this boot".into(),
        Some(blind @ (Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. })) => {
            format!("cannot be read: {}", blind.blind().unwrap_or_default())
        }
    }
}

/// The rows on the screen: only the entries that are on it are built.
fn entries(all: &[&Entry], top: Follow, (width, height): (usize, usize), theme: &Theme) -> Vec<Row> {
    let mut lines: Vec<Row> = Vec::new();
    match top {
        Follow::From(first) => {
            for entry in all.iter().skip(first).take(height) {
                lines.extend(told(entry, width, theme));
            }
        }
        Follow::End => {
            let mut blocks: Vec<Vec<Row>> = Vec::new();
            let mut used = 0;
            for entry in all.iter().rev() {
                if used >= height {
                    break;
                }
                let block = told(entry, width, theme);
                used += block.len();
                blocks.push(block);
            }
            lines.extend(blocks.into_iter().rev().flatten());
            lines.drain(..lines.len().saturating_sub(height));
        }
    }
    lines
}

fn told(entry: &Entry, width: usize, theme: &Theme) -> Vec<Row> {
    let style = match entry.priority {
        _ if entry.is_own_log() => Style::new(),
        0..=3 => BAD,
        4 => WARN,
        5 => STRONG,
        _ => Style::new(),
    };
    let who = if entry.pid == 0 || width < 60 {
        entry.identifier.clone()
    } else {
        format!("{}[{}]", entry.identifier, entry.pid)
    };
    let clock = Row::of(theme.clock(entry.at_us), QUIET).say(" ");
    let indent = if width < 50 { 2 } else { clock.width() };
    let mut lead = Some(clock.put(format!("{who}: "), QUIET));
    let first = lead.as_ref().map_or(0, Row::width).min(width * 2 / 3);
    // What the lead takes of the first row is left free by wrapping a stand-in with the message.
    let stand_in = "x".repeat(first.saturating_sub(indent + 1));
    // A word of its own, for those who see no colours.
    let severity = entry.severity().map(|word| format!("{word}: ")).unwrap_or_default();
    let mut lines = Vec::new();
    for (line, index) in
        wrap(&format!("{stand_in} {severity}{}", entry.message), width.saturating_sub(indent)).iter().zip(0..)
    {
        let row = if index == 0 { lead.take().unwrap_or_default().cut(first) } else { Row::new().to(indent) };
        let text = if index == 0 { line.get(stand_in.len()..).unwrap_or_default().trim_start() } else { line };
        lines.push(row.put(text, style));
        if lines.len() == MOST_ROWS {
            break;
        }
    }
    lines
}
