//! The packet filter's rules in a build without libnftnl: none are read, and whoever asks is told so.

use std::time::Duration;

use crate::facts::ruleset::{ChainId, ChainRules, Element, Elements, Ruleset, SetId};
use crate::sources::Trouble;

fn without<T>() -> Result<Option<T>, Trouble> {
    Err(Trouble::failed("this unrefuse was built without libnftnl, which reads the rules of nf_tables"))
}

/// Tables, chains and sets.
pub fn ruleset() -> Result<Option<Ruleset>, Trouble> {
    without()
}

/// The rules of a chain.
pub fn chain_rules(_: &ChainId) -> Result<Option<ChainRules>, Trouble> {
    without()
}

/// The same, in so much time.
pub fn chain_rules_within(_: &ChainId, _: Duration) -> Result<Option<ChainRules>, Trouble> {
    without()
}

/// The elements of a set.
pub fn elements(_: &SetId) -> Result<Option<Elements>, Trouble> {
    without()
}

/// Whether a key is in a set.
pub fn member(_: &SetId, _: &[u8]) -> Result<Option<Element>, Trouble> {
    without()
}
