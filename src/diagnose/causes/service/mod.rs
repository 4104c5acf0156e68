//! Causes of the service box: the program that should answer does not run, or systemd holds its port for it.

pub(super) mod common;
pub(super) mod docker_daemon_down;
pub(super) mod no_listener_unknown_service;
pub(super) mod socket_unit_needs_restart_after_edit;
pub(super) mod socket_unit_not_started;
pub(super) mod socket_unit_overrides_daemon_config;
pub(super) mod socket_unit_service_start_limit;
pub(super) mod socket_unit_trigger_limit;
pub(super) mod svc_active_wrapper_hides_failure;
pub(super) mod svc_condition_unmet;
pub(super) mod svc_crashed_signal;
pub(super) mod svc_dependency_failed;
pub(super) mod svc_disk_full;
pub(super) mod svc_failed_config_syntax;
pub(super) mod svc_failed_missing_file;
pub(super) mod svc_failed_upstream_name_unresolved;
pub(super) mod svc_flapping_auto_restart;
pub(super) mod svc_masked;
pub(super) mod svc_not_enabled_after_reboot;
pub(super) mod svc_not_installed;
pub(super) mod svc_not_running;
pub(super) mod svc_oom_killed;
pub(super) mod svc_runtime_dir_missing;
pub(super) mod svc_start_limit_hit;
pub(super) mod svc_start_timeout;
pub(super) mod svc_starting_not_ready;
