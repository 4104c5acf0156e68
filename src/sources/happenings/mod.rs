//! What happened on this host, on one line of time: the journal, the logs of package managers and fail2ban, the timers.
//! Everything is read from its end and bounded; what could not be read is said.

pub(super) mod packages;
mod tail;
mod timers;

use std::time::{Duration, Instant};

use super::dbus::Bus;
use super::{Trouble, blocking, commands, journal, trouble};
use crate::facts::Reading;
use crate::facts::happening::{Happening, Past, Teller, What};

pub use live::{Clock, Live, News, Readings, live};

mod live;

const FAIL2BAN_LOG: &str = "/var/log/fail2ban.log";
/// How long the journal may take; the others are files.
const WITHIN: Duration = Duration::from_millis(2500);

/// What happened in the last quarter of an hour.
pub(super) async fn lately(bus: &Bus) -> Reading<Past> {
    let began = Instant::now();
    let since_us = trouble::now_ms().saturating_mul(1000).saturating_sub(Past::LATELY_US);
    let past = past(bus, since_us).await;
    trouble::reading(Ok(Some(past)), began)
}

/// What happened since then, as far as it can be read.
pub async fn past(bus: &Bus, since_us: u64) -> Past {
    let told = async {
        let after = super::patient(WITHIN);
        tokio::time::timeout(after, journal::happenings::past(since_us))
            .await
            .unwrap_or(Err(Trouble::TimedOut { after }))
    };
    let (told, logs, timers) = tokio::join!(told, of_logs(since_us), timers::timers(bus));
    let mut past = Past { since_us, ..Past::default() };
    let mut blind = |what: &str, trouble: Trouble| {
        let why = Reading::<()>::from(trouble).blind().unwrap_or_default();
        past.blind.push(format!("{what}: {why}"));
    };
    let told = told.unwrap_or_else(|trouble| {
        blind("the journal is not seen", trouble);
        journal::happenings::Told::default()
    });
    let mut found = told.happenings;
    let (of_logs, troubles) = logs;
    for trouble in troubles {
        blind("a log is not seen", trouble);
    }
    let timers = timers.unwrap_or_else(|trouble| {
        blind("the timers are not seen", trouble);
        Vec::new()
    });
    found.extend(of_logs);
    found.retain(|happening| lasts(happening) >= since_us);
    past.happenings = found;
    past.timers = timers;
    if let Some(from_us) = told.others_from_us {
        past.blind
            .push(format!("what the journal tells of commands and crashes before {} is not read", minute(from_us)));
    }
    bound(&mut past, told.units_from_us, Past::MOST);
    past
}

/// Keeps the latest happenings; the past begins where all is read that tells of units.
fn bound(past: &mut Past, units_from_us: Option<u64>, most: usize) {
    past.happenings.sort();
    let surplus = past.happenings.len().saturating_sub(most);
    past.happenings.drain(..surplus);
    let kept_from = past.happenings.first().map(|first| first.at_us).filter(|_| surplus > 0);
    if let Some(from_us) = units_from_us.max(kept_from).filter(|from| *from > past.since_us) {
        past.since_us = from_us;
        past.blind.push(format!("too much happened: what was before {} is not read", minute(from_us)));
    }
}

/// A time for people, by this host's own clock.
fn minute(at_us: u64) -> String {
    let at = i64::try_from(at_us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// When it was over.
fn lasts(happening: &Happening) -> u64 {
    if let What::Packages { until_us, .. } = &happening.what {
        return until_us.unwrap_or(u64::MAX);
    }
    happening.at_us
}

/// What the logs of package managers and of fail2ban tell.
pub async fn of_logs(since_us: u64) -> (Vec<Happening>, Vec<Trouble>) {
    let look = move || {
        let (mut found, mut blind) = packages::since(since_us);
        match bans(since_us) {
            Ok((bans, not_read)) => {
                found.extend(bans);
                blind.extend(not_read);
            }
            Err(trouble) => blind.push(trouble),
        }
        Ok(Some((found, blind)))
    };
    if let Reading::Known(known) = blocking(look).await {
        return known.value;
    }
    (Vec::new(), vec![Trouble::failed("looking broke off")])
}

/// `2026-11-21 12:03:10,123 fail2ban.actions [812]: NOTICE [sshd] Ban 10.1.0.2`.
fn bans(since_us: u64) -> Result<(Vec<Happening>, Option<Trouble>), Trouble> {
    let Some(end) = tail::with_rotated(FAIL2BAN_LOG, since_us, packages::begins)? else {
        return Ok((Vec::new(), None));
    };
    let line = |line: &str| {
        let at_us = packages::begins(line).filter(|at| at.saturating_add(1_000_000) >= since_us)?;
        let part: u64 = line.get(20..23).and_then(|ms| ms.parse().ok()).unwrap_or_default();
        let what = commands::ban(line)?;
        Some(Happening { at_us: at_us.saturating_add(part * 1000), what, source: Teller::Fail2banLog })
    };
    Ok((end.text.lines().filter_map(line).collect(), end.not_read(FAIL2BAN_LOG)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_that_is_not_all_read_begins_later_and_says_so() {
        let happened = |at_us| Happening { at_us, what: What::Boot, source: Teller::Journal };
        let past = || Past { since_us: 5, happenings: [9, 7, 8].map(happened).to_vec(), ..Past::default() };
        let bound = |units_from_us, most| {
            let mut past = past();
            bound(&mut past, units_from_us, most);
            (past.since_us, past.happenings.len(), past.blind.len())
        };
        assert_eq!(bound(None, 3), (5, 3, 0));
        assert_eq!(bound(Some(4), 3), (5, 3, 0));
        assert_eq!(bound(Some(6), 3), (6, 3, 1));
        assert_eq!(bound(Some(6), 2), (8, 2, 1));
    }
}
