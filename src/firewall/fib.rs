//! What the routing table says of an address in the packet.

use super::bytes::constant;
use super::load::{Loaded, padded};
use super::ranges::Ranges;
use super::rule::{Step, Task, Then};
use super::split::{Cond, Region};
use super::strand::Address;
use super::walker::Walker;
use super::way::number_of;
use crate::facts::ruleset::expr::FibResult;

/// `NFTA_FIB_F_*`.
const OF_SOURCE: u32 = 1;
const PRESENT: u32 = 32;

/// `RTN_*`.
pub(super) const UNICAST: u32 = 1;
pub(super) const LOCAL: u32 = 2;
pub(super) const BROADCAST: u32 = 3;
pub(super) const MULTICAST: u32 = 5;

impl Walker<'_> {
    /// `fib`.
    pub(super) fn fib(&mut self, result: FibResult, flags: u32, to: u8, task: &mut Task) -> Step {
        let state = &task.strand.state;
        let of_source = flags & OF_SOURCE != 0;
        let address = if of_source { state.source.address } else { state.destination.address };
        let input = state.input.clone();
        match result {
            FibResult::AddrType => self.type_of(address, to),
            FibResult::Oif | FibResult::Oifname if of_source && !state.reply => {
                // Sources come in on the interface their answers leave by.
                let Some(device) = input else { return self.doubtful("it depends on the routing table") };
                if flags & PRESENT != 0 {
                    return Self::loaded(to, Loaded::Bytes(constant(&[1])), task);
                }
                if result == FibResult::Oifname {
                    return Self::loaded(to, Loaded::Bytes(padded(&device.name)), task);
                }
                let bytes = match self.link(&device) {
                    Ok(link) => constant(&link.index.to_ne_bytes()),
                    Err(doubt) => return Step::Do(Then::Doubt(doubt)),
                };
                Self::loaded(to, Loaded::Bytes(bytes), task)
            }
            FibResult::Oif | FibResult::Oifname | FibResult::Other(_) => {
                let bytes = self.blank("it depends on the routing table", 16);
                Self::loaded(to, Loaded::Bytes(bytes), task)
            }
        }
    }

    /// Type of an address: for the client's, by source.
    fn type_of(&mut self, address: Address, to: u8) -> Step {
        let kind = |kind: u32| Then::Load(to, constant(&kind.to_ne_bytes()));
        match address {
            Address::Fixed(address) => {
                let number = number_of(address);
                let found = self.address_types().into_iter().find(|(_, ranges)| ranges.contains(number));
                Step::Do(kind(found.map_or(UNICAST, |(kind, _)| kind)))
            }
            Address::Client => {
                let choice = |(number, ranges)| {
                    (Cond::within(Region { addresses: Some(ranges), ..Region::default() }), kind(number))
                };
                Step::Choose(self.address_types().into_iter().map(choice).collect(), kind(UNICAST))
            }
            Address::Unknown(doubt) => Step::Do(Then::Doubt(doubt)),
        }
    }

    /// Addresses that are not simply somebody else's, with their types.
    pub(super) fn address_types(&self) -> Vec<(u32, Ranges)> {
        let of_family = self.addresses.all.iter().filter(|a| a.address.is_ipv6() == self.v6);
        let mut local: Ranges = of_family.clone().map(|a| (number_of(a.address), number_of(a.address))).collect();
        if self.v6 {
            local.insert(1, 1);
            return vec![(LOCAL, local), (MULTICAST, Ranges::one(0xff << 120, u128::MAX))];
        }
        local.insert(0x7f00_0000, 0x7fff_ffff);
        let mut broadcast = Ranges::one(0xffff_ffff, 0xffff_ffff);
        for a in of_family.filter(|a| a.prefix > 0 && a.prefix < 31 && !a.address.is_loopback()) {
            let last = number_of(a.address) | (0xffff_ffff >> a.prefix);
            broadcast.insert(last, last);
        }
        vec![(LOCAL, local), (BROADCAST, broadcast), (MULTICAST, Ranges::one(0xe000_0000, 0xefff_ffff))]
    }
}
