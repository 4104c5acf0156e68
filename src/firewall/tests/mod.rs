//! Packets followed through small rulesets.

mod basic;
mod recent;
pub(crate) mod world;
