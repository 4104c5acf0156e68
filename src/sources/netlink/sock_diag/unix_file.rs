//! What the file system has at a socket's path, and where on the way there is nothing, or no permission.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{major, minor};
use nix::unistd::{AccessFlags, Gid, Group, Uid, User, access};

use crate::facts::socket::UnixFile;
use crate::sources::Trouble;

/// Links followed before a chain of them counts as endless (as in the kernel).
const LINKS: usize = 40;

/// Which file, as device and inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    major: u64,
    minor: u64,
    /// sock_diag tells the lower 32 bits only.
    pub(super) inode: u32,
    /// The device is one that mounts name too. Where it is not, stat(2) tells another number than the kernel keeps
    /// (btrfs; overlay over several file systems, seen on 6.18). Inodes are the same there, too.
    pub(super) comparable: bool,
}

impl Identity {
    /// As UNIX_DIAG_VFS tells it: the kernel's own 12 and 20 bits.
    pub(super) fn of_kernel(inode: u32, device: u32) -> Self {
        Self { major: u64::from(device >> 20), minor: u64::from(device & 0xf_ffff), inode, comparable: true }
    }

    fn of(file: &Metadata, mounts: &str) -> Self {
        let (major, minor) = (major(file.dev()), minor(file.dev()));
        let inode = u32::try_from(file.ino() & u64::from(u32::MAX)).unwrap_or_default();
        Self { major, minor, inode, comparable: is_mounted(mounts, major, minor) }
    }

    /// The same file.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.major, self.minor, self.inode) == (other.major, other.minor, other.inode)
    }

    /// The same file, as far as can be told without the device.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        self.inode == other.inode
    }
}

/// Does /proc/PID/mountinfo name this device (its third word is `major:minor`)?
fn is_mounted(mounts: &str, major: u64, minor: u64) -> bool {
    let device = format!("{major}:{minor}");
    mounts.lines().any(|line| line.split(' ').nth(2) == Some(&device))
}

/// What stands at an absolute path, links followed.
pub(super) fn look(path: &Path) -> Result<(UnixFile, Option<Identity>), Trouble> {
    match fs::metadata(path) {
        Ok(file) => {
            let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            let identity = Identity::of(&file, &mounts);
            Ok((there(path, &file), Some(identity)))
        }
        Err(error) => match stop(&error) {
            Some(Stop::Missing) => Ok((UnixFile::Missing { missing: shown(&first_missing(path)) }, None)),
            Some(Stop::Hidden) => Ok((UnixFile::Hidden { at: shown(&barrier(path)) }, None)),
            None => Err(Trouble::io(&format!("looking at {}", path.display()), &error)),
        },
    }
}

enum Stop {
    Missing,
    Hidden,
}

fn stop(error: &io::Error) -> Option<Stop> {
    let errno = error.raw_os_error().map(Errno::from_raw)?;
    if errno == Errno::EACCES {
        return Some(Stop::Hidden);
    }
    [Errno::ENOENT, Errno::ENOTDIR, Errno::ELOOP].contains(&errno).then_some(Stop::Missing)
}

fn there(path: &Path, file: &Metadata) -> UnixFile {
    UnixFile::There {
        kind: kind(file).into(),
        mode: file.mode() & 0o7777,
        uid: file.uid(),
        user: User::from_uid(Uid::from_raw(file.uid())).ok().flatten().map(|u| u.name),
        gid: file.gid(),
        group: Group::from_gid(Gid::from_raw(file.gid())).ok().flatten().map(|g| g.name),
        writable: access(path, AccessFlags::W_OK).is_ok(),
    }
}

fn kind(file: &Metadata) -> &'static str {
    let kind = file.file_type();
    if kind.is_socket() {
        "socket"
    } else if kind.is_file() {
        "regular file"
    } else if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_char_device() {
        "character device"
    } else if kind.is_block_device() {
        "block device"
    } else {
        "other"
    }
}

/// The first part of `path` that is not there; behind a link, the part that its target lacks.
fn first_missing(path: &Path) -> PathBuf {
    first_failing(path, &mut { LINKS }, |e| matches!(stop(e), Some(Stop::Missing)))
        .unwrap_or_else(|| path.to_path_buf())
}

/// The directory that must not be searched.
fn barrier(path: &Path) -> PathBuf {
    let part = first_failing(path, &mut { LINKS }, |e| matches!(stop(e), Some(Stop::Hidden)));
    let part = part.unwrap_or_else(|| path.to_path_buf());
    part.parent().map_or(part.clone(), Path::to_path_buf)
}

/// Walks a path from the root, through at most `links` links, to the first part that fails in this way.
fn first_failing(path: &Path, links: &mut usize, is: fn(&io::Error) -> bool) -> Option<PathBuf> {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    for part in parts {
        match fs::symlink_metadata(part) {
            Err(error) if is(&error) => return Some(part.to_path_buf()),
            Ok(file) if file.is_symlink() && *links > 0 => {
                *links -= 1;
                // What the link leads to may be what fails.
                let target = part.parent().unwrap_or(Path::new("/")).join(fs::read_link(part).ok()?);
                if let Some(found) = first_failing(&target, links, is) {
                    return Some(found);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
    None
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn missing(path: &Path) -> String {
        let (file, _) = look(path).unwrap();
        let UnixFile::Missing { missing } = file else { panic!("{file:?}") };
        missing
    }

    #[test]
    fn the_first_part_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        assert_eq!(missing(&at("run/app/x.sock")), shown(&at("run")));
        fs::create_dir_all(at("run/app")).unwrap();
        assert_eq!(missing(&at("run/app/x.sock")), shown(&at("run/app/x.sock")));
        symlink(at("gone/x.sock"), at("run/link.sock")).unwrap();
        assert_eq!(missing(&at("run/link.sock")), shown(&at("gone")), "behind the link");
        symlink("loop", at("run/loop")).unwrap();
        assert_eq!(missing(&at("run/loop")), shown(&at("run/loop")));
        fs::write(at("run/file"), "").unwrap();
        assert_eq!(missing(&at("run/file/x.sock")), shown(&at("run/file/x.sock")));
    }

    #[test]
    fn what_stands_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("x.sock");
        let _held = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o640)).unwrap();
        let (file, identity) = look(&socket).unwrap();
        let UnixFile::There { kind, mode, uid, writable, user, .. } = file else { panic!("{file:?}") };
        assert_eq!((kind.as_str(), mode, uid, writable), ("socket", 0o640, Uid::effective().as_raw(), true));
        assert_eq!(user, User::from_uid(Uid::effective()).unwrap().map(|u| u.name));
        assert!(identity.unwrap().comparable);
        for (path, kind) in [("/dev/null", "character device"), ("/", "directory"), ("/etc/passwd", "regular file")] {
            let (file, _) = look(Path::new(path)).unwrap();
            assert!(matches!(&file, UnixFile::There { kind: k, .. } if k == kind), "{file:?}");
        }
    }

    #[test]
    fn a_device_that_no_mount_names_cannot_be_compared() {
        let mounts = "25 30 0:23 / /run rw,nosuid shared:5 - tmpfs tmpfs rw\n30 1 254:0 / / rw - ext4 /dev/vda rw\n";
        assert!(is_mounted(mounts, 0, 23) && is_mounted(mounts, 254, 0));
        assert!(!is_mounted(mounts, 0, 2) && !is_mounted(mounts, 0, 230));
    }

    #[test]
    fn both_ways_of_numbering_a_device_mean_the_same() {
        let kernel = Identity::of_kernel(7, 259 << 20 | 3);
        assert_eq!((kernel.major, kernel.minor), (259, 3));
    }
}
