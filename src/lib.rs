//! unrefuse: why is this connection refused, and what makes it work again?
//!
//! # The map
//!
//! ```text
//!             reads the host          plain data        pure              pure
//! target ───▶ sources ──────────────▶ facts ─────────▶ diagnose ──┬──▶ app (state, events) ──▶ ui
//!               ▲                                      (fixes)    ├──▶ report (text, json, markdown)
//!               │                                                 └──▶ apply ──┐ changes the host
//!               └───────────────────── look again (retest) ◀──────────────────┘
//! ```
//!
//! Only `sources` reads the machine and only `apply` changes it. Everything else is plain functions over plain data: no
//! I/O, no clock, no environment. So tests, recordings and replays need no host.
//!
//! # The words
//!
//! *target* what was asked · *question* what a source can be asked · *reading* its answer, or why there is none ·
//! *fact* an answer as it arrives · *case* target and facts · *box* a station of the flowchart · *cause* a known reason ·
//! *way* what a packet passes, and its parts (`firewall`) ·
//! *finding* a cause that fits this host · *evidence* what it rests on, and the command that shows the same ·
//! *verdict* yes, no, cannot tell, not needed · *culprit* the finding that explains the symptom · *plan* what could be done
//! about it, in *steps* · *undo* what takes it back · *guard* who takes it back when we cannot · *retest* look again.
//!
//! # Who may import whom
//!
//! A test (`tests/cases/imports.rs`) holds every `crate::x` of the sources against this table.
//!
//! ```text
//! text      →
//! error     → text
//! target    → error facts text
//! facts     → target error text
//! firewall  → facts text
//! fixes     → firewall facts target text
//! diagnose  → fixes firewall facts target text
//! report    → diagnose fixes firewall facts target text error
//! sources   → facts target text error
//! check     → sources diagnose firewall facts target text error
//! apply     → check sources diagnose fixes firewall facts target text error
//! watch     → check sources diagnose facts target text error
//! demo      → sources target text error
//! app       → apply sources diagnose fixes firewall facts target report text error
//! ui        → app apply diagnose fixes firewall facts target report text error
//! plain     → app diagnose fixes firewall facts report text error
//! trace     → error text
//! cli       → trace app ui plain apply demo watch check report sources diagnose fixes facts target text error
//! fuzzing   → ui apply check report sources target facts text
//! ```
//!
//! # To add …
//!
//! * a cause: write `diagnose/causes/<box>/<cause>.rs`, add its line to `ALL` in `diagnose/causes/mod.rs`, add a case
//!   below `tests/cases` and a scenario below `tests/hosts/scenarios`.
//! * a fix: write or use a maker in `fixes/`, let the cause propose it (`Found::fix`), and say in its scenario which plan
//!   mends it. A new kind of change: its `fixes::Action`, and `apply/actions/<kind>.rs`.
//! * a source: add its [`facts::Question`] and [`facts::Fact`], write `sources/<interface>.rs`, add its line to
//!   `sources::answer`.
//! * a pane: write `ui/panes/<pane>.rs`, add its line to `ui::panes` and its keys to `ui/keys.rs`.

#[cfg(feature = "host")]
pub mod app;
#[cfg(feature = "host")]
pub mod apply;
#[cfg(feature = "host")]
pub mod check;
#[cfg(feature = "host")]
pub mod cli;
#[cfg(feature = "host")]
pub mod demo;
pub mod diagnose;
pub mod error;
pub mod facts;
pub mod firewall;
pub mod fixes;
#[cfg(all(feature = "host", any(test, fuzzing)))]
pub mod fuzzing;
#[cfg(feature = "host")]
pub mod plain;
pub mod report;
#[cfg(feature = "host")]
pub mod sources;
pub mod target;
pub mod text;
#[cfg(feature = "host")]
pub mod trace;
#[cfg(feature = "host")]
pub mod ui;
#[cfg(feature = "host")]
pub mod watch;
