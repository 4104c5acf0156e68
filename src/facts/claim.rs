//! Who on this host is meant to serve a port, and how we know.

use serde::{Deserialize, Serialize};

use super::daemon::{ConfiguredListen, Daemon, Origin};

/// A program that is meant to serve the port, most trusted evidence first in a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The unit that would run it, where one is known. It need not exist (a service known only from /etc/services).
    pub unit: Option<String>,
    /// The daemon, where it is one whose configuration we read.
    pub daemon: Option<Daemon>,
    /// Name for people (`nginx`, `postgresql`).
    pub program: String,
    /// How we know.
    pub source: ClaimSource,
    /// Where it stands.
    pub origin: Option<Origin>,
    /// The listen directive of the daemon that matched, if it came from a configuration.
    pub listen: Option<ConfiguredListen>,
}

/// How a claim is known, in the order of trust (best first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimSource {
    /// A service unit's command line or environment names the port.
    UnitFile,
    /// A socket unit listens on it.
    SocketUnit,
    /// The daemon's own configuration names it.
    Config,
    /// The daemon's built-in default port.
    DefaultPort,
    /// /etc/services and the well-known package for it.
    EtcServices,
}

/// Everything known about who should serve one port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// The claims, best first.
    pub claims: Vec<Claim>,
    /// Name of the port in /etc/services.
    pub service_name: Option<String>,
}
