//! What lies over the screen in passing: what has just been done, for a few seconds, and a first hint, until a key.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{cover, frame, rows};
use crate::app::pointer::Mouse;
use crate::app::state::{Screen, State};
use crate::ui::keys::Keys;
use crate::ui::layout;
use crate::ui::theme::{FOCUS, GOOD, QUIET, STRONG};
use crate::ui::words::Row;

/// Draws what has just been done: on the right, above the line at the bottom.
pub fn toast(buffer: &mut Buffer, area: Rect, text: &str) {
    let row = Row::of(" ✔ ", GOOD.patch(STRONG)).put(text, STRONG).say(" ").cut(usize::from(area.width));
    let width = u16::try_from(row.width()).unwrap_or(u16::MAX).min(area.width);
    let (_, main, _) = layout::bars(area);
    let Some(y) = main.bottom().checked_sub(1) else { return };
    let place = Rect { x: area.right() - width, y, width, height: 1 };
    cover(buffer, place);
    row.over(crate::ui::theme::SELECTED).draw(buffer, place.x, place.y, place.width);
}

/// Draws the hint: on the right, above what comes next.
pub fn hint(buffer: &mut Buffer, area: Rect, state: &State, keys: &Keys) {
    let lines = told(state, keys);
    let wide = lines.iter().map(Row::width).max().unwrap_or_default() + 4;
    let (_, main, _) = layout::bars(area);
    let width = u16::try_from(wide).unwrap_or(u16::MAX).min(main.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(main.height);
    let y = main.bottom().saturating_sub(height + layout::guide_rows(main.height)).max(main.y);
    let place = Rect { x: main.right() - width, y, width, height };
    if place.height < 3 || place.width < 20 {
        return;
    }
    cover(buffer, place);
    let inner = frame(buffer, place, Row::new().say("For the first time here"), "any key closes this", true);
    rows(buffer, Rect { x: inner.x + 1, width: inner.width - 1, ..inner }, &lines);
}

fn told(state: &State, keys: &Keys) -> Vec<Row> {
    let key = |name: &str| Row::of(keys.of(name), FOCUS);
    let mut lines = Vec::new();
    match &state.screen {
        Screen::Picker(_) => {
            lines.push(Row::new().say("type what is refused: 8080, db1:5432, nginx; Enter"));
            lines.push(
                key("help-too")
                    .put("  keys that work here    ", QUIET)
                    .then(key("actions-too"))
                    .put("  any action", QUIET),
            );
        }
        Screen::Listeners(_) => lines.extend(always(keys)),
        Screen::Chart(_) => {
            lines.push(key("fix").put("  what can be done; nothing changes before a yes", QUIET));
            lines.extend(always(keys));
        }
    }
    if state.mouse == Mouse::Ours {
        lines.push(Row::of("the mouse works too; ", QUIET).then(key("mouse")).put(" leaves it to the terminal", QUIET));
    }
    lines
}

fn always(keys: &Keys) -> [Row; 1] {
    let key = |name: &str| Row::of(keys.of(name), FOCUS);
    [key("help").put("  keys that work here    ", QUIET).then(key("actions")).put("  any action, by name", QUIET)]
}
