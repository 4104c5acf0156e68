//! /proc and /sys: this host, the owners of sockets, kernel settings, other network namespaces.

mod host;
mod limits;
mod network;
mod owner;
mod process;
mod session;

use std::fs;
use std::io;
use std::path::{Component, Path};

use super::Trouble;
pub use host::host;
pub use limits::limits;
pub use network::other_network;
pub use owner::{owner, owners};
pub use process::{no_new_privileges, runs, started, stopped};
pub use session::{Session, session};

/// A kernel setting by its path below /proc/sys, without the blanks around it. None when this kernel has no such setting.
pub fn sysctl(path: &str) -> Result<Option<String>, Trouble> {
    let below = Path::new(path);
    let plain = !path.is_empty() && below.components().all(|c| matches!(c, Component::Normal(_)));
    if !plain {
        return Err(Trouble::failed("that is not a path below /proc/sys"));
    }
    let file = Path::new("/proc/sys").join(below);
    match fs::read(&file) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => check_mounted().map(|()| None),
        Err(e) => Err(Trouble::io(&format!("reading {}", file.display()), &e)),
    }
}

/// /proc is there at all.
pub(super) fn check_mounted() -> Result<(), Trouble> {
    if Path::new("/proc/self/stat").exists() { Ok(()) } else { Err(Trouble::failed("/proc is not mounted")) }
}

/// Other users' processes cannot even be seen: /proc is mounted with hidepid.
fn is_hiding() -> bool {
    !Path::new("/proc/1").exists()
}

fn hidden() -> Trouble {
    Trouble::denied("root: /proc hides the processes of other users (hidepid)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_trimmed() {
        let release = sysctl("kernel/osrelease").unwrap().unwrap();
        assert_eq!(release, release.trim());
        assert!(release.starts_with(|c: char| c.is_ascii_digit()), "{release}");
        assert_eq!(sysctl("net/core/no_such_setting").unwrap(), None);
    }

    #[test]
    fn no_path_leads_out_of_proc_sys() {
        for path in ["", "..", "../self/environ", "net/../../self/environ", "/etc/passwd", "./kernel"] {
            assert!(sysctl(path).is_err(), "{path}");
        }
        assert!(sysctl("kernel\0").is_err());
    }
}
