//! A unit that should serve the port and failed because it could not bind.

use std::net::{IpAddr, SocketAddr};

use crate::diagnose::Scene;
use crate::diagnose::failure::{self, Failure, FailureKind, first_failure};
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::unit::Unit;

/// A unit that could not bind.
pub(in crate::diagnose::causes) struct FailedBind<'a> {
    /// The unit.
    pub(in crate::diagnose::causes) unit: &'a Unit,
    /// Its failure.
    pub(in crate::diagnose::causes) failure: Failure,
    /// The address it wanted, where the message names one.
    pub(in crate::diagnose::causes) ip: Option<IpAddr>,
    /// The port, likewise; the asked one otherwise.
    pub(in crate::diagnose::causes) port: u16,
    /// False where the daemon only said that it could not bind.
    pub(in crate::diagnose::causes) why_told: bool,
}

/// What the failure said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::diagnose::causes) enum Said {
    /// EADDRINUSE.
    AddressInUse,
    /// EADDRNOTAVAIL.
    AddressNotAvailable,
    /// EACCES or EPERM.
    BindDenied,
    /// EAFNOSUPPORT.
    FamilyUnsupported,
}

impl Said {
    /// The address in a failure of this kind. Where a daemon does not say why it could not bind, each may be meant,
    /// and the facts about the address decide.
    fn address(self, kind: &FailureKind) -> Option<&Option<String>> {
        match (self, kind) {
            (Self::AddressInUse, FailureKind::AddressInUse { address } | FailureKind::BindFailed { address })
            | (
                Self::AddressNotAvailable,
                FailureKind::AddressNotAvailable { address } | FailureKind::BindFailed { address },
            )
            | (Self::BindDenied, FailureKind::BindDenied { address } | FailureKind::BindFailed { address })
            | (Self::FamilyUnsupported, FailureKind::FamilyUnsupported { address }) => Some(address),
            _ => None,
        }
    }
}

/// The units meant for the port that are down, or start over and over, because of such a failure.
pub(in crate::diagnose::causes) fn failed_binds<'a>(scene: &Scene<'a, '_>, said: Said) -> Vec<FailedBind<'a>> {
    let Some(asked) = scene.subject.port else { return Vec::new() };
    let failed = |unit: &'a Unit| {
        let failure = first_failure(scene.look, unit)?;
        let text = said.address(&failure.kind)?.clone();
        let (ip, port) = text.as_deref().map_or((None, None), parse);
        let why_told = !matches!(failure.kind, FailureKind::BindFailed { .. });
        Some(FailedBind { unit, failure, ip, port: port.unwrap_or(asked), why_told })
    };
    units(scene).unwrap_or_default().into_iter().filter_map(failed).collect()
}

/// The same, where nobody else took the address that was asked.
pub(in crate::diagnose::causes) fn failed_and_missed<'a>(scene: &Scene<'a, '_>, said: Said) -> Vec<FailedBind<'a>> {
    let taken = || {
        let (address, port) = (scene.subject.address()?, scene.subject.port?);
        Some(scene.look.listeners(scene.subject.transport, port)?.iter().any(|l| l.takes(address)))
    };
    if taken() == Some(false) { failed_binds(scene, said) } else { Vec::new() }
}

/// The units meant for the port that do not run. None: not known (yet).
fn units<'a>(scene: &Scene<'a, '_>) -> Option<Vec<&'a Unit>> {
    let subject = scene.subject;
    if subject.local != Some(true) {
        return None;
    }
    let names: Vec<&str> = if let Some(name) = &subject.unit {
        vec![name.as_str()]
    } else {
        let claims = scene.look.claims(subject.transport, subject.port?)?;
        claims.claims.iter().filter_map(|claim| claim.unit.as_deref()).collect()
    };
    let mut units: Vec<&Unit> = Vec::new();
    for name in names {
        let unit = scene.look.unit(name)?;
        units.push(unit);
    }
    // The instance behind a wrapper (postgresql.service) is found where nobody listens.
    units.extend(serving(scene.look, subject).and_then(|s| s.unit));
    let mut seen: Vec<&str> = Vec::new();
    units.retain(|unit| {
        let new = !seen.contains(&unit.name.as_str());
        seen.push(&unit.name);
        new && unit.exists() && matches!(unit.active_state.as_str(), "failed" | "activating" | "inactive")
    });
    Some(units)
}

impl FailedBind<'_> {
    /// What the journal says, or the failure itself where no line was kept.
    pub(in crate::diagnose::causes) fn evidence(&self) -> Evidence {
        if let Some(entry) = &self.failure.entry {
            return failure::evidence(self.unit, entry);
        }
        let see = format!("systemctl status {}", arg(&self.unit.name));
        Evidence::new("systemd", format!("{} is {}", self.unit.name, self.unit.shown_state()), see)
    }
}

/// The address and port of a message: `0.0.0.0:80`, `[::]:80`, `10.9.9.9`, `*:80`, `:80`.
fn parse(text: &str) -> (Option<IpAddr>, Option<u16>) {
    if let Ok(at) = text.parse::<SocketAddr>() {
        return (Some(at.ip()), Some(at.port()));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return (Some(ip), None);
    }
    match text.rsplit_once(':') {
        Some((ip, port)) => (ip.trim_matches(['[', ']']).parse().ok(), port.parse().ok()),
        None => (None, text.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn addresses_as_daemons_print_them() {
        let ip = |text: &str| Some(text.parse().unwrap());
        assert_eq!(parse("0.0.0.0:80"), (ip("0.0.0.0"), Some(80)));
        assert_eq!(parse("[::]:80"), (ip("::"), Some(80)));
        assert_eq!(parse("10.9.9.9"), (ip("10.9.9.9"), None));
        assert_eq!(parse("::1"), (ip("::1"), None));
        assert_eq!(parse(":::80"), (ip("::"), Some(80)));
        assert_eq!(parse("*:80"), (None, Some(80)));
        assert_eq!(parse("80"), (None, Some(80)));
        assert_eq!(parse("localhost"), (None, None));
    }
}
