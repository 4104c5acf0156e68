//! The packet's way as the tree shows it: the base chains in order, what became of the packet at which line, and how far
//! it came.

use std::collections::{HashMap, HashSet};

use super::book::Book;
use super::key::{path, station};
use super::line::{Does, Reach};
use crate::diagnose::ways::main_part;
use crate::facts::ruleset::{ChainId, Hook};
use crate::firewall::{Fate, Leg, Part, Place, Walk};

/// A base chain on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Station {
    pub(super) leg: Leg,
    pub(super) hook: Hook,
    pub(super) chain: ChainId,
    pub(super) key: u64,
}

/// The way.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// It was followed.
    pub(super) followed: bool,
    /// It was followed to its end, for all sources.
    pub(super) told: bool,
    pub(super) stations: Vec<Station>,
    pub(super) entered: HashSet<ChainId>,
    /// Keys of the lines down to the one that decides.
    pub(super) deciding: Vec<u64>,
    /// Keys of lines that are open unless the user closed them.
    pub(super) opened: HashSet<u64>,
    does: HashMap<u64, Does>,
    leads: HashMap<u64, Vec<ChainId>>,
    furthest: HashMap<u64, Vec<usize>>,
}

impl Way {
    pub(super) fn of(walk: Option<&Walk>, book: &Book<'_>) -> Self {
        let Some(walk) = walk else { return Self::default() };
        let unknown = |part: &Part| matches!(part.fate, Fate::Unknown { .. });
        let mut way = Self {
            followed: !(walk.entered.is_empty() && walk.parts.iter().any(unknown)),
            told: !walk.parts.iter().any(unknown),
            entered: walk.entered.iter().cloned().collect(),
            ..Self::default()
        };
        for part in &walk.parts {
            way.passes(part, book);
        }
        way.rest(walk, book);
        if let Some(place) = deciding(walk) {
            way.deciding = path(place);
            way.open(place);
        }
        way
    }

    /// What became of the packet at a line.
    pub(super) fn does(&self, key: u64) -> Option<Does> {
        self.does.get(&key).copied()
    }

    /// Chains that a rule led to.
    pub(super) fn leads(&self, rule: u64) -> &[ChainId] {
        self.leads.get(&rule).map(Vec::as_slice).unwrap_or_default()
    }

    /// Did the packet come to this place: the numbers of the rules that led there from the base chain, its own last?
    pub(super) fn reach(&self, station: u64, place: &[usize]) -> Reach {
        match self.furthest.get(&station) {
            Some(furthest) if place <= furthest.as_slice() => Reach::Reached,
            _ => self.beyond(),
        }
    }

    /// What lies behind what decided.
    pub(super) fn beyond(&self) -> Reach {
        if self.told { Reach::NotReached } else { Reach::Untold }
    }

    fn passes(&mut self, part: &Part, book: &Book<'_>) {
        let mut after = 0;
        let mut note = |way: &mut Self, place: &Place, does: Does| {
            after = way.visit(place, after);
            way.mark(place, does, book);
        };
        // What rejects comes before the way of its own answer.
        for leg in [Leg::Request, Leg::Reply] {
            for pass in part.passed.iter().filter(|pass| pass.by.leg == leg) {
                note(self, &pass.by, Does::Accepts);
            }
            if let Some((place, does)) = decided(part).filter(|(place, _)| place.leg == leg) {
                note(self, place, does);
                self.open(place);
            }
        }
        if let Some(place) = &part.translated {
            let keys = path(place);
            self.lines(&keys, place);
            if let Some(key) = keys.last() {
                self.weigh(*key, Does::Sends(part.to));
            }
        }
    }

    /// Adds a base chain behind those that were passed before it; yields the place behind it.
    fn visit(&mut self, place: &Place, after: usize) -> usize {
        let key = station(place.leg, &place.base);
        if let Some(at) = self.stations.iter().position(|s| s.key == key) {
            return (at + 1).max(after);
        }
        let after = after.min(self.stations.len());
        let station = Station { leg: place.leg, hook: place.hook, chain: place.base.clone(), key };
        self.stations.insert(after, station);
        after + 1
    }

    fn mark(&mut self, place: &Place, does: Does, book: &Book<'_>) {
        let keys = path(place);
        self.lines(&keys, place);
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return };
        self.weigh(*last, does);
        let base = self.does.get(first).map_or(does, |before| both(*before, does));
        self.does.insert(*first, base);
        let place = numbers(place, book);
        let furthest = self.furthest.entry(*first).or_default();
        if *furthest < place {
            *furthest = place;
        }
    }

    /// Marks what led to a place.
    fn lines(&mut self, keys: &[u64], place: &Place) {
        let next = place.via.iter().map(|(chain, _)| chain).skip(1).chain([&place.chain]);
        for (by, to) in keys.iter().skip(1).step_by(2).zip(next.take(place.via.len())) {
            self.weigh(*by, Does::Leads);
            let leads = self.leads.entry(*by).or_default();
            if !leads.contains(to) {
                leads.push(to.clone());
            }
        }
    }

    fn weigh(&mut self, key: u64, does: Does) {
        let before = self.does.entry(key).or_insert(does);
        *before = does.max(*before);
    }

    fn open(&mut self, place: &Place) {
        let keys = path(place);
        let (_, above) = keys.split_last().unwrap_or((&0, &[]));
        self.opened.extend(above);
    }

    /// Base chains that were entered, and nothing is known of what happened there.
    fn rest(&mut self, walk: &Walk, book: &Book<'_>) {
        for chain in &walk.entered {
            let Some(base) = book.base(chain) else { continue };
            if self.stations.iter().any(|s| s.chain == *chain) {
                continue;
            }
            let key = station(Leg::Request, chain);
            self.stations.push(Station { leg: Leg::Request, hook: base.hook, chain: chain.clone(), key });
        }
    }
}

/// Where a part's way ends at a rule or policy, and how.
fn decided(part: &Part) -> Option<(&Place, Does)> {
    match &part.fate {
        Fate::Rejected { by, .. } => Some((by, Does::Rejects)),
        Fate::Dropped { by } => Some((by, Does::Drops)),
        Fate::Unknown { by, .. } => Some((by.as_ref()?, Does::Unclear)),
        Fate::Delivered | Fate::Forwarded { .. } | Fate::Unrouted { .. } => None,
    }
}

/// What decides: for most sources, else for those that are refused, else what lets in.
fn deciding(walk: &Walk) -> Option<&Place> {
    let main = main_part(walk)?;
    let refused = |part: &&Part| matches!(part.fate, Fate::Rejected { .. } | Fate::Dropped { .. });
    let others = walk.parts.iter().find(refused).or_else(|| walk.parts.iter().find(|part| decided(part).is_some()));
    let by = decided(main).or_else(|| decided(others?)).map(|(place, _)| place);
    let passed = || main.passed.iter().rev().map(|pass| &pass.by);
    by.or_else(|| passed().find(|place| place.rule.is_some())).or_else(|| passed().next())
}

/// What happens in a base chain where two things do.
fn both(a: Does, b: Does) -> Does {
    let refuses = |does| matches!(does, Does::Drops | Does::Rejects);
    if a != b && !(refuses(a) && refuses(b)) && (refuses(a) || refuses(b)) { Does::Parts } else { a.max(b) }
}

/// A place by the numbers of its rules; the policy comes after all of them, and so does what is not there any more.
fn numbers(place: &Place, book: &Book<'_>) -> Vec<usize> {
    let at = |chain: &ChainId, handle: u64| {
        book.rules(chain).and_then(|rules| rules.iter().position(|rule| rule.handle == handle)).unwrap_or(usize::MAX)
    };
    let last = place.rule.map_or(usize::MAX, |handle| at(&place.chain, handle));
    place.via.iter().map(|(chain, handle)| at(chain, *handle)).chain([last]).collect()
}
