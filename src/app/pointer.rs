//! What the mouse does: the wheel scrolls what is under it, a click selects, a click on what is selected opens it.
//!
//! Where something is on the screen is known to the side that draws; here it has a name already. A click does what a key
//! could do there, but for one thing: yes is said by its key alone, so that nothing is ever applied by a click.

use super::chart::{Chart, Focus, Selection};
use super::event::{Effect, Extent, Step};
use super::listening::Attention;
use super::panes::{choose, enter, turn_line};
use super::picker::{keep, scroll};
use super::rules::Turn;
use super::state::{Hint, Overlay, Screen, State};
use super::update::{copied, open};
use super::{export, fixing};
use crate::diagnose::chart::BoxId;

/// Whose the mouse is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mouse {
    /// Ours.
    #[default]
    Ours,
    /// The terminal's, for its own selection.
    Terminals,
}

/// Something was done with the mouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointed {
    /// The button went down at this column and row.
    Down((u16, u16)),
    /// It is held down, and the mouse is here now.
    Held((u16, u16)),
    /// It came up where it went down.
    Click(Spot),
    /// It came up elsewhere, with this between.
    Marked(String),
    /// It came up where nothing is.
    Up,
    /// The wheel was turned over this.
    Wheel(Spot, Roll),
}

/// From where to where something is marked, in columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Where the button went down.
    pub from: (u16, u16),
    /// Where the mouse is.
    pub to: (u16, u16),
}

/// Which way the wheel was turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roll {
    /// Towards the beginning.
    Up,
    /// Towards the end.
    Down,
}

/// Something on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// A box of the flowchart, or the symptom.
    Box(BoxId),
    /// A pane, where there is no line of it.
    Pane(Focus),
    /// A line of the rules.
    Rule(usize),
    /// A row of the listener table.
    Listener(usize),
    /// A row of the picker.
    Choice(usize),
    /// The page that lies over the screen.
    Page,
    /// What is beside that page.
    Beside,
    /// An action of the actions.
    Action(usize),
    /// A kind of report.
    Kind(usize),
    /// The rest of what lies over the screen.
    Over,
    /// A plan of the fix.
    Plan(usize),
    /// The rest of the fix.
    Fix,
    /// A word of the bottom line that only its key may say.
    OnlyByKey,
}

/// Lines that one notch of the wheel moves.
const NOTCH: usize = 3;

/// Takes the mouse, or leaves it to the terminal.
pub(super) fn turn(state: &mut State) -> Vec<Effect> {
    let (mouse, told) = match state.mouse {
        Mouse::Ours => (Mouse::Terminals, "the mouse is the terminal's now: it marks and copies as everywhere"),
        Mouse::Terminals => (Mouse::Ours, "the mouse is taken: wheel, click, drag to copy"),
    };
    (state.mouse, state.notice) = (mouse, Some(told.into()));
    vec![Effect::Mouse(mouse)]
}

pub(super) fn pointed(state: &mut State, pointed: Pointed) -> Vec<Effect> {
    match pointed {
        Pointed::Down(at) => state.marked = Some(Marked { from: at, to: at }),
        Pointed::Held(to) => state.marked = state.marked.map(|marked| Marked { to, ..marked }),
        Pointed::Wheel(spot, roll) => wheel(state, spot, roll),
        Pointed::Up => (state.notice, state.marked) = (None, None),
        Pointed::Click(spot) => {
            (state.notice, state.marked, state.hint) = (None, None, Hint::None);
            return click(state, spot);
        }
        Pointed::Marked(text) => {
            (state.notice, state.marked) = (None, None);
            return copied(state, &text);
        }
    }
    Vec::new()
}

fn click(state: &mut State, spot: Spot) -> Vec<Effect> {
    if let Some(actions) = &mut state.actions {
        match spot {
            Spot::Action(index) => actions.cursor = index,
            Spot::Beside => state.actions = None,
            Spot::Box(_)
            | Spot::Pane(_)
            | Spot::Rule(_)
            | Spot::Listener(_)
            | Spot::Choice(_)
            | Spot::Page
            | Spot::Kind(_)
            | Spot::Over
            | Spot::Plan(_)
            | Spot::Fix
            | Spot::OnlyByKey => {}
        }
        return Vec::new();
    }
    match (spot, state.overlay) {
        (Spot::Kind(index), Overlay::Export(chosen)) if index == chosen => return export::write(state, chosen),
        (Spot::Kind(index), Overlay::Export(_)) => state.overlay = Overlay::Export(index),
        (Spot::Beside, Overlay::Export(_)) => state.overlay = Overlay::None,
        (Spot::OnlyByKey, _) => state.notice = Some("a click applies nothing: only the key says yes".into()),
        (Spot::Beside, Overlay::Page(..)) => state.overlay = state.below_the_page(),
        (Spot::Plan(index), Overlay::Fix) => return fixing::choose(state, index),
        (_, Overlay::Page(..) | Overlay::Export(_) | Overlay::Fix) => {}
        (_, Overlay::None) => click_on_screen(state, spot),
    }
    Vec::new()
}

fn click_on_screen(state: &mut State, spot: Spot) {
    let shown = state.shown;
    match (&mut state.screen, spot) {
        (Screen::Picker(picker), Spot::Choice(index)) if index < picker.rows().len() => {
            if picker.cursor == index {
                let chosen = picker.chosen();
                open(state, chosen.as_deref(), "nothing is selected");
            } else {
                picker.cursor = index;
            }
        }
        (Screen::Listeners(all), Spot::Listener(index)) if index < all.table.len() => {
            if all.attention == Attention::Rows && all.table.cursor == index {
                let chosen = all.chosen();
                open(state, chosen.as_deref(), "nothing is selected");
            } else {
                (all.attention, all.table.cursor) = (Attention::Rows, index);
            }
        }
        // What is typed there is not left by a click.
        (Screen::Chart(chart), _) if chart.client.is_some() || chart.sought().is_some() => {}
        (Screen::Chart(chart), Spot::Listener(index)) if index < chart.table.len() => {
            if chart.focus == Focus::Listeners && chart.table.cursor == index {
                enter(state);
            } else {
                (chart.focus, chart.table.cursor) = (Focus::Listeners, index);
            }
        }
        (Screen::Chart(chart), Spot::Rule(index)) => {
            if chart.focus == Focus::Rules && chart.rules.cursor() == index {
                turn_line(chart, Turn::Over, shown);
            } else {
                chart.rules.select(index);
                chart.focus = Focus::Rules;
            }
        }
        (Screen::Chart(chart), Spot::Box(id)) => {
            if chart.focus == Focus::Chart && chart.selected() == id {
                enter(state);
            } else {
                chart.focus = Focus::Chart;
                (chart.selection, chart.detail_top) = (Selection::Chosen(id), 0);
            }
        }
        (Screen::Chart(chart), Spot::Pane(focus)) => chart.focus = focus,
        (Screen::Picker(_) | Screen::Listeners(_) | Screen::Chart(_), _) => {}
    }
}

fn wheel(state: &mut State, spot: Spot, way: Roll) {
    let shown = state.shown;
    if let Some(actions) = &mut state.actions {
        (actions.cursor, actions.top) = roll(actions.cursor, actions.top, way, shown.actions);
        return;
    }
    match (state.overlay, &mut state.screen) {
        (Overlay::Export(_), _) => {}
        (Overlay::Page(page, top), _) => state.overlay = Overlay::Page(page, rolled(top, way, shown.page)),
        (Overlay::Fix, _) => {
            if let Some(fixing) = &mut state.fixing {
                fixing.top = rolled(fixing.top, way, shown.fix);
            }
        }
        (Overlay::None, Screen::Picker(picker)) => {
            let extent = Extent { of: picker.rows().len(), ..shown.picker };
            (picker.cursor, picker.top) = roll(picker.cursor, picker.top, way, extent);
        }
        (Overlay::None, Screen::Listeners(all)) => {
            let extent = Extent { of: all.table.len(), ..shown.listeners };
            (all.table.cursor, all.table.top) = roll(all.table.cursor, all.table.top, way, extent);
        }
        (Overlay::None, Screen::Chart(chart)) => wheel_on_chart(chart, spot, way, shown),
    }
}

fn wheel_on_chart(chart: &mut Chart, spot: Spot, way: Roll, shown: super::event::Shown) {
    match spot {
        Spot::Box(_) | Spot::Pane(Focus::Chart) => choose(chart, if way == Roll::Up { Step::Up } else { Step::Down }),
        Spot::Pane(Focus::Detail) => chart.detail_top = rolled(chart.detail_top, way, shown.detail),
        Spot::Rule(_) | Spot::Pane(Focus::Rules) => chart.rules.roll(way, shown.rules),
        Spot::Listener(_) | Spot::Pane(Focus::Listeners | Focus::Filter) => {
            let extent = Extent { of: chart.table.len(), ..shown.listeners };
            (chart.table.cursor, chart.table.top) = roll(chart.table.cursor, chart.table.top, way, extent);
        }
        Spot::Pane(Focus::Journal) => {
            chart.journal_top = chart.journal_top.moved(shown.journal, |top| rolled(top, way, shown.journal));
        }
        Spot::Choice(_)
        | Spot::Page
        | Spot::Beside
        | Spot::Action(_)
        | Spot::Kind(_)
        | Spot::Over
        | Spot::Plan(_)
        | Spot::Fix
        | Spot::OnlyByKey => {}
    }
}

/// A text scrolled by a notch.
fn rolled(top: usize, way: Roll, extent: Extent) -> usize {
    let step = if way == Roll::Up { Step::Up } else { Step::Down };
    (0..NOTCH).fold(top, |top, _| scroll(top, step, extent))
}

/// Rows scrolled by a notch, and the selection kept among those on the screen.
pub fn roll(cursor: usize, top: usize, way: Roll, extent: Extent) -> (usize, usize) {
    let top = rolled(top, way, extent);
    let last = top.saturating_add(extent.rows.max(1)).min(extent.of.max(1)) - 1;
    let cursor = cursor.clamp(top.min(last), last);
    (cursor, keep(cursor, top, extent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_where_it_is_until_it_would_leave_the_screen() {
        let extent = Extent { rows: 5, of: 20 };
        assert_eq!(roll(4, 0, Roll::Down, extent), (4, 3));
        assert_eq!(roll(4, 3, Roll::Down, extent), (6, 6));
        assert_eq!(roll(19, 15, Roll::Down, extent), (19, 15));
        assert_eq!(roll(19, 15, Roll::Up, extent), (16, 12));
        assert_eq!(roll(0, 0, Roll::Down, Extent { rows: 0, of: 0 }), (0, 0));
        assert_eq!(roll(2, 0, Roll::Down, Extent { rows: 9, of: 3 }), (2, 0));
    }
}
