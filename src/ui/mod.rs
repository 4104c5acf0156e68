//! HOW IT LOOKS: draws the state, reads the keys, keeps the terminal.
//!
//! Everything here but `run` and `terminal` is a pure function of the state and the size of the screen. Host text gets
//! onto the screen through [`words::Row`] only, which makes it safe.

pub mod flowchart;
pub mod keys;
pub mod layout;
pub mod panes;
mod run;
mod terminal;
pub mod theme;
pub mod words;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::app::chart::Chart;
use crate::app::event::{Shown, Size};
use crate::app::listening::Listening;
use crate::app::picker::Picker;
use crate::app::state::{Overlay, Screen, State};
use crate::diagnose::chart::BoxId;
use layout::Layout;
use panes::{bars, detail, fixing, help, journal, listeners, picker, rules, symptom};
pub use run::run;
use theme::Theme;

/// Draws the state; yields where the cursor belongs, if it is to be seen.
pub fn draw(buffer: &mut Buffer, state: &State, theme: &Theme) -> Option<Position> {
    let area = buffer.area;
    let cursor = match &state.screen {
        Screen::Picker(picker) => draw_picker(buffer, area, state, picker, theme),
        Screen::Listeners(all) => {
            draw_listening(buffer, area, state, all, theme);
            None
        }
        Screen::Chart(chart) => draw_chart(buffer, area, state, chart, theme),
    };
    let cursor = match state.overlay {
        Overlay::None => cursor,
        Overlay::Fix => {
            if let Some(fixing) = &state.fixing {
                fixing::draw(buffer, area, fixing, state.now_ms);
            }
            None
        }
        Overlay::Help(top) => {
            help::draw(buffer, area, top);
            None
        }
    };
    theme.finish(buffer);
    cursor
}

fn draw_picker(buffer: &mut Buffer, area: Rect, state: &State, picker: &Picker, theme: &Theme) -> Option<Position> {
    let (header, main, footer) = layout::bars(area);
    bars::header(buffer, header, state, theme);
    let cursor = picker::draw(buffer, main, picker);
    bars::footer(buffer, footer, state);
    cursor
}

fn draw_listening(buffer: &mut Buffer, area: Rect, state: &State, all: &Listening, theme: &Theme) {
    let (header, main, footer) = layout::bars(area);
    bars::header(buffer, header, state, theme);
    if !main.is_empty() {
        listeners::draw(buffer, main, layout::framed(main), listeners::View::alone(all));
    }
    bars::footer(buffer, footer, state);
}

fn draw_chart(buffer: &mut Buffer, area: Rect, state: &State, chart: &Chart, theme: &Theme) -> Option<Position> {
    let places = places(area, chart);
    let framed = places.framed;
    let again = flowchart::looked_at_again(state.asking.again());
    bars::header(buffer, places.header, state, theme);
    symptom::draw(buffer, places.symptom, framed, chart, again.contains(&BoxId::Connect));
    draw_flowchart(buffer, &places, chart, &again);
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
    bars::footer(buffer, places.footer, state);
    chart.client.as_ref().and_then(|line| bars::client(buffer, line))
}

fn draw_flowchart(buffer: &mut Buffer, places: &Layout, chart: &Chart, again: &[BoxId]) {
    if places.chart.is_empty() {
        return;
    }
    let focused = chart.focus == crate::app::chart::Focus::Chart;
    let inner = if places.framed {
        panes::frame(buffer, places.chart, words::Row::new().say("Flowchart"), "", focused)
    } else {
        places.chart
    };
    flowchart::draw(buffer, inner, chart, again);
}

fn places(area: Rect, chart: &Chart) -> Layout {
    let across = usize::from(area.width.saturating_sub(2));
    let symptom = u16::try_from(symptom::wanted(chart, across) + 2).unwrap_or(u16::MAX);
    layout::of(area, layout::Wish { focus: chart.focus, beside: layout::beside(chart), symptom })
}

/// How much of each pane is on a screen of this size: what `update` needs to know to scroll and to ask for.
pub fn measure(state: &State, size: Size, theme: &Theme) -> Shown {
    let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let fix = state.fixing.as_ref().map(|fixing| fixing::extent(area, fixing)).unwrap_or_default();
    let mut shown = Shown { help: help::extent(area), fix, ..Shown::default() };
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
        }
    }
    shown
}
