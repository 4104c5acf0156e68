//! Looking from inside another network namespace, as a process there would.

use std::fs::File;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::sources::Trouble;

/// Runs `look` in the network namespace of process `pid`, on a thread of its own that ends with it: a namespace belongs
/// to a thread, and ours must not change.
pub fn inside<T: Send>(pid: u32, look: impl FnOnce() -> Result<T, Trouble> + Send) -> Result<T, Trouble> {
    let namespace = File::open(format!("/proc/{pid}/ns/net"))
        .map_err(|e| Trouble::io(&format!("opening the network namespace of process {pid}"), &e))?;
    let enter = move || {
        setns(&namespace, CloneFlags::CLONE_NEWNET)
            .map_err(|e| Trouble::io(&format!("entering the network namespace of process {pid}"), &e.into()))?;
        look()
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, enter)
            .map_err(|e| Trouble::io("starting a thread", &e))?;
        thread.join().map_err(|_| Trouble::failed("looking broke off"))?
    })
}
