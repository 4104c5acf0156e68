//! Matches that are decided, or could be, by what is known beforehand.

use super::super::average;
use super::info::Info;
use crate::facts::ruleset::Family;
use crate::facts::ruleset::xt::{ConntrackMatch, Match, Ports, RecentDoes, RecentMatch, TcpMatch, Which};

/// A match. None where the structure is not one that is known.
pub(super) fn decode(name: &str, revision: u32, info: &[u8], family: Family) -> Option<Match> {
    let sized = |size| Info::of(info, size, family);
    match (name, revision) {
        ("comment", 0) => Some(Match::Comment(sized(256)?.text(0, 256)?)),
        ("tcp", 0) => tcp(sized(12)?),
        ("udp", 0) => udp(sized(10)?),
        ("icmp" | "icmp6", 0) => sized(4).map(|_| Match::Icmp),
        ("multiport", 0) => multiport(sized(32)?, false),
        ("multiport", 1) => multiport(sized(48)?, true),
        ("conntrack", 1) => conntrack(sized(152)?, revision),
        ("conntrack", 2) => conntrack(sized(156)?, revision),
        ("conntrack", 3) => conntrack(sized(164)?, revision),
        ("state", 0) => state(sized(4)?),
        ("addrtype", 0) => addrtype_0(sized(12)?),
        ("addrtype", 1) => addrtype(sized(8)?),
        ("mark", 1) => masked(sized(12)?, false),
        ("connmark", 1) => masked(sized(12)?, true),
        ("owner", 1) => owner(sized(20)?),
        ("iprange", 1) => iprange(sized(68)?),
        ("set", 1 | 2) => set(sized(4)?),
        ("set", 3) => counted_set(sized(44)?, [8, 24]),
        ("set", 4) => counted_set(sized(44)?, [16, 32]),
        ("recent", 0) => recent(sized(212)?, false),
        ("recent", 1) => recent(sized(228)?, true),
        ("limit", 0) => limit(sized(40)?),
        ("connlimit", 1) => connlimit(sized(32)?),
        ("pkttype", 0) => pkttype(sized(8)?),
        ("length", 0) => length(sized(6)?),
        ("rpfilter", 0) => rpfilter(sized(1)?),
        ("socket", 0) => info.is_empty().then_some(Match::Socket { transparent: false }),
        ("socket", 1..=3) => sized(1)?.flags(0, 1).map(|flags| Match::Socket { transparent: flags != 0 }),
        _ => None,
    }
}

fn ports(info: Info<'_>, at: usize, inverted: bool) -> Option<Ports> {
    Some(Ports { from: info.u16(at)?, to: info.u16(at.checked_add(2)?)?, inverted })
}

fn tcp(info: Info<'_>) -> Option<Match> {
    let inverted = info.flags(11, 0x0f)?;
    let option = info.u8(8)?;
    Some(Match::Tcp(TcpMatch {
        source: ports(info, 0, inverted & 1 != 0)?,
        destination: ports(info, 4, inverted & 2 != 0)?,
        flags: (info.u8(9)?, info.u8(10)?),
        flags_inverted: inverted & 4 != 0,
        option: (option != 0).then_some(option),
        option_inverted: inverted & 8 != 0,
    }))
}

fn udp(info: Info<'_>) -> Option<Match> {
    let inverted = info.flags(8, 3)?;
    Some(Match::Udp { source: ports(info, 0, inverted & 1 != 0)?, destination: ports(info, 4, inverted & 2 != 0)? })
}

/// Up to 15 ports; in revision 1 a flag at one says that the next is the end of a range.
fn multiport(info: Info<'_>, ranges: bool) -> Option<Match> {
    const MOST: usize = 15;
    let which = match info.u8(0)? {
        0 => Which::Source,
        1 => Which::Destination,
        2 => Which::Either,
        _ => return None,
    };
    let count = usize::from(info.u8(1)?);
    if count > MOST {
        return None;
    }
    let port = |i: usize| if i < count { info.u16(i.checked_mul(2)?.checked_add(2)?) } else { None };
    let (mut ports, mut i) = (Vec::new(), 0);
    while i < count {
        let from = port(i)?;
        let is_range = ranges && info.yes(i.checked_add(32)?)?;
        i = i.checked_add(if is_range { 2 } else { 1 })?;
        let to = if is_range { port(i.checked_sub(1)?)? } else { from };
        ports.push((from, to));
    }
    Some(Match::Multiport { which, ports, inverted: ranges && info.yes(47)? })
}

/// States as nftables counts them, from those of xt_conntrack: the upper three are in another order. None for a bit that
/// is neither's.
fn states(bits: u32) -> Option<u32> {
    const SAME: u32 = 0x0f;
    const MOVED: [(u32, u32); 3] = [(64, 128), (128, 256), (256, 64)];
    let mut states = bits & SAME;
    let mut rest = bits & !SAME;
    for (from, to) in MOVED {
        if rest & from != 0 {
            rest &= !from;
            states |= to;
        }
    }
    (rest == 0).then_some(states)
}

fn state(info: Info<'_>) -> Option<Match> {
    // Here 64 is untracked, as in nftables.
    let bits = info.u32(0)?;
    if bits & !0x4f != 0 {
        return None;
    }
    Some(Match::Conntrack(Box::new(ConntrackMatch { states: Some(bits), ..ConntrackMatch::default() })))
}

/// What of a conntrack structure is looked at, and what of that is inverted.
struct Looked(u16, u16);

impl Looked {
    /// The value if it is looked at, and whether it is inverted.
    fn at<T>(&self, bit: u16, value: impl FnOnce() -> Option<T>) -> Option<(Option<T>, bool)> {
        if self.0 & bit == 0 {
            return Some((None, false));
        }
        Some((Some(value()?), self.1 & bit != 0))
    }
}

fn conntrack(info: Info<'_>, revision: u32) -> Option<Match> {
    let looked = Looked(info.u16(146)?, info.u16(148)?);
    let port = |at: usize, high: usize| {
        if revision < 3 { info.be16(at).map(|p| (p, p)) } else { info.u16(at).zip(info.u16(high)) }
    };
    let (state, status) = if revision == 1 {
        (info.u8(150).map(u32::from)?, info.u8(151).map(u32::from)?)
    } else {
        (info.u16(150).map(u32::from)?, info.u16(152).map(u32::from)?)
    };
    let mut m = ConntrackMatch::default();
    (m.states, m.states_inverted) = looked.at(1, || states(state))?;
    (m.protocol, m.protocol_inverted) = looked.at(1 << 1, || u8::try_from(info.u16(136)?).ok())?;
    (m.original_source, m.original_source_inverted) = looked.at(1 << 2, || info.addresses(0))?;
    (m.original_destination, m.original_destination_inverted) = looked.at(1 << 3, || info.addresses(32))?;
    (m.reply_source, m.reply_source_inverted) = looked.at(1 << 4, || info.addresses(64))?;
    (m.reply_destination, m.reply_destination_inverted) = looked.at(1 << 5, || info.addresses(96))?;
    (m.status, m.status_inverted) = looked.at(1 << 6, || Some(status))?;
    (m.original_source_ports, m.original_source_ports_inverted) = looked.at(1 << 8, || port(138, 154))?;
    (m.original_destination_ports, m.original_destination_ports_inverted) = looked.at(1 << 9, || port(140, 156))?;
    // `--ctdir REPLY` is kept as not the original direction.
    m.reply_direction = looked.at(1 << 12, || Some(()))?.0.map(|()| looked.1 & (1 << 12) != 0);
    // Not looked at here: expiry, ports of the reply. An alias (`-m state`) says nothing.
    let understood: u16 = 0x37f | 1 << 12 | 1 << 13;
    m.unclear = looked.0 & !understood != 0;
    Some(Match::Conntrack(Box::new(m)))
}

fn addrtype_0(info: Info<'_>) -> Option<Match> {
    Some(Match::Addrtype {
        source: info.u16(0)?,
        source_inverted: info.u32(4)? != 0,
        destination: info.u16(2)?,
        destination_inverted: info.u32(8)? != 0,
        limit_in: false,
        limit_out: false,
    })
}

fn addrtype(info: Info<'_>) -> Option<Match> {
    let flags = info.u32(4)?;
    if flags & !0x0f != 0 {
        return None;
    }
    Some(Match::Addrtype {
        source: info.u16(0)?,
        source_inverted: flags & 1 != 0,
        destination: info.u16(2)?,
        destination_inverted: flags & 2 != 0,
        limit_in: flags & 4 != 0,
        limit_out: flags & 8 != 0,
    })
}

fn masked(info: Info<'_>, of_connection: bool) -> Option<Match> {
    let (value, mask, inverted) = (info.u32(0)?, info.u32(4)?, info.yes(8)?);
    Some(if of_connection { Match::Connmark { value, mask, inverted } } else { Match::Mark { value, mask, inverted } })
}

/// Supplementary groups (8) are more than the model says.
fn owner(info: Info<'_>) -> Option<Match> {
    let (looked, inverted) = (info.flags(16, 7)?, info.flags(17, 7)?);
    let range = |bit: u8, at: usize| -> Option<Option<(u32, u32)>> {
        if looked & bit == 0 { Some(None) } else { Some(Some((info.u32(at)?, info.u32(at.checked_add(4)?)?))) }
    };
    Some(Match::Owner {
        uid: range(1, 0)?,
        uid_inverted: looked & inverted & 1 != 0,
        gid: range(2, 8)?,
        gid_inverted: looked & inverted & 2 != 0,
        socket_exists: (looked & 4 != 0).then_some(inverted & 4 == 0),
    })
}

fn iprange(info: Info<'_>) -> Option<Match> {
    let flags = info.flags(64, 0x33)?;
    let range = |bit: u8, at: usize| {
        if flags & bit == 0 { Some(None) } else { info.addresses(at).map(Some) }
    };
    Some(Match::Iprange {
        source: range(1, 0)?,
        source_inverted: flags & 0x11 == 0x11,
        destination: range(2, 32)?,
        destination_inverted: flags & 0x22 == 0x22,
    })
}

/// An ipset by its index. Bit 0 of the flags inverts, each other says of one field that the source is looked up.
fn set(info: Info<'_>) -> Option<Match> {
    const NOT_FIELDS: u8 = 0x80;
    let flags = info.flags(3, !NOT_FIELDS)?;
    Some(Match::Set { name: format!("#{}", info.u16(0)?), source: flags & 2 != 0, inverted: flags & 1 != 0 })
}

/// An ipset whose counters may be compared, with operators at `compared`; not to count is no difference.
fn counted_set(info: Info<'_>, compared: [usize; 2]) -> Option<Match> {
    const SKIP_COUNTING: u32 = 0x18;
    for at in compared {
        info.flags(at, 0)?;
    }
    if info.u32(40)? & !SKIP_COUNTING != 0 {
        return None;
    }
    set(info)
}

fn recent(info: Info<'_>, has_mask: bool) -> Option<Match> {
    let what = info.flags(8, 0x3f)?;
    let does = match what & 0x0f {
        1 => RecentDoes::Check,
        2 => RecentDoes::Set,
        4 => RecentDoes::Update,
        8 => RecentDoes::Remove,
        _ => return None,
    };
    let mask = if has_mask { Some(info.address(212)?) } else { None };
    Some(Match::Recent(RecentMatch {
        name: info.text(10, 200)?,
        does,
        seconds: info.u32(0)?,
        hits: info.u32(4)?,
        ttl: what & 0x10 != 0,
        source: match info.u8(210)? {
            0 => true,
            1 => false,
            _ => return None,
        },
        mask: mask.filter(|m| !super::super::is_whole(*m)),
        inverted: info.yes(9)?,
    }))
}

fn limit(info: Info<'_>) -> Option<Match> {
    Some(Match::Limit { average: average(info.u32(0)?), burst: info.u32(4)? })
}

fn connlimit(info: Info<'_>) -> Option<Match> {
    let flags = info.u32(20)?;
    (flags & !3 == 0).then_some(Match::Connlimit { limit: info.u32(16)?, over: flags & 1 == 0 })
}

fn pkttype(info: Info<'_>) -> Option<Match> {
    Some(Match::Pkttype { kind: u8::try_from(info.u32(0)?).ok()?, inverted: info.u32(4)? != 0 })
}

fn length(info: Info<'_>) -> Option<Match> {
    Some(Match::Length { from: info.u16(0)?, to: info.u16(2)?, inverted: info.yes(4)? })
}

/// Marks and local addresses make it another question.
fn rpfilter(info: Info<'_>) -> Option<Match> {
    let flags = info.flags(0, 0x09)?;
    Some(Match::Rpfilter { loose: flags & 1 != 0, inverted: flags & 8 != 0 })
}
