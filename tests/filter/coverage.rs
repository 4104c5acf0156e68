//! Which kinds of rules were tried: how many with each expression were loaded, and how many of those decided something (a
//! refusal, a passage, a translation, or that it cannot be told).

use std::collections::{BTreeMap, BTreeSet};

use unrefuse::facts::ruleset::expr::{BitOp, Expr, LookupTo, RejectWith, Verdict};
use unrefuse::facts::ruleset::xt::{Match, Xt};
use unrefuse::facts::ruleset::{Backend, ChainId, Rule, Ruleset, SetId};
use unrefuse::firewall::{Fate, Place, Walk};
use unrefuse::sources::netlink::nftables;

use crate::facts::Reader;
use crate::net::Net;
use crate::script;

/// What must have been tried once all cases were.
const NAMED: &str = "
    table ip, table ip6, table inet, table netdev, legacy table ip, legacy table ip6
    payload, meta, ct, cmp, bitwise, range, fib, exthdr, socket, numgen, limit, quota, counter, log, immediate, hash
    lookup, lookup of intervals, lookup of a concatenation, lookup of a named set, map, verdict map
    accept, drop, return, jump, goto
    reject tcp reset, reject icmp 0, reject icmp 1, reject icmp 2, reject icmp 3, reject icmp 9, reject icmp 10
    reject icmp 13, reject icmpv6 0, reject icmpv6 1, reject icmpv6 3, reject icmpv6 4, reject icmpv6 5
    reject icmpv6 6, reject icmpx 0, reject icmpx 1, reject icmpx 2, reject icmpx 3
    dnat, snat, masquerade, redirect, tproxy, notrack, objref, objref map, dynset, synproxy, flow offload, ct count
    meta set, ct set
    xt match ip, xt match tcp, xt match udp, xt match multiport, xt match conntrack, xt match addrtype, xt match mark
    xt match connmark, xt match iprange, xt match owner, xt match recent, xt match limit, xt match hashlimit
    xt match connlimit, xt match pkttype, xt match length, xt match socket, xt match statistic, xt match unknowable
    xt match comment
    xt target reject, xt target dnat, xt target snat, xt target redirect, xt target netmap, xt target masquerade
    xt target log, xt target mark, xt target connmark, xt target notrack, xt target tproxy, xt target synproxy
    xt target changes
";

/// Kinds that not every kernel has, each with the least that needs it.
const OPTIONAL: [(&str, &str); 1] = [(
    "flow offload",
    "add table inet t\nadd flowtable inet t fast { hook ingress priority 0; }\n\
     add chain inet t f { type filter hook forward priority 0; }\nadd rule inet t f meta l4proto tcp flow add @fast\n",
)];

/// A rule: its chain, and its handle there.
type Key = (ChainId, u64);

/// What was loaded for a case, and what decided.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    loaded: BTreeMap<Key, BTreeSet<String>>,
    deciding: BTreeSet<Key>,
}

/// How many rules of each kind were loaded, and how many decided.
#[derive(Debug, Default)]
pub(crate) struct Coverage(BTreeMap<String, (usize, usize)>);

impl Tried {
    /// Notes the rules that are loaded.
    pub(crate) fn loaded(&mut self, reader: &Reader) {
        let mut note = |id: &ChainId, rules: &[Rule], ruleset: Option<&Ruleset>| {
            for rule in rules {
                self.loaded.insert((id.clone(), rule.handle), kinds(id, rule, ruleset));
            }
        };
        for chain in reader.rules_read().iter().flat_map(|ruleset| &ruleset.chains) {
            if let Ok(Some(read)) = nftables::chain_rules(&chain.id) {
                note(&chain.id, &read.rules, reader.rules_read());
            }
        }
        for (chain, rules) in reader.legacy_tables().iter().flat_map(|table| &table.chains) {
            note(&chain.id, rules, None);
        }
    }

    /// Notes what decided anything for anybody.
    pub(crate) fn followed(&mut self, walk: &Walk) {
        for part in &walk.parts {
            let by = match &part.fate {
                Fate::Rejected { by, .. } | Fate::Dropped { by } => Some(by),
                Fate::Unknown { by, .. } => by.as_ref(),
                Fate::Delivered | Fate::Forwarded { .. } | Fate::Unrouted { .. } => None,
            };
            let passed = part.passed.iter().map(|pass| &pass.by);
            for place in by.into_iter().chain(&part.translated).chain(passed) {
                self.decided(place);
            }
        }
    }

    fn decided(&mut self, place: &Place) {
        self.deciding.extend(place.rule.map(|handle| (place.chain.clone(), handle)));
        self.deciding.extend(place.via.iter().cloned());
    }
}

impl Coverage {
    pub(crate) fn add(&mut self, tried: &Tried) {
        for (key, kinds) in &tried.loaded {
            for kind in kinds {
                let (loaded, decided) = self.0.entry(kind.clone()).or_default();
                *loaded += 1;
                *decided += usize::from(tried.deciding.contains(key));
            }
        }
    }

    /// The table: each kind with the rules loaded, and those of them that decided.
    pub(crate) fn table(&self) -> String {
        let mut text = "rules loaded, and how many of them decided something:".to_owned();
        for (kind, (loaded, decided)) in &self.0 {
            text += &format!("\n  {loaded:6} {decided:6} {kind}");
        }
        text
    }

    /// Kinds that should have been tried and were not, though this kernel has them.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let named = NAMED.split([',', '\n']).map(str::trim).filter(|kind| !kind.is_empty());
        named.filter(|kind| !self.0.contains_key(*kind) && !is_lacking(kind)).collect()
    }
}

/// This kernel has no such thing.
fn is_lacking(kind: &str) -> bool {
    let Some((_, least)) = OPTIONAL.iter().find(|(optional, _)| *optional == kind) else { return false };
    let said = Net::new().run(|| script::refused_by_nft(least));
    if let Some(why) = &said {
        println!("not tried, since this kernel refuses it: {kind}: {}", why.lines().next().unwrap_or_default());
    }
    said.is_some()
}

/// Everything that a rule has in it.
fn kinds(id: &ChainId, rule: &Rule, ruleset: Option<&Ruleset>) -> BTreeSet<String> {
    let legacy = if id.table.backend == Backend::Legacy { "legacy " } else { "" };
    let mut found = BTreeSet::from([format!("{legacy}table {}", id.table.family.word())]);
    for expr in &rule.exprs {
        found.insert(kind(expr));
        if let Expr::Lookup { set, .. } = expr {
            let of = SetId { table: id.table.clone(), name: set.clone() };
            let Some(set) = ruleset.and_then(|ruleset| ruleset.set(&of)) else { continue };
            let is = [
                (set.interval, "lookup of intervals"),
                (set.fields.len() > 1, "lookup of a concatenation"),
                (!set.anonymous, "lookup of a named set"),
            ];
            found.extend(is.iter().filter(|(is, _)| *is).map(|(_, words)| (*words).to_owned()));
        }
    }
    found
}

fn kind(expr: &Expr) -> String {
    match expr {
        Expr::Lookup { to: LookupTo::Match, .. } => "lookup".into(),
        Expr::Lookup { to: LookupTo::Verdict, .. } => "verdict map".into(),
        Expr::Lookup { to: LookupTo::Register(_), .. } => "map".into(),
        Expr::Bitwise { op: BitOp::Left(_) | BitOp::Right(_), .. } => "bitwise shift".into(),
        Expr::Verdict(Verdict::Jump(_)) => "jump".into(),
        Expr::Verdict(Verdict::Goto(_)) => "goto".into(),
        Expr::Verdict(other) => words(&format!("{other:?}")),
        Expr::Reject(RejectWith::TcpReset) => "reject tcp reset".into(),
        Expr::Reject(RejectWith::Icmp(code)) => format!("reject icmp {code}"),
        Expr::Reject(RejectWith::Icmpv6(code)) => format!("reject icmpv6 {code}"),
        Expr::Reject(RejectWith::Icmpx(code)) => format!("reject icmpx {code}"),
        Expr::Nat { source: true, .. } => "snat".into(),
        Expr::Nat { source: false, .. } => "dnat".into(),
        Expr::Connlimit { .. } => "ct count".into(),
        Expr::Opaque { name, .. } => format!("opaque {name}"),
        Expr::Xt(Xt::Match(Match::Other { name, .. })) => format!("xt match other {name}"),
        Expr::Xt(Xt::Match(found)) => format!("xt match {}", words(&format!("{found:?}"))),
        Expr::Xt(Xt::Target(found)) => format!("xt target {}", words(&format!("{found:?}"))),
        other => words(&format!("{other:?}")),
    }
}

/// `MetaSet { .. }` as `meta set`.
fn words(name: &str) -> String {
    let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut text = String::new();
    for (at, c) in name.char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
