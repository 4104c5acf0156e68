//! Stopping for a while, as a job of a shell.

use nix::sys::signal::{Signal, raise};
use nix::unistd::{getpgrp, getppid, getsid};

/// Is there a shell that can bring us back? The kernel asks the same before it lets SIGTSTP stop a program: whoever
/// leads its session, or has lost its parent, has none.
pub fn is_one() -> bool {
    let session = getsid(None).ok();
    session.is_some_and(|session| session != getpgrp()) && getsid(Some(getppid())).ok() == session
}

/// Stops until we are continued; false where nobody could do that.
pub fn stop() -> nix::Result<bool> {
    if !is_one() {
        return Ok(false);
    }
    // SIGTSTP is caught, so it would stop nothing. Returns when we are continued.
    raise(Signal::SIGSTOP).map(|()| true)
}
