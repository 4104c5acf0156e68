//! Makes the lines of the tree: the hooks in the order of the packet's way, their base chains, rules and the chains those
//! lead to; then, by table, the chains that the packet does not come to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::book::{Book, leads_to};
use super::key;
use super::line::{Fold, Line, Node, Reach};
use super::way::{Station, Way};
use crate::facts::ruleset::{Chain, ChainId, Rule, TableId};
use crate::firewall::Leg;

/// A chain of so many rules is shown as a whole.
const WHOLE: usize = 60;
/// Of longer ones, so many rules before and after one where something happens.
const AROUND: usize = 8;
/// And so many at the beginning.
const FIRST: usize = 3;
/// Chains that lead to chains, at most: the kernel allows 16.
const DEEPEST: usize = 16;

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) lines: Vec<Line>,
    pub(super) chains: Vec<ChainId>,
}

/// Makes the lines.
pub(super) fn make(book: &Book<'_>, way: &Way, turned: &BTreeMap<u64, bool>) -> Made {
    let mut maker = Maker { book, way, turned, made: Made::default(), numbers: HashMap::new() };
    let stations = if way.followed { way.stations.clone() } else { unfollowed(book) };
    for group in stations.chunk_by(|a, b| (a.leg, a.hook) == (b.leg, b.hook)) {
        maker.hook(group);
    }
    maker.aside(&stations);
    maker.made
}

/// All base chains, by hook and priority: the way is not known.
fn unfollowed(book: &Book<'_>) -> Vec<Station> {
    let base = |chain: &&Chain| {
        let base = chain.base.as_ref()?;
        let key = key::station(Leg::Request, &chain.id);
        Some((base.priority, Station { leg: Leg::Request, hook: base.hook, chain: chain.id.clone(), key }))
    };
    let mut all: Vec<(i32, Station)> = book.all().iter().filter_map(base).collect();
    all.sort_by_key(|(priority, station)| (station.hook, *priority));
    all.into_iter().map(|(_, station)| station).collect()
}

struct Maker<'a, 'b> {
    book: &'b Book<'a>,
    way: &'b Way,
    turned: &'b BTreeMap<u64, bool>,
    made: Made,
    numbers: HashMap<ChainId, usize>,
}

/// Where a chain is shown.
#[derive(Debug, Clone)]
struct Spot {
    key: u64,
    depth: u16,
    /// The base chain it belongs to, where the packet came into the chain.
    station: Option<u64>,
    /// Numbers of the rules that led here.
    led: Vec<usize>,
}

impl Maker<'_, '_> {
    fn is_open(&self, key: u64, else_open: bool) -> bool {
        self.turned.get(&key).copied().unwrap_or(else_open || self.way.opened.contains(&key))
    }

    fn number(&mut self, id: &ChainId) -> usize {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.made.chains.len();
        self.made.chains.push(id.clone());
        self.numbers.insert(id.clone(), number);
        number
    }

    fn push(&mut self, key: u64, depth: u16, node: Node, (fold, reach): (Fold, Reach)) {
        let (does, decides) = (self.way.does(key), self.way.deciding.last() == Some(&key));
        self.made.lines.push(Line { key, depth, node, fold, reach, does, decides });
    }

    /// A line with something in it; true when that is to be shown.
    fn fold(&mut self, key: u64, depth: u16, node: Node, (reach, else_open): (Reach, bool)) -> bool {
        let open = self.is_open(key, else_open);
        self.push(key, depth, node, (if open { Fold::Open } else { Fold::Closed }, reach));
        open
    }

    fn hook(&mut self, stations: &[Station]) {
        let Some(first) = stations.first() else { return };
        let key = key::below(0, (first.leg == Leg::Reply, first.hook, &first.chain));
        let reach = if self.way.followed { Reach::Reached } else { Reach::Untold };
        if !self.fold(key, 0, Node::Hook(first.leg, first.hook), (reach, true)) {
            return;
        }
        for station in stations {
            let spot = Spot { key: station.key, depth: 1, station: Some(station.key), led: Vec::new() };
            self.chain(&station.chain, &spot, reach);
        }
    }

    /// A chain with a line of its own.
    fn chain(&mut self, id: &ChainId, spot: &Spot, reach: Reach) {
        let rules = self.book.rules(id).map(<[Rule]>::len);
        let node = Node::Chain(self.number(id), rules);
        if self.fold(spot.key, spot.depth, node, (reach, false)) {
            self.rules(id, &Spot { depth: spot.depth + 1, ..spot.clone() });
        }
    }

    /// The rules of a chain, and its policy.
    fn rules(&mut self, id: &ChainId, spot: &Spot) {
        let number = self.number(id);
        let policy = self.book.base(id).is_some();
        let rules = self.book.rules(id);
        if rules.is_none_or(|rules| rules.is_empty() && !policy) {
            let reach = self.reach(spot, usize::MAX);
            self.push(key::below(spot.key, "note"), spot.depth, Node::Note(number), (Fold::Leaf, reach));
        }
        let rules = rules.unwrap_or_default();
        let keys: Vec<u64> = rules.iter().map(|rule| key::rule(spot.key, rule.handle)).collect();
        for Stretch { from, to, shown } in self.stretches(&keys) {
            let more = keys.get(from).map_or(0, |first| key::below(*first, "more"));
            if !shown && !self.is_open(more, false) {
                let reach = self.reach(spot, from);
                self.push(more, spot.depth, Node::More(to - from), (Fold::Closed, reach));
                continue;
            }
            for (at, (rule, key)) in rules.iter().zip(&keys).enumerate().take(to).skip(from) {
                self.rule(id, rule, *key, (at, spot));
            }
        }
        if policy {
            let reach = self.reach(spot, usize::MAX);
            self.push(key::policy(spot.key), spot.depth, Node::Policy(number), (Fold::Leaf, reach));
        }
    }

    /// Which rules of a chain are shown, and which are left out.
    fn stretches(&self, keys: &[u64]) -> Vec<Stretch> {
        let all = keys.len();
        if all <= WHOLE {
            return vec![Stretch { from: 0, to: all, shown: true }];
        }
        let happens = (0..all).zip(keys).filter(|(_, key)| self.way.does(**key).is_some());
        let around = happens.map(|(at, _)| (at.saturating_sub(AROUND), (at + AROUND + 1).min(all)));
        let mut stretches = Vec::new();
        let mut end = 0;
        for (from, to) in [(0, FIRST)].into_iter().chain(around).chain([(all, all)]) {
            // A single rule is not left out: what says so takes as much room.
            let from = if from <= end + 1 { end } else { from };
            if from > end {
                stretches.push(Stretch { from: end, to: from, shown: false });
            }
            stretches.push(Stretch { from: from.max(end), to: to.max(end), shown: true });
            end = to.max(end);
        }
        stretches
    }

    fn reach(&self, spot: &Spot, at: usize) -> Reach {
        let Some(station) = spot.station else { return self.way.beyond() };
        if !self.way.followed {
            return Reach::Untold;
        }
        let place: Vec<usize> = spot.led.iter().copied().chain([at]).collect();
        self.way.reach(station, &place)
    }

    fn rule(&mut self, id: &ChainId, rule: &Rule, key: u64, (at, spot): (usize, &Spot)) {
        let node = Node::Rule { chain: self.number(id), at };
        let reach = self.reach(spot, at);
        let mut leads = self.way.leads(key).to_vec();
        if let Some(name) = leads_to(rule)
            && !leads.iter().any(|chain| chain.name == name)
        {
            leads.push(ChainId { table: id.table.clone(), name: name.to_owned() });
        }
        if leads.is_empty() || spot.led.len() >= DEEPEST {
            self.push(key, spot.depth, node, (Fold::Leaf, reach));
            return;
        }
        if !self.fold(key, spot.depth, node, (reach, false)) {
            return;
        }
        let led: Vec<usize> = spot.led.iter().copied().chain([at]).collect();
        for chain in &leads {
            let came = self.way.entered.contains(chain) && reach == Reach::Reached;
            let station = spot.station.filter(|_| came || !self.way.followed);
            let inner = Spot { key: key::led(key, chain), depth: spot.depth + 1, station, led: led.clone() };
            if leads.len() == 1 {
                self.rules(chain, &inner);
            } else {
                let reach = if came { Reach::Reached } else { self.way.beyond() };
                self.chain(chain, &inner, reach);
            }
        }
    }

    /// The chains that the packet does not come to, by table.
    fn aside(&mut self, stations: &[Station]) {
        let on_way: BTreeSet<&ChainId> = stations.iter().map(|s| &s.chain).chain(&self.way.entered).collect();
        let mut tables: Vec<(&TableId, Vec<&ChainId>)> = Vec::new();
        for chain in self.book.all().iter().filter(|chain| !on_way.contains(&chain.id)) {
            match tables.iter_mut().find(|(table, _)| **table == chain.id.table) {
                Some((_, chains)) => chains.push(&chain.id),
                None => tables.push((&chain.id.table, vec![&chain.id])),
            }
        }
        let count = tables.iter().map(|(_, chains)| chains.len()).sum();
        let reach = self.way.beyond();
        let key = key::below(0, "aside");
        if count == 0 || !self.fold(key, 0, Node::Aside(count), (reach, false)) {
            return;
        }
        for (table, chains) in tables {
            let key = key::below(key, table);
            if !self.fold(key, 1, Node::Table(table.clone(), chains.len()), (reach, false)) {
                continue;
            }
            for chain in chains {
                let spot = Spot { key: key::below(key, chain), depth: 2, station: None, led: Vec::new() };
                self.chain(chain, &spot, reach);
            }
        }
    }
}

/// Rules that follow one another, all of them shown or left out.
struct Stretch {
    from: usize,
    to: usize,
    shown: bool,
}
