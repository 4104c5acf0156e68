//! Stand-ins of addresses that keep what rules go by: two addresses that share their first n bits share exactly n bits
//! afterwards, so a network stays a network, and whoever was in it is in it.
//!
//! Each bit is turned or not, depending on the bits before it alone. The first address that comes by a place decides: it
//! gets the bits of a fixed stand-in there. So stand-ins tell which addresses are how near to each other, and nothing
//! else. What everybody knows stays: loopback, multicast, that an address is private or of a link. Room for all of IPv6
//! is in 2001:db8::/32; IPv4 has no reserved network that big, so stand-ins of public addresses there may belong to
//! somebody, who has nothing to do with it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Ip4,
    Ip6,
    /// Of the link layer.
    Mac,
}

impl Kind {
    /// How many bits.
    pub(super) fn width(self) -> u32 {
        match self {
            Self::Ip4 => 32,
            Self::Ip6 => 128,
            Self::Mac => 48,
        }
    }

    /// How many bytes.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Ip4 => 4,
            Self::Ip6 => 16,
            Self::Mac => 6,
        }
    }

    /// The kind that has so many bytes.
    pub(super) fn with_bytes(len: usize) -> Option<Self> {
        [Self::Ip4, Self::Ip6, Self::Mac].into_iter().find(|kind| kind.bytes() == len)
    }

    /// The highest number.
    pub(super) fn last(self) -> u128 {
        ones(self.width())
    }

    fn regions(self) -> &'static [Region] {
        match self {
            Self::Ip4 => &IP4,
            Self::Ip6 => &IP6,
            Self::Mac => &MAC,
        }
    }
}

/// A network that keeps its own prefix.
struct Region {
    prefix: u128,
    len: u32,
    /// What the first address in it becomes; none: it stays as it is.
    stand_in: Option<u128>,
}

const fn hidden(prefix: u128, len: u32, stand_in: u128) -> Region {
    Region { prefix, len, stand_in: Some(stand_in) }
}

const fn kept(prefix: u128, len: u32) -> Region {
    Region { prefix, len, stand_in: None }
}

const IP4: [Region; 9] = [
    hidden(0, 0, 0xc612_0001),
    kept(0, 8),
    hidden(10, 8, 0x0ac6_1201),
    hidden(0x6440 >> 6, 10, 0x6452_c601),
    kept(127, 8),
    hidden(0xa9fe, 16, 0xa9fe_c601),
    hidden(0xac1, 12, 0xac16_c601),
    hidden(0xc0a8, 16, 0xc0a8_c601),
    kept(0b111, 3),
];

const IP6: [Region; 6] = [
    hidden(0, 0, (0x2001_0db8 << 96) | 1),
    kept(0, 8),
    hidden(0xfd, 8, (0xfd5a_fe00 << 96) | 1),
    hidden(0xfe80 >> 6, 10, (0xfe80 << 112) | 0x5afe_0001),
    kept(0xff, 8),
    // The low bits of a host's own address are in the group that its neighbours ask.
    hidden(0xff_0200_0000_0000_0000_0000_01ff, 104, (0xff02 << 112) | 0x1_ff5a_fe01),
];

const MAC: [Region; 5] =
    [hidden(0, 0, 0x0200_5afe_0001), kept(0, 48), kept(0x01, 8), kept(0x3333, 16), kept(0xffff_ffff_ffff, 48)];

/// Stand-ins of earlier versions, which gave each address one of its own: they stay.
fn is_stand_in(kind: Kind, value: u128) -> bool {
    match kind {
        Kind::Ip4 => value >> 17 == 0xc612 >> 1,
        Kind::Ip6 => value >> 96 == 0x2001_0db8 || value >> 16 == (0xfe80 << 96) | 0x5afe,
        Kind::Mac => false,
    }
}

/// The stand-ins of one recording.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Another attempt has other stand-ins.
    attempt: u32,
    /// Whether the bit after these is turned: kind, how many bits, and they.
    turned: BTreeMap<(Kind, u32, u128), bool>,
    /// What was asked for and what stands for it: networks with their length, and whole addresses.
    given: BTreeMap<(Kind, u32, u128), u128>,
}

impl Addresses {
    pub(super) fn new(attempt: u32) -> Self {
        Self { attempt, ..Self::default() }
    }

    /// How many stand-ins are themselves addresses or networks that were to be hidden.
    pub(super) fn clashes(&self) -> usize {
        if self.given.iter().all(|((_, _, value), stand_in)| value == stand_in) {
            return 0;
        }
        let hidden = |(kind, len, stand_in): (Kind, u32, u128)| self.given.contains_key(&(kind, len, stand_in));
        self.given.iter().filter(|((kind, len, _), stand_in)| hidden((*kind, *len, **stand_in))).count()
    }

    /// What stands for an address.
    pub(super) fn address(&mut self, address: IpAddr) -> IpAddr {
        self.network(address, u32::MAX)
    }

    /// What stands for a network: its first `len` bits; the others are zero.
    pub(super) fn network(&mut self, address: IpAddr, len: u32) -> IpAddr {
        let (kind, value) = number(address);
        made(kind, self.stand_in(kind, value, len))
    }

    /// What stands for the first `len` bits of a number; the others are zero.
    pub(super) fn stand_in(&mut self, kind: Kind, value: u128, len: u32) -> u128 {
        let len = len.min(kind.width());
        // An IPv4 address within one of IPv6: mapped, compatible, or translated.
        let high = value >> 32;
        let embeds = high == 0xffff || high == 0x64_ff9b << 64 || (high == 0 && value > 0xffff);
        if kind == Kind::Ip6 && len > 96 && embeds {
            return high << 32 | self.stand_in(Kind::Ip4, value & 0xffff_ffff, len - 96);
        }
        let mut stand_in = 0;
        let mut free = 0;
        for depth in 0..len {
            let bit = value >> (kind.width() - 1 - depth) & 1;
            let (turned, hidden) = self.turn(kind, depth, value);
            free += u32::from(hidden);
            stand_in = stand_in << 1 | (bit ^ u128::from(turned));
        }
        stand_in = stand_in.checked_shl(kind.width() - len).unwrap_or(0);
        // A network that is one of few says nothing by being itself.
        if free >= 8 && !is_stand_in(kind, value) {
            let value = value & !ones(kind.width() - len);
            self.given.insert((kind, len, value), stand_in);
        }
        stand_in
    }

    /// Is the bit at this depth turned, and might it have been?
    fn turn(&mut self, kind: Kind, depth: u32, value: u128) -> (bool, bool) {
        let path = top(kind, value, depth);
        let on = |region: &&Region| region.len > depth && region.prefix >> (region.len - depth).min(127) == path;
        if kind.regions().iter().any(|region| on(&region)) {
            return (false, false);
        }
        let around = |region: &&Region| region.len <= depth && top(kind, value, region.len) == region.prefix;
        let within = kind.regions().iter().filter(around).max_by_key(|region| region.len);
        let Some(stand_in) = within.and_then(|region| region.stand_in) else { return (false, false) };
        let at = kind.width() - 1 - depth;
        let bit = value >> at & 1 == 1;
        let wanted = if is_stand_in(kind, value) { bit } else { self.shaken(stand_in) >> at & 1 == 1 };
        (*self.turned.entry((kind, depth, path)).or_insert(bit != wanted), true)
    }

    fn shaken(&self, stand_in: u128) -> u128 {
        stand_in ^ u128::from(self.attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)
    }
}

/// So many ones.
pub(super) fn ones(bits: u32) -> u128 {
    1u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1)
}

/// The first bits of a number.
fn top(kind: Kind, value: u128, bits: u32) -> u128 {
    value.checked_shr(kind.width() - bits).unwrap_or(0)
}

/// An address as a number.
pub(super) fn number(address: IpAddr) -> (Kind, u128) {
    match address {
        IpAddr::V4(v4) => (Kind::Ip4, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (Kind::Ip6, v6.to_bits()),
    }
}

/// And back.
pub(super) fn made(kind: Kind, value: u128) -> IpAddr {
    match kind {
        Kind::Ip4 => Ipv4Addr::from_bits(u32::try_from(value).unwrap_or(u32::MAX)).into(),
        Kind::Ip6 | Kind::Mac => Ipv6Addr::from_bits(value).into(),
    }
}

/// How many bits a mask keeps; none when it keeps others than the first.
pub(super) fn mask_len(mask: IpAddr) -> Option<u32> {
    let (kind, value) = number(mask);
    let free = (!value & kind.last()).count_ones();
    (value == kind.last() & !ones(free)).then(|| kind.width() - free)
}

/// The networks that make a range, both ends inclusive: their first address and length.
pub(super) fn networks(kind: Kind, low: u128, high: u128) -> Vec<(u128, u32)> {
    let mut found = Vec::new();
    let mut next = Some(low);
    while let Some(low) = next.filter(|low| *low <= high) {
        let mut free = low.trailing_zeros().min(kind.width());
        while free > 0 && low | ones(free) > high {
            free -= 1;
        }
        found.push((low, kind.width() - free));
        next = (low | ones(free)).checked_add(1);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof};

    use super::*;

    fn addresses() -> impl Strategy<Value = Vec<(bool, u128)>> {
        let near = (0u128..6, any::<u16>()).prop_map(|(net, host)| {
            let nets = [0x0a01_0000, 0x0a02_0000, 0xc0a8_0000, 0x5704_0000, 0x7f00_0000, 0xcb00_0000];
            (false, nets[usize::try_from(net).unwrap()] | u128::from(host))
        });
        let six = (0usize..5, any::<u64>()).prop_map(|(net, host)| {
            let nets = [0xfe80 << 112, 0x2a01_04f8 << 96, 0xfd12_3456_0078 << 80, 0xff02 << 112, 0xffff << 32];
            (true, nets[net] | u128::from(host))
        });
        let any4 = any::<u32>().prop_map(|value| (false, u128::from(value)));
        let any6 = any::<u128>().prop_map(|value| (true, value));
        proptest::collection::vec(prop_oneof![near, six, any4, any6], 1..40)
    }

    fn shared(kind: Kind, one: u128, other: u128) -> u32 {
        ((one ^ other) << (128 - kind.width())).leading_zeros().min(kind.width())
    }

    proptest::proptest! {
        #[test]
        fn whoever_shared_bits_shares_as_many(all in addresses(), attempt in 0u32..3) {
            let mut given = Addresses::new(attempt);
            let all: Vec<(Kind, u128)> =
                all.into_iter().map(|(six, value)| (if six { Kind::Ip6 } else { Kind::Ip4 }, value)).collect();
            let mapped: Vec<u128> = all.iter().map(|(kind, value)| given.stand_in(*kind, *value, 128)).collect();
            for ((kind, one), to) in all.iter().zip(&mapped) {
                prop_assert_eq!(given.stand_in(*kind, *one, 128), *to);
                let net = given.stand_in(*kind, *one, 24);
                prop_assert_eq!(top(*kind, net, 24), top(*kind, *to, 24));
                let (from, to_ip) = (made(*kind, *one), made(*kind, *to));
                prop_assert_eq!(from.is_loopback(), to_ip.is_loopback());
                prop_assert_eq!(from.is_multicast(), to_ip.is_multicast());
                prop_assert_eq!(from.is_unspecified(), to_ip.is_unspecified());
                for ((_, other), other_to) in all.iter().zip(&mapped).filter(|((k, _), _)| k == kind) {
                    // Embedded IPv4 addresses follow theirs.
                    if *kind == Kind::Ip4 || (one >> 96 != 0 && other >> 96 != 0) {
                        prop_assert_eq!(shared(*kind, *one, *other), shared(*kind, *to, *other_to));
                    }
                    prop_assert_eq!(one == other, to == other_to);
                }
            }
        }

        #[test]
        fn networks_make_the_range(one: u32, other: u32) {
            let (low, high) = (u128::from(one.min(other)), u128::from(one.max(other)));
            let mut next = low;
            for (from, len) in networks(Kind::Ip4, low, high) {
                prop_assert_eq!(from, next);
                next = (from | ones(32 - len)) + 1;
            }
            prop_assert_eq!(next, high + 1);
            prop_assert!(networks(Kind::Ip4, high + 1, low).is_empty());
        }
    }

    #[test]
    fn stand_ins_look_like_it() {
        let mut given = Addresses::new(0);
        let mut of = |text: &str| given.address(text.parse().unwrap()).to_string();
        assert_eq!(of("10.1.2.3"), "10.198.18.1");
        assert_eq!(of("10.1.2.4"), "10.198.18.5");
        assert_eq!(of("192.168.1.1"), "192.168.198.1");
        assert_eq!(of("2a01:4f8::7"), "2001:db8::1");
        assert_eq!(of("fe80::b4e1:1"), "fe80::5afe:1");
        assert_eq!(of("fd00:1::5"), "fd5a:fe00::1");
        assert_eq!(of("::ffff:10.1.2.3"), "::ffff:10.198.18.1");
        assert_eq!(of("224.0.0.1"), "224.0.0.1");
        assert_eq!(of("198.18.0.7"), "198.18.0.7");
        assert_eq!(of("255.255.255.0"), "255.255.255.0");
    }

    #[test]
    fn a_stand_in_that_is_anothers_address_clashes() {
        let mut given = Addresses::new(0);
        given.address([10, 1, 2, 3].into());
        assert_eq!(given.clashes(), 0);
        given.address([10, 198, 18, 1].into());
        assert_eq!(given.clashes(), 1);
    }

    #[test]
    fn masks_have_lengths() {
        for (mask, len) in
            [("255.255.0.0", Some(16)), ("0.0.0.0", Some(0)), ("255.0.255.0", None), ("ffff::", Some(16))]
        {
            assert_eq!(mask_len(mask.parse().unwrap()), len, "{mask}");
        }
    }
}
