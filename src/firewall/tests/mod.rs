//! Packets followed through small rulesets.

mod basic;
mod below;
mod recent;
pub(crate) mod world;
