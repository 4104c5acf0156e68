//! Services of xinetd, as its configuration tells them.

use serde::{Deserialize, Serialize};

use super::daemon::Origin;

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct XinetdService {
    /// Its name, mostly one of /etc/services.
    pub name: String,
    /// Its port, where the configuration or /etc/services says one.
    pub port: Option<u16>,
    /// It is turned off.
    pub disabled: bool,
    /// The program it starts.
    pub server: Option<String>,
    /// Who may connect; none: everybody. An empty list: nobody.
    pub only_from: Option<AccessList>,
    /// Who may not.
    pub no_access: Option<AccessList>,
}

/// A list of clients, and the line that says it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessList {
    /// Addresses, networks and names as they are written.
    pub entries: Vec<String>,
    /// Where it is said.
    pub set_by: Origin,
}
