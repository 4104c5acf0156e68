//! Causes of the policy box: something that was told to keep the service from what it needs.

pub(super) mod apparmor_denied_bind;
mod common;
mod denied;
mod selinux;
pub(in crate::diagnose) mod selinux_connect_denied;
pub(super) mod selinux_port_label_lost_after_update;
pub(super) mod selinux_port_type;
pub(super) mod systemd_capability_or_syscall_filter;
pub(super) mod systemd_ipaddress_deny;
pub(super) mod systemd_protect_filesystem;
pub(super) mod systemd_restrict_address_families;
pub(super) mod systemd_restrict_network_interfaces;
pub(super) mod systemd_socketbind_deny;
