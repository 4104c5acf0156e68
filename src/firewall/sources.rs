//! A set of sources: addresses of one family, the ports they send from, and sets too big to list that they are in or not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ranges::Ranges;
use crate::facts::ruleset::SetId;
use crate::text::line;

/// Sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Their addresses: ranges, both ends inclusive, sorted, neither overlapping nor touching.
    addresses: Vec<(u128, u128)>,
    /// IPv6.
    v6: bool,
    /// Ports they send from, likewise.
    pub ports: Vec<(u16, u16)>,
    /// Interface they come in on, where that tells them from others.
    pub interface: Option<String>,
    /// Sets that were not listed: they are in it, or not.
    pub members: Vec<(SetId, bool)>,
}

impl Sources {
    /// Everybody.
    pub fn all(v6: bool) -> Self {
        let last = if v6 { u128::MAX } else { u128::from(u32::MAX) };
        Self { addresses: vec![(0, last)], v6, ports: vec![(0, u16::MAX)], interface: None, members: Vec::new() }
    }

    /// These.
    pub(super) fn new(
        addresses: &Ranges,
        v6: bool,
        ports: &Ranges,
        interface: Option<String>,
        members: Vec<(SetId, bool)>,
    ) -> Self {
        let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
        let ports = ports.iter().map(|(low, high)| (port(low), port(high))).collect();
        Self { addresses: addresses.iter().collect(), v6, ports, interface, members }
    }

    /// The ranges of addresses, both ends inclusive.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        self.addresses.iter().map(|(low, high)| (self.address(*low), self.address(*high)))
    }

    /// Is there a source in both? Sets that were not listed may have the same members.
    pub fn overlaps(&self, other: &Self) -> bool {
        fn meet<T: Ord>(mut one: &[(T, T)], mut other: &[(T, T)]) -> bool {
            // Both are sorted: what ends before the other begins is left behind.
            while let ([(low, high), rest @ ..], [(from, to), others @ ..]) = (one, other) {
                if high < from {
                    one = rest;
                } else if to < low {
                    other = others;
                } else {
                    return true;
                }
            }
            false
        }
        let contrary = self.members.iter().any(|(set, is)| other.members.contains(&(set.clone(), !is)));
        self.v6 == other.v6 && !contrary && meet(&self.addresses, &other.addresses) && meet(&self.ports, &other.ports)
    }

    /// All of IPv6, not IPv4.
    pub fn is_ipv6(&self) -> bool {
        self.v6
    }

    /// Do their addresses and ports hold this one? Whether it is a member of sets is not looked at.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        if address.is_ipv6() != self.v6 {
            return false;
        }
        let number = super::way::number_of(address);
        let after = self.addresses.partition_point(|(low, _)| *low <= number);
        let holds = after.checked_sub(1).and_then(|at| self.addresses.get(at)).is_some_and(|(_, high)| *high >= number);
        holds && self.ports.iter().any(|(low, high)| (*low..=*high).contains(&port))
    }

    /// All addresses of the family from all ports, whatever sets they are in.
    pub fn is_everyone(&self) -> bool {
        *self == Self::all(self.v6)
    }

    /// Any port.
    pub fn any_port(&self) -> bool {
        self.ports == [(0, u16::MAX)]
    }

    /// How much of all addresses of the family they are, from 0 to 1; ports and sets are not looked at.
    pub fn share(&self) -> f64 {
        let last = if self.v6 { u128::MAX } else { u128::from(u32::MAX) };
        share(&self.addresses, last)
    }

    /// Their addresses as networks.
    pub fn cidrs(&self) -> Vec<(IpAddr, u8)> {
        let mut found = Vec::new();
        for (low, high) in &self.addresses {
            networks(*low, *high, |number, prefix| found.push((self.address(number), self.prefix(prefix))));
        }
        found
    }

    /// Who they are, for people: `everyone`, `everyone but 10.0.0.0/8`, `10.72.0.1`, `members of @blocklist`.
    pub fn words(&self) -> String {
        let mut words = self.address_words();
        for (set, is) in &self.members {
            let member = format!("members of @{}", line(&set.name));
            words = match (words.as_str(), is) {
                ("everyone", true) => member,
                ("everyone", false) => format!("everyone but {member}"),
                (_, true) => format!("{words}, if {member}"),
                (_, false) if words.starts_with("everyone but ") => format!("{words} and {member}"),
                (_, false) => format!("{words}, but not {member}"),
            };
        }
        if !self.any_port() {
            let port = |(low, high): &(u16, u16)| if low == high { low.to_string() } else { format!("{low}-{high}") };
            words = format!("{words} from port {}", listed(self.ports.iter().map(port), self.ports.len()));
        }
        if let Some(interface) = &self.interface {
            words = format!("{words} on {}", line(interface));
        }
        words
    }

    fn address_words(&self) -> String {
        let last = if self.v6 { u128::MAX } else { u128::from(u32::MAX) };
        if self.share() <= 0.5 {
            let shown = self.addresses.iter().map(|range| self.range_words(*range));
            return listed(shown, self.addresses.len());
        }
        // What is left out is the shorter list.
        let mut left = Vec::new();
        let mut next = Some(0);
        for (low, high) in &self.addresses {
            if let Some(from) = next.filter(|from| from < low) {
                left.push((from, low.saturating_sub(1)));
            }
            next = high.checked_add(1).filter(|next| *next <= last);
        }
        left.extend(next.map(|from| (from, last)));
        if left.is_empty() {
            return "everyone".into();
        }
        format!("everyone but {}", listed(left.iter().map(|range| self.range_words(*range)), left.len()))
    }

    /// An address, a network, or the ends of a range.
    fn range_words(&self, (low, high): (u128, u128)) -> String {
        if low == high {
            return self.address(low).to_string();
        }
        let mut found = Vec::new();
        networks(low, high, |number, free| found.push((number, free)));
        match found.as_slice() {
            [(number, free)] => format!("{}/{}", self.address(*number), self.prefix(*free)),
            _ => format!("{}-{}", self.address(low), self.address(high)),
        }
    }

    /// A prefix of 128 bits as one of the family's.
    fn prefix(&self, free: u32) -> u8 {
        let width: u32 = if self.v6 { 128 } else { 32 };
        u8::try_from(width.saturating_sub(free)).unwrap_or(0)
    }

    fn address(&self, number: u128) -> IpAddr {
        if self.v6 {
            return Ipv6Addr::from(number).into();
        }
        Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into()
    }
}

/// The first few, and how many more there are.
fn listed(mut items: impl Iterator<Item = String>, len: usize) -> String {
    let mut shown: Vec<String> = items.by_ref().take(if len <= 4 { 4 } else { 3 }).collect();
    let more = len.saturating_sub(shown.len());
    if more > 0 {
        return format!("{} and {} more", shown.join(", "), grouped(more));
    }
    match shown.pop() {
        Some(last) if shown.is_empty() => last,
        Some(last) => format!("{} and {last}", shown.join(", ")),
        None => "nobody".into(),
    }
}

/// 12000 as `12,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[expect(clippy::cast_precision_loss, reason = "a share to show")]
fn share(ranges: &[(u128, u128)], last: u128) -> f64 {
    ranges.iter().map(|(low, high)| ((high - low) as f64 + 1.0) / (last as f64 + 1.0)).sum()
}

/// The networks that make a range: first address, and how many bits are free in it.
fn networks(mut low: u128, high: u128, mut found: impl FnMut(u128, u32)) {
    loop {
        let mut free = low.trailing_zeros().min(128);
        let size = |free: u32| 1u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
        while free > 0 && low.checked_add(size(free)).is_none_or(|end| end > high) {
            free -= 1;
        }
        found(low, free);
        match low.checked_add(size(free)).and_then(|end| end.checked_add(1)) {
            Some(next) if next <= high => low = next,
            Some(_) | None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[(&str, &str)]) -> Sources {
        let number = |text: &str| super::super::way::number_of(text.parse().unwrap());
        let ranges: Ranges = ranges.iter().map(|(low, high)| (number(low), number(high))).collect();
        Sources::new(&ranges, false, &Ranges::one(0, 65535), None, Vec::new())
    }

    #[test]
    fn sources_have_words() {
        assert_eq!(Sources::all(false).words(), "everyone");
        assert_eq!(of(&[("10.0.0.0", "10.255.255.255")]).words(), "10.0.0.0/8");
        assert_eq!(of(&[("10.72.0.1", "10.72.0.1")]).words(), "10.72.0.1");
        assert_eq!(of(&[("10.0.0.1", "10.0.0.9"), ("10.1.0.0", "10.1.0.0")]).words(), "10.0.0.1-10.0.0.9 and 10.1.0.0");
        let but = of(&[("0.0.0.0", "9.255.255.255"), ("11.0.0.0", "192.0.2.6"), ("192.0.2.8", "255.255.255.255")]);
        assert_eq!(but.words(), "everyone but 10.0.0.0/8 and 192.0.2.7");
        let many: Ranges = (0..12_003u128).map(|n| (n * 2, n * 2)).collect();
        let many = Sources::new(&many, false, &Ranges::one(0, 1023), Some("eth0".into()), Vec::new());
        assert_eq!(many.words(), "0.0.0.0, 0.0.0.2, 0.0.0.4 and 12,000 more from port 0-1023 on eth0");
    }

    #[test]
    fn ranges_are_networks() {
        let all: Vec<String> =
            of(&[("10.0.0.1", "10.0.0.9")]).cidrs().iter().map(|(a, p)| format!("{a}/{p}")).collect();
        assert_eq!(all, ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31"]);
        assert_eq!(Sources::all(false).cidrs(), [([0, 0, 0, 0].into(), 0)]);
        assert_eq!(Sources::all(true).cidrs(), [([0u16; 8].into(), 0)]);
    }
}
