//! Rules and sets with stand-ins for the addresses in them, so that they decide as before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::addresses::{Addresses, Kind, made, mask_len, networks, number, ones};
use super::registers::{Field, Told, told};
use super::sets::{Layouts, constant};
use crate::facts::ruleset::expr::{Base, CmpOp, Expr, LookupTo, Register};
use crate::facts::ruleset::xt::{Match, NatRange, Target, Xt};
use crate::facts::ruleset::{
    ChainId, ChainRules, Element, Elements, LegacyTable, MapsTo, Rule, Ruleset, Set, SetId, TableId,
};
use crate::facts::{Facts, Reading};

/// Names of values that are addresses or masks and have their stand-ins before texts are looked at.
pub(super) const DONE: [&str; 9] = [
    "source",
    "destination",
    "original_source",
    "original_destination",
    "reply_source",
    "reply_destination",
    "addresses",
    "address",
    "mask",
];

/// A register that no rule of iptables uses.
const SPARE: Register = 48;

/// Names and words of the packet filter, which name nobody.
pub(super) fn names(facts: &Facts) -> Vec<String> {
    const WORDS: [&str; 14] = [
        "ip", "ip6", "inet", "filter", "nat", "route", "input", "output", "forward", "accept", "drop", "mark",
        "network", "known",
    ];
    let mut found: Vec<String> = WORDS.map(str::to_owned).to_vec();
    if let Some(ruleset) = facts.ruleset.value() {
        found.extend(ruleset.tables.iter().map(|table| table.id.name.to_lowercase()));
        found.extend(ruleset.chains.iter().map(|chain| chain.id.name.to_lowercase()));
        found.extend(ruleset.sets.iter().map(|set| set.id.name.to_lowercase()));
    }
    found.extend(facts.links.value().into_iter().flatten().map(|link| link.name.to_lowercase()));
    found
}

/// The facts that hold addresses as bytes.
#[derive(Debug, Default)]
pub(super) struct Filter {
    ruleset: Reading<Ruleset>,
    chains: BTreeMap<ChainId, Reading<ChainRules>>,
    elements: BTreeMap<SetId, Reading<Elements>>,
    members: BTreeMap<(SetId, Vec<u8>), Reading<Element>>,
    legacy: Reading<Vec<LegacyTable>>,
}

impl Filter {
    pub(super) fn taken_from(facts: &mut Facts) -> Self {
        use std::mem::take;
        Self {
            ruleset: take(&mut facts.ruleset),
            chains: take(&mut facts.chains),
            elements: take(&mut facts.elements),
            members: take(&mut facts.members),
            legacy: take(&mut facts.legacy),
        }
    }

    pub(super) fn give_to(self, facts: &mut Facts) {
        facts.ruleset = self.ruleset;
        facts.chains = self.chains;
        facts.elements = self.elements;
        facts.members = self.members;
        facts.legacy = self.legacy;
    }

    pub(super) fn redact(&mut self, given: &mut Addresses) {
        let lengths = self.key_lengths();
        let mut layouts = Layouts::default();
        for (chain, rules) in &self.chains {
            for rule in rules.value().into_iter().flat_map(|rules| &rules.rules) {
                layouts.learn(&chain.table, &lengths.told(&chain.table, &rule.exprs));
            }
        }
        self.sets(&layouts, given);
        let mut rewriter = Rewriter { given, lengths, sets: self.ruleset.value().is_some().then(Vec::new) };
        for (chain, rules) in &mut self.chains {
            if let Reading::Known(rules) = rules {
                rules.value.rules.iter_mut().for_each(|rule| rewriter.rule(&chain.table, rule));
            }
        }
        if let Reading::Known(tables) = &mut self.legacy {
            for table in &mut tables.value {
                let rules = table.chains.iter_mut().flat_map(|(_, rules)| rules);
                rules.for_each(|rule| rewriter.rule(&table.id, rule));
            }
        }
        let sets = rewriter.sets.take().unwrap_or_default();
        if let Reading::Known(ruleset) = &mut self.ruleset {
            let ruleset = &mut ruleset.value;
            ruleset.objects.iter_mut().for_each(|object| unknown(&mut object.does));
            for (set, elements) in sets {
                self.elements.insert(set.id.clone(), Reading::known(elements));
                ruleset.sets.push(set);
            }
        }
    }

    fn key_lengths(&self) -> Lengths {
        let mut lengths = BTreeMap::new();
        for (set, key) in self.members.keys() {
            lengths.insert(set.clone(), key.len());
        }
        for (set, elements) in &self.elements {
            let first = elements.value().and_then(|elements| elements.elements.first());
            lengths.extend(first.map(|element| (set.clone(), element.from.len())));
        }
        for set in self.ruleset.value().into_iter().flat_map(|ruleset| &ruleset.sets) {
            lengths.insert(set.id.clone(), usize::try_from(set.key_len).unwrap_or(usize::MAX));
        }
        Lengths(lengths)
    }

    fn sets(&mut self, layouts: &Layouts, given: &mut Addresses) {
        let ruleset = self.ruleset.value();
        for (id, elements) in &mut self.elements {
            let Reading::Known(elements) = elements else { continue };
            let set = ruleset.and_then(|ruleset| ruleset.set(id));
            let key_len = elements.value.elements.iter().map(|element| element.from.len()).max().unwrap_or_default();
            layouts.of(id, set, key_len).elements(given, &mut elements.value);
        }
        let members = std::mem::take(&mut self.members).into_iter().map(|((id, key), reading)| {
            let set = ruleset.and_then(|ruleset| ruleset.set(&id));
            let layout = layouts.of(&id, set, key.len());
            let hidden = layout.key(given, &key);
            let mut lost = false;
            let reading = reading.map(|element| {
                let found = layout.member(given, &element, &hidden);
                lost = found.is_none();
                found.unwrap_or(element)
            });
            let why = "the element was redacted".into();
            ((id, hidden), if lost { Reading::Failed { why } } else { reading })
        });
        self.members = members.collect();
    }
}

/// How long the keys of sets are, in bytes.
struct Lengths(BTreeMap<SetId, usize>);

impl Lengths {
    fn told(&self, table: &TableId, exprs: &[Expr]) -> Told {
        let len = |set: &str| self.0.get(&SetId { table: table.clone(), name: set.to_owned() }).copied();
        told(table.family, exprs, &len)
    }
}

/// An expression whose addresses cannot be kept.
fn redacted() -> Expr {
    Expr::Opaque { name: "redacted".into(), raw: Vec::new() }
}

/// A structure this program does not know may hold addresses.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions these hold such structures")]
fn unknown(expr: &mut Expr) {
    match expr {
        Expr::Opaque { raw, .. } => raw.clear(),
        Expr::Xt(Xt::Match(Match::Other { info, .. }) | Xt::Target(Target::Other { info, .. })) => info.clear(),
        Expr::Dynset { exprs, .. } => exprs.iter_mut().for_each(unknown),
        _ => {}
    }
}

/// Changes rules one by one, and notes the sets this makes; none where no table of nftables was read.
struct Rewriter<'a> {
    given: &'a mut Addresses,
    lengths: Lengths,
    sets: Option<Vec<(Set, Elements)>>,
}

impl Rewriter<'_> {
    fn rule(&mut self, table: &TableId, rule: &mut Rule) {
        let told = self.lengths.told(table, &rule.exprs);
        let mut exprs = std::mem::take(&mut rule.exprs).into_iter().enumerate().peekable();
        while let Some((at, expr)) = exprs.next() {
            // `10.0.0.5-10.0.0.9` is two comparisons.
            let after = exprs.peek().map(|(_, after)| after);
            if let (Some(both), Some(fields)) = (after.and_then(|after| between(&expr, after)), told.compared.get(&at))
                && !fields.is_empty()
            {
                exprs.next();
                rule.exprs.push(self.compared(table, fields, both));
                continue;
            }
            rule.exprs.extend(self.expr(table, &told, at, expr));
        }
    }

    fn expr(&mut self, table: &TableId, told: &Told, at: usize, mut expr: Expr) -> Vec<Expr> {
        unknown(&mut expr);
        if told.odd.contains(&at) {
            return vec![redacted()];
        }
        vec![match (expr, told.compared.get(&at)) {
            (Expr::Xt(xt), _) => return self.xt(table, xt),
            (Expr::Immediate { to, mut data }, _) => {
                if told.constants.get(&at) != Some(&false) {
                    constant(self.given, &mut data);
                }
                Expr::Immediate { to, data }
            }
            (expr, Some(fields)) if !fields.is_empty() => self.compared(table, fields, expr),
            (expr, _) => expr,
        }]
    }

    /// A comparison with these addresses.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these two compare")]
    fn compared(&mut self, table: &TableId, fields: &[Field], expr: Expr) -> Expr {
        match expr {
            Expr::Cmp { from, op: op @ (CmpOp::Eq | CmpOp::Neq), mut data } => {
                for field in fields {
                    let value = field.read(&data);
                    // Bits that the mask took away: nothing is equal to it.
                    let beyond = value & ones(field.kind.width() - field.bits) & !ones(field.rest());
                    let never = if beyond == 0 { 0 } else { ones(field.kind.width() - field.bits) };
                    field.write(&mut data, self.given.stand_in(field.kind, value, field.bits) | never);
                }
                Expr::Cmp { from, op, data }
            }
            Expr::Cmp { from, op, data } => match fields {
                [field] => {
                    let value = field.read(&data);
                    let (first, last) = (Some(value), Some(value | ones(field.rest())));
                    let (low, high) = match op {
                        CmpOp::Lt => (Some(0), first.and_then(|first| first.checked_sub(1))),
                        CmpOp::Lte => (Some(0), last),
                        CmpOp::Gt => (last.and_then(|last| last.checked_add(1)), Some(field.kind.last())),
                        CmpOp::Gte | CmpOp::Eq | CmpOp::Neq => (first, Some(field.kind.last())),
                    };
                    self.within(table, (from, false), (*field, data.len()), low.zip(high))
                }
                _ => redacted(),
            },
            Expr::Range { from, inverted, low, high } => match fields {
                [field] => {
                    let range = Some((field.read(&low), field.read(&high) | ones(field.rest())));
                    self.within(table, (from, inverted), (*field, low.len()), range)
                }
                _ => redacted(),
            },
            other => other,
        }
    }

    /// Is a register within a range of addresses? A set of networks tells.
    fn within(
        &mut self,
        table: &TableId,
        (from, inverted): (Register, bool),
        (field, key_len): (Field, usize),
        range: Option<(u128, u128)>,
    ) -> Expr {
        let whole = field.start == 0 && field.len == key_len && field.bits + field.rest() == field.kind.width();
        let Some(sets) = self.sets.as_mut().filter(|_| whole) else { return redacted() };
        let found = range.map_or_else(Vec::new, |(low, high)| networks(field.kind, low, high));
        let elements = found.into_iter().map(|(value, len)| {
            let first = self.given.stand_in(field.kind, value, len);
            let mut element = Element {
                from: vec![0; key_len],
                to: vec![0; key_len],
                leads_to: None,
                expires_ms: None,
                exprs: Vec::new(),
                comment: None,
            };
            field.write(&mut element.from, first);
            field.write(&mut element.to, first | ones(field.kind.width() - len));
            element
        });
        let elements = Elements { elements: elements.collect(), ..Elements::default() };
        // Named as the kernel names those made for one rule; it does not count that far.
        let id = SetId { table: table.clone(), name: format!("__set{}", 4_000_000_000 + sets.len()) };
        let len = u32::try_from(key_len).unwrap_or(0);
        let set = Set {
            id: id.clone(),
            anonymous: true,
            interval: true,
            dynamic: false,
            maps_to: MapsTo::Nothing,
            key_len: len,
            fields: vec![len],
            timeout_ms: None,
            size: None,
            exprs: Vec::new(),
            comment: None,
        };
        sets.push((set, elements));
        Expr::Lookup { set: id.name, from, to: LookupTo::Match, inverted }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "of the many matches and targets these hold addresses")]
    fn xt(&mut self, table: &TableId, mut xt: Xt) -> Vec<Expr> {
        let known = match &mut xt {
            Xt::Match(Match::Ip(ip)) => self.masked(&mut ip.source) && self.masked(&mut ip.destination),
            Xt::Match(Match::Conntrack(ct)) => {
                self.masked(&mut ct.original_source)
                    && self.masked(&mut ct.original_destination)
                    && self.masked(&mut ct.reply_source)
                    && self.masked(&mut ct.reply_destination)
            }
            Xt::Match(Match::Iprange { source, source_inverted, destination, destination_inverted }) => {
                let both = [(*source, *source_inverted, true), (*destination, *destination_inverted, false)];
                let said = both.into_iter().filter_map(|(range, inverted, source)| Some((range?, inverted, source)));
                let loaded = said.map(|(range, inverted, source)| self.loaded_range(table, range, inverted, source));
                return loaded.flatten().collect();
            }
            Xt::Target(Target::Dnat(range) | Target::Snat(range) | Target::Netmap(range)) => {
                self.pool(range);
                true
            }
            Xt::Target(Target::Tproxy { address, .. }) => {
                *address = address.map(|address| self.given.address(address));
                true
            }
            _ => true,
        };
        vec![if known { Expr::Xt(xt) } else { redacted() }]
    }

    /// An address and its mask; false when that is no network's.
    fn masked(&mut self, network: &mut Option<(IpAddr, IpAddr)>) -> bool {
        let Some((address, mask)) = network else { return true };
        let Some(len) = mask_len(*mask) else { return false };
        *address = self.given.network(*address, len);
        true
    }

    /// `-m iprange`, which keeps no networks, in nft's words.
    fn loaded_range(
        &mut self,
        table: &TableId,
        (low, high): (IpAddr, IpAddr),
        inverted: bool,
        source: bool,
    ) -> Vec<Expr> {
        let ((kind, low), (_, high)) = (number(low), number(high));
        let (offset, len) = match (kind, source) {
            (Kind::Ip4 | Kind::Mac, true) => (12, 4),
            (Kind::Ip4 | Kind::Mac, false) => (16, 4),
            (Kind::Ip6, true) => (8, 16),
            (Kind::Ip6, false) => (24, 16),
        };
        let field = Field { kind, start: 0, len: kind.bytes(), bits: kind.width() };
        let within = self.within(table, (SPARE, inverted), (field, kind.bytes()), Some((low, high)));
        vec![Expr::Payload { base: Base::Network, offset, len, to: SPARE }, within]
    }

    /// The addresses of a translation: a network stays one.
    fn pool(&mut self, range: &mut NatRange) {
        let Some((low, high)) = range.addresses else { return };
        let ((kind, first), (_, last)) = (number(low), number(high));
        if let [(value, len)] = networks(kind, first, last).as_slice() {
            let value = self.given.stand_in(kind, *value, *len);
            range.addresses = Some((made(kind, value), made(kind, value | ones(kind.width() - len))));
        } else {
            let (one, other) = (self.given.address(low), self.given.address(high));
            range.addresses = Some((one.min(other), one.max(other)));
        }
    }
}

/// Two comparisons of one register that are a range.
fn between(one: &Expr, other: &Expr) -> Option<Expr> {
    let (Expr::Cmp { from, op: CmpOp::Gte, data: low }, Expr::Cmp { from: same, op: CmpOp::Lte, data: high }) =
        (one, other)
    else {
        return None;
    };
    (from == same && low.len() == high.len()).then(|| Expr::Range {
        from: *from,
        inverted: false,
        low: low.clone(),
        high: high.clone(),
    })
}
