//! Elements of sets: the addresses in their keys and values. A range becomes the networks that make it up.

use std::collections::BTreeMap;

use super::addresses::{Addresses, Kind, networks, ones};
use super::registers::{Field, Key, Told};
use crate::facts::ruleset::{Element, Elements, Leads, Set, SetId, TableId};

/// Most elements that one becomes; the set of one that would become more is taken for too big to list.
const MOST: usize = 600;

/// What is in the keys and values of sets, as far as rules tell.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    keys: BTreeMap<SetId, Key>,
    values: BTreeMap<SetId, bool>,
}

/// Where addresses are in the elements of one set.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    fields: Vec<Field>,
    /// What it leads to is an address, where that is known.
    value: Option<bool>,
}

impl Layouts {
    /// What a rule of a table tells.
    pub(super) fn learn(&mut self, table: &TableId, told: &Told) {
        let id = |name: &str| SetId { table: table.clone(), name: name.to_owned() };
        for (set, key) in &told.keys {
            let known = self.keys.entry(id(set)).or_default();
            if known.fields.len() < key.fields.len() {
                known.fields.clone_from(&key.fields);
            }
            known.explained.extend(&key.explained);
        }
        for (set, address) in &told.values {
            *self.values.entry(id(set)).or_default() |= address;
        }
    }

    /// That of a set with keys of this length. What no rule explains and has the size of an address is one.
    pub(super) fn of(&self, id: &SetId, set: Option<&Set>, key_len: usize) -> Layout {
        let value = self.values.get(id).copied();
        let nothing = Key::default();
        let key = self.keys.get(id).unwrap_or(&nothing);
        let fits = |field: &&Field| field.start + field.len <= key_len;
        let mut fields: Vec<Field> = key.fields.iter().filter(fits).copied().collect();
        let lengths: Vec<usize> = set.map_or_else(Vec::new, |set| {
            set.fields.iter().map(|len| usize::try_from(*len).unwrap_or(key_len)).collect()
        });
        let lengths = if lengths.is_empty() { vec![key_len] } else { lengths };
        let mut start = 0;
        for len in lengths {
            let doubt = start + len <= key_len && !key.explained.contains(&start);
            let kind = Kind::with_bytes(len).filter(|_| doubt);
            fields.extend(kind.map(|kind| Field { kind, start, len, bits: kind.width() }));
            start += len.next_multiple_of(4);
        }
        Layout { fields, value }
    }
}

impl Layout {
    pub(super) fn elements(&self, given: &mut Addresses, elements: &mut Elements) {
        let mut hidden = Vec::with_capacity(elements.elements.len());
        for element in std::mem::take(&mut elements.elements) {
            match self.pieces(given, element) {
                Some(pieces) => hidden.extend(pieces),
                None => elements.more = true,
            }
        }
        elements.elements = hidden;
        if let Some(element) = &mut elements.catchall {
            self.value(given, element);
        }
    }

    /// The stand-in of a key.
    pub(super) fn key(&self, given: &mut Addresses, key: &[u8]) -> Vec<u8> {
        let mut hidden = key.to_vec();
        for field in &self.fields {
            let value = field.read(key);
            field.write(&mut hidden, given.stand_in(field.kind, value, field.bits));
        }
        hidden
    }

    /// The piece of an element that holds a key, which has its stand-in already.
    pub(super) fn member(&self, given: &mut Addresses, element: &Element, key: &[u8]) -> Option<Element> {
        let within = |element: &Element| {
            let among =
                |field: &Field| (field.read(&element.from)..=field.read(&element.to)).contains(&field.read(key));
            self.fields.iter().all(among)
        };
        self.pieces(given, element.clone())?.into_iter().find(within)
    }

    fn pieces(&self, given: &mut Addresses, mut element: Element) -> Option<Vec<Element>> {
        self.value(given, &mut element);
        let mut pieces = vec![element];
        for field in &self.fields {
            let mut cut = Vec::new();
            for piece in pieces {
                let low = field.read(&piece.from);
                let high = field.read(&piece.to) | ones(field.kind.width() - field.bits);
                for (value, len) in networks(field.kind, low, high) {
                    let first = given.stand_in(field.kind, value, len);
                    let mut part = piece.clone();
                    field.write(&mut part.from, first);
                    field.write(&mut part.to, first | ones(field.kind.width() - len));
                    cut.push(part);
                }
                if cut.len() > MOST {
                    return None;
                }
            }
            pieces = cut;
        }
        Some(pieces)
    }

    fn value(&self, given: &mut Addresses, element: &mut Element) {
        if let Some(Leads::Data(data)) = &mut element.leads_to
            && self.value != Some(false)
        {
            constant(given, data);
        }
    }
}

impl Field {
    /// Its number in a key, zeros after what is not in there.
    pub(super) fn read(&self, key: &[u8]) -> u128 {
        let bytes = key.iter().skip(self.start).take(self.len);
        let value = bytes.fold(0, |value, byte| value << 8 | u128::from(*byte));
        value << self.rest()
    }

    pub(super) fn write(&self, key: &mut [u8], value: u128) {
        let bytes = (value >> self.rest()).to_be_bytes();
        let from = bytes.len().saturating_sub(self.len);
        key.iter_mut().skip(self.start).zip(bytes.iter().skip(from)).for_each(|(to, byte)| *to = *byte);
    }

    /// How many bits of the address are behind it.
    pub(super) fn rest(&self) -> u32 {
        self.kind.width().saturating_sub(u32::try_from(self.len * 8).unwrap_or(u32::MAX))
    }
}

/// A value that has the size of an address; others stay.
pub(super) fn constant(given: &mut Addresses, data: &mut [u8]) {
    if let Some(kind) = Kind::with_bytes(data.len()) {
        let field = Field { kind, start: 0, len: kind.bytes(), bits: kind.width() };
        let stand_in = given.stand_in(kind, field.read(data), kind.width());
        field.write(data, stand_in);
    }
}
