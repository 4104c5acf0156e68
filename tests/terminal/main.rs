//! The real program on a real (pseudo) terminal: it paints at once, and gives the terminal back on every way out.

#![expect(clippy::disallowed_methods, reason = "tests start the program and read its terminal")]

#[cfg(test)]
mod all_listeners;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod pty;
#[cfg(test)]
mod ways_out;
