//! The host the facts were read on.

use serde::{Deserialize, Serialize};

/// Who and what this host is, and what we may do on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Name of the host.
    pub hostname: String,
    /// Kernel boot id, empty when unreadable.
    pub boot_id: String,
    /// When this boot began, seconds since the Unix epoch (0: unknown).
    pub booted_at: u64,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// User we run as.
    pub uid: u32,
    /// Login name of that user, if it has one.
    pub user: Option<String>,
    /// True when systemd is this host's service manager (`/run/systemd/system` exists).
    pub systemd: bool,
    /// What container this is, if one (`systemd-nspawn`, `docker`, ...).
    pub container: Option<String>,
}

/// An address of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAddress {
    /// The address.
    pub address: std::net::IpAddr,
    /// The interface it is on.
    pub interface: String,
    /// Index of that interface.
    pub ifindex: u32,
    /// Interface flag UP.
    pub up: bool,
    /// IPv6 link-local or otherwise not reachable from beyond the link.
    pub link_local: bool,
    /// Length of the network's prefix; 0 where it is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub prefix: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// The addresses of this host, and which one a bare port means.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Addresses {
    /// All of them, loopback included, in the kernel's order.
    pub all: Vec<LocalAddress>,
    /// Interface of the IPv4 default route.
    pub default_interface: Option<String>,
}

impl Addresses {
    /// True when `ip` is an address of this host (all of 127.0.0.0/8 is).
    pub fn holds(&self, ip: std::net::IpAddr) -> bool {
        // ::ffff:10.0.0.5 travels as 10.0.0.5.
        let ip = ip.to_canonical();
        ip.is_loopback() || ip.is_unspecified() || self.all.iter().any(|a| a.address == ip)
    }

    /// The address a bare port or a unit means: IPv4 of the default route's interface, else the first
    /// non-loopback IPv4, else the first non-loopback IPv6 that is not link-local, else 127.0.0.1.
    pub fn primary(&self) -> std::net::IpAddr {
        let outside = || self.all.iter().filter(|a| !a.address.is_loopback() && !a.link_local);
        let on_default = |a: &&LocalAddress| Some(&a.interface) == self.default_interface.as_ref();
        outside()
            .filter(|a| a.address.is_ipv4())
            .find(on_default)
            .or_else(|| outside().find(|a| a.address.is_ipv4()))
            .or_else(|| outside().next())
            .map_or(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), |a| a.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_address() {
        let address = LocalAddress {
            address: [10, 0, 0, 5].into(),
            interface: "eth0".into(),
            ifindex: 2,
            up: true,
            link_local: false,
            prefix: 24,
        };
        let mine = Addresses { all: vec![address], default_interface: None };
        assert!(mine.holds("::ffff:10.0.0.5".parse().unwrap()));
        assert!(mine.holds("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!mine.holds("::ffff:10.0.0.6".parse().unwrap()));
    }
}
