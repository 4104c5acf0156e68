//! What switches (booleans) of a loaded policy allow: the rules that depend on them, and which types have which attributes.

use super::Reader;

/// Rules about ioctls and such, which are longer (AVTAB_XPERMS).
const EXTENDED: u16 = 0x0700;
/// A rule that allows (AVTAB_ALLOWED).
const ALLOWS: u16 = 1;
/// Since this version contexts of two more kinds are told behind those of ports, seven kinds before it.
const KINDS: u32 = 9;
/// The parts of an expression over switches, behind their operands (COND_BOOL to COND_NEQ).
const SWITCH: u32 = 1;
const NOT: u32 = 2;
const OR: u32 = 3;
const AND: u32 = 4;
const DIFFER: u32 = 5;
const SAME: u32 = 6;
const OTHER: u32 = 7;
/// Parts of an expression that are looked at; the kernel takes no more than ten.
const MOST_PARTS: u32 = 64;

/// The switches of a policy and what depends on them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::sources::selinux) struct Switches {
    pub(super) types: Vec<(u32, String)>,
    /// The attributes of each type, itself among them, by its number less one.
    pub(super) attributes: Vec<Vec<u32>>,
    pub(super) states: Vec<(u32, String, bool)>,
    pub(super) nodes: Vec<Node>,
}

/// Rules that depend on switches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node {
    /// What decides: parts and the switches that they name.
    parts: Vec<(u32, u32)>,
    /// Rules that allow where that is true, and where it is false.
    lists: [Vec<Allow>; 2],
}

/// What a rule allows: source, target, class, permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allow {
    source: u16,
    target: u16,
    class: u16,
    bits: u32,
}

impl Switches {
    /// Switches each of which alone, set to this, would let the domain do that (class and permission) to the type.
    pub(in crate::sources::selinux) fn that_allow(
        &self,
        domain: &str,
        kind: &str,
        what: (u32, u32),
    ) -> Vec<(String, bool)> {
        let one = |(number, name, on): &(u32, String, bool)| {
            let would = self.nodes.iter().any(|node| self.allows(node, (*number, !*on), (domain, kind), what));
            would.then(|| (name.clone(), !*on))
        };
        self.states.iter().filter_map(one).collect()
    }

    /// How many of these types a switch that is set to this opens for the domain.
    pub(in crate::sources::selinux) fn opened(
        &self,
        (name, on): (&str, bool),
        domain: &str,
        kinds: &[&str],
        what: (u32, u32),
    ) -> usize {
        let Some((number, ..)) = self.states.iter().find(|(_, known, _)| known == name) else { return 0 };
        let opens =
            |kind: &&&str| self.nodes.iter().any(|node| self.allows(node, (*number, on), (domain, **kind), what));
        kinds.iter().filter(opens).count()
    }

    /// It depends on the switch, and allows it once that is set so.
    fn allows(
        &self,
        node: &Node,
        set: (u32, bool),
        (domain, kind): (&str, &str),
        (class, permission): (u32, u32),
    ) -> bool {
        if !node.parts.contains(&(SWITCH, set.0)) {
            return false;
        }
        let [when_true, when_false] = &node.lists;
        let list = match self.is_true(&node.parts, set) {
            Some(true) => when_true,
            Some(false) => when_false,
            None => return false,
        };
        let mut fits =
            list.iter().filter(|rule| u32::from(rule.class) == class && rule.bits & permission == permission);
        let (sources, targets) = (self.all_of(domain), self.all_of(kind));
        fits.any(|rule| sources.contains(&u32::from(rule.source)) && targets.contains(&u32::from(rule.target)))
    }

    /// A type with its attributes.
    fn all_of(&self, name: &str) -> &[u32] {
        let number = self.types.iter().find(|(_, known)| known == name).map_or(0, |(number, _)| *number);
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.attributes.get(at)).map_or(&[], Vec::as_slice)
    }

    /// What an expression comes to with one switch set. None: it is none.
    fn is_true(&self, parts: &[(u32, u32)], (number, on): (u32, bool)) -> Option<bool> {
        let mut values: Vec<bool> = Vec::new();
        for (part, named) in parts {
            let value = match *part {
                SWITCH if *named == number => on,
                SWITCH => self.states.iter().find(|(known, ..)| known == named)?.2,
                NOT => !values.pop()?,
                other => {
                    let (right, left) = (values.pop()?, values.pop()?);
                    match other {
                        OR => left || right,
                        AND => left && right,
                        DIFFER | OTHER => left != right,
                        SAME => left == right,
                        _ => return None,
                    }
                }
            };
            values.push(value);
        }
        let [value] = values[..] else { return None };
        Some(value)
    }
}

impl Reader<'_> {
    /// Rules, of which those that depend on switches are kept.
    pub(super) fn rules(&mut self) -> Option<Vec<Node>> {
        self.rule_list()?;
        let mut found = Vec::new();
        for _ in 0..self.number()? {
            found.push(self.node()?);
        }
        Some(found)
    }

    fn node(&mut self) -> Option<Node> {
        let [_state, count] = self.numbers()?;
        let mut parts = Vec::new();
        for _ in 0..Some(count).filter(|count| *count <= MOST_PARTS)? {
            let [part, switch] = self.numbers()?;
            parts.push((part, switch));
        }
        Some(Node { parts, lists: [self.rule_list()?, self.rule_list()?] })
    }

    /// Rules, of which those that allow are kept where there are not many.
    fn rule_list(&mut self) -> Option<Vec<Allow>> {
        /// Lists that depend on switches have hundreds, that of all others a hundred thousand.
        const MANY: u32 = 20_000;
        let count = self.number()?;
        let mut found = Vec::new();
        for _ in 0..count {
            let [source, target, class, what] = self.shorts()?;
            if what & EXTENDED != 0 {
                self.skip(34)?;
                continue;
            }
            let bits = self.number()?;
            if what & ALLOWS != 0 && count < MANY {
                found.push(Allow { source, target, class, bits });
            }
        }
        Some(found)
    }

    fn shorts(&mut self) -> Option<[u16; 4]> {
        let mut all = [0; 4];
        for one in &mut all {
            *one = self.take().map(u16::from_le_bytes)?;
        }
        Some(all)
    }

    /// The attributes of each type, behind all other contexts (of so many kinds).
    pub(super) fn attributes(&mut self, types: u32, kinds: u32) -> Option<Vec<Vec<u32>>> {
        self.other_contexts(kinds)?;
        self.file_contexts()?;
        for _ in 0..self.number()? {
            self.numbers::<3>()?;
            self.range()?;
        }
        let mut found = Vec::new();
        for _ in 0..types {
            found.push(self.bits()?);
        }
        Some(found)
    }

    /// Interfaces, nodes, file systems, nodes of IPv6, and, where they are told, keys and ports of InfiniBand.
    fn other_contexts(&mut self, kinds: u32) -> Option<()> {
        for _ in 0..self.number()? {
            self.name()?;
            self.context()?;
            self.context()?;
        }
        for _ in 0..self.number()? {
            self.numbers::<2>()?;
            self.context()?;
        }
        for _ in 0..self.number()? {
            self.number()?;
            self.name()?;
            self.context()?;
        }
        for _ in 0..self.number()? {
            self.numbers::<8>()?;
            self.context()?;
        }
        if kinds < KINDS {
            return Some(());
        }
        for _ in 0..self.number()? {
            self.numbers::<4>()?;
            self.context()?;
        }
        for _ in 0..self.number()? {
            let [length, _port] = self.numbers()?;
            self.skip(length)?;
            self.context()?;
        }
        Some(())
    }

    fn file_contexts(&mut self) -> Option<()> {
        for _ in 0..self.number()? {
            self.name()?;
            for _ in 0..self.number()? {
                self.name()?;
                self.number()?;
                self.context()?;
            }
        }
        Some(())
    }

    fn name(&mut self) -> Option<()> {
        let length = self.number()?;
        self.skip(length)
    }

    /// The numbers in a set, from 1.
    fn bits(&mut self) -> Option<Vec<u32>> {
        let [_unit, _high, count] = self.numbers()?;
        let mut found = Vec::new();
        for _ in 0..count {
            let [first, low, high] = self.numbers()?;
            let map = u64::from(low) | u64::from(high) << 32;
            let set = (0..64u32).filter(|bit| map >> bit & 1 != 0);
            found.extend(set.filter_map(|bit| first.checked_add(bit)?.checked_add(1)));
        }
        Some(found)
    }
}
