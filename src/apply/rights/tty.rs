//! The terminal, while a program asks for a password on it: that program and what it starts are in the foreground, as a job
//! of a shell is. So what is typed reaches nobody else, and neither Ctrl-C nor Ctrl-Z reaches us.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// Our terminal, where we are the job in its foreground.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: File,
    own: Pid,
}

/// It is lent to another job, and comes back when this is dropped.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    terminal: &'a Terminal,
    job: Pid,
}

/// There is a terminal to ask on.
pub(super) fn there_is_one() -> bool {
    open().is_ok()
}

fn open() -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open("/dev/tty")
}

impl Terminal {
    /// None where it is not ours to lend.
    pub(super) fn ours() -> Option<Self> {
        let tty = open().ok()?;
        let own = getpgrp();
        // 0: the job is of another process namespace, and cannot be named here.
        let ours = own.as_raw() > 0 && tcgetpgrp(&tty) == Ok(own);
        ours.then_some(Self { tty, own })
    }

    /// Puts a job in the foreground.
    pub(super) fn lend(&self, job: Pid) -> Lent<'_> {
        self.to(job);
        let lent = Lent { terminal: self, job };
        // It may have asked for the terminal already, and have been stopped for that.
        lent.go_on();
        lent
    }

    fn to(&self, job: Pid) {
        // Whoever is in the background is stopped by this signal when it does what we do here.
        let set = SigSet::from(Signal::SIGTTOU);
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        // The terminal may be gone: then nobody types on it either.
        let _ = tcsetpgrp(&self.tty, job);
        if let Ok(before) = before {
            let _ = before.thread_swap_mask(SigmaskHow::SIG_SETMASK);
        }
    }
}

impl Lent<'_> {
    /// A job that was stopped (Ctrl-Z) goes on: there is no shell to bring it back.
    pub(super) fn go_on(&self) {
        // It has ended: that is seen elsewhere.
        let _ = killpg(self.job, Signal::SIGCONT);
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.terminal.to(self.terminal.own);
    }
}
