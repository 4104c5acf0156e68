//! As what a diagnosis is written to a file: a small choice over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{cover, frame, rows};
use crate::app::export::Kind;
use crate::ui::layout::inside;
use crate::ui::theme::{QUIET, SELECTED, STRONG};
use crate::ui::words::Row;

/// Its widest.
const WIDTH: u16 = 66;

/// Where it lies.
pub(in crate::ui) fn place(area: Rect) -> Rect {
    let (width, height) = (WIDTH.min(area.width), 8.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// Where the kinds are, one a row.
pub(in crate::ui) fn list(area: Rect) -> Rect {
    let inner = inside(place(area), true);
    let kinds = u16::try_from(Kind::ALL.len()).unwrap_or_default();
    Rect { height: inner.height.min(kinds), ..inner }
}

/// Draws it over the screen.
pub fn draw(buffer: &mut Buffer, area: Rect, chosen: usize) {
    let place = place(area);
    cover(buffer, place);
    let inner = frame(buffer, place, Row::new().say("Write a report"), "", true);
    let width = usize::from(inner.width);
    let mut lines: Vec<Row> = Vec::new();
    for ((_, name, what), index) in Kind::ALL.into_iter().zip(0..) {
        let row = Row::new().say("  ").cell(name, 11, STRONG).put(what, QUIET);
        lines.push(if index == chosen { row.cut(width).to(width).over(SELECTED) } else { row });
    }
    lines.push(Row::new());
    lines.push(Row::of("  Enter: into a new file in the current directory", QUIET));
    rows(buffer, inner, &lines);
}
