//! What is marked with the mouse: from where the button went down to where it is now, within one pane.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::mouse::{pane, whole};
use super::settings::Settings;
use crate::app::State;

/// The rows of what is marked, each from a column to a column.
fn rows(state: &State, settings: &Settings) -> Vec<Rect> {
    let Some(marked) = state.marked.filter(|marked| marked.from != marked.to) else { return Vec::new() };
    let pane = pane(Position { x: marked.from.0, y: marked.from.1 }, state, settings);
    if pane.is_empty() {
        return Vec::new();
    }
    let within = |(x, y): (u16, u16)| (y.clamp(pane.top(), pane.bottom() - 1), x.clamp(pane.left(), pane.right() - 1));
    let (mut first, mut last) = (within(marked.from), within(marked.to));
    if first > last {
        (first, last) = (last, first);
    }
    (first.0..=last.0)
        .map(|y| {
            let from = if y == first.0 { first.1 } else { pane.left() };
            let to = if y == last.0 { last.1 } else { pane.right() - 1 };
            Rect { x: from, y, width: to.saturating_sub(from) + 1, height: 1 }
        })
        .collect()
}

/// Shows what is marked.
pub(super) fn draw(buffer: &mut Buffer, state: &State, settings: &Settings) {
    for row in rows(state, settings) {
        for x in row.left()..row.right() {
            if let Some(cell) = buffer.cell_mut((x, row.y)) {
                cell.modifier.toggle(Modifier::REVERSED);
            }
        }
    }
}

/// What is marked, a line a row, without the spaces at their ends.
pub(super) fn text(state: &State, settings: &Settings) -> String {
    let marked = rows(state, settings);
    if marked.is_empty() {
        return String::new();
    }
    let mut buffer = Buffer::empty(whole(state));
    super::draw(&mut buffer, state, settings);
    let lines = marked.into_iter().map(|row| {
        let (mut line, mut covered) = (String::new(), 0);
        for x in row.left()..row.right() {
            let symbol = buffer.cell((x, row.y)).map_or(" ", |cell| cell.symbol());
            if covered == 0 {
                line.push_str(symbol);
                covered = symbol.width().max(1);
            }
            covered -= 1;
        }
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
