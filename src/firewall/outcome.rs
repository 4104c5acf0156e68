//! What became of all strands, as parts that share no source: where the ways of a doubt end differently, it cannot be
//! told; where they end alike, nothing depended on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv6Addr, SocketAddr};

use super::ranges::Ranges;
use super::sources::Sources;
use super::strand::{Address, Port, Strand};
use super::walker::{Done, Walker};
use super::{Fate, Part, Pass, Place, Walk};
use crate::facts::ruleset::SetId;

/// Sets that sources are in or not.
type Members = Vec<(SetId, bool)>;

/// Everything about a part but its addresses and interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lot {
    fate: Fate,
    to: SocketAddr,
    resets: bool,
    translated: Option<Place>,
    passed: Vec<Pass>,
    ports: Ranges,
    members: Vec<(SetId, bool)>,
}

impl Walker<'_> {
    /// The parts.
    pub(super) fn outcome(mut self) -> Walk {
        let done = std::mem::take(&mut self.done);
        let (certain, doubtful): (Vec<Done>, Vec<Done>) =
            done.into_iter().partition(|done| done.strand.state.doubts.is_empty());
        let mut lots = Lots::default();
        for Done { strand, fate } in certain {
            let lot = self.lot(&strand, fate, strand.ports.clone(), strand.members.clone());
            lots.add(lot, &strand, &strand.addresses);
        }
        let by_address: Vec<(usize, &Ranges)> = doubtful.iter().map(|d| &d.strand.addresses).enumerate().collect();
        for (over, addresses) in cells(&by_address) {
            let by_port: Vec<(usize, &Ranges)> =
                over.iter().filter_map(|at| Some((*at, &doubtful.get(*at)?.strand.ports))).collect();
            for (over, ports) in cells(&by_port) {
                let pieces: Vec<&Done> = over.iter().filter_map(|at| doubtful.get(*at)).collect();
                let kinds = by_member(&pieces).into_iter();
                let resolved = kinds.filter_map(|(members, pieces)| Some((members, self.resolve(&pieces, 0)?)));
                for (members, (fate, like)) in resolved {
                    lots.add(self.lot(like, fate, ports.clone(), members), like, &addresses);
                }
            }
        }
        Walk { parts: lots.parts(self.v6), entered: self.entered }
    }

    fn lot(&self, strand: &Strand, fate: Fate, ports: Ranges, members: Vec<(SetId, bool)>) -> Lot {
        let state = &strand.state;
        let end = state.connection.reply.0;
        let to = match (end.address, end.port) {
            (Address::Fixed(address), Port::Fixed(port)) => SocketAddr::new(address, port),
            (Address::Fixed(address), Port::Client | Port::Unknown(_)) => {
                SocketAddr::new(address, self.packet.to.port())
            }
            (Address::Client | Address::Unknown(_), _) => self.packet.to,
        };
        let resets = !(to.is_ipv6() && state.connection.reply.1.address == Address::Fixed(Ipv6Addr::LOCALHOST.into()))
            || self.addresses.all.iter().all(|a| a.address != to.ip() || a.interface == "lo");
        Lot { fate, to, resets, translated: state.translated.clone(), passed: state.passed.clone(), ports, members }
    }

    /// One fate out of all that the same sources may get, and the strand it came from.
    fn resolve<'d>(&self, pieces: &[&'d Done], depth: usize) -> Option<(Fate, &'d Strand)> {
        let (first, rest) = pieces.split_first()?;
        if rest.iter().all(|piece| same(piece, first)) {
            // The way on which nothing doubtful matched is the plainer one.
            let plain = pieces.iter().find(|piece| piece.strand.state.doubts.iter().all(|(_, matched)| !matched));
            let chosen = plain.unwrap_or(first);
            return Some((chosen.fate.clone(), &chosen.strand));
        }
        let at = |piece: &&Done| piece.strand.state.doubts.get(depth).copied();
        let Some((fork, _)) = pieces.iter().find_map(at) else {
            return Some((self.unknown(u32::MAX, None), &first.strand));
        };
        let yes = |piece: &&&Done| at(piece).is_some_and(|(_, yes)| yes);
        let (matched, not): (Vec<&Done>, Vec<&Done>) = pieces.iter().partition(yes);
        let deeper = depth.saturating_add(1);
        match (self.resolve(&matched, deeper), self.resolve(&not, deeper)) {
            (Some((one, like)), Some((other, plain))) => {
                let agree = alike(&one, &other) && like.state.connection.reply.0 == plain.state.connection.reply.0;
                Some(if agree { (other, plain) } else { (self.of_fork(fork), plain) })
            }
            (found, None) | (None, found) => found,
        }
    }
}

/// The same fate in the same place, whichever rule gave it.
fn same(one: &Done, other: &Done) -> bool {
    alike(&one.fate, &other.fate) && one.strand.state.connection.reply.0 == other.strand.state.connection.reply.0
}

fn alike(one: &Fate, other: &Fate) -> bool {
    match (one, other) {
        (Fate::Dropped { .. }, Fate::Dropped { .. }) => true,
        (Fate::Rejected { with, .. }, Fate::Rejected { with: other, .. }) => with == other,
        _ => one == other,
    }
}

/// Sets of numbers cut so that each cell lies in the same ones throughout: which those are, and the cell.
fn cells(sets: &[(usize, &Ranges)]) -> Vec<(Vec<usize>, Ranges)> {
    let mut starts: BTreeMap<u128, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (at, ranges) in sets {
        for (low, high) in ranges.iter() {
            starts.entry(low).or_default().0.push(*at);
            if let Some(next) = high.checked_add(1) {
                starts.entry(next).or_default().1.push(*at);
            }
        }
    }
    let ends = starts.keys().skip(1).map(|next| next - 1).chain([u128::MAX]).collect::<Vec<_>>();
    let mut within: BTreeSet<usize> = BTreeSet::new();
    let mut cells: HashMap<Vec<usize>, Vec<(u128, u128)>> = HashMap::new();
    let mut order: Vec<Vec<usize>> = Vec::new();
    for ((low, (begin, end)), high) in starts.into_iter().zip(ends) {
        for at in &end {
            within.remove(at);
        }
        within.extend(begin);
        if within.is_empty() {
            continue;
        }
        let key: Vec<usize> = within.iter().copied().collect();
        cells.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            Vec::new()
        });
        if let Some(ranges) = cells.get_mut(&within.iter().copied().collect::<Vec<_>>()) {
            ranges.push((low, high));
        }
    }
    order.into_iter().filter_map(|key| cells.remove(&key).map(|ranges| (key, ranges.into_iter().collect()))).collect()
}

/// Members and non-members of the sets that pieces name, each with the pieces that hold them.
fn by_member<'d>(pieces: &[&'d Done]) -> Vec<(Members, Vec<&'d Done>)> {
    let sets: BTreeSet<&SetId> = pieces.iter().flat_map(|p| p.strand.members.iter().map(|(set, _)| set)).collect();
    let mut found: Vec<(Members, Vec<&'d Done>)> = vec![(Vec::new(), pieces.to_vec())];
    for set in sets.into_iter().take(8) {
        let mut next = Vec::new();
        for (members, pieces) in found {
            for is in [true, false] {
                let against = |piece: &&Done| piece.strand.members.contains(&(set.clone(), !is));
                let kept: Vec<&Done> = pieces.iter().copied().filter(|piece| !against(piece)).collect();
                let mut members = members.clone();
                members.push((set.clone(), is));
                if !kept.is_empty() {
                    next.push((members, kept));
                }
            }
        }
        found = next;
    }
    found
}

/// A part being put together.
struct Found {
    lot: Lot,
    addresses: Vec<(u128, u128)>,
    interfaces: BTreeSet<String>,
}

/// Parts being put together.
#[derive(Default)]
struct Lots {
    numbers: HashMap<Lot, usize>,
    found: Vec<Found>,
    interfaces: BTreeSet<String>,
}

impl Lots {
    fn add(&mut self, lot: Lot, strand: &Strand, addresses: &Ranges) {
        let interface = strand.state.arrived.as_ref();
        let interface = interface.map(|device| device.port.as_ref().unwrap_or(&device.name).to_string());
        let at = *self.numbers.entry(lot).or_insert_with_key(|lot| {
            self.found.push(Found { lot: lot.clone(), addresses: Vec::new(), interfaces: BTreeSet::new() });
            self.found.len().saturating_sub(1)
        });
        self.interfaces.extend(interface.clone());
        if let Some(found) = self.found.get_mut(at) {
            found.addresses.extend(addresses.iter());
            found.interfaces.extend(interface);
        }
    }

    /// The greater parts first. An interface is named where there are several and a part has only one.
    fn parts(self, v6: bool) -> Vec<Part> {
        let several = self.interfaces.len() > 1;
        let part = |Found { lot, addresses, interfaces }: Found| {
            let interface = interfaces.first().filter(|_| several && interfaces.len() == 1).cloned();
            let ranges: Ranges = addresses.into_iter().collect();
            let Lot { fate, to, resets, translated, passed, ports, members } = lot;
            Part {
                sources: Sources::new(&ranges, v6, &ports, interface, members),
                fate,
                to,
                resets,
                translated,
                passed,
            }
        };
        let mut parts: Vec<Part> = self.found.into_iter().map(part).collect();
        parts.sort_by(|a, b| b.sources.share().total_cmp(&a.sources.share()));
        parts
    }
}
