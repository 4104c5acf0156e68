//! Draws the boxes and arrows where the plan put them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Face;
use super::plan::{Placed, Plan, Shape};
use crate::diagnose::verdict::Verdict;
use crate::ui::theme::{self, FRAME, GOOD, QUIET, SELECTED, STRONG};
use crate::ui::words::Row;

/// The lines of a frame.
pub(super) struct Lines {
    pub(super) corners: [&'static str; 4],
    pub(super) across: &'static str,
    pub(super) down: &'static str,
    pub(super) out: &'static str,
}

pub(super) const LIGHT: Lines = Lines { corners: ["╭", "╮", "╰", "╯"], across: "─", down: "│", out: "├" };
pub(super) const HEAVY: Lines = Lines { corners: ["┏", "┓", "┗", "┛"], across: "━", down: "┃", out: "┣" };

pub(super) fn draw(buffer: &mut Buffer, plan: &Plan, faces: &[Face]) {
    for (at, placed) in plan.boxes.iter().enumerate() {
        let Some(face) = faces.get(placed.index) else { continue };
        let follows = at + 1 < plan.boxes.len();
        match plan.shape {
            Shape::Lines => line(buffer, placed, face, follows),
            Shape::Framed | Shape::Joined => {
                framed(buffer, placed, face);
                if plan.shape == Shape::Joined {
                    joints(buffer, placed, face, at > 0, follows);
                }
            }
        }
        if let Some(row) = placed.arrow {
            arrow(buffer, row, face);
        }
    }
}

/// `✘ 2 Service running?          NO`, as wide as asked.
fn headed(face: &Face, width: usize) -> Row {
    title(face).right(Row::of(face.mark.word, face.mark.style), width).cut(width)
}

/// `✘ 2 Service running?`
pub(super) fn title(face: &Face) -> Row {
    let weight = if face.selected { STRONG } else { Style::new() };
    let quiet = if face.verdict == Verdict::Unneeded { QUIET } else { weight };
    let again = if face.again { " …" } else { "" };
    Row::of(face.mark.sign, face.mark.style)
        .put(format!(" {} ", face.number), QUIET)
        .put(face.question, quiet)
        .put(again, theme::WARN)
}

pub(super) fn border(face: &Face) -> Style {
    match face.verdict {
        Verdict::Yes => GOOD,
        Verdict::No => theme::BAD,
        Verdict::Unknown | Verdict::Unneeded if face.selected => theme::FOCUS,
        Verdict::Unknown | Verdict::Unneeded => FRAME,
    }
}

fn body_style(face: &Face) -> Style {
    if face.verdict == Verdict::No || face.selected { Style::new() } else { QUIET }
}

fn framed(buffer: &mut Buffer, placed: &Placed, face: &Face) {
    let (area, style) = (placed.area, border(face));
    let lines = if face.selected { &HEAVY } else { &LIGHT };
    let [top_left, top_right, bottom_left, bottom_right] = lines.corners;
    let inner = usize::from(area.width.saturating_sub(2));
    let across = lines.across.repeat(inner);
    let put = |buffer: &mut Buffer, y: u16, row: Row| row.draw(buffer, area.x, y, area.width);
    put(buffer, area.y, Row::of(format!("{top_left}{across}{top_right}"), style));
    let text = inner.saturating_sub(2);
    let head = headed(face, text);
    let side = |row: Row, right: &str| Row::of(lines.down, style).say(" ").then(row).to(inner + 1).put(right, style);
    let exit = face.verdict == Verdict::No;
    put(buffer, area.y + 1, side(head, if exit { lines.out } else { lines.down }));
    if exit {
        face.way_out().draw(buffer, area.right(), area.y + 1, super::plan::EXIT);
    }
    for (line, y) in told(face, placed.body, text).iter().zip(area.y + 2..) {
        put(buffer, y, side(Row::of(line, body_style(face)).cut(text), lines.down));
    }
    let bottom = Row::of(format!("{bottom_left}{across}{bottom_right}"), style);
    put(buffer, area.bottom().saturating_sub(1), bottom);
}

/// The lines there is room for; the last one says that there is more.
fn told(face: &Face, room: usize, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = face.body.iter().take(room).cloned().collect();
    if let (Some(last), true) = (lines.last_mut(), face.said > room) {
        let rest = face.body.get(room..face.said).unwrap_or_default().join(" ");
        *last = crate::text::fit(&format!("{last} {rest}"), width);
    }
    lines
}

/// What the arrow to the next box says.
pub(super) fn then(face: &Face) -> (&'static str, Style) {
    match face.verdict {
        Verdict::Yes => ("yes", GOOD),
        Verdict::No => ("once fixed", QUIET),
        Verdict::Unknown | Verdict::Unneeded => ("", FRAME),
    }
}

fn middle(area: Rect) -> u16 {
    area.x + area.width / 2
}

pub(super) fn arrow(buffer: &mut Buffer, row: Rect, face: &Face) {
    let (word, style) = then(face);
    let middle = middle(row);
    let width = u16::try_from(word.len()).unwrap_or_default();
    Row::of(word, style).draw(buffer, middle.saturating_sub(width + 1), row.y, width);
    Row::of("▼", style).draw(buffer, middle, row.y, 1);
}

/// Arrows in the frames of boxes that stand on each other.
fn joints(buffer: &mut Buffer, placed: &Placed, face: &Face, comes: bool, goes: bool) {
    let (area, style) = (placed.area, border(face));
    let middle = middle(area);
    if comes {
        Row::of("▼", style).draw(buffer, middle, area.y, 1);
    }
    if goes {
        let bottom = area.bottom().saturating_sub(1);
        Row::of(if face.selected { "┯" } else { "┬" }, style).draw(buffer, middle, bottom, 1);
        let (word, tone) = then(face);
        let label = if word.is_empty() { String::new() } else { format!(" {word} ") };
        let width = u16::try_from(label.len()).unwrap_or_default();
        Row::of(label, tone).draw(buffer, middle.saturating_sub(width + 1), bottom, width);
    }
}

/// A line, and its text beside the line down to the next one.
fn line(buffer: &mut Buffer, placed: &Placed, face: &Face, follows: bool) {
    let area = placed.area;
    let width = usize::from(area.width);
    let head = headed(face, width);
    let head = if face.selected { head.to(width).over(SELECTED) } else { head };
    head.draw(buffer, area.x, area.y, area.width);
    let stem = if follows { "│ " } else { "  " };
    for (text, y) in told(face, placed.body, width.saturating_sub(4)).iter().zip(area.y + 1..) {
        Row::of(stem, border(face)).put("  ", FRAME).put(text, body_style(face)).draw(buffer, area.x, y, area.width);
    }
}
