//! What the routing table says of an address in the packet.

use super::bytes::{Byte, DoubtId, constant};
use super::load::{Loaded, padded, sides};
use super::ranges::Ranges;
use super::rule::{Step, Task, Then};
use super::split::{Cond, Region};
use super::strand::{Address, Device};
use super::walker::{Frame, Walker};
use super::way::{device, number_of};
use crate::facts::route::{Route, RouteKey, RouteKind};
use crate::facts::ruleset::expr::FibResult;

/// `NFTA_FIB_F_*`.
const OF_SOURCE: u32 = 1;
const OF_INPUT: u32 = 8;
const OF_OUTPUT: u32 = 16;
const PRESENT: u32 = 32;

/// `RTN_*`.
pub(super) const UNICAST: u32 = 1;
pub(super) const LOCAL: u32 = 2;
const BROADCAST: u32 = 3;
pub(super) const MULTICAST: u32 = 5;
pub(super) const UNSPEC: u32 = 0;
pub(super) const ANYCAST: u32 = 4;
pub(super) const UNREACHABLE: u32 = 7;
pub(super) const PROHIBIT: u32 = 8;

impl Walker<'_> {
    /// `fib`.
    pub(super) fn fib(
        &mut self,
        frame: &Frame<'_>,
        result: FibResult,
        (flags, to): (u32, u8),
        task: &mut Task,
    ) -> Step {
        let state = &task.strand.state;
        let of_source = flags & OF_SOURCE != 0;
        let address = if of_source { state.source.address } else { state.destination.address };
        let input = state.input.clone();
        match result {
            FibResult::AddrType => {
                let (input, output) = sides(frame, state);
                let on = if flags & OF_INPUT != 0 { input } else { output.filter(|_| flags & OF_OUTPUT != 0) };
                self.type_of(address, on, to)
            }
            FibResult::Oif | FibResult::Oifname => {
                let over_lo = input.as_ref().is_some_and(|device| &*device.name == "lo");
                let asks = !state.reply && address == state.connection.original.0.address;
                let way = if of_source && (asks || over_lo) {
                    // Clients come in on the interface their answers leave by, and over lo none is looked up.
                    input.map(Some).ok_or_else(|| self.why("it depends on the routing table"))
                } else {
                    let (input, output) = sides(frame, state);
                    let on = if flags & OF_INPUT != 0 { input } else { output.filter(|_| flags & OF_OUTPUT != 0) };
                    self.way_to(address, on.cloned().as_ref())
                };
                self.interface_of(way, result, flags & PRESENT != 0, (to, task))
            }
            FibResult::Other(_) => {
                let bytes = self.blank("it depends on the routing table", 16);
                Self::loaded(to, Loaded::Bytes(bytes), task)
            }
        }
    }

    /// The interface that leads to an address, if it is this one (or none is asked for); none leads to this host itself.
    fn way_to(&mut self, address: Address, on: Option<&Device>) -> Result<Option<Device>, DoubtId> {
        let to = match address {
            Address::Fixed(to) => to,
            Address::Client => return Err(self.why("it depends on the routing table")),
            Address::Unknown(doubt) => return Err(doubt),
        };
        match self.known.route(&RouteKey { to, from: None, input: None, mark: 0 }) {
            Ok(Route { kind: RouteKind::Unicast, interface: Some(name), .. }) => {
                Ok(Some(device(name)).filter(|found| on.is_none_or(|on| on.name == found.name)))
            }
            Ok(_) => Ok(None),
            Err(missing) => Err(self.missing(&missing, "the way to an address")),
        }
    }

    /// Loads an interface that the routing table gave, or that there is one.
    fn interface_of(
        &mut self,
        way: Result<Option<Device>, DoubtId>,
        result: FibResult,
        present: bool,
        (to, task): (u8, &mut Task),
    ) -> Step {
        let named = result == FibResult::Oifname;
        let bytes = match way {
            Err(doubt) => vec![Byte::unknown(doubt); if present { 1 } else { 16 }],
            Ok(found) if present => constant(&[u8::from(found.is_some())]),
            Ok(None) if named => padded(""),
            Ok(None) => constant(&[0; 4]),
            Ok(Some(device)) if named => padded(&device.name),
            Ok(Some(device)) => match self.link(&device) {
                Ok(link) => constant(&link.index.to_ne_bytes()),
                Err(doubt) => return Step::Do(Then::Doubt(doubt)),
            },
        };
        Self::loaded(to, Loaded::Bytes(bytes), task)
    }

    /// Type of an address: for the client's, by source.
    fn type_of(&mut self, address: Address, on: Option<&Device>, to: u8) -> Step {
        let kind = |kind: u32| Then::Load(to, constant(&kind.to_ne_bytes()));
        match address {
            Address::Fixed(address) => {
                let number = number_of(address);
                let found = self.address_types(on).into_iter().find(|(_, ranges)| ranges.contains(number));
                Step::Do(kind(found.map_or(UNICAST, |(kind, _)| kind)))
            }
            Address::Client => {
                let choice = |(number, ranges)| {
                    (Cond::within(Region { addresses: Some(ranges), ..Region::default() }), kind(number))
                };
                Step::Choose(self.address_types(on).into_iter().map(choice).collect(), kind(UNICAST))
            }
            Address::Unknown(doubt) => Step::Do(Then::Doubt(doubt)),
        }
    }

    /// Addresses that are not simply somebody else's, with their types; with an interface, as it knows them: those that
    /// are on another are somebody else's to it.
    pub(super) fn address_types(&self, on: Option<&Device>) -> Vec<(u32, Ranges)> {
        let lo = on.is_none_or(|device| &*device.name == "lo");
        let there = |interface: &str| on.is_none_or(|device| &*device.name == interface);
        let all = self.addresses.all.iter();
        let of_family = all.filter(|a| a.address.is_ipv6() == self.v6 && there(&a.interface));
        let mut local: Ranges = of_family.clone().map(|a| (number_of(a.address), number_of(a.address))).collect();
        if self.v6 {
            if lo {
                local.insert(1, 1);
            }
            return vec![(LOCAL, local), (MULTICAST, Ranges::one(0xff << 120, u128::MAX))];
        }
        if lo {
            local.insert(0x7f00_0000, 0x7fff_ffff);
        }
        let mut broadcast = Ranges::one(0xffff_ffff, 0xffff_ffff);
        for a in of_family.filter(|a| a.prefix > 0 && a.prefix < 31 && !a.address.is_loopback()) {
            let last = number_of(a.address) | (0xffff_ffff >> a.prefix);
            broadcast.insert(last, last);
        }
        vec![(LOCAL, local), (BROADCAST, broadcast), (MULTICAST, Ranges::one(0xe000_0000, 0xefff_ffff))]
    }
}
