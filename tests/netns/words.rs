//! Rules in words: what is said of a rule is what nft and iptables say of it, line by line.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::Failed;
use unrefuse::facts::ruleset::{ChainId, ChainRules, Elements, Family, LegacyTable, Ruleset, SetId};
use unrefuse::firewall::see;
use unrefuse::firewall::words::{Names, in_iptables, rule};
use unrefuse::sources::netlink::nftables;
use unrefuse::sources::xtables;

use super::rules::{load, rules, ruleset};
use super::space::{Outcome, run, wire};

struct Here {
    rules: Ruleset,
    elements: BTreeMap<SetId, Elements>,
}

impl Here {
    fn look() -> Result<Self, Failed> {
        let rules = ruleset()?;
        let mut elements = BTreeMap::new();
        for set in rules.sets.iter().filter(|set| set.anonymous) {
            let read = nftables::elements(&set.id).map_err(|e| format!("{e:?}"))?.ok_or("none")?;
            elements.insert(set.id.clone(), read);
        }
        Ok(Self { rules, elements })
    }

    fn chains(&self) -> Vec<ChainId> {
        self.rules.chains.iter().map(|chain| chain.id.clone()).collect()
    }
}

impl Names for Here {
    fn ruleset(&self) -> Option<&Ruleset> {
        Some(&self.rules)
    }

    fn elements(&self, id: &SetId) -> Option<&Elements> {
        self.elements.get(id)
    }

    fn interface(&self, index: u32) -> Option<&str> {
        (index == 1).then_some("lo")
    }
}

/// Without what changes between two looks.
fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lines that differ are printed; the share of equal ones must be at least this.
fn held_against(theirs: &[String], ours: &[String], least: f64) -> Outcome {
    let mut equal = 0;
    for (theirs, ours) in theirs.iter().zip(ours) {
        if theirs == ours {
            equal += 1;
        } else {
            println!("  theirs: {theirs}\n    ours: {ours}");
        }
    }
    println!("{equal} of {} lines are equal ({} said)", theirs.len(), ours.len());
    let share = f64::from(equal) / f64::from(u32::try_from(theirs.len().max(ours.len()).max(1))?);
    if share < least { Err(format!("only {share:.2} of the lines are equal").into()) } else { Ok(()) }
}

/// All kinds of rules, as nft lists them.
pub(crate) fn as_nft() -> Outcome {
    wire("d0", "d1")?;
    load(super::rules::KINDS)?;
    load(MORE)?;
    let here = Here::look()?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for chain in here.chains() {
        let table = &chain.table;
        let listed = run("nft", &["-a", "list", "chain", table.family.word(), &table.name, &chain.name])?;
        let lines = listed.lines().filter(|l| l.contains("# handle") && !l.contains("{ # handle"));
        theirs.extend(lines.map(|l| plain(l.split(" # handle").next().unwrap_or_default())));
        ours.extend(rules(&chain)?.rules.iter().map(|r| plain(&rule(&chain, r, &here))));
    }
    held_against(&theirs, &ours, 0.8)
}

/// Rules of iptables-nft, as iptables lists them.
pub(crate) fn as_iptables() -> Outcome {
    load_iptables(["iptables", "ip6tables"])?;
    let here = Here::look()?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for chain in here.chains() {
        let program = if chain.table.family == Family::Ip6 { "ip6tables" } else { "iptables" };
        let listed = run(program, &["-t", &chain.table.name, "-S", &chain.name])?;
        theirs.extend(listed.lines().filter(|l| l.starts_with("-A ")).map(plain));
        for read in &rules(&chain)?.rules {
            assert!(in_iptables(&chain, Some(read), Some(&here.rules)));
            ours.push(plain(&rule(&chain, read, &here)));
        }
    }
    held_against(&theirs, &ours, 0.8)
}

/// Rules as iptables and ip6tables put them in.
fn load_iptables(programs: [&str; 2]) -> Outcome {
    for (program, lines) in programs.into_iter().zip([IPTABLES, IP6TABLES]) {
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let words = words(line);
            run(program, &words.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// A command as people copy it.
fn shell(command: &str) -> Result<String, Failed> {
    run("sh", &["-c", command])
}

/// What is taken out and put back by the commands that are shown is what was there, and what is put before a rule stands
/// there. Each rule for which a command is known is tried.
pub(crate) fn taken_out_and_put_back() -> Outcome {
    wire("d0", "d1")?;
    load(super::rules::KINDS)?;
    load(MORE)?;
    put_back_all(Kept::InNft, "tcp dport 65000 accept", 100)?;
    run("nft", &["flush", "ruleset"])?;
    load_iptables(["iptables", "ip6tables"])?;
    put_back_all(Kept::InNft, "-p tcp -m tcp --dport 65000 -j ACCEPT", 35)
}

/// The same with the legacy tables.
pub(crate) fn legacy_taken_out_and_put_back() -> Outcome {
    if let Err(why) = run("iptables-legacy", &["-S"]) {
        eprintln!("no legacy tables on this kernel: {}", why.message().unwrap_or_default());
        return Ok(());
    }
    load_iptables(["iptables-legacy", "ip6tables-legacy"])?;
    // What `-S` does not show must not be lost either.
    for line in ["-A INPUT ! -i + -j DROP", "-A OUTPUT -d 10.0.0.1 ! -o + -j DROP", "-A FORWARD ! -i + ! -o + -j sub"] {
        run("iptables-legacy", &line.split(' ').collect::<Vec<_>>())?;
    }
    put_back_all(Kept::Legacy, "-p tcp -m tcp --dport 65000 -j ACCEPT", 60)
}

/// Where rules are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    InNft,
    Legacy,
}

impl Kept {
    fn chains(self) -> Result<Vec<ChainId>, Failed> {
        match self {
            Self::InNft => Ok(Here::look()?.chains()),
            Self::Legacy => {
                let chains = legacy_tables()?.into_iter().flat_map(|table| table.chains);
                Ok(chains.map(|(chain, _)| chain.id).collect())
            }
        }
    }

    fn rules(self, id: &ChainId) -> Result<ChainRules, Failed> {
        if self == Self::InNft {
            return rules(id);
        }
        let mut chains = legacy_tables()?.into_iter().flat_map(|table| table.chains);
        let (_, rules) = chains.find(|(chain, _)| chain.id == *id).ok_or("no chain")?;
        Ok(ChainRules { generation: 0, rules, more: false })
    }

    /// All that a chain holds, but not when its rules were made.
    fn list(self, chain: &ChainId) -> Result<String, Failed> {
        let words = see::chain(chain, Some(&ruleset()?)).replace("nft -a", "nft");
        let mut listed = shell(&words)?;
        if self == Self::Legacy {
            listed += &shell(&words.replace(" -S ", " -nvL "))?;
        }
        Ok(listed)
    }
}

fn legacy_tables() -> Result<Vec<LegacyTable>, Failed> {
    Ok(xtables::legacy().map_err(|e| format!("{e:?}"))?.ok_or("no legacy tables")?)
}

fn put_back_all(kept: Kept, spec: &str, least: usize) -> Outcome {
    let (mut tried, mut wrong) = (0, 0);
    for chain in kept.chains()? {
        for at in 0..kept.rules(&chain)?.rules.len() {
            let (here, known) = (Here::look()?, kept.rules(&chain)?);
            let Some(one) = known.rules.get(at) else { continue };
            let Some(back) = see::put_back(&chain, one, Some(&known), &here) else { continue };
            let out = see::delete(&chain, one.handle, Some(&known), Some(&here.rules)).ok_or("no command")?;
            let before = kept.list(&chain)?;
            shell(&out)?;
            assert_ne!(before, kept.list(&chain)?, "{out}");
            tried += 1;
            let put = shell(&back);
            let after = kept.list(&chain)?;
            if put.is_err() || before != after {
                let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
                let (had, has) = (lines(&before), lines(&after));
                println!(
                    "  {back}: {:?}\n    lost {:?}\n    got {:?}",
                    put.err().map(|e| e.message().map(str::to_owned)),
                    had.difference(&has),
                    has.difference(&had)
                );
                wrong += 1;
            }
        }
        insert_before_last(kept, &chain, spec)?;
    }
    println!("{kept:?}: {tried} rules taken out and put back, {wrong} not as they were");
    if wrong > 0 || tried < least { Err(format!("{wrong} wrong of {tried}").into()) } else { Ok(()) }
}

/// A rule put before the last of a chain is there.
fn insert_before_last(kept: Kept, chain: &ChainId, spec: &str) -> Outcome {
    let (here, known) = (Here::look()?, kept.rules(chain)?);
    let Some(last) = known.rules.last().filter(|_| chain.table.family != Family::Arp) else { return Ok(()) };
    let Some(command) = see::insert(chain, last.handle, spec, Some(&known), Some(&here.rules)) else { return Ok(()) };
    shell(&command)?;
    let now = kept.rules(chain)?.rules;
    assert!(now.len() == known.rules.len() + 1, "{command}");
    let new = now.get(now.len() - 2).ok_or("no rule")?;
    assert!(rule(chain, new, &here).contains("65000"), "{command}");
    Ok(())
}

/// Words of a command line; quotes keep blanks.
fn words(line: &str) -> Vec<String> {
    let odd = |at: usize| at % 2 == 1;
    let parts = line.split('"').enumerate();
    parts
        .flat_map(
            |(at, part)| {
                if odd(at) { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
            },
        )
        .collect()
}

const IPTABLES: &str = r#"
-A INPUT -s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -m comment --comment "a b" -j REJECT
-A INPUT -s 10.1.2.3 -j DROP
-A INPUT ! -s 10.128.0.0/9 -d 10.0.0.1/255.0.255.0 -j ACCEPT
-A INPUT -p tcp --dport 1000:2000 -j ACCEPT
-A INPUT -p tcp ! --dport 22 -j ACCEPT
-A INPUT -p tcp ! --dport 22:25 -j ACCEPT
-A INPUT -p udp --sport 53 --dport 1024:65535 -j ACCEPT
-A INPUT -p tcp --syn -j ACCEPT
-A INPUT -p tcp ! --syn -m conntrack --ctstate NEW -j DROP
-A INPUT -p tcp --tcp-flags ALL NONE -j DROP
-A INPUT -p tcp -m multiport --dports 80,443,8000:8100 -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack ! --ctstate INVALID -j ACCEPT
-A INPUT -m conntrack --ctorigdst 10.0.0.1 --ctdir ORIGINAL -j ACCEPT
-A INPUT -m addrtype --dst-type LOCAL -j ACCEPT
-A INPUT -m addrtype ! --src-type BROADCAST --limit-iface-in -j ACCEPT
-A INPUT -m limit --limit 5/min -j ACCEPT
-A INPUT -m limit --limit 10/sec --limit-burst 20 -j ACCEPT
-A INPUT -m mark --mark 1 -j ACCEPT
-A INPUT -m mark ! --mark 0x1/0xff -j ACCEPT
-A INPUT -m connmark --mark 2 -j ACCEPT
-A OUTPUT -m owner --uid-owner 1000 -j DROP
-A OUTPUT -m owner --uid-owner 1000-2000 -j REJECT --reject-with icmp-admin-prohibited
-A INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP
-A INPUT -p tcp --dport 22 -m recent --set --name SSH
-A INPUT -p tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 --name SSH -j DROP
-A INPUT -m pkttype --pkt-type broadcast -j DROP
-A INPUT -m length --length 100:200 -j DROP
-A INPUT -i wg+ -j ACCEPT
-A INPUT ! -i lo -j ACCEPT
-A FORWARD -i eth0 -o eth1 -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -p 47 -j ACCEPT
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A INPUT -j LOG --log-prefix "seen: "
-A INPUT -j NFLOG --nflog-group 3
-N sub
-A sub -j RETURN
-A INPUT -j sub
-A INPUT -g sub
-A INPUT -m comment --comment plain
-A INPUT -p tcp --dport 5000 -j NFQUEUE --queue-num 3 --queue-bypass
-t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.9:80
-t nat -A PREROUTING -p tcp --dport 8081 -j DNAT --to-destination 10.0.0.9-10.0.0.12
-t nat -A PREROUTING -p tcp --dport 8082 -j REDIRECT --to-ports 82
-t nat -A POSTROUTING -o eth1 -j MASQUERADE
-t nat -A POSTROUTING -s 10.9.0.0/24 -j SNAT --to-source 192.0.2.1
-t mangle -A PREROUTING -j MARK --set-mark 1
-t mangle -A PREROUTING -j MARK --or-mark 0x10
-t mangle -A PREROUTING -j CONNMARK --restore-mark
-t mangle -A PREROUTING -j CONNMARK --save-mark
-t raw -A PREROUTING -p udp --dport 53 -j CT --notrack
"#;

const IP6TABLES: &str = "
-A INPUT -s fd00::/7 -j ACCEPT
-A INPUT -s fd00::1 -p tcp --dport 80 -j REJECT --reject-with icmp6-adm-prohibited
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -j REJECT
-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080
";

/// What people write by hand, beside one of each kind.
const MORE: &str = r#"
table ip old {
	chain plain {
		ip protocol tcp tcp dport 6001 accept
	}
}
table inet filter {
	set banned { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 } }
	chain web { tcp dport { 80, 443 } accept; }
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		iifname { "eth0", "wg*" } tcp dport 22 accept
		ct state vmap { established : accept, related : accept, invalid : drop }
		ip saddr 10.0.0.0/8 tcp dport { 80, 443 } ct state new counter reject with icmpx admin-prohibited
		ip saddr { 10.0.0.0/8, 192.168.1.0/24, 172.16.0.5 } tcp dport 5432 accept
		ip6 saddr fe80::/10 accept
		ip saddr @banned drop
		ip protocol icmp accept
		icmp type echo-request limit rate 5/second accept
		icmpv6 type { nd-neighbor-solicit, nd-router-advert, nd-neighbor-advert } accept
		meta l4proto ipv6-icmp accept
		udp dport 1024-65535 drop
		tcp dport >= 1024 drop
		tcp dport != 22 drop
		tcp dport != { 22, 80 } drop
		tcp sport 1 tcp dport 2 drop
		ip saddr 10.0.0.1 ip daddr 10.0.0.2 drop
		ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2 . 80-90 } accept
		ip saddr vmap { 10.0.0.1 : jump web, 10.0.0.2 : drop }
		th dport 53 accept
		meta l4proto { tcp, udp } th dport 53 accept
		meta mark 0x2a accept
		meta mark 1-5 accept
		meta mark { 1, 2 } accept
		ct mark and 0xff == 1 accept
		ct status dnat accept
		ct direction reply accept
		ct state != new accept
		ct state new,untracked drop
		tcp flags syn drop
		tcp flags == syn drop
		tcp flags != syn drop
		meta pkttype broadcast drop
		fib daddr type { local, broadcast } accept
		fib saddr . iif oif 0 drop
		meta nfproto ipv4 tcp dport 99 drop
		meta protocol ip drop
		ip ttl < 5 drop
		ip dscp cs1 drop
		ip6 hoplimit 255 accept
		ip saddr != 10.0.0.1-10.0.0.9 drop
		iifname != "lo" jump web
		tcp dport 23 log prefix "telnet: " reject with tcp reset
		reject with icmpx host-unreachable
		meta skuid 0 meta skgid 1000 accept
		meta mark set ct mark
		ct mark set meta mark and 0xff
		meta mark set 0x1 tcp dport 7 accept
		sctp dport 5060 accept
		ether saddr 00:11:22:33:44:55 accept
		rt type 0 drop
		meta cpu 1 accept
		meta length 100-200 accept
		meta hour "08:00"-"17:00" accept
		iifgroup 5 accept
		udp dport 67 udp sport 68 accept
		tcp dport 1 comment "with: \\ strange"
		ip protocol tcp tcp dport 6001 accept
		ip6 nexthdr udp udp dport 6002 accept
		meta nfproto ipv4 tcp dport 6003 accept
		meta l4proto tcp ip saddr 10.0.0.1 tcp dport 6004 accept
		meta nfproto ipv6 meta l4proto tcp drop
		ip saddr 10.0.0.1 meta l4proto udp drop
		tcp dport { 1, 2, 3, 4, 5, 7, 9, 11, 13, 15, 17 } drop
	}
	chain pre {
		type nat hook prerouting priority dstnat;
		tcp dport 8080 dnat ip to 10.0.0.9:80
		tcp dport 8081 dnat ip6 to [fd00::2]:80
		ip6 daddr fd00::1 dnat to fd00::2
		dnat ip to tcp dport map { 80 : 10.0.0.1, 81 : 10.0.0.2 }
		meta l4proto tcp redirect to :tcp dport map { 1 : 2, 3 : 4 }
	}
}
"#;
