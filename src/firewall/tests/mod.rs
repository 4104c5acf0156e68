//! Packets followed through small rulesets.

mod basic;
mod below;
mod big;
mod recent;
pub(crate) mod world;
