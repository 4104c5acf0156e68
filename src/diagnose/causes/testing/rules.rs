//! Packet filters for these hosts, written as the kernel tells of them.

use std::net::IpAddr;

use super::Host;
use crate::facts::Reading;
use crate::facts::ruleset::expr::{Base as From, CmpOp, Expr, LookupTo, MetaKey, RejectWith, Verdict};
use crate::facts::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, ChainRules, Element, Elements, Family, Hook, LegacyTable, MapsTo, Policy,
    Rule, Ruleset, Set, SetId, Table, TableId,
};

/// How a base chain is hooked in.
#[expect(clippy::unnecessary_wraps, reason = "a chain has one or none")]
pub(crate) fn base(hook: Hook, priority: i32, policy: Policy) -> Option<Base> {
    let devices = if hook == Hook::Ingress { vec!["eth0".into()] } else { Vec::new() };
    Some(Base { kind: ChainKind::Filter, hook, priority, policy, devices, packets: None })
}

/// The same for address translation.
pub(crate) fn nat(hook: Hook, priority: i32) -> Option<Base> {
    Some(Base { kind: ChainKind::Nat, ..base(hook, priority, Policy::Accept)? })
}

/// A table by its family and name.
pub(crate) fn table(words: &str) -> TableId {
    let (family, name) = words.split_once(' ').unwrap();
    let family = [Family::Ip, Family::Ip6, Family::Inet, Family::Netdev].into_iter().find(|f| f.word() == family);
    TableId { backend: Backend::Nftables, family: family.unwrap(), name: name.into() }
}

/// A rule of these parts, with a counter that met `packets` before its last part.
pub(crate) fn rule(parts: &[Vec<Expr>], packets: u64) -> Vec<Expr> {
    let mut exprs = parts.concat();
    let last = exprs.pop().unwrap();
    exprs.push(Expr::Counter { packets, bytes: packets * 60 });
    exprs.push(last);
    exprs
}

/// `tcp dport N`.
pub(crate) fn dport(port: u16) -> Vec<Expr> {
    let mut all = l4proto(6);
    all.extend([Expr::Payload { base: From::Transport, offset: 2, len: 2, to: 0 }, eq(port.to_be_bytes().to_vec())]);
    all
}

/// `tcp sport N`.
pub(crate) fn sport(port: u16) -> Vec<Expr> {
    let mut all = l4proto(6);
    all.extend([Expr::Payload { base: From::Transport, offset: 0, len: 2, to: 0 }, eq(port.to_be_bytes().to_vec())]);
    all
}

fn l4proto(number: u8) -> Vec<Expr> {
    vec![Expr::Meta { key: MetaKey::L4proto, to: 0 }, eq(vec![number])]
}

/// `ip saddr A` (or ip6).
pub(crate) fn saddr(address: &str) -> Vec<Expr> {
    let (number, offset, data) = match address.parse().unwrap() {
        IpAddr::V4(v4) => (2, 12, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, 8, v6.octets().to_vec()),
    };
    let len = u32::try_from(data.len()).unwrap();
    vec![
        Expr::Meta { key: MetaKey::Nfproto, to: 0 },
        eq(vec![number]),
        Expr::Payload { base: From::Network, offset, len, to: 0 },
        eq(data),
    ]
}

/// `ip saddr @NAME`.
pub(crate) fn saddr_in(set: &str) -> Vec<Expr> {
    vec![
        Expr::Meta { key: MetaKey::Nfproto, to: 0 },
        eq(vec![2]),
        Expr::Payload { base: From::Network, offset: 12, len: 4, to: 0 },
        Expr::Lookup { set: set.into(), from: 0, to: LookupTo::Match, inverted: false },
    ]
}

/// `iifname NAME`.
pub(crate) fn iifname(name: &str) -> Vec<Expr> {
    let mut data = name.as_bytes().to_vec();
    data.resize(16, 0);
    vec![Expr::Meta { key: MetaKey::Iifname, to: 0 }, eq(data)]
}

fn eq(data: Vec<u8>) -> Expr {
    Expr::Cmp { from: 0, op: CmpOp::Eq, data }
}

pub(crate) fn accept() -> Vec<Expr> {
    vec![Expr::Verdict(Verdict::Accept)]
}

pub(crate) fn drop_it() -> Vec<Expr> {
    vec![Expr::Verdict(Verdict::Drop)]
}

pub(crate) fn jump(chain: &str) -> Vec<Expr> {
    vec![Expr::Verdict(Verdict::Jump(chain.into()))]
}

pub(crate) fn reject(with: RejectWith) -> Vec<Expr> {
    vec![Expr::Reject(with)]
}

impl Host {
    /// Adds a chain with these rules, whose handles are 1, 2, 3 ...
    pub(crate) fn chain(self, of: &str, name: &str, base: Option<Base>, rules: Vec<Vec<Expr>>) -> Self {
        let id = ChainId { table: table(of), name: name.into() };
        let rules = (1..).zip(rules).map(|(handle, exprs)| Rule { handle, exprs, comment: None, text: None }).collect();
        self.facts(|f| {
            let mut all = f.ruleset.value().cloned().unwrap_or_default();
            if all.table(&id.table).is_none() {
                let handle = u64::try_from(all.tables.len()).unwrap() + 1;
                all.tables.push(Table { id: id.table.clone(), handle, dormant: false, comment: None });
            }
            let handle = u64::try_from(all.chains.len()).unwrap() + 100;
            all.chains.push(Chain { id: id.clone(), handle, base, comment: None });
            f.ruleset = Reading::known(all);
            f.chains.insert(id, Reading::known(ChainRules { generation: 0, rules, more: false }));
        })
    }

    /// Gives the last rule of a chain a comment.
    pub(crate) fn comment(self, of: &str, name: &str, comment: &str) -> Self {
        let id = ChainId { table: table(of), name: name.into() };
        self.facts(|f| {
            let mut rules = f.chains[&id].value().cloned().unwrap();
            rules.rules.last_mut().unwrap().comment = Some(comment.into());
            f.chains.insert(id, Reading::known(rules));
        })
    }

    /// Adds a set of IPv4 addresses.
    pub(crate) fn set(self, of: &str, name: &str, members: &[&str]) -> Self {
        let id = SetId { table: table(of), name: name.into() };
        let element = |address: &&str| {
            let IpAddr::V4(v4) = address.parse().unwrap() else { panic!("{address}") };
            let key = v4.octets().to_vec();
            Element { from: key.clone(), to: key, leads_to: None, expires_ms: None, exprs: Vec::new(), comment: None }
        };
        let elements = Elements { elements: members.iter().map(element).collect(), ..Elements::default() };
        self.facts(|f| {
            let mut all = f.ruleset.value().cloned().unwrap_or_else(Ruleset::default);
            all.sets.push(Set {
                id: id.clone(),
                anonymous: false,
                interval: false,
                dynamic: false,
                maps_to: MapsTo::Nothing,
                key_len: 4,
                fields: vec![4],
                timeout_ms: None,
                size: None,
                exprs: Vec::new(),
                comment: None,
            });
            f.ruleset = Reading::known(all);
            f.elements.insert(id, Reading::known(elements));
        })
    }

    /// Puts a rule into the INPUT chain of the legacy filter table.
    pub(crate) fn legacy(self, text: &str, exprs: Vec<Expr>) -> Self {
        let id = TableId { backend: Backend::Legacy, family: Family::Ip, name: "filter".into() };
        let chain = ChainId { table: id.clone(), name: "INPUT".into() };
        let chain = Chain { id: chain, handle: 0, base: base(Hook::Input, 0, Policy::Accept), comment: None };
        let rule = Rule { handle: 1, exprs, comment: None, text: Some(text.into()) };
        self.facts(|f| f.legacy = Reading::known(vec![LegacyTable { id, chains: vec![(chain, vec![rule])] }]))
    }
}
