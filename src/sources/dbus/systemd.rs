//! systemd over D-Bus: units, their state and why they are in it.

use super::Bus;
use crate::facts::Reading;
use crate::facts::unit::Unit;

/// A unit by name.
pub async fn unit(_bus: &Bus, _name: &str) -> Reading<Unit> {
    Reading::Failed { why: "not looked at yet".into() }
}

/// The units in state failed.
pub async fn failed_units(_bus: &Bus) -> Reading<Vec<Unit>> {
    Reading::Failed { why: "not looked at yet".into() }
}
