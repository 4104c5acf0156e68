//! Control groups: from the id in a socket to the unit that made it.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use super::Trouble;

/// More control groups than any host has; a walk that meets more is not looking at control groups.
const MOST: usize = 200_000;
/// Deeper than the kernel's cgroup.max.depth is ever set in practice.
const DEEPEST: usize = 64;

/// Path below the cgroup2 root of the control group with this id; none when it is gone (or outside our container).
///
/// The id is the inode number of the group's directory, and reading the parent directory tells it: no stat is needed.
pub fn path_of(id: u64) -> Result<Option<String>, Trouble> {
    let Some(root) = root()? else { return Ok(None) };
    find(&root, id)
}

/// Id of a control group (inode of its directory), by its path below the root.
pub fn id_of(path: &str) -> Option<u64> {
    Some(fs::metadata(directory(path)?).ok()?.ino())
}

/// The processes of a control group, without those of groups below it. A group that has gone has none.
pub fn processes_of(path: &str) -> Vec<u32> {
    let list = directory(path).and_then(|d| fs::read_to_string(d.join("cgroup.procs")).ok());
    // A process outside our pid namespace is listed as 0.
    list.unwrap_or_default().lines().filter_map(|l| l.parse().ok()).filter(|pid| *pid != 0).collect()
}

/// The unit a control group belongs to: `/system.slice/nginx.service/worker` is part of nginx.service.
///
/// The first unit below the slices counts, as for systemd itself: what follows is the unit's own business, and may be
/// the groups of another systemd in a container. Only a user's manager (`user@1000.service`) has units of its own below.
pub fn unit_of(path: &str) -> Option<String> {
    let mut parts = path.split('/').filter(|p| !p.is_empty()).map(unescaped).skip_while(|p| is_slice(p)).peekable();
    let unit = parts.next().filter(|p| is_unit(p))?;
    if unit.starts_with("user@") && kind(unit) == Some("service") {
        let own = parts.find(|p| !is_slice(p)).filter(|p| is_unit(p));
        return Some(own.unwrap_or(unit).into());
    }
    Some(unit.into())
}

/// systemd puts `_` before a name that the kernel would take for one of its own files.
fn unescaped(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

fn is_slice(part: &str) -> bool {
    kind(part) == Some("slice")
}

fn is_unit(part: &str) -> bool {
    matches!(kind(part), Some("service" | "scope" | "socket" | "mount" | "swap"))
}

/// What follows the last dot of a unit's name.
fn kind(part: &str) -> Option<&str> {
    part.rsplit_once('.').filter(|(name, _)| !name.is_empty()).map(|(_, kind)| kind)
}

/// Directory of a control group; none for paths that lead elsewhere.
fn directory(path: &str) -> Option<PathBuf> {
    let below = Path::new(path.trim_start_matches('/'));
    let plain = below.components().all(|c| matches!(c, Component::Normal(_)));
    if !plain {
        return None;
    }
    Some(root().ok()??.join(below))
}

/// Where the cgroup2 hierarchy is mounted (`/sys/fs/cgroup`, on hybrid hosts `/sys/fs/cgroup/unified`).
fn root() -> Result<Option<PathBuf>, Trouble> {
    let mounts = fs::read("/proc/self/mountinfo").map_err(|e| Trouble::io("reading /proc/self/mountinfo", &e))?;
    Ok(mounted(&String::from_utf8_lossy(&mounts)))
}

/// Mount point of cgroup2 in a mountinfo; one that shows the whole hierarchy is preferred.
fn mounted(mountinfo: &str) -> Option<PathBuf> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut words = place.split(' ').skip(3);
        let (root, point) = (words.next()?, words.next()?);
        (kind.split(' ').next() == Some("cgroup2")).then(|| (root != "/", PathBuf::from(unquoted(point))))
    });
    mounts.min_by_key(|(partial, _)| *partial).map(|(_, point)| point)
}

/// mountinfo writes blanks and backslashes as `\040`.
fn unquoted(quoted: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(quoted.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

fn find(root: &Path, id: u64) -> Result<Option<String>, Trouble> {
    if fs::metadata(root).is_ok_and(|m| m.ino() == id) {
        return Ok(Some("/".into()));
    }
    let mut waiting = VecDeque::from([(root.to_path_buf(), 0)]);
    let mut seen = 0;
    while let Some((directory, depth)) = waiting.pop_front() {
        // A group may vanish while we walk.
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
            if entry.ino() == id {
                return Ok(Some(below(root, &entry.path())));
            }
            seen += 1;
            if depth < DEEPEST {
                waiting.push_back((entry.path(), depth + 1));
            }
        }
        if seen > MOST {
            return Err(Trouble::failed(format!("there are more than {MOST} control groups")));
        }
    }
    Ok(None)
}

fn below(root: &Path, path: &Path) -> String {
    format!("/{}", path.strip_prefix(root).unwrap_or(path).to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_paths_and_mounts_are_survived(text in damaged::text(&[
            "/system.slice/system-postgresql.slice/postgresql@15-main.service/x",
            "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        ])) {
            if let Some(unit) = unit_of(&text) {
                proptest::prop_assert!(text.contains(&unit) && is_unit(&unit));
            }
            let _ = mounted(&text);
        }
    }

    #[test]
    fn the_unit_is_the_first_below_the_slices() {
        for (path, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/system-postgresql.slice/postgresql@15-main.service", Some("postgresql@15-main.service")),
            ("/system.slice/docker.service/delegated/x", Some("docker.service")),
            ("/system.slice/ssh.socket", Some("ssh.socket")),
            ("/init.scope", Some("init.scope")),
            ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            (
                "/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service",
                Some("serial-getty@ttyS0.service"),
            ),
            ("/system.slice/my\\x2dapp.service", Some("my\\x2dapp.service")),
            ("/system.slice/_cpu.service", Some("cpu.service")),
            ("/", None),
            ("", None),
            ("/system.slice", None),
            ("/docker/0a1b2c", None),
            ("/system.slice/.service", None),
        ] {
            assert_eq!(unit_of(path).as_deref(), unit, "{path}");
        }
    }

    #[test]
    fn a_users_own_units_are_told() {
        let user = "/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(unit_of(&format!("{user}/app.slice/podman.service")).as_deref(), Some("podman.service"));
        assert_eq!(unit_of(&format!("{user}/init.scope")).as_deref(), Some("init.scope"));
        assert_eq!(unit_of(user).as_deref(), Some("user@1000.service"));
        assert_eq!(unit_of(&format!("{user}/odd")).as_deref(), Some("user@1000.service"));
    }

    #[test]
    fn the_units_of_a_containers_own_systemd_are_not_taken_for_this_hosts() {
        for (path, unit) in [
            ("/system.slice/docker-5f.scope/init.scope", "docker-5f.scope"),
            (
                "/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service",
                "systemd-nspawn@web.service",
            ),
            ("/machine.slice/libpod-5f.scope/container/system.slice/nginx.service", "libpod-5f.scope"),
            ("/kubepods.slice/kubepods-besteffort.slice/cri-containerd-5f.scope", "cri-containerd-5f.scope"),
        ] {
            assert_eq!(unit_of(path).as_deref(), Some(unit), "{path}");
        }
        assert_eq!(unit_of("/lxc.payload.web/system.slice/nginx.service"), None);
    }

    #[test]
    fn the_mount_is_found_on_unified_and_hybrid_hosts() {
        let unified =
            "24 1 0:5 / /proc rw - proc proc rw\n30 22 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(unified), Some("/sys/fs/cgroup".into()));
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup \
                      cgroup rw,name=systemd\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mounted("31 23 0:28 / /sys/fs/cgroup rw - tmpfs cgroup2 rw\n"), None);
        let partial =
            "41 31 0:38 /docker/5f /a rw - cgroup2 cgroup2 rw\n42 31 0:38 / /my\\040groups rw - cgroup2 x rw\n";
        assert_eq!(mounted(partial), Some("/my groups".into()));
    }

    #[test]
    fn walking_finds_a_directory_by_its_inode() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("system.slice/system-x.slice/x@1.service");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(root.path().join("user.slice")).unwrap();
        let id = fs::metadata(&deep).unwrap().ino();
        assert_eq!(find(root.path(), id).unwrap().as_deref(), Some("/system.slice/system-x.slice/x@1.service"));
        let own = fs::metadata(root.path()).unwrap().ino();
        assert_eq!(find(root.path(), own).unwrap().as_deref(), Some("/"));
        fs::remove_dir(&deep).unwrap();
        assert_eq!(find(root.path(), id).unwrap(), None);
    }

    #[test]
    fn paths_that_lead_out_of_the_hierarchy_are_no_groups() {
        assert_eq!(directory("/../../etc"), None);
        assert_eq!(directory("/system.slice/../../../etc"), None);
        assert_eq!(id_of("/system.slice/no-such.service"), None);
    }
}
