//! Every cause, one file each: `causes/<box>/<cause>.rs` holds its id, its words, its detection and its tests.
//!
//! To add one: write the file, add its line to `ALL` here in the order of precedence within its box (more specific
//! first), add its words for `explain`.

mod apply;
mod connect;
mod container;
mod firewall;
mod listener;
mod name;
mod network;
mod policy;
mod service;
#[cfg(test)]
pub(crate) mod testing;
mod wrappers;

use super::Scene;
use super::chart::BoxId;
use super::verdict::{Advice, Evidence, Finding};
use crate::facts::connect::Outcome;
use crate::fixes::Plan;

/// A cause as the program knows it.
#[derive(Debug)]
pub struct Cause {
    /// Stable id.
    pub id: &'static str,
    /// Its box.
    pub in_box: BoxId,
    /// A general cause gives way to any specific one.
    pub general: bool,
    /// Outcomes it can produce by itself at the diagnosed address.
    pub explains: &'static [Outcome],
    /// Its words for `explain`.
    pub words: Words,
    /// Does it fit these facts? Reads what it needs through `scene.look`; what is missing is asked for.
    pub detect: fn(&Scene<'_, '_>) -> Option<Found>,
}

/// What `explain` tells, in plain sentences.
#[derive(Debug)]
pub struct Words {
    /// One line.
    pub title: &'static str,
    /// What it is and how it comes about.
    pub what: &'static str,
    /// How to see it by hand: commands, one a line.
    pub see: &'static str,
    /// How it is fixed.
    pub fix: &'static str,
    /// How that is taken back.
    pub undo: &'static str,
}

/// What a detection yields; the rest of the finding is the cause's own.
#[derive(Debug)]
pub struct Found {
    /// What it is about.
    pub subject: String,
    /// One line for people, with this host's own values.
    pub summary: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What can be done, best first.
    pub advice: Vec<Advice>,
    /// Does not bite now, but will once the causes before it are gone.
    pub latent: bool,
}

impl Found {
    /// A finding about `subject`; add evidence and advice to it.
    pub fn new(subject: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            summary: summary.into(),
            evidence: Vec::new(),
            advice: Vec::new(),
            latent: false,
        }
    }

    /// Adds what it rests on.
    #[must_use]
    pub fn seen(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Adds what can be done.
    #[must_use]
    pub fn advise(mut self, advice: Advice) -> Self {
        self.advice.push(advice);
        self
    }

    /// Adds what this program can do.
    #[must_use]
    pub fn fix(mut self, plan: Plan) -> Self {
        self.advice.push(Advice::of(plan));
        self
    }

    /// Adds several things that can be done.
    #[must_use]
    pub fn advise_all(mut self, advice: Vec<Advice>) -> Self {
        self.advice.extend(advice);
        self
    }

    pub(super) fn of(self, cause: &'static Cause) -> Finding {
        Finding {
            cause: cause.id,
            in_box: cause.in_box,
            subject: self.subject,
            summary: self.summary,
            evidence: self.evidence,
            advice: self.advice,
            latent: self.latent,
            explains: cause.explains,
            then: None,
        }
    }
}

/// All causes; within a station of the packet's way (`BoxId::station`) the first that fits comes first.
pub static ALL: &[&Cause] = &[
    // name
    &name::cli_sinkhole_0000::CAUSE,
    &name::localhost_resolves_v6_first::CAUSE,
    &name::cli_hosts_file_stale::CAUSE,
    &name::cli_wrong_host_dns::CAUSE,
    &name::cli_wrong_port_or_protocol::CAUSE,
    &name::cli_proxy_env_dead::CAUSE,
    &name::name_does_not_resolve::CAUSE,
    // network: the way there and back
    &network::cli_lo_down::CAUSE,
    &network::cli_ephemeral_exhausted::CAUSE,
    &network::cli_route_prohibit::CAUSE,
    &network::cli_route_blackhole::CAUSE,
    &network::cli_route_unreachable::CAUSE,
    &network::path_host_down::CAUSE,
    &network::path_no_route::CAUSE,
    &network::path_port_forward_missing::CAUSE,
    &network::path_middlebox_reset::CAUSE,
    &network::path_return_route::CAUSE,
    &network::path_rp_filter::CAUSE,
    &network::lb_backend_down::CAUSE,
    // firewall: whose rule it is, then where it stands, then that there is one
    &firewall::k8s_service_no_endpoints::CAUSE,
    &firewall::fw_fail2ban_ban::CAUSE,
    &firewall::fw_other_ban::CAUSE,
    &firewall::fw_ufw_limit::CAUSE,
    &firewall::fw_ufw_reject::CAUSE,
    &firewall::fw_ufw_deny::CAUSE,
    &firewall::fw_firewalld_permanent_not_loaded::CAUSE,
    &firewall::fw_firewalld_rich_rule_reject::CAUSE,
    &firewall::fw_firewalld_zone_default::CAUSE,
    &firewall::fw_rate_limit_custom::CAUSE,
    &firewall::fw_output_client::CAUSE,
    &firewall::fw_conntrack_invalid::CAUSE,
    &firewall::fw_synack_blocked::CAUSE,
    &firewall::fw_loopback_not_accepted::CAUSE,
    &firewall::fw_netdev_ingress::CAUSE,
    &firewall::fw_prerouting_raw::CAUSE,
    &firewall::fw_rule_order::CAUSE,
    &firewall::fw_legacy_and_nft_mixed::CAUSE,
    &firewall::fw_nft_separate_table::CAUSE,
    &firewall::fw_ipv6_only_filtered::CAUSE,
    &firewall::fw_dnat_dead_target::CAUSE,
    &firewall::fw_conntrack_table_full::CAUSE,
    &firewall::fw_cgroup_bpf::CAUSE,
    &firewall::fw_xdp_or_tc_bpf::CAUSE,
    &firewall::fw_upstream::CAUSE,
    &firewall::fw_input_reject::CAUSE,
    &firewall::fw_input_drop::CAUSE,
    // container: who publishes the port, and who listens inside
    &container::ct_client_localhost_inside::CAUSE,
    &container::ct_forward_blocked::CAUSE,
    &container::ct_host_firewall_blocks_container::CAUSE,
    &container::ct_iptables_flushed::CAUSE,
    &container::ct_host_port_taken::CAUSE,
    &container::ct_podman_rootless::CAUSE,
    &container::ct_stopped_or_restarting::CAUSE,
    &container::ct_published_on_loopback::CAUSE,
    &container::ct_app_bound_loopback::CAUSE,
    &container::ct_wrong_container_port::CAUSE,
    &container::ct_app_not_listening::CAUSE,
    &container::ct_port_not_published::CAUSE,
    &container::ct_host_service_not_on_bridge::CAUSE,
    // policy: what the kernel forbids the service
    &policy::systemd_restrict_address_families::CAUSE,
    &policy::systemd_protect_filesystem::CAUSE,
    &policy::systemd_socketbind_deny::CAUSE,
    &policy::systemd_capability_or_syscall_filter::CAUSE,
    &policy::systemd_ipaddress_deny::CAUSE,
    &policy::systemd_restrict_network_interfaces::CAUSE,
    &policy::selinux_port_label_lost_after_update::CAUSE,
    &policy::selinux_port_type::CAUSE,
    &policy::selinux_connect_denied::CAUSE,
    &policy::apparmor_denied_bind::CAUSE,
    // service: what systemd was told, and why a start failed
    &service::svc_masked::CAUSE,
    &service::docker_daemon_down::CAUSE,
    &service::socket_unit_trigger_limit::CAUSE,
    &service::socket_unit_needs_restart_after_edit::CAUSE,
    &service::socket_unit_overrides_daemon_config::CAUSE,
    &service::svc_condition_unmet::CAUSE,
    &service::svc_dependency_failed::CAUSE,
    &service::svc_failed_config_syntax::CAUSE,
    &service::svc_failed_missing_file::CAUSE,
    &service::svc_failed_upstream_name_unresolved::CAUSE,
    &service::svc_runtime_dir_missing::CAUSE,
    &service::svc_bootstrap_check_refuses::CAUSE,
    &service::svc_disk_full::CAUSE,
    &service::svc_oom_killed::CAUSE,
    &service::svc_start_timeout::CAUSE,
    // listener
    &listener::port_conflict_dns_stub::CAUSE,
    &listener::port_conflict_old_instance::CAUSE,
    &listener::port_conflict_other_daemon::CAUSE,
    &listener::privileged_port_eacces::CAUSE,
    &listener::ipv6_disabled_bind_fails::CAUSE,
    &listener::bind_address_foreign::CAUSE,
    &listener::bind_address_not_up_at_boot::CAUSE,
    &listener::systemd_private_network::CAUSE,
    &listener::bind_to_device::CAUSE,
    &listener::bind_partial_silent::CAUSE,
    &listener::bind_hostname_127_0_1_1::CAUSE,
    &listener::listen_v6_only::CAUSE,
    &listener::listen_v4_only_client_v6::CAUSE,
    &listener::bind_loopback_only::CAUSE,
    &listener::bind_one_specific_ip::CAUSE,
    &listener::listen_not_configured::CAUSE,
    &listener::listen_wrong_port::CAUSE,
    &listener::fd_or_connection_limit::CAUSE,
    &listener::accept_queue_overflow::CAUSE,
    &listener::abort_on_overflow::CAUSE,
    &listener::unix_socket_stale::CAUSE,
    &listener::unix_socket_missing_or_denied::CAUSE,
    // service: how it ended. Comes after why, which may also be an address or a port that it cannot have.
    &service::socket_unit_service_start_limit::CAUSE,
    &service::svc_active_wrapper_hides_failure::CAUSE,
    &service::svc_start_limit_hit::CAUSE,
    &service::svc_flapping_auto_restart::CAUSE,
    &service::svc_crashed_signal::CAUSE,
    &service::socket_unit_not_started::CAUSE,
    &service::svc_starting_not_ready::CAUSE,
    &service::svc_not_enabled_after_reboot::CAUSE,
    &service::svc_not_installed::CAUSE,
    &service::svc_not_running::CAUSE,
    &service::no_listener_unknown_service::CAUSE,
    // wrappers: who hangs up after the handshake
    &wrappers::xinetd_only_from::CAUSE,
    &wrappers::tcp_wrappers_deny::CAUSE,
    // connect: what the program says after it
    &connect::app_proxy_upstream_down::CAUSE,
    &connect::app_redis_protected_mode::CAUSE,
    &connect::app_pg_hba_rejects::CAUSE,
    &connect::app_mysql_host_not_allowed::CAUSE,
    &connect::app_sshd_maxstartups::CAUSE,
];

/// The cause with this id.
pub fn by_id(id: &str) -> Option<&'static Cause> {
    ALL.iter().copied().find(|cause| cause.id == id)
}
