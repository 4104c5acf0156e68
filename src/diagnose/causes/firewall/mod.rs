//! Causes of the firewall box.

#![expect(clippy::wildcard_enum_match_arm, reason = "of the many expressions of a rule only a few matter to a cause")]

pub(super) mod fw_cgroup_bpf;
pub(super) mod fw_conntrack_invalid;
pub(super) mod fw_conntrack_table_full;
pub(super) mod fw_dnat_dead_target;
pub(super) mod fw_fail2ban_ban;
pub(super) mod fw_firewalld_permanent_not_loaded;
pub(super) mod fw_firewalld_rich_rule_reject;
pub(super) mod fw_firewalld_zone_default;
pub(super) mod fw_input_drop;
pub(super) mod fw_input_reject;
pub(super) mod fw_ipv6_only_filtered;
pub(super) mod fw_legacy_and_nft_mixed;
pub(super) mod fw_loopback_not_accepted;
pub(super) mod fw_netdev_ingress;
pub(super) mod fw_nft_separate_table;
pub(super) mod fw_other_ban;
pub(super) mod fw_output_client;
pub(super) mod fw_prerouting_raw;
pub(super) mod fw_rate_limit_custom;
pub(super) mod fw_rule_order;
pub(super) mod fw_synack_blocked;
pub(super) mod fw_ufw_deny;
pub(super) mod fw_ufw_limit;
pub(super) mod fw_ufw_reject;
pub(super) mod fw_upstream;
pub(super) mod fw_xdp_or_tc_bpf;
pub(super) mod k8s_service_no_endpoints;

// What several of them look at.
mod accepting;
mod bans;
mod common;
mod firewalld;
pub(super) mod forwarded;
mod invalid;
mod limit;
mod opening;
mod order;
mod translation;
mod ufw;
