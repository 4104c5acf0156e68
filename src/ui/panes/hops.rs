//! The way to a target elsewhere, hop by hop, and at which distance it is answered: in a box of the flowchart, and over the
//! screen as it is looked at again and again.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::sheet::{Sheet, Size};
use crate::app::chart::{Chart, Origin, took};
use crate::app::hops::{EVERY_MS, Seen};
use crate::facts::path::{EndAnswer, Path};
use crate::ui::theme::{BAD, GOOD, QUIET, STRONG, WARN};
use crate::ui::words::Row;

/// Its size.
const SIZE: Size = Size { widest: 96, free: 2, least: 12 };

/// The hops, one a row, as many as there is room for: the last ones and the answer matter most.
pub(in crate::ui) fn chain(chart: &Chart, (width, height): (usize, usize)) -> Vec<Row> {
    let Some(path) = chart.path() else { return Vec::new() };
    let mut rows = Vec::new();
    for hop in &path.hops {
        let row = Row::of(format!("{:>3} ", hop.distance), QUIET);
        let row = match (hop.from, hop.after) {
            (Some(from), after) => {
                let row = row.put("│ ", GOOD).say(from.to_string());
                row.right(Row::of(after.map(took).unwrap_or_default(), QUIET), width.min(60))
            }
            (None, _) => row.put("┊ ", QUIET).put("says nothing", QUIET),
        };
        rows.push(row);
    }
    rows.push(end(path, width.min(60)));
    let drop = rows.len().saturating_sub(height);
    rows.drain(..drop);
    rows
}

/// Who answers for the target, and from where.
fn end(path: &Path, width: usize) -> Row {
    let Some(end) = &path.end else { return Row::of("    ┊ ", QUIET).put("nobody answers for the target", WARN) };
    let style = if end.answer == EndAnswer::Open { GOOD } else { BAD };
    let row = Row::of(format!("{:>3} ", end.distance), QUIET).put("▼ ", style);
    let row = row.put(end.answer.name(), style.patch(STRONG)).put(format!("  for {}", path.to), Style::new());
    row.right(Row::of(took(end.after), QUIET), width)
}

fn lines(chart: &Chart, width: usize) -> Vec<Row> {
    let hops = &chart.hops;
    if hops.looks == 0 {
        let none = if chart.origin == Origin::Recording { "not in the recording" } else { "… looking" };
        return vec![Row::of(none, WARN)];
    }
    let numbers = if width >= 66 { 4 } else { 1 };
    let address = width.saturating_sub(6 + 10 + numbers * 9).clamp(8, 44);
    let cells = |row: Row, cells: [String; 4], style: Style| {
        cells.into_iter().take(numbers).fold(row, |row, cell| row.put(format!("{cell:>9}"), style))
    };
    let head = Row::of("hop   ", QUIET).cell("who", address, QUIET).put("  answered", QUIET);
    let mut out = vec![cells(head, ["last", "best", "worst", ""].map(str::to_owned), QUIET)];
    for (distance, seen) in &hops.seen {
        let sign = if seen.answered > 0 { "│" } else { "┊" };
        let row = Row::of(format!("{distance:>3} "), QUIET).put(sign, GOOD).say(" ");
        let row = row.cell(who(seen), address, if seen.answered > 0 { Style::new() } else { QUIET });
        let all = seen.answered == seen.asked;
        let row =
            row.put(format!("{:>10}", format!("{}/{}", seen.answered, seen.asked)), if all { QUIET } else { WARN });
        let time = |after: Option<Duration>| after.map(took).unwrap_or_default();
        out.push(cells(row, [time(seen.last), time(seen.best), time(seen.worst), String::new()], Style::new()));
    }
    out.extend(chart.path().map(|path| end(path, width)));
    out.push(Row::new());
    let looks = if hops.looks == 1 { "1 look".into() } else { format!("{} looks", hops.looks) };
    let again = match chart.origin {
        Origin::Recording => String::new(),
        Origin::Host => format!("; again every {} s while this is open", EVERY_MS / 1000),
    };
    out.push(Row::of(format!("{looks}, {} packets sent{again}", hops.packets), QUIET));
    out
}

fn who(seen: &Seen) -> String {
    let all: Vec<String> = seen.from.iter().map(ToString::to_string).collect();
    if all.is_empty() { "says nothing".into() } else { all.join(", ") }
}

/// The page, laid out.
pub(in crate::ui) fn sheet(area: Rect, chart: &Chart) -> Sheet {
    Sheet::new(area, SIZE, |width| lines(chart, width))
}

/// Draws them over the screen.
pub fn draw(buffer: &mut Buffer, area: Rect, chart: &Chart, top: usize) {
    let to = chart.diagnosis.subject.endpoint().map(|to| to.to_string()).unwrap_or_default();
    sheet(area, chart).draw(buffer, Row::new().say("Hops to ").say(to), top);
}
