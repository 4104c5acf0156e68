//! Tests that hold the sources themselves to their rules: who imports whom, and what every cause must have.

#![expect(clippy::disallowed_methods, reason = "these tests read the source tree; the ban is for the program")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::string_slice, reason = "a test may panic")]

mod causes;
mod imports;
mod tree;
