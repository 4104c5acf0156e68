//! A rule as `nft list ruleset` prints it. Registers are followed as the kernel would, and what only says which header a
//! field is in (`meta l4proto tcp` before a port) is left out, as nft does.

use std::collections::BTreeMap;

use super::fields::{Layers, ct, ct_big_endian, meta, meta_big_endian};
use super::held::{From, Held, Shape, Tells};
use super::values::{Kind, number, prefix_len, say, span};
use super::{Extent, Names, anonymous, sets, statements, verdict_words};
use crate::facts::ruleset::expr::{
    Base, BitOp, CmpOp, CtKey, Direction, Expr, FibResult, LookupTo, MetaKey, Register, SocketKey,
};
use crate::facts::ruleset::{ChainId, Family, Rule, SetId, TableId};

/// The text of a rule.
pub(super) fn rule(chain: &ChainId, rule: &Rule, names: &dyn Names, extent: Extent) -> String {
    let mut walk = Walk::new(&chain.table, names, extent);
    let mut rest = rule.exprs.as_slice();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if let (Some(range), Some((_, after))) = (walk.pair(first, after.first()), after.split_first()) {
            walk.said.push(Some(range));
            rest = after;
            continue;
        }
        walk.step(first);
    }
    if let (Some(comment), Extent::Whole | Extent::Exact) = (&rule.comment, extent) {
        walk.said.push(Some(format!("comment \"{comment}\"")));
    }
    walk.said.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Where the walk through a rule is.
pub(super) struct Walk<'a> {
    pub(super) table: &'a TableId,
    pub(super) names: &'a dyn Names,
    pub(super) extent: Extent,
    pub(super) layers: Layers,
    registers: BTreeMap<Register, Held>,
    /// Words so far; none where they turned out to be implied by later ones.
    said: Vec<Option<String>>,
    /// Words that only say which network header, and which transport header there is.
    network: Option<usize>,
    transport: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(table: &'a TableId, names: &'a dyn Names, extent: Extent) -> Self {
        Self {
            table,
            names,
            extent,
            layers: Layers::of(table.family),
            registers: BTreeMap::new(),
            said: Vec::new(),
            network: None,
            transport: None,
        }
    }

    /// What a register holds.
    pub(super) fn held(&self, register: Register) -> Held {
        self.registers.get(&register).cloned().unwrap_or_else(|| Held::unknown(register))
    }

    /// There is something in it.
    pub(super) fn holds(&self, register: Register) -> bool {
        self.registers.contains_key(&register)
    }

    fn step(&mut self, expr: &Expr) {
        if self.load(expr) {
            return;
        }
        let said = match expr {
            Expr::Bitwise { from, to, op, .. } => return self.bits(*from, *to, op),
            Expr::Byteorder { from, to, .. } => {
                let held = self.held(*from);
                self.registers.insert(*to, Held { host_order: !held.host_order, ..held });
                return;
            }
            Expr::Cmp { from, op, data } => return self.compare(*from, *op, data),
            Expr::Range { from, inverted, low, high } => Some(self.range(*from, *inverted, low, high)),
            Expr::Lookup { set, from, to, inverted } => self.lookup(set, *from, *to, *inverted),
            Expr::Verdict(verdict) => Some(verdict_words(verdict)),
            other => statements::say(self, other),
        };
        self.said.extend(said.map(Some));
    }

    /// Expressions that put something into a register; false for others.
    fn load(&mut self, expr: &Expr) -> bool {
        let (to, held) = match expr {
            Expr::Payload { base, offset, len, to } => (*to, self.payload(*base, *offset, *len)),
            Expr::Meta { key, to } => (*to, Self::meta(*key)),
            Expr::Ct { key, direction, to } => (*to, Self::ct(*key, *direction)),
            Expr::Immediate { to, data } => (*to, Held::data(data)),
            Expr::Fib { result, flags, to } => (*to, fib(*result, *flags)),
            Expr::Socket { key, level, to } => (*to, socket(*key, *level)),
            Expr::Numgen { random, modulus, offset, to } => {
                let word = if *random { "random" } else { "inc" };
                let offset = if *offset == 0 { String::new() } else { format!(" offset {offset}") };
                (*to, Held::looked(format!("numgen {word} mod {modulus}{offset}"), Kind::Number, 4, true))
            }
            other => match statements::other_load(self, other) {
                Some(loaded) => loaded,
                None => return false,
            },
        };
        self.registers.insert(to, held);
        true
    }

    fn payload(&mut self, base: Base, offset: u32, len: u32) -> Held {
        let bytes = usize::try_from(len).unwrap_or(0);
        let Some((header, fields)) = self.layers.header(base) else { return raw(base, offset, len) };
        let begin = fields.iter().find(|f| f.offset == offset && f.len >= len);
        if let Some(field) = begin {
            if field.len != len && !field.kind.has_prefixes() {
                return raw(base, offset, len);
            }
            self.implied(base, header.name);
            let words = format!("{} {}", header.name, field.name);
            let whole = usize::try_from(field.len).unwrap_or(0);
            let own = matches!(self.table.family, Family::Ip | Family::Ip6);
            let tells = match (header.name, field.name) {
                ("ip", "protocol") | ("ip6", "nexthdr") if own => Tells::Protocol,
                ("ip", "protocol") | ("ip6", "nexthdr") => Tells::Above,
                ("ether", "type") => Tells::EtherType,
                _ => Tells::Nothing,
            };
            let from = From::Looked { words, kind: field.kind, whole };
            return Held { from, len: bytes, host_order: false, steps: Vec::new(), tells };
        }
        let (mut next, end) = (offset, offset.saturating_add(len));
        let mut parts = Vec::new();
        while let Some(field) = fields.iter().find(|f| f.offset == next && f.offset + f.len <= end) {
            parts.push((format!("{} {}", header.name, field.name), *field));
            next = field.offset + field.len;
        }
        if next != end || parts.is_empty() {
            return raw(base, offset, len);
        }
        self.implied(base, header.name);
        Held { from: From::Fields(parts), len: bytes, host_order: false, steps: Vec::new(), tells: Tells::Nothing }
    }

    /// A field of this header needs no words that say that there is one.
    fn implied(&mut self, base: Base, header: &str) {
        let unsay = |at: Option<usize>, said: &mut Vec<Option<String>>| {
            if let Some(words) = at.and_then(|at| said.get_mut(at)) {
                *words = None;
            }
        };
        match base {
            Base::Network => unsay(self.network.take(), &mut self.said),
            Base::Transport => {
                unsay(self.transport.take(), &mut self.said);
                if header.starts_with("icmp") {
                    unsay(self.network.take(), &mut self.said);
                }
            }
            Base::Link | Base::Inner => {}
        }
    }

    fn meta(key: MetaKey) -> Held {
        let (words, kind) = meta(key);
        let len = match key {
            MetaKey::L4proto | MetaKey::Nfproto | MetaKey::Pkttype => 1,
            MetaKey::Protocol => 2,
            MetaKey::Iifname | MetaKey::Oifname => 16,
            _ => 4,
        };
        let tells = match key {
            MetaKey::L4proto => Tells::Protocol,
            MetaKey::Nfproto => Tells::Family,
            MetaKey::Protocol => Tells::EtherType,
            _ => Tells::Nothing,
        };
        Held { tells, ..Held::looked(words, kind, len, !meta_big_endian(key)) }
    }

    fn ct(key: CtKey, direction: Option<Direction>) -> Held {
        let (words, kind) = ct(key);
        let direction = match direction {
            None => "",
            Some(Direction::Original) => "original ",
            Some(Direction::Reply) => "reply ",
        };
        Held::looked(format!("ct {direction}{words}"), kind, 4, !ct_big_endian(key))
    }

    fn bits(&mut self, from: Register, to: Register, op: &BitOp) {
        let mut held = self.held(from);
        held.steps.push(op.clone());
        self.registers.insert(to, held);
    }

    /// `>= low` and `<= high` of the same value are a range.
    fn pair(&self, first: &Expr, second: Option<&Expr>) -> Option<String> {
        let Expr::Cmp { from, op: CmpOp::Gte, data: low } = first else { return None };
        let Some(Expr::Cmp { from: same, op: CmpOp::Lte, data: high }) = second else { return None };
        (from == same).then(|| self.range(*from, false, low, high))
    }

    fn range(&self, from: Register, inverted: bool, low: &[u8], high: &[u8]) -> String {
        let held = self.held(from);
        let value = span(held.kind(), low, high, held.host_order, self.names);
        format!("{} {}{value}", held.words(self.names), if inverted { "!= " } else { "" })
    }

    fn compare(&mut self, from: Register, op: CmpOp, data: &[u8]) {
        let held = self.held(from);
        if let (From::Fields(parts), CmpOp::Eq, true) = (&held.from, op, held.steps.is_empty()) {
            let mut rest = data;
            for (words, field) in parts {
                let (value, after) = rest.split_at(rest.len().min(usize::try_from(field.len).unwrap_or(0)));
                self.said.push(Some(format!("{words} {}", say(field.kind, value, false, self.names))));
                rest = after;
            }
            return;
        }
        self.said.push(Some(comparison(&held, op, data, self.names)));
        if op == CmpOp::Eq && held.steps.is_empty() {
            self.told(held.tells, data);
        }
    }

    /// What a match tells about the headers of the packet.
    fn told(&mut self, tells: Tells, data: &[u8]) {
        let at = self.said.len().checked_sub(1);
        let value = number(data, false).and_then(|v| u16::try_from(v).ok()).unwrap_or_default();
        match tells {
            Tells::Nothing => {}
            Tells::Family => {
                self.layers.network = match value {
                    2 => Some(0x0800),
                    10 => Some(0x86dd),
                    _ => None,
                };
                self.network = at;
            }
            Tells::EtherType => {
                self.layers.network = Some(value);
                self.network = at;
            }
            Tells::Protocol => {
                self.layers.transport = u8::try_from(value).ok();
                self.transport = at;
            }
            Tells::Above => self.layers.transport = u8::try_from(value).ok(),
        }
    }

    /// The registers a set's key is made of.
    pub(super) fn key(&self, set: &str, from: Register) -> Vec<Held> {
        let id = SetId { table: self.table.clone(), name: set.into() };
        let fields = self.names.set(&id).map(|s| s.fields.clone()).unwrap_or_default();
        if fields.len() < 2 {
            return match self.held(from) {
                // Fields side by side, loaded at once.
                Held { from: From::Fields(parts), .. } => parts
                    .iter()
                    .map(|(words, f)| Held::looked(words, f.kind, usize::try_from(f.len).unwrap_or(0), false))
                    .collect(),
                held => vec![held],
            };
        }
        let mut at = from;
        let mut held = Vec::new();
        for len in fields {
            held.push(self.held(at));
            at = at.saturating_add(u8::try_from(len.div_ceil(4) * 4).unwrap_or(64));
        }
        held
    }

    /// The words of a key, and what its parts are.
    pub(super) fn key_words(&self, set: &str, from: Register) -> (String, Vec<Shape>) {
        let held = self.key(set, from);
        let words: Vec<String> = held.iter().map(|h| h.words(self.names)).collect();
        (words.join(" . "), held.iter().map(Held::shape).collect())
    }

    fn lookup(&mut self, set: &str, from: Register, to: LookupTo, inverted: bool) -> Option<String> {
        let (key, keys) = self.key_words(set, from);
        match to {
            LookupTo::Match => {
                let not = if inverted { "!= " } else { "" };
                Some(format!("{key} {not}{}", sets::words(self, set, &keys, &[])))
            }
            LookupTo::Verdict => Some(format!("{key} vmap {}", sets::words(self, set, &keys, &[]))),
            LookupTo::Register(to) => {
                let from = From::Map { key, set: set.into(), keys };
                let held = Held { from, len: 0, host_order: true, steps: Vec::new(), tells: Tells::Nothing };
                self.registers.insert(to, held);
                None
            }
        }
    }

    /// What a register holds, where it is used as this.
    pub(super) fn value(&self, register: Register, kinds: &[Shape]) -> String {
        let held = self.held(register);
        let first = kinds.first().copied().unwrap_or(Shape { kind: Kind::Hex, len: 0, host_order: true });
        match &held.from {
            From::Data(data) => {
                let data = if first.len > 0 { data.get(..first.len).unwrap_or(data) } else { data };
                say(first.kind, data, first.host_order, self.names)
            }
            From::Map { key, set, keys } => format!("{key} map {}", sets::words(self, set, keys, kinds)),
            From::Looked { .. } | From::Fields(_) => held.words(self.names),
        }
    }

    /// The family of what is looked at, as far as the rule has said.
    pub(super) fn is_v6(&self) -> bool {
        self.table.family == Family::Ip6 || self.layers.network == Some(0x86dd)
    }

    /// A set that the kernel named.
    pub(super) fn for_one_rule(set: &str) -> bool {
        anonymous(set)
    }
}

/// Bytes that no field of nft's is at, in nft's own way to say so.
fn raw(base: Base, offset: u32, len: u32) -> Held {
    let word = match base {
        Base::Link => "ll",
        Base::Network => "nh",
        Base::Transport => "th",
        Base::Inner => "ih",
    };
    let words = format!("@{word},{},{}", u64::from(offset) * 8, u64::from(len) * 8);
    Held::looked(words, Kind::Hex, usize::try_from(len).unwrap_or(0), false)
}

fn fib(result: FibResult, flags: u32) -> Held {
    let parts: Vec<&str> = [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")]
        .iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, word)| *word)
        .collect();
    let (word, kind, len) = match result {
        _ if flags & 32 != 0 => ("oif", Kind::Exists, 1),
        FibResult::Oif => ("oif", Kind::Index, 4),
        FibResult::Oifname => ("oifname", Kind::Name, 16),
        FibResult::AddrType => ("type", Kind::FibType, 4),
        FibResult::Other(_) => ("[result]", Kind::Hex, 4),
    };
    Held::looked(format!("fib {} {word}", parts.join(" . ")), kind, len, true)
}

fn socket(key: SocketKey, level: u32) -> Held {
    let (words, kind) = match key {
        SocketKey::Transparent => ("socket transparent".into(), Kind::Number),
        SocketKey::Mark => ("socket mark".into(), Kind::Mark),
        SocketKey::Wildcard => ("socket wildcard".into(), Kind::Number),
        SocketKey::Cgroupv2 => (format!("socket cgroupv2 level {level}"), Kind::Number),
        SocketKey::Other(number) => (format!("[socket {number}]"), Kind::Hex),
    };
    Held::looked(words, kind, 4, true)
}

fn op_word(op: CmpOp) -> &'static str {
    match op {
        CmpOp::Eq => "",
        CmpOp::Neq => "!= ",
        CmpOp::Lt => "< ",
        CmpOp::Lte => "<= ",
        CmpOp::Gt => "> ",
        CmpOp::Gte => ">= ",
    }
}

fn comparison(held: &Held, op: CmpOp, data: &[u8], names: &dyn Names) -> String {
    let (words, kind) = (held.plain(), held.kind());
    let value = |bytes: &[u8]| say(kind, bytes, held.host_order, names);
    match (held.steps.as_slice(), &held.from) {
        ([], From::Looked { whole, .. }) if kind.has_prefixes() && data.len() < *whole => {
            let mut all = data.to_vec();
            all.resize(*whole, 0);
            format!("{words} {}{}/{}", op_word(op), value(&all), data.len() * 8)
        }
        ([], _) if kind.flags().is_some() && op == CmpOp::Eq => format!("{words} == {}", value(data)),
        ([], _) => format!("{words} {}{}", op_word(op), value(data)),
        ([BitOp::Mask { mask, xor }], _) if xor.iter().all(|b| *b == 0) => {
            masked(held, op, mask, data, names).unwrap_or_else(|| explicit(held, op, data, names))
        }
        _ => explicit(held, op, data, names),
    }
}

/// A comparison after a mask: any of some flags, or a prefix.
fn masked(held: &Held, op: CmpOp, mask: &[u8], data: &[u8], names: &dyn Names) -> Option<String> {
    let (words, kind) = (held.plain(), held.kind());
    if kind.flags().is_some() {
        let bits = say(kind, mask, held.host_order, names);
        let zero = data.iter().all(|b| *b == 0);
        return Some(match op {
            CmpOp::Neq if zero => format!("{words} {bits}"),
            CmpOp::Eq if zero => format!("{words} ! {bits}"),
            CmpOp::Eq => format!("{words} {} / {bits}", say(kind, data, held.host_order, names)),
            CmpOp::Neq => format!("{words} != {} / {bits}", say(kind, data, held.host_order, names)),
            _ => return None,
        });
    }
    let length = prefix_len(mask).filter(|_| kind.has_prefixes())?;
    Some(format!("{words} {}{}/{length}", op_word(op), say(kind, data, held.host_order, names)))
}

fn explicit(held: &Held, op: CmpOp, data: &[u8], names: &dyn Names) -> String {
    let word = if op == CmpOp::Eq { "== " } else { op_word(op) };
    format!("{} {word}{}", held.words(names), say(held.kind(), data, held.host_order, names))
}
