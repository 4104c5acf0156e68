//! The hops to a target elsewhere, looked at again and again while they are on the screen: slowly, and every packet counted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::asking::How;
use super::chart::{Chart, Origin};
use super::event::{Effect, Wake};
use super::state::{Overlay, Page, Screen, State};
use super::update::ask;
use crate::facts::Question;
use crate::facts::path::Path;

/// Time between two looks. Each sends a packet or two to every hop, a near target gets three attempts, and those count for
/// whoever counts them.
pub const EVERY_MS: u64 = 30_000;

/// What all looks so far showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hops {
    /// By distance.
    pub seen: BTreeMap<u8, Seen>,
    /// How often it was looked.
    pub looks: u32,
    /// Packets that were sent.
    pub packets: usize,
    /// Wakes of this case that are under way.
    planned: bool,
}

/// One hop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who answered, the last one first.
    pub from: Vec<IpAddr>,
    /// How often it was asked.
    pub asked: u32,
    /// How often somebody answered.
    pub answered: u32,
    /// The last time.
    pub last: Option<Duration>,
    /// The best one.
    pub best: Option<Duration>,
    /// The worst one.
    pub worst: Option<Duration>,
}

impl Hops {
    /// Takes in a look.
    pub fn add(&mut self, path: &Path) {
        self.looks += 1;
        self.packets += path.probes;
        for hop in &path.hops {
            let seen = self.seen.entry(hop.distance).or_default();
            seen.asked += 1;
            let Some(from) = hop.from else { continue };
            seen.answered += 1;
            seen.from.retain(|known| *known != from);
            seen.from.insert(0, from);
            let Some(after) = hop.after else { continue };
            seen.last = Some(after);
            seen.best = Some(seen.best.map_or(after, |best| best.min(after)));
            seen.worst = Some(seen.worst.map_or(after, |worst| worst.max(after)));
        }
    }
}

/// Do hops lead to the target?
pub(super) fn lead_there(chart: &Chart) -> bool {
    chart.diagnosis.subject.local == Some(false) || chart.case.client.is_some()
}

/// Shows the hops, and looks at them again as long as they are shown.
pub(super) fn show(state: &mut State) -> Vec<Effect> {
    let Screen::Chart(chart) = &mut state.screen else { return Vec::new() };
    if !lead_there(chart) {
        state.notice = Some("the target is this host itself: no hops lead there".into());
        return Vec::new();
    }
    if chart.hops.looks == 0
        && let Some(path) = chart.path().cloned()
    {
        chart.hops.add(&path);
    }
    state.overlay = Overlay::Page(Page::Hops, 0);
    plan(state).into_iter().chain(look(state)).collect()
}

/// It is time to look again.
pub(super) fn woke(state: &mut State) -> Vec<Effect> {
    if let Screen::Chart(chart) = &mut state.screen {
        chart.hops.planned = false;
    }
    if !matches!(state.overlay, Overlay::Page(Page::Hops, _)) {
        return Vec::new();
    }
    plan(state).into_iter().chain(look(state)).collect()
}

fn plan(state: &mut State) -> Option<Effect> {
    let Screen::Chart(chart) = &mut state.screen else { return None };
    if chart.origin == Origin::Recording || chart.hops.planned {
        return None;
    }
    chart.hops.planned = true;
    Some(Effect::WakeAfter(EVERY_MS, Wake::Hops(chart.number)))
}

fn look(state: &mut State) -> Option<Effect> {
    let Screen::Chart(chart) = &state.screen else { return None };
    let question = Question::Path(chart.diagnosis.subject.endpoint().filter(|to| to.ip().is_some())?);
    if chart.origin == Origin::Recording || state.asking.has(&question) {
        return None;
    }
    Some(ask(state, question, How::Quietly))
}

impl Chart {
    /// What the way to the target showed the last time somebody looked. The client's end is where it begins.
    pub fn path(&self) -> Option<&Path> {
        let to = self.diagnosis.subject.endpoint()?;
        let here = self.case.client.as_deref().map_or(&self.case.here, |client| &client.here);
        here.paths.get(&to)?.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::Hop;

    #[test]
    fn looks_add_up_and_silence_is_counted() {
        let hop = |from: Option<&str>, ms| Hop {
            distance: 1,
            from: from.map(|ip| ip.parse().unwrap()),
            after: from.map(|_| Duration::from_millis(ms)),
        };
        let mut hops = Hops::default();
        for hop in [hop(Some("10.0.0.1"), 3), hop(None, 0), hop(Some("10.0.0.2"), 1)] {
            let to = "192.0.2.1:80".parse().unwrap();
            hops.add(&Path { to, hops: vec![hop], end: None, control: None, probes: 2 });
        }
        let seen = &hops.seen[&1];
        assert_eq!((seen.asked, seen.answered, hops.packets), (3, 2, 6));
        assert_eq!((seen.best, seen.worst), (Some(Duration::from_millis(1)), Some(Duration::from_millis(3))));
        assert_eq!(seen.from.len(), 2);
    }
}
