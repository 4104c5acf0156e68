//! What a unit is kept from, out of its properties.

use std::net::IpAddr;

use super::props::Props;
use crate::facts::sandbox::{BindRule, List, Network, Sandbox};

/// System calls without which nobody serves a port. The others of a filter, hundreds often, are not kept.
const NEEDED: [&str; 14] = [
    "socket",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "setsockopt",
    "getsockname",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "epoll_create1",
    "poll",
];

/// Of services, sockets, and the slices they are in.
pub(super) fn of(props: &mut Props, name: &str) -> Option<Box<Sandbox>> {
    let kind = name.rsplit_once('.').map(|(_, kind)| kind)?;
    matches!(kind, "service" | "socket" | "slice").then(|| Box::new(read(props)))
}

fn read(props: &mut Props) -> Sandbox {
    Sandbox {
        families: list(props, "RestrictAddressFamilies"),
        system_calls: list(props, "SystemCallFilter").map(needed),
        bounding: props.take("CapabilityBoundingSet"),
        open_files: props.take("LimitNOFILESoft"),
        protect_system: props.get("ProtectSystem"),
        protect_home: props.get("ProtectHome"),
        private_tmp: props.get("PrivateTmp"),
        read_only: props.get("ReadOnlyPaths"),
        read_write: props.get("ReadWritePaths"),
        inaccessible: props.get("InaccessiblePaths"),
        root: props.text("RootDirectory").or_else(|| props.text("RootImage")).unwrap_or_default(),
        address_deny: networks(props, "IPAddressDeny"),
        address_allow: networks(props, "IPAddressAllow"),
        bind_deny: bind_rules(props, "SocketBindDeny"),
        bind_allow: bind_rules(props, "SocketBindAllow"),
        interfaces: list(props, "RestrictNetworkInterfaces"),
        selinux_context: label(props, "SELinuxContext"),
        apparmor_profile: label(props, "AppArmorProfile"),
        slice: props.get("Slice"),
    }
}

/// A label, and whether one that does not fit is ignored.
fn label(props: &mut Props, name: &str) -> String {
    props.take::<(bool, String)>(name).map(|(_, label)| label).unwrap_or_default()
}

/// Where it is not set systemd tells a list that forbids nothing.
fn list(props: &mut Props, name: &str) -> Option<List> {
    let (allow, names) = props.take::<(bool, Vec<String>)>(name)?;
    (allow || !names.is_empty()).then_some(List { allow, names })
}

fn needed(mut filter: List) -> List {
    filter.names.retain(|name| name.split(':').next().is_some_and(|call| NEEDED.contains(&call)));
    filter
}

fn networks(props: &mut Props, name: &str) -> Vec<Network> {
    let all: Vec<(i32, Vec<u8>, u32)> = props.get(name);
    let address = |bytes: &[u8]| match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    };
    all.iter()
        .filter_map(|(_, bytes, prefix)| {
            Some(Network { address: address(bytes)?, prefix: u8::try_from(*prefix).ok()? })
        })
        .collect()
}

fn bind_rules(props: &mut Props, name: &str) -> Vec<BindRule> {
    const INET: i32 = 2;
    const INET6: i32 = 10;
    let all: Vec<(i32, i32, u16, u16)> = props.get(name);
    let family = |family: i32| match family {
        INET => Some(Some(false)),
        INET6 => Some(Some(true)),
        0 => Some(None),
        _ => None,
    };
    all.iter()
        .filter_map(|(of, protocol, ports, first)| {
            let protocol = u8::try_from(*protocol).ok()?;
            Some(BindRule { v6: family(*of)?, protocol, ports: *ports, first: *first })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use zbus::Variant;

    use super::*;

    #[test]
    fn the_settings_of_a_hardened_unit() {
        let mut props = Props::from_pairs([
            ("RestrictAddressFamilies", Variant::new((true, vec!["AF_UNIX"]))),
            ("SystemCallFilter", Variant::new((false, vec!["bind:EPERM", "reboot"]))),
            ("RestrictNetworkInterfaces", Variant::new((false, Vec::<&str>::new()))),
            ("CapabilityBoundingSet", Variant::new(1u64 << 10)),
            ("ProtectSystem", Variant::new("strict")),
            ("InaccessiblePaths", Variant::new(vec!["-/etc/nginx"])),
            ("IPAddressDeny", Variant::new(vec![(2i32, vec![0u8; 4], 0u32), (10, vec![0u8; 16], 0), (2, vec![1], 8)])),
            ("SocketBindDeny", Variant::new(vec![(0i32, 6i32, 1u16, 80u16), (2, 0, 0, 0), (99, 0, 0, 0)])),
            ("Slice", Variant::new("system.slice")),
        ]);
        let told = of(&mut props, "nginx.service").unwrap();
        assert_eq!(told.families.unwrap().shown(), "AF_UNIX");
        assert_eq!(told.system_calls.unwrap().names, ["bind:EPERM"]);
        assert!(told.interfaces.is_none(), "what forbids nothing is not set");
        let denied: Vec<String> = told.address_deny.iter().map(ToString::to_string).collect();
        assert_eq!(denied, ["0.0.0.0/0", "::/0"]);
        let bind: Vec<String> = told.bind_deny.iter().map(ToString::to_string).collect();
        assert_eq!(bind, ["tcp:80", "ipv4:any"]);
        assert_eq!(told.inaccessible, ["-/etc/nginx"]);
    }

    #[test]
    fn an_old_systemd_and_units_without_processes() {
        assert_eq!(*of(&mut Props::default(), "a.service").unwrap(), Sandbox::default());
        assert!(of(&mut Props::default(), "a.target").is_none());
    }
}
