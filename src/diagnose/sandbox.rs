//! The systemd sandbox around what listens: the settings of its unit and of the slices that the unit is in.

use std::net::IpAddr;

use super::look::Look;
use super::serving::socket_unit;
use super::subject::{Asker, Subject};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::sandbox::{List, Network, Sandbox};
use crate::facts::unit::Unit;

/// More slices than anybody nests.
const DEEPEST: usize = 16;

/// A unit or slice and what it is kept from.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Whose setting it is.
    pub unit: &'a Unit,
    /// The settings.
    pub sandbox: &'a Sandbox,
}

/// What keeps clients from a unit that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar<'a> {
    /// Whose setting it is: the unit itself, or a slice.
    pub by: &'a str,
    /// The setting, as in a unit file (`IPAddressDeny=0.0.0.0/0`).
    pub setting: String,
    /// Its kind.
    pub kind: BarKind,
    /// Does it do what it says on this host?
    pub effect: Effect,
}

/// Which setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// `IPAddressDeny=`
    Address,
    /// `RestrictNetworkInterfaces=`
    Interface,
}

/// Whether a setting that a BPF program carries out does what it says: a kernel or a container may not have those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Yes,
    /// It does not: a connection that it forbids was made.
    No,
    /// It cannot be told: systemd says nothing when it does without.
    Unknown,
}

/// The unit and the slices around it, innermost first. None: not known (yet), or a recording of before.
pub fn layers<'a>(look: &Look<'a>, unit: &'a Unit) -> Option<Vec<Layer<'a>>> {
    let mut layers = vec![Layer { unit, sandbox: unit.sandbox.as_deref()? }];
    for _ in 0..DEEPEST {
        let slice = layers.last().map_or("", |layer| layer.sandbox.slice.as_str());
        if slice.is_empty() {
            break;
        }
        let unit = look.unit(slice)?;
        layers.push(Layer { unit, sandbox: unit.sandbox.as_deref()? });
    }
    Some(layers)
}

/// The unit whose socket takes the diagnosed address. None: no unit's does, or it is not known (yet).
pub fn taking<'a>(look: &Look<'a>, subject: &Subject) -> Option<&'a Unit> {
    let (address, port) = (subject.address()?, subject.port?);
    let listener = look.listeners(subject.transport, port)?.iter().find(|l| l.takes(address))?;
    let owner = look.owner(listener)?;
    if owner.is_systemd() { socket_unit(look, listener) } else { look.unit(owner.system_unit()?) }
}

/// What keeps the asked client from the unit that listens. None: nothing does, or it is not known (yet).
pub fn bar<'a>(look: &Look<'a>, subject: &Subject, dial: &Dial) -> Option<Bar<'a>> {
    if subject.local != Some(true) || subject.path.is_some() {
        return None;
    }
    let unit = taking(look, subject)?;
    let layers = layers(look, unit)?;
    let own = dial.source.map(|at| at.ip());
    let asks = match subject.from {
        Asker::Any => None,
        Asker::Address(address) => Some(address),
        Asker::Here => own,
    };
    let v6 = subject.address()?.to_canonical().is_ipv6();
    if let Some((layer, network)) = denied(&layers, asks, v6) {
        let of_own = own.and_then(|own| denied(&layers, Some(own), v6)).is_some();
        let effect = match dial.outcome {
            Outcome::Open | Outcome::Closed | Outcome::Reset | Outcome::Refused if of_own => Effect::No,
            Outcome::Timeout if of_own => Effect::Yes,
            Outcome::Open
            | Outcome::Closed
            | Outcome::Reset
            | Outcome::Refused
            | Outcome::Timeout
            | Outcome::Unreachable
            | Outcome::Denied
            | Outcome::Unresolved
            | Outcome::Silent
            | Outcome::Error => by_host(look, unit)?,
        };
        let by = layer.unit.name.as_str();
        return Some(Bar { by, setting: format!("IPAddressDeny={network}"), kind: BarKind::Address, effect });
    }
    let (layer, list) = off_interface(look, subject, &layers)?;
    let (by, setting) = (layer.unit.name.as_str(), format!("RestrictNetworkInterfaces={}", list.shown()));
    Some(Bar { by, setting, kind: BarKind::Interface, effect: by_host(look, unit)? })
}

/// What the asked side gets, once what keeps it out is considered. None: not known (yet).
pub(super) fn outcome(look: &Look<'_>, subject: &Subject, dial: &Dial, outcome: Outcome) -> Option<Outcome> {
    if outcome != Outcome::Open || subject.from == Asker::Here {
        return Some(outcome);
    }
    let (found, missing) = look.noting(|| bar(look, subject, dial));
    if found.is_none() && (missing.open || !missing.blind.is_empty()) {
        look.also_missing(&missing);
        return None;
    }
    Some(if found.is_some_and(|bar| bar.effect == Effect::Yes) { Outcome::Timeout } else { outcome })
}

/// The network that holds this client, where it is denied and no list allows it. For any client: a denial of all.
fn denied<'a>(layers: &[Layer<'a>], client: Option<IpAddr>, v6: bool) -> Option<(Layer<'a>, Network)> {
    let holds = |network: &Network| match client {
        Some(ip) => network.holds(ip),
        None => network.prefix == 0 && network.address.is_ipv6() == v6,
    };
    if layers.iter().flat_map(|layer| &layer.sandbox.address_allow).any(holds) {
        return None;
    }
    layers.iter().find_map(|layer| Some((*layer, *layer.sandbox.address_deny.iter().find(|n| holds(n))?)))
}

/// The setting that keeps the unit from the interface that the client comes in by.
fn off_interface<'a>(look: &Look<'a>, subject: &Subject, layers: &[Layer<'a>]) -> Option<(Layer<'a>, &'a List)> {
    let set = || layers.iter().filter_map(|layer| Some((*layer, layer.sandbox.interfaces.as_ref()?)));
    set().next()?;
    let address = subject.address()?;
    let mine = look.addresses()?;
    let interface = match subject.from {
        Asker::Here => "lo",
        Asker::Any | Asker::Address(_) => &mine.all.iter().find(|a| a.address == address)?.interface,
    };
    set().find(|(_, list)| !list.passes(interface))
}

/// Where no attempt of ours shows it: a container often may not load the programs, and old control groups take none.
fn by_host(look: &Look<'_>, unit: &Unit) -> Option<Effect> {
    let host = look.host()?;
    Some(if host.container.is_some() || unit.cgroup_id.is_none() { Effect::Unknown } else { Effect::Yes })
}
