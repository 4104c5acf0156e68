//! Causes of the network box.

pub(super) mod cli_ephemeral_exhausted;
pub(super) mod cli_lo_down;
pub(super) mod cli_route_blackhole;
pub(super) mod cli_route_prohibit;
pub(super) mod cli_route_unreachable;
pub(super) mod lb_backend_down;
mod nowhere;
pub(super) mod path_host_down;
pub(super) mod path_middlebox_reset;
pub(super) mod path_no_route;
pub(super) mod path_port_forward_missing;
pub(super) mod path_return_route;
pub(super) mod path_rp_filter;
