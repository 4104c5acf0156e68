//! Hosts to follow packets through, with rules in a few words.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::facts::host::{Addresses, LocalAddress};
use crate::facts::route::{Link, Route, RouteKey};
use crate::facts::ruleset::expr::{
    Base as From, BitOp, CmpOp, CtKey, Direction, Expr, LookupTo, MetaKey, RejectWith, Verdict,
};
use crate::facts::ruleset::xt::{Match, RecentDoes, RecentMatch, Xt};
use crate::facts::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, ChainRules, Element, Elements, Family, Hook, Leads, LegacyTable, MapsTo,
    Policy, Recent, Rule, Ruleset, Set, SetId, Table, TableId,
};
use crate::facts::socket::Transport;
use crate::firewall::{Client, Fate, Known, Missing, Packet, Walk, follow};

/// What is known of a host.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) ruleset: Ruleset,
    pub(crate) chains: HashMap<ChainId, ChainRules>,
    pub(crate) elements: HashMap<SetId, Elements>,
    pub(crate) members: HashMap<(SetId, Vec<u8>), Option<Element>>,
    pub(crate) legacy: Vec<LegacyTable>,
    pub(crate) recent: HashMap<String, Recent>,
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Addresses,
    pub(crate) routes: HashMap<IpAddr, Route>,
    /// Settings; `?` is still to come.
    pub(crate) sysctls: HashMap<String, String>,
}

/// Looked for, and still to come.
fn open<T>(found: Option<&T>) -> Result<&T, Missing> {
    found.ok_or(Missing::Open)
}

impl Known for World {
    fn ruleset(&self) -> Result<&Ruleset, Missing> {
        Ok(&self.ruleset)
    }
    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, Missing> {
        open(self.chains.get(id))
    }
    fn elements(&self, id: &SetId) -> Result<&Elements, Missing> {
        open(self.elements.get(id))
    }
    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, Missing> {
        open(self.members.get(&(set.clone(), key.to_vec()))).map(Option::as_ref)
    }
    fn legacy(&self) -> Result<&[LegacyTable], Missing> {
        Ok(&self.legacy)
    }
    fn recent(&self, name: &str) -> Result<&Recent, Missing> {
        open(self.recent.get(name))
    }
    fn links(&self) -> Result<&[Link], Missing> {
        Ok(&self.links)
    }
    fn sysctl(&self, path: &str) -> Result<&str, Missing> {
        match self.sysctls.get(path).map(String::as_str) {
            Some("?") => Err(Missing::Open),
            Some(value) => Ok(value),
            None => Ok(if path.ends_with("/forwarding") { "1" } else { "0" }),
        }
    }
    fn addresses(&self) -> Result<&Addresses, Missing> {
        Ok(&self.addresses)
    }
    fn route(&self, key: &RouteKey) -> Result<&Route, Missing> {
        open(self.routes.get(&key.to))
    }
}

fn address(text: &str, interface: &str, ifindex: u32, prefix: u8) -> LocalAddress {
    LocalAddress {
        address: text.parse().unwrap(),
        interface: interface.into(),
        ifindex,
        up: true,
        link_local: false,
        prefix,
    }
}

fn link(index: u32, name: &str, hardware: u16) -> Link {
    let name = name.into();
    Link { index, name, hardware, up: true, ..Link::default() }
}

impl World {
    /// A host with 10.0.0.5/24 and 2001:db8::5/64 on eth0 and 10.1.0.5/16 on eth1.
    pub(crate) fn new() -> Self {
        let all = vec![
            address("127.0.0.1", "lo", 1, 8),
            address("10.0.0.5", "eth0", 2, 24),
            address("10.1.0.5", "eth1", 3, 16),
            address("::1", "lo", 1, 128),
            address("2001:db8::5", "eth0", 2, 64),
        ];
        let links = vec![link(1, "lo", 772), link(2, "eth0", 1), link(3, "eth1", 1)];
        let addresses = Addresses { all, default_interface: Some("eth0".into()) };
        Self { links, addresses, ..Self::default() }
    }

    fn table(family: &str, name: &str) -> TableId {
        let family = match family {
            "ip" => Family::Ip,
            "ip6" => Family::Ip6,
            "inet" => Family::Inet,
            "netdev" => Family::Netdev,
            "bridge" => Family::Bridge,
            other => panic!("family {other}"),
        };
        TableId { backend: Backend::Nftables, family, name: name.into() }
    }

    /// A chain by `family table chain`.
    pub(crate) fn id(name: &str) -> ChainId {
        let words: Vec<&str> = name.split(' ').collect();
        let &[family, table, chain] = words.as_slice() else { panic!("{name}") };
        ChainId { table: Self::table(family, table), name: chain.into() }
    }

    /// A chain (`inet filter input`) with its hook (`filter input 0 accept`, or nothing) and its rules, one a line.
    pub(crate) fn chain(mut self, name: &str, hook: &str, rules: &str) -> Self {
        let id = Self::id(name);
        if self.ruleset.table(&id.table).is_none() {
            let handle = self.ruleset.tables.len() as u64 + 1;
            self.ruleset.tables.push(Table { id: id.table.clone(), handle, dormant: false, comment: None });
        }
        let words: Vec<&str> = hook.split_whitespace().collect();
        let base = match words.as_slice() {
            [] => None,
            [kind, hook, priority, policy, devices @ ..] => Some(Base {
                kind: match *kind {
                    "filter" => ChainKind::Filter,
                    "nat" => ChainKind::Nat,
                    _ => ChainKind::Route,
                },
                hook: hook_of(hook),
                priority: priority.parse().unwrap(),
                policy: if *policy == "drop" { Policy::Drop } else { Policy::Accept },
                devices: devices.iter().map(ToString::to_string).collect(),
                packets: None,
            }),
            _ => panic!("{hook}"),
        };
        let handle = self.ruleset.chains.len() as u64 + 1;
        self.ruleset.chains.push(Chain { id: id.clone(), handle, base, comment: None });
        let lines = rules.lines().map(str::trim).filter(|line| !line.is_empty());
        let rules = (1u64..).zip(lines).map(|(handle, line)| Self::rule(&id, handle, line)).collect();
        self.chains.insert(id, ChainRules { generation: 1, rules, more: false });
        self
    }

    /// A set of addresses or networks (`10.0.0.0/8 192.0.2.7`), each with where it leads to (`10.0.0.1>drop`).
    pub(crate) fn set(mut self, name: &str, elements: &str) -> Self {
        let ChainId { table, name } = Self::id(name);
        let id = SetId { table, name };
        let elements: Vec<Element> = elements.split_whitespace().map(element).collect();
        let key_len = elements.first().map_or(4, |e| e.from.len());
        let maps_to = match elements.first().and_then(|e| e.leads_to.as_ref()) {
            None => MapsTo::Nothing,
            Some(Leads::Verdict(_)) => MapsTo::Verdict,
            Some(_) => MapsTo::Data,
        };
        let set = Set {
            id: id.clone(),
            anonymous: false,
            interval: true,
            dynamic: false,
            maps_to,
            key_len: u32::try_from(key_len).unwrap(),
            fields: vec![u32::try_from(key_len).unwrap()],
            timeout_ms: None,
            size: None,
            exprs: Vec::new(),
            comment: None,
        };
        self.ruleset.sets.push(set);
        self.elements.insert(id, Elements { generation: 1, elements, catchall: None, more: false });
        self
    }

    #[expect(clippy::too_many_lines, reason = "a line for each word")]
    fn rule(id: &ChainId, handle: u64, line: &str) -> Rule {
        let mut exprs = Vec::new();
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let mut next = || words.next().unwrap_or_else(|| panic!("{line}")).to_owned();
            match word {
                "saddr" | "daddr" | "sport" | "dport" => exprs.extend(field(word, &next())),
                "iif" | "oif" => {
                    let key = if word == "iif" { MetaKey::Iifname } else { MetaKey::Oifname };
                    let name = next();
                    let (op, name) =
                        name.strip_prefix('!').map_or((CmpOp::Eq, name.as_str()), |name| (CmpOp::Neq, name));
                    let data = name.bytes().chain(std::iter::repeat(0)).take(16).collect();
                    exprs.extend([Expr::Meta { key, to: 0 }, Expr::Cmp { from: 0, op, data }]);
                }
                "state" => {
                    let bits: u32 = next().split(',').map(state_bit).sum();
                    exprs.extend([
                        Expr::Ct { key: CtKey::State, direction: None, to: 0 },
                        Expr::Bitwise {
                            from: 0,
                            to: 0,
                            len: 4,
                            op: BitOp::Mask { mask: bits.to_ne_bytes().into(), xor: vec![0; 4] },
                        },
                        Expr::Cmp { from: 0, op: CmpOp::Neq, data: vec![0; 4] },
                    ]);
                }
                "saddrport" => {
                    exprs.extend([
                        Expr::Payload { base: From::Network, offset: 12, len: 4, to: 0 },
                        Expr::Payload { base: From::Transport, offset: 0, len: 2, to: 4 },
                    ]);
                    let set = next().trim_start_matches('@').to_owned();
                    exprs.push(Expr::Lookup { set, from: 0, to: LookupTo::Match, inverted: false });
                }
                "origdport" => exprs.extend([
                    Expr::Ct { key: CtKey::ProtoDestination, direction: Some(Direction::Original), to: 0 },
                    Expr::Cmp { from: 0, op: CmpOp::Eq, data: next().parse::<u16>().unwrap().to_be_bytes().into() },
                ]),
                "mark" | "ctmark" => {
                    let data = next().parse::<u32>().unwrap().to_ne_bytes().into();
                    exprs.push(match word {
                        "mark" => Expr::Meta { key: MetaKey::Mark, to: 0 },
                        _ => Expr::Ct { key: CtKey::Mark, direction: None, to: 0 },
                    });
                    exprs.push(Expr::Cmp { from: 0, op: CmpOp::Eq, data });
                }
                "setzone" => exprs.extend([
                    Expr::Immediate { to: 0, data: next().parse::<u16>().unwrap().to_ne_bytes().into() },
                    Expr::CtSet { key: CtKey::Zone, direction: None, from: 0 },
                ]),
                "setmark" | "setctmark" => {
                    exprs.push(Expr::Immediate { to: 0, data: next().parse::<u32>().unwrap().to_ne_bytes().into() });
                    exprs.push(match word {
                        "setmark" => Expr::MetaSet { key: MetaKey::Mark, from: 0 },
                        _ => Expr::CtSet { key: CtKey::Mark, direction: None, from: 0 },
                    });
                }
                "l4" => exprs.extend([
                    Expr::Meta { key: MetaKey::L4proto, to: 0 },
                    Expr::Cmp { from: 0, op: CmpOp::Eq, data: vec![next().parse().unwrap()] },
                ]),
                "limit" => {
                    exprs.push(Expr::Limit { rate: 5, unit_s: 1, burst: 5, bytes: false, inverted: false });
                }
                "recent" => exprs.push(Expr::Xt(Xt::Match(Match::Recent(recent(&next()))))),
                "counter" => exprs.push(Expr::Counter { packets: 0, bytes: 0 }),
                "log" => exprs.push(Expr::Log { prefix: None, group: None }),
                "notrack" => exprs.push(Expr::Notrack),
                "reject" => exprs.push(Expr::Reject(RejectWith::Icmpx(1))),
                "reset" => exprs.push(Expr::Reject(RejectWith::TcpReset)),
                "dnat" => {
                    let to = next();
                    let (ip, port) = to.split_once(':').map_or((to.as_str(), None), |(ip, port)| (ip, Some(port)));
                    let octets = octets(ip.parse().unwrap());
                    exprs.push(Expr::Immediate { to: 0, data: octets });
                    if let Some(port) = port {
                        exprs.push(Expr::Immediate { to: 16, data: port.parse::<u16>().unwrap().to_be_bytes().into() });
                    }
                    let (address, port) = (Some((0, 0)), port.map(|_| (16, 16)));
                    exprs.push(Expr::Nat { source: false, family: id.table.family, address, port, flags: 0 });
                }
                "redirect" => {
                    exprs.push(Expr::Immediate { to: 16, data: next().parse::<u16>().unwrap().to_be_bytes().into() });
                    exprs.push(Expr::Redirect { port: Some((16, 16)), flags: 0 });
                }
                "masquerade" => exprs.push(Expr::Masquerade { port: None, flags: 0 }),
                "vmap" => {
                    // What was loaded last, by the map.
                    let name = next();
                    let len = if name.ends_with('6') { 16 } else { 4 };
                    exprs.push(Expr::Payload {
                        base: From::Network,
                        offset: if len == 4 { 12 } else { 8 },
                        len,
                        to: 0,
                    });
                    exprs.push(Expr::Lookup { set: name, from: 0, to: LookupTo::Verdict, inverted: false });
                }
                "jump" => exprs.push(Expr::Verdict(Verdict::Jump(next()))),
                "goto" => exprs.push(Expr::Verdict(Verdict::Goto(next()))),
                other => exprs.push(Expr::Verdict(verdict(other))),
            }
        }
        Rule { handle, exprs, comment: None, text: None }
    }

    pub(crate) fn walk(&self, client: Client, to: &str) -> Walk {
        follow(&Packet { transport: Transport::Tcp, client, to: to.parse().unwrap() }, self)
    }

    /// What one client gets, in a word.
    pub(crate) fn gets(&self, client: &str, to: &str) -> String {
        let address: IpAddr = client.parse().unwrap();
        let walk = self.walk(Client::Any, to);
        let holders: Vec<_> = walk.parts.iter().filter(|part| part.sources.contains(address, 40_000)).collect();
        assert_eq!(holders.len(), 1, "{walk:#?}");
        word(&holders[0].fate)
    }
}

/// `set`, `check/30/6`, `update/30/6`, `remove`: what to do with the list `tries`, `--seconds` and `--hitcount`.
fn recent(text: &str) -> RecentMatch {
    let mut words = text.split('/');
    let does = match words.next().unwrap() {
        "set" => RecentDoes::Set,
        "check" => RecentDoes::Check,
        "update" => RecentDoes::Update,
        "remove" => RecentDoes::Remove,
        other => panic!("{other}"),
    };
    let mut number = || words.next().map_or(0, |word| word.parse().unwrap());
    let (seconds, hits) = (number(), number());
    RecentMatch { name: "tries".into(), does, seconds, hits, ttl: false, source: true, mask: None, inverted: false }
}

/// A fate in a word, with the chain and rule it came from.
pub(crate) fn word(fate: &Fate) -> String {
    let at = |place: &crate::firewall::Place| match place.rule {
        Some(rule) => format!("{} {rule}", place.chain.name),
        None => format!("{} policy", place.chain.name),
    };
    match fate {
        Fate::Delivered => "open".into(),
        Fate::Forwarded { interface } => format!("out {}", interface.as_deref().unwrap_or("?")),
        Fate::Rejected { by, .. } => format!("reject {}", at(by)),
        Fate::Dropped { by } => format!("drop {}", at(by)),
        Fate::Unrouted { to, silent: None } => format!("unrouted {to}"),
        Fate::Unrouted { silent: Some(why), .. } => format!("lost: {why}"),
        Fate::Unknown { why, by, .. } => format!("unknown {why} {}", by.as_ref().map(at).unwrap_or_default()),
    }
}

fn hook_of(word: &str) -> Hook {
    let all =
        [Hook::Ingress, Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Egress];
    all.into_iter().find(|hook| hook.word() == word).unwrap_or_else(|| panic!("{word}"))
}

fn state_bit(word: &str) -> u32 {
    match word {
        "invalid" => 1,
        "established" => 2,
        "related" => 4,
        "new" => 8,
        "untracked" => 64,
        other => panic!("{other}"),
    }
}

fn verdict(word: &str) -> Verdict {
    match word {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::Continue,
        other => match other.split_once(':') {
            Some(("jump", name)) => Verdict::Jump(name.into()),
            _ => panic!("{other}"),
        },
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// First and last address of `10.0.0.0/8` or `10.0.0.1`.
fn network(text: &str) -> (Vec<u8>, Vec<u8>) {
    let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
    let from = octets(ip.parse().unwrap());
    let bits: usize = prefix.map_or(from.len() * 8, |p| p.parse().unwrap());
    let mut to = from.clone();
    for bit in bits..from.len() * 8 {
        to[bit / 8] |= 0x80 >> (bit % 8);
    }
    (from, to)
}

fn element(text: &str) -> Element {
    let (key, leads) = text.split_once('>').map_or((text, None), |(key, leads)| (key, Some(leads)));
    let (from, to) = network(key);
    let leads_to = leads.map(|word| Leads::Verdict(verdict(word)));
    Element { from, to, leads_to, expires_ms: None, exprs: Vec::new(), comment: None }
}

/// A field of the packet and what it must be: `10.0.0.0/8`, `!10.0.0.1`, `@set`, `80`, `1000-2000`.
fn field(name: &str, want: &str) -> Vec<Expr> {
    let (inverted, want) = want.strip_prefix('!').map_or((false, want), |want| (true, want));
    let op = if inverted { CmpOp::Neq } else { CmpOp::Eq };
    if name.ends_with("port") {
        let load = Expr::Payload { base: From::Transport, offset: if name == "sport" { 0 } else { 2 }, len: 2, to: 0 };
        let port = |text: &str| text.parse::<u16>().unwrap().to_be_bytes().to_vec();
        let test = match want.split_once('-') {
            Some((low, high)) => Expr::Range { from: 0, inverted, low: port(low), high: port(high) },
            None => Expr::Cmp { from: 0, op, data: port(want) },
        };
        return vec![load, test];
    }
    let v6 = want.contains(':') || want.ends_with('6') && want.starts_with('@');
    let (first, len) = if v6 { (8, 16) } else { (12, 4) };
    let offset = if name == "saddr" { first } else { first + len };
    if let Some(set) = want.strip_prefix('@') {
        let load = Expr::Payload { base: From::Network, offset, len, to: 0 };
        return vec![load, Expr::Lookup { set: set.into(), from: 0, to: LookupTo::Match, inverted }];
    }
    let (from, to) = network(want);
    let mask: Vec<u8> = from.iter().zip(&to).map(|(a, b)| !(a ^ b)).collect();
    vec![
        Expr::Payload { base: From::Network, offset, len, to: 0 },
        Expr::Bitwise { from: 0, to: 0, len, op: BitOp::Mask { xor: vec![0; mask.len()], mask } },
        Expr::Cmp { from: 0, op, data: from },
    ]
}
