//! Targets.

use super::info::Info;
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::ruleset::xt::{NatRange, Target};

/// Name, revision and size of targets that change the packet or its way of being handled, and decide nothing.
const CHANGES: &[(&str, u32, usize)] = &[
    ("CHECKSUM", 0, 1),
    ("CLASSIFY", 0, 4),
    ("CONNSECMARK", 0, 1),
    ("DSCP", 0, 1),
    ("ECN", 0, 3),
    ("HL", 0, 2),
    ("IDLETIMER", 0, 40),
    ("IDLETIMER", 1, 48),
    ("SECMARK", 0, 264),
    ("SECMARK", 1, 264),
    ("SET", 1, 8),
    ("SET", 2, 16),
    ("TCPMSS", 0, 2),
    ("TCPOPTSTRIP", 0, 32),
    ("TEE", 1, 40),
    ("TOS", 1, 2),
    ("TTL", 0, 2),
];

/// A target. None where the structure is not one that is known.
pub(super) fn decode(name: &str, revision: u32, info: &[u8], family: Family) -> Option<Target> {
    let sized = |size| Info::of(info, size, family);
    match (name, revision) {
        ("REJECT", 0) => reject(sized(4)?),
        ("DNAT", _) => nat(info, revision, family, false).map(Target::Dnat),
        ("SNAT", _) => nat(info, revision, family, false).map(Target::Snat),
        ("NETMAP", 0) => nat(info, 0, family, true).map(Target::Netmap),
        ("REDIRECT", 0) => nat(info, 0, family, true).map(|range| Target::Redirect(range.ports)),
        ("MASQUERADE", 0) => nat(info, 0, family, true).map(|_| Target::Masquerade),
        ("LOG", 0) => log(sized(32)?, 2, 30),
        ("NFLOG", 0) => log(sized(76)?, 12, 64),
        ("AUDIT", 0) => sized(1).map(|_| Target::Log { prefix: None }),
        ("TRACE", 0) => info.is_empty().then_some(Target::Log { prefix: None }),
        ("MARK", 2) => {
            let info = sized(8)?;
            Some(Target::Mark { set: info.u32(0)?, clear: info.u32(4)? })
        }
        ("CONNMARK", 1) => connmark(sized(13)?, 12),
        ("CONNMARK", 2) => {
            let info = sized(15)?;
            // Marks may be shifted while they are copied.
            info.flags(13, 0)?;
            connmark(info, 14)
        }
        ("NOTRACK", 0) => info.is_empty().then_some(Target::Notrack),
        ("CT", 0) => ct(sized(40)?),
        ("CT", 1 | 2) => ct(sized(72)?),
        ("TPROXY", 0) => tproxy(sized(14)?, false),
        ("TPROXY", 1) => tproxy(sized(26)?, true),
        ("NFQUEUE", 0..=3) => queue(sized([2, 4, 6, 6].get(usize::try_from(revision).ok()?).copied()?)?, revision),
        ("SYNPROXY", 0) => sized(4).map(|_| Target::Synproxy),
        ("SET", 3) => set(sized(20)?),
        _ => {
            let (_, _, size) = CHANGES.iter().find(|(n, r, _)| *n == name && *r == revision)?;
            sized(*size).map(|_| Target::Changes { name: name.to_owned() })
        }
    }
}

/// Each family has its own order of answers.
fn reject(info: Info<'_>) -> Option<Target> {
    let with = match (info.family(), info.u32(0)?) {
        (Family::Ip, 0) => RejectWith::Icmp(0),
        (Family::Ip, 1) => RejectWith::Icmp(1),
        (Family::Ip, 2) => RejectWith::Icmp(2),
        (Family::Ip, 3) => RejectWith::Icmp(3),
        (Family::Ip, 5) => RejectWith::Icmp(9),
        (Family::Ip, 6) => RejectWith::Icmp(10),
        (Family::Ip, 8) => RejectWith::Icmp(13),
        (Family::Ip6, 0) => RejectWith::Icmpv6(0),
        (Family::Ip6, 1) => RejectWith::Icmpv6(1),
        (Family::Ip6, 2) => RejectWith::Icmpv6(2),
        (Family::Ip6, 3) => RejectWith::Icmpv6(3),
        (Family::Ip6, 4) => RejectWith::Icmpv6(4),
        (Family::Ip6, 7) => RejectWith::Icmpv6(5),
        (Family::Ip6, 8) => RejectWith::Icmpv6(6),
        (Family::Ip, 7) | (Family::Ip6, 6) => RejectWith::TcpReset,
        _ => return None,
    };
    Some(Target::Reject(with))
}

/// Revision 0 of IPv4 has `struct nf_nat_ipv4_multi_range_compat`; `first` revisions of IPv6 and revision 1 have
/// `struct nf_nat_range`, revision 2 `struct nf_nat_range2`.
fn nat(info: &[u8], revision: u32, family: Family, first: bool) -> Option<NatRange> {
    const ADDRESSES: u32 = 1;
    const PORTS: u32 = 1 << 1;
    const OFFSET: u32 = 1 << 5;
    const KNOWN: u32 = 0x7f;
    let sized = |size| Info::of(info, size, family);
    let (flags, addresses, ports) = match (revision, family) {
        (0, Family::Ip) => {
            let info = sized(20)?;
            if info.u32(0)? != 1 {
                return None;
            }
            (info.u32(4)?, info.v4(8).zip(info.v4(12))?, info.be16(16).zip(info.be16(18))?)
        }
        (0, Family::Ip6) if !first => return None,
        (0, Family::Ip6) | (1, _) => of_range(sized(40)?)?,
        (2, _) => of_range(sized(44)?)?,
        _ => return None,
    };
    if flags & !KNOWN != 0 || flags & OFFSET != 0 {
        return None;
    }
    Some(NatRange {
        addresses: (flags & ADDRESSES != 0).then_some(addresses),
        ports: (flags & PORTS != 0).then_some(ports),
    })
}

type Range = (u32, (std::net::IpAddr, std::net::IpAddr), (u16, u16));

fn of_range(info: Info<'_>) -> Option<Range> {
    Some((info.u32(0)?, info.addresses(4)?, info.be16(36).zip(info.be16(38))?))
}

fn log(info: Info<'_>, at: usize, most: usize) -> Option<Target> {
    Some(Target::Log { prefix: Some(info.text(at, most)?).filter(|prefix| !prefix.is_empty()) })
}

fn connmark(info: Info<'_>, mode_at: usize) -> Option<Target> {
    let (value, mask, packets) = (info.u32(0)?, info.u32(4)?, info.u32(8)?);
    let (save, restore, clear, set) = match info.u8(mode_at)? {
        0 => (false, false, mask, value),
        1 => (true, false, mask, packets),
        2 => (false, true, packets, mask),
        _ => return None,
    };
    Some(Target::Connmark { restore, save, clear, set })
}

fn ct(info: Info<'_>) -> Option<Target> {
    const NOTRACK: u16 = 1;
    const ZONE_OF_MARK: u16 = 0x10;
    const KNOWN: u16 = 0x1f;
    let flags = info.u16(0)?;
    if flags & !KNOWN != 0 {
        return None;
    }
    let zoned = flags & ZONE_OF_MARK != 0 || info.u16(2)? != 0;
    Some(match flags & NOTRACK {
        0 if zoned => Target::Zone,
        0 => Target::Ct,
        _ => Target::Notrack,
    })
}

fn tproxy(info: Info<'_>, any_family: bool) -> Option<Target> {
    let (address, port) = if any_family { (info.address(8)?, info.be16(24)?) } else { (info.v4(8)?, info.be16(12)?) };
    Some(Target::Tproxy {
        address: Some(address).filter(|a| !a.is_unspecified()),
        port,
        clear: info.u32(0)?,
        set: info.u32(4)?,
    })
}

fn queue(info: Info<'_>, revision: u32) -> Option<Target> {
    let bypass = match revision {
        2 => info.u16(4)? != 0,
        3 => match info.u16(4)? {
            flags if flags & !3 == 0 => flags & 1 != 0,
            _ => return None,
        },
        _ => false,
    };
    Some(Target::Queue { number: info.u16(0)?, bypass })
}

/// `--map-set` takes marks from the set, which are not known.
fn set(info: Info<'_>) -> Option<Target> {
    const MAPS: u32 = 0x700;
    (info.u32(12)? & MAPS == 0).then(|| Target::Changes { name: "SET".into() })
}
