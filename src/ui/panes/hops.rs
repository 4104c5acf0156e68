//! The way to a target elsewhere, hop by hop, and at which distance it is answered.

use ratatui::style::Style;

use crate::app::chart::{Chart, took};
use crate::facts::Reading;
use crate::facts::path::{EndAnswer, Path};
use crate::ui::theme::{BAD, GOOD, QUIET, STRONG, WARN};
use crate::ui::words::Row;

/// What the way to the target showed, where somebody looked.
pub(in crate::ui) fn path(chart: &Chart) -> Option<&Path> {
    let to = chart.diagnosis.subject.endpoint()?;
    // The client's end is where the way begins.
    let here = chart.case.client.as_deref().map_or(&chart.case.here, |client| &client.here);
    here.paths.get(&to).and_then(Reading::value)
}

/// The hops, one a row, as many as there is room for: the last ones and the answer matter most.
pub(in crate::ui) fn chain(chart: &Chart, (width, height): (usize, usize)) -> Vec<Row> {
    let Some(path) = path(chart) else { return Vec::new() };
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
    rows.push(match &path.end {
        Some(end) => {
            let style = if end.answer == EndAnswer::Open { GOOD } else { BAD };
            let row = Row::of(format!("{:>3} ", end.distance), QUIET).put("▼ ", style);
            let row = row.put(end.answer.name(), style.patch(STRONG)).put(format!("  for {}", path.to), Style::new());
            row.right(Row::of(took(end.after), QUIET), width.min(60))
        }
        None => Row::of("    ┊ ", QUIET).put("nobody answers for the target", WARN),
    });
    let drop = rows.len().saturating_sub(height);
    rows.drain(..drop);
    rows
}
