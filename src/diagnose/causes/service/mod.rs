//! Causes of the service box.

pub(super) mod svc_not_running;
