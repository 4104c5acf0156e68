//! The listener table on a screen of its own: every socket that waits for connections, as it changes.

use super::event::Extent;
use super::picker::listener_target;
use super::table::Table;
use crate::facts::{Fact, Facts, Question, Reading};

/// The screen of all listeners.
#[derive(Debug, Clone, Default)]
pub struct Listening {
    /// What is known of this host.
    pub facts: Facts,
    /// The table.
    pub table: Table,
    /// What the keys go to.
    pub attention: Attention,
    /// When the last answer came.
    pub last_answer_ms: u64,
}

/// What the keys of this screen go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attention {
    /// The rows.
    #[default]
    Rows,
    /// The filter, being typed.
    Filter,
}

impl Listening {
    /// Takes in an answer.
    pub fn learn(&mut self, fact: Fact, at_ms: u64) {
        self.last_answer_ms = at_ms;
        self.facts.learn(fact);
    }

    /// The target the selected row stands for.
    pub fn chosen(&self) -> Option<String> {
        self.table.chosen().map(|row| listener_target(&row.listener))
    }

    /// Back: out of the filter, which is then empty.
    pub fn back(&mut self) {
        self.attention = Attention::Rows;
        self.table.filter.clear();
        self.table.arrange(&self.facts.owners);
    }
}

/// What a table with so much of it on the screen wants to know.
pub fn table_wants(table: &Table, here: &Facts, shown: Extent, most: usize) -> Vec<Question> {
    let mut wants = Vec::new();
    wants.extend(matches!(here.all_listeners, Reading::NotAsked).then_some(Question::AllListeners));
    let owners = table.unowned(shown.rows, &here.owners, most);
    wants.extend(owners.into_iter().map(|(inode, cgroup)| Question::Owner { inode, cgroup }));
    wants
}
