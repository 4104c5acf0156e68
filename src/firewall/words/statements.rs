//! Statements as nft writes them.

use super::Extent;
use super::fields::{ct, ct_big_endian, meta, meta_big_endian};
use super::held::{Held, Shape};
use super::native::Walk;
use super::sets;
use super::values::Kind;
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::{Direction, DynsetOp, Expr, ExthdrOf, Register, RejectWith};

/// Says a statement; none where nothing is said of it.
pub(super) fn say(walk: &Walk<'_>, expr: &Expr) -> Option<String> {
    let changes = matches!(expr, Expr::Counter { .. } | Expr::Log { .. } | Expr::Last);
    if changes && walk.extent == Extent::Brief {
        return None;
    }
    Some(match expr {
        Expr::Counter { packets, bytes } => format!("counter packets {packets} bytes {bytes}"),
        Expr::Last => "last".into(),
        Expr::Log { prefix, group } => log(prefix.as_deref(), *group),
        Expr::Limit { rate, unit_s, burst, bytes, inverted } => limit((*rate, *unit_s), *burst, *bytes, *inverted),
        Expr::Quota { bytes, used, inverted } => quota(*bytes, *used, *inverted),
        Expr::Connlimit { count, inverted } => format!("ct count {}{count}", if *inverted { "over " } else { "" }),
        Expr::Reject(with) => reject(*with, walk.table.family),
        Expr::Notrack => "notrack".into(),
        Expr::Synproxy => "synproxy".into(),
        Expr::FlowOffload { table } => format!("flow add @{table}"),
        Expr::Queue { from, to, bypass } => queue(*from, *to, *bypass),
        Expr::Objref { name } => objref(walk, name),
        Expr::ObjrefMap { set, from } => {
            let (key, keys) = walk.key_words(set, *from);
            format!("[object] {key} map {}", sets::words(walk, set, &keys, &[]))
        }
        Expr::Xt(xt) => format!("[xt {}]", super::xt::name(xt)),
        Expr::Opaque { name, .. } => format!("[{name}]"),
        other => return sets_something(walk, other).or_else(|| Some(format!("[{}]", name(other)))),
    })
}

/// Statements that use registers.
fn sets_something(walk: &Walk<'_>, expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::MetaSet { key, from } => {
            let (words, kind) = meta(*key);
            let words = if words.starts_with("meta ") { words } else { format!("meta {words}") };
            let shape = Shape { kind, len: 0, host_order: !meta_big_endian(*key) };
            format!("{words} set {}", walk.value(*from, &[shape]))
        }
        Expr::CtSet { key, direction, from } => {
            let (words, kind) = ct(*key);
            let direction = direction.map_or("", |d| if d == Direction::Original { "original " } else { "reply " });
            let shape = Shape { kind, len: 0, host_order: !ct_big_endian(*key) };
            format!("ct {direction}{words} set {}", walk.value(*from, &[shape]))
        }
        Expr::Nat { source, family, address, port, flags } => {
            let word = if *source { "snat" } else { "dnat" };
            nat(walk, word, *family, (*address, *port), *flags)
        }
        Expr::Masquerade { port, flags } => nat(walk, "masquerade", walk.table.family, (None, *port), *flags),
        Expr::Redirect { port, flags } => nat(walk, "redirect", walk.table.family, (None, *port), *flags),
        Expr::Tproxy { family, address, port } => {
            let (address, port) = (address.map(|a| (a, a)), port.map(|p| (p, p)));
            nat(walk, "tproxy", *family, (address, port), 0)
        }
        Expr::PayloadSet { base, offset, len, from } => payload_set(walk, (*base, *offset, *len), *from),
        Expr::Dynset { set, op, key, data, exprs, .. } => dynset(walk, (set, *op), (*key, *data), exprs),
        Expr::Dup { address, device } => copy(walk, "dup", *address, *device),
        Expr::Fwd { device, address } => copy(walk, "fwd", *address, *device),
        _ => return None,
    })
}

fn name(expr: &Expr) -> &'static str {
    match expr {
        Expr::ExthdrSet { .. } => "exthdr set",
        Expr::PayloadSet { .. } => "payload set",
        _ => "statement",
    }
}

fn log(prefix: Option<&str>, group: Option<u16>) -> String {
    let prefix = prefix.map(|p| format!(" prefix \"{p}\"")).unwrap_or_default();
    let group = group.map(|g| format!(" group {g}")).unwrap_or_default();
    format!("log{prefix}{group}")
}

fn limit((rate, unit): (u64, u64), burst: u32, bytes: bool, inverted: bool) -> String {
    let over = if inverted { "over " } else { "" };
    let unit = match unit {
        1 => "second".into(),
        60 => "minute".into(),
        3600 => "hour".into(),
        86400 => "day".into(),
        604_800 => "week".into(),
        other => format!("{other} s"),
    };
    if bytes {
        let burst = if burst == 0 { String::new() } else { format!(" burst {}", amount(u64::from(burst))) };
        return format!("limit rate {over}{}/{unit}{burst}", amount(rate));
    }
    // 5 is what nft means where nothing is said.
    let burst = if burst == 0 || burst == 5 { String::new() } else { format!(" burst {burst} packets") };
    format!("limit rate {over}{rate}/{unit}{burst}")
}

/// Bytes in the largest unit that divides them.
fn amount(bytes: u64) -> String {
    let units = [(1 << 30, "gbytes"), (1 << 20, "mbytes"), (1 << 10, "kbytes")];
    match units.iter().find(|(size, _)| bytes > 0 && bytes.is_multiple_of(*size)) {
        Some((size, word)) => format!("{} {word}", bytes / size),
        None => format!("{bytes} bytes"),
    }
}

fn quota(bytes: u64, used: u64, inverted: bool) -> String {
    let used = if used == 0 { String::new() } else { format!(" used {}", amount(used)) };
    format!("quota {}{}{used}", if inverted { "over " } else { "" }, amount(bytes))
}

fn reject(with: RejectWith, family: Family) -> String {
    let usual = match with {
        RejectWith::Icmpx(1) => true,
        RejectWith::Icmp(3) => family == Family::Ip,
        RejectWith::Icmpv6(4) => family == Family::Ip6,
        _ => false,
    };
    if usual { "reject".into() } else { format!("reject with {}", super::nft_words(with)) }
}

fn queue(from: u16, to: u16, bypass: bool) -> String {
    let flags = if bypass { " flags bypass" } else { "" };
    if from == to { format!("queue{flags} to {from}") } else { format!("queue{flags} to {from}-{to}") }
}

fn objref(walk: &Walk<'_>, name: &str) -> String {
    let word = match walk.names.object(walk.table, name) {
        Some(Expr::Counter { .. }) => "counter name",
        Some(Expr::Quota { .. }) => "quota name",
        Some(Expr::Limit { .. }) => "limit name",
        Some(Expr::Connlimit { .. }) => "ct count name",
        Some(Expr::Synproxy) => "synproxy name",
        _ => "[object]",
    };
    format!("{word} \"{name}\"")
}

/// Addresses and ports of a translation: registers of the first and the last.
type Ends = Option<(Register, Register)>;

fn nat(walk: &Walk<'_>, word: &str, family: Family, (address, port): (Ends, Ends), flags: u32) -> String {
    let v6 = family == Family::Ip6;
    let (kind, len) = if v6 { (Kind::Ip6, 16) } else { (Kind::Ip4, 4) };
    let ip = Shape { kind, len, host_order: false };
    let number = Shape { kind: Kind::Number, len: 2, host_order: false };
    // A map may give both at once.
    let both = port.is_some_and(|(first, _)| !walk.holds(first));
    let kinds = if both { vec![ip, number] } else { vec![ip] };
    let ends = |(first, last): (Register, Register), kinds: &[Shape]| {
        let (low, high) = (walk.value(first, kinds), walk.value(last, kinds));
        if first == last || low == high { low } else { format!("{low}-{high}") }
    };
    let address = address.map(|a| ends(a, &kinds)).unwrap_or_default();
    let port = port.filter(|_| !both).map(|p| format!(":{}", ends(p, &[number]))).unwrap_or_default();
    let bracket = v6 && !port.is_empty() && !address.is_empty();
    let address = if bracket { format!("[{address}]") } else { address };
    let shared = walk.table.family == Family::Inet && !address.is_empty();
    let family = if shared { format!("{} ", family.word()) } else { String::new() };
    let to = if address.is_empty() && port.is_empty() { String::new() } else { format!(" to {address}{port}") };
    let family = if shared { format!(" {}", family.trim_end()) } else { family };
    format!("{word}{family}{to}{}", nat_flags(flags))
}

/// `NF_NAT_RANGE_*`: random, fully random, persistent; the others go without saying.
fn nat_flags(flags: u32) -> String {
    let said: Vec<&str> = [(4, "random"), (16, "fully-random"), (8, "persistent")]
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, word)| *word)
        .collect();
    if said.is_empty() { String::new() } else { format!(" {}", said.join(",")) }
}

fn payload_set(walk: &Walk<'_>, place: (crate::facts::ruleset::expr::Base, u32, u32), from: Register) -> String {
    let (base, offset, len) = place;
    let field = walk.layers.header(base).and_then(|(header, fields)| {
        let found = fields.iter().find(|f| f.offset == offset && f.len == len)?;
        Some((format!("{} {}", header.name, found.name), found.kind))
    });
    match field {
        Some((words, kind)) => {
            let len = usize::try_from(len).unwrap_or(0);
            format!("{words} set {}", walk.value(from, &[Shape { kind, len, host_order: false }]))
        }
        None => "[payload set]".into(),
    }
}

fn dynset(
    walk: &Walk<'_>,
    (set, op): (&str, DynsetOp),
    (key, data): (Register, Option<Register>),
    exprs: &[Expr],
) -> String {
    let word = match op {
        DynsetOp::Add => "add",
        DynsetOp::Update => "update",
        DynsetOp::Delete => "delete",
    };
    let (mut element, _) = walk.key_words(set, key);
    for expr in exprs {
        if let Some(words) = say(walk, expr) {
            element.push(' ');
            element.push_str(&words);
        }
    }
    if let Some(data) = data {
        element.push_str(" : ");
        element.push_str(&walk.value(data, &[]));
    }
    format!("{word} @{set} {{ {element} }}")
}

fn copy(walk: &Walk<'_>, word: &str, address: Option<Register>, device: Option<Register>) -> String {
    let v6 = walk.is_v6();
    let (kind, len) = if v6 { (Kind::Ip6, 16) } else { (Kind::Ip4, 4) };
    let address = address.map(|a| walk.value(a, &[Shape { kind, len, host_order: false }]));
    let index = Shape { kind: Kind::Index, len: 4, host_order: true };
    let device = device.map(|d| walk.value(d, &[index]));
    match (address, device) {
        (Some(address), Some(device)) => format!("{word} to {address} device {device}"),
        (Some(to), None) | (None, Some(to)) => format!("{word} to {to}"),
        (None, None) => word.into(),
    }
}

/// Rarer expressions that put something into a register.
pub(super) fn other_load(walk: &Walk<'_>, expr: &Expr) -> Option<(Register, Held)> {
    Some(match expr {
        Expr::Exthdr { of, kind, offset, len, present, to } => (*to, exthdr(*of, *kind, (*offset, *len), *present)),
        Expr::Rt { key, to } => {
            let (words, kind) = match key {
                0 => ("rt classid", Kind::Hex),
                1 => ("rt ip nexthop", Kind::Ip4),
                2 => ("rt ip6 nexthop", Kind::Ip6),
                3 => ("rt mtu", Kind::Number),
                4 => ("rt ipsec", Kind::Exists),
                _ => ("[rt]", Kind::Hex),
            };
            (*to, Held::looked(words, kind, 4, *key != 1 && *key != 2))
        }
        Expr::Xfrm { to, .. } => (*to, Held::looked("[ipsec]", Kind::Hex, 4, true)),
        Expr::Osf { to } => (*to, Held::looked("osf name", Kind::Name, 16, true)),
        Expr::Hash { from, modulus, seed, offset, to, .. } => {
            let offset = if *offset == 0 { String::new() } else { format!(" offset {offset}") };
            let words = match from {
                None => format!("symhash mod {modulus}{offset}"),
                Some(from) => {
                    let seed = if *seed == 0 { String::new() } else { format!(" seed 0x{seed:x}") };
                    format!("jhash {} mod {modulus}{seed}{offset}", walk.held(*from).words(walk.names))
                }
            };
            (*to, Held::looked(words, Kind::Number, 4, true))
        }
        _ => return None,
    })
}

fn exthdr(of: ExthdrOf, kind: u8, (offset, len): (u32, u32), present: bool) -> Held {
    let words = match of {
        ExthdrOf::Tcp => {
            let option = match kind {
                0 => "eol".into(),
                1 => "nop".into(),
                2 => "maxseg".into(),
                3 => "window".into(),
                4 => "sack-perm".into(),
                5 => "sack".into(),
                8 => "timestamp".into(),
                other => other.to_string(),
            };
            let field = match (kind, offset) {
                _ if present => "",
                (2, 2) => " size",
                (3, 2) => " count",
                (8, 2) => " tsval",
                (8, 6) => " tsecr",
                (_, 0) => " kind",
                (_, 1) => " length",
                _ => " [part]",
            };
            format!("tcp option {option}{field}")
        }
        ExthdrOf::Ipv6 => {
            let header = match kind {
                0 => "hbh",
                43 => "rt",
                44 => "frag",
                60 => "dst",
                135 => "mh",
                _ => "[header]",
            };
            if present { format!("exthdr {header}") } else { format!("[{header} {offset},{len}]") }
        }
        ExthdrOf::Ipv4 => format!("[ip option {kind} {offset},{len}]"),
        ExthdrOf::Sctp => format!("sctp chunk {kind}"),
        ExthdrOf::Dccp => format!("dccp option {kind}"),
        ExthdrOf::Other(number) => format!("[exthdr {number}]"),
    };
    let kind = if present { Kind::Exists } else { Kind::Number };
    Held::looked(words, kind, usize::try_from(len).unwrap_or(0), false)
}
