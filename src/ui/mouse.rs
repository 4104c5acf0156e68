//! What is under the mouse: looked up in the same places that are drawn into.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::panes::{actions, bars, content, export, fixing, listeners, picker, rules};
use super::settings::Settings;
use super::{boxes, flowchart, layout, mark, offers, places, sheet, view};
use crate::app::State;
use crate::app::chart::{Chart, Focus};
use crate::app::event::{Command, What};
use crate::app::export::Kind;
use crate::app::fixing::FixCommand;
use crate::app::pointer::{Mouse, Pointed, Roll, Spot};
use crate::app::state::{Overlay, Screen};
use crate::diagnose::chart::BoxId;

/// What something done with the mouse means.
pub(super) fn meaning(event: MouseEvent, state: &State, settings: &Settings) -> Option<What> {
    if state.mouse == Mouse::Terminals {
        return None;
    }
    let at = Position { x: event.column, y: event.row };
    let pointed = match event.kind {
        MouseEventKind::Down(MouseButton::Left) => Pointed::Down((at.x, at.y)),
        MouseEventKind::Drag(MouseButton::Left) => Pointed::Held((at.x, at.y)),
        MouseEventKind::Up(MouseButton::Left) => return came_up(at, state, settings),
        MouseEventKind::ScrollUp => Pointed::Wheel(spot(at, state, settings)?, Roll::Up),
        MouseEventKind::ScrollDown => Pointed::Wheel(spot(at, state, settings)?, Roll::Down),
        MouseEventKind::Down(_)
        | MouseEventKind::Up(_)
        | MouseEventKind::Drag(_)
        | MouseEventKind::Moved
        | MouseEventKind::ScrollLeft
        | MouseEventKind::ScrollRight => return None,
    };
    Some(What::Pointed(pointed))
}

/// The button came up: a click where it went down, else what was marked is to be copied.
fn came_up(at: Position, state: &State, settings: &Settings) -> Option<What> {
    let marked = state.marked?;
    if marked.from != (at.x, at.y) {
        let text = mark::text(state, settings);
        return Some(What::Pointed(if text.trim().is_empty() { Pointed::Up } else { Pointed::Marked(text) }));
    }
    if let Some(Spot::Action(index)) = spot(at, state, settings)
        && state.actions.as_ref().is_some_and(|actions| actions.cursor == index)
    {
        return super::chosen(index, state, settings);
    }
    if let Some(command) = word(at, state, settings) {
        // Nothing is applied by a click.
        let yes = command == Command::Fix(FixCommand::Yes);
        return Some(if yes {
            What::Pointed(Pointed::Click(Spot::OnlyByKey))
        } else {
            super::find::found(What::Command(command), state, settings)
        });
    }
    Some(What::Pointed(spot(at, state, settings).map_or(Pointed::Up, Pointed::Click)))
}

pub(super) fn whole(state: &State) -> Rect {
    Rect { x: 0, y: 0, width: state.size.width, height: state.size.height }
}

/// What the word of the bottom line does that is there.
fn word(at: Position, state: &State, settings: &Settings) -> Option<Command> {
    let covered = spot(at, state, settings);
    if matches!(covered, Some(Spot::Page | Spot::Action(_) | Spot::Kind(_) | Spot::Over)) {
        return None;
    }
    let (_, _, footer) = layout::bars(whole(state));
    let words = bars::words(footer, state, &settings.keys);
    words.into_iter().find(|placed| placed.place.contains(at)).map(|placed| placed.word.command)
}

/// What is there.
fn spot(at: Position, state: &State, settings: &Settings) -> Option<Spot> {
    let area = whole(state);
    if let Some(open) = &state.actions {
        let shown = actions::extent(area, &offers(state, settings));
        let row = row_of(actions::list(area), at, open.top.min(shown.last_top()), shown.of).map(Spot::Action);
        let over = if actions::place(area).contains(at) { Spot::Over } else { Spot::Beside };
        return Some(row.unwrap_or(over));
    }
    match (state.overlay, &state.fixing) {
        (Overlay::Export(_), _) => {
            let row = row_of(export::list(area), at, 0, Kind::ALL.len()).map(Spot::Kind);
            let over = if export::place(area).contains(at) { Spot::Over } else { Spot::Beside };
            Some(row.unwrap_or(over))
        }
        (Overlay::Page(..), _) => {
            let on = sheet(area, state, settings).is_some_and(|sheet| sheet.place().contains(at));
            Some(if on { Spot::Page } else { Spot::Beside })
        }
        (Overlay::Fix, Some(fix)) => {
            let plan = fixing::plan_at(area, view(state, fix), at.y);
            fixing::place(area).contains(at).then(|| plan.map_or(Spot::Fix, Spot::Plan))
        }
        (Overlay::Fix, None) => None,
        (Overlay::None, _) => on_screen(at, state),
    }
}

fn on_screen(at: Position, state: &State) -> Option<Spot> {
    let area = whole(state);
    let (_, main, _) = layout::bars(area);
    match &state.screen {
        Screen::Picker(all) => {
            let shown = picker::extent(main, all);
            let list = lowest(picker::inside(main), shown.rows);
            row_of(list, at, all.top.min(shown.last_top()), shown.of).map(Spot::Choice)
        }
        Screen::Listeners(all) => {
            let view = listeners::View::alone(all);
            let shown = listeners::extent(main, layout::framed(main), view);
            let list = lowest(content(main, layout::framed(main)), shown.rows);
            row_of(list, at, all.table.top.min(shown.last_top()), shown.of).map(Spot::Listener)
        }
        Screen::Chart(chart) => on_chart(at, area, chart),
    }
}

fn on_chart(at: Position, area: Rect, chart: &Chart) -> Option<Spot> {
    let places = places(area, chart);
    let framed = places.framed;
    if places.symptom.contains(at) {
        return Some(Spot::Box(BoxId::Connect));
    }
    if places.chart.contains(at) {
        let all = flowchart::places(boxes(&places), chart, places.columns);
        let on = all.into_iter().find(|(_, place)| place.contains(at)).map(|(id, _)| Spot::Box(id));
        return Some(on.unwrap_or(Spot::Pane(Focus::Chart)));
    }
    if places.rules.contains(at) {
        let shown = rules::extent(places.rules, framed, chart, places.detail.is_empty());
        let tree = rules::tree(places.rules, framed, places.detail.is_empty());
        let line = row_of(tree, at, chart.rules.top.min(shown.last_top()), shown.of);
        return Some(line.map_or(Spot::Pane(Focus::Rules), Spot::Rule));
    }
    if places.listeners.contains(at) {
        let shown = listeners::extent(places.listeners, framed, listeners::View::beside(chart));
        let list = lowest(content(places.listeners, framed), shown.rows);
        let row = row_of(list, at, chart.table.top.min(shown.last_top()), shown.of);
        return Some(row.map_or(Spot::Pane(Focus::Listeners), Spot::Listener));
    }
    let others = [(places.detail, Focus::Detail), (places.journal, Focus::Journal)];
    others.into_iter().find(|(place, _)| place.contains(at)).map(|(_, focus)| Spot::Pane(focus))
}

/// The lowest rows of a place: above them is what names the columns.
fn lowest(place: Rect, rows: usize) -> Rect {
    let height = u16::try_from(rows).unwrap_or(u16::MAX).min(place.height);
    Rect { y: place.bottom() - height, height, ..place }
}

/// Which of so many rows is there, where the first on the screen is `top`.
fn row_of(list: Rect, at: Position, top: usize, of: usize) -> Option<usize> {
    let row = usize::from(at.y.checked_sub(list.y)?) + top;
    (list.contains(at) && row < of).then_some(row)
}

/// The pane that is there, without its frame: what is marked stays within it.
pub(super) fn pane(at: Position, state: &State, settings: &Settings) -> Rect {
    let area = whole(state);
    let over = match (state.overlay, &state.fixing) {
        (Overlay::Page(..), _) => sheet(area, state, settings).map(|sheet| sheet.place()),
        (Overlay::Fix, Some(_)) => Some(fixing::place(area)),
        (Overlay::Export(_), _) => Some(export::place(area)),
        (Overlay::Fix, None) | (Overlay::None, _) => None,
    };
    let over = if state.actions.is_some() { Some(actions::place(area)) } else { over };
    if let Some(place) = over.filter(|place| place.contains(at)) {
        return layout::inside(place, true);
    }
    let (header, main, footer) = layout::bars(area);
    let mut panes = vec![(header, false), (footer, false)];
    match &state.screen {
        Screen::Picker(_) => panes.push((picker::inside(main), false)),
        Screen::Listeners(_) => panes.push((main, layout::framed(main))),
        Screen::Chart(chart) => {
            let places = places(area, chart);
            let all = flowchart::places(boxes(&places), chart, places.columns);
            panes.extend(all.into_iter().map(|(_, place)| (place, place.height > 2)));
            let framed = [places.symptom, places.chart, places.detail, places.rules, places.listeners, places.journal];
            panes.extend(framed.map(|place| (place, places.framed)));
            panes.push((places.guide, false));
        }
    }
    let found = panes.into_iter().find(|(place, _)| place.contains(at));
    found.map_or(area, |(place, framed)| layout::inside(place, framed))
}
