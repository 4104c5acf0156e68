//! The ports of a policy as the kernel has it (binary, /sys/fs/selinux/policy): which port has which label, and which switches
//! would allow what.
//!
//! Everything before the ports has to be walked through; its layout is that of the kernel's own reader, for the policies of
//! Linux 3.4 and later (versions 26 to 35).

mod switches;

use switches::Switches;

/// A label of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// `system_u:object_r:http_port_t`, without the level.
    pub(super) context: String,
    /// `http_port_t`.
    pub(super) kind: String,
}

/// An entry: these ports of a protocol have this label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) protocol: u8,
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) label: Label,
}

/// What a policy says about ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::sources) struct Ports {
    /// In the order in which the kernel tries them.
    pub(super) entries: Vec<Entry>,
    /// The label of all others.
    pub(super) others: Option<Label>,
    /// What switches allow; none where that could not be read.
    pub(super) switches: Option<Switches>,
}

const MAGIC: u32 = 0xf97c_ff8c;
const OLDEST: u32 = 26;
const NEWEST: u32 = 35;
/// With these versions came: names in constraints, filename transitions by type, what is never audited.
const CONSTRAINT_NAMES: u32 = 29;
const COMPACT_TRANSITIONS: u32 = 33;
const NEVER_AUDITED: u32 = 35;
const NEW_OBJECT_DEFAULTS: u32 = 27;
const DEFAULT_TYPE: u32 = 28;
/// A type, not an alias or an attribute.
const PRIMARY: u32 = 1;
/// The initial label of ports (SECINITSID_PORT).
const PORT_SID: u32 = 9;
/// An expression that holds a list of names (CEXPR_NAMES).
const NAMES: u32 = 5;

/// Reads a policy. None: it is damaged, or of a version that is not known.
pub(in crate::sources) fn ports(bytes: &[u8]) -> Option<Ports> {
    let mut read = Reader { rest: bytes, version: 0 };
    if read.number()? != MAGIC {
        return None;
    }
    let name = read.number()?;
    read.skip(name)?;
    read.version = read.number().filter(|version| (OLDEST..=NEWEST).contains(version))?;
    let (_config, symbols, contexts) = (read.number()?, read.number()?, read.number()?);
    if symbols != 8 || contexts < 3 {
        return None;
    }
    read.bitmap()?; // capabilities
    read.bitmap()?; // permissive types
    if read.version >= NEVER_AUDITED {
        read.bitmap()?;
    }
    let names = read.symbols()?;
    let nodes = read.rules()?;
    read.transitions()?;
    let mut found = read.ports(&names)?;
    found.switches = read.attributes(names.all_types, contexts).map(|attributes| Switches {
        types: names.types,
        attributes,
        states: names.switches,
        nodes,
    });
    Some(found)
}

/// Names by their number.
#[derive(Debug, Default)]
struct Names {
    users: Vec<(u32, String)>,
    roles: Vec<(u32, String)>,
    types: Vec<(u32, String)>,
    /// Types, attributes and aliases have numbers up to this.
    all_types: u32,
    /// Switches, and what they are set to.
    switches: Vec<(u32, String, bool)>,
}

impl Names {
    fn label(&self, (user, role, kind): (u32, u32, u32)) -> Option<Label> {
        let of =
            |names: &[(u32, String)], number| names.iter().find(|(n, _)| *n == number).map(|(_, name)| name.clone());
        let kind = of(&self.types, kind)?;
        Some(Label { context: format!("{}:{}:{kind}", of(&self.users, user)?, of(&self.roles, role)?), kind })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    version: u32,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn numbers<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut all = [0; N];
        for one in &mut all {
            *one = self.number()?;
        }
        Some(all)
    }

    fn skip(&mut self, bytes: u32) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn text(&mut self, length: u32) -> Option<String> {
        let length = usize::try_from(length).ok()?;
        let text = self.rest.get(..length)?;
        self.rest = self.rest.get(length..)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn bitmap(&mut self) -> Option<()> {
        let [_unit, _high, count] = self.numbers()?;
        self.skip(count.checked_mul(12)?)
    }

    /// All names, of which those in contexts are kept.
    fn symbols(&mut self) -> Option<Names> {
        let mut names = Names::default();
        for table in 0..8 {
            let [primary, count] = self.numbers()?;
            if table == 3 {
                names.all_types = primary;
            }
            for _ in 0..count {
                match table {
                    0 => self.common()?,
                    1 => self.class()?,
                    2 => names.roles.push(self.role()?),
                    3 => self.kind(&mut names.types)?,
                    4 => names.users.push(self.user()?),
                    5 => names.switches.push(self.switch()?),
                    6 => self.sensitivity()?,
                    _ => self.category()?,
                }
            }
        }
        Some(names)
    }

    fn common(&mut self) -> Option<()> {
        let [length, _value, _primary, count] = self.numbers()?;
        self.skip(length)?;
        self.permissions(count)
    }

    fn permissions(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            let [length, _value] = self.numbers()?;
            self.skip(length)?;
        }
        Some(())
    }

    fn class(&mut self) -> Option<()> {
        let [length, common, _value, _primary, permissions, constraints] = self.numbers()?;
        self.skip(length)?;
        self.skip(common)?;
        self.permissions(permissions)?;
        self.constraints(constraints)?;
        let transitions = self.number()?;
        self.constraints(transitions)?;
        if self.version >= NEW_OBJECT_DEFAULTS {
            self.numbers::<3>()?;
        }
        if self.version >= DEFAULT_TYPE {
            self.number()?;
        }
        Some(())
    }

    fn constraints(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            let [_permissions, expressions] = self.numbers()?;
            for _ in 0..expressions {
                let [kind, _attribute, _operator] = self.numbers()?;
                if kind == NAMES {
                    self.names()?;
                }
            }
        }
        Some(())
    }

    fn names(&mut self) -> Option<()> {
        self.bitmap()?;
        if self.version >= CONSTRAINT_NAMES {
            self.bitmap()?;
            self.bitmap()?;
            self.number()?;
        }
        Some(())
    }

    fn role(&mut self) -> Option<(u32, String)> {
        let [length, value, _bounds] = self.numbers()?;
        let name = self.text(length)?;
        self.bitmap()?;
        self.bitmap()?;
        Some((value, name))
    }

    /// A type, an alias or an attribute, of which only the first is kept.
    fn kind(&mut self, types: &mut Vec<(u32, String)>) -> Option<()> {
        let [length, value, properties, _bounds] = self.numbers()?;
        let name = self.text(length)?;
        types.extend((properties == PRIMARY).then_some((value, name)));
        Some(())
    }

    fn user(&mut self) -> Option<(u32, String)> {
        let [length, value, _bounds] = self.numbers()?;
        let name = self.text(length)?;
        self.bitmap()?;
        self.range()?;
        self.level()?;
        Some((value, name))
    }

    /// A range of levels: one of them where both are the same.
    fn range(&mut self) -> Option<()> {
        let items = self.number().filter(|items| (1..=2).contains(items))?;
        self.skip(items * 4)?;
        for _ in 0..items {
            self.bitmap()?;
        }
        Some(())
    }

    fn level(&mut self) -> Option<()> {
        self.number()?;
        self.bitmap()
    }

    fn switch(&mut self) -> Option<(u32, String, bool)> {
        let [value, state, length] = self.numbers()?;
        Some((value, self.text(length)?, state != 0))
    }

    fn sensitivity(&mut self) -> Option<()> {
        let [length, _alias] = self.numbers()?;
        self.skip(length)?;
        self.level()
    }

    fn category(&mut self) -> Option<()> {
        let [length, _value, _alias] = self.numbers()?;
        self.skip(length)
    }

    /// What becomes of roles, who may take which, and what becomes of files by their names.
    fn transitions(&mut self) -> Option<()> {
        let count = self.number()?;
        self.skip(count.checked_mul(16)?)?;
        let count = self.number()?;
        self.skip(count.checked_mul(8)?)?;
        let count = self.number()?;
        for _ in 0..count {
            let length = self.number()?;
            self.skip(length)?;
            if self.version < COMPACT_TRANSITIONS {
                self.numbers::<4>()?;
                continue;
            }
            let [_kind, _class, data] = self.numbers()?;
            for _ in 0..data {
                self.bitmap()?;
                self.number()?;
            }
        }
        Some(())
    }

    fn context(&mut self) -> Option<(u32, u32, u32)> {
        let [user, role, kind] = self.numbers()?;
        self.range()?;
        Some((user, role, kind))
    }

    fn ports(&mut self, names: &Names) -> Option<Ports> {
        let mut found = Ports::default();
        let initial = self.number()?;
        for _ in 0..initial {
            let (sid, context) = (self.number()?, self.context()?);
            if sid == PORT_SID {
                found.others = names.label(context);
            }
        }
        let file_systems = self.number()?;
        for _ in 0..file_systems {
            let length = self.number()?;
            self.skip(length)?;
            self.context()?;
            self.context()?;
        }
        let count = self.number()?;
        for _ in 0..count {
            let [protocol, first, last] = self.numbers()?;
            let label = names.label(self.context()?)?;
            let (protocol, first, last) =
                (u8::try_from(protocol).ok()?, u16::try_from(first).ok()?, u16::try_from(last).ok()?);
            found.entries.push(Entry { protocol, first, last, label });
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy of version 33 as small as one can be: a type, a role and a user, and two entries about ports.
    fn small() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |numbers: &[u32], text: &str| {
            bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
            bytes.extend(text.as_bytes());
        };
        let nothing: &[u32] = &[64, 0, 0];
        put(&[MAGIC, 8], "SE Linux");
        put(&[33, 1, 8, 9], "");
        put(nothing, "");
        put(nothing, "");
        put(&[0, 0], ""); // commons
        put(&[1, 1, 3, 0, 1, 1, 1, 0], "tcp"); // classes
        put(&[4, 1], "bind");
        put(&[0, 0, 0, 0, 0], "");
        put(&[1, 1, 8, 1, 0], "object_r");
        put(&[64, 64, 1, 0, 1, 0], "");
        put(nothing, "");
        put(&[2, 3, 11, 1, 1, 0], "http_port_t");
        put(&[6, 2, 1, 0], "port_t");
        put(&[9, 2, 0, 0], "an_alias_");
        put(&[1, 1, 8, 1, 0], "system_u");
        put(nothing, "");
        put(&[1, 1], "");
        put(nothing, "");
        put(&[1], "");
        put(nothing, "");
        put(&[1, 1, 1, 0, 2], "on"); // switches
        put(&[0, 0, 0, 0], ""); // sensitivities, categories
        put(&[1, 0, 0x0001_0001, 4], ""); // a rule
        put(&[0], ""); // that depend on switches
        put(&[0, 0, 0], ""); // transitions
        put(&[1, PORT_SID, 1, 1, 2, 1, 1], "");
        put(nothing, "");
        put(&[0], ""); // file systems
        put(&[2], "");
        for (first, last, kind) in [(80, 80, 1), (1024, 65535, 2)] {
            put(&[6, first, last, 1, 1, kind, 1, 1], "");
            put(nothing, "");
        }
        bytes
    }

    #[test]
    fn the_ports_of_a_policy() {
        let found = ports(&small()).unwrap();
        let told: Vec<_> = found.entries.iter().map(|e| (e.first, e.last, e.label.context.as_str())).collect();
        let expected = [(80, 80, "system_u:object_r:http_port_t"), (1024, 65535, "system_u:object_r:port_t")];
        assert_eq!(told, expected);
        assert_eq!(found.others.unwrap().kind, "port_t");
    }

    #[test]
    fn a_policy_that_is_cut_off_is_none() {
        let whole = small();
        for cut in 0..whole.len() {
            assert_eq!(ports(&whole[..cut]), None, "{cut}");
        }
        let mut other = whole.clone();
        other[16] = 99;
        assert_eq!(ports(&other), None, "a version nobody knows");
    }

    /// The same with a rule that a switch turns on: a program's domain, which has an attribute, may connect to http_port_t.
    fn with_switch() -> Vec<u8> {
        let words = |numbers: &[u32]| -> Vec<u8> { numbers.iter().flat_map(|n| n.to_le_bytes()).collect() };
        let plain = [words(&[1, 0, 0x0001_0001, 4]), words(&[0])].concat();
        // Type 3 (with the attribute 4) to type 1, class 7: switch 1.
        let rule = [words(&[1]), [4, 0, 1, 0, 7, 0, 1, 0].to_vec(), words(&[0b100])].concat();
        let node = [words(&[1, 0, 1, 1, 1]), rule, words(&[0])].concat();
        let bytes = small();
        let at = bytes.windows(plain.len()).position(|window| window == plain).unwrap();
        let mut bytes = [&bytes[..at], &plain[..plain.len() - 4], &node, &bytes[at + plain.len()..]].concat();
        // Another type, an attribute; the switch is off.
        let types = words(&[2, 3, 11, 1, 1, 0]);
        let at = bytes.windows(types.len()).position(|window| window == types).unwrap();
        bytes.splice(at..at + 8, [words(&[4, 4, 7, 3, 1, 0]), b"httpd_t".to_vec()].concat());
        let on = [words(&[1, 1, 1, 0, 2]), b"on".to_vec()].concat();
        let at = bytes.windows(on.len()).position(|window| window == on).unwrap();
        bytes.splice(at + 12..at + 16, words(&[0]));
        // Interfaces, nodes, file systems, nodes of IPv6, and two kinds of InfiniBand; file contexts; ranges.
        bytes.extend(words(&[0, 0, 0, 0, 0, 0, 0, 0]));
        for bits in [&[0][..], &[1], &[2, 3], &[3]] {
            let map = bits.iter().fold(0u32, |map, bit| map | 1 << bit);
            bytes.extend(words(&[64, 64, 1, 0, map, 0]));
        }
        bytes
    }

    #[test]
    fn a_switch_that_would_allow_it() {
        let found = ports(&with_switch()).unwrap().switches.unwrap();
        let told = found.that_allow("httpd_t", "http_port_t", (7, 0b100));
        assert_eq!(told, [("on".to_owned(), true)]);
        assert_eq!(found.that_allow("httpd_t", "port_t", (7, 0b100)), []);
        assert_eq!(found.that_allow("httpd_t", "http_port_t", (7, 0b10)), []);
        assert_eq!(found.that_allow("httpd_t", "http_port_t", (6, 0b100)), []);
        assert_eq!(found.opened(("on", true), "httpd_t", &["http_port_t", "port_t"], (7, 0b100)), 1);
        assert_eq!(ports(&small()).unwrap().switches, None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_left(at in 0..900_usize, byte: u8) {
            let mut bytes = with_switch();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = ports(&bytes);
        }
    }
}
