//! The system bus.

pub mod systemd;

/// A connection to the system bus, opened on first use and shared.
#[derive(Debug, Default)]
pub struct Bus {}

impl Bus {
    /// Not connected yet.
    pub fn new() -> Self {
        Self::default()
    }
}
