//! What iptables-nft writes into nf_tables, decoded: no structure that the kernel took is left unknown.

use std::net::IpAddr;

use unrefuse::facts::ruleset::expr::{Expr, RejectWith};
use unrefuse::facts::ruleset::xt::{Match, NatRange, RecentDoes, RecentMatch, Target, Which, Xt};
use unrefuse::facts::ruleset::{Backend, ChainId, Family, TableId};
use unrefuse::sources::netlink::nftables;

use super::space::{Outcome, run};

/// Options that a rule of `INPUT` may have, each with several.
pub(crate) const MATCHES: &str = "
    -m comment --comment words
    -p tcp -m multiport --dports 22,80:90
    -p tcp -m multiport ! --ports 22,25
    -m conntrack --ctstate NEW,UNTRACKED
    -m conntrack ! --ctstate DNAT,SNAT --ctproto tcp
    -p tcp -m conntrack --ctorigdst 10.0.0.0/8 --ctorigdstport 80:90 --ctdir REPLY
    -m conntrack --ctstatus ASSURED,CONFIRMED
    -m state --state INVALID
    -m addrtype --dst-type LOCAL --limit-iface-in
    -m addrtype ! --src-type LOCAL
    -m mark --mark 0x1/0xff
    -m mark ! --mark 2
    -m connmark --mark 7
    -m iprange --src-range 10.0.0.1-10.0.0.9
    -m iprange ! --dst-range 10.0.0.1-10.0.0.9
    -m recent --set --name one --rsource
    -m recent ! --update --seconds 30 --hitcount 6 --name one --rdest --mask 255.255.255.0
    -m limit --limit 3/min --limit-burst 9
    -m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip --hashlimit-name many
    -p tcp -m connlimit --connlimit-above 3
    -p tcp -m connlimit --connlimit-upto 3
    -m pkttype --pkt-type multicast
    -m length ! --length 40:60
    -m physdev ! --physdev-in lo
    -m socket --transparent
    -m statistic --mode nth --every 3 --packet 0
    -m statistic --mode random --probability 0.5
    -m cgroup --cgroup 1
    -m mac --mac-source 02:00:00:00:00:01
    -m ttl --ttl-lt 3
    -m dscp --dscp 8
    -p tcp -m tcpmss --mss 1:500
    -m time --timestart 10:00 --timestop 11:00
    -m string --algo bm --string GET
    -m u32 --u32 0x0=0x1
    -m policy --dir in --pol none
    -m devgroup --src-group 1
    -m helper --helper ftp
    -m quota --quota 1000
    -m connbytes --connbytes 1: --connbytes-dir both --connbytes-mode bytes
    -p tcp -m tcp --tcp-option 2
    -p icmp -m icmp --icmp-type echo-request
";

/// A table, a chain in it, and targets that a rule there may have.
pub(crate) const TARGETS: &str = "
    filter INPUT -j LOG --log-prefix words
    filter INPUT -j NFLOG --nflog-group 3 --nflog-prefix words
    filter INPUT -j NFQUEUE --queue-num 3 --queue-bypass
    filter INPUT -j NFQUEUE --queue-balance 1:4
    filter INPUT -j AUDIT --type drop
    filter INPUT -p tcp -m tcp --dport 80 -j SYNPROXY --mss 1400
    nat PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2:80
    nat PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2-10.0.0.9
    nat PREROUTING -p tcp -j REDIRECT --to-ports 8080-8090
    nat PREROUTING -d 192.0.2.0/24 -j NETMAP --to 10.0.0.0/24
    nat POSTROUTING -j SNAT --to-source 192.0.2.1
    nat POSTROUTING -j MASQUERADE --random
    raw PREROUTING -j CT --notrack
    raw PREROUTING -j CT --zone 3
    raw PREROUTING -j TRACE
    mangle PREROUTING -j MARK --set-xmark 0x1/0xff
    mangle PREROUTING -j CONNMARK --save-mark
    mangle PREROUTING -j CONNMARK --restore-mark
    mangle PREROUTING -p tcp -j TPROXY --on-port 3129 --on-ip 127.0.0.1 --tproxy-mark 1/1
    mangle PREROUTING -j TTL --ttl-set 3
    mangle PREROUTING -j DSCP --set-dscp 8
    mangle PREROUTING -j CHECKSUM --checksum-fill
    mangle POSTROUTING -j CLASSIFY --set-class 1:1
    mangle FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
";

/// The matches and targets of the last rule of a chain; iptables-nft writes some of its matches as nftables' own.
fn last(family: Family, table: &str, chain: &str) -> Result<Vec<Xt>, String> {
    let table = TableId { backend: Backend::Nftables, family, name: table.into() };
    let id = ChainId { table, name: chain.into() };
    let rules = nftables::chain_rules(&id).map_err(|e| format!("{e:?}"))?.ok_or("no chain")?;
    let exprs = rules.rules.last().ok_or("no rule")?.exprs.clone();
    if let Some(opaque) = exprs.iter().find(|e| matches!(e, Expr::Opaque { .. })) {
        return Err(format!("not decoded at all: {opaque:?}"));
    }
    Ok(exprs.into_iter().filter_map(|e| if let Expr::Xt(xt) = e { Some(xt) } else { None }).collect())
}

/// Appends a rule and reads it back; none where this kernel lacks what it takes.
pub(crate) fn added(family: Family, table: &str, chain: &str, words: &str) -> Result<Option<Vec<Xt>>, String> {
    let program = if family == Family::Ip6 { "ip6tables-nft" } else { "iptables-nft" };
    let mut args = vec!["-t", table, "-A", chain];
    args.extend(words.split_whitespace());
    match run(program, &args) {
        Ok(_) => last(family, table, chain).map(Some),
        Err(why) => {
            eprintln!("not compared: {words}: {}", why.message().unwrap_or_default().trim());
            Ok(None)
        }
    }
}

pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Table, chain and options.
pub(crate) fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (table, rest) = line.split_once(' ')?;
    let (chain, words) = rest.split_once(' ')?;
    Some((table, chain, words))
}

pub(crate) fn nothing_is_unknown() -> Outcome {
    let (mut read, mut structures, mut lacking, mut unknown) = (0, 0, 0, Vec::new());
    let matches = lines(MATCHES).map(|words| ("filter", "INPUT", words));
    let targets = lines(TARGETS).filter_map(split);
    for (table, chain, words) in matches.chain(targets) {
        let Some(xts) = added(Family::Ip, table, chain, words)? else {
            lacking += 1;
            continue;
        };
        read += 1;
        structures += xts.len();
        let is_other = |xt: &Xt| matches!(xt, Xt::Match(Match::Other { .. }) | Xt::Target(Target::Other { .. }));
        if xts.iter().any(is_other) {
            unknown.push(format!("{words}: {xts:?}"));
        }
    }
    eprintln!("{read} rules with {structures} structures were read, {lacking} are not for this kernel");
    assert_eq!(unknown, Vec::<String>::new());
    assert!(structures > 15, "{structures}");
    Ok(())
}

pub(crate) fn rejects() -> Outcome {
    use RejectWith::{Icmp, Icmpv6, TcpReset};
    let cases = [
        (Family::Ip, "icmp-net-unreachable", Icmp(0)),
        (Family::Ip, "icmp-host-unreachable", Icmp(1)),
        (Family::Ip, "icmp-proto-unreachable", Icmp(2)),
        (Family::Ip, "icmp-port-unreachable", Icmp(3)),
        (Family::Ip, "icmp-net-prohibited", Icmp(9)),
        (Family::Ip, "icmp-host-prohibited", Icmp(10)),
        (Family::Ip, "icmp-admin-prohibited", Icmp(13)),
        (Family::Ip, "tcp-reset", TcpReset),
        (Family::Ip6, "icmp6-no-route", Icmpv6(0)),
        (Family::Ip6, "icmp6-adm-prohibited", Icmpv6(1)),
        (Family::Ip6, "icmp6-addr-unreachable", Icmpv6(3)),
        (Family::Ip6, "icmp6-port-unreachable", Icmpv6(4)),
        (Family::Ip6, "icmp6-policy-fail", Icmpv6(5)),
        (Family::Ip6, "icmp6-reject-route", Icmpv6(6)),
        (Family::Ip6, "tcp-reset", TcpReset),
    ];
    for (family, word, with) in cases {
        let words = format!("-p tcp -j REJECT --reject-with {word}");
        if let Some(xts) = added(family, "filter", "INPUT", &words)? {
            assert_eq!(xts, [Xt::Target(Target::Reject(with))], "{word}");
        }
    }
    Ok(())
}

pub(crate) fn values() -> Outcome {
    let ten = |last| IpAddr::from([10, 0, 0, last]);
    let recent = RecentMatch {
        name: "one".into(),
        does: RecentDoes::Update,
        seconds: 30,
        hits: 6,
        ttl: false,
        source: false,
        mask: Some(IpAddr::from([255, 255, 255, 0])),
        inverted: true,
    };
    let multiport = Match::Multiport { which: Which::Destination, ports: vec![(22, 22), (80, 90)], inverted: true };
    let range = NatRange { addresses: Some((ten(2), ten(9))), ports: Some((80, 80)) };
    let cases = [
        ("filter", "INPUT", "-p tcp -m multiport ! --dports 22,80:90", Xt::Match(multiport)),
        (
            "filter",
            "INPUT",
            "-m recent ! --update --seconds 30 --hitcount 6 --name one --rdest --mask 255.255.255.0",
            Xt::Match(Match::Recent(recent)),
        ),
        (
            "filter",
            "INPUT",
            "-m connmark ! --mark 0x1/0xff",
            Xt::Match(Match::Connmark { value: 1, mask: 0xff, inverted: true }),
        ),
        ("nat", "PREROUTING", "-p tcp -j DNAT --to-destination 10.0.0.2-10.0.0.9:80", Xt::Target(Target::Dnat(range))),
        ("nat", "PREROUTING", "-p tcp -j REDIRECT --to-ports 81", Xt::Target(Target::Redirect(Some((81, 81))))),
    ];
    for (table, chain, words, expected) in cases {
        if let Some(xts) = added(Family::Ip, table, chain, words)? {
            assert_eq!(xts, [expected], "{words}");
        }
    }
    Ok(())
}
