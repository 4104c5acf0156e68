//! Keys of lines: which place of the tree a line is, whatever else is in the tree.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::facts::ruleset::ChainId;
use crate::firewall::{Leg, Place};

/// Key of a place below another one; the same in every run of the program.
pub(super) fn below(parent: u64, what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (parent, what).hash(&mut hasher);
    hasher.finish()
}

/// A base chain on the packet's way.
pub(super) fn station(leg: Leg, base: &ChainId) -> u64 {
    below(1, (leg == Leg::Reply, base))
}

/// A rule of a chain at this place.
pub(super) fn rule(chain: u64, handle: u64) -> u64 {
    below(chain, ("rule", handle))
}

/// The policy of a base chain.
pub(super) fn policy(chain: u64) -> u64 {
    below(chain, "policy")
}

/// A chain that a rule leads to.
pub(super) fn led(rule: u64, chain: &ChainId) -> u64 {
    below(rule, chain)
}

/// The lines from a base chain to what decided there: each rule that led on and the chain it led to, the rule itself last.
pub(super) fn path(place: &Place) -> Vec<u64> {
    let mut at = station(place.leg, &place.base);
    let mut keys = vec![at];
    let next = place.via.iter().map(|(chain, _)| chain).skip(1).chain([&place.chain]);
    for ((_, handle), to) in place.via.iter().zip(next) {
        let by = rule(at, *handle);
        at = led(by, to);
        keys.extend([by, at]);
    }
    keys.push(place.rule.map_or_else(|| policy(at), |handle| rule(at, handle)));
    keys
}
