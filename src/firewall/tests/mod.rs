//! Packets followed through small rulesets.

mod basic;
pub(crate) mod world;
