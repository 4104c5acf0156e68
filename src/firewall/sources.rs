//! A set of sources: addresses of one family, the ports they send from, and sets too big to list that they are in or not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::ruleset::SetId;

/// Sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Their addresses: ranges, both ends inclusive, sorted, neither overlapping nor touching.
    addresses: Vec<(u128, u128)>,
    /// IPv6.
    v6: bool,
    /// Ports they send from, likewise.
    pub ports: Vec<(u16, u16)>,
    /// Interface they come in on.
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

    /// The ranges of addresses, both ends inclusive.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        self.addresses.iter().map(|(low, high)| (self.address(*low), self.address(*high)))
    }

    /// How much of the family's addresses these are, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share is for comparing")]
    pub fn share(&self) -> f64 {
        let all = if self.v6 { u128::MAX } else { u128::from(u32::MAX) } as f64;
        self.addresses.iter().map(|(low, high)| ((high - low) as f64 + 1.0) / (all + 1.0)).sum()
    }

    /// Who they are, for people.
    pub fn words(&self) -> String {
        let ranges: Vec<String> = self.ranges().map(|(low, high)| format!("{low}-{high}")).collect();
        ranges.join(", ")
    }

    fn address(&self, number: u128) -> IpAddr {
        if self.v6 {
            return Ipv6Addr::from(number).into();
        }
        Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into()
    }
}
