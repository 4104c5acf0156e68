//! Processes: asked to end, and made to after a while. Nobody brings one back.

use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::apply::change::Value;
use crate::error::Error;
use crate::fixes::action::Process;
use crate::sources::procfs;

/// How long it may take to end by itself.
const ASKED: Duration = Duration::from_secs(5);
/// How long the kernel may take to end it.
const MADE: Duration = Duration::from_secs(2);
/// How often it is looked after.
const LOOK: Duration = Duration::from_millis(20);

/// Whether that very process runs. One that has ended and whose parent has not asked for it yet does not.
pub(super) fn read(process: &Process) -> Value {
    if procfs::runs(process.pid, process.started) { Value::Present } else { Value::Absent }
}

/// Ends it: TERM, and KILL where that is not enough.
pub(super) async fn end(process: &Process) -> Result<(), Error> {
    let failed = |error: rustix::io::Errno| {
        Error::broken(format!("cannot end process {}", process.pid)).because(std::io::Error::from(error))
    };
    let Some(handle) = handle(process).map_err(failed)? else { return Ok(()) };
    for (signal, within) in [(Signal::TERM, ASKED), (Signal::KILL, MADE)] {
        match pidfd_send_signal(&handle, signal) {
            // It ended meanwhile.
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            sent => sent.map_err(failed)?,
        }
        if ended(process, within).await {
            return Ok(());
        }
    }
    Err(Error::broken(format!("process {} does not end, not even by force", process.pid)))
}

/// A handle on that process and no later one with its number; none: it has ended.
fn handle(process: &Process) -> rustix::io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(process.pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw) else {
        return Err(rustix::io::Errno::INVAL);
    };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        opened => opened?,
    };
    // Looked at after it was opened: from here on the number cannot be somebody else's.
    Ok((read(process) == Value::Present).then_some(handle))
}

async fn ended(process: &Process, within: Duration) -> bool {
    let began = Instant::now();
    while read(process) == Value::Present {
        if began.elapsed() > within {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn known(child: &std::process::Child) -> Process {
        let started = procfs::started(child.id()).unwrap();
        Process { pid: child.id(), started, name: "sh".into() }
    }

    fn spawn(script: &str) -> std::process::Child {
        let mut command = std::process::Command::new("sh");
        let mut child = command.args(["-c", script]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        // It has set its traps when it says something.
        let mut said = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        child
    }

    #[tokio::test]
    async fn a_process_is_asked_and_then_made_to_end() {
        let mut polite = spawn("echo; exec sleep 60");
        let process = known(&polite);
        assert_eq!(read(&process), Value::Present);
        end(&process).await.unwrap();
        assert_eq!(polite.wait().unwrap().signal(), Some(15));
        assert_eq!(read(&process), Value::Absent);
        end(&process).await.unwrap();

        let mut deaf = spawn("trap '' TERM; echo; while :; do sleep 0.2; done");
        let began = Instant::now();
        end(&known(&deaf)).await.unwrap();
        assert_eq!(deaf.wait().unwrap().signal(), Some(9));
        assert!(began.elapsed() >= ASKED);
    }

    #[tokio::test]
    async fn another_process_with_the_same_number_is_left_alone() {
        let mut child = spawn("echo; exec sleep 60");
        let mut process = known(&child);
        process.started += 1;
        assert_eq!(read(&process), Value::Absent);
        end(&process).await.unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it still runs");
        child.kill().unwrap();
        child.wait().unwrap();
        let init = Process { pid: 1, started: procfs::started(1).unwrap(), name: "init".into() };
        assert!(end(&init).await.is_err());
    }
}
