//! Conditions on sources, and what they cut a strand into.

use std::collections::BTreeMap;

use super::bytes::DoubtId;
use super::ranges::Ranges;
use super::strand::Strand;
use crate::facts::ruleset::SetId;

/// Sources that are in all of these; none: any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Region {
    pub(super) addresses: Option<Ranges>,
    pub(super) ports: Option<Ranges>,
    /// They are in this set, which was not listed.
    pub(super) member: Option<SetId>,
}

impl Region {
    /// What is in both; none where both name a set that was not listed.
    pub(super) fn both(self, other: Self) -> Option<Self> {
        let ranges = |a: Option<Ranges>, b: Option<Ranges>| match (a, b) {
            (Some(a), Some(b)) => Some(a.both(&b)),
            (one, None) | (None, one) => one,
        };
        let member = match (self.member, other.member) {
            (Some(_), Some(_)) => return None,
            (one, None) | (None, one) => one,
        };
        Some(Self {
            addresses: ranges(self.addresses, other.addresses),
            ports: ranges(self.ports, other.ports),
            member,
        })
    }

    /// Ranges that cutting by it goes through.
    fn cost(&self) -> usize {
        let len = |ranges: &Option<Ranges>| ranges.as_ref().map_or(0, Ranges::len);
        len(&self.addresses).saturating_add(len(&self.ports)).saturating_add(1)
    }

    /// Nothing is in it.
    fn is_empty(&self) -> bool {
        self.addresses.as_ref().is_some_and(Ranges::is_empty) || self.ports.as_ref().is_some_and(Ranges::is_empty)
    }
}

/// Sources within one of these regions (or, inverted, in none).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cond {
    pub(super) regions: Vec<Region>,
    pub(super) inverted: bool,
}

impl Cond {
    pub(super) fn within(region: Region) -> Self {
        Self { regions: vec![region], inverted: false }
    }

    /// Ranges that cutting by it goes through.
    pub(super) fn cost(&self) -> usize {
        self.regions.iter().map(Region::cost).sum()
    }

    /// All addresses of its regions; none where one of them asks for none.
    pub(super) fn coarser(&self) -> Option<Self> {
        let ranges: Option<Vec<&Ranges>> = self.regions.iter().map(|region| region.addresses.as_ref()).collect();
        let addresses = ranges?.into_iter().flat_map(Ranges::iter).collect();
        Some(Self::within(Region { addresses: Some(addresses), ..Region::default() }))
    }

    /// Puts regions that differ in addresses only into one.
    pub(super) fn of(regions: Vec<Region>) -> Self {
        let mut by_ports: BTreeMap<Option<Ranges>, Vec<(u128, u128)>> = BTreeMap::new();
        let (mut ports, mut others) = (Vec::new(), Vec::new());
        for region in regions {
            match region {
                _ if region.is_empty() => {}
                Region { addresses: Some(ranges), ports, member: None } => {
                    by_ports.entry(ports).or_default().extend(ranges.iter());
                }
                Region { addresses: None, ports: Some(ranges), member: None } => ports.extend(ranges.iter()),
                other => others.push(other),
            }
        }
        let by_ports = by_ports.into_iter();
        let mut all: Vec<Region> = by_ports
            .map(|(ports, ranges)| Region { addresses: Some(ranges.into_iter().collect()), ports, member: None })
            .collect();
        all.append(&mut others);
        if !ports.is_empty() {
            all.push(Region { ports: Some(ports.into_iter().collect()), ..Region::default() });
        }
        Self { regions: all, inverted: false }
    }
}

/// What a match asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// Nothing: it is so.
    Yes,
    /// Nothing: it is not so.
    No,
    /// Whether the source is one of these.
    Where(Cond),
    /// What nobody knows yet.
    Doubt(DoubtId),
    /// Within these sources what nobody knows yet; for others it is not so (or, where the condition is inverted, so).
    Perhaps(Cond, DoubtId),
}

impl Test {
    /// The opposite.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Where(cond) => Self::Where(Cond { inverted: !cond.inverted, ..cond }),
            Self::Doubt(doubt) => Self::Doubt(doubt),
            Self::Perhaps(cond, doubt) => Self::Perhaps(Cond { inverted: !cond.inverted, ..cond }, doubt),
        }
    }

    /// The opposite where `inverted`.
    pub(super) fn inverted(self, inverted: bool) -> Self {
        if inverted { self.not() } else { self }
    }

    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    pub(super) fn addresses(ranges: Ranges) -> Self {
        Self::Where(Cond::within(Region { addresses: Some(ranges), ..Region::default() }))
    }

    pub(super) fn ports(ranges: Ranges) -> Self {
        Self::Where(Cond::within(Region { ports: Some(ranges), ..Region::default() }))
    }
}

/// A strand cut in two.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub(super) inside: Vec<Strand>,
    pub(super) outside: Vec<Strand>,
}

/// Cuts a strand by a condition. What is outside comes first in cost: it keeps the many ranges it has.
pub(super) fn cut(strand: Strand, cond: &Cond) -> Cut {
    let mut inside = Vec::new();
    let mut rest = vec![strand];
    for region in &cond.regions {
        let mut left = Vec::new();
        for piece in rest {
            carve(piece, region, &mut inside, &mut left);
        }
        rest = left;
    }
    if cond.inverted { Cut { inside: rest, outside: inside } } else { Cut { inside, outside: rest } }
}

/// Cuts a strand by several conditions, all of which must hold.
pub(super) fn cut_all(strand: Strand, conds: &[Cond]) -> Cut {
    let mut inside = vec![strand];
    let mut outside = Vec::new();
    let by_address = |cond: &&Cond| cond.regions.iter().any(|region| region.addresses.is_some());
    let (first, then): (Vec<&Cond>, Vec<&Cond>) = conds.iter().partition(by_address);
    for cond in first.into_iter().chain(then) {
        let mut kept = Vec::new();
        for piece in inside {
            let pieces = cut(piece, cond);
            kept.extend(pieces.inside);
            outside.extend(pieces.outside);
        }
        inside = kept;
    }
    Cut { inside, outside }
}

/// Cuts one region out of a strand.
fn carve(mut strand: Strand, region: &Region, inside: &mut Vec<Strand>, outside: &mut Vec<Strand>) {
    let mut piece = match &region.addresses {
        None => strand,
        Some(addresses) => {
            let taken = strand.addresses.split(addresses);
            if taken.is_empty() {
                outside.push(strand);
                return;
            }
            let piece = strand.with_addresses(taken);
            if !strand.addresses.is_empty() {
                outside.push(strand);
            }
            piece
        }
    };
    if let Some(ports) = &region.ports {
        let taken = piece.ports.split(ports);
        if taken.is_empty() {
            outside.push(piece);
            return;
        }
        if !piece.ports.is_empty() {
            outside.push(piece.clone());
        }
        piece.ports = taken;
    }
    let Some(set) = &region.member else {
        inside.push(piece);
        return;
    };
    match piece.members.iter().find(|(known, _)| known == set) {
        Some((_, true)) => inside.push(piece),
        Some((_, false)) => outside.push(piece),
        None => {
            let mut other = piece.clone();
            other.members.push((set.clone(), false));
            outside.push(other);
            piece.members.push((set.clone(), true));
            inside.push(piece);
        }
    }
}

/// Puts strands together again that were treated alike.
pub(super) fn join(strands: Vec<Strand>) -> Vec<Strand> {
    let mut joined: Vec<Strand> = Vec::with_capacity(strands.len().min(16));
    // The last pieces cut off are the first to fit together; a look at the nearest few keeps this linear.
    for mut strand in strands {
        let near = |joined: &[Strand]| joined.len().saturating_sub(8);
        while let Some(at) = joined.iter().skip(near(&joined)).rposition(|other| other.fits(&strand)) {
            let at = at.saturating_add(near(&joined));
            let other = joined.swap_remove(at);
            strand = other.joined(strand);
        }
        joined.push(strand);
    }
    joined
}
