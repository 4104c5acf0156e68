//! Where the program that should serve the port, and does not listen now, is going to listen once it runs.

use std::net::IpAddr;

use crate::diagnose::Scene;
use crate::diagnose::serving::{Serving, serving};
use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress};

/// A program that does not listen on the asked port now, and its configuration.
pub(super) struct Planned<'a> {
    /// The program.
    pub(super) serving: Serving<'a>,
    /// Its configuration, where it is a daemon whose configuration is read.
    pub(super) config: Option<&'a DaemonConfig>,
    /// The places it names for the asked port.
    pub(super) listens: Vec<&'a ConfiguredListen>,
}

/// What is to come on a port where nothing listens yet.
pub(super) fn planned<'a>(scene: &Scene<'a, '_>) -> Option<Planned<'a>> {
    let port = scene.subject.port?;
    if !scene.look.listeners(scene.subject.transport, port)?.is_empty() {
        return None;
    }
    let serving = serving(scene.look, scene.subject)?;
    let config = match daemon(&serving) {
        Some(daemon) => config(scene.look.daemon(daemon)?, &serving),
        None => None,
    };
    let listens: Vec<&ConfiguredListen> = match config {
        Some(config) => config.listens.iter().filter(|l| l.port == Some(port)).collect(),
        None => serving.claim.and_then(|c| c.listen.as_ref()).into_iter().collect(),
    };
    Some(Planned { serving, config, listens })
}

fn daemon(serving: &Serving<'_>) -> Option<Daemon> {
    let by_unit = || Daemon::ALL.into_iter().find(|d| serving.unit.is_some_and(|u| d.runs_as(&u.name)));
    serving.claim.and_then(|c| c.daemon).or_else(by_unit)
}

/// The configuration of the unit's own instance, or of one that it starts.
fn config<'a>(configs: &'a [DaemonConfig], serving: &Serving<'_>) -> Option<&'a DaemonConfig> {
    let unit = serving.unit.map(|u| u.name.as_str());
    let own = |c: &&DaemonConfig| c.unit.is_none() || c.unit.as_deref() == unit;
    let pulled = |c: &&DaemonConfig| serving.unit.is_some_and(|u| u.pulls.iter().any(|p| Some(p) == c.unit.as_ref()));
    configs.iter().find(own).or_else(|| configs.iter().find(pulled))
}

impl Planned<'_> {
    /// Its unit is not running.
    pub(super) fn is_stopped(&self) -> bool {
        self.serving.unit.is_some_and(|u| u.exists() && !u.is_running())
    }
}

/// Only this host itself would reach it.
pub(super) fn loopback(listen: &ConfiguredListen) -> bool {
    match &listen.address {
        ListenAddress::Ip(IpAddr::V4(v4)) => v4.is_loopback(),
        ListenAddress::Ip(IpAddr::V6(v6)) => v6.is_loopback(),
        ListenAddress::Name(name) => name == "localhost",
        ListenAddress::Any | ListenAddress::Path(_) => false,
    }
}
