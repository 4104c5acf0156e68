//! What systemd keeps a unit from: the settings of systemd.exec(5) and systemd.resource-control(5) that can cost it its
//! port.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The sandbox of a unit, as its manager holds it now. What an old systemd does not know is not set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sandbox {
    /// `RestrictAddressFamilies=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub families: Option<List>,
    /// `SystemCallFilter=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_calls: Option<List>,
    /// `CapabilityBoundingSet=`, as a bit set; none when not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounding: Option<u64>,
    /// `LimitNOFILE=`, the soft limit; none when not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// `ProtectSystem=`: `no`, `yes`, `full`, `strict`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protect_system: String,
    /// `ProtectHome=`: `no`, `yes`, `read-only`, `tmpfs`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protect_home: String,
    /// `PrivateTmp=`.
    #[serde(skip_serializing_if = "is_no")]
    pub private_tmp: bool,
    /// `ReadOnlyPaths=`, each as it is written, `-` and `+` included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
    /// `ReadWritePaths=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_write: Vec<String>,
    /// `InaccessiblePaths=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inaccessible: Vec<String>,
    /// `RootDirectory=`, or else `RootImage=`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// `IPAddressDeny=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub address_deny: Vec<Network>,
    /// `IPAddressAllow=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub address_allow: Vec<Network>,
    /// `SocketBindDeny=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bind_deny: Vec<BindRule>,
    /// `SocketBindAllow=`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bind_allow: Vec<BindRule>,
    /// `RestrictNetworkInterfaces=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<List>,
    /// `SELinuxContext=`: what it runs as, whatever the label of its program says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selinux_context: String,
    /// `AppArmorProfile=`: what confines it, whatever profile is for its program.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apparmor_profile: String,
    /// The slice it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub slice: String,
}

/// A setting that names what is allowed, or what is not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct List {
    /// True: only these; false: all but these.
    pub allow: bool,
    /// What it names; system call groups (`@system-service`) as their calls.
    pub names: Vec<String>,
}

impl List {
    /// Does it let this pass?
    pub fn passes(&self, name: &str) -> bool {
        // A system call may carry the error it then gets: `bind:EPERM`.
        let named = self.names.iter().any(|n| n.split(':').next() == Some(name));
        named == self.allow
    }

    /// As it is written in a unit file.
    pub fn shown(&self) -> String {
        let not = if self.allow { "" } else { "~" };
        match self.names.as_slice() {
            [] => "none".into(),
            [first, second, third, _, more @ ..] if !more.is_empty() => {
                format!("{not}{first} {second} {third} and {} more", more.len() + 1)
            }
            names => format!("{not}{}", names.join(" ")),
        }
    }
}

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its address.
    pub address: IpAddr,
    /// Bits of it that count.
    pub prefix: u8,
}

impl Network {
    /// Is this address in it?
    pub fn holds(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => same(net.to_bits().into(), ip.to_bits().into(), 32, self.prefix),
            (IpAddr::V6(net), IpAddr::V6(ip)) => same(net.to_bits(), ip.to_bits(), 128, self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Do two addresses of so many bits begin with the same ones?
fn same(a: u128, b: u128, bits: u8, prefix: u8) -> bool {
    let rest = u32::from(bits.saturating_sub(prefix));
    a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// An entry of `SocketBindAllow=` or `SocketBindDeny=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindRule {
    /// IPv6 (true), IPv4 (false), or both.
    pub v6: Option<bool>,
    /// Number of the protocol, 0 for all.
    pub protocol: u8,
    /// How many ports from `first` on, 0 for all ports.
    pub ports: u16,
    /// The first port.
    pub first: u16,
}

impl BindRule {
    /// Is it about binding this?
    pub fn fits(&self, v6: bool, protocol: u8, port: u16) -> bool {
        let ports = self.ports == 0 || port.checked_sub(self.first).is_some_and(|past| past < self.ports);
        self.v6.is_none_or(|wants| wants == v6) && (self.protocol == 0 || self.protocol == protocol) && ports
    }
}

impl std::fmt::Display for BindRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(v6) = self.v6 {
            f.write_str(if v6 { "ipv6:" } else { "ipv4:" })?;
        }
        match self.protocol {
            0 => {}
            6 => f.write_str("tcp:")?,
            17 => f.write_str("udp:")?,
            other => write!(f, "{other}:")?,
        }
        match self.ports {
            0 => f.write_str("any"),
            1 => write!(f, "{}", self.first),
            ports => write!(f, "{}-{}", self.first, self.first.saturating_add(ports - 1)),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_no(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_allow_or_forbid() {
        let list = |allow, names: &[&str]| List { allow, names: names.iter().map(|n| (*n).to_owned()).collect() };
        assert!(list(true, &["AF_UNIX"]).passes("AF_UNIX") && !list(true, &["AF_UNIX"]).passes("AF_INET"));
        assert!(!list(false, &["bind:EPERM"]).passes("bind") && list(false, &["bind"]).passes("listen"));
        assert_eq!(list(true, &[]).shown(), "none");
        assert_eq!(list(false, &["a", "b", "c", "d", "e"]).shown(), "~a b c and 2 more");
    }

    #[test]
    fn networks_hold_addresses_of_their_family() {
        let net = |text: &str, prefix| Network { address: text.parse().unwrap(), prefix };
        let holds = |network: Network, ip: &str| network.holds(ip.parse().unwrap());
        assert!(holds(net("10.0.0.0", 8), "10.1.2.3") && holds(net("10.0.0.0", 8), "::ffff:10.1.2.3"));
        assert!(!holds(net("10.0.0.0", 8), "11.1.2.3") && !holds(net("0.0.0.0", 0), "::1"));
        assert!(holds(net("0.0.0.0", 0), "1.2.3.4") && holds(net("::", 0), "fe80::1"));
        assert!(holds(net("::1", 128), "::1") && !holds(net("::1", 128), "::2"));
        assert!(!holds(net("10.0.0.0", 255), "10.0.0.1"));
    }

    #[test]
    fn bind_rules_as_systemd_writes_them() {
        let rule = |v6, protocol, ports, first| BindRule { v6, protocol, ports, first };
        assert_eq!(rule(Some(false), 6, 1, 80).to_string(), "ipv4:tcp:80");
        assert_eq!(rule(None, 0, 0, 0).to_string(), "any");
        assert_eq!(rule(None, 17, 10, 65530).to_string(), "udp:65530-65535");
        assert!(rule(None, 6, 2, 80).fits(true, 6, 81) && !rule(None, 6, 2, 80).fits(true, 6, 82));
        assert!(!rule(Some(true), 0, 0, 0).fits(false, 6, 80) && !rule(None, 17, 0, 0).fits(false, 6, 80));
    }
}
