//! WHO DECIDES WHEN: what happens comes in as events, what to do about it goes out as effects.
//!
//! ```text
//! keys, facts, changes, signals ──▶ Event ──▶ update ──▶ conclude ──▶ Effect ──▶ engine (asks, watches, writes)
//!                                     ▲          │                                   │
//!                                     │          ▼                                   │
//!                                     │        State ──▶ ui draws it                 │
//!                                     └──────────────────────────────────────────────┘
//! ```
//!
//! `update` and `conclude` are pure: no clock, no host; every event carries its time. `update` takes in one event,
//! `conclude` runs once for a whole batch of them: it diagnoses again and asks for what is still missing. Every question
//! is asked under a number of its own, and only the answer with the latest number is taken.

pub mod actions;
pub mod asking;
pub mod chart;
pub mod client;
pub mod conclude;
pub mod ends;
pub mod engine;
pub mod event;
pub mod export;
pub mod filter;
pub mod find;
pub mod fixing;
pub mod happened;
pub mod history;
pub mod hops;
pub mod job;
pub mod listening;
mod panes;
pub mod picker;
pub mod pointer;
pub mod recent;
pub mod retest;
pub mod rules;
pub mod state;
pub mod table;
pub mod toast;
mod trying;
pub mod update;
mod weighing;
pub mod works;

use std::path::PathBuf;

pub use conclude::conclude;
pub use event::{Command, Effect, Event, What};
pub use state::State;
pub use update::update;

use crate::apply::rights::Rights;
use crate::facts::Case;
use crate::target::{From, Target};

/// What the full screen shows first.
#[derive(Debug, Clone, Default)]
pub enum Open {
    /// A choice of targets.
    #[default]
    Picker,
    /// All listeners of this host.
    Listeners,
    /// The diagnosis of a target.
    Target(Target),
    /// A recorded case, instead of this host.
    Recording(Box<Case>),
}

/// How the full screen begins.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// What is shown first.
    pub open: Open,
    /// Who asks.
    pub from: From,
    /// File of recent targets (see [`recent::file`]); none: keep none.
    pub recent: Option<PathBuf>,
    /// Whether the mouse is ours or the terminal's.
    pub mouse: pointer::Mouse,
    /// How this host can be changed.
    pub rights: Rights,
    /// How long the recorded diagnosis took.
    pub took: Option<std::time::Duration>,
    /// How both ends of a recorded connection are asked again, where they can be.
    pub again: Option<ends::Again>,
}
