//! A rule as `iptables -S` prints it, where iptables keeps it in nf_tables: some of it as native expressions, some as its
//! own structures.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::values::{Kind, number, prefix_len, say};
use super::{Extent, NoNames, xt};
use crate::facts::ruleset::expr::{Base, BitOp, CmpOp, Expr, MetaKey, Register, Verdict};
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{ChainId, Family, Rule};

/// What a register holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Source,
    Destination,
    Input,
    Output,
    Protocol,
    SourcePort,
    DestinationPort,
    TcpFlags,
    Mark,
}

/// A rule so far, in the order iptables prints it.
#[derive(Default)]
struct Line {
    v6: bool,
    source: String,
    destination: String,
    input: String,
    output: String,
    protocol: String,
    /// `-m tcp` or `-m udp`, which ports made.
    header: &'static str,
    ports: [String; 3],
    /// Matches in order; where ports stand is empty.
    matches: Vec<String>,
    target: String,
}

/// The text of a rule.
pub(super) fn rule(chain: &ChainId, rule: &Rule, extent: Extent) -> String {
    let v6 = chain.table.family == Family::Ip6;
    let mut line = Line { v6, ..Line::default() };
    let mut held = BTreeMap::new();
    let mut masks = BTreeMap::new();
    for expr in &rule.exprs {
        match expr {
            Expr::Payload { base, offset, len, to } => {
                masks.remove(to);
                put(&mut held, *to, payload(*base, *offset, *len, v6));
            }
            Expr::Meta { key, to } => {
                masks.remove(to);
                put(&mut held, *to, meta(*key));
            }
            Expr::Bitwise { from, to, op: BitOp::Mask { mask, xor }, .. } if xor.iter().all(|b| *b == 0) => {
                let what = held.get(from).copied();
                put(&mut held, *to, what);
                masks.insert(*to, mask.clone());
            }
            Expr::Cmp { from, op, data } => match held.get(from) {
                Some(what) => line.compare(*what, *op, data, masks.get(from).map(Vec::as_slice)),
                None => line.matches.push("[comparison]".into()),
            },
            Expr::Range { from, inverted, low, high } => {
                let words = format!("{}:{}", port(low), port(high));
                line.port(held.get(from).copied(), *inverted, &words);
            }
            other => line.other(other, extent),
        }
    }
    line.text(&chain.name, extent)
}

fn put(held: &mut BTreeMap<Register, Holds>, to: Register, what: Option<Holds>) {
    match what {
        Some(what) => held.insert(to, what),
        None => held.remove(&to),
    };
}

fn payload(base: Base, offset: u32, len: u32, v6: bool) -> Option<Holds> {
    let (protocol, source, destination, size) = if v6 { (6, 8, 24, 16) } else { (9, 12, 16, 4) };
    Some(match (base, offset, len) {
        (Base::Network, at, n) if at == source && n <= size => Holds::Source,
        (Base::Network, at, n) if at == destination && n <= size => Holds::Destination,
        (Base::Network, at, 1) if at == protocol => Holds::Protocol,
        (Base::Transport, 0, 2) => Holds::SourcePort,
        (Base::Transport, 2, 2) => Holds::DestinationPort,
        (Base::Transport, 13, 1) => Holds::TcpFlags,
        _ => return None,
    })
}

fn meta(key: MetaKey) -> Option<Holds> {
    Some(match key {
        MetaKey::L4proto => Holds::Protocol,
        MetaKey::Iifname => Holds::Input,
        MetaKey::Oifname => Holds::Output,
        MetaKey::Mark => Holds::Mark,
        _ => return None,
    })
}

fn port(bytes: &[u8]) -> String {
    say(Kind::Number, bytes, false, &NoNames)
}

impl Line {
    fn compare(&mut self, what: Holds, op: CmpOp, data: &[u8], mask: Option<&[u8]>) {
        let size = if self.v6 { 16 } else { 4 };
        let not = match op {
            CmpOp::Eq => "",
            CmpOp::Neq => "! ",
            _ => return self.bound(what, op, data),
        };
        match what {
            Holds::Source => self.source = format!("{not}-s {}", address(data, mask, size)),
            Holds::Destination => self.destination = format!("{not}-d {}", address(data, mask, size)),
            Holds::Input => self.input = format!("{not}-i {}", interface(data)),
            Holds::Output => self.output = format!("{not}-o {}", interface(data)),
            Holds::Protocol => {
                let number = data.first().copied().unwrap_or_default();
                self.header = match number {
                    6 => "tcp",
                    17 => "udp",
                    33 => "dccp",
                    132 => "sctp",
                    _ => "",
                };
                self.protocol = format!("{not}-p {}", say(Kind::Protocol, &[number], false, &NoNames));
            }
            Holds::TcpFlags => {
                let all = mask.and_then(|m| m.first()).copied().unwrap_or(0xff);
                let set = data.first().copied().unwrap_or_default();
                let words = format!("{not}--tcp-flags {} {}", xt::tcp_flags(all), xt::tcp_flags(set));
                self.add(2, words);
            }
            Holds::Mark => {
                let value = |bytes: &[u8]| number(bytes, true).unwrap_or_default();
                let mask = mask.map(value).filter(|m| *m != u128::from(u32::MAX));
                let mask = mask.map(|m| format!("/0x{m:x}")).unwrap_or_default();
                self.matches.push(format!("-m mark {not}--mark 0x{:x}{mask}", value(data)));
            }
            Holds::SourcePort | Holds::DestinationPort => self.port(Some(what), !not.is_empty(), &port(data)),
        }
    }

    /// One end of a range of ports.
    fn bound(&mut self, what: Holds, op: CmpOp, data: &[u8]) {
        let slot = match what {
            Holds::SourcePort => 0,
            Holds::DestinationPort => 1,
            _ => return self.matches.push("[comparison]".into()),
        };
        let open = self.ports.get(slot).and_then(|words| words.strip_suffix(":65535")).map(str::to_owned);
        match (op, open) {
            (CmpOp::Gte, _) => self.port(Some(what), false, &format!("{}:65535", port(data))),
            (CmpOp::Lte, Some(low)) => {
                if let Some(words) = self.ports.get_mut(slot) {
                    *words = format!("{low}:{}", port(data));
                }
            }
            (CmpOp::Lte, None) => self.port(Some(what), false, &format!("0:{}", port(data))),
            _ => self.matches.push("[comparison]".into()),
        }
    }

    fn port(&mut self, what: Option<Holds>, inverted: bool, value: &str) {
        let not = if inverted { "! " } else { "" };
        match what {
            Some(Holds::SourcePort) => self.add(0, format!("{not}--sport {value}")),
            Some(Holds::DestinationPort) => self.add(1, format!("{not}--dport {value}")),
            _ => self.matches.push("[range]".into()),
        }
    }

    /// An option of the transport header's match, which stands where the first of them came.
    fn add(&mut self, slot: usize, words: String) {
        if self.ports.iter().all(String::is_empty) {
            self.matches.push(String::new());
        }
        if let Some(place) = self.ports.get_mut(slot) {
            *place = words;
        }
    }

    fn other(&mut self, expr: &Expr, extent: Extent) {
        match expr {
            Expr::Counter { .. } => {}
            Expr::Xt(Xt::Match(Match::Comment(_))) if extent == Extent::Brief => {}
            Expr::Xt(Xt::Match(matched)) => self.matches.push(xt::matched(matched)),
            Expr::Xt(Xt::Target(target)) => self.target = format!("-j {}", xt::target(target)),
            Expr::Limit { rate, unit_s, burst, bytes: false, inverted: false } => {
                let unit = match unit_s {
                    1 => "sec",
                    60 => "min",
                    3600 => "hour",
                    86400 => "day",
                    _ => "[unit]",
                };
                let burst = if *burst == 5 { String::new() } else { format!(" --limit-burst {burst}") };
                self.matches.push(format!("-m limit --limit {rate}/{unit}{burst}"));
            }
            Expr::Verdict(verdict) => self.target = verdict_words(verdict),
            Expr::Log { prefix, group: Some(group) } => {
                let prefix = prefix.as_ref().map(|p| format!(" --nflog-prefix {}", xt::quoted(p))).unwrap_or_default();
                self.target = format!("-j NFLOG{prefix} --nflog-group {group}");
            }
            Expr::Opaque { name, .. } => self.matches.push(format!("[{name}]")),
            _ => self.matches.push("[expression]".into()),
        }
    }

    fn text(self, chain: &str, extent: Extent) -> String {
        let options: Vec<&str> = self.ports.iter().map(String::as_str).filter(|o| !o.is_empty()).collect();
        let header =
            format!("-m {} {}", if self.header.is_empty() { "[transport]" } else { self.header }, options.join(" "));
        let begin = if extent == Extent::Brief { String::new() } else { format!("-A {chain}") };
        let matches = self.matches.iter().map(|m| if m.is_empty() { header.clone() } else { m.clone() });
        let mut words = vec![begin, self.source, self.destination, self.input, self.output, self.protocol];
        words.extend(matches);
        words.push(self.target);
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }
}

/// An address with its mask; iptables says the mask of one host, too.
fn address(data: &[u8], mask: Option<&[u8]>, size: usize) -> String {
    let mut all = data.to_vec();
    all.resize(size, 0);
    let words = |bytes: &[u8]| -> Option<IpAddr> {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
    };
    let Some(address) = words(&all) else { return "[address]".into() };
    match mask {
        None => format!("{address}/{}", data.len() * 8),
        Some(mask) => match (prefix_len(mask), words(mask)) {
            (Some(length), _) => format!("{address}/{length}"),
            (None, Some(mask)) => format!("{address}/{mask}"),
            (None, None) => format!("{address}/[mask]"),
        },
    }
}

fn interface(data: &[u8]) -> String {
    let end = data.iter().position(|b| *b == 0);
    let name = String::from_utf8_lossy(data.get(..end.unwrap_or(data.len())).unwrap_or_default()).into_owned();
    if end.is_none() && data.len() < 16 { format!("{name}+") } else { name }
}

fn verdict_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "-j ACCEPT".into(),
        Verdict::Drop => "-j DROP".into(),
        Verdict::Return => "-j RETURN".into(),
        Verdict::Jump(chain) => format!("-j {chain}"),
        Verdict::Goto(chain) => format!("-g {chain}"),
        Verdict::Queue => "-j NFQUEUE".into(),
        Verdict::Continue | Verdict::Break | Verdict::Stolen => String::new(),
    }
}
