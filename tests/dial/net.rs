//! Network namespaces of this process.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Uid, getgid, getuid};

/// Puts this process into a network of its own, so that no mistake below can touch the host's.
pub(crate) fn leave_the_host() -> Result<(), String> {
    if Uid::effective().is_root() {
        return unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("root, but no network namespaces: {e}"));
    }
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(|e| format!("needs root or user namespaces: {e}"))?;
    fs::write("/proc/self/setgroups", "deny").map_err(|e| e.to_string())?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(|e| e.to_string())?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(|e| e.to_string())
}

/// A network namespace; it is gone when this and every socket in it are.
pub(crate) struct Net(File);

impl Net {
    pub(crate) fn new() -> Self {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(made.join().unwrap())
    }

    /// Runs something on a thread that lives in this namespace.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let ran = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            match ran.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// A path by which `ip link add ... netns` finds this namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs `ip` commands, one a line.
    pub(crate) fn ip(&self, commands: &str) {
        self.run(|| feed("ip", &["-batch", "-"], commands));
    }

    /// Sets a kernel setting of this namespace.
    pub(crate) fn sysctl(&self, path: &str, value: &str) {
        self.run(|| fs::write(format!("/proc/sys/{path}"), value).unwrap());
    }
}

/// Runs a program with this on its standard input and demands success: a fault that was not made proves nothing.
pub(crate) fn feed(program: &str, args: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}\n{input}", String::from_utf8_lossy(&output.stderr));
}
