//! This host: its name, its boot, its kernel, who we are on it, and whether it is a container.

use std::fs;
use std::path::Path;

use nix::unistd::{Uid, User, gethostname};

use super::Trouble;
use crate::facts::host::Host;

/// This host.
pub fn host() -> Result<Option<Host>, Trouble> {
    let uid = Uid::effective();
    Ok(Some(Host {
        hostname: hostname(),
        boot_id: word("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
        booted_at: procfs::boot_time_secs().unwrap_or(0),
        kernel: word("/proc/sys/kernel/osrelease").unwrap_or_default(),
        uid: uid.as_raw(),
        user: User::from_uid(uid).ok().flatten().map(|u| u.name),
        // sd_booted(3) looks at this, too.
        systemd: Path::new("/run/systemd/system").is_dir(),
        container: container(Path::new("/")),
    }))
}

fn hostname() -> String {
    gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What container the host with this root is, by what container managers leave in it.
fn container(root: &Path) -> Option<String> {
    let told = ["run/systemd/container", "run/host/container-manager"].into_iter().find_map(|p| word(root.join(p)));
    told.or_else(|| in_environment(&fs::read(root.join("proc/1/environ")).ok()?))
        .or_else(|| root.join(".dockerenv").exists().then(|| "docker".into()))
        .or_else(|| root.join("run/.containerenv").exists().then(|| "podman".into()))
}

/// `container=` of an environment block.
fn in_environment(block: &[u8]) -> Option<String> {
    let value = block.split(|b| *b == 0).find_map(|entry| entry.strip_prefix(b"container="))?;
    some_word(value)
}

/// The text of a small file, trimmed; none when it is empty or unreadable.
fn word(path: impl AsRef<Path>) -> Option<String> {
    some_word(&fs::read(path).ok()?)
}

fn some_word(bytes: &[u8]) -> Option<String> {
    let word = String::from_utf8_lossy(bytes).trim().to_owned();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_read() {
        let host = host().unwrap().unwrap();
        assert_eq!(host.boot_id.len(), 36, "{host:?}");
        assert!(host.booted_at > 1_500_000_000, "{host:?}");
        assert_eq!(host.uid, Uid::effective().as_raw());
        assert!(!host.kernel.is_empty() && !host.hostname.is_empty(), "{host:?}");
    }

    #[test]
    fn containers_are_known_by_what_their_managers_leave() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let container = || container(root.path());
        assert_eq!(container(), None);
        put("run/.containerenv", "");
        assert_eq!(container().as_deref(), Some("podman"));
        put(".dockerenv", "");
        assert_eq!(container().as_deref(), Some("docker"));
        put("proc/1/environ", "PATH=/bin\0mycontainer=no\0container=lxc\0");
        assert_eq!(container().as_deref(), Some("lxc"));
        put("run/host/container-manager", "systemd-nspawn\n");
        assert_eq!(container().as_deref(), Some("systemd-nspawn"));
        put("run/systemd/container", "\n");
        assert_eq!(container().as_deref(), Some("systemd-nspawn"), "an empty file says nothing");
        put("run/systemd/container", "docker");
        assert_eq!(container().as_deref(), Some("docker"));
    }

    #[test]
    fn an_environment_without_it_is_no_container() {
        assert_eq!(in_environment(b"A=1\0B=container=x\0container=\0"), None);
        assert_eq!(in_environment(b""), None);
    }
}
