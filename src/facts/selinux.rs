//! What SELinux says about a program and a port.

use serde::{Deserialize, Serialize};

use super::reading::Reading;

/// Whether SELinux forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The host is configured for it, and the kernel runs without.
    #[default]
    Off,
    /// It only notes what it would forbid.
    Permissive,
    /// It forbids.
    Enforcing,
}

/// SELinux on a host that has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Selinux {
    /// Whether it forbids; where it does not, nothing else was looked at.
    pub mode: Mode,
    /// What the program runs as, or would.
    pub domain: Reading<Domain>,
    /// What the loaded policy says about the port.
    pub port: Reading<PortRule>,
    /// Switches of the policy that are about this domain and the network, with what they are set to.
    pub booleans: Vec<(String, bool)>,
    /// The label of the program's file and the one that it should have, where they differ.
    pub mislabelled: Option<(String, String)>,
    /// When the policy was last built, milliseconds since the Unix epoch; 0: unknown.
    pub policy_changed_ms: u64,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Domain {
    /// Its context: `system_u:system_r:httpd_t:s0`.
    pub context: String,
    /// A process has it; else it is what a new one would get.
    pub of_process: bool,
    /// What is denied to this one domain is only noted.
    pub permissive: bool,
}

/// A port in the policy, and a domain's rights to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "rights, and whether it is noted that each is denied")]
pub struct PortRule {
    /// Its type: `unreserved_port_t`.
    pub kind: String,
    /// First and last port of the entry that gives it that type; none: no entry does.
    pub range: Option<(u16, u16)>,
    /// The domain may bind it.
    pub bind: bool,
    /// A line in the audit tells when it is denied that; a `dontaudit` rule keeps it silent.
    pub bind_logged: bool,
    /// The domain may connect to it.
    pub connect: bool,
    /// A line in the audit tells when it is denied that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connect_logged: bool,
    /// Port types that the domain may bind.
    pub bindable: Vec<PortType>,
    /// Port types that the domain may connect to, where it may not connect to this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connectable: Vec<PortType>,
    /// Switches of the policy each of which alone would let the domain connect to it: its own first, then those that open
    /// least.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<Opening>,
}

/// A switch of the policy that would allow something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Opening {
    /// Its name: `httpd_can_network_connect`.
    pub name: String,
    /// What it would have to be set to.
    pub on: bool,
    /// How many types of ports it opens for the domain.
    pub kinds: usize,
}

/// A type of ports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PortType {
    /// Its name: `http_port_t`.
    pub name: String,
    /// First and last port of each of its entries.
    pub ports: Vec<(u16, u16)>,
}

impl Domain {
    /// Its type: `httpd_t`.
    pub fn name(&self) -> &str {
        super::denial::type_of(&self.context).unwrap_or(&self.context)
    }
}

impl PortType {
    /// The port has this type.
    pub fn holds(&self, port: u16) -> bool {
        self.ports.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }
}
