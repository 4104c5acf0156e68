//! Which daemons are installed, and the unit each one has here.

use super::files::Files;
use crate::facts::daemon::Daemon;

/// Where systemd looks for units, first one wins (systemd.unit(5)).
pub(in crate::sources) const UNIT_DIRS: [&str; 9] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Made from init scripts; the last resort.
const GENERATED_LATE: &str = "/run/systemd/generator.late";
const PROGRAM_DIRS: [&str; 6] =
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec", "/usr/local/nginx/sbin"];

/// The file of a unit: its own, or its template's for an instance.
pub(in crate::sources) fn unit_file(files: &dyn Files, unit: &str) -> Option<String> {
    let template = unit.split_once('@').map(|(name, rest)| {
        let suffix = rest.rsplit_once('.').map_or("service", |(_, suffix)| suffix);
        format!("{name}@.{suffix}")
    });
    let dirs = UNIT_DIRS.into_iter().chain([GENERATED_LATE]);
    // /dev/null (a masked unit) is there too.
    let find = |name: &str| dirs.clone().map(|dir| format!("{dir}/{name}")).find(|path| files.exists(path));
    find(unit).or_else(|| template.as_deref().and_then(find))
}

/// The unit that runs a daemon here. An alias is only taken when nothing else is there.
pub(super) fn unit(files: &dyn Files, daemon: Daemon) -> Option<String> {
    let units = daemon.units().iter().copied();
    units.into_iter().find(|unit| unit_file(files, unit).is_some()).map(String::from)
}

/// A daemon is installed when it has a unit or its program is there. Configuration alone may be what a removed package
/// left behind, and /etc/mysql belongs to the client's library.
pub(super) fn is_installed(files: &dyn Files, daemon: Daemon) -> bool {
    unit(files, daemon).is_some() || has_program(files, daemon.processes())
}

/// MariaDB, not MySQL.
pub(super) fn is_mariadb(files: &dyn Files) -> bool {
    has_program(files, &["mariadbd"]) || unit_file(files, "mariadb.service").is_some()
}

fn has_program(files: &dyn Files, names: &[&str]) -> bool {
    PROGRAM_DIRS.iter().any(|dir| names.iter().any(|name| files.exists(&format!("{dir}/{name}"))))
}
