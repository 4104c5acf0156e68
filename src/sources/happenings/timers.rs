//! The timers of systemd, and what each starts.

use crate::facts::happening::Timer;
use crate::sources::Trouble;
use crate::sources::dbus::{Bus, systemd};
use crate::sources::journal::cut;

/// Timers that are told of.
const MOST: usize = 200;

/// The active timers, by name. A timer whose unit is not said starts the service of its name.
pub(super) async fn timers(bus: &Bus) -> Result<Vec<Timer>, Trouble> {
    let mut timers = systemd::timers(bus, MOST).await?;
    timers.sort();
    Ok(timers.into_iter().map(|(name, starts)| Timer { name: cut(&name), starts: cut(&starts) }).collect())
}
