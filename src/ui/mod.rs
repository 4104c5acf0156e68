//! HOW IT LOOKS: draws the state, reads the keys, keeps the terminal.
//!
//! Everything here but `run` and `terminal` is a pure function of the state and the size of the screen. Host text gets
//! onto the screen through [`words::Row`] only, which makes it safe.

mod find;
pub mod flowchart;
pub mod keys;
mod late;
pub mod layout;
mod mark;
mod mouse;
pub mod palette;
pub mod panes;
mod run;
pub mod settings;
mod terminal;
pub mod theme;
pub mod words;

use crossterm::event::Event as Input;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::app::chart::Chart;
use crate::app::event::{Command, Shown, Size, What};
use crate::app::fixing::Fixing;
use crate::app::listening::Listening;
use crate::app::picker::Picker;
use crate::app::state::{Hint, Overlay, Page, Screen, State};
use crate::app::works::works;
use crate::diagnose::chart::BoxId;
use keys::Offer;
use layout::Layout;
use panes::sheet::Sheet;
use panes::{
    actions, bars, detail, explain, export, fixing, guide, help, hops, journal, listeners, passing, picker, rules,
    symptom,
};
pub use run::{ground, run};
use settings::Settings;
use theme::Theme;

/// What it means that something was typed, or done with the mouse, on what is on the screen now.
pub fn meaning(input: Input, state: &State, settings: &Settings) -> Option<What> {
    match input {
        Input::Key(key) => match (settings.keys.meaning(key, state.mode())?, &state.actions) {
            (What::Command(Command::Open), Some(open)) => chosen(open.cursor, state, settings),
            (what, _) => Some(find::found(what, state, settings)),
        },
        Input::Resize(width, height) => Some(What::Resized(Size { width, height })),
        Input::Paste(text) => Some(What::Pasted(text)),
        Input::Mouse(event) => mouse::meaning(event, state, settings),
        Input::FocusGained | Input::FocusLost => None,
    }
}

/// Draws the state; yields where the cursor belongs, if it is to be seen.
pub fn draw(buffer: &mut Buffer, state: &State, settings: &Settings) -> Option<Position> {
    let area = buffer.area;
    let cursor = match &state.screen {
        Screen::Picker(picker) => draw_picker(buffer, area, state, picker, settings),
        Screen::Listeners(all) => {
            draw_listening(buffer, area, state, all, settings);
            None
        }
        Screen::Chart(chart) => draw_chart(buffer, area, state, chart, settings),
    };
    let cursor = match state.overlay {
        Overlay::None => cursor,
        Overlay::Fix => {
            if let Some(fixing) = &state.fixing {
                fixing::draw(buffer, area, view(state, fixing));
            }
            None
        }
        Overlay::Export(chosen) => {
            export::draw(buffer, area, chosen);
            None
        }
        Overlay::Page(page, top) => {
            draw_page(buffer, state, settings, (page, top));
            None
        }
    };
    let cursor = draw_over(buffer, state, settings).or(cursor);
    mark::draw(buffer, state, settings);
    settings.theme.finish(buffer);
    cursor
}

/// What lies over everything else; yields where the cursor belongs, if it does there.
fn draw_over(buffer: &mut Buffer, state: &State, settings: &Settings) -> Option<Position> {
    let area = buffer.area;
    if state.hint == Hint::Shown && state.overlay == Overlay::None {
        passing::hint(buffer, area, state, &settings.keys);
    }
    let cursor = state.actions.as_ref().and_then(|open| actions::draw(buffer, area, open, &offers(state, settings)));
    if let Some(toast) = &state.toast {
        passing::toast(buffer, area, &toast.text);
    }
    cursor
}

/// What the actions offers now; nothing while it is closed.
fn offers(state: &State, settings: &Settings) -> Vec<Offer> {
    let Some(open) = &state.actions else { return Vec::new() };
    let mode = state.mode_below();
    settings.keys.offers(&open.typed, |action| action.place.holds(mode) && works(state, action.command))
}

/// What Enter or a click means in the actions: the action with this index.
fn chosen(index: usize, state: &State, settings: &Settings) -> Option<What> {
    let what = What::Chosen(offers(state, settings).get(index)?.command);
    Some(find::found(what, state, settings))
}

fn view<'a>(state: &'a State, fixing: &'a Fixing) -> fixing::View<'a> {
    let chart = if let Screen::Chart(chart) = &state.screen { Some(chart.as_ref()) } else { None };
    fixing::View { fixing, chart, now_ms: state.now_ms }
}

fn draw_page(buffer: &mut Buffer, state: &State, settings: &Settings, (page, top): (Page, usize)) {
    let area = buffer.area;
    match (page, &state.screen) {
        (Page::Help, _) => help::draw(buffer, area, (&settings.keys, state), top),
        (Page::Explain, Screen::Chart(chart)) => explain::draw(buffer, area, chart, top),
        (Page::Hops, Screen::Chart(chart)) => hops::draw(buffer, area, chart, top),
        (Page::Explain | Page::Hops, Screen::Picker(_) | Screen::Listeners(_)) => {}
    }
}

/// The page that lies over the screen, laid out.
fn sheet(area: Rect, state: &State, settings: &Settings) -> Option<Sheet> {
    match (state.overlay, &state.screen) {
        (Overlay::Page(Page::Explain, _), Screen::Chart(chart)) => Some(explain::sheet(area, chart)),
        (Overlay::Page(Page::Hops, _), Screen::Chart(chart)) => Some(hops::sheet(area, chart)),
        (Overlay::Page(..), _) => Some(help::sheet(area, &settings.keys, state)),
        (Overlay::None | Overlay::Export(_) | Overlay::Fix, _) => None,
    }
}

fn draw_picker(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    picker: &Picker,
    settings: &Settings,
) -> Option<Position> {
    let (header, main, footer) = layout::bars(area);
    bars::header(buffer, header, state, &settings.theme);
    let cursor = picker::draw(buffer, main, picker);
    bars::footer(buffer, footer, state, &settings.keys);
    cursor
}

fn draw_listening(buffer: &mut Buffer, area: Rect, state: &State, all: &Listening, settings: &Settings) {
    let (header, main, footer) = layout::bars(area);
    bars::header(buffer, header, state, &settings.theme);
    if !main.is_empty() {
        listeners::draw(buffer, main, layout::framed(main), listeners::View::alone(all));
    }
    bars::footer(buffer, footer, state, &settings.keys);
}

fn draw_chart(buffer: &mut Buffer, area: Rect, state: &State, chart: &Chart, settings: &Settings) -> Option<Position> {
    let theme = &settings.theme;
    let places = places(area, chart);
    let framed = places.framed;
    let again = flowchart::looked_at_again(state.asking.again());
    bars::header(buffer, places.header, state, theme);
    symptom::draw(buffer, places.symptom, framed, chart, again.contains(&BoxId::Connect));
    draw_flowchart(buffer, &places, (chart, theme), &again);
    if !places.detail.is_empty() {
        detail::draw(buffer, places.detail, framed, chart, theme);
    }
    if !places.rules.is_empty() {
        rules::draw(buffer, places.rules, framed, (chart, places.detail.is_empty()));
    }
    if !places.listeners.is_empty() {
        listeners::draw(buffer, places.listeners, framed, listeners::View::beside(chart));
    }
    if !places.journal.is_empty() {
        journal::draw(buffer, places.journal, framed, chart, theme);
    }
    guide::draw(buffer, places.guide, (state, chart), settings);
    bars::footer(buffer, places.footer, state, &settings.keys);
    find::highlight(buffer, area, chart);
    let client = chart.client.as_ref().and_then(|line| bars::client(buffer, line));
    client.or_else(|| chart.sought().and_then(|find| bars::find(buffer, find)))
}

fn draw_flowchart(buffer: &mut Buffer, places: &Layout, (chart, theme): (&Chart, &Theme), again: &[BoxId]) {
    if places.chart.is_empty() {
        return;
    }
    let focused = chart.focus == crate::app::chart::Focus::Chart;
    let inner = boxes(places);
    if inner != places.chart {
        panes::frame(buffer, places.chart, words::Row::new().say("Flowchart"), "", focused);
    }
    flowchart::draw(buffer, inner, (chart, theme), (again, places.columns));
}

/// Where the boxes of the flowchart are. Boxes that are panes themselves need no frame around them.
fn boxes(places: &Layout) -> Rect {
    layout::inside(places.chart, places.framed && !places.columns)
}

fn places(area: Rect, chart: &Chart) -> Layout {
    let across = usize::from(area.width.saturating_sub(2));
    let symptom = u16::try_from(symptom::wanted(chart, across) + 2).unwrap_or(u16::MAX);
    layout::of(area, layout::Wish { focus: chart.focus, beside: layout::beside(chart), symptom })
}

/// How much of each pane is on a screen of this size: what `update` needs to know to scroll and to ask for.
pub fn measure(state: &State, size: Size, settings: &Settings) -> Shown {
    let theme = &settings.theme;
    let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let fix = state.fixing.as_ref().map(|fixing| fixing::extent(area, view(state, fixing))).unwrap_or_default();
    let page = sheet(area, state, settings).map(|sheet| sheet.extent()).unwrap_or_default();
    let actions = state.actions.as_ref().map(|_| actions::extent(area, &offers(state, settings))).unwrap_or_default();
    let mut shown = Shown { page, fix, actions, ..Shown::default() };
    match &state.screen {
        Screen::Picker(picker) => shown.picker = picker::extent(layout::bars(area).1, picker),
        Screen::Listeners(all) => {
            let main = layout::bars(area).1;
            shown.listeners = listeners::extent(main, layout::framed(main), listeners::View::alone(all));
        }
        Screen::Chart(chart) => {
            let places = places(area, chart);
            let framed = places.framed;
            if !places.detail.is_empty() {
                shown.detail = detail::extent(places.detail, framed, chart, theme);
            }
            if !places.rules.is_empty() {
                shown.rules = rules::extent(places.rules, framed, chart, places.detail.is_empty());
            }
            if !places.listeners.is_empty() {
                shown.listeners = listeners::extent(places.listeners, framed, listeners::View::beside(chart));
            }
            if !places.journal.is_empty() {
                shown.journal = journal::extent(places.journal, framed, chart);
            }
            if let (true, Some(grid)) = (places.columns, flowchart::columns::grid(places.chart)) {
                shown.column = flowchart::columns::EACH;
                // The box of the service holds the journal's end.
                shown.journal = grid.boxes.get(1).map(|b| journal::extent(*b, true, chart)).unwrap_or_default();
            }
        }
    }
    shown
}
