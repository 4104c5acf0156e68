//! What happens while somebody watches: each happening as it is told, by a clock that nobody can set.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::of_logs;
use crate::facts::happening::{Happening, Teller, What};
use crate::facts::{Fact, Question};
use crate::sources::dbus::Bus;
use crate::sources::live::nftables::Generations;
use crate::sources::live::{Change, Live as Watches};
use crate::sources::{Trouble, journal};

/// How often the logs are looked at for whether they changed.
const LOGS_EVERY: Duration = Duration::from_millis(500);
/// How soon a journal reader that ended is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Logs whose times change with them.
const LOGS: [&str; 4] =
    ["/var/log/dpkg.log", "/var/log/apt/history.log", "/var/log/dnf.rpm.log", "/var/log/fail2ban.log"];
/// Happenings that wait to be taken; a flood beyond that holds its teller up.
const IN_FLIGHT: usize = 1024;

/// News of a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Something happened.
    Happened(Happening),
    /// All that the logs tell since the watch began, anew.
    Logs(Vec<Happening>),
    /// Something is not seen, as a clause after "because".
    Blind(String),
}

/// A watch. Dropping it ends it.
#[derive(Debug)]
pub struct Live {
    tasks: Vec<AbortHandle>,
    _watches: Watches,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Begins to watch. Needs a tokio runtime.
pub fn live(bus: &Arc<Bus>, clock: Clock, containers: bool) -> (Live, mpsc::Receiver<News>) {
    let (news, arriving) = mpsc::channel(IN_FLIGHT);
    let (changes, changing) = mpsc::channel(IN_FLIGHT);
    let mut watches = Watches::new(Arc::clone(bus), changes);
    watches.watch(Question::Addresses);
    watches.watch(Question::Links);
    if containers {
        watches.watch(Question::Containers);
    }
    let tasks = vec![
        tokio::spawn(journal(clock, news.clone())).abort_handle(),
        tokio::spawn(rules(clock, news.clone())).abort_handle(),
        tokio::spawn(logs(clock.now_us(), news.clone())).abort_handle(),
        tokio::spawn(changed(clock, changing, news)).abort_handle(),
    ];
    (Live { tasks, _watches: watches }, arriving)
}

async fn journal(clock: Clock, news: mpsc::Sender<News>) {
    let mut told = None;
    loop {
        match journal::happenings::follow() {
            Ok(mut follow) => {
                while let Some(mut timed) = follow.next().await {
                    if let Some(at) = timed.monotonic_us {
                        timed.happening.at_us = clock.at(at);
                    }
                    if news.send(News::Happened(timed.happening)).await.is_err() {
                        return;
                    }
                }
            }
            Err(trouble) => {
                let why = format!("the journal is not seen: {}", words(&trouble));
                if told.replace(why.clone()).as_ref() != Some(&why) && news.send(News::Blind(why)).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn words(trouble: &Trouble) -> String {
    crate::facts::Reading::<()>::from(trouble.clone()).blind().unwrap_or_default()
}

async fn rules(clock: Clock, news: mpsc::Sender<News>) {
    let Some(mut generations) = Generations::subscribe() else {
        let why = "changes of the packet filter's rules are not seen: needs root or CAP_NET_ADMIN";
        // Nobody is left to be told.
        let _ = news.send(News::Blind(why.into())).await;
        return;
    };
    while let Some(by) = generations.next().await {
        let what = What::Rules { by: by.map(|by| journal::cut(&by)) };
        let happening = Happening { at_us: clock.now_us(), what, source: Teller::Netlink };
        if news.send(News::Happened(happening)).await.is_err() {
            return;
        }
    }
}

/// Looks whether a log changed, and reads them all again then.
async fn logs(since_us: u64, news: mpsc::Sender<News>) {
    let stamp = || {
        LOGS.map(|path| {
            std::fs::metadata(path).ok().map(|meta| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
        })
    };
    let mut before = stamp();
    loop {
        tokio::time::sleep(LOGS_EVERY).await;
        let now = stamp();
        if now == before {
            if news.is_closed() {
                return;
            }
            continue;
        }
        before = now;
        let (found, _) = of_logs(since_us).await;
        if news.send(News::Logs(found)).await.is_err() {
            return;
        }
    }
}

/// What differs between two readings of addresses, interfaces and containers.
async fn changed(clock: Clock, mut changing: mpsc::Receiver<Change>, news: mpsc::Sender<News>) {
    let mut before = Before::default();
    while let Some(change) = changing.recv().await {
        let Change::Fact(fact) = change else { continue };
        for (what, source) in before.take(fact) {
            let happening = Happening { at_us: clock.now_us(), what, source };
            if news.send(News::Happened(happening)).await.is_err() {
                return;
            }
        }
    }
}

/// What was there when it was looked at last.
#[derive(Debug, Default)]
struct Before {
    addresses: Option<BTreeSet<(String, String)>>,
    links: Option<BTreeMap<String, bool>>,
    containers: Option<BTreeMap<String, bool>>,
}

impl Before {
    fn take(&mut self, fact: Fact) -> Vec<(What, Teller)> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is watched here")]
        match fact {
            Fact::Addresses(reading) => reading.value().map(|now| self.addresses(now)).unwrap_or_default(),
            Fact::Links(reading) => {
                let Some(links) = reading.value() else { return Vec::new() };
                let now = links.iter().map(|link| (journal::cut(&link.name), link.up)).collect();
                let made = |interface, up| (What::Link { interface, up }, Teller::Netlink);
                flips(&mut self.links, now, made)
            }
            Fact::Containers(reading) => {
                let Some(engines) = reading.value() else { return Vec::new() };
                let all = engines.iter().filter_map(|engine| engine.containers.value()).flatten();
                let now = all.map(|container| (journal::cut(&container.name), container.is_up())).collect();
                flips(&mut self.containers, now, |name, runs| (What::Container { name, runs }, Teller::Engine))
            }
            _ => Vec::new(),
        }
    }

    fn addresses(&mut self, now: &crate::facts::host::Addresses) -> Vec<(What, Teller)> {
        let now: BTreeSet<(String, String)> =
            now.all.iter().filter(|a| !a.link_local).map(|a| (a.address.to_string(), a.interface.clone())).collect();
        let Some(before) = self.addresses.replace(now.clone()) else { return Vec::new() };
        let told = |(address, interface): &(String, String), came: bool| {
            let (address, interface) = (address.clone(), interface.clone());
            (What::Address { address, interface, came }, Teller::Netlink)
        };
        let gone = before.difference(&now).map(|one| told(one, false));
        gone.chain(now.difference(&before).map(|one| told(one, true))).collect()
    }
}

/// What is up now and was not, and the other way round. What is gone is down.
fn flips(
    before: &mut Option<BTreeMap<String, bool>>,
    now: BTreeMap<String, bool>,
    made: impl Fn(String, bool) -> (What, Teller),
) -> Vec<(What, Teller)> {
    let is = |of: &BTreeMap<String, bool>, name: &String| of.get(name).copied().unwrap_or(false);
    let told = before.as_ref().map(|old| {
        let names: BTreeSet<&String> = old.keys().chain(now.keys()).collect();
        let flipped = names.into_iter().filter(|name| is(old, name) != is(&now, name));
        flipped.map(|name| made(name.clone(), is(&now, name))).collect()
    });
    *before = Some(now);
    told.unwrap_or_default()
}

/// The time of day as it was when the watch began, carried on by a clock that nobody can set.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What is to be added to `CLOCK_MONOTONIC`, in microseconds.
    offset_us: i128,
}

/// What the clocks say, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readings {
    wall: i128,
    monotonic: i128,
    boot: i128,
}

impl Clock {
    /// Begins now.
    pub fn begin() -> Self {
        let now = Readings::now();
        Self { offset_us: now.wall - now.monotonic }
    }

    /// Now, in microseconds since the epoch.
    pub fn now_us(self) -> u64 {
        u64::try_from(micros(ClockId::CLOCK_MONOTONIC) + self.offset_us).unwrap_or_default()
    }

    /// A time of `CLOCK_MONOTONIC`.
    fn at(self, monotonic_us: u64) -> u64 {
        u64::try_from(i128::from(monotonic_us) + self.offset_us).unwrap_or_default()
    }
}

impl Readings {
    /// What the clocks say.
    pub fn now() -> Self {
        let [wall, monotonic, boot] =
            [ClockId::CLOCK_REALTIME, ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_BOOTTIME].map(micros);
        Self { wall, monotonic, boot }
    }

    /// Was the clock set since, or did the machine sleep?
    pub fn since(self, before: Self) -> Option<What> {
        const STEP_US: i128 = 500_000;
        let passed = self.monotonic - before.monotonic;
        let slept = (self.boot - before.boot) - passed;
        if slept > STEP_US {
            return Some(What::Woke { slept_ms: u64::try_from(slept / 1000).ok() });
        }
        let set = (self.wall - before.wall) - passed;
        (set.abs() > STEP_US).then(|| What::Clock { by_ms: i64::try_from(set / 1000).ok() })
    }
}

fn micros(of: ClockId) -> i128 {
    clock_gettime(of).map_or(0, |at| i128::from(at.tv_sec()) * 1_000_000 + i128::from(at.tv_nsec()) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i128, monotonic: i128, boot: i128) -> Readings {
        let us = 1_000_000;
        Readings { wall: wall * us, monotonic: monotonic * us, boot: boot * us }
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_sleep() {
        let before = at(1000, 10, 10);
        assert_eq!(at(1001, 11, 11).since(before), None);
        assert_eq!(at(901, 11, 11).since(before), Some(What::Clock { by_ms: Some(-100_000) }));
        assert_eq!(at(1061, 11, 71).since(before), Some(What::Woke { slept_ms: Some(60_000) }));
        assert_eq!(Readings::now().since(Readings::now()), None);
    }

    #[test]
    fn what_comes_and_goes_is_told_once_and_not_at_first() {
        let now = |pairs: &[(&str, bool)]| pairs.iter().map(|(n, up)| ((*n).to_owned(), *up)).collect();
        let made = |interface, up| (What::Link { interface, up }, Teller::Netlink);
        let mut before = None;
        assert!(flips(&mut before, now(&[("lo", true), ("eth0", true)]), made).is_empty());
        let told = flips(&mut before, now(&[("lo", true)]), made);
        assert_eq!(told, [(What::Link { interface: "eth0".into(), up: false }, Teller::Netlink)]);
        assert!(flips(&mut before, now(&[("lo", true), ("eth0", false)]), made).is_empty());
    }

    #[tokio::test]
    async fn what_happens_has_times_of_now() {
        let clock = Clock::begin();
        let (live, mut news) = live(&Arc::new(Bus::new()), clock, false);
        drop(live);
        while news.recv().await.is_some() {}
        let now = crate::sources::trouble::now_ms() * 1000;
        assert!(clock.now_us().abs_diff(now) < 1_000_000);
    }
}
