//! Lists of xt_recent: whose packets were seen, and how long ago.
//!
//! The kernel writes times in jiffies. What a jiffy is and which it is now is in /proc/timer_list, for root only.

use std::fs;
use std::io;

use crate::facts::ruleset::Recent;
use crate::sources::Trouble;
use crate::sources::procfs::check_mounted;

const CLOCK: &str = "/proc/timer_list";
/// Jiffies a second that Linux can be built for on machines that are servers today.
const RATES: [u64; 4] = [100, 250, 300, 1000];
/// The kernel begins to count 300 s before this many (INITIAL_JIFFIES), for counters of 32 bits to wrap early.
const WRAP: u64 = 1 << 32;
const BEFORE_WRAP_S: u64 = 300;
/// How long after the clock the counting may have begun: 0.25 s is seen.
const LATE_S: u64 = 3;

/// A list by name; none where there is no such list.
pub fn recent(name: &str) -> Result<Option<Recent>, Trouble> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(Trouble::failed("that is not the name of a list"));
    }
    let path = format!("/proc/thread-self/net/xt_recent/{name}");
    let list = match fs::read_to_string(&path) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return check_mounted().map(|()| None),
        Err(e) => return Err(Trouble::io(&format!("reading {path}"), &e)),
    };
    if list.trim().is_empty() {
        return Ok(Some(Recent::default()));
    }
    // Read after the list, so that nothing in it lies ahead.
    let clock = fs::read_to_string(CLOCK).map_err(|e| Trouble::io(&format!("reading {CLOCK}"), &e))?;
    let (now, rate) = time(&clock).ok_or_else(|| {
        Trouble::failed("how fast the kernel counts time cannot be told, so neither can the ages in its list")
    })?;
    entries(&list, now, rate).map(Some).ok_or_else(|| Trouble::failed(format!("{path} was not understood")))
}

/// Jiffies now, and how many are a second: of all rates, the one at which the counting began with the clock. None in the
/// seconds around 300 s after boot, when that fits several.
pub(in crate::sources) fn time(clock: &str) -> Option<(u64, u64)> {
    let value = |before: &str| clock.lines().find_map(|line| line.strip_prefix(before));
    let now: u64 = value("jiffies: ")?.trim().parse().ok()?;
    let ns: u64 = value("now at ")?.trim().strip_suffix(" nsecs")?.parse().ok()?;
    let mut fitting = RATES.into_iter().filter(|rate| fits(now, ns, *rate).unwrap_or(false));
    let rate = fitting.next()?;
    fitting.next().is_none().then_some((now, rate))
}

/// Has the counting, at this rate, begun when the clock did?
fn fits(now: u64, ns: u64, rate: u64) -> Option<bool> {
    let since_begin = now.checked_sub(WRAP.checked_sub(BEFORE_WRAP_S.checked_mul(rate)?)?)?;
    let due = u64::try_from(u128::from(ns).checked_mul(u128::from(rate))?.checked_div(1_000_000_000)?).ok()?;
    Some(due.abs_diff(since_begin) <= LATE_S.checked_mul(rate)?)
}

/// `src=10.0.0.1 ttl: 64 last_seen: 4296494186 oldest_pkt: 3 4296494034, 4296494111, 4296494186`, a line each.
pub(in crate::sources) fn entries(list: &str, now: u64, rate: u64) -> Option<Recent> {
    let mut seen = Vec::new();
    for line in list.lines() {
        let (source, rest) = line.strip_prefix("src=")?.split_once(' ')?;
        let (_, stamps) = rest.split_once("oldest_pkt: ")?.1.split_once(' ')?;
        let mut ages = Vec::new();
        for stamp in stamps.split(',') {
            let jiffies = now.saturating_sub(stamp.trim().parse().ok()?);
            ages.push(jiffies.checked_mul(1000)?.checked_div(rate)?);
        }
        // They are kept in a ring, so the oldest need not be the first.
        ages.sort_unstable();
        seen.push((source.parse().ok()?, ages));
    }
    Some(Recent { seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK_250: &str = "Timer List Version: v0.10\nnow at 6176625804775 nsecs\n\ncpu: 0\njiffies: 4296436390\n";

    #[test]
    fn a_second_is_as_long_as_the_kernel_counts_it() {
        assert_eq!(time(CLOCK_250), Some((4_296_436_390, 250)));
        let clock = |now: u64, s: u64| format!("now at {} nsecs\njiffies: {now}\n", s * 1_000_000_000);
        for rate in RATES {
            for uptime in [10, 250, 340, 5000, 40_000_000] {
                let now = WRAP - 300 * rate + uptime * rate;
                assert_eq!(time(&clock(now, uptime)), Some((now, rate)), "{uptime} s at {rate}");
            }
            let now = WRAP - 300 * rate + 301 * rate;
            assert_eq!(time(&clock(now, 301)), None, "all rates meet there");
        }
        assert_eq!(time(&clock(WRAP + 77, 5000)), None);
        assert_eq!(time("jiffies: 77\n"), None);
        assert_eq!(time(""), None);
    }

    #[test]
    fn the_latest_packet_comes_first() {
        let list = "src=127.0.0.1 ttl: 64 last_seen: 1500 oldest_pkt: 1 1500, 1000, 1250\n\
                    src=0000:0000:0000:0000:0000:0000:0000:0001 ttl: 64 last_seen: 1999 oldest_pkt: 1 1999\n";
        let expected = vec![("127.0.0.1".parse().unwrap(), vec![2000, 3000, 4000]), ("::1".parse().unwrap(), vec![4])];
        assert_eq!(entries(list, 2000, 250), Some(Recent { seen: expected }));
        for spoiled in ["src=x ttl: 64 last_seen: 1 oldest_pkt: 1 1\n", "src=127.0.0.1 ttl: 64\n", "words\n"] {
            assert_eq!(entries(spoiled, 2000, 250), None, "{spoiled}");
        }
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for name in ["", "..", "../snmp", ".", "a/b", "a\0"] {
            assert!(recent(name).is_err(), "{name}");
        }
        assert_eq!(recent("no_such_list_here"), Ok(None));
    }
}
