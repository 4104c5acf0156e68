//! `unrefuse demo`: a really broken service in a private sandbox, to practise on. Nothing of the host is touched.
//!
//! The sandbox is a user, network and mount namespace of this very process: its own interfaces, addresses and packet
//! filter, no way to systemd, and no right to anything the caller could not do before. It is gone when the process is.
//! The service in it is this program, run once more with a hidden subcommand.
//!
//! # How to use it
//!
//! ```text
//! main, before anything else (no thread, no runtime, no signal handler):
//!   hidden subcommand [demo::SERVE, case, dir]  → demo::serve(case, dir), then leave with its result
//!   `demo` without a cause                      → print demo::listing()
//!   `demo CASE`                                 → let sandbox = demo::enter(case)?;
//!                                                 show sandbox.story, then check or show sandbox.target as ever,
//!                                                 keeping `sandbox` alive: dropping it stops the service
//! ```

#![expect(clippy::disallowed_methods, reason = "the sandbox is made here: namespaces, mounts, a child and its rules")]

mod cases;
mod namespaces;
mod network;
mod rules;
mod service;

use std::path::Path;

use crate::error::Error;
pub use cases::{Demo, list, listing};
pub use service::{SERVE, serve};

/// The broken host we are now on.
#[derive(Debug)]
pub struct Sandbox {
    /// What to point the program at.
    pub target: String,
    /// What a user would complain about, some lines of text.
    pub story: String,
    /// Runs as long as this lives.
    _service: Option<service::Service>,
}

/// Moves this process into a sandbox in which `case` is the matter. Call it while the process has one thread: the
/// kernel refuses a new user namespace to more.
pub fn enter(case: &str) -> Result<Sandbox, Error> {
    let demo = cases::by_id(case)?;
    namespaces::enter()?;
    network::build().map_err(|e| namespaces::broken("its network cannot be built", e))?;
    let dir = if demo.needs_directory() { namespaces::private_directory()? } else { Path::new("/") };
    if let Some(rules) = demo.rules {
        rules::load(rules)?;
    }
    let service = demo.has_service().then(|| service::start(demo.id, dir)).transpose()?;
    Ok(Sandbox { target: demo.target_in(dir), story: demo.story_in(dir), _service: service })
}
