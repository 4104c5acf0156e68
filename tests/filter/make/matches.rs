//! Matches of nft.

use super::sets::{Kind, Named};
use crate::dice::Dice;

/// Where a chain sees packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Ingress,
    Egress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl At {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Postrouting => "postrouting",
        }
    }

    fn knows_input(self) -> bool {
        matches!(self, Self::Ingress | Self::Prerouting | Self::Input | Self::Forward)
    }

    fn knows_output(self) -> bool {
        matches!(self, Self::Forward | Self::Output | Self::Postrouting | Self::Egress)
    }

    pub(super) fn on_device(self) -> bool {
        matches!(self, Self::Ingress | Self::Egress)
    }
}

/// What surrounds a rule.
pub(super) struct Place<'a> {
    pub(super) family: &'static str,
    pub(super) at: At,
    /// IPv6 (a rule of an inet table speaks of one of them).
    pub(super) v6: bool,
    /// TCP or UDP, for what comes after it.
    pub(super) transport: &'static str,
    pub(super) sets: &'a [Named],
}

pub(super) const ADDRESSES_4: [&str; 18] = [
    "10.1.0.2",
    "10.1.0.3",
    "10.1.0.77",
    "10.1.0.130",
    "10.1.1.2",
    "10.1.1.200",
    "192.0.2.2",
    "192.0.2.9",
    "10.2.0.2",
    "10.2.0.5",
    "10.2.0.128",
    "203.0.113.7",
    "10.1.0.1",
    "10.1.0.1",
    "10.2.0.1",
    "10.1.1.1",
    "10.9.0.2",
    "127.0.0.1",
];
pub(super) const ADDRESSES_6: [&str; 13] = [
    "fd00:1::2",
    "fd00:1::3",
    "fd00:1::77",
    "fd00:1:0:0:8000::1",
    "2001:db8:1::2",
    "2001:db8:1::9",
    "fd00:2::2",
    "fd00:2::5",
    "fd00:1::1",
    "fd00:1::1",
    "fd00:2::1",
    "fd00:9::2",
    "::1",
];
/// No two of them overlap (those of a set must not).
pub(super) const APART_4: [&str; 8] = [
    "10.1.0.0/25",
    "10.1.0.128/25",
    "10.1.1.0/28",
    "10.1.1.128-10.1.1.254",
    "192.0.2.0/29",
    "192.0.2.8/29",
    "10.2.0.4-10.2.0.140",
    "203.0.113.0/24",
];
pub(super) const APART_6: [&str; 6] = [
    "fd00:1::/120",
    "fd00:1::1:0/112",
    "fd00:1:0:0:8000::/65",
    "2001:db8:1::/64",
    "fd00:2::4-fd00:2::10",
    "fd00:9::/64",
];
const WIDE_4: [&str; 11] = [
    "10.1.0.0/24",
    "10.1.0.0/25",
    "10.1.0.0/16",
    "10.0.0.0/8",
    "192.0.2.8/29",
    "10.2.0.0/24",
    "203.0.113.0/24",
    "10.1.0.3-10.1.0.129",
    "10.1.0.100-10.2.0.4",
    "192.0.0.0/9",
    "0.0.0.0-10.1.0.76",
];
const WIDE_6: [&str; 8] = [
    "fd00:1::/64",
    "fd00::/16",
    "fd00::/7",
    "2001:db8::/32",
    "fd00:2::/126",
    "fd00:1::3-fd00:1::100",
    "fd00:1:0:0:8000::/66",
    "2001:db8:1::9-fd00:1::2",
];
const PORTS: [&str; 12] =
    ["80", "443", "2222", "8080", "53", "81", "1-1023", "1024-65535", "20000-29999", "40000-60999", "443-8080", "123"];
pub(super) const PORTS_APART: [&str; 8] = ["53", "80", "81-99", "443", "1024-2000", "2222", "8000-9000", "20000-39999"];
pub(super) const DEVICES: [&str; 5] = ["\"s0\"", "\"s1\"", "\"lo\"", "\"s2\"", "\"nosuch\""];
pub(super) const DEVICES_AND_BEGINNINGS: [&str; 7] =
    ["\"s0\"", "\"s1\"", "\"lo\"", "\"s*\"", "\"s2\"", "\"l*\"", "\"no*\""];

fn not(dice: &mut Dice) -> &'static str {
    if dice.chance(22) { "!= " } else { "" }
}

/// One of these words, or several in braces.
pub(super) fn one_or_set(dice: &mut Dice, words: &[&str], apart: &[&str]) -> String {
    if dice.chance(65) {
        return dice.pick(words).to_owned();
    }
    let count = 1 + dice.below(4);
    format!("{{ {} }}", dice.some(apart, count).join(", "))
}

/// An address, a network, a range or several.
pub(super) fn address(dice: &mut Dice, v6: bool) -> String {
    let (single, wide, apart): (&[&str], &[&str], &[&str]) =
        if v6 { (&ADDRESSES_6, &WIDE_6, &APART_6) } else { (&ADDRESSES_4, &WIDE_4, &APART_4) };
    match dice.below(10) {
        0..=2 => dice.pick(single).to_owned(),
        3..=6 => dice.pick(wide).to_owned(),
        7 => format!("{{ {} }}", dice.some(single, 4).join(", ")),
        _ => format!("{{ {} }}", dice.some(apart, 3).join(", ")),
    }
}

pub(super) fn ports(dice: &mut Dice) -> String {
    one_or_set(dice, &PORTS, &PORTS_APART)
}

impl Place<'_> {
    pub(super) fn ip(&self) -> &'static str {
        if self.v6 { "ip6" } else { "ip" }
    }

    fn set_of(&self, dice: &mut Dice, kind: Kind) -> Option<String> {
        let fit: Vec<&Named> = self.sets.iter().filter(|s| s.kind == kind && s.v6 == self.v6 && !s.map).collect();
        (!fit.is_empty()).then(|| format!("@{}", fit[dice.below(fit.len())].name))
    }

    /// What a rule looks at.
    pub(super) fn one(&self, dice: &mut Dice) -> String {
        let weights = [18, 8, 16, 10, 6, 4, 6, 5, 12, 4, 4, 4, 2];
        match dice.weighted(&weights) {
            0 => self.by_address(dice, "saddr"),
            1 => self.by_address(dice, "daddr"),
            2 => self.by_port(dice, "dport"),
            3 => self.by_port(dice, "sport"),
            4 => self.by_device(dice),
            5 => self.by_protocol(dice),
            6 => mark(dice, "meta mark"),
            7 => self.by_bits(dice),
            8 if !self.at.on_device() => self.by_connection(dice),
            9 if !self.at.on_device() => self.by_route(dice),
            10 => self.by_flags(dice),
            11 => self.by_several(dice),
            12 => undecidable(dice),
            _ => self.by_address(dice, "saddr"),
        }
    }

    fn by_address(&self, dice: &mut Dice, which: &str) -> String {
        let not = not(dice);
        let set = if dice.chance(40) { self.set_of(dice, Kind::Address) } else { None };
        let what = set.unwrap_or_else(|| address(dice, self.v6));
        format!("{} {which} {not}{what}", self.ip())
    }

    fn by_port(&self, dice: &mut Dice, which: &str) -> String {
        let not = not(dice);
        let set = if dice.chance(30) { self.set_of(dice, Kind::Port) } else { None };
        let what = set.unwrap_or_else(|| ports(dice));
        // Of an error th would be its type, code and checksum.
        let transport = if dice.chance(12) { "meta l4proto { tcp, udp } th" } else { self.transport };
        format!("{transport} {which} {not}{what}")
    }

    fn by_device(&self, dice: &mut Dice) -> String {
        let side = match (self.at.knows_input(), self.at.knows_output()) {
            (true, true) => dice.pick(&["iif", "oif"]),
            (false, true) => "oif",
            _ => "iif",
        };
        // Where it is not known yet it is nothing, and matches nothing.
        let side = if dice.chance(6) { dice.pick(&["iif", "oif"]) } else { side };
        match dice.below(10) {
            0..=5 => format!("{side}name {}{}", not(dice), one_or_set(dice, &DEVICES_AND_BEGINNINGS, &DEVICES)),
            6 | 7 => format!("{side} {}{}", not(dice), dice.pick(&["\"s0\"", "\"s1\"", "\"lo\""])),
            8 => format!("{side}type {}{}", not(dice), dice.pick(&["ether", "loopback"])),
            _ => format!("{side}group {}{}", not(dice), dice.pick(&["0", "default", "7"])),
        }
    }

    fn by_protocol(&self, dice: &mut Dice) -> String {
        let not = not(dice);
        match dice.below(7) {
            0..=2 => {
                format!("meta l4proto {not}{}", dice.pick(&[self.transport, self.transport, "{ tcp, udp }", "icmp"]))
            }
            3 if self.family == "inet" => format!("meta nfproto {not}{}", dice.pick(&["ipv4", "ipv6"])),
            4 => format!("meta protocol {not}{}", dice.pick(&["ip", "ip6", "{ ip, ip6 }"])),
            5 => format!("meta pkttype {not}{}", dice.pick(&["host", "broadcast", "multicast", "{ host, other }"])),
            _ if self.v6 => format!("ip6 nexthdr {not}{}", dice.pick(&[self.transport, "{ tcp, udp }"])),
            _ => format!("ip protocol {not}{}", dice.pick(&[self.transport, "{ tcp, udp }"])),
        }
    }

    fn by_bits(&self, dice: &mut Dice) -> String {
        let op = dice.pick(&["==", "!="]);
        match dice.below(6) {
            0 | 1 if self.v6 => {
                format!("ip6 saddr & ffff::ffff {op} {}", dice.pick(&["fd00::2", "fd00::3", "2001::9", "fd00::5"]))
            }
            0 | 1 => format!(
                "ip saddr & 255.0.0.255 {op} {}",
                dice.pick(&["10.0.0.2", "10.0.0.3", "192.0.0.2", "203.0.0.7"])
            ),
            2 => format!("{} sport & 0x1 {op} {}", self.transport, dice.pick(&["0", "1"])),
            3 => format!(
                "meta mark & {} {op} {}",
                dice.pick(&["0xff", "0xf0", "0x3"]),
                dice.pick(&["0", "1", "2", "0x10"])
            ),
            4 if self.v6 => "ip6 version 6".into(),
            4 => format!("ip {}", dice.pick(&["version 4", "hdrlength 5", "version != 4"])),
            _ => format!("{} dport & 0xff0 {op} {}", self.transport, dice.pick(&["80", "432", "0x50"])),
        }
    }

    fn by_connection(&self, dice: &mut Dice) -> String {
        let not = not(dice);
        match dice.below(16) {
            0..=5 => format!(
                "ct state {not}{}",
                dice.pick(&[
                    "new",
                    "established",
                    "established,related",
                    "invalid",
                    "untracked",
                    "related",
                    "{ new, untracked }",
                    "new,established",
                    "{ established, related }"
                ])
            ),
            6 => format!("ct direction {not}{}", dice.pick(&["original", "reply"])),
            7 | 8 => format!(
                "ct status {not}{}",
                dice.pick(&["dnat", "snat", "seen-reply", "assured", "confirmed", "expected", "dnat,snat"])
            ),
            9 | 10 => mark(dice, "ct mark"),
            11 => format!("ct original {} {} {}", self.ip(), dice.pick(&["saddr", "daddr"]), address(dice, self.v6)),
            12 => format!("ct reply {} {} {}", self.ip(), dice.pick(&["saddr", "daddr"]), address(dice, self.v6)),
            13 => format!(
                "meta l4proto {} ct {} {} {}",
                self.transport,
                dice.pick(&["original", "reply"]),
                dice.pick(&["proto-src", "proto-dst"]),
                ports(dice)
            ),
            14 => format!("ct protocol {not}{}", dice.pick(&["tcp", "udp"])),
            _ => format!("ct l3proto {not}{}", dice.pick(&["ipv4", "ipv6"])),
        }
    }

    fn by_route(&self, dice: &mut Dice) -> String {
        let not = not(dice);
        let kind = dice.pick(&["local", "unicast", "broadcast", "multicast", "{ local, unicast }", "unspec"]);
        match dice.below(7) {
            0 | 1 => format!("fib daddr type {not}{kind}"),
            2 => format!("fib saddr type {not}{kind}"),
            3 if self.at.knows_input() => format!("fib daddr . iif type {not}{kind}"),
            3 => format!("fib saddr . oif type {not}{kind}"),
            4 if self.at.knows_input() => format!("fib saddr . iif oif {}", dice.pick(&["missing", "exists"])),
            5 if self.at.knows_input() => format!("fib saddr oifname {not}{}", dice.pick(&DEVICES)),
            6 if self.at.knows_input() => {
                format!("fib saddr oif {}", dice.pick(&["missing", "exists", "\"s0\"", "\"s1\""]))
            }
            _ => format!("fib saddr type {not}{kind}"),
        }
    }

    fn by_flags(&self, dice: &mut Dice) -> String {
        match dice.below(8) {
            0 => "tcp flags syn".into(),
            1 => "tcp flags & (fin|syn|rst|ack) == syn".into(),
            2 => "tcp flags & (syn|ack) == syn|ack".into(),
            3 => format!("tcp flags {}", dice.pick(&["!= syn", "== syn", "ack", "{ syn, ack }", "fin,rst"])),
            4 if self.v6 => {
                format!("exthdr {} {}", dice.pick(&["frag", "hbh", "rt"]), dice.pick(&["missing", "exists"]))
            }
            _ => self.by_port(dice, "dport"),
        }
    }

    /// Concatenations.
    fn by_several(&self, dice: &mut Dice) -> String {
        let ip = self.ip();
        let not = not(dice);
        if dice.chance(40)
            && let Some(set) = self.set_of(dice, Kind::AddressAndPort)
        {
            return format!("{ip} saddr . {} dport {not}{set}", self.transport);
        }
        match dice.below(4) {
            0 => format!(
                "{ip} saddr . {} dport {not}{{ {} }}",
                self.transport,
                (0..3)
                    .map(|_| super::sets::element(dice, Kind::AddressAndPort, self.v6, false))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            1 => format!(
                "{ip} saddr . {} dport {not}{{ {} }}",
                self.transport,
                super::sets::elements(dice, Kind::AddressAndPort, self.v6, true).join(", ")
            ),
            2 if self.at.knows_input() => {
                format!("iifname . {} dport {not}{{ \"s0\" . 80, \"s1\" . 443, \"lo\" . 8080 }}", self.transport)
            }
            2 => format!(
                "oifname . {ip} daddr {not}{{ \"s0\" . {}, \"s1\" . {} }}",
                pick(dice, self.v6),
                pick(dice, self.v6)
            ),
            _ => format!("meta l4proto . th dport {not}{{ tcp . 80, tcp . 443, udp . 53 }}"),
        }
    }
}

/// An address.
pub(super) fn pick(dice: &mut Dice, v6: bool) -> &'static str {
    if v6 { dice.one(&ADDRESSES_6) } else { dice.one(&ADDRESSES_4) }
}

fn mark(dice: &mut Dice, which: &str) -> String {
    let not = not(dice);
    format!("{which} {not}{}", dice.pick(&["0", "1", "2", "{ 1, 2, 3 }", "1-2", "0x10", "{ 0, 0x10-0x1f }"]))
}

/// What cannot be known before a packet comes.
fn undecidable(dice: &mut Dice) -> String {
    dice.pick(&[
        "limit rate 1/hour burst 2 packets",
        "limit rate over 1000/second",
        "limit rate 10/minute",
        "numgen random mod 2 0",
        "numgen inc mod 3 != 1",
        "quota over 200 bytes",
        "quota until 10 mbytes",
        "meta skuid 0",
        "meta cpu 0",
        "jhash ip saddr mod 2 0",
        "symhash mod 2 1",
        "ct count over 2",
        "socket transparent 1",
        "socket wildcard 0",
        "socket mark 1",
        "meta length 1-100",
        "tcp option maxseg size 1460",
        "tcp option timestamp exists",
        "tcp option md5sig missing",
    ])
    .into()
}
