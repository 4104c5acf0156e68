//! What a register holds, in words.

use super::Names;
use super::fields::Field;
use super::values::{Kind, number, say};
use crate::facts::ruleset::expr::BitOp;

/// What a register holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Where it came from.
    pub(super) from: From,
    /// Bytes of it.
    pub(super) len: usize,
    /// It is in the host's byte order.
    pub(super) host_order: bool,
    /// What was done with its bits.
    pub(super) steps: Vec<BitOp>,
    /// What comparing it tells about the packet's headers.
    pub(super) tells: Tells,
}

/// Where it came from.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// Something of the packet, or about it.
    Looked {
        /// Its words.
        words: String,
        /// What it is.
        kind: Kind,
        /// Bytes of the whole, where only the first were loaded.
        whole: usize,
    },
    /// Several fields side by side, each with its words.
    Fields(Vec<(String, Field)>),
    /// A constant.
    Data(Vec<u8>),
    /// What a map gives.
    Map {
        /// Words of its key.
        key: String,
        /// The map.
        set: String,
        /// What the parts of its key are.
        keys: Vec<Shape>,
    },
}

/// What comparing it tells about the headers of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    Nothing,
    /// The protocol family.
    Family,
    /// The ethertype.
    EtherType,
    /// The protocol above IP.
    Protocol,
    /// The protocol above IP and, where a table has both, which IP that is: no later match says as much.
    Above,
}

/// What a part of a key is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) len: usize,
    pub(super) host_order: bool,
}

impl Held {
    /// Something of the packet, or about it.
    pub(super) fn looked(words: impl Into<String>, kind: Kind, len: usize, host_order: bool) -> Self {
        let from = From::Looked { words: words.into(), kind, whole: len };
        Self { from, len, host_order, steps: Vec::new(), tells: Tells::Nothing }
    }

    /// A constant.
    pub(super) fn data(data: &[u8]) -> Self {
        let from = From::Data(data.to_vec());
        Self { from, len: data.len(), host_order: true, steps: Vec::new(), tells: Tells::Nothing }
    }

    /// Nobody wrote it, as far as this program saw.
    pub(super) fn unknown(register: u8) -> Self {
        Self::looked(format!("[register {register}]"), Kind::Hex, 0, true)
    }

    pub(super) fn kind(&self) -> Kind {
        match &self.from {
            From::Looked { kind, .. } => *kind,
            From::Fields(fields) => fields.first().map_or(Kind::Hex, |(_, f)| f.kind),
            From::Data(_) | From::Map { .. } => Kind::Hex,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape { kind: self.kind(), len: self.len, host_order: self.host_order }
    }

    /// What was looked at, without what was done with its bits.
    pub(super) fn plain(&self) -> String {
        match &self.from {
            From::Looked { words, .. } => words.clone(),
            From::Fields(fields) => fields.iter().map(|(words, _)| words.as_str()).collect::<Vec<_>>().join(" . "),
            From::Data(data) => say(Kind::Hex, data, true, &super::NoNames),
            From::Map { key, set, .. } => format!("{key} map @{set}"),
        }
    }

    /// What was looked at, with what was done with its bits.
    pub(super) fn words(&self, names: &dyn Names) -> String {
        let mut words = self.plain();
        for step in &self.steps {
            let rest = match step {
                BitOp::Mask { mask, xor } => masked(mask, xor, self, names),
                BitOp::Left(bits) => format!(" << {bits}"),
                BitOp::Right(bits) => format!(" >> {bits}"),
                BitOp::Other(op) => format!(" [bitwise {op}]"),
            };
            words.push_str(&rest);
        }
        words
    }
}

/// `(value & mask) ^ xor` as and, exclusive or, and or: bits that the mask clears and xor sets are an or.
fn masked(mask: &[u8], xor: &[u8], held: &Held, names: &dyn Names) -> String {
    let full = u128::MAX.checked_shr(u32::try_from(128 - 8 * mask.len().min(16)).unwrap_or(0)).unwrap_or(0);
    let (Some(m), Some(x)) = (number(mask, held.host_order), number(xor, held.host_order)) else {
        return " [bitwise]".into();
    };
    let or = (m & x) ^ x;
    let (and, flip) = (m | or, x & m);
    let value = |v: u128| {
        let bytes = v.to_be_bytes();
        let bytes = bytes.get(16 - mask.len().min(16)..).unwrap_or_default();
        say(held.kind(), bytes, false, names)
    };
    let mut words = String::new();
    for (word, v, there) in [("&", and, and != full), ("^", flip, flip != 0), ("|", or, or != 0)] {
        if there {
            words.extend([" ", word, " ", &value(v)]);
        }
    }
    words
}
