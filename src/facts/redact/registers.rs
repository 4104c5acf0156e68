//! Which bytes of a rule's registers are bytes of addresses, and what the rule does with them.

use std::collections::{BTreeMap, BTreeSet};

use super::addresses::Kind;
use crate::facts::ruleset::Family;
use crate::facts::ruleset::expr::{Base, BitOp, CmpOp, CtKey, Expr, ExthdrOf, LookupTo, MetaKey, Register};

/// Length of the register file.
const FILE: usize = 64;

/// Where a byte came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Byte {
    /// Nobody loaded it.
    Unknown,
    /// It is of no address.
    Other,
    /// It tells IPv4 from IPv6.
    Layer,
    /// The n-th of an address, and which of its bits a mask let through.
    Address { kind: Kind, at: usize, kept: u8 },
    /// It is of an address, but changed.
    Mixed,
    /// The constant that this expression loads.
    Constant(usize),
    /// What the map of this expression led to.
    Value(usize),
}

/// Bytes that are an address, or the beginning of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) kind: Kind,
    /// Where it begins, and how many bytes it has.
    pub(super) start: usize,
    pub(super) len: usize,
    /// How many of its first bits count.
    pub(super) bits: u32,
}

/// The key of a set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) fields: Vec<Field>,
    /// Places whose bytes are surely of an address or surely of none.
    pub(super) explained: BTreeSet<usize>,
}

/// What a rule does with addresses.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What each comparison looks at.
    pub(super) compared: BTreeMap<usize, Vec<Field>>,
    /// The sets that are looked into or changed, and the addresses in their keys.
    pub(super) keys: Vec<(String, Key)>,
    /// Constants: addresses, or surely none.
    pub(super) constants: BTreeMap<usize, bool>,
    /// Maps that lead to addresses, or surely to none.
    pub(super) values: Vec<(String, bool)>,
    /// Expressions that look at bits of an address other than the first.
    pub(super) odd: BTreeSet<usize>,
}

/// The addresses among bytes; none when some of them are not its first ones, or changed.
fn fields(bytes: &[Byte]) -> Option<Vec<Field>> {
    let mut found: Vec<Field> = Vec::new();
    let mut over = false;
    for (start, byte) in bytes.iter().enumerate() {
        match (*byte, found.last_mut()) {
            (Byte::Address { kind, at: 0, kept }, _) => {
                over = kept != 0xff;
                found.push(Field { kind, start, len: 1, bits: prefix(kept)? });
            }
            (Byte::Address { kind, at, kept }, Some(last))
                if last.kind == kind && last.len == at && last.start + at == start =>
            {
                if over && kept != 0 {
                    return None;
                }
                over = kept != 0xff;
                last.len += 1;
                last.bits += prefix(kept)?;
            }
            (Byte::Address { .. } | Byte::Mixed, _) => return None,
            (Byte::Unknown | Byte::Other | Byte::Layer | Byte::Constant(_) | Byte::Value(_), _) => {}
        }
    }
    Some(found)
}

/// How many ones, when no zero is before them.
fn prefix(kept: u8) -> Option<u32> {
    (kept.leading_ones() == kept.count_ones()).then(|| kept.count_ones())
}

/// What the expressions of a rule do with addresses; `key_len` is that of a set of its table, in bytes.
pub(super) fn told(family: Family, exprs: &[Expr], key_len: &dyn Fn(&str) -> Option<usize>) -> Told {
    let v6 = match family {
        Family::Ip => Some(false),
        Family::Ip6 => Some(true),
        Family::Inet | Family::Netdev | Family::Arp | Family::Bridge => None,
    };
    let mut registers =
        Registers { file: [Byte::Unknown; FILE], v6, arp: family == Family::Arp, key_len, told: Told::default() };
    for (at, expr) in exprs.iter().enumerate() {
        registers.load(at, expr);
        registers.test(at, expr);
        registers.write(at, expr, exprs);
    }
    registers.told
}

struct Registers<'a> {
    file: [Byte; FILE],
    /// What the rule found out about its packet.
    v6: Option<bool>,
    arp: bool,
    key_len: &'a dyn Fn(&str) -> Option<usize>,
    told: Told,
}

impl Registers<'_> {
    fn get(&self, from: Register, len: usize) -> Vec<Byte> {
        self.file.iter().skip(from.into()).take(len).copied().collect()
    }

    fn set(&mut self, to: Register, bytes: impl IntoIterator<Item = Byte>) {
        self.file.iter_mut().skip(to.into()).zip(bytes).for_each(|(old, new)| *old = new);
    }

    fn set_address(&mut self, to: Register, kind: Kind) {
        self.set(to, (0..kind.bytes()).map(|at| Byte::Address { kind, at, kept: 0xff }));
    }

    /// Expressions that put something into a register.
    #[expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few load something")]
    fn load(&mut self, at: usize, expr: &Expr) {
        match *expr {
            Expr::Payload { base, offset, len, to } => {
                let bytes = self.packet(base, offset, len);
                self.set(to, bytes);
            }
            Expr::Meta { key, to } => self.set(to, meta(key)),
            Expr::Ct { key, to, .. } => self.connection(key, to),
            Expr::Bitwise { from, to, len, ref op } => self.bits(at, (from, to, len), op),
            Expr::Byteorder { from, to, len, .. } => {
                let bytes = self.get(from, usize::try_from(len).unwrap_or(FILE));
                self.set(to, bytes.into_iter().map(changed));
            }
            Expr::Rt { key: 1, to } | Expr::Xfrm { key: 1 | 3, to } => self.set_address(to, Kind::Ip4),
            Expr::Rt { key: 2, to }
            | Expr::Xfrm { key: 2 | 4, to }
            | Expr::Exthdr { of: ExthdrOf::Ipv6, len: 16, to, .. } => self.set_address(to, Kind::Ip6),
            Expr::Fib { to, .. } | Expr::Osf { to } | Expr::Exthdr { to, .. } => self.set(to, [Byte::Other; 16]),
            Expr::Rt { to, .. }
            | Expr::Xfrm { to, .. }
            | Expr::Socket { to, .. }
            | Expr::Numgen { to, .. }
            | Expr::Hash { to, .. } => self.set(to, [Byte::Other; 4]),
            Expr::Immediate { to, ref data } => self.set(to, data.iter().map(|_| Byte::Constant(at))),
            _ => {}
        }
    }

    /// Expressions that compare.
    #[expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few compare")]
    fn test(&mut self, at: usize, expr: &Expr) {
        match expr {
            Expr::Cmp { from, op, data } => {
                let bytes = self.get(*from, data.len());
                if let (Some(Byte::Layer), CmpOp::Eq) = (bytes.first(), op) {
                    self.v6 = match data.as_slice() {
                        [2] | [8, 0] => Some(false),
                        [10] | [0x86, 0xdd] => Some(true),
                        _ => self.v6,
                    };
                }
                self.compare(at, &bytes);
            }
            Expr::Range { from, low, .. } => {
                let bytes = self.get(*from, low.len());
                self.compare(at, &bytes);
            }
            Expr::Lookup { set, from, to, .. } => {
                self.key(at, set, *from);
                if let LookupTo::Register(to) = to {
                    self.set(*to, [Byte::Value(at); 16]);
                }
            }
            Expr::ObjrefMap { set, from } => self.key(at, set, *from),
            Expr::Dynset { set, key, .. } => self.key(at, set, *key),
            _ => {}
        }
    }

    fn compare(&mut self, at: usize, bytes: &[Byte]) {
        match fields(bytes) {
            Some(found) => drop(self.told.compared.insert(at, found)),
            None => drop(self.told.odd.insert(at)),
        }
    }

    fn key(&mut self, at: usize, set: &str, from: Register) {
        let Some(len) = (self.key_len)(set) else { return };
        let bytes = self.get(from, len);
        let Some(fields) = fields(&bytes) else {
            self.told.odd.insert(at);
            return;
        };
        let sure = |byte: &Byte| matches!(byte, Byte::Other | Byte::Layer | Byte::Address { .. });
        let explained = bytes.iter().enumerate().filter(|(_, byte)| sure(byte)).map(|(at, _)| at).collect();
        self.told.keys.push((set.to_owned(), Key { fields, explained }));
    }

    /// Expressions that use what a register holds.
    #[expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions few use a register")]
    fn write(&mut self, at: usize, expr: &Expr, exprs: &[Expr]) {
        match *expr {
            Expr::Nat { address, port, .. } => {
                self.used(address.map(|(low, _)| low), true, exprs);
                self.used(address.map(|(_, high)| high), true, exprs);
                self.used(port.map(|(low, _)| low), false, exprs);
                self.used(port.map(|(_, high)| high), false, exprs);
            }
            Expr::Masquerade { port, .. } | Expr::Redirect { port, .. } => {
                self.used(port.map(|(low, _)| low), false, exprs);
                self.used(port.map(|(_, high)| high), false, exprs);
            }
            Expr::Tproxy { address, port, .. } => {
                self.used(address, true, exprs);
                self.used(port, false, exprs);
            }
            Expr::Dup { address, device } | Expr::Fwd { address, device } => {
                self.used(address, true, exprs);
                self.used(device, false, exprs);
            }
            Expr::MetaSet { from, .. } | Expr::CtSet { from, .. } => self.used(Some(from), false, exprs),
            Expr::PayloadSet { base, offset, len, from } => {
                let target = self.packet(base, offset, len);
                let address = target.iter().any(|byte| matches!(byte, Byte::Address { .. }));
                self.used(Some(from), address, exprs);
                if address && self.get(from, target.len()).contains(&Byte::Mixed) {
                    self.told.odd.insert(at);
                }
            }
            _ => {}
        }
    }

    /// A register is used as an address, or as something else.
    fn used(&mut self, register: Option<Register>, address: bool, exprs: &[Expr]) {
        match register.and_then(|register| self.file.get(usize::from(register))) {
            Some(Byte::Constant(at)) => {
                let known = self.told.constants.entry(*at).or_insert(address);
                *known |= address;
            }
            Some(Byte::Value(at)) => {
                if let Some(Expr::Lookup { set, .. }) = exprs.get(*at) {
                    self.told.values.push((set.clone(), address));
                }
            }
            Some(Byte::Unknown | Byte::Other | Byte::Layer | Byte::Address { .. } | Byte::Mixed) | None => {}
        }
    }

    /// What bytes of the packet are.
    fn packet(&self, base: Base, offset: u32, len: u32) -> Vec<Byte> {
        const ARP: [(usize, Kind); 4] = [(8, Kind::Mac), (14, Kind::Ip4), (18, Kind::Mac), (24, Kind::Ip4)];
        let v6 = self.v6.unwrap_or(offset < 12 && offset + len > 12 || offset >= 20 || len > 8);
        let known: &[(usize, Kind)] = match base {
            Base::Link => &[(0, Kind::Mac), (6, Kind::Mac)],
            Base::Network if self.arp => &ARP,
            Base::Network if v6 => &[(8, Kind::Ip6), (24, Kind::Ip6)],
            Base::Network => &[(12, Kind::Ip4), (16, Kind::Ip4)],
            Base::Transport | Base::Inner => &[],
        };
        let range =
            usize::try_from(offset).unwrap_or(FILE)..usize::try_from(offset.saturating_add(len)).unwrap_or(FILE);
        let byte = |place: usize| {
            let field = known.iter().find(|(start, kind)| (*start..start + kind.bytes()).contains(&place));
            match field {
                Some((start, kind)) => Byte::Address { kind: *kind, at: place - start, kept: 0xff },
                None if base == Base::Link && place == 12 => Byte::Layer,
                None => Byte::Other,
            }
        };
        range.take(FILE).map(byte).collect()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most are four bytes")]
    fn connection(&mut self, key: CtKey, to: Register) {
        let address = matches!(key, CtKey::Source | CtKey::Destination);
        match key {
            CtKey::SourceIp | CtKey::DestinationIp => self.set_address(to, Kind::Ip4),
            CtKey::SourceIp6 | CtKey::DestinationIp6 => self.set_address(to, Kind::Ip6),
            CtKey::L3protocol => self.set(to, [Byte::Layer]),
            _ if address && self.v6 == Some(true) => self.set_address(to, Kind::Ip6),
            _ if address => {
                self.set(to, [Byte::Mixed; 16]);
                self.set_address(to, Kind::Ip4);
            }
            CtKey::Labels => self.set(to, [Byte::Other; 16]),
            _ => self.set(to, [Byte::Other; 4]),
        }
    }

    fn bits(&mut self, at: usize, (from, to, len): (Register, Register, u32), op: &BitOp) {
        let bytes = self.get(from, usize::try_from(len).unwrap_or(FILE));
        let BitOp::Mask { mask, xor } = op else {
            return self.set(to, bytes.into_iter().map(changed));
        };
        let masks = mask.iter().chain(std::iter::repeat(&0)).zip(xor.iter().chain(std::iter::repeat(&0)));
        let masked: Vec<Byte> = bytes
            .into_iter()
            .zip(masks)
            .map(|(byte, (mask, xor))| match byte {
                Byte::Address { kind, at, kept } if *xor == 0 => Byte::Address { kind, at, kept: kept & mask },
                Byte::Address { .. } | Byte::Mixed => Byte::Mixed,
                Byte::Unknown | Byte::Other | Byte::Layer | Byte::Constant(_) | Byte::Value(_) => byte,
            })
            .collect();
        // The new bits are of an address, too.
        if masked.contains(&Byte::Mixed) && xor.iter().any(|xor| *xor != 0) {
            self.told.odd.insert(at);
        }
        self.set(to, masked);
    }
}

fn changed(byte: Byte) -> Byte {
    if matches!(byte, Byte::Address { .. } | Byte::Mixed) { Byte::Mixed } else { Byte::Other }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most are four bytes")]
fn meta(key: MetaKey) -> Vec<Byte> {
    match key {
        MetaKey::Nfproto => vec![Byte::Layer],
        MetaKey::Protocol => vec![Byte::Layer, Byte::Other],
        MetaKey::L4proto | MetaKey::Pkttype => vec![Byte::Other],
        MetaKey::Iifname
        | MetaKey::Oifname
        | MetaKey::Iifkind
        | MetaKey::Oifkind
        | MetaKey::Sdifname
        | MetaKey::BridgeIifname
        | MetaKey::BridgeOifname => vec![Byte::Other; 16],
        _ => vec![Byte::Other; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(family: Family, exprs: &[Expr]) -> Told {
        told(family, exprs, &|set| Some(if set == "ports" { 2 } else { 4 }))
    }

    fn load(offset: u32, len: u32, to: Register) -> Expr {
        Expr::Payload { base: Base::Network, offset, len, to }
    }

    fn eq(from: Register, data: &[u8]) -> Expr {
        Expr::Cmp { from, op: CmpOp::Eq, data: data.to_vec() }
    }

    fn field(kind: Kind, start: usize, len: usize, bits: u32) -> Field {
        Field { kind, start, len, bits }
    }

    #[test]
    fn both_addresses_of_one_load_are_found() {
        let found = of(Family::Ip, &[load(12, 8, 0), eq(0, &[1; 8])]);
        assert_eq!(found.compared[&1], [field(Kind::Ip4, 0, 4, 32), field(Kind::Ip4, 4, 4, 32)]);
        let found = of(Family::Ip, &[load(9, 1, 0), eq(0, &[6]), load(12, 1, 0), eq(0, &[10])]);
        assert!(found.compared[&1].is_empty());
        assert_eq!(found.compared[&3], [field(Kind::Ip4, 0, 1, 8)]);
    }

    #[test]
    fn what_a_rule_asked_before_tells_the_family() {
        let nfproto = Expr::Meta { key: MetaKey::Nfproto, to: 0 };
        let found = of(Family::Inet, &[nfproto, eq(0, &[10]), load(8, 5, 0), eq(0, &[0xfd, 0, 0, 0, 1])]);
        assert_eq!(found.compared[&3], [field(Kind::Ip6, 0, 5, 40)]);
    }

    #[test]
    fn masks_of_the_first_bits_are_prefixes_and_others_are_odd() {
        let mask = |mask: &[u8]| Expr::Bitwise {
            from: 0,
            to: 0,
            len: 4,
            op: BitOp::Mask { mask: mask.to_vec(), xor: vec![0; 4] },
        };
        let found = of(Family::Ip, &[load(12, 4, 0), mask(&[255, 240, 0, 0]), eq(0, &[172, 16, 0, 0])]);
        assert_eq!(found.compared[&2], [field(Kind::Ip4, 0, 4, 12)]);
        for odd in [[0, 0, 0, 255], [255, 0, 255, 0], [255, 15, 0, 0]] {
            let found = of(Family::Ip, &[load(12, 4, 0), mask(&odd), eq(0, &[0, 0, 0, 1])]);
            assert!(found.odd.contains(&2), "{odd:?}");
        }
        assert!(of(Family::Ip, &[load(13, 1, 0), eq(0, &[1])]).odd.contains(&1));
    }

    #[test]
    fn what_was_there_before_a_shorter_key_is_not_looked_at() {
        let port = Expr::Payload { base: Base::Transport, offset: 2, len: 2, to: 0 };
        let lookup = Expr::Lookup { set: "ports".into(), from: 0, to: LookupTo::Match, inverted: false };
        let found = of(Family::Ip, &[load(12, 4, 0), eq(0, &[10, 0, 0, 5]), port, lookup]);
        assert!(found.odd.is_empty());
        assert_eq!(found.keys[0].1, Key { fields: Vec::new(), explained: [0, 1].into() });
    }

    #[test]
    fn constants_and_maps_are_what_they_are_used_for() {
        let data = vec![10, 0, 0, 5];
        let nat = Expr::Nat { source: false, family: Family::Ip, address: Some((0, 0)), port: Some((4, 4)), flags: 0 };
        let mark = Expr::MetaSet { key: MetaKey::Mark, from: 0 };
        let immediate = |to| Expr::Immediate { to, data: data.clone() };
        let found = of(Family::Ip, &[immediate(0), immediate(4), nat.clone()]);
        assert_eq!(found.constants, [(0, true), (1, false)].into());
        assert_eq!(of(Family::Ip, &[immediate(0), mark]).constants, [(0, false)].into());
        let lookup = Expr::Lookup { set: "m".into(), from: 0, to: LookupTo::Register(0), inverted: false };
        let found = of(Family::Ip, &[load(16, 4, 0), lookup, nat]);
        assert_eq!(found.keys[0].1, Key { fields: vec![field(Kind::Ip4, 0, 4, 32)], explained: (0..4).collect() });
        assert!(found.values.contains(&("m".to_owned(), true)));
    }
}
