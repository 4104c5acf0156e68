//! Matches by their options.

use super::options::{Options, Setting, address, bits, masked, network, number, number_16, ports, range};
use super::protocol;
use crate::facts::ruleset::xt::{ConntrackMatch, Match, Ports, RecentDoes, RecentMatch, TcpMatch, Which};
use crate::sources::xtables::is_whole;

/// Bits of states as nftables has them.
const STATES: &[(&str, u32)] =
    &[("INVALID", 1), ("ESTABLISHED", 2), ("RELATED", 4), ("NEW", 8), ("UNTRACKED", 64), ("SNAT", 128), ("DNAT", 256)];
const STATUS: &[(&str, u32)] = &[("NONE", 0), ("EXPECTED", 1), ("SEEN_REPLY", 2), ("ASSURED", 4), ("CONFIRMED", 8)];
const FLAGS: &[(&str, u32)] =
    &[("NONE", 0), ("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32), ("ALL", 63)];
/// Bits of route types.
const TYPES: &[(&str, u32)] = &[
    ("UNSPEC", 1),
    ("UNICAST", 1 << 1),
    ("LOCAL", 1 << 2),
    ("BROADCAST", 1 << 3),
    ("ANYCAST", 1 << 4),
    ("MULTICAST", 1 << 5),
    ("BLACKHOLE", 1 << 6),
    ("UNREACHABLE", 1 << 7),
    ("PROHIBIT", 1 << 8),
    ("THROW", 1 << 9),
    ("NAT", 1 << 10),
    ("XRESOLVE", 1 << 11),
];

/// What nothing decides before a packet comes.
const UNDECIDED: &[&str] = &[
    "ah",
    "bpf",
    "cgroup",
    "cluster",
    "connbytes",
    "connlabel",
    "cpu",
    "dccp",
    "devgroup",
    "dscp",
    "dst",
    "ecn",
    "esp",
    "eui64",
    "frag",
    "hbh",
    "helper",
    "hl",
    "ipcomp",
    "ipv6header",
    "ipvs",
    "mac",
    "mh",
    "nfacct",
    "osf",
    "owner",
    "policy",
    "quota",
    "rateest",
    "realm",
    "rpfilter",
    "rt",
    "sctp",
    "set",
    "socket",
    "srh",
    "string",
    "tcpmss",
    "time",
    "tos",
    "ttl",
    "u32",
];

/// A match.
pub(super) fn of(options: Options) -> Match {
    let words = options.words();
    let name = options.name.clone();
    if let Some(found) = decode(options) {
        return found;
    }
    if UNDECIDED.contains(&name.as_str()) {
        return Match::Unknowable { name, text: words };
    }
    Match::Other { name, revision: 0, info: words.into_bytes() }
}

fn decode(mut o: Options) -> Option<Match> {
    let o = &mut o;
    let text = o.words();
    let found = match o.name.as_str() {
        "comment" => o.plain("--comment", |text| Some(Match::Comment(text.to_owned())))??,
        "tcp" => tcp(o)?,
        "udp" => Match::Udp { source: either(o, "--sport")?, destination: either(o, "--dport")? },
        "icmp" => o.read("--icmp-type", |_| Some(Match::Icmp))?.0.unwrap_or(Match::Icmp),
        "icmp6" => o.read("--icmpv6-type", |_| Some(Match::Icmp))?.0.unwrap_or(Match::Icmp),
        "multiport" => multiport(o)?,
        "conntrack" => conntrack(o)?,
        "state" => {
            let (states, states_inverted) = o.read("--state", |text| bits(text, STATES))?;
            let m = ConntrackMatch { states: Some(states?), states_inverted, ..ConntrackMatch::default() };
            Match::Conntrack(Box::new(m))
        }
        "addrtype" => addrtype(o)?,
        "mark" | "connmark" => {
            let of_connection = o.name == "connmark";
            let (given, inverted) = o.read("--mark", masked)?;
            let (value, mask) = given?;
            if of_connection {
                Match::Connmark { value, mask, inverted }
            } else {
                Match::Mark { value, mask, inverted }
            }
        }
        "owner" => owner(o)?,
        "iprange" => iprange(o)?,
        "set" => set(o)?,
        "recent" => recent(o)?,
        "limit" => {
            let average = o.plain("--limit", |text| Some(text.to_owned()))??;
            Match::Limit { average, burst: o.plain("--limit-burst", number)?.unwrap_or(5) }
        }
        "connlimit" => connlimit(o)?,
        "pkttype" => {
            let (kind, inverted) = o.read("--pkt-type", packet_type)?;
            Match::Pkttype { kind: kind?, inverted }
        }
        "length" => {
            let (range, inverted) = o.read("--length", ports)?;
            let (from, to) = range?;
            Match::Length { from, to, inverted }
        }
        "rpfilter" => Match::Rpfilter { loose: o.flag("--loose")?, inverted: o.flag("--invert")? },
        "socket" => Match::Socket { transparent: o.flag("--transparent")? },
        "hashlimit" => return Some(Match::Hashlimit { text }),
        "physdev" => return Some(Match::Physdev { text }),
        "statistic" => return Some(Match::Statistic { text }),
        _ => return None,
    };
    o.done(found)
}

/// Ports, any where none are given.
fn either(o: &mut Options, name: &str) -> Option<Ports> {
    let (found, inverted) = o.read(name, ports)?;
    let (from, to) = found.unwrap_or((0, u16::MAX));
    Some(Ports { from, to, inverted })
}

fn tcp(o: &mut Options) -> Option<Match> {
    const SYN: (u8, u8) = (0x17, 0x02);
    let (source, destination) = (either(o, "--sport")?, either(o, "--dport")?);
    let (option, option_inverted) = o.read("--tcp-option", |text| text.parse().ok())?;
    let flags = |text: &str| bits(text, FLAGS).and_then(|flags| u8::try_from(flags).ok());
    let (flags, flags_inverted) = match (o.take("--tcp-flags"), o.alone("--syn")?) {
        (None, None) => ((0, 0), false),
        (None, Some(inverted)) => (SYN, inverted),
        (Some(setting), None) => {
            let (mask, set) = setting.two()?;
            ((flags(mask)?, flags(set)?), setting.inverted)
        }
        (Some(_), Some(_)) => return None,
    };
    Some(Match::Tcp(TcpMatch { source, destination, flags, flags_inverted, option, option_inverted }))
}

fn multiport(o: &mut Options) -> Option<Match> {
    let names = [("--sports", Which::Source), ("--dports", Which::Destination), ("--ports", Which::Either)];
    let (setting, which) = names.into_iter().find_map(|(name, which)| Some((o.take(name)?, which)))?;
    let ports: Option<Vec<(u16, u16)>> = setting.one()?.split(',').map(ports).collect();
    Some(Match::Multiport { which, ports: ports?, inverted: setting.inverted })
}

fn conntrack(o: &mut Options) -> Option<Match> {
    let family = o.family;
    let network = |text: &str| network(text, family);
    let mut m = ConntrackMatch::default();
    (m.states, m.states_inverted) = o.read("--ctstate", |text| bits(text, STATES))?;
    (m.protocol, m.protocol_inverted) = o.read("--ctproto", protocol::number)?;
    (m.original_source, m.original_source_inverted) = o.read("--ctorigsrc", network)?;
    (m.original_destination, m.original_destination_inverted) = o.read("--ctorigdst", network)?;
    (m.reply_source, m.reply_source_inverted) = o.read("--ctreplsrc", network)?;
    (m.reply_destination, m.reply_destination_inverted) = o.read("--ctrepldst", network)?;
    (m.original_source_ports, m.original_source_ports_inverted) = o.read("--ctorigsrcport", ports)?;
    (m.original_destination_ports, m.original_destination_ports_inverted) = o.read("--ctorigdstport", ports)?;
    (m.status, m.status_inverted) = o.read("--ctstatus", |text| bits(text, STATUS))?;
    m.reply_direction = o.plain("--ctdir", |text| match text {
        "ORIGINAL" => Some(false),
        "REPLY" => Some(true),
        _ => None,
    })?;
    for name in ["--ctreplsrcport", "--ctrepldstport", "--ctexpire"] {
        m.unclear |= o.take(name).is_some();
    }
    Some(Match::Conntrack(Box::new(m)))
}

fn addrtype(o: &mut Options) -> Option<Match> {
    let types = |text: &str| bits(text, TYPES).and_then(|types| u16::try_from(types).ok());
    let (source, source_inverted) = o.read("--src-type", types)?;
    let (destination, destination_inverted) = o.read("--dst-type", types)?;
    Some(Match::Addrtype {
        source: source.unwrap_or(0),
        source_inverted,
        destination: destination.unwrap_or(0),
        destination_inverted,
        limit_in: o.flag("--limit-iface-in")?,
        limit_out: o.flag("--limit-iface-out")?,
    })
}

/// Users and groups are printed as numbers.
fn owner(o: &mut Options) -> Option<Match> {
    let ids = |text: &str| range(text, '-', number);
    let (uid, uid_inverted) = o.read("--uid-owner", ids)?;
    let (gid, gid_inverted) = o.read("--gid-owner", ids)?;
    let socket_exists = o.alone("--socket-exists")?.map(|inverted| !inverted);
    Some(Match::Owner { uid, uid_inverted, gid, gid_inverted, socket_exists })
}

fn iprange(o: &mut Options) -> Option<Match> {
    let family = o.family;
    let addresses = |text: &str| range(text, '-', |one| address(one, family));
    let (source, source_inverted) = o.read("--src-range", addresses)?;
    let (destination, destination_inverted) = o.read("--dst-range", addresses)?;
    Some(Match::Iprange { source, source_inverted, destination, destination_inverted })
}

/// Not to count what matched is no difference; anything else makes it another question.
fn set(o: &mut Options) -> Option<Match> {
    o.alone("--update-counters")?;
    o.alone("--update-subcounters")?;
    let setting = o.take("--match-set")?;
    let (name, fields) = setting.two()?;
    let source = match fields.split(',').next()? {
        "src" => true,
        "dst" => false,
        _ => return None,
    };
    Some(Match::Set { name: name.to_owned(), source, inverted: setting.inverted })
}

fn recent(o: &mut Options) -> Option<Match> {
    let names = [
        ("--set", RecentDoes::Set),
        ("--rcheck", RecentDoes::Check),
        ("--update", RecentDoes::Update),
        ("--remove", RecentDoes::Remove),
    ];
    let mut given = None;
    for (name, does) in names {
        let Some(inverted) = o.alone(name)? else { continue };
        if given.replace((does, inverted)).is_some() {
            return None;
        }
    }
    let (does, inverted) = given?;
    let family = o.family;
    // Old entries are thrown away: they decide nothing any more.
    o.flag("--reap")?;
    let (by_source, by_destination) = (o.flag("--rsource")?, o.flag("--rdest")?);
    if by_source && by_destination {
        return None;
    }
    Some(Match::Recent(RecentMatch {
        name: o.plain("--name", |text| Some(text.to_owned()))?.unwrap_or_else(|| "DEFAULT".into()),
        does,
        seconds: o.plain("--seconds", number)?.unwrap_or(0),
        hits: o.plain("--hitcount", number)?.unwrap_or(0),
        ttl: o.flag("--rttl")?,
        source: !by_destination,
        mask: o.plain("--mask", |text| address(text, family))?.filter(|mask| !is_whole(*mask)),
        inverted,
    }))
}

/// Which addresses count as one does not matter here.
fn connlimit(o: &mut Options) -> Option<Match> {
    o.pass_over(&[("--connlimit-mask", 1), ("--connlimit-saddr", 0), ("--connlimit-daddr", 0)])?;
    // Older versions print `! --connlimit-above` where newer ones print `--connlimit-upto`.
    let (above, at_most) = (o.take("--connlimit-above"), o.take("--connlimit-upto"));
    let (setting, over) = match (above, at_most) {
        (Some(setting), None) => (setting, true),
        (None, Some(setting)) => (setting, false),
        _ => return None,
    };
    let value = |setting: &Setting| setting.one().and_then(number);
    Some(Match::Connlimit { limit: value(&setting)?, over: over != setting.inverted })
}

/// Kinds of <linux/if_packet.h>.
fn packet_type(text: &str) -> Option<u8> {
    match text {
        "unicast" => Some(0),
        "broadcast" => Some(1),
        "multicast" => Some(2),
        other => number_16(other).and_then(|kind| u8::try_from(kind).ok()),
    }
}
