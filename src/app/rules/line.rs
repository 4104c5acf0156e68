//! A line of the tree.

use std::net::SocketAddr;

use crate::facts::ruleset::{Hook, TableId};
use crate::firewall::Leg;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which place of the tree it is.
    pub key: u64,
    /// How deep it is.
    pub depth: u16,
    /// What it is.
    pub node: Node,
    /// Is there something in it?
    pub fold: Fold,
    /// Did the packet come here?
    pub reach: Reach,
    /// What became of the packet here.
    pub does: Option<Does>,
    /// It is what decides.
    pub decides: bool,
}

/// What a line is. Chains are numbers that [`super::Rules::chain`] knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A place on the packet's way.
    Hook(Leg, Hook),
    /// A chain, and how many rules it has, where that is known.
    Chain(usize, Option<usize>),
    /// A rule: its chain and its place there.
    Rule {
        /// Chain.
        chain: usize,
        /// Which of its rules, from 0.
        at: usize,
    },
    /// The policy of a base chain.
    Policy(usize),
    /// So many rules that are not shown.
    More(usize),
    /// What the packet does not come to: so many chains.
    Aside(usize),
    /// A table in which there are so many of them.
    Table(TableId, usize),
    /// Why there are no rules of a chain to show.
    Note(usize),
}

/// Is there something in a line?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// No.
    Leaf,
    /// Yes, and it is not shown.
    Closed,
    /// Yes, below it.
    Open,
}

/// Did the packet come here?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It did, or may have.
    Reached,
    /// It was decided before.
    NotReached,
    /// It is not known.
    Untold,
}

/// What became of the packet here, in the order of weight: what weighs more is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    /// It was led into another chain, or came into this one.
    Leads,
    /// It was let pass.
    Accepts,
    /// It goes to another address from here.
    Sends(SocketAddr),
    /// What becomes of it depends on this.
    Unclear,
    /// Some sources were let pass, others not.
    Parts,
    /// It vanished.
    Drops,
    /// It was refused with an answer.
    Rejects,
}
