//! The help: the keys that work on what is shown, from the key table, over whatever is on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::heading;
use super::sheet::{Sheet, Size};
use crate::app::state::State;
use crate::app::works::works;
use crate::ui::keys::{Action, Keys};
use crate::ui::theme::{BAD, COMMAND, GOOD, QUIET, WARN};
use crate::ui::words::Row;

/// Its size.
const SIZE: Size = Size { widest: 74, free: 1, least: 0 };

fn lines(keys: &Keys, state: &State) -> Vec<Row> {
    let mut lines = Vec::new();
    let mode = state.mode_below();
    let works = |action: &Action| action.place.holds(mode) && works(state, action.command);
    for (title, keys) in keys.help(works) {
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

/// The page, laid out.
pub(in crate::ui) fn sheet(area: Rect, keys: &Keys, state: &State) -> Sheet {
    Sheet::new(area, SIZE, |_| lines(keys, state))
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, (keys, state): (&Keys, &State), top: usize) {
    sheet(area, keys, state).draw(buffer, Row::new().say("Keys that work here"), top);
}
