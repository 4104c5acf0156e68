//! What iptables calls its matches and targets.

use crate::facts::ruleset::xt::{Match, Target, Xt};

/// The name of a match or target.
pub(super) fn name(xt: &Xt) -> &str {
    match xt {
        Xt::Match(matched) => match_name(matched),
        Xt::Target(target) => target_name(target),
    }
}

/// Behind `-m`.
pub(super) fn match_name(matched: &Match) -> &str {
    match matched {
        Match::Comment(_) => "comment",
        Match::Ip(_) => "ip",
        Match::Tcp(_) => "tcp",
        Match::Udp { .. } => "udp",
        Match::Multiport { .. } => "multiport",
        Match::Conntrack(_) => "conntrack",
        Match::Addrtype { .. } => "addrtype",
        Match::Mark { .. } => "mark",
        Match::Connmark { .. } => "connmark",
        Match::Owner { .. } => "owner",
        Match::Iprange { .. } => "iprange",
        Match::Set { .. } => "set",
        Match::Recent(_) => "recent",
        Match::Limit { .. } => "limit",
        Match::Hashlimit { .. } => "hashlimit",
        Match::Connlimit { .. } => "connlimit",
        Match::Pkttype { .. } => "pkttype",
        Match::Length { .. } => "length",
        Match::Physdev { .. } => "physdev",
        Match::Rpfilter { .. } => "rpfilter",
        Match::Socket { .. } => "socket",
        Match::Statistic { .. } => "statistic",
        Match::Icmp => "icmp",
        Match::Unknowable { name, .. } | Match::Other { name, .. } => name,
    }
}

/// Behind `-j`.
pub(super) fn target_name(target: &Target) -> &str {
    match target {
        Target::Reject(_) => "REJECT",
        Target::Dnat(_) => "DNAT",
        Target::Snat(_) => "SNAT",
        Target::Redirect(_) => "REDIRECT",
        Target::Netmap(_) => "NETMAP",
        Target::Masquerade => "MASQUERADE",
        Target::Log { .. } => "LOG",
        Target::Mark { .. } => "MARK",
        Target::Connmark { .. } => "CONNMARK",
        Target::Notrack | Target::Ct => "CT",
        Target::Tproxy { .. } => "TPROXY",
        Target::Queue { .. } => "NFQUEUE",
        Target::Synproxy => "SYNPROXY",
        Target::Changes { name } | Target::Other { name, .. } => name,
    }
}
