//! What the firewall managers of a host know: firewalld, ufw, fail2ban, and the files rules are loaded from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// firewalld, over D-Bus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Firewalld {
    /// Zone of interfaces and sources that are in no other.
    pub default_zone: String,
    /// Everything is dropped (`--panic-on`).
    pub panic: bool,
    /// Zones in use, as they hold now.
    pub zones: Vec<Zone>,
    /// The same zones as they will hold after a reload; none where they may not be read.
    pub permanent: Option<Vec<Zone>>,
    /// What the services named in these zones open, by name.
    pub services: BTreeMap<String, Vec<PortRange>>,
}

/// A zone of firewalld.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// Name.
    pub name: String,
    /// `default`, `ACCEPT`, `%%REJECT%%` or `DROP`.
    pub target: String,
    /// Interfaces in it.
    pub interfaces: Vec<String>,
    /// Source addresses, networks and ipsets in it.
    pub sources: Vec<String>,
    /// Services it lets in.
    pub services: Vec<String>,
    /// Ports it lets in.
    pub ports: Vec<PortRange>,
    /// Rich rules, as firewall-cmd prints them.
    pub rich_rules: Vec<String>,
    /// Ports it forwards, as firewall-cmd prints them.
    pub forward_ports: Vec<String>,
}

/// Ports of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRange {
    /// `tcp`, `udp` ...
    pub protocol: String,
    /// First and last, inclusive.
    pub ports: (u16, u16),
}

/// ufw, from its files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ufw {
    /// `ENABLED=yes`.
    pub enabled: bool,
    /// Default for what comes in: `allow`, `deny` or `reject`.
    pub incoming: String,
    /// Default for what goes out.
    pub outgoing: String,
    /// Default for what is routed.
    pub routed: String,
    /// `IPV6=yes`.
    pub ipv6: bool,
    /// User rules in order.
    pub rules: Vec<UfwRule>,
}

/// A rule of ufw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UfwRule {
    /// `allow`, `deny`, `reject` or `limit`.
    pub action: String,
    /// For what passes through this host: its words start with `ufw route`.
    #[serde(default)]
    pub routed: bool,
    /// The words of `ufw` that make it, without the action: `in on eth0 from 10.0.0.0/8 to any port 80 proto tcp`.
    pub spec: String,
    /// Its number in `ufw status numbered`, from 1.
    pub number: u32,
    /// True for a rule of IPv6.
    pub v6: bool,
    /// File it is in.
    pub file: String,
    /// Line of its `### tuple ###`.
    pub line: u32,
}

/// The jails of fail2ban.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fail2ban {
    /// Jails.
    pub jails: Vec<Jail>,
}

/// A jail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Jail {
    /// Name.
    pub name: String,
    /// Addresses banned now, with when the ban ends in milliseconds since the Unix epoch (none: never, or not known).
    pub banned: Vec<(IpAddr, Option<u64>)>,
}

/// A file that rules are loaded from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFile {
    /// Path.
    pub path: String,
    /// What reads it: `nft` or `iptables-restore`.
    pub format: RuleFormat,
    /// Its text, raw, as far as it was read.
    pub text: String,
}

/// What reads a file of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleFormat {
    /// `nft -f`.
    Nft,
    /// `iptables-restore`.
    Iptables,
    /// `ip6tables-restore`.
    Ip6tables,
}
