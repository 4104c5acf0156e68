//! What the causes of the systemd sandbox share: the unit that failed by it, and the drop-ins that loosen it.

use super::super::Found;
use super::super::service::common::{failed_by, found_failed};
use crate::diagnose::Scene;
use crate::diagnose::failure::{Failure, FailureKind};
use crate::diagnose::sandbox::{Bar, BarKind};
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::sandbox::Sandbox;
use crate::facts::unit::Unit;
use crate::fixes::unit::with_drop_in;
use crate::fixes::{Plan, Risk, Scope};

/// A unit whose last start failed in a way that its sandbox explains.
pub(super) struct Confined<'a> {
    pub(super) unit: &'a Unit,
    pub(super) sandbox: &'a Sandbox,
    pub(super) failure: Failure,
}

/// The unit that should serve and failed like this, where its settings are known.
pub(super) fn confined<'a>(scene: &Scene<'a, '_>, fits: impl FnOnce(&FailureKind) -> bool) -> Option<Confined<'a>> {
    let (unit, failure, ()) = failed_by(scene, |kind| fits(kind).then_some(()))?;
    Some(Confined { unit, sandbox: unit.sandbox.as_deref()?, failure })
}

impl Confined<'_> {
    /// A finding: the failure first, then the setting that explains it.
    pub(super) fn found(&self, scene: &Scene<'_, '_>, setting: &str, summary: String) -> Found {
        let mut found = found_failed(scene, self.unit, &self.failure, summary);
        let at = found.evidence.len().min(1);
        found.evidence.insert(at, set(&self.unit.name, setting));
        found
    }

    /// The words of the failure.
    pub(super) fn message(&self) -> &str {
        self.failure.entry.as_ref().map_or("", |entry| entry.message.as_str())
    }

    /// A plan that loosens the unit with a drop-in.
    pub(super) fn loosened(&self, id: &str, title: String, tag: &str, lines: &str) -> Plan {
        let plan = Plan::new(id, title)
            .risk(Risk::Medium)
            .warn(format!("somebody hardened {} on purpose: this takes a part of that back", self.unit.name));
        with_drop_in(plan, self.unit, tag, &format!("[Service]\n{lines}\n"))
    }
}

/// A setting of a unit, with the command that shows it.
pub(super) fn set(unit: &str, setting: &str) -> Evidence {
    let (name, _) = setting.split_once('=').unwrap_or((setting, ""));
    Evidence::new("systemd", format!("{unit}: {setting}"), format!("systemctl show -p {name} {}", arg(unit)))
}

/// A plan that takes a bar away.
pub(super) fn unbarred(unit: &Unit, bar: &Bar<'_>, id: &str, title: String, line: &str) -> Plan {
    let plan = Plan::new(id, title)
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .warn(format!("somebody keeps {} to itself on purpose: ask why first", bar.by));
    let section = match unit.name.rsplit_once('.') {
        Some((_, "socket")) => "Socket",
        Some((_, "slice")) => "Slice",
        _ => "Service",
    };
    with_drop_in(
        plan,
        unit,
        if bar.kind == BarKind::Address { "addresses" } else { "interfaces" },
        &format!("[{section}]\n{line}\n"),
    )
}
