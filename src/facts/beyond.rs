//! What a daemon's configuration says beyond where it listens: whom it serves, and whom it asks itself.

use serde::{Deserialize, Serialize};

use super::daemon::{ListenAddress, Origin};
use super::routing::Prefix;

/// What one instance of a daemon says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Beyond {
    /// Settings that decide about clients. Never a secret: of a password only that there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Servers that a proxy asks for its answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
    /// The lines of pg_hba.conf about TCP clients, in order; none where it could not be read or understood, or is no
    /// matter of this daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hba: Option<Vec<HbaLine>>,
    /// Where that file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hba_file: Option<String>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name, in lower case.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The line that sets it.
    pub by: Origin,
}

/// A server that a proxy passes requests on to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Ports of the proxy whose requests go there; none where any may.
    pub ports: Vec<u16>,
    /// Names that the requests are for; none where any.
    pub names: Vec<String>,
    /// What their paths begin with.
    pub path: String,
    /// HTTP or the like is spoken; else bytes are passed on as they come.
    pub http: bool,
    /// Where they go.
    pub to: ListenAddress,
    /// To which port; none for a unix socket.
    pub port: Option<u16>,
    /// What the configuration calls the group or the server (`app/web1`).
    pub name: String,
    /// The line that says so.
    pub by: Origin,
}

/// A line of pg_hba.conf about clients that come over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HbaLine {
    /// With and without TLS or GSSAPI (`host`, not `hostssl` and its kin), for every database and user.
    pub everyone: bool,
    /// Its clients.
    pub clients: HbaClients,
    /// `scram-sha-256`, `reject` ...
    pub method: String,
    /// Where it stands; of its text no names of databases, users and hosts, and no options of its method.
    pub by: Origin,
}

/// Clients that a line of pg_hba.conf is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HbaClients {
    /// `all`.
    All,
    /// `samehost`: this host's own addresses.
    SameHost,
    /// `samenet`: the networks of this host's addresses.
    SameNet,
    /// A network.
    Net(Prefix),
    /// Hosts by name, or a network that no prefix tells.
    Other,
}

impl Beyond {
    /// It says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A setting by its name in lower case.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}
