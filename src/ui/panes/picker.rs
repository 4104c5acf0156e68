//! The target picker: a line to type into, and below it recent targets, failed units and live listeners.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{frame, part, rows};
use crate::app::event::Extent;
use crate::app::picker::{Choice, Picker};
use crate::app::table::Owners;
use crate::facts::Reading;
use crate::ui::theme::{BAD, FOCUS, QUIET, SELECTED, STRONG, WARN};
use crate::ui::words::Row;

/// The line typed into, and an empty one.
const LINE: u16 = 2;

/// What the frame leaves.
pub(in crate::ui) fn inside(area: Rect) -> Rect {
    super::inside(area, framed(area))
}

fn framed(area: Rect) -> bool {
    area.width >= 40 && area.height >= 8
}

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, picker: &Picker) -> Extent {
    let place = inside(area);
    Extent { rows: usize::from(place.height.saturating_sub(line_rows(place))), of: picker.rows().len() }
}

fn line_rows(place: Rect) -> u16 {
    if place.height > 6 { LINE } else { 1 }
}

/// Draws the picker; yields where the cursor belongs.
pub fn draw(buffer: &mut Buffer, area: Rect, picker: &Picker) -> Option<Position> {
    let shown = extent(area, picker);
    let top = picker.top.min(shown.last_top());
    let place = if framed(area) {
        frame(buffer, area, Row::new().say("Target"), &part(top, shown.rows, shown.of), true)
    } else {
        area
    };
    if place.is_empty() {
        return None;
    }
    let prompt = Row::of("> ", FOCUS);
    let line = prompt.clone().put(&picker.typed, STRONG);
    let at = u16::try_from(line.width()).unwrap_or(u16::MAX).min(place.width.saturating_sub(1));
    let hint = "8080   host:port   [::1]:443   nginx   https://host/   udp://host:53   unix:/path";
    let line = if picker.typed.is_empty() { prompt.say(" ").put(hint, QUIET) } else { line };
    line.draw(buffer, place.x, place.y, place.width);
    let skip = line_rows(place);
    let list = Rect { y: place.y + skip, height: place.height.saturating_sub(skip), ..place };
    rows(buffer, list, &list_rows(picker, top, shown.rows, usize::from(place.width)));
    Some(Position { x: place.x + at, y: place.y })
}

fn list_rows(picker: &Picker, top: usize, rows: usize, width: usize) -> Vec<Row> {
    let mut lines = Vec::new();
    let all = picker.rows();
    for (choice, index) in all.iter().skip(top).take(rows).zip(top..) {
        let before = index.checked_sub(1).filter(|_| index > top).and_then(|i| all.get(i));
        let first = before.is_none_or(|other| kind(other) != kind(choice));
        let row = row(choice, first, width, &picker.facts.owners);
        lines.push(if index == picker.cursor { row.to(width).over(SELECTED) } else { row });
    }
    if lines.len() < rows {
        lines.extend(pending(picker));
    }
    lines
}

/// What is still being looked for, or could not be.
fn pending(picker: &Picker) -> Vec<Row> {
    let state = |open: bool, blind: Option<String>, what: &str| match (open, blind) {
        (true, _) => Some(Row::of(format!("  looking for {what} …"), WARN)),
        (false, Some(why)) => Some(Row::of(format!("  no {what}: {why}"), QUIET)),
        (false, None) => None,
    };
    let sockets = &picker.facts.all_listeners;
    let units = &picker.facts.failed_units;
    let sockets = state(sockets.is_open(), sockets.blind(), "listeners");
    let units = state(units.is_open(), units.blind(), "failed units");
    units.into_iter().chain(sockets).collect()
}

fn kind(choice: &Choice) -> &'static str {
    match choice {
        Choice::Typed(_) => "diagnose",
        Choice::Recent(_) => "recent",
        Choice::Failed(..) => "failed",
        Choice::Listener(_) => "listens",
    }
}

fn row(choice: &Choice, first: bool, width: usize, owners: &Owners) -> Row {
    let label = if first { kind(choice) } else { "" };
    let style = if matches!(choice, Choice::Failed(..)) { BAD } else { QUIET };
    let column = (width.saturating_sub(12) / 2).clamp(10, 40);
    let row = Row::new().say(" ").cell(label, 10, style);
    match choice {
        Choice::Typed(text) => row.put(text, STRONG),
        Choice::Recent(text) => row.say(text),
        Choice::Failed(unit, state) => row.cell(unit, column, Style::new()).say(" ").put(state, QUIET),
        Choice::Listener(listener) => {
            let at = format!("{} {}", listener.transport.word(), listener.shown());
            let owner = owners.get(&listener.inode).and_then(Reading::value);
            let who = owner.map(|o| o.unit.clone().map_or_else(|| o.shown(), |u| format!("{}  {u}", o.shown())));
            row.cell(at, column, Style::new()).say(" ").put(who.unwrap_or_default(), QUIET)
        }
    }
}
