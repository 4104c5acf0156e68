//! The address a service could not bind because this host did not have it.

use std::net::IpAddr;

use super::failed_bind::{FailedBind, Said, failed_and_missed};
use crate::diagnose::Scene;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::daemon::{Daemon, DaemonConfig, ListenAddress, Origin};

/// A unit that could not bind an address, and whether this host has it now.
pub(super) struct AddressFailure<'a> {
    /// The unit and its failure.
    pub(super) failed: FailedBind<'a>,
    /// The address.
    pub(super) address: IpAddr,
    /// This host has it now.
    pub(super) here: bool,
    /// Where it is configured, if that is known.
    pub(super) origin: Option<&'a Origin>,
}

/// The units that should serve the port and failed for want of an address.
pub(super) fn address_failures<'a>(scene: &Scene<'a, '_>) -> impl Iterator<Item = AddressFailure<'a>> {
    failed_and_missed(scene, Said::AddressNotAvailable).into_iter().filter_map(|failed| address_failure(scene, failed))
}

fn address_failure<'a>(scene: &Scene<'a, '_>, failed: FailedBind<'a>) -> Option<AddressFailure<'a>> {
    if !failed.why_told && failed.ip.is_none() {
        return None;
    }
    let mine = scene.look.addresses()?;
    let has = |ip: IpAddr| {
        mine.all.iter().any(|a| a.address == ip) || ip.is_unspecified() || (ip.is_ipv4() && ip.is_loopback())
    };
    let places = places(scene, &failed);
    let wanted = failed.ip.or_else(|| {
        // The message named none: the one this host lacks, else the only one that could have been meant.
        let all = || places.iter().map(|(ip, _)| *ip).filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
        all().find(|ip| !has(*ip)).or_else(|| all().next())
    })?;
    let origin = places.iter().find(|(ip, _)| *ip == wanted).and_then(|(_, origin)| *origin);
    let here = has(wanted);
    (failed.why_told || !here).then_some(AddressFailure { failed, address: wanted, here, origin })
}

fn places<'a>(scene: &Scene<'a, '_>, failed: &FailedBind<'_>) -> Vec<(IpAddr, Option<&'a Origin>)> {
    let name = failed.unit.name.as_str();
    let Some(daemon) = Daemon::ALL.into_iter().find(|d| d.runs_as(name)) else { return Vec::new() };
    let own = |c: &&DaemonConfig| c.unit.as_deref().is_none_or(|unit| unit == name);
    let configs = scene.look.daemon(daemon).unwrap_or_default().iter().filter(own);
    configs
        .flat_map(|c| &c.listens)
        .filter_map(|l| match l.address {
            ListenAddress::Ip(ip) => Some((ip, l.address_set_by.as_ref())),
            ListenAddress::Any | ListenAddress::Name(_) | ListenAddress::Path(_) => None,
        })
        .collect()
}

impl AddressFailure<'_> {
    /// The line that configures the address.
    pub(super) fn configured(&self) -> Option<Evidence> {
        let origin = self.origin?;
        let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
        Some(Evidence::new("config", format!("{origin} says {}", origin.text), see))
    }
}
