//! The full screen without a terminal: events in, effects and pictures out.

#![expect(clippy::disallowed_methods, reason = "tests keep pictures in files and time what they draw")]

#[cfg(test)]
mod actions;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod find;
mod fixing;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod mouse;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod session;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod updates;
