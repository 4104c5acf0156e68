//! Whose confinement by a security module is asked for.

use serde::{Deserialize, Serialize};

/// A program, and the process it runs as where it does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Confined {
    /// The process; 0: none runs, and what a new one would get is asked for.
    pub pid: u32,
    /// Path of the program.
    pub program: String,
}
