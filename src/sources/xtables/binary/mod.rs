//! Matches and targets of iptables from the kernel's structures, as nf_tables keeps them for iptables-nft: name, revision
//! and bytes. Layouts are those of <linux/netfilter/xt_*.h> with 8-byte pointers and alignment. Pure.
//!
//! A revision that is not known here, another length, or a bit whose meaning is not known makes `Other`: what such a rule
//! decides must not be guessed.

mod info;
mod matches;
mod targets;
mod undecided;

use crate::facts::ruleset::Family;
use crate::facts::ruleset::xt::{Match, Target};

/// A match.
pub fn match_of(name: &str, revision: u32, info: &[u8], family: Family) -> Match {
    matches::decode(name, revision, info, family)
        .or_else(|| undecided::decode(name, revision, info, family))
        .unwrap_or_else(|| Match::Other { name: name.to_owned(), revision, info: info.to_vec() })
}

/// A target.
pub fn target_of(name: &str, revision: u32, info: &[u8], family: Family) -> Target {
    targets::decode(name, revision, info, family).unwrap_or_else(|| Target::Other {
        name: name.to_owned(),
        revision,
        info: info.to_vec(),
    })
}

#[cfg(test)]
mod tests;
