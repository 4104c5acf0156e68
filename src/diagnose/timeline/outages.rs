//! Attempts in a row that failed.

use super::downs::Down;
use super::{Attempt, Outage};

/// The outages among attempts, which are in order.
pub(super) fn of(attempts: &[Attempt]) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    let (mut open, mut worked) = (None::<Outage>, None);
    for attempt in attempts {
        match (open.as_mut(), attempt.failed()) {
            (None, false) => worked = Some(attempt.at_us),
            (None, true) => open = Some(begun(attempt, worked)),
            (Some(outage), true) => {
                outage.last_us = attempt.at_us;
                outage.attempts += 1;
            }
            (Some(outage), false) => {
                outage.until_us = Some(attempt.at_us);
                worked = Some(attempt.at_us);
                outages.extend(open.take());
            }
        }
    }
    outages.extend(open);
    outages
}

fn begun(attempt: &Attempt, worked_us: Option<u64>) -> Outage {
    Outage {
        from_us: attempt.at_us,
        until_us: None,
        worked_us,
        last_us: attempt.at_us,
        outcome: Some(attempt.outcome),
        errno: attempt.errno.clone(),
        attempts: 1,
        links: Vec::new(),
    }
}

/// The time a unit was down, when nobody tried.
pub(super) fn of_down(down: &Down, since_us: u64) -> Outage {
    let from_us = down.from_us.unwrap_or_else(|| since_us.min(down.until_us.unwrap_or(since_us)));
    Outage {
        from_us,
        until_us: down.until_us,
        worked_us: None,
        last_us: down.until_us.unwrap_or(from_us),
        outcome: None,
        errno: None,
        attempts: 0,
        links: Vec::new(),
    }
}
