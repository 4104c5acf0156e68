//! Private network and mount namespaces for each trial, and what is put into them.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;

use libtest_mimic::Failed;
use nix::mount::{MsFlags, mount};
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
    thread::spawn(|| enter().map_err(|e| format!("no namespaces: {e}")))
        .join()
        .map_err(|_| "trying out namespaces broke off".to_owned())?
}

/// Root of this host, not only of a user namespace.
pub(crate) fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    Uid::effective().is_root() && map.split_whitespace().nth(2) == Some("4294967295")
}

/// Runs a test on a thread with namespaces of its own; the programs it starts are in them too.
pub(crate) fn inside(test: fn() -> Outcome) -> Outcome {
    let trial = thread::spawn(move || {
        enter()?;
        run("ip", &["link", "set", "lo", "up"])?;
        test()
    });
    trial.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Leaves the host's network and mounts behind; no mount made from now on reaches it.
fn enter() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    mount::<str, str, str, str>(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)
}

/// Runs a program in this thread's namespaces; its output.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Puts a text in the place of a file of the host, for this trial only.
pub(crate) fn replace(path: &str, text: impl AsRef<[u8]>) -> Outcome {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), text)?;
    fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    // The mount holds the file when its name is gone.
    mount::<Path, str, str, str>(Some(file.path()), path, None, MsFlags::MS_BIND, None)?;
    Ok(())
}

/// Puts an empty directory in the place of one of the host, for this trial only.
pub(crate) fn empty(path: &str) -> Outcome {
    mount::<str, str, str, str>(Some("unrefuse"), path, Some("tmpfs"), MsFlags::empty(), None)?;
    Ok(())
}

/// Makes the host look as if systemd were its service manager.
pub(crate) fn pretend_systemd() -> Outcome {
    empty("/run")?;
    fs::create_dir_all("/run/systemd/system")?;
    Ok(())
}
