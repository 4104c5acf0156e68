//! The walls of the sandbox: user, network and mount namespaces of this process.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::error::Error;

/// What stands for "nobody" on Linux, and owns nothing.
const NOBODY: u32 = 65534;
/// Ways to the host's services, and what they keep. In the sandbox there are none: what is broken here is none of theirs,
/// and what a fix notes down is gone with it.
const MASKED_DIRECTORIES: [&str; 3] = ["/run/systemd", "/run/dbus", "/var/lib"];
const MASKED_FILES: [&str; 2] = ["/run/docker.sock", "/run/podman/podman.sock"];
/// Empty on nearly every host, there on every host (FHS): a place for the sandbox's own files.
const PLACES: [&str; 4] = ["/srv", "/mnt", "/media", "/opt"];

/// Moves this process into namespaces of its own, in which it is root and outside of which it may do no more than
/// before. Root becomes nobody first, so that a demo run by root cannot touch the host either.
pub(super) fn enter() -> Result<(), Error> {
    let root = Uid::effective().is_root();
    let (uid, gid) = if root && !forbidden_to_users() && become_nobody().is_ok() {
        (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY))
    } else {
        (Uid::effective(), Gid::effective())
    };
    let private = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    match unshare(CloneFlags::CLONE_NEWUSER) {
        // The network comes after the map: what the kernel shows of it in /proc belongs to the root of that moment.
        Ok(()) => {
            become_root_inside(uid, gid).map_err(|e| forbidden(Box::new(e)))?;
            unshare(private).map_err(|e| forbidden(Box::new(e)))?;
        }
        // Root needs no user namespace: where there are none, the others alone keep network and mounts apart.
        Err(_) if root => {
            let zero = (Uid::from_raw(0), Gid::from_raw(0));
            let restored = setresuid(zero.0, zero.0, zero.0).and_then(|()| setresgid(zero.1, zero.1, zero.1));
            restored.and_then(|()| unshare(private)).map_err(|e| forbidden(Box::new(e)))?;
        }
        Err(errno) => return Err(forbidden(Box::new(errno))),
    }
    mask().map_err(|e| broken("the host's services cannot be hidden from it", e))
}

/// A directory that only the sandbox sees, and that is empty.
pub(super) fn private_directory() -> Result<&'static Path, Error> {
    let place = PLACES.into_iter().map(Path::new).find(|place| place.is_dir());
    let place =
        place.ok_or_else(|| Error::broken("the sandbox cannot be made: there is none of /srv, /mnt, /media"))?;
    empty(place).map_err(|e| broken("it gets no directory of its own", e))?;
    Ok(place)
}

/// Something of the sandbox could not be made.
pub(super) fn broken(what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::broken(format!("the sandbox cannot be made: {what}")).because(source)
}

/// Only the saved user stays root, so that there is a way back until the user namespace is there.
fn become_nobody() -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(gid, gid, Gid::from_raw(0))?;
    setresuid(uid, uid, Uid::from_raw(0))?;
    // Changing user hides /proc/self from ourselves; the maps below are written there.
    prctl::set_dumpable(true)
}

/// Maps root inside to the user outside.
fn become_root_inside(uid: Uid, gid: Gid) -> std::io::Result<()> {
    // A group map of one's own needs setgroups() switched off first (user_namespaces(7)).
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group)?;
    setresuid(root, root, root)?;
    Ok(())
}

fn mask() -> nix::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    for directory in MASKED_DIRECTORIES.into_iter().map(Path::new).filter(|d| d.is_dir()) {
        empty(directory)?;
    }
    for file in MASKED_FILES.into_iter().map(Path::new).filter(|f| f.exists()) {
        mount(Some("/dev/null"), file, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    Ok(())
}

/// Lays an empty file system over a directory.
fn empty(directory: &Path) -> nix::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), directory, Some("tmpfs"), flags, Some("mode=755,size=1m"))
}

/// Ubuntu 23.10 and later let users make the namespaces but take away every right in them.
fn forbidden_to_users() -> bool {
    setting("kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1")
}

fn setting(path: &str) -> Option<String> {
    Some(fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?.trim().to_owned())
}

/// Why there are no namespaces for us, and what to do about it.
fn forbidden(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let error = Error::broken("the sandbox cannot be made: this system does not allow user namespaces to this user");
    let knob = if forbidden_to_users() {
        Some("kernel.apparmor_restrict_unprivileged_userns=0")
    } else if setting("user/max_user_namespaces").as_deref() == Some("0") {
        Some("user.max_user_namespaces=10000")
    } else if setting("kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        Some("kernel.unprivileged_userns_clone=1")
    } else {
        None
    };
    if let Some(knob) = knob {
        // The errno (ENOSPC, EPERM) would only mislead beside the reason.
        return error.hint(format!("run it as root, or allow them: sysctl {knob}"));
    }
    let threads = source.downcast_ref::<Errno>() == Some(&Errno::EINVAL);
    let hint = if threads { "a thread was started before it: please report this" } else { "run it as root" };
    error.because(source).hint(hint)
}
