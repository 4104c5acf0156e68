//! Where the simulator may say that it cannot tell: only where a rule asks for what is not known before a packet comes.
//!
//! Every kind has its reason beside it. What is not here must be exact.

use std::net::IpAddr;

use unrefuse::facts::ruleset::Rule;
use unrefuse::facts::ruleset::expr::{Base, BitOp, CtKey, Expr, ExthdrOf, MetaKey};
use unrefuse::facts::ruleset::xt::{Match, Target, Xt};
use unrefuse::firewall::Place;

use crate::facts::Reader;
use crate::script::Script;

/// May this not be known? `by` is what the simulator says it depends on; `any`: of any client.
pub(crate) fn may_be(by: Option<&Place>, any: bool, v6: bool, reader: &Reader, script: &Script) -> bool {
    let Some((place, handle)) = by.and_then(|place| Some((place, place.rule?))) else { return false };
    let find = |rules: &[Rule]| rules.iter().find(|rule| rule.handle == handle).cloned();
    let legacy = || {
        let mut chains = reader.legacy_tables().iter().flat_map(|table| &table.chains);
        chains.find(|(chain, _)| chain.id == place.chain).and_then(|(_, rules)| find(rules))
    };
    let rule = reader.rules(&place.chain).and_then(|rules| find(&rules.rules)).or_else(legacy);
    rule.is_some_and(|rule| {
        rule.exprs.iter().any(|expr| unknowable(expr, v6) || scatters(expr, any))
            || (rule.exprs.iter().any(reads_a_mark) && asks_the_unknowable(script))
    })
}

fn unknowable(expr: &Expr, v6: bool) -> bool {
    match expr {
        // How fast packets come, how many bytes and how many connections there are by then, is the world's.
        Expr::Limit { .. } | Expr::Quota { .. } | Expr::Connlimit { .. } => true,
        // The same, kept in an object of a name.
        Expr::Objref { name } => ["slow", "much"].contains(&name.as_str()),
        // A counter that every packet moves on, or chance.
        Expr::Numgen { .. } => true,
        // symhash has a secret of the kernel's, jhash without a seed one of the table's own.
        Expr::Hash { .. } => true,
        // Sockets are no rules: whether one takes the packet, and as what, changes from one packet to the next.
        Expr::Socket { .. } | Expr::Tproxy { .. } => true,
        // It answers at once and asks the server only when the client has answered in turn.
        Expr::Synproxy => true,
        // The options of a SYN are the client's choice.
        Expr::Exthdr { of, .. } => *of == ExthdrOf::Tcp,
        Expr::Meta { key, .. } => match key {
            // Who runs the program at this end is told by its socket.
            MetaKey::Skuid | MetaKey::Skgid => true,
            // The scheduler's, and chance.
            MetaKey::Cpu | MetaKey::Prandom => true,
            // With its options, which are the client's, or with its data.
            MetaKey::Len => true,
            _ => false,
        },
        // Total length and id: as above. How long it may live is its sender's and the path's choice; nft asks for it where
        // a rule of a device speaks of IPv6 without saying so to IPv4 packets.
        Expr::Payload { base: Base::Network, offset, len, .. } => {
            matches!(offset, 2..=5) || (!v6 && *offset <= 8 && offset + len > 8)
        }
        Expr::Xt(Xt::Match(one)) => of_match(one),
        Expr::Xt(Xt::Target(target)) => matches!(target, Target::Tproxy { .. } | Target::Synproxy),
        _ => false,
    }
}

/// The same of iptables.
fn of_match(one: &Match) -> bool {
    match one {
        Match::Limit { .. } | Match::Hashlimit { .. } | Match::Connlimit { .. } | Match::Statistic { .. } => true,
        Match::Socket { .. } | Match::Owner { .. } | Match::Length { .. } => true,
        Match::Tcp(tcp) => tcp.option.is_some(),
        // Of these nothing but their names is understood.
        Match::Unknowable { .. } => true,
        _ => false,
    }
}

/// True for a mask that picks sources all over the place: as ranges there would be thousands, up to half of all addresses
/// one by one. Of one known client it must be exact, but for its port, which is chosen when it dials.
fn scatters(expr: &Expr, any: bool) -> bool {
    const PORT: usize = 2;
    match expr {
        Expr::Bitwise { op: BitOp::Mask { mask, .. }, .. } => !is_prefix(mask) && (any || mask.len() == PORT),
        Expr::Xt(Xt::Match(Match::Ip(ip))) => {
            let masks = [ip.source, ip.destination].into_iter().flatten();
            any && masks.map(|(_, mask)| mask).any(|mask| match mask {
                IpAddr::V4(v4) => !is_prefix(&v4.octets()),
                IpAddr::V6(v6) => !is_prefix(&v6.octets()),
            })
        }
        _ => false,
    }
}

/// Ones, then zeroes.
fn is_prefix(mask: &[u8]) -> bool {
    let ones: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    let bit = |index: u32| mask[usize::try_from(index / 8).unwrap()] & (0x80 >> (index % 8)) != 0;
    (0..ones).all(bit)
}

/// A mark may be set by a rule of which it cannot be told whether it hits.
fn reads_a_mark(expr: &Expr) -> bool {
    match expr {
        Expr::Meta { key, .. } => *key == MetaKey::Mark,
        Expr::Ct { key, .. } => *key == CtKey::Mark,
        Expr::Xt(Xt::Match(one)) => matches!(one, Match::Mark { .. } | Match::Connmark { .. }),
        _ => false,
    }
}

/// A rule that may or may not hit may set a mark that another one reads.
fn asks_the_unknowable(script: &Script) -> bool {
    [
        "limit",
        "numgen",
        "quota",
        "skuid",
        "cpu",
        "hash",
        "ct count",
        "socket",
        "length",
        "option",
        "statistic",
        "owner",
        "ttl",
    ]
    .iter()
    .any(|word| script.says(word))
}
