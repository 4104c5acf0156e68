//! The list of actions: a line to type into, and below it the actions that work now, with their keys.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{cover, frame, part, rows};
use crate::app::actions::Actions;
use crate::app::event::Extent;
use crate::ui::keys::Offer;
use crate::ui::layout::inside;
use crate::ui::theme::{COMMAND, FOCUS, QUIET, SELECTED, STRONG};
use crate::ui::words::Row;

/// Its widest.
const WIDTH: u16 = 76;
/// Rows of actions, at most.
const MOST: u16 = 16;
/// The frame, and the line that is typed into.
const AROUND: u16 = 3;

/// Where it lies: as high whatever is typed, so that nothing moves.
pub(in crate::ui) fn place(area: Rect) -> Rect {
    let width = WIDTH.min(area.width);
    let height = (MOST + AROUND).min(area.height);
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height }
}

/// Where the actions are.
pub(in crate::ui) fn list(area: Rect) -> Rect {
    let inner = inside(place(area), true);
    let line = inner.height.min(1);
    Rect { y: inner.y + line, height: inner.height - line, ..inner }
}

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, offers: &[Offer]) -> Extent {
    Extent { rows: usize::from(list(area).height), of: offers.len() }
}

/// Draws it over the screen; yields where the cursor belongs.
pub fn draw(buffer: &mut Buffer, area: Rect, actions: &Actions, offers: &[Offer]) -> Option<Position> {
    let (place, shown) = (place(area), extent(area, offers));
    let top = actions.top.min(shown.last_top());
    cover(buffer, place);
    let inner = frame(buffer, place, Row::new().say("What to do?"), &part(top, shown.rows, shown.of), true);
    if inner.is_empty() {
        return None;
    }
    let line = Row::of(": ", FOCUS).put(&actions.typed, STRONG);
    let at = u16::try_from(line.width()).unwrap_or(u16::MAX).min(inner.width.saturating_sub(1));
    let line = if actions.typed.is_empty() { line.say(" ").put("type a part of its name", QUIET) } else { line };
    line.draw(buffer, inner.x, inner.y, inner.width);
    let width = usize::from(inner.width);
    let mut lines: Vec<Row> = Vec::new();
    for (offer, index) in offers.iter().skip(top).take(shown.rows).zip(top..) {
        let keys = Row::of(&offer.keys, COMMAND).say(" ");
        let text = Row::new().say("  ").say(offer.help).cut(width.saturating_sub(keys.width() + 1));
        let row = text.right(keys, width);
        lines.push(if index == actions.cursor { row.to(width).over(SELECTED) } else { row });
    }
    if offers.is_empty() {
        lines.push(Row::of("  nothing that works here is called that", QUIET));
    }
    rows(buffer, list(area), &lines);
    Some(Position { x: inner.x + at, y: inner.y })
}
