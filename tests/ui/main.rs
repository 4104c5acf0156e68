//! The full screen without a terminal: events in, effects and pictures out.

mod hosts;
mod pictures;
mod session;
mod snapshot;
mod updates;
