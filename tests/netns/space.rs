//! A private network namespace for each trial, and the programs run in it.

use std::fs;
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use libtest_mimic::Failed;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};

pub(crate) type Outcome = Result<(), Failed>;

/// Makes namespaces possible: root needs nothing, others become root of a user namespace. Before any thread starts.
pub(crate) fn prepare() -> Result<(), String> {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    if !uid.is_root() {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|e| format!("no user namespaces for uid {uid}: {e}"))?;
        let write = |file: &str, text: String| fs::write(file, text).map_err(|e| format!("{file}: {e}"));
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET))
        .join()
        .map_err(|_| "trying out a namespace broke off".to_owned())?
        .map_err(|e| format!("no network namespaces: {e}"))
}

/// Root of this host, not only of a user namespace.
pub(crate) fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    Uid::effective().is_root() && map.split_whitespace().nth(2) == Some("4294967295")
}

/// Runs a test on a thread with a network namespace, and a working directory, of its own.
pub(crate) fn inside(test: fn() -> Outcome) -> Outcome {
    elsewhere(move || {
        run("ip", &["link", "set", "lo", "up"])?;
        test()
    })
}

/// Runs something in a fresh network namespace.
pub(crate) fn elsewhere<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    let trial = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_FS)?;
        look()
    });
    trial.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs a program in this thread's namespaces; its output.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Two interfaces joined by a wire, both up.
pub(crate) fn wire(near: &str, far: &str) -> Outcome {
    run("ip", &["link", "add", near, "type", "veth", "peer", "name", far])?;
    run("ip", &["link", "set", near, "up"])?;
    run("ip", &["link", "set", far, "up"])?;
    Ok(())
}
