//! Causes of the container box.

mod common;
pub(super) mod ct_app_bound_loopback;
pub(super) mod ct_app_not_listening;
pub(super) mod ct_client_localhost_inside;
pub(super) mod ct_forward_blocked;
pub(super) mod ct_host_firewall_blocks_container;
pub(super) mod ct_host_port_taken;
pub(super) mod ct_host_service_not_on_bridge;
pub(super) mod ct_iptables_flushed;
pub(super) mod ct_podman_rootless;
pub(super) mod ct_port_not_published;
pub(super) mod ct_published_on_loopback;
pub(super) mod ct_stopped_or_restarting;
pub(super) mod ct_wrong_container_port;
mod inside;
#[cfg(test)]
mod testing;

use crate::diagnose::Scene;
use crate::diagnose::containers::is_meant;

/// Does a container serve the port, or is meant to? Where somebody of the host should have it, that is not looked into.
/// None: not known (yet).
pub(super) fn serves(scene: &Scene<'_, '_>) -> Option<bool> {
    Some(is_meant(scene.look, scene.subject)? || ct_port_not_published::applies(scene)?)
}
