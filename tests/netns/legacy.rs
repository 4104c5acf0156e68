//! The legacy tables of iptables: the same lines through iptables-nft (as structures) and through iptables-legacy (as
//! words), the tables of a namespace, and lists of xt_recent.

use std::fs;
use std::net::UdpSocket;
use std::thread::sleep;
use std::time::Duration;

use libtest_mimic::Failed;
use unrefuse::facts::Reading;
use unrefuse::facts::ruleset::expr::{Expr, Verdict};
use unrefuse::facts::ruleset::xt::{Match, Target, Xt};
use unrefuse::facts::ruleset::{ChainKind, Family, Hook, LegacyTable, Policy};
use unrefuse::sources::xtables;

use super::helper::ask_as_nobody;
use super::space::{Outcome, run};
use super::xtables::{MATCHES, TARGETS, added, lines, split};

/// More rules, with `!` where an option has it.
const MORE: &str = "
    filter INPUT -p tcp -m conntrack ! --ctorigsrc 10.1.2.3 ! --ctorigsrcport 7 --ctreplsrc 10.0.0.0/9 ! --ctproto udp
    filter INPUT -m conntrack ! --ctstatus NONE,EXPECTED --ctexpire 5:10
    filter INPUT -m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT --ctdir ORIGINAL
    filter INPUT -m state ! --state INVALID,NEW
    filter INPUT -m addrtype --src-type UNICAST,LOCAL ! --dst-type BROADCAST,BLACKHOLE
    filter INPUT -m addrtype --dst-type UNSPEC
    filter FORWARD -m addrtype ! --dst-type LOCAL --limit-iface-out
    filter INPUT -m connmark ! --mark 0x1/0xff
    filter OUTPUT -m owner --uid-owner nobody ! --gid-owner 5-9
    filter OUTPUT -m owner ! --uid-owner 7 ! --socket-exists
    filter OUTPUT -m owner --gid-owner 3 --suppl-groups
    filter INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 10.1.1.1-10.2.2.2
    filter INPUT -m recent --rcheck --seconds 5 --reap --rttl
    filter INPUT -m recent --remove --name other --rdest
    filter INPUT -p tcp -m connlimit ! --connlimit-upto 3 --connlimit-mask 24 --connlimit-daddr
    filter INPUT -m pkttype ! --pkt-type broadcast
    filter INPUT -m pkttype --pkt-type unicast
    filter INPUT -m length --length 40:
    filter INPUT -m physdev --physdev-is-bridged
    raw PREROUTING -m rpfilter --loose --invert
    raw PREROUTING -m rpfilter --validmark
    filter INPUT -m socket --transparent --nowildcard
    filter INPUT -m socket
    filter INPUT -m statistic --mode random ! --probability 0.25
    filter INPUT -p tcp -m multiport --sports 1,2:3,65535
    filter INPUT -p tcp -m tcp ! --tcp-option 3
    filter INPUT -p icmp -m icmp ! --icmp-type 8/0
    filter INPUT -p tcp -j REJECT --reject-with tcp-reset
    filter INPUT -j REJECT
    filter INPUT -j REJECT --reject-with icmp-host-prohibited
    filter INPUT -j LOG
    nat PREROUTING -p tcp -j DNAT --to-destination :80
    nat PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2-10.0.0.9:80-90 --random --persistent
    nat PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2:80-90/8080
    nat PREROUTING -j REDIRECT
    nat PREROUTING -d 192.0.2.0/24 -j NETMAP --to 10.0.0.7
    nat POSTROUTING -p tcp -j SNAT --to-source 192.0.2.1-192.0.2.5:100-200 --random-fully
    nat POSTROUTING -p tcp -j MASQUERADE --to-ports 100-200
    raw PREROUTING -j NOTRACK
    mangle PREROUTING -j MARK --set-mark 0x1/0xff
    mangle PREROUTING -j MARK --or-mark 4
    mangle PREROUTING -j MARK --and-mark 4
    mangle PREROUTING -j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff
    mangle PREROUTING -j CONNMARK --save-mark --mask 0xff
    mangle PREROUTING -j CONNMARK --set-xmark 1/3
    mangle PREROUTING -p tcp -j TPROXY --on-port 3129
    mangle PREROUTING -j TOS --set-tos 3
    mangle PREROUTING -j TEE --gateway 10.0.0.1
";

const MORE_6: &str = "
    filter INPUT -m conntrack --ctorigsrc fd00::/8 ! --ctrepldst fd00::1
    filter INPUT -m iprange ! --src-range fd00::1-fd00::9
    filter INPUT -m recent --set --name six --mask ffff:ffff::
    filter INPUT -p icmpv6 -m icmp6 --icmpv6-type 128
    filter INPUT -m hl --hl-lt 3
    filter INPUT -j REJECT --reject-with icmp6-adm-prohibited
    filter INPUT -j REJECT
    nat PREROUTING -p tcp -j DNAT --to-destination [fd00::1]:80
    nat PREROUTING -p tcp -j DNAT --to-destination [fd00::1-fd00::3]:80-81
    nat PREROUTING -p tcp -j DNAT --to-destination fd00::1-fd00::3
    nat PREROUTING -d fd00::/64 -j NETMAP --to fd01::/64
    nat POSTROUTING -j SNAT --to-source fd00::1
    mangle PREROUTING -p tcp -j TPROXY --on-port 3129 --on-ip ::1
    mangle PREROUTING -j HL --hl-set 3
";

fn tables() -> Result<Vec<LegacyTable>, Failed> {
    Ok(xtables::legacy().map_err(|e| format!("{e:?}"))?.ok_or("no legacy tables")?)
}

/// The matches and targets of the last rule of a legacy chain, as far as iptables-nft leaves them to be structures; none
/// where this kernel lacks what it takes.
fn legacy(family: Family, table: &str, chain: &str, words: &str) -> Result<Option<Vec<Xt>>, Failed> {
    let program = if family == Family::Ip6 { "ip6tables-legacy" } else { "iptables-legacy" };
    let mut args = vec!["-t", table, "-A", chain];
    args.extend(words.split_whitespace());
    if run(program, &args).is_err() {
        return Ok(None);
    }
    let tables = tables()?;
    let found = tables.iter().find(|t| t.id.family == family && t.id.name == table).ok_or("no table")?;
    let (_, rules) = found.chains.iter().find(|(c, _)| c.id.name == chain).ok_or("no chain")?;
    let rule = rules.last().ok_or("no rule")?;
    assert_eq!(rule.handle, u64::try_from(rules.len())?);
    assert!(rule.text.as_ref().is_some_and(|text| text.starts_with("-A ") && !text.contains(" -c ")), "{rule:?}");
    let xts = rule.exprs.iter().filter_map(|e| if let Expr::Xt(xt) = e { Some(xt.clone()) } else { None });
    Ok(Some(xts.collect()))
}

/// What is the same however it was read: words of what nothing decides, and what only one way tells, are left out, as are
/// the matches for which nf_tables has expressions of its own.
fn same(xts: &[Xt]) -> Vec<Xt> {
    let mut kept = Vec::new();
    for xt in xts {
        kept.push(match xt.clone() {
            Xt::Match(Match::Ip(_) | Match::Limit { .. }) => continue,
            Xt::Match(Match::Hashlimit { .. }) => Xt::Match(Match::Hashlimit { text: String::new() }),
            Xt::Match(Match::Unknowable { name, .. }) => Xt::Match(Match::Unknowable { name, text: String::new() }),
            Xt::Match(Match::Set { source, inverted, .. }) => {
                Xt::Match(Match::Set { name: String::new(), source, inverted })
            }
            Xt::Target(Target::Other { name, .. }) => Xt::Target(Target::Other { name, revision: 0, info: Vec::new() }),
            other @ (Xt::Match(_) | Xt::Target(_)) => other,
        });
    }
    kept
}

/// The same line loaded with both programs.
fn compare(family: Family, table: &str, chain: &str, words: &str) -> Result<Option<bool>, Failed> {
    let Some(structures) = added(family, table, chain, words)? else { return Ok(None) };
    let Some(in_words) = legacy(family, table, chain, words)? else {
        eprintln!("not for iptables-legacy: {words}");
        return Ok(None);
    };
    let (one, mut other) = (same(&structures), same(&in_words));
    // What iptables-nft wrote as expressions of nf_tables has no structure.
    other.retain(|xt| one.contains(xt) || !is_native(xt));
    if one != other {
        eprintln!("{words}:\n  structures {one:?}\n  words      {other:?}");
    }
    Ok(Some(one == other))
}

/// iptables-nft may write these as expressions of nf_tables.
fn is_native(xt: &Xt) -> bool {
    matches!(
        xt,
        Xt::Match(Match::Tcp(_) | Match::Udp { .. } | Match::Mark { .. } | Match::Comment(_))
            | Xt::Target(Target::Log { .. })
    )
}

pub(crate) fn both_ways() -> Outcome {
    let matches = lines(MATCHES).map(|words| ("filter", "INPUT", words));
    let all = matches.chain(lines(TARGETS).chain(lines(MORE)).filter_map(split));
    let all = all.map(|line| (Family::Ip, line)).chain(lines(MORE_6).filter_map(split).map(|line| (Family::Ip6, line)));
    let (mut equal, mut lacking, mut different) = (0, 0, Vec::new());
    for (family, (table, chain, words)) in all {
        match compare(family, table, chain, words)? {
            Some(true) => equal += 1,
            Some(false) => different.push(words),
            None => lacking += 1,
        }
    }
    eprintln!("{equal} rules are the same both ways, {lacking} are not for this kernel");
    assert_eq!(different, Vec::<&str>::new());
    assert!(equal > 60 || lacking > 60, "{equal} and {lacking}");
    Ok(())
}

fn names() -> String {
    fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default()
        + &fs::read_to_string("/proc/thread-self/net/ip6_tables_names").unwrap_or_default()
}

/// Looking where there are none makes none.
pub(crate) fn none() -> Outcome {
    assert_eq!(names(), "");
    assert_eq!(xtables::legacy().map_err(|e| format!("{e:?}"))?, None);
    assert_eq!(names(), "");
    Ok(())
}

pub(crate) fn filter_and_nat() -> Outcome {
    if let Err(why) = run("iptables-legacy", &["-N", "mine"]) {
        eprintln!("no legacy tables on this kernel: {}", why.message().unwrap_or_default());
        return Ok(());
    }
    run("iptables-legacy", &["-P", "INPUT", "DROP"])?;
    run("iptables-legacy", &["-A", "INPUT", "-i", "lo", "-p", "udp", "-j", "mine"])?;
    run(
        "iptables-legacy",
        &["-A", "mine", "-m", "comment", "--comment", "a \"b\"\n-A INPUT -j ACCEPT", "-j", "ACCEPT"],
    )?;
    run("iptables-legacy", &["-t", "nat", "-A", "PREROUTING", "-p", "tcp", "-j", "REDIRECT", "--to-ports", "81"])?;
    // The error that answers it comes in, too, and only the policy decides it.
    UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", "127.0.0.1:9")?;
    let tables = tables()?;
    let mut found: Vec<&str> = tables.iter().map(|t| t.id.name.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["filter", "nat"]);
    assert_eq!(names().lines().count(), 2, "no other table was made");
    let filter = tables.iter().find(|t| t.id.name == "filter").ok_or("no filter")?;
    let (input, rules) = filter.chains.first().ok_or("no chain")?;
    let base = input.base.as_ref().ok_or("no base")?;
    assert_eq!((base.hook, base.policy, base.priority, base.packets), (Hook::Input, Policy::Drop, 0, Some(1)));
    let [rule] = rules.as_slice() else { return Err(format!("{rules:?}").into()) };
    assert_eq!(rule.text.as_deref(), Some("-A INPUT -i lo -p udp -j mine"));
    let counted = [Expr::Counter { packets: 1, bytes: 29 }, Expr::Verdict(Verdict::Jump("mine".into()))];
    assert_eq!(rule.exprs.get(1..), Some(counted.as_slice()));
    let (mine, rules) = filter.chains.iter().find(|(c, _)| c.id.name == "mine").ok_or("no chain")?;
    let [rule] = rules.as_slice() else { return Err(format!("{rules:?}").into()) };
    assert_eq!((&mine.base, rule.comment.as_deref()), (&None, Some("a \"b\"\n-A INPUT -j ACCEPT")));
    let nat = tables.iter().find(|t| t.id.name == "nat").ok_or("no nat")?;
    let base = nat.chains.first().and_then(|(chain, _)| chain.base.as_ref()).ok_or("no base")?;
    assert_eq!((base.kind, base.priority), (ChainKind::Nat, -100));
    Ok(())
}

/// The rules of this kernel's legacy tables are for root only.
pub(crate) fn as_nobody() -> Outcome {
    let reading: Reading<Vec<LegacyTable>> = ask_as_nobody(&["legacy"])?;
    if fs::exists("/proc/thread-self/net/ip_tables_names")? {
        assert_eq!(reading, Reading::Denied { needs: "root".into() });
    } else {
        assert_eq!(reading, Reading::Absent);
    }
    Ok(())
}

/// Ages of packets that were just sent. The clock of the kernel is for root only.
pub(crate) fn recent() -> Outcome {
    for (program, list) in [("iptables-legacy", "four"), ("ip6tables-legacy", "six")] {
        let rule = ["-A", "INPUT", "-p", "udp", "-m", "recent", "--set", "--name", list];
        if let Err(why) = run(program, &rule) {
            eprintln!("no lists on this kernel: {}", why.message().unwrap_or_default());
            return Ok(());
        }
    }
    assert_eq!(xtables::recent("none"), Ok(None));
    assert_eq!(xtables::recent("four").map(|list| list.map(|l| l.seen.len())), Ok(Some(0)));
    for (list, address) in [("four", "127.0.0.1"), ("six", "::1")] {
        let socket = UdpSocket::bind((address, 0))?;
        let began = std::time::Instant::now();
        socket.send_to(b"x", (address, 9))?;
        sleep(Duration::from_millis(300));
        let _ = socket.send_to(b"x", (address, 9));
        sleep(Duration::from_millis(100));
        let found = xtables::recent(list).map_err(|e| format!("{e:?}"))?.ok_or("no list")?;
        let most = u64::try_from(began.elapsed().as_millis())? + 20;
        let [(source, ages)] = found.seen.as_slice() else { return Err(format!("{found:?}").into()) };
        assert_eq!(*source, address.parse::<std::net::IpAddr>()?);
        let [latest, first] = ages.as_slice() else { return Err(format!("{ages:?}").into()) };
        assert!((80..most).contains(latest) && (380..most).contains(first) && first - latest >= 280, "{ages:?} {most}");
    }
    Ok(())
}
