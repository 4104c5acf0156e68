//! Causes of the name box.

pub(super) mod cli_hosts_file_stale;
pub(super) mod cli_proxy_env_dead;
pub(super) mod cli_sinkhole_0000;
pub(super) mod cli_wrong_host_dns;
pub(super) mod cli_wrong_port_or_protocol;
pub(super) mod localhost_resolves_v6_first;
pub(super) mod name_does_not_resolve;
