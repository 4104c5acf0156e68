//! Finding a text in the rules, in the journal and in what a box says: `/`, the text, Enter; then the next and the one before.
//!
//! Which line holds it is known to the side that makes the lines; here it becomes the selection, or the top of the screen.

use super::chart::{Chart, Focus, Follow};
use super::event::{Effect, Shown};
use super::state::{Screen, State};

/// The longest text that is taken.
const LONGEST: usize = 60;
/// Above what was found there is a part of the pane: one in so many rows.
const ABOVE: usize = 3;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// In which pane.
    pub pane: Focus,
    /// The text.
    pub typed: String,
    /// Is it still being typed?
    pub stage: Stage,
    /// The line that was found last.
    pub at: Option<usize>,
}

/// How far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The text is being typed.
    Typing,
    /// It is looked for.
    Looking,
}

/// What can be asked for where a text can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindCommand {
    /// Type a text.
    Begin,
    /// The next line that holds it.
    Next,
    /// The one before.
    Previous,
}

impl Find {
    /// Changes what was typed.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.typed);
        while self.typed.chars().count() > LONGEST {
            self.typed.pop();
        }
    }
}

impl Chart {
    /// The text that is being typed to be found.
    pub fn sought(&self) -> Option<&Find> {
        self.find.as_ref().filter(|find| find.stage == Stage::Typing)
    }
}

/// Opens the line for the text; to go on from one match to another is decided where the lines are made.
pub(super) fn commanded(state: &mut State, command: FindCommand) -> Vec<Effect> {
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    match command {
        FindCommand::Begin => {
            chart.find = Some(Find { pane: chart.focus, typed: String::new(), stage: Stage::Typing, at: None });
        }
        FindCommand::Next | FindCommand::Previous => state.notice = Some("/ and a text finds it first".into()),
    }
    Vec::new()
}

/// This line of the pane with the keys holds it; none does.
pub(super) fn found(state: &mut State, line: Option<usize>) {
    (state.notice, state.actions) = (None, None);
    let shown = state.shown;
    let Screen::Chart(chart) = &mut state.screen else { return };
    let Some(find) = &mut chart.find else { return };
    (find.stage, find.at) = (Stage::Looking, line);
    let Some(line) = line else {
        state.notice = Some(format!("no line here holds \"{}\"", find.typed));
        return;
    };
    show(chart, line, shown);
}

fn show(chart: &mut Chart, line: usize, shown: Shown) {
    match chart.find.as_ref().map(|find| find.pane) {
        Some(Focus::Rules) => {
            chart.rules.select(line);
            chart.rules.settle(shown.rules);
        }
        // An entry may take several rows: it is the first on the screen.
        Some(Focus::Journal) => chart.journal_top = Follow::From(line),
        _ => {
            let rows = shown.detail.rows;
            let seen = (chart.detail_top..chart.detail_top + rows).contains(&line);
            if !seen {
                chart.detail_top = line.saturating_sub(rows / ABOVE).min(shown.detail.last_top());
            }
        }
    }
}
