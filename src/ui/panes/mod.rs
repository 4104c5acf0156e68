//! The panes, one a file. Each turns a part of the state into rows and draws those that are on the screen.

pub mod actions;
pub mod bars;
pub mod detail;
mod exchange;
pub mod explain;
pub mod export;
pub mod fixing;
pub mod guide;
pub mod help;
pub mod hops;
pub mod journal;
pub mod listeners;
pub mod matrix;
pub mod passing;
pub mod picker;
pub(super) mod rule_line;
pub mod rules;
pub(super) mod sheet;
pub mod sources;
pub mod symptom;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::layout::inside;
use super::theme::{FOCUS, FRAME, QUIET, STRONG};
use super::words::Row;

/// Draws a frame with its title, and on its lower edge a note; yields what is left inside.
pub(super) fn frame(buffer: &mut Buffer, area: Rect, title: Row, note: &str, focused: bool) -> Rect {
    if area.width < 2 || area.height < 2 {
        return Rect { width: 0, height: 0, ..area };
    }
    let style = if focused { FOCUS } else { FRAME };
    let across = usize::from(area.width - 2);
    let edge = |left: &str, right: &str| Row::of(format!("{left}{}{right}", "─".repeat(across)), style);
    edge("┌", "┐").draw(buffer, area.x, area.y, area.width);
    for y in area.y + 1..area.bottom() - 1 {
        Row::of("│", style).draw(buffer, area.x, y, 1);
        Row::of("│", style).draw(buffer, area.right() - 1, y, 1);
    }
    edge("└", "┘").draw(buffer, area.x, area.bottom() - 1, area.width);
    let weight = if focused { FOCUS.patch(STRONG) } else { STRONG };
    let title = Row::new().say(" ").then(title.under(weight)).say(" ").cut(across.saturating_sub(2));
    title.draw(buffer, area.x + 1, area.y, area.width - 2);
    if !note.is_empty() && note.len() + 4 < across {
        let note = Row::of(format!(" {note} "), QUIET);
        let width = u16::try_from(note.width()).unwrap_or(u16::MAX);
        note.draw(buffer, (area.right() - 2).saturating_sub(width), area.bottom() - 1, width);
    }
    inside(area, true)
}

/// Draws rows from the top of a place.
pub(super) fn rows<'a>(buffer: &mut Buffer, area: Rect, rows: impl IntoIterator<Item = &'a Row>) {
    for (row, y) in rows.into_iter().zip(area.y..area.bottom()) {
        row.draw(buffer, area.x, y, area.width);
    }
}

/// `12-30 of 99`, when not everything is shown.
pub(super) fn part(top: usize, rows: usize, of: usize) -> String {
    if of <= rows { String::new() } else { format!("{}-{} of {of}", top + 1, (top + rows).min(of)) }
}

/// Blanks what is drawn over.
pub(super) fn cover(buffer: &mut Buffer, place: Rect) {
    for y in place.top()..place.bottom() {
        Row::new().to(usize::from(place.width)).draw(buffer, place.x, y, place.width);
        buffer.set_style(Rect { y, height: 1, ..place }, Style::reset());
    }
}

/// A heading inside a pane.
pub(super) fn heading(text: &str) -> Row {
    Row::of(text, STRONG)
}

/// A heading for a pane without a frame.
pub(super) fn bare_title(buffer: &mut Buffer, area: Rect, title: &Row, note: &str) -> Rect {
    if area.height == 0 {
        return area;
    }
    let width = usize::from(area.width);
    let title = title.clone().under(STRONG).right(Row::of(note, QUIET), width);
    title.draw(buffer, area.x, area.y, area.width);
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

/// A pane's place, with its frame or its bare title drawn.
pub(super) fn pane(buffer: &mut Buffer, area: Rect, framed: bool, dress: Dress) -> Rect {
    if framed {
        frame(buffer, area, dress.title, &dress.note, dress.focused)
    } else {
        bare_title(buffer, area, &dress.title, &dress.note)
    }
}

/// What a pane wears.
#[derive(Debug)]
pub(super) struct Dress {
    /// Its title.
    pub(super) title: Row,
    /// A note.
    pub(super) note: String,
    /// The keys go to it.
    pub(super) focused: bool,
}

/// Rows of a pane that are left for its content.
pub(in crate::ui) fn content(area: Rect, framed: bool) -> Rect {
    if framed {
        return inside(area, true);
    }
    let one = area.height.min(1);
    Rect { y: area.y + one, height: area.height - one, ..area }
}

/// A label and what it is, aligned.
pub(super) fn labelled(label: &str, width: usize, value: impl AsRef<str>, style: Style) -> Row {
    Row::new().cell(label, width, QUIET).put(value, style)
}
