//! The flowchart where there is much room: two columns of live panes, arrows between them, and the way out of each red one.
//!
//! ```text
//! ╭ ✔ 1 Name leads there? ── yes ╮          ╭ ✘ 5 Firewall lets it in? ── NO ╮
//! │ db1 is 10.0.0.5              │    ╭────▶│ rules                          ├─no▶1
//! ╰──────────────────────────────╯    │     ╰────────────────────────────────╯
//!              yes ▼                  │               once fixed ▼
//! ╭ …                                 │     ╭ …
//! ╰──────────────────────────────╯    │
//! ╭ ✔ 4 Container publishes it? ─╮    │
//! │                              ├─yes╯
//! ```
//!
//! Places depend on the room alone, so that nothing moves when answers come or another box is selected.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::boxes::{HEAVY, LIGHT, Lines, arrow, border, then, title};
use super::{Face, live};
use crate::app::chart::Chart;
use crate::diagnose::verdict::Verdict;
use crate::ui::theme::Theme;
use crate::ui::words::Row;

/// Boxes in a column.
pub const EACH: usize = 4;
/// Between the columns: the way out of a red box, the way on to the second column, an arrow's head.
const GUTTER: u16 = 9;
/// Right of the second column.
const EXIT: u16 = 6;
/// How much of the room for text each box gets: what has a journal, listeners, rules or hops in it gets most.
const WEIGHTS: [[u16; EACH]; 2] = [[4, 12, 11, 6], [13, 7, 5, 8]];

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The boxes, frames included, in their order.
    pub boxes: Vec<Rect>,
    /// Rows of the arrows below boxes.
    pub arrows: Vec<Rect>,
    /// What is between the columns.
    pub gutter: Rect,
}

/// Places the boxes; none where there is no room for them.
pub fn grid(area: Rect) -> Option<Grid> {
    let across = area.width.checked_sub(GUTTER + EXIT)?;
    let rows = area.height.checked_sub(u16::try_from(EACH * 3 + EACH - 1).ok()?)?;
    if across < 60 {
        return None;
    }
    let left = across / 2;
    let gutter = Rect { x: area.x + left, width: GUTTER, ..area };
    let mut grid = Grid { boxes: Vec::new(), arrows: Vec::new(), gutter };
    for (weights, x, width) in [(WEIGHTS[0], area.x, left), (WEIGHTS[1], gutter.right(), across - left)] {
        let mut y = area.y;
        for (rows, last) in shares(weights, rows).zip([false, false, false, true]) {
            let place = Rect { x, y, width, height: rows + 3 };
            grid.boxes.push(place);
            y += place.height;
            if !last {
                grid.arrows.push(Rect { x, y, width, height: 1 });
                y += 1;
            }
        }
    }
    Some(grid)
}

/// Shares rows out by weight; the heaviest gets what is left over.
fn shares(weights: [u16; EACH], rows: u16) -> impl Iterator<Item = u16> {
    let all: u16 = weights.iter().sum();
    let part =
        move |weight: u16| u16::try_from(u32::from(rows) * u32::from(weight) / u32::from(all)).unwrap_or_default();
    let rest = rows - weights.iter().map(|weight| part(*weight)).sum::<u16>();
    let heaviest = weights.iter().copied().max().unwrap_or_default();
    weights.into_iter().map(move |weight| part(weight) + if weight == heaviest { rest } else { 0 })
}

/// Draws the boxes with what is live in them.
pub(super) fn draw(buffer: &mut Buffer, grid: &Grid, faces: &[Face], (chart, theme): (&Chart, &Theme)) {
    for (place, face) in grid.boxes.iter().zip(faces) {
        framed(buffer, *place, face);
        let inside = Rect { x: place.x + 2, y: place.y + 1, width: place.width - 4, height: place.height - 2 };
        for (row, y) in live::rows(chart, face.id, inside, theme).iter().zip(inside.y..inside.bottom()) {
            row.draw(buffer, inside.x, y, inside.width);
        }
    }
    let above = faces.iter().zip(0..).filter(|(_, index)| index % EACH != EACH - 1);
    for (row, (face, _)) in grid.arrows.iter().zip(above) {
        arrow(buffer, *row, face);
    }
    if let (Some(from), Some(to), Some(face)) = (grid.boxes.get(EACH - 1), grid.boxes.get(EACH), faces.get(EACH - 1)) {
        across(buffer, grid.gutter, (*from, *to), face);
    }
}

/// The frame, with what the box asks in its upper edge and its way out where it is red.
fn framed(buffer: &mut Buffer, place: Rect, face: &Face) {
    let style = border(face);
    let lines: &Lines = if face.selected { &HEAVY } else { &LIGHT };
    let [top_left, top_right, bottom_left, bottom_right] = lines.corners;
    let inner = usize::from(place.width.saturating_sub(2));
    let edge = |left: &str, right: &str| Row::of(format!("{left}{}{right}", lines.across.repeat(inner)), style);
    edge(top_left, top_right).draw(buffer, place.x, place.y, place.width);
    for y in place.y + 1..place.bottom() - 1 {
        Row::of(lines.down, style).draw(buffer, place.x, y, 1);
        Row::of(lines.down, style).draw(buffer, place.right() - 1, y, 1);
    }
    edge(bottom_left, bottom_right).draw(buffer, place.x, place.bottom() - 1, place.width);
    let verdict = Row::of(format!(" {} ", face.mark.word), face.mark.style);
    let room = inner.saturating_sub(verdict.width() + 4);
    let head = Row::new().say(" ").then(title(face)).say(" ").cut(room);
    head.draw(buffer, place.x + 2, place.y, place.width);
    let width = u16::try_from(verdict.width()).unwrap_or_default();
    verdict.draw(buffer, place.right().saturating_sub(width + 2), place.y, width);
    if face.verdict == Verdict::No {
        Row::of(lines.out, style).draw(buffer, place.right() - 1, place.y + 1, 1);
        face.way_out().draw(buffer, place.right(), place.y + 1, EXIT);
    }
}

/// From the last box of the first column up to the first of the second.
fn across(buffer: &mut Buffer, gutter: Rect, (from, to): (Rect, Rect), face: &Face) {
    let (word, style) = then(face);
    let line = if style == Style::new() { border(face) } else { style };
    let (low, high) = (from.bottom().saturating_sub(2), to.y + 1);
    let turn = gutter.x + GUTTER - 3;
    Row::of("├", border(face)).draw(buffer, from.right() - 1, low, 1);
    let short = if word == "once fixed" { "fixed" } else { word };
    let lead = usize::from(GUTTER - 3);
    let dashes = lead.saturating_sub(short.len());
    let run = format!("{}{short}{}", "─".repeat(dashes / 2), "─".repeat(dashes - dashes / 2));
    Row::of(run, line).put("╯", line).draw(buffer, gutter.x, low, GUTTER);
    for y in high + 1..low {
        Row::of("│", line).draw(buffer, turn, y, 1);
    }
    Row::of("╭─▶", line).draw(buffer, turn, high, 3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_stand_apart_and_fill_the_height() {
        for (width, height) in (1..=300).flat_map(|w| (1..=100).map(move |h| (w, h))) {
            let area = Rect { x: 3, y: 2, width, height };
            let Some(grid) = grid(area) else { continue };
            let all: Vec<Rect> = grid.boxes.iter().chain(&grid.arrows).chain([&grid.gutter]).copied().collect();
            for (index, one) in all.iter().enumerate() {
                assert_eq!(area.union(*one), area, "{one} outside {area}");
                assert!(!all.iter().skip(index + 1).any(|other| other.intersects(*one)), "{grid:?}");
            }
            for column in 0..2 {
                let boxes = grid.boxes.iter().skip(column * EACH).take(EACH);
                let used: u16 = boxes.map(|b| b.height).sum::<u16>() + 3;
                assert_eq!(used, height, "{grid:?}");
            }
        }
    }

    #[test]
    fn there_is_a_grid_where_the_screen_is_large() {
        assert!(grid(Rect::new(0, 0, 133, 40)).is_some());
        assert!(grid(Rect::new(0, 0, 70, 40)).is_none());
    }
}
