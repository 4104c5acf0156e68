//! Causes of the name box.

pub(super) mod name_does_not_resolve;
