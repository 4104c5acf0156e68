//! Sets of numbers (addresses, ports) as ranges: cutting a small piece out of a set of many ranges is quick, whatever
//! their number.

use std::collections::BTreeMap;
use std::rc::Rc;

/// Ranges of numbers, both ends inclusive, neither overlapping nor touching. A copy costs nothing until it is changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Ranges {
    /// First number to last.
    map: Rc<BTreeMap<u128, u128>>,
}

impl Ranges {
    /// A single range; none where `low` is above `high`.
    pub(super) fn one(low: u128, high: u128) -> Self {
        let map = if low <= high { BTreeMap::from([(low, high)]) } else { BTreeMap::new() };
        Self { map: Rc::new(map) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u128, u128)> + '_ {
        self.map.iter().map(|(low, high)| (*low, *high))
    }

    /// Number of ranges.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        self.map.range(..=number).next_back().is_some_and(|(_, high)| *high >= number)
    }

    /// Puts a range in.
    pub(super) fn insert(&mut self, low: u128, high: u128) {
        if low > high {
            return;
        }
        let (mut low, mut high) = (low, high);
        if let Some((before, end)) = self.map.range(..=low).next_back().map(|(l, h)| (*l, *h))
            && end.checked_add(1).is_none_or(|next| next >= low)
        {
            (low, high) = (before, high.max(end));
        }
        let swallowed: Vec<(u128, u128)> = self.iter_from(low, high.saturating_add(1)).collect();
        let map = Rc::make_mut(&mut self.map);
        for (start, end) in swallowed {
            high = high.max(end);
            map.remove(&start);
        }
        map.insert(low, high);
    }

    /// Ranges that begin between `low` and `high`.
    fn iter_from(&self, low: u128, high: u128) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.map.range(low..=high.max(low)).map(|(l, h)| (*l, *h))
    }

    /// Takes out what lies between `low` and `high`.
    fn take(&mut self, low: u128, high: u128, taken: &mut Self) {
        let first = self.map.range(..=low).next_back().filter(|(_, end)| **end >= low).map_or(low, |(start, _)| *start);
        let hit: Vec<(u128, u128)> = self.iter_from(first, high).collect();
        if hit.is_empty() {
            return;
        }
        let (map, taken) = (Rc::make_mut(&mut self.map), Rc::make_mut(&mut taken.map));
        for (start, end) in hit {
            map.remove(&start);
            if start < low {
                map.insert(start, low.saturating_sub(1));
            }
            if end > high {
                map.insert(high.saturating_add(1), end);
            }
            taken.insert(start.max(low), end.min(high));
        }
    }

    /// Takes out what is in `other`, too, and returns it.
    pub(super) fn split(&mut self, other: &Self) -> Self {
        let mut taken = Self::default();
        if other.len() > self.len().saturating_mul(4).saturating_add(16) {
            let common = other.common(self);
            for (low, high) in common.iter() {
                self.take(low, high, &mut taken);
            }
            return common;
        }
        if other.len().saturating_mul(8) > self.len() {
            let (rest, taken) = self.parted(other);
            *self = rest;
            return taken;
        }
        for (low, high) in other.iter() {
            self.take(low, high, &mut taken);
        }
        taken
    }

    /// What is not in `other`, and what is: goes through both once.
    fn parted(&self, other: &Self) -> (Self, Self) {
        let (mut rest, mut taken) = (Vec::new(), Vec::new());
        let mut others = other.iter().peekable();
        for (mut low, high) in self.iter() {
            loop {
                while others.next_if(|(_, end)| *end < low).is_some() {}
                let Some((start, end)) = others.peek().copied().filter(|(start, _)| *start <= high) else {
                    rest.push((low, high));
                    break;
                };
                if start > low {
                    rest.push((low, start.saturating_sub(1)));
                }
                taken.push((start.max(low), end.min(high)));
                if end >= high {
                    break;
                }
                low = end.saturating_add(1);
            }
        }
        let of = |ranges: Vec<(u128, u128)>| Self { map: Rc::new(ranges.into_iter().collect()) };
        (of(rest), of(taken))
    }

    /// What is in both; quick where `few` has few ranges.
    fn common(&self, few: &Self) -> Self {
        let mut common = BTreeMap::new();
        for (low, high) in few.iter() {
            let first = self.map.range(..=low).next_back().map_or(low, |(start, _)| *start);
            for (start, end) in self.iter_from(first, high) {
                if end >= low {
                    common.insert(start.max(low), end.min(high));
                }
            }
        }
        Self { map: Rc::new(common) }
    }

    /// What is in both.
    pub(super) fn both(&self, other: &Self) -> Self {
        if self.len() < other.len() { other.common(self) } else { self.common(other) }
    }

    /// Puts in what is in `other`.
    pub(super) fn join(&mut self, other: Self) {
        let (more, few) =
            if self.len() < other.len() { (other, std::mem::take(self)) } else { (std::mem::take(self), other) };
        *self = more;
        for (low, high) in few.iter() {
            self.insert(low, high);
        }
    }
}

impl FromIterator<(u128, u128)> for Ranges {
    fn from_iter<T: IntoIterator<Item = (u128, u128)>>(ranges: T) -> Self {
        let mut sorted: Vec<(u128, u128)> = ranges.into_iter().filter(|(low, high)| low <= high).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
        for (low, high) in sorted {
            match joined.last_mut() {
                Some((_, end)) if end.checked_add(1).is_none_or(|next| next >= low) => *end = high.max(*end),
                Some(_) | None => joined.push((low, high)),
            }
        }
        Self { map: Rc::new(joined.into_iter().collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(ranges: &[(u8, u8)]) -> Vec<bool> {
        (0..=255u8).map(|n| ranges.iter().any(|(l, h)| *l <= n && n <= *h)).collect()
    }

    fn seen(ranges: &Ranges) -> Vec<bool> {
        (0..=255u128).map(|n| ranges.contains(n)).collect()
    }

    fn tidy(ranges: &Ranges) -> bool {
        let list: Vec<_> = ranges.iter().collect();
        list.windows(2).all(|w| w[0].1 + 1 < w[1].0) && list.iter().all(|(l, h)| l <= h)
    }

    proptest! {
        #[test]
        fn ranges_are_sets(a in prop::collection::vec((any::<u8>(), any::<u8>()), 0..30), b in prop::collection::vec((any::<u8>(), any::<u8>()), 0..6)) {
            let wide = |list: &[(u8, u8)]| list.iter().map(|(l, h)| (u128::from(*l), u128::from(*h))).collect::<Ranges>();
            let (one, two) = (wide(&a), wide(&b));
            prop_assert_eq!(seen(&one), naive(&a));
            for (few, many) in [(&one, &two), (&two, &one)] {
                let mut rest = few.clone();
                let taken = rest.split(many);
                prop_assert!(tidy(&rest) && tidy(&taken));
                for n in 0..=255u128 {
                    prop_assert_eq!(taken.contains(n), few.contains(n) && many.contains(n));
                    prop_assert_eq!(rest.contains(n), few.contains(n) && !many.contains(n));
                }
                prop_assert_eq!(few.both(many), taken.clone());
                rest.join(taken);
                prop_assert_eq!(&rest, few);
            }
        }
    }
}
