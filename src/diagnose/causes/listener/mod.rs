//! Causes of the listener box.

pub(super) mod bind_loopback_only;
