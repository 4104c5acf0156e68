//! The flowchart as data: its boxes, their questions and their order on the packet's way.

use serde::{Deserialize, Serialize};

/// A box of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxId {
    /// The symptom itself.
    Connect,
    /// Does the name lead to the right place?
    Name,
    /// Does the service run?
    Service,
    /// Does it listen on the right port and interface?
    Listener,
    /// Does a container publish it?
    Container,
    /// Does the firewall let it in?
    Firewall,
    /// Do SELinux, AppArmor and the systemd sandbox allow it?
    Policy,
    /// Do TCP wrappers allow it?
    Wrappers,
    /// Does the network lead there?
    Network,
}

impl BoxId {
    /// All boxes in the order of the chart.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Name,
        Self::Service,
        Self::Listener,
        Self::Container,
        Self::Firewall,
        Self::Policy,
        Self::Wrappers,
        Self::Network,
    ];

    /// Stable id.
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Name => "name",
            Self::Service => "service",
            Self::Listener => "listener",
            Self::Container => "container",
            Self::Firewall => "firewall",
            Self::Policy => "policy",
            Self::Wrappers => "wrappers",
            Self::Network => "network",
        }
    }

    /// The question the box asks.
    pub fn question(self) -> &'static str {
        match self {
            Self::Connect => "Does it connect?",
            Self::Name => "Name leads there?",
            Self::Service => "Service running?",
            Self::Listener => "Right port, interface?",
            Self::Container => "Container publishes it?",
            Self::Firewall => "Firewall lets it in?",
            Self::Policy => "Policy allows it?",
            Self::Wrappers => "Wrappers allow it?",
            Self::Network => "Network leads there?",
        }
    }

    /// Place on the packet's way, for choosing the culprit: name, network, firewall, container, then listener and
    /// service with policy as one station, then wrappers, then what the program says after connecting.
    pub fn station(self) -> u8 {
        match self {
            Self::Name => 0,
            Self::Network => 1,
            Self::Firewall => 2,
            Self::Container => 3,
            Self::Listener | Self::Service | Self::Policy => 4,
            Self::Wrappers => 5,
            Self::Connect => 6,
        }
    }
}
