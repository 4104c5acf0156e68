//! Matches and targets of iptables, as `iptables -S` prints them.

use std::net::IpAddr;

use crate::facts::ruleset::xt::{
    ConntrackMatch, Match, NatRange, Ports, RecentDoes, RecentMatch, Target, TcpMatch, Which, Xt,
};

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
        Target::Notrack | Target::Zone | Target::Ct => "CT",
        Target::Tproxy { .. } => "TPROXY",
        Target::Queue { .. } => "NFQUEUE",
        Target::Synproxy => "SYNPROXY",
        Target::Changes { name } | Target::Other { name, .. } => name,
    }
}

/// What `-S` puts into quotes, and how.
pub(super) fn quoted(raw: &str) -> String {
    if !raw.is_empty() && raw.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return raw.into();
    }
    let mut escaped = String::from("\"");
    for c in raw.chars() {
        if matches!(c, '"' | '\\' | '\'') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped.push('"');
    escaped
}

/// Flags of TCP by name.
pub(super) fn tcp_flags(bits: u8) -> String {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    let set: Vec<&str> = names.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, n)| *n).collect();
    if set.is_empty() { "NONE".into() } else { set.join(",") }
}

fn not(inverted: bool) -> &'static str {
    if inverted { "! " } else { "" }
}

/// `80`, or `1000:2000`.
fn span<T: PartialEq + std::fmt::Display>((from, to): (T, T), between: char) -> String {
    if from == to { from.to_string() } else { format!("{from}{between}{to}") }
}

fn ports(option: &str, ports: Ports) -> Option<String> {
    let any = ports.from == 0 && ports.to == u16::MAX && !ports.inverted;
    (!any).then(|| format!("{}--{option} {}", not(ports.inverted), span((ports.from, ports.to), ':')))
}

/// `-m` with what follows it.
pub(super) fn matched(matched: &Match) -> String {
    let name = match_name(matched);
    let options = match matched {
        Match::Comment(text) => format!("--comment {}", quoted(text)),
        Match::Tcp(tcp) => tcp_options(tcp),
        Match::Udp { source, destination } => {
            ports("sport", *source).into_iter().chain(ports("dport", *destination)).collect::<Vec<_>>().join(" ")
        }
        Match::Multiport { which, ports, inverted } => {
            let option = match which {
                Which::Source => "sports",
                Which::Destination => "dports",
                Which::Either => "ports",
            };
            let list: Vec<String> = ports.iter().map(|p| span(*p, ':')).collect();
            format!("{}--{option} {}", not(*inverted), list.join(","))
        }
        Match::Conntrack(conntrack) => conntrack_options(conntrack),
        Match::Addrtype { .. } => addrtype(matched),
        Match::Mark { value, mask, inverted } | Match::Connmark { value, mask, inverted } => {
            format!("{}--mark {}", not(*inverted), masked(*value, *mask))
        }
        Match::Owner { .. } => owner(matched),
        Match::Iprange { source, source_inverted, destination, destination_inverted } => {
            let range = |option: &str, r: &Option<(IpAddr, IpAddr)>, inverted: bool| {
                r.map(|(from, to)| format!("{}--{option} {from}-{to}", not(inverted)))
            };
            let both =
                [range("src-range", source, *source_inverted), range("dst-range", destination, *destination_inverted)];
            both.into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        Match::Set { name, source, inverted } => {
            format!("{}--match-set {} {}", not(*inverted), quoted(name), if *source { "src" } else { "dst" })
        }
        Match::Recent(recent) => recent_options(recent),
        Match::Limit { average, burst: 5 } => format!("--limit {average}"),
        Match::Limit { average, burst } => format!("--limit {average} --limit-burst {burst}"),
        Match::Connlimit { limit, over } => format!("--connlimit-{} {limit}", if *over { "above" } else { "upto" }),
        Match::Pkttype { kind, inverted } => {
            let kind = ["unicast", "broadcast", "multicast"].get(usize::from(*kind)).copied().unwrap_or("[kind]");
            format!("{}--pkt-type {kind}", not(*inverted))
        }
        Match::Length { from, to, inverted } => format!("{}--length {}", not(*inverted), span((*from, *to), ':')),
        Match::Rpfilter { loose, inverted } => [(*loose, "--loose"), (*inverted, "--invert")]
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, w)| *w)
            .collect::<Vec<_>>()
            .join(" "),
        Match::Socket { transparent } => if *transparent { "--transparent" } else { "" }.into(),
        Match::Hashlimit { text }
        | Match::Physdev { text }
        | Match::Statistic { text }
        | Match::Unknowable { text, .. }
            if !text.is_empty() =>
        {
            text.clone()
        }
        _ => "[…]".into(),
    };
    format!("-m {name} {options}").trim_end().to_owned()
}

fn tcp_options(tcp: &TcpMatch) -> String {
    let flags = (tcp.flags != (0, 0)).then(|| {
        format!("{}--tcp-flags {} {}", not(tcp.flags_inverted), tcp_flags(tcp.flags.0), tcp_flags(tcp.flags.1))
    });
    let option = tcp.option.map(|o| format!("{}--tcp-option {o}", not(tcp.option_inverted)));
    let all = [ports("sport", tcp.source), ports("dport", tcp.destination), option, flags];
    all.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn conntrack_options(ct: &ConntrackMatch) -> String {
    let mut words = Vec::new();
    if let Some(states) = ct.states {
        let names = [
            (1, "INVALID"),
            (8, "NEW"),
            (4, "RELATED"),
            (2, "ESTABLISHED"),
            (64, "UNTRACKED"),
            (128, "SNAT"),
            (256, "DNAT"),
        ];
        let set: Vec<&str> = names.iter().filter(|(bit, _)| states & bit != 0).map(|(_, n)| *n).collect();
        words.push(format!("{}--ctstate {}", not(ct.states_inverted), set.join(",")));
    }
    if let Some(protocol) = ct.protocol {
        words.push(format!("{}--ctproto {protocol}", not(ct.protocol_inverted)));
    }
    let addresses = [
        ("ctorigsrc", ct.original_source, ct.original_source_inverted),
        ("ctorigdst", ct.original_destination, ct.original_destination_inverted),
        ("ctreplsrc", ct.reply_source, ct.reply_source_inverted),
        ("ctrepldst", ct.reply_destination, ct.reply_destination_inverted),
    ];
    for (option, address, inverted) in addresses {
        words.extend(address.map(|a| format!("{}--{option} {}", not(inverted), network(a))));
    }
    let ports = [
        ("ctorigsrcport", ct.original_source_ports, ct.original_source_ports_inverted),
        ("ctorigdstport", ct.original_destination_ports, ct.original_destination_ports_inverted),
    ];
    for (option, range, inverted) in ports {
        words.extend(range.map(|r| format!("{}--{option} {}", not(inverted), span(r, ':'))));
    }
    if let Some(status) = ct.status {
        let names = [(1, "EXPECTED"), (2, "SEEN_REPLY"), (4, "ASSURED"), (8, "CONFIRMED")];
        let set: Vec<&str> = names.iter().filter(|(bit, _)| status & bit != 0).map(|(_, n)| *n).collect();
        words.push(format!(
            "{}--ctstatus {}",
            not(ct.status_inverted),
            if set.is_empty() { "NONE".into() } else { set.join(",") }
        ));
    }
    words.extend(ct.reply_direction.map(|reply| format!("--ctdir {}", if reply { "REPLY" } else { "ORIGINAL" })));
    if ct.unclear {
        words.push("[…]".into());
    }
    words.join(" ")
}

/// An address, with its mask unless it is one host's.
fn network((address, mask): (IpAddr, IpAddr)) -> String {
    let (bytes, size) = match mask {
        IpAddr::V4(m) => (m.octets().to_vec(), 32),
        IpAddr::V6(m) => (m.octets().to_vec(), 128),
    };
    match super::values::prefix_len(&bytes) {
        Some(length) if length == size => address.to_string(),
        Some(length) => format!("{address}/{length}"),
        None => format!("{address}/{mask}"),
    }
}

fn masked(value: u32, mask: u32) -> String {
    if mask == u32::MAX { format!("0x{value:x}") } else { format!("0x{value:x}/0x{mask:x}") }
}

fn addrtype(matched: &Match) -> String {
    let Match::Addrtype { source, source_inverted, destination, destination_inverted, limit_in, limit_out } = matched
    else {
        return String::new();
    };
    let names = [
        "UNSPEC",
        "UNICAST",
        "LOCAL",
        "BROADCAST",
        "ANYCAST",
        "MULTICAST",
        "BLACKHOLE",
        "UNREACHABLE",
        "PROHIBIT",
        "THROW",
        "NAT",
        "XRESOLVE",
    ];
    let list = |bits: u16| {
        let set = names.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, n)| *n);
        set.collect::<Vec<_>>().join(",")
    };
    let mut words = Vec::new();
    for (option, bits, inverted) in
        [("src-type", *source, *source_inverted), ("dst-type", *destination, *destination_inverted)]
    {
        if bits != 0 {
            words.push(format!("{}--{option} {}", not(inverted), list(bits)));
        }
    }
    words.extend(limit_in.then(|| "--limit-iface-in".to_owned()));
    words.extend(limit_out.then(|| "--limit-iface-out".to_owned()));
    words.join(" ")
}

fn owner(matched: &Match) -> String {
    let Match::Owner { uid, uid_inverted, gid, gid_inverted, socket_exists } = matched else { return String::new() };
    let exists = socket_exists.map(|there| format!("{}--socket-exists", not(!there)));
    let user = uid.map(|range| format!("{}--uid-owner {}", not(*uid_inverted), span(range, '-')));
    let group = gid.map(|range| format!("{}--gid-owner {}", not(*gid_inverted), span(range, '-')));
    [exists, user, group].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn recent_options(recent: &RecentMatch) -> String {
    let does = match recent.does {
        RecentDoes::Set => "--set",
        RecentDoes::Check => "--rcheck",
        RecentDoes::Update => "--update",
        RecentDoes::Remove => "--remove",
    };
    let mut words = vec![format!("{}{does}", not(recent.inverted))];
    words.extend((recent.seconds != 0).then(|| format!("--seconds {}", recent.seconds)));
    words.extend((recent.hits != 0).then(|| format!("--hitcount {}", recent.hits)));
    words.extend(recent.ttl.then(|| "--rttl".to_owned()));
    words.push(format!("--name {}", quoted(&recent.name)));
    words.extend(recent.mask.map(|mask| format!("--mask {mask}")));
    words.push(if recent.source { "--rsource" } else { "--rdest" }.into());
    words.join(" ")
}

/// What stands behind `-j`.
pub(super) fn target(target: &Target) -> String {
    let name = target_name(target);
    let options = match target {
        Target::Reject(with) => {
            super::iptables_word(*with).map_or_else(|| "[…]".into(), |word| format!("--reject-with {word}"))
        }
        Target::Dnat(range) => format!("--to-destination {}", translation(range)),
        Target::Snat(range) => format!("--to-source {}", translation(range)),
        Target::Redirect(Some(ports)) => format!("--to-ports {}", span(*ports, '-')),
        Target::Redirect(None) | Target::Masquerade | Target::Synproxy => String::new(),
        Target::Log { prefix } => prefix.as_ref().map(|p| format!("--log-prefix {}", quoted(p))).unwrap_or_default(),
        Target::Connmark { restore: true, clear, set, .. } => {
            format!("--restore-mark --nfmask 0x{clear:x} --ctmask 0x{set:x}")
        }
        Target::Connmark { save: true, clear, set, .. } => {
            format!("--save-mark --nfmask 0x{set:x} --ctmask 0x{clear:x}")
        }
        Target::Mark { clear, set } | Target::Connmark { clear, set, .. } => {
            format!("--set-xmark 0x{set:x}/0x{clear:x}")
        }
        Target::Notrack => "--notrack".into(),
        Target::Tproxy { address, port, clear, set } => {
            let address = address.map_or_else(|| "0.0.0.0".into(), |a| a.to_string());
            format!("--on-port {port} --on-ip {address} --tproxy-mark 0x{set:x}/0x{clear:x}")
        }
        Target::Queue { number, bypass } => {
            format!("--queue-num {number}{}", if *bypass { " --queue-bypass" } else { "" })
        }
        Target::Netmap(_) | Target::Zone | Target::Ct | Target::Changes { .. } | Target::Other { .. } => "[…]".into(),
    };
    format!("{name} {options}").trim_end().to_owned()
}

fn translation(range: &NatRange) -> String {
    let ports = range.ports.map(|p| format!(":{}", span(p, '-'))).unwrap_or_default();
    let bracket = |a: IpAddr| if a.is_ipv6() && !ports.is_empty() { format!("[{a}]") } else { a.to_string() };
    let addresses = range.addresses.map(|(from, to)| span((bracket(from), bracket(to)), '-')).unwrap_or_default();
    format!("{addresses}{ports}")
}
