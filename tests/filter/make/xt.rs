//! Tables of iptables, nft-backed and legacy: they say the same words.

use super::matches::{ADDRESSES_4, ADDRESSES_6};
use crate::dice::Dice;
use crate::script::{Line, Section, Tool, builtin};

const NETS_4: [&str; 9] = [
    "10.1.0.0/24",
    "10.1.0.0/25",
    "10.1.0.0/16",
    "10.0.0.0/8",
    "192.0.2.8/29",
    "10.2.0.0/24",
    "203.0.113.0/24",
    "10.0.0.2/255.0.0.255",
    "10.1.0.64/26",
];
const NETS_6: [&str; 6] =
    ["fd00:1::/64", "fd00::/16", "fd00::/7", "2001:db8::/32", "fd00:2::/126", "fd00:1:0:0:8000::/66"];
const REJECTS_4: [&str; 8] = [
    "icmp-port-unreachable",
    "icmp-host-unreachable",
    "icmp-net-unreachable",
    "icmp-proto-unreachable",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "icmp-admin-prohibited",
    "tcp-reset",
];
const REJECTS_6: [&str; 6] = [
    "icmp6-no-route",
    "icmp6-adm-prohibited",
    "icmp6-addr-unreachable",
    "icmp6-port-unreachable",
    "icmp6-policy-fail",
    "tcp-reset",
];
const PORTS: [&str; 8] = ["80", "443", "2222", "8080", "53", "1:1023", "1024:65535", "20000:39999"];

/// What surrounds a rule.
struct Place<'a> {
    table: &'a str,
    chain: &'a str,
    v6: bool,
    transport: &'static str,
}

/// One to three tables of one tool.
pub(super) fn sections(dice: &mut Dice, tool: Tool) -> Vec<Section> {
    let mut tables = vec!["filter"];
    for (table, percent) in [("nat", 30), ("mangle", 25), ("raw", 25)] {
        if dice.chance(percent) {
            tables.push(table);
        }
    }
    tables.into_iter().map(|table| section(dice, tool, table)).collect()
}

fn section(dice: &mut Dice, tool: Tool, table: &str) -> Section {
    let mut lines = Vec::new();
    for chain in builtin(table) {
        let policy = if table == "filter" && dice.chance(8) { "DROP" } else { "ACCEPT" };
        lines.push(Line::new(format!(":{chain} {policy} [0:0]")));
    }
    // Chains of the user, each for one of the built-in ones.
    let own: Vec<(String, &str)> =
        (0..dice.below(4)).map(|index| (format!("own{index}"), dice.one(builtin(table)))).collect();
    lines.extend(own.iter().map(|(name, _)| Line::new(format!(":{name} - [0:0]"))));
    for chain in builtin(table) {
        let targets: Vec<&str> = own.iter().filter(|(_, of)| of == chain).map(|(name, _)| name.as_str()).collect();
        let often = if matches!(*chain, "INPUT" | "OUTPUT" | "PREROUTING") { [1, 3, 4, 3, 2] } else { [4, 2, 2, 1, 0] };
        for _ in 0..dice.weighted(&often) {
            lines.push(Line { head: format!("-A {chain}"), parts: rule(dice, tool, (table, chain), &targets) });
        }
    }
    for (index, (name, of)) in own.iter().enumerate() {
        let onwards: Vec<&str> = own[index + 1..].iter().filter(|(_, o)| o == of).map(|(n, _)| n.as_str()).collect();
        for _ in 0..dice.below(4) {
            lines.push(Line { head: format!("-A {name}"), parts: rule(dice, tool, (table, of), &onwards) });
        }
    }
    Section { tool, table: table.into(), lines }
}

fn rule(dice: &mut Dice, tool: Tool, (table, chain): (&str, &str), targets: &[&str]) -> Vec<String> {
    let place = Place { table, chain, v6: tool.is_v6(), transport: dice.one(&["tcp", "tcp", "tcp", "udp"]) };
    let mut parts = vec![];
    // Only with a protocol may ports be translated.
    let protocol = table == "nat" || dice.chance(75);
    if protocol {
        parts.push(format!("-p {}", place.transport));
    }
    for _ in 0..dice.weighted(&[2, 5, 4, 1]) {
        let one = place.one(dice, protocol);
        if !parts
            .iter()
            .any(|p| p.split(' ').find(|w| w.starts_with('-')) == one.split(' ').find(|w| w.starts_with('-')))
        {
            parts.push(one);
        }
    }
    if dice.chance(10) {
        parts.push("-m comment --comment \"a comment\"".into());
    }
    parts.extend(place.target(dice, targets, protocol));
    parts
}

fn not(dice: &mut Dice) -> &'static str {
    if dice.chance(22) { "! " } else { "" }
}

impl Place<'_> {
    fn address(&self, dice: &mut Dice) -> &'static str {
        let (single, nets): (&[&'static str], &[&'static str]) =
            if self.v6 { (&ADDRESSES_6, &NETS_6) } else { (&ADDRESSES_4, &NETS_4) };
        if dice.chance(40) { dice.one(single) } else { dice.one(nets) }
    }

    fn one(&self, dice: &mut Dice, protocol: bool) -> String {
        let not = not(dice);
        match dice.weighted(&[16, 6, 8, 14, 8, 10, 4, 4, 5, 4, 2]) {
            0 => format!("{not}-s {}", self.address(dice)),
            1 => format!("{not}-d {}", self.address(dice)),
            2 => self.device(dice),
            3 if protocol => format!("{not}--dport {}", dice.pick(&PORTS)),
            4 if protocol => format!("{not}--sport {}", dice.pick(&PORTS)),
            5 => conntrack(dice, self.v6, self.transport),
            6 if protocol => format!(
                "-m multiport {not}{} {}",
                dice.pick(&["--dports", "--sports", "--ports"]),
                dice.pick(&["80,443", "80,1000:3000", "53", "1:79,81:65535", "20000:29999,40000:60999,8080"])
            ),
            7 => addrtype(dice, self.chain),
            8 => self.iprange(dice),
            9 => Self::mark(dice, not),
            10 => self.rare(dice, protocol),
            _ => format!("{not}-s {}", self.address(dice)),
        }
    }

    fn device(&self, dice: &mut Dice) -> String {
        let not = not(dice);
        let side = match self.chain {
            "OUTPUT" | "POSTROUTING" => "-o",
            "FORWARD" => dice.pick(&["-i", "-o"]),
            _ => "-i",
        };
        format!("{not}{side} {}", dice.pick(&["s0", "s1", "lo", "s+", "s2", "l+", "+", "nosuch"]))
    }

    fn iprange(&self, dice: &mut Dice) -> String {
        let not = not(dice);
        let side = dice.pick(&["--src-range", "--src-range", "--dst-range"]);
        let range = if self.v6 {
            dice.pick(&["fd00:1::3-fd00:1::100", "2001:db8:1::9-fd00:1::2", "fd00:2::2-fd00:2::5"])
        } else {
            dice.pick(&["10.1.0.3-10.1.0.129", "10.1.0.100-10.2.0.4", "0.0.0.0-10.1.0.76", "10.1.0.1-10.1.0.1"])
        };
        format!("-m iprange {not}{side} {range}")
    }

    fn mark(dice: &mut Dice, not: &str) -> String {
        format!(
            "-m {} {not}--mark {}",
            dice.pick(&["mark", "mark", "connmark"]),
            dice.pick(&["0", "1", "0x10/0xf0", "0/0x3", "2"])
        )
    }

    fn rare(&self, dice: &mut Dice, protocol: bool) -> String {
        match dice.below(14) {
            8 => "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-name h".into(),
            9 if protocol && self.transport == "tcp" => "-m connlimit --connlimit-above 3".into(),
            10 if matches!(self.chain, "PREROUTING" | "INPUT") && self.table != "nat" => "-m socket".into(),
            11 if self.v6 => "-m hl --hl-lt 65".into(),
            11 => "-m ttl --ttl-lt 65".into(),
            12 if protocol && self.transport == "tcp" => "--tcp-option 2".into(),
            13 => format!(
                "-m conntrack {}--ctstatus {}",
                not(dice),
                dice.pick(&["NONE", "SEEN_REPLY", "CONFIRMED", "ASSURED", "SEEN_REPLY,CONFIRMED"])
            ),
            0 if protocol && self.transport == "tcp" => "--syn".into(),
            1 if protocol && self.transport == "tcp" => {
                format!("--tcp-flags {}", dice.pick(&["SYN,ACK SYN,ACK", "SYN,RST SYN", "FIN,ACK ACK", "ALL NONE"]))
            }
            2 => "-m limit --limit 1/hour --limit-burst 2".into(),
            3 => "-m statistic --mode random --probability 0.5".into(),
            4 => format!("-m pkttype --pkt-type {}", dice.pick(&["unicast", "broadcast", "multicast"])),
            5 => "-m recent --name seen --rcheck --seconds 60".into(),
            6 if self.table == "filter" && self.chain == "OUTPUT" => "-m owner --uid-owner 0".into(),
            _ => format!(
                "-m length {}--length {}",
                not(dice),
                dice.pick(&["0:39", "0:59", "40", "60", "20:", "40:", "41:", "100:65535"])
            ),
        }
    }

    fn target(&self, dice: &mut Dice, targets: &[&str], protocol: bool) -> Vec<String> {
        if !targets.is_empty() && dice.chance(25) {
            return vec![format!("{} {}", dice.pick(&["-j", "-j", "-j", "-g"]), dice.one(targets))];
        }
        let nat = self.table == "nat";
        vec![match dice.weighted(&[30, 18, 25, 4, 8, 5, 3]) {
            _ if nat && dice.chance(80) => self.translation(dice),
            0 => "-j ACCEPT".into(),
            1 => "-j DROP".into(),
            2 if self.table == "filter" => self.reject(dice, protocol),
            3 => dice.pick(&["-j RETURN", "-j LOG --log-prefix x", ""]).into(),
            4 => self.sets_mark(dice),
            5 if self.table == "raw" => dice.pick(&["-j CT --notrack", "-j NOTRACK"]).into(),
            5 if self.table == "mangle" => {
                dice.pick(&["-j CONNMARK --set-mark 1", "-j CONNMARK --save-mark", "-j CONNMARK --restore-mark"]).into()
            }
            6 => self.rare_target(dice, protocol),
            _ => "-j ACCEPT".into(),
        }]
    }

    fn rare_target(&self, dice: &mut Dice, protocol: bool) -> String {
        let tcp = protocol && self.transport == "tcp";
        let here = if self.v6 { "::1" } else { "127.0.0.1" };
        match (self.table, self.chain) {
            ("mangle", "PREROUTING") if protocol && dice.chance(60) => {
                format!("-j TPROXY --on-port 8080 --on-ip {here}")
            }
            ("mangle", _) if self.v6 => "-j HL --hl-set 60".into(),
            ("mangle", _) => "-j TTL --ttl-set 60".into(),
            ("filter", "INPUT" | "FORWARD") if tcp && dice.chance(60) => "-j SYNPROXY --mss 1460".into(),
            _ => "-j NFLOG --nflog-group 3".into(),
        }
    }

    fn sets_mark(&self, dice: &mut Dice) -> String {
        if self.table == "mangle" || self.table == "raw" {
            let how =
                dice.pick(&["--set-mark 1", "--set-xmark 0x10/0xf0", "--or-mark 2", "--and-mark 1", "--xor-mark 3"]);
            return format!("-j MARK {how}");
        }
        "-j ACCEPT".into()
    }

    fn reject(&self, dice: &mut Dice, protocol: bool) -> String {
        let with = if self.v6 { dice.pick(&REJECTS_6) } else { dice.pick(&REJECTS_4) };
        match (with, protocol && self.transport == "tcp") {
            (_, true) if dice.chance(25) => "-j REJECT --reject-with tcp-reset".into(),
            ("tcp-reset", false) => "-j REJECT".into(),
            _ => format!("-j REJECT --reject-with {with}"),
        }
    }

    fn translation(&self, dice: &mut Dice) -> String {
        let port = dice.pick(&["80", "81", "443", "8080"]);
        let (here, behind, source) =
            if self.v6 { ("[fd00:2::1]", "[fd00:9::2]", "fd00:9::1") } else { ("10.2.0.1", "10.9.0.2", "10.9.0.1") };
        match self.chain {
            "POSTROUTING" if dice.chance(50) => "-j MASQUERADE".into(),
            "POSTROUTING" | "INPUT" => format!("-j SNAT --to-source {source}"),
            _ => match dice.below(5) {
                4 if self.v6 => "-j NETMAP --to fd00:2::/64".into(),
                4 => "-j NETMAP --to 10.2.0.0/24".into(),
                0 => format!("-j REDIRECT --to-ports {port}"),
                1 => format!("-j DNAT --to-destination {here}:{port}"),
                2 => format!("-j DNAT --to-destination {behind}:{port}"),
                _ => format!("-j DNAT --to-destination {}", behind.trim_matches(['[', ']'])),
            },
        }
    }
}

fn conntrack(dice: &mut Dice, v6: bool, transport: &str) -> String {
    let not = not(dice);
    let (net, net_6) = ("10.1.0.0/24", "fd00:1::/64");
    let net = if v6 { net_6 } else { net };
    match dice.below(10) {
        0..=5 => format!(
            "-m conntrack {not}--ctstate {}",
            dice.pick(&[
                "NEW",
                "ESTABLISHED",
                "RELATED,ESTABLISHED",
                "INVALID",
                "UNTRACKED",
                "NEW,UNTRACKED",
                "DNAT",
                "SNAT"
            ])
        ),
        6 => format!("-m state {not}--state {}", dice.pick(&["NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID"])),
        7 => format!(
            "-m conntrack {not}{} {net}",
            dice.pick(&["--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"])
        ),
        8 => format!("-m conntrack --ctproto {transport} {not}--ctorigdstport {}", dice.pick(&["80", "443", "1:1023"])),
        _ => format!("-m conntrack --ctdir {}", dice.pick(&["ORIGINAL", "REPLY"])),
    }
}

fn addrtype(dice: &mut Dice, chain: &str) -> String {
    let not = not(dice);
    let kind = dice.pick(&["LOCAL", "UNICAST", "BROADCAST", "LOCAL,UNICAST", "MULTICAST"]);
    let side = dice.pick(&["--dst-type", "--dst-type", "--src-type"]);
    let limit = match chain {
        "PREROUTING" | "INPUT" if dice.chance(20) => " --limit-iface-in",
        "POSTROUTING" | "OUTPUT" if dice.chance(20) => " --limit-iface-out",
        _ => "",
    };
    format!("-m addrtype {not}{side} {kind}{limit}")
}
