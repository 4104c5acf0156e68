//! What a register holds before a packet comes: constant bytes, bytes of the client's address or port, bytes nobody can
//! know yet; and what a comparison of them asks of the sources.

use super::ranges::Ranges;
use super::split::{Cond, Region, Test};

/// Number of a doubt in the walker's list.
pub(super) type DoubtId = u32;

/// A byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Byte {
    /// This value.
    Const(u8),
    /// `(byte of the client's address & mask) ^ xor`.
    Address { index: u8, mask: u8, xor: u8 },
    /// The same of its port.
    Port { index: u8, mask: u8, xor: u8 },
    /// Not known but for the bits of `known`.
    Unknown { doubt: DoubtId, known: u8, value: u8 },
}

impl Byte {
    /// Nothing is known of it.
    pub(super) fn unknown(doubt: DoubtId) -> Self {
        Self::Unknown { doubt, known: 0, value: 0 }
    }

    /// `(byte & mask) ^ xor`.
    pub(super) fn bits(self, by: u8, with: u8) -> Self {
        match self {
            Self::Const(value) => Self::Const((value & by) ^ with),
            Self::Address { mask, xor, .. } | Self::Port { mask, xor, .. } if mask & by == 0 => {
                Self::Const((xor & by) ^ with)
            }
            Self::Address { index, mask, xor } => Self::Address { index, mask: mask & by, xor: (xor & by) ^ with },
            Self::Port { index, mask, xor } => Self::Port { index, mask: mask & by, xor: (xor & by) ^ with },
            Self::Unknown { doubt, known, value } => {
                let (known, value) = (known | !by, (value & known & by) ^ with);
                if known == 0xff { Self::Const(value) } else { Self::Unknown { doubt, known, value: value & known } }
            }
        }
    }
}

/// Constant bytes.
pub(super) fn constant(data: &[u8]) -> Vec<Byte> {
    data.iter().map(|b| Byte::Const(*b)).collect()
}

/// All of them, if all are constant.
pub(super) fn known(bytes: &[Byte]) -> Option<Vec<u8>> {
    bytes.iter().map(|b| if let Byte::Const(value) = b { Some(*value) } else { None }).collect()
}

/// A number in the host's byte order, if it is constant.
pub(super) fn number(bytes: &[Byte]) -> Option<u32> {
    Some(u32::from_ne_bytes(known(bytes)?.try_into().ok()?))
}

/// Bytes that all registers hold together.
pub(super) const REGISTERS: usize = 64;

/// What the registers hold.
#[derive(Debug, Clone)]
pub(super) struct Registers([Byte; REGISTERS]);

impl Registers {
    pub(super) fn new() -> Self {
        Self([Byte::Const(0); REGISTERS])
    }

    /// `len` bytes from `at`; fewer at the end of the file.
    pub(super) fn get(&self, at: u8, len: usize) -> &[Byte] {
        let at = usize::from(at).min(REGISTERS);
        self.0.get(at..at.saturating_add(len).min(REGISTERS)).unwrap_or_default()
    }

    /// Stores bytes, the last 32-bit word filled with zeros as the kernel does.
    pub(super) fn set(&mut self, at: u8, bytes: &[Byte]) {
        let padded = bytes.iter().copied().chain(std::iter::repeat(Byte::Const(0)));
        let len = bytes.len().next_multiple_of(4);
        for (place, byte) in self.0.iter_mut().skip(usize::from(at)).take(len).zip(padded) {
            *place = byte;
        }
    }
}

/// Bits of a number that are asked for: which, and how they must be.
#[derive(Default, Clone, Copy)]
struct Asked {
    mask: u128,
    value: u128,
}

impl Asked {
    /// False: it contradicts what was asked before.
    fn add(&mut self, shift: u32, mask: u8, value: u8) -> bool {
        let (mask, value) = (u128::from(mask) << shift, u128::from(value) << shift);
        let both = self.mask & mask;
        let fits = self.value & both == value & both;
        self.mask |= mask;
        self.value |= value;
        fits
    }

    /// The numbers of `width` bits that have them; none if they are too many ranges.
    fn ranges(self, width: u32) -> Option<Ranges> {
        let all = if width >= 128 { u128::MAX } else { (1 << width) - 1 };
        let low = self.mask.trailing_zeros().min(width);
        let tail = if low >= 128 { u128::MAX } else { (1 << low) - 1 };
        let free = all & !self.mask & !tail;
        if free.count_ones() > 12 {
            return None;
        }
        // All ways to set the free bits: (subset - free) & free steps through the subsets of a mask.
        let mut ranges = Vec::new();
        let mut subset: u128 = 0;
        loop {
            ranges.push((self.value | subset, self.value | subset | tail));
            subset = subset.wrapping_sub(free) & free;
            if subset == 0 {
                return Some(ranges.into_iter().collect());
            }
        }
    }
}

/// How an address is counted: how many bits it has.
fn address_shift(index: u8, v6: bool) -> u32 {
    8 * (if v6 { 15u32 } else { 3 }).saturating_sub(u32::from(index))
}

/// Are these bytes `data`? The shorter of both counts.
pub(super) fn equal(bytes: &[Byte], data: &[u8], v6: bool, odd: DoubtId) -> Test {
    let mut doubt = None;
    let (mut address, mut port) = (Asked::default(), Asked::default());
    for (byte, want) in bytes.iter().zip(data) {
        let fits = match *byte {
            Byte::Const(value) => value == *want,
            Byte::Address { index, mask, xor } => {
                let want = want ^ xor;
                want & !mask == 0 && address.add(address_shift(index, v6), mask, want)
            }
            Byte::Port { index, mask, xor } => {
                let want = want ^ xor;
                want & !mask == 0 && port.add(if index == 0 { 8 } else { 0 }, mask, want)
            }
            Byte::Unknown { doubt: why, known, value } => {
                doubt = doubt.or(Some(why));
                (value ^ want) & known == 0
            }
        };
        if !fits {
            return Test::No;
        }
    }
    let region = || {
        let addresses = (address.mask != 0).then(|| address.ranges(if v6 { 128 } else { 32 }));
        let ports = (port.mask != 0).then(|| port.ranges(16));
        Some(Region { addresses: flat(addresses)?, ports: flat(ports)?, member: None })
    };
    match (address.mask == 0 && port.mask == 0, region(), doubt) {
        (true, _, None) => Test::Yes,
        (true, _, Some(doubt)) => Test::Doubt(doubt),
        (false, None, _) => Test::Doubt(odd),
        (false, Some(region), None) => Test::Where(Cond::within(region)),
        (false, Some(region), Some(doubt)) => Test::Perhaps(Cond::within(region), doubt),
    }
}

/// None within turned into none.
#[expect(clippy::option_option, reason = "not asked, or too many")]
fn flat(ranges: Option<Option<Ranges>>) -> Option<Option<Ranges>> {
    match ranges {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

/// Are these bytes between `low` and `high`, compared from the first byte, both inclusive?
pub(super) fn between(bytes: &[Byte], low: &[u8], high: &[u8], v6: bool, odd: DoubtId) -> Test {
    if low == high {
        return equal(bytes, low, v6, odd);
    }
    let len = bytes.len().min(low.len()).min(high.len());
    let (mut low, mut high) = (Some(low.get(..len).unwrap_or_default()), Some(high.get(..len).unwrap_or_default()));
    let mut rest = bytes.get(..len).unwrap_or_default();
    while let [Byte::Const(value), after @ ..] = rest {
        low = match bound(low, *value, |value, limit| value > limit) {
            Bound::Within(left) => left,
            Bound::Outside => return Test::No,
        };
        high = match bound(high, *value, |value, limit| value < limit) {
            Bound::Within(left) => left,
            Bound::Outside => return Test::No,
        };
        rest = after;
    }
    if rest.is_empty() || (low.is_none() && high.is_none()) {
        return Test::Yes;
    }
    let least = vec![0; rest.len()];
    let most = vec![0xff; rest.len()];
    ordered(rest, low.unwrap_or(&least), high.unwrap_or(&most), v6, odd)
}

/// What is left of a bound after one byte.
enum Bound<'a> {
    /// These bytes still bound it; none: it is within whatever follows.
    Within(Option<&'a [u8]>),
    /// It is beyond.
    Outside,
}

fn bound(limit: Option<&[u8]>, value: u8, clear: impl Fn(u8, u8) -> bool) -> Bound<'_> {
    match limit {
        None | Some([]) => Bound::Within(None),
        Some([first, rest @ ..]) if *first == value => Bound::Within(Some(rest)),
        Some([first, ..]) if clear(value, *first) => Bound::Within(None),
        Some(_) => Bound::Outside,
    }
}

/// The same where the first byte is not constant.
fn ordered(bytes: &[Byte], low: &[u8], high: &[u8], v6: bool, odd: DoubtId) -> Test {
    let of_address = matches!(bytes.first(), Some(Byte::Address { .. }));
    let width = if of_address { if v6 { 16 } else { 4 } } else { 2 };
    let mut mask: u128 = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let part = match *byte {
            Byte::Address { index, mask, xor: 0 } if of_address && usize::from(index) == at => mask,
            Byte::Port { index, mask, xor: 0 } if !of_address && usize::from(index) == at => mask,
            // Bits that were masked away.
            Byte::Const(0) => 0,
            Byte::Unknown { doubt, .. } => return Test::Doubt(doubt),
            Byte::Address { .. } | Byte::Port { .. } | Byte::Const(_) => return Test::Doubt(odd),
        };
        mask = (mask << 8) | u128::from(part);
    }
    // Only the first bits of the number may be left: then order is kept.
    let bits = u32::try_from(8 * bytes.len()).unwrap_or(128);
    let all = if bits >= 128 { u128::MAX } else { (1 << bits) - 1 };
    let cut = !mask & all;
    if bytes.len() > width || cut & cut.wrapping_add(1) != 0 {
        return Test::Doubt(odd);
    }
    let number = |data: &[u8]| data.iter().fold(0u128, |sum, b| (sum << 8) | u128::from(*b));
    let (low, high) = (number(low), number(high));
    let Some(first) = low.checked_add(cut).filter(|first| *first <= all) else { return Test::No };
    let (first, last) = (first & !cut, (high & !cut) | cut);
    if first > last {
        return Test::No;
    }
    let spare = 8 * u32::try_from(width - bytes.len()).unwrap_or(0);
    let ones = if spare == 0 { 0 } else { (1u128 << spare) - 1 };
    let ranges = Some(Ranges::one(first << spare, (last << spare) | ones));
    let region = if of_address {
        Region { addresses: ranges, ports: None, member: None }
    } else {
        Region { addresses: None, ports: ranges, member: None }
    };
    Test::Where(Cond::within(region))
}
