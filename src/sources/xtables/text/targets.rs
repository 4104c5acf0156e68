//! Targets by their options.

use std::net::IpAddr;

use super::options::{Options, address, masked, network, number, number_16, range};
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::RejectWith;
use crate::facts::ruleset::xt::{NatRange, Target};

/// Targets that change the packet or its way of being handled, and decide nothing.
const CHANGES: &[&str] = &[
    "CHECKSUM",
    "CLASSIFY",
    "CONNSECMARK",
    "DSCP",
    "ECN",
    "HL",
    "IDLETIMER",
    "LED",
    "RATEEST",
    "SECMARK",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TTL",
];

/// How one of several new addresses and ports is chosen.
const CHOSEN: &[(&str, usize)] = &[("--random", 0), ("--random-fully", 0), ("--persistent", 0)];

/// A target; none of them is gone to.
pub(super) fn of(options: Options, goto: bool) -> Target {
    let kept = options.clone();
    decode(options).filter(|_| !goto).unwrap_or_else(|| other(kept))
}

/// A target that is not known, with its words.
pub(super) fn other(options: Options) -> Target {
    let info = options.words().into_bytes();
    Target::Other { name: options.name, revision: 0, info }
}

fn decode(mut o: Options) -> Option<Target> {
    let o = &mut o;
    let name = o.name.clone();
    let found = match name.as_str() {
        "REJECT" => reject(o)?,
        "DNAT" => Target::Dnat(nat(o, "--to-destination")?),
        "SNAT" => Target::Snat(nat(o, "--to-source")?),
        "REDIRECT" => {
            o.pass_over(CHOSEN)?;
            Target::Redirect(o.plain("--to-ports", port_range)?)
        }
        "MASQUERADE" => {
            o.pass_over(CHOSEN)?;
            o.pass_over(&[("--to-ports", 1)])?;
            Target::Masquerade
        }
        "NETMAP" => netmap(o)?,
        "LOG" => return log(o, "--log-prefix"),
        "NFLOG" => return log(o, "--nflog-prefix"),
        "ULOG" => return log(o, "--ulog-prefix"),
        "AUDIT" | "TRACE" => return Some(Target::Log { prefix: None }),
        "MARK" => mark(o)?,
        "CONNMARK" => connmark(o)?,
        "NOTRACK" => Target::Notrack,
        "CT" => return ct(o),
        "TPROXY" => tproxy(o)?,
        "NFQUEUE" => queue(o)?,
        "SYNPROXY" => return Some(Target::Synproxy),
        // Marks that come from a set are not known.
        "SET" if o.take("--map-set").is_some() => return None,
        _ if name == "SET" || CHANGES.contains(&name.as_str()) => return Some(Target::Changes { name }),
        _ => return None,
    };
    o.done(found)
}

fn reject(o: &mut Options) -> Option<Target> {
    let family = o.family;
    let with = o.plain("--reject-with", |text| answer(text, family))?;
    let default = if family == Family::Ip6 { RejectWith::Icmpv6(4) } else { RejectWith::Icmp(3) };
    Some(Target::Reject(with.unwrap_or(default)))
}

fn answer(text: &str, family: Family) -> Option<RejectWith> {
    let with = match (family, text) {
        (_, "tcp-reset") => RejectWith::TcpReset,
        (Family::Ip, "icmp-net-unreachable") => RejectWith::Icmp(0),
        (Family::Ip, "icmp-host-unreachable") => RejectWith::Icmp(1),
        (Family::Ip, "icmp-proto-unreachable") => RejectWith::Icmp(2),
        (Family::Ip, "icmp-port-unreachable") => RejectWith::Icmp(3),
        (Family::Ip, "icmp-net-prohibited") => RejectWith::Icmp(9),
        (Family::Ip, "icmp-host-prohibited") => RejectWith::Icmp(10),
        (Family::Ip, "icmp-admin-prohibited") => RejectWith::Icmp(13),
        (Family::Ip6, "icmp6-no-route") => RejectWith::Icmpv6(0),
        (Family::Ip6, "icmp6-adm-prohibited") => RejectWith::Icmpv6(1),
        (Family::Ip6, "icmp6-addr-unreachable") => RejectWith::Icmpv6(3),
        (Family::Ip6, "icmp6-port-unreachable") => RejectWith::Icmpv6(4),
        (Family::Ip6, "icmp6-policy-fail") => RejectWith::Icmpv6(5),
        (Family::Ip6, "icmp6-reject-route") => RejectWith::Icmpv6(6),
        _ => return None,
    };
    Some(with)
}

/// `80`, `80-90`.
fn port_range(text: &str) -> Option<(u16, u16)> {
    range(text, '-', number_16)
}

fn nat(o: &mut Options, name: &str) -> Option<NatRange> {
    o.pass_over(CHOSEN)?;
    let family = o.family;
    o.plain(name, |text| nat_range(text, family))?
}

/// `10.0.0.2`, `10.0.0.2-10.0.0.9:80-90`, `:80`; with IPv6, ports follow brackets.
fn nat_range(text: &str, family: Family) -> Option<NatRange> {
    let (addresses, ports) = if family == Family::Ip6 {
        match text.strip_prefix('[') {
            Some(inside) => inside.split_once("]:").map(|(addresses, ports)| (addresses, Some(ports)))?,
            None => match text.strip_prefix(':').filter(|ports| !ports.contains(':')) {
                Some(ports) => ("", Some(ports)),
                None => (text, None),
            },
        }
    } else {
        text.split_once(':').map_or((text, None), |(addresses, ports)| (addresses, Some(ports)))
    };
    let addresses = match addresses {
        "" => None,
        some => Some(range(some, '-', |one| address(one, family))?),
    };
    let ports = match ports {
        Some(ports) => Some(port_range(ports)?),
        None => None,
    };
    (addresses.is_some() || ports.is_some()).then_some(NatRange { addresses, ports })
}

fn netmap(o: &mut Options) -> Option<Target> {
    let family = o.family;
    let (own, mask) = o.plain("--to", |text| network(text, family))??;
    let addresses = match (own, mask) {
        (IpAddr::V4(own), IpAddr::V4(mask)) => (IpAddr::V4(own & mask), IpAddr::V4(own | !mask)),
        (IpAddr::V6(own), IpAddr::V6(mask)) => (IpAddr::V6(own & mask), IpAddr::V6(own | !mask)),
        _ => return None,
    };
    Some(Target::Netmap(NatRange { addresses: Some(addresses), ports: None }))
}

/// Where and how much is logged does not matter here.
fn log(o: &mut Options, name: &str) -> Option<Target> {
    let prefix = o.plain(name, |text| Some(text.to_owned()))?;
    Some(Target::Log { prefix: prefix.filter(|prefix| !prefix.is_empty()) })
}

fn mark(o: &mut Options) -> Option<Target> {
    let (clear, set) = set_mark(o)??;
    Some(Target::Mark { clear, set })
}

/// Bits that are cleared and then turned; newer versions print all of them as `--set-xmark`.
#[expect(clippy::option_option, reason = "not understood, not given, and given are three")]
fn set_mark(o: &mut Options) -> Option<Option<(u32, u32)>> {
    let turned = o.plain("--set-xmark", masked)?.map(|(value, mask)| (mask, value));
    let set = o.plain("--set-mark", masked)?.map(|(value, mask)| (mask | value, value));
    let and = o.plain("--and-mark", number)?.map(|bits| (!bits, 0));
    let or = o.plain("--or-mark", number)?.map(|bits| (bits, bits));
    let xor = o.plain("--xor-mark", number)?.map(|bits| (0, bits));
    let mut given = [turned, set, and, or, xor].into_iter().flatten();
    let first = given.next();
    given.next().is_none().then_some(first)
}

fn connmark(o: &mut Options) -> Option<Target> {
    if let Some((clear, set)) = set_mark(o)? {
        return Some(Target::Connmark { restore: false, save: false, clear, set });
    }
    let (save, restore) = (o.flag("--save-mark")?, o.flag("--restore-mark")?);
    let both = o.plain("--mask", number)?.unwrap_or(u32::MAX);
    let of_packet = o.plain("--nfmask", number)?.unwrap_or(both);
    let of_connection = o.plain("--ctmask", number)?.unwrap_or(both);
    match (save, restore) {
        (true, false) => Some(Target::Connmark { restore, save, clear: of_connection, set: of_packet }),
        (false, true) => Some(Target::Connmark { restore, save, clear: of_packet, set: of_connection }),
        _ => None,
    }
}

fn ct(o: &mut Options) -> Option<Target> {
    const KNOWN: &[(&str, usize)] = &[("--helper", 1), ("--timeout", 1), ("--ctevents", 1), ("--expevents", 1)];
    let notrack = o.flag("--notrack")?;
    let mut zoned = false;
    for option in ["--zone", "--zone-orig", "--zone-reply"] {
        zoned |= o.plain(option, |zone| Some(zone != "0"))?.unwrap_or(false);
    }
    o.pass_over(KNOWN)?;
    o.done(match (notrack, zoned) {
        (true, _) => Target::Notrack,
        (false, true) => Target::Zone,
        (false, false) => Target::Ct,
    })
}

fn tproxy(o: &mut Options) -> Option<Target> {
    let family = o.family;
    let (set, clear) = o.plain("--tproxy-mark", masked)?.unwrap_or((0, 0));
    Some(Target::Tproxy {
        address: o.plain("--on-ip", |text| address(text, family))?.filter(|address| !address.is_unspecified()),
        port: o.plain("--on-port", number_16)?.unwrap_or(0),
        clear,
        set,
    })
}

fn queue(o: &mut Options) -> Option<Target> {
    o.pass_over(&[("--queue-cpu-fanout", 0)])?;
    let one = o.plain("--queue-num", number_16)?;
    let first = o.plain("--queue-balance", |text| range(text, ':', number_16))?.map(|(from, _)| from);
    Some(Target::Queue { number: one.or(first).unwrap_or(0), bypass: o.flag("--queue-bypass")? })
}
