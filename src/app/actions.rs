//! The list of actions: every action that works now, by its name. What is typed there is text and never a key.

use super::event::{Command, Edit, Effect, Extent};
use super::picker::walk;
use super::state::{Overlay, State};

/// The longest text that is taken.
const LONGEST: usize = 60;

/// The list, where it is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actions {
    /// What was typed.
    pub typed: String,
    /// The selected row of what it leaves.
    pub cursor: usize,
    /// The first row on the screen.
    pub top: usize,
}

impl Actions {
    /// Changes what was typed: the first row of what is left is selected.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.typed);
        while self.typed.chars().count() > LONGEST {
            self.typed.pop();
        }
        (self.cursor, self.top) = (0, 0);
    }

    /// Keeps the selection within what there is.
    pub(super) fn settle(&mut self, extent: Extent) {
        self.cursor = self.cursor.min(extent.of.saturating_sub(1));
        self.top = super::picker::keep(self.cursor, self.top, extent);
    }
}

/// Opens it; a page that lies over the screen is closed.
pub(super) fn open(state: &mut State) {
    if matches!(state.overlay, Overlay::Page(..) | Overlay::Export(_)) {
        state.overlay = state.below_the_page();
    }
    state.actions = Some(Actions::default());
}

/// What a key does while it is open; none where the list has nothing to do with it.
pub(super) fn commanded(state: &mut State, command: Command) -> Option<Vec<Effect>> {
    let shown = state.shown.actions;
    let actions = state.actions.as_mut()?;
    match command {
        Command::Move(step) => (actions.cursor, actions.top) = walk(actions.cursor, actions.top, step, shown),
        Command::Edit(Edit::Erase) => {
            actions.edit(|line| line.truncate(line.char_indices().last().map_or(0, |(at, _)| at)));
        }
        Command::Edit(Edit::Clear) => actions.edit(String::clear),
        // Which row is meant is known to the side that draws them.
        Command::Open => {}
        Command::Back | Command::Session(super::event::Session::Actions) => state.actions = None,
        Command::Chart(_)
        | Command::Table(_)
        | Command::Rules(_)
        | Command::Find(_)
        | Command::Fix(_)
        | Command::Go(_)
        | Command::Session(_) => {
            state.actions = None;
            return None;
        }
    }
    Some(Vec::new())
}
