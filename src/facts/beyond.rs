//! What a daemon's configuration says beyond where it listens: whom it serves, and whom it asks itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::daemon::{ListenAddress, Origin};

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
    /// The lines of pg_hba.conf, in order; none where there is no such file or it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hba: Option<Vec<HbaLine>>,
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

/// A line of pg_hba.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HbaLine {
    /// `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc` or `hostnogssenc`.
    pub kind: String,
    /// Databases, as they stand.
    pub databases: String,
    /// Users, as they stand.
    pub users: String,
    /// Clients; none for `local`.
    pub clients: Option<HbaClients>,
    /// `scram-sha-256`, `reject` ...
    pub method: String,
    /// Where it stands; its text without the options of its method, which may be secret.
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
    /// A network, with its prefix length in bits.
    Net(IpAddr, u8),
    /// A network that no prefix length tells, or a host by its name; as it stands.
    Other(String),
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
