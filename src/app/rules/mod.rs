//! The rules of the packet filter on the screen: a tree in the order of the packet's way, what is open in it and what is
//! selected, and how far counters moved.
//!
//! The tree is made anew when facts or the way changed, as a list of lines; what a line says is worked out only for
//! those on the screen. So a chain may have a hundred thousand rules.

pub mod book;
pub mod counting;
mod key;
pub mod line;
mod tree;
mod way;

use std::collections::BTreeMap;

use super::event::{Extent, Step};
use super::picker::{keep, walk};
use super::pointer::{Roll, roll};
use crate::diagnose::ways::Ways;
use crate::facts::ruleset::{Backend, ChainId};
use crate::facts::{Facts, Question, Reading};
use book::Book;
use counting::Counting;
use line::{Fold, Line, Node};
use way::Way;

/// The tree.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    lines: Vec<Line>,
    /// Chains that lines speak of.
    chains: Vec<ChainId>,
    /// What the user opened (true) or closed, by the keys of lines.
    turned: BTreeMap<u64, bool>,
    chosen: Chosen,
    cursor: usize,
    /// First line on the screen.
    pub top: usize,
    /// How far counters moved.
    pub counting: Counting,
}

/// Which line is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Chosen {
    /// The one that decides, as it turns out.
    #[default]
    Following,
    /// The one with this key.
    Line(u64),
}

/// Which way to turn a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Open what is closed, close what is open.
    Over,
    /// Open.
    Open,
    /// Close; what is closed already leads to the line it is in.
    Close,
}

impl Rules {
    /// Makes the lines anew.
    pub fn arrange(&mut self, here: &Facts, ways: Option<&Ways>) {
        let before = self.lines.get(self.cursor).map(|line| line.key);
        let book = Book::new(here);
        let way = Way::of(ways.map(|ways| &ways.asked), &book);
        let made = tree::make(&book, &way, &self.turned);
        (self.lines, self.chains) = (made.lines, made.chains);
        let find = |key: u64| self.lines.iter().position(|line| line.key == key);
        let at = match self.chosen {
            Chosen::Following => way.deciding.iter().rev().copied().find_map(find).or(Some(0)),
            Chosen::Line(key) => find(key).or_else(|| before.and_then(find)),
        };
        self.cursor = at.unwrap_or(self.cursor).min(self.lines.len().saturating_sub(1));
    }

    /// Keeps the selection on the screen; one that nobody chose is in its middle.
    pub fn settle(&mut self, extent: Extent) {
        let extent = self.extent(extent);
        if extent.rows == 0 {
            return;
        }
        // What follows the rule that decides tells as much as what comes before it.
        let seen = (self.top..self.top + extent.rows * 3 / 4).contains(&self.cursor);
        if self.chosen == Chosen::Following && (!seen || self.top > extent.last_top()) {
            self.top = self.cursor.saturating_sub(extent.rows / 2);
        }
        self.top = keep(self.cursor, self.top, extent);
    }

    fn extent(&self, shown: Extent) -> Extent {
        Extent { of: self.lines.len(), ..shown }
    }

    /// Moves the selection.
    pub fn walk(&mut self, step: Step, shown: Extent) {
        (self.cursor, self.top) = walk(self.cursor, self.top, step, self.extent(shown));
        self.choose();
    }

    /// Selects the line with this index.
    pub fn select(&mut self, index: usize) {
        self.cursor = index.min(self.lines.len().saturating_sub(1));
        self.choose();
    }

    /// Scrolls by so many lines; the selection stays on the screen.
    pub fn roll(&mut self, lines: Roll, shown: Extent) {
        (self.cursor, self.top) = roll(self.cursor, self.top, lines, self.extent(shown));
        self.choose();
    }

    /// Selects again the line that decides.
    pub fn follow(&mut self) {
        self.chosen = Chosen::Following;
    }

    fn choose(&mut self) {
        self.chosen = self.lines.get(self.cursor).map_or(Chosen::Following, |line| Chosen::Line(line.key));
    }

    /// Opens or closes the selected line; the lines have then to be made anew.
    pub fn turn(&mut self, turn: Turn) {
        let Some(line) = self.lines.get(self.cursor) else { return };
        let (key, depth, open) = (line.key, line.depth, line.fold == Fold::Open);
        match (turn, line.fold) {
            (Turn::Over, Fold::Open | Fold::Closed) => drop(self.turned.insert(key, !open)),
            (Turn::Open, Fold::Closed) => drop(self.turned.insert(key, true)),
            (Turn::Close, Fold::Open) => drop(self.turned.insert(key, false)),
            (Turn::Close, Fold::Closed | Fold::Leaf) => {
                let above = self.lines.iter().take(self.cursor).rposition(|line| line.depth < depth);
                self.cursor = above.unwrap_or(self.cursor);
            }
            (Turn::Over | Turn::Open, Fold::Leaf) | (Turn::Open, Fold::Open) => {}
        }
        // What stood for rules that were left out is gone once they are there: the first of them is selected.
        self.choose();
    }

    /// All lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Where the selection is.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The selected line.
    pub fn selected(&self) -> Option<&Line> {
        self.lines.get(self.cursor)
    }

    /// The chain that the selected line is about.
    pub fn selected_chain(&self) -> Option<&ChainId> {
        match self.selected()?.node {
            Node::Chain(chain, _) | Node::Rule { chain, .. } | Node::Policy(chain) | Node::Note(chain) => {
                self.chain(chain)
            }
            Node::Hook(..) | Node::More(_) | Node::Aside(_) | Node::Table(..) => None,
        }
    }

    /// The chain that a line means by a number.
    pub fn chain(&self, number: usize) -> Option<&ChainId> {
        self.chains.get(number)
    }

    /// What is not known of what is open: the rules of chains, and the sets that rules on the screen speak of.
    pub fn wants(&self, here: &Facts, shown: Extent) -> Vec<Question> {
        let unread = self.lines.iter().filter_map(|line| {
            let Node::Note(chain) = line.node else { return None };
            self.chain(chain)
        });
        let unasked = |id: &&ChainId| id.table.backend == Backend::Nftables && never(here.chains.get(*id));
        let mut wants: Vec<Question> = unread.filter(unasked).map(|id| Question::ChainRules(id.clone())).collect();
        for line in self.lines.iter().skip(self.top).take(shown.rows) {
            let Node::Rule { chain, at } = line.node else { continue };
            let Some(id) = self.chain(chain) else { continue };
            let Some(rule) = book::rules(here, id).and_then(|rules| rules.get(at)) else { continue };
            let sets = book::own_sets(id, rule).filter(|set| never(here.elements.get(set))).map(Question::Elements);
            wants.extend(sets);
        }
        wants
    }

    /// What has to be asked for the counters on the screen to be fresh.
    pub fn on_screen(&self, shown: Extent) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for line in self.lines.iter().skip(self.top).take(shown.rows) {
            let Node::Rule { chain, .. } = line.node else { continue };
            let Some(id) = self.chain(chain) else { continue };
            let question = match id.table.backend {
                Backend::Nftables => Question::ChainRules(id.clone()),
                Backend::Legacy => Question::Legacy,
            };
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
        questions
    }
}

/// Nobody asked.
fn never<T>(reading: Option<&Reading<T>>) -> bool {
    matches!(reading, None | Some(Reading::NotAsked))
}
