//! Causes of the listener box.

pub(super) mod abort_on_overflow;
pub(super) mod accept_queue_overflow;
pub(super) mod bind_address_foreign;
pub(super) mod bind_address_not_up_at_boot;
pub(super) mod bind_hostname_127_0_1_1;
pub(super) mod bind_loopback_only;
pub(super) mod bind_one_specific_ip;
pub(super) mod bind_partial_silent;
pub(super) mod bind_to_device;
pub(super) mod fd_or_connection_limit;
pub(super) mod ipv6_disabled_bind_fails;
pub(super) mod listen_not_configured;
pub(super) mod listen_v4_only_client_v6;
pub(super) mod listen_v6_only;
pub(super) mod listen_wrong_port;
pub(super) mod port_conflict_dns_stub;
pub(super) mod port_conflict_old_instance;
pub(super) mod port_conflict_other_daemon;
pub(super) mod privileged_port_eacces;
pub(super) mod systemd_private_network;
pub(super) mod unix_socket_missing_or_denied;
pub(super) mod unix_socket_stale;

// What several of them look at.
mod address_failure;
mod conflict;
mod elsewhere;
pub(super) mod failed_bind;
pub(super) mod knob;
mod planned;
pub(super) mod rows;
