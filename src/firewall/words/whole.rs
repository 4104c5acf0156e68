//! Whether words can say all that a rule does: where they leave something out that is not in the facts, a rule that is made
//! of them again would do less.

use crate::facts::ruleset::Rule;
use crate::facts::ruleset::expr::{CtKey, Expr, ExthdrOf, LookupTo, MetaKey, SocketKey, Verdict};
use crate::facts::ruleset::xt::{Match, Target, Xt};

/// Words can say all of it. What stands in brackets is not looked for here.
pub(super) fn is_said(rule: &Rule) -> bool {
    rule.exprs.iter().all(expr)
}

fn expr(expr: &Expr) -> bool {
    match expr {
        // Level and flags, options, timeouts, and which queue are not kept.
        Expr::Log { .. }
        | Expr::Synproxy
        | Expr::Dynset { .. }
        | Expr::Queue { from: 0, to: u16::MAX, .. }
        | Expr::Verdict(Verdict::Queue | Verdict::Stolen)
        | Expr::Osf { .. }
        // nft wants more words around what a map gives than are said.
        | Expr::Lookup { to: LookupTo::Register(_), .. }
        | Expr::ObjrefMap { .. }
        // Numbers where nft wants times, names or bits.
        | Expr::Meta { key: MetaKey::Time | MetaKey::Day | MetaKey::Hour | MetaKey::Prandom | MetaKey::Secmark, .. }
        | Expr::Ct { key: CtKey::Labels | CtKey::EventMask | CtKey::Expiration | CtKey::Secmark, .. }
        | Expr::Socket { key: SocketKey::Cgroupv2, .. }
        | Expr::Rt { .. }
        | Expr::Xfrm { .. }
        | Expr::Opaque { .. } => false,
        Expr::Exthdr { of, present, .. } => *of == ExthdrOf::Tcp || (*of == ExthdrOf::Ipv6 && *present),
        Expr::Xt(Xt::Match(matched)) => of_match(matched),
        // Options of the others are not kept.
        Expr::Xt(Xt::Target(target)) => {
            matches!(target, Target::Reject(_) | Target::Mark { .. } | Target::Connmark { .. } | Target::Notrack)
        }
        _ => true,
    }
}

fn of_match(matched: &Match) -> bool {
    const NAMED_STATUS: u32 = 15;
    match matched {
        Match::Comment(_)
        | Match::Ip(_)
        | Match::Tcp(_)
        | Match::Udp { .. }
        | Match::Multiport { .. }
        | Match::Addrtype { .. }
        | Match::Mark { .. }
        | Match::Connmark { .. }
        | Match::Owner { .. }
        | Match::Iprange { .. }
        | Match::Recent(_)
        | Match::Limit { .. }
        | Match::Pkttype { .. }
        | Match::Length { .. } => true,
        Match::Conntrack(ct) => !ct.unclear && ct.status.is_none_or(|bits| bits & !NAMED_STATUS == 0),
        _ => false,
    }
}
