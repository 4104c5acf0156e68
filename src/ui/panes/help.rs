//! The help: made from the key table, over whatever is on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{cover, frame, heading, part, rows};
use crate::app::event::Extent;
use crate::ui::keys::Keys;
use crate::ui::theme::{BAD, COMMAND, GOOD, QUIET, WARN};
use crate::ui::words::Row;

/// Its widest.
const WIDTH: u16 = 74;

fn lines(keys: &Keys) -> Vec<Row> {
    let mut lines = Vec::new();
    for (title, keys) in keys.help() {
        if !lines.is_empty() {
            lines.push(Row::new());
        }
        lines.push(heading(title));
        lines.extend(keys.into_iter().map(|(shown, help)| Row::new().say("  ").cell(shown, 14, COMMAND).say(help)));
    }
    lines.push(Row::new());
    lines.push(heading("Signs"));
    for (sign, style, words) in [
        ("✔", GOOD, "yes: this box is healthy"),
        ("✘", BAD, "no: a cause was found in it"),
        ("?", QUIET, "cannot tell; the box says why"),
        ("–", QUIET, "the question does not arise"),
        ("…", WARN, "still looking"),
        ("▁█", Style::new(), "the last attempts: █ open, ▁ not"),
    ] {
        lines.push(Row::new().say("  ").cell(sign, 14, style).say(words));
    }
    lines
}

fn place(area: Rect, keys: &Keys) -> Rect {
    let width = WIDTH.min(area.width);
    let wanted = u16::try_from(lines(keys).len() + 2).unwrap_or(u16::MAX);
    let height = wanted.min(area.height);
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, keys: &Keys) -> Extent {
    Extent { rows: usize::from(place(area, keys).height.saturating_sub(2)), of: lines(keys).len() }
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, keys: &Keys, top: usize) {
    let place = place(area, keys);
    let shown = extent(area, keys);
    let top = top.min(shown.last_top());
    cover(buffer, place);
    let inner = frame(buffer, place, Row::new().say("Keys"), &part(top, shown.rows, shown.of), true);
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(1), ..inner };
    rows(buffer, inner, lines(keys).iter().skip(top));
}
