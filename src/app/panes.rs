//! What keys do in the panes of a diagnosis.

use super::chart::{Chart, Focus, Follow, Selection};
use super::client::Line;
use super::event::{Extent, RulesCommand, Shown, Step};
use super::picker::scroll;
use super::rules::Turn;
use super::state::{Screen, Stale, State};
use super::update::walk_table;
use crate::diagnose::chart::BoxId;
use crate::target::From;

/// Moves what the keys go to.
pub(super) fn walk_pane(chart: &mut Chart, step: Step, shown: Shown) {
    match chart.focus {
        Focus::Chart => choose(chart, step),
        Focus::Detail => chart.detail_top = scroll(chart.detail_top, step, shown.detail),
        Focus::Listeners | Focus::Filter => walk_table(&mut chart.table, step, shown),
        Focus::Rules => chart.rules.walk(step, shown.rules),
        Focus::Journal => scroll_journal(chart, step, shown.journal),
    }
}

/// Enter: takes what was typed, opens what is selected.
pub(super) fn enter(state: &mut State) {
    let shown = state.shown;
    let Screen::Chart(chart) = &mut state.screen else { return };
    if chart.client.is_some() {
        return take_client(state);
    }
    match chart.focus {
        Focus::Filter => chart.focus = Focus::Listeners,
        Focus::Rules => turn_line(chart, Turn::Over, shown),
        Focus::Chart | Focus::Detail | Focus::Listeners | Focus::Journal => chart.focus = Focus::Detail,
    }
}

/// The rules, and beside them their box.
pub(super) fn show_rules(state: &mut State) {
    let Screen::Chart(chart) = &mut state.screen else { return };
    if chart.selected() != BoxId::Firewall {
        chart.selection = Selection::Chosen(BoxId::Firewall);
        chart.detail_top = 0;
    }
    chart.focus = Focus::Rules;
}

/// Shows what is in the selected line of the rules, or no longer.
pub(super) fn turn(chart: &mut Chart, command: RulesCommand, shown: Shown) {
    turn_line(
        chart,
        match command {
            RulesCommand::Unfold => Turn::Open,
            RulesCommand::Fold => Turn::Close,
        },
        shown,
    );
}

pub(super) fn turn_line(chart: &mut Chart, turn: Turn, shown: Shown) {
    chart.rules.turn(turn);
    chart.arrange_rules(shown.rules);
}

/// Esc: out of what is typed, then out of the pane, then back to following the culprit.
pub(super) fn back(state: &mut State) {
    let shown = state.shown;
    let Screen::Chart(chart) = &mut state.screen else { return };
    if chart.client.take().is_some() {
        return ask_as(state, None);
    }
    if chart.find.take().is_some() {
        return;
    }
    match chart.focus {
        Focus::Filter => {
            chart.table.filter.clear();
            chart.table.arrange(&chart.case.here.owners);
            chart.focus = Focus::Listeners;
        }
        Focus::Detail | Focus::Listeners | Focus::Journal => chart.focus = Focus::Chart,
        Focus::Rules => {
            chart.focus = Focus::Chart;
            chart.rules.follow();
            chart.arrange_rules(shown.rules);
        }
        Focus::Chart => {
            chart.selection = Selection::Following;
            chart.detail_top = 0;
        }
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// To the box in the column beside, where the boxes stand in columns; else right opens what the box says.
pub(super) fn aside(state: &mut State, side: Side) {
    let column = state.shown.column;
    let Screen::Chart(chart) = &mut state.screen else { return };
    let at = BoxId::ALL.iter().position(|id| *id == chart.selected()).unwrap_or_default();
    // The first of all is the symptom, which stands above.
    let to = match side {
        Side::Left => at.checked_sub(column).filter(|to| *to > 0),
        Side::Right => Some(at + column).filter(|to| at > 0 && *to < BoxId::ALL.len()),
    };
    match to.filter(|_| column > 0).and_then(|to| BoxId::ALL.get(to)) {
        Some(id) => {
            chart.selection = Selection::Chosen(*id);
            chart.detail_top = 0;
        }
        None if side == Side::Right => chart.focus = Focus::Detail,
        None => {}
    }
}

pub(super) fn choose(chart: &mut Chart, step: Step) {
    let at = BoxId::ALL.iter().position(|id| *id == chart.selected()).unwrap_or_default();
    let last = BoxId::ALL.len() - 1;
    let to = match step {
        Step::Up => at.saturating_sub(1),
        Step::Down => (at + 1).min(last),
        Step::PageUp | Step::Top => 0,
        Step::PageDown | Step::Bottom => last,
    };
    if let Some(id) = BoxId::ALL.get(to) {
        chart.selection = Selection::Chosen(*id);
        chart.detail_top = 0;
    }
}

fn scroll_journal(chart: &mut Chart, step: Step, extent: Extent) {
    chart.journal_top = chart.journal_top.moved(extent, |top| scroll(top, step, extent));
}

/// Shows only the warnings of the journal and what is worse, or all of it again.
pub(super) fn worse(state: &mut State) {
    let Screen::Chart(chart) = &mut state.screen else { return };
    chart.journal_worse = !chart.journal_worse;
    chart.journal_top = Follow::End;
}

/// Opens the line for the address of a client, where there can be one.
pub(super) fn type_client(state: &mut State) {
    let Screen::Chart(chart) = &mut state.screen else { return };
    match no_client(chart) {
        Some(why) => state.notice = Some(why.into()),
        None => chart.client = Some(Line::default()),
    }
}

/// Why nobody can be asked for as a client.
pub(super) fn no_client(chart: &Chart) -> Option<&'static str> {
    let subject = &chart.diagnosis.subject;
    if subject.path.is_some() {
        Some("a unix socket has no clients elsewhere")
    } else if subject.local == Some(false) {
        Some("the target is another host: what it does to its clients cannot be seen from here")
    } else {
        None
    }
}

fn take_client(state: &mut State) {
    let Screen::Chart(chart) = &mut state.screen else { return };
    let subject = &chart.diagnosis.subject;
    let to = subject.address().zip(subject.port).map(Into::into);
    let Some(line) = &mut chart.client else { return };
    match line.client(to) {
        Ok(client) => {
            chart.client = None;
            ask_as(state, client);
        }
        Err(wrong) => line.wrong = Some(wrong),
    }
}

/// Diagnoses for this client; without one, for whom the session began with, or for any.
fn ask_as(state: &mut State, client: Option<From>) {
    let first = match state.from {
        From::Address(_) => From::Any,
        from @ (From::Unsaid | From::Here | From::Any) => from,
    };
    let Screen::Chart(chart) = &mut state.screen else { return };
    let from = client.unwrap_or(first);
    if chart.case.from != from {
        chart.case.from = from;
        chart.rules.follow();
        state.stale = Stale::Yes;
    }
}
