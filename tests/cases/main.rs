//! Tests that hold the project to its own rules: who imports whom, what every cause must have, what the README promises,
//! and what recorded broken hosts must be diagnosed as.

#![expect(clippy::disallowed_methods, reason = "these tests read the source tree; the ban is for the program")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::string_slice, reason = "a test may panic")]

mod causes;
mod commands;
mod imports;
mod recordings;
mod redacting;
mod scripts;
mod tree;
