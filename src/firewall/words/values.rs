//! Values as nft writes them: addresses, ports, marks, names of states and protocols.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Names;

/// What a value is, which decides how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IPv4 address.
    Ip4,
    /// IPv6 address.
    Ip6,
    /// Link-layer address.
    Ether,
    /// Number.
    Number,
    /// Number written in hexadecimal.
    Hex,
    /// Mark.
    Mark,
    /// Protocol number.
    Protocol,
    /// Ethertype.
    EtherType,
    /// Protocol family.
    Nfproto,
    /// Interface by name.
    Name,
    /// Interface by index.
    Index,
    /// State of a connection.
    CtState,
    /// Status of a connection.
    CtStatus,
    /// Direction of a connection.
    CtDirection,
    /// Kind of packet.
    Pkttype,
    /// Type of an address by the routing table.
    FibType,
    /// Flags of TCP.
    TcpFlags,
    /// Type of ICMP.
    IcmpType,
    /// Type of ICMPv6.
    Icmpv6Type,
    /// There or not.
    Exists,
}

/// Protocols above IP, as Debian's /etc/protocols has them.
const PROTOCOLS: &[(u32, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (89, "ospf"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (132, "sctp"),
    (136, "udplite"),
];

/// Types of ICMP.
const ICMP_TYPES: &[(u32, &str)] = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];

/// Types of ICMPv6.
const ICMPV6_TYPES: &[(u32, &str)] = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];

/// `RTN_*` of <linux/rtnetlink.h>.
const ADDRESS_TYPES: &[(u32, &str)] = &[
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];

impl Kind {
    /// Of several bits, each with its name.
    pub(super) fn flags(self) -> Option<&'static [(u32, &'static str)]> {
        Some(match self {
            Self::CtState => &[(1, "invalid"), (8, "new"), (2, "established"), (4, "related"), (64, "untracked")],
            Self::CtStatus => &[
                (1, "expected"),
                (2, "seen-reply"),
                (4, "assured"),
                (8, "confirmed"),
                (16, "snat"),
                (32, "dnat"),
                (512, "dying"),
            ],
            Self::TcpFlags => {
                &[(1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"), (128, "cwr")]
            }
            _ => return None,
        })
    }

    /// Written as a prefix where it is one.
    pub(super) fn has_prefixes(self) -> bool {
        matches!(self, Self::Ip4 | Self::Ip6 | Self::Ether)
    }

    fn names(self) -> &'static [(u32, &'static str)] {
        match self {
            Self::Protocol => PROTOCOLS,
            Self::EtherType => {
                &[(0x0800, "ip"), (0x0806, "arp"), (0x86dd, "ip6"), (0x8100, "8021q"), (0x88a8, "8021ad")]
            }
            Self::Nfproto => &[(2, "ipv4"), (10, "ipv6")],
            Self::CtDirection => &[(0, "original"), (1, "reply")],
            Self::Pkttype => &[(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "other")],
            Self::FibType => ADDRESS_TYPES,
            Self::IcmpType => ICMP_TYPES,
            Self::Icmpv6Type => ICMPV6_TYPES,
            Self::Exists => &[(0, "missing"), (1, "exists")],
            _ => &[],
        }
    }
}

/// A number from its bytes; none where it is longer than 16 bytes.
pub(super) fn number(bytes: &[u8], host_order: bool) -> Option<u128> {
    if bytes.len() > 16 {
        return None;
    }
    let fold = |sum: u128, byte: &u8| (sum << 8) | u128::from(*byte);
    Some(if host_order && cfg!(target_endian = "little") {
        bytes.iter().rev().fold(0, fold)
    } else {
        bytes.iter().fold(0, fold)
    })
}

/// A value in words.
pub(super) fn say(kind: Kind, bytes: &[u8], host_order: bool, names: &dyn Names) -> String {
    let raw = || format!("0x{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat());
    match kind {
        Kind::Ip4 => <[u8; 4]>::try_from(bytes).map_or_else(|_| raw(), |b| Ipv4Addr::from(b).to_string()),
        Kind::Ip6 => <[u8; 16]>::try_from(bytes).map_or_else(|_| raw(), |b| Ipv6Addr::from(b).to_string()),
        Kind::Ether => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"),
        Kind::Name => interface(bytes),
        _ => {
            let Some(value) = number(bytes, host_order) else { return raw() };
            of_number(kind, value, bytes.len(), names)
        }
    }
}

/// A number in words; `size` in bytes.
fn of_number(kind: Kind, value: u128, size: usize, names: &dyn Names) -> String {
    let small = u32::try_from(value).ok();
    let known = small.and_then(|v| kind.names().iter().find(|(n, _)| *n == v));
    if let Some((_, name)) = known {
        return (*name).to_owned();
    }
    match kind {
        Kind::Mark => format!("0x{value:08x}"),
        Kind::Hex => format!("0x{value:0width$x}", width = size * 2),
        Kind::EtherType => format!("0x{value:04x}"),
        Kind::Index => {
            let name = small.and_then(|index| names.interface(index));
            name.map_or_else(|| value.to_string(), |name| format!("\"{name}\""))
        }
        _ => small.and_then(|v| flags(kind, v)).unwrap_or_else(|| value.to_string()),
    }
}

/// The names of bits; none where one has no name, or no bit is set.
pub(super) fn flags(kind: Kind, value: u32) -> Option<String> {
    let known = kind.flags()?;
    let all = known.iter().fold(0, |sum, (bit, _)| sum | bit);
    if value == 0 || value & !all != 0 {
        return None;
    }
    let set = known.iter().filter(|(bit, _)| value & bit != 0).map(|(_, name)| *name);
    Some(set.collect::<Vec<_>>().join(","))
}

/// An interface's name, with a `*` where only its beginning is compared.
fn interface(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0);
    let name = String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()).into_owned();
    let rest = if end.is_none() && bytes.len() < 16 { "*" } else { "" };
    let name = if rest.is_empty() && name.ends_with('*') { format!("{}\\*", name.trim_end_matches('*')) } else { name };
    format!("\"{name}{rest}\"")
}

/// How many leading bits of a mask are set; none where others follow.
pub(super) fn prefix_len(mask: &[u8]) -> Option<usize> {
    let value = number(mask, false)?;
    let bits = u32::try_from(mask.len()).ok()? * 8;
    let aligned = if bits == 0 { 0 } else { value << (128 - bits) };
    let ones = aligned.leading_ones();
    (aligned.count_ones() == ones).then(|| usize::try_from(ones).ok()).flatten()
}

/// From one value to another, both inclusive: one value, a prefix, or a range.
pub(super) fn span(kind: Kind, from: &[u8], to: &[u8], host_order: bool, names: &dyn Names) -> String {
    let first = say(kind, from, host_order, names);
    if from == to {
        return first;
    }
    if kind == Kind::Name {
        // The beginning of a name: from `eth` followed by zeros to `eth` followed by ones.
        let same = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let begin = from.get(..same).unwrap_or_default();
        return say(kind, begin, host_order, names);
    }
    let differ: Vec<u8> = from.iter().zip(to).map(|(a, b)| !(a ^ b)).collect();
    let whole = from.iter().zip(to).zip(&differ).all(|((a, b), same)| a & !same == 0 && b | same == 0xff);
    match prefix_len(&differ) {
        Some(length) if kind.has_prefixes() && whole => format!("{first}/{length}"),
        _ => format!("{first}-{}", say(kind, to, host_order, names)),
    }
}
