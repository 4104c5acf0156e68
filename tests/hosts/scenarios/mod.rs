//! All scenarios, by the box of the flowchart they belong to.

mod app;
mod bind;
mod containers;
mod docker;
mod failed;
mod filters;
mod firewall;
mod healthy;
mod kernel;
mod managers;
mod name;
mod network;
mod policy;
mod port;
mod service;
mod sockets;
pub(crate) mod steps;
mod unix;
mod wrappers;

use crate::cmd::Step;
use crate::scenario::Scenario;

/// The one of that cause with that name.
pub(crate) fn named(cause: &str, name: &str) -> Step<&'static Scenario> {
    let found = all().find(|scenario| scenario.cause == cause && scenario.name == name);
    found.ok_or_else(|| format!("there is no scenario {cause}::{name}"))
}

/// Every scenario there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    let files = [
        healthy::SCENARIOS,
        service::SCENARIOS,
        failed::SCENARIOS,
        sockets::SCENARIOS,
        bind::SCENARIOS,
        port::SCENARIOS,
        unix::SCENARIOS,
        name::SCENARIOS,
        network::SCENARIOS,
        policy::SCENARIOS,
        firewall::SCENARIOS,
        managers::SCENARIOS,
        filters::SCENARIOS,
        docker::SCENARIOS,
        containers::SCENARIOS,
        kernel::SCENARIOS,
        wrappers::SCENARIOS,
        app::SCENARIOS,
    ];
    files.into_iter().flatten()
}
