//! The packets of the attempt as a sequence: who sent what, when, and from how far away the answer came.
//!
//! ```text
//!              here                  10.2.0.2:80
//!      0.0 ms   │ ─────── SYN ───────▶ │
//!      0.2 ms   │ ◀────── RST ──────── │   from this host's own kernel: no socket there
//! ```

use ratatui::style::Style;

use super::symptom::{answered_by, lane_style, wire};
use crate::app::chart::{Chart, took};
use crate::ui::theme::{QUIET, STRONG, WARN};
use crate::ui::words::{Row, wrap};

/// Columns before the client's line.
const TIME: usize = 10;
/// Columns between the two ends, at most.
const ACROSS: usize = 30;
/// Packets that were sent again are drawn one by one up to here.
const AGAIN: u32 = 4;

/// The rows; none where nothing was tried.
pub(super) fn rows(chart: &Chart, width: usize) -> Vec<Row> {
    let Some(dial) = chart.dial() else { return Vec::new() };
    let wire = wire(dial);
    let across = width.saturating_sub(TIME + 8).min(ACROSS);
    if across < 14 {
        return Vec::new();
    }
    let at = dial.to.to_string();
    let here = if chart.case.client.is_some() { "client" } else { "here" };
    let mut rows = vec![Row::new().to(TIME).put(here, STRONG).to((TIME + across).saturating_sub(2)).put(at, STRONG)];
    let line = |time: &str, arrow: &str, style: Style| {
        let lead = Row::new().to(TIME.saturating_sub(time.chars().count() + 1)).put(time, QUIET).say(" ");
        lead.put("│ ", QUIET).put(arrow, style).put(" │", QUIET)
    };
    let name = wire.out.split(" ×").next().unwrap_or_default();
    rows.push(line("0.0 ms", &arrow(name, across, true), Style::new()));
    for _ in 0..dial.retransmits.min(AGAIN) {
        rows.push(line("again", &arrow(name, across, true), QUIET));
    }
    if dial.retransmits > AGAIN {
        rows.push(line("", &format!("{:^across$}", format!("… {} times in all", dial.retransmits + 1)), QUIET));
    }
    let time = took(dial.after);
    match &wire.back {
        Some(word) => rows.push(line(&time, &arrow(word, across, false), lane_style(dial.outcome))),
        None => rows.push(line(&time, &format!("{:^across$}", "nothing came back"), WARN)),
    }
    let distance = chart.path().and_then(|path| path.end.as_ref()).map(|end| match end.distance {
        1 => "the answer comes from one hop away".to_owned(),
        far => format!("the answer comes from {far} hops away"),
    });
    for told in answered_by(chart, dial).into_iter().chain(distance) {
        rows.extend(wrap(&told, width.saturating_sub(TIME)).iter().map(|line| Row::new().to(TIME).say(line)));
    }
    rows
}

/// `─────── SYN ───────▶`, exactly as wide as asked.
fn arrow(word: &str, width: usize, forth: bool) -> String {
    let word = crate::text::fit(word, width.saturating_sub(6));
    let dashes = width.saturating_sub(unicode_width::UnicodeWidthStr::width(word.as_str()) + 3);
    let (left, right) = ("─".repeat(dashes / 2), "─".repeat(dashes - dashes / 2));
    if forth { format!("{left} {word} {right}▶") } else { format!("◀{left} {word} {right}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_are_exactly_as_wide_as_asked() {
        for width in 14..40 {
            for word in ["SYN", "ICMP admin-prohibited", "RST"] {
                for forth in [true, false] {
                    let arrow = arrow(word, width, forth);
                    assert_eq!(unicode_width::UnicodeWidthStr::width(arrow.as_str()), width, "{arrow}");
                }
            }
        }
    }
}
