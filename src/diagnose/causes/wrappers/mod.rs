//! Causes of the wrappers box: the connection stands, and then the server hangs up.

pub(super) mod tcp_wrappers_deny;
pub(super) mod xinetd_only_from;
