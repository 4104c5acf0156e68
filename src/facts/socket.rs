//! Sockets that listen, and whose they are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Transport {
    /// `tcp` or `udp`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A TCP socket in LISTEN, or an unconnected UDP socket, as sock_diag tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listener {
    /// TCP or UDP.
    pub transport: Transport,
    /// Local address; unspecified for a wildcard.
    pub address: IpAddr,
    /// Local port.
    pub port: u16,
    /// For an IPv6 socket: does it refuse IPv4 (`[::]` in ss) or take both (`*` in ss)?
    pub v6only: Option<bool>,
    /// Interface it is bound to (SO_BINDTODEVICE).
    pub device: Option<String>,
    /// Connections waiting to be accepted now (Recv-Q).
    pub queue: u32,
    /// How many may wait (Send-Q of a listener).
    pub backlog: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Inode of the socket.
    pub inode: u32,
    /// Id of the control group it was created in, which names the unit (kernel 5.8 and later).
    pub cgroup: Option<u64>,
}

impl Listener {
    /// Would this socket take a connection to `ip`, as far as its address goes? (A bound device may still refuse.)
    pub fn takes(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(mine), IpAddr::V4(asked)) => mine.is_unspecified() || mine == asked,
            (IpAddr::V6(mine), IpAddr::V6(asked)) => mine.is_unspecified() || mine == asked,
            (IpAddr::V6(mine), IpAddr::V4(asked)) => {
                (mine.is_unspecified() && self.v6only == Some(false)) || mine.to_ipv4_mapped() == Some(asked)
            }
            (IpAddr::V4(_), IpAddr::V6(asked)) => asked.to_ipv4_mapped().is_some_and(|v4| self.takes(IpAddr::V4(v4))),
        }
    }

    /// Only this host itself can reach it.
    pub fn loopback_only(&self) -> bool {
        match self.address {
            IpAddr::V4(v4) => v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        }
    }

    /// Local address as ss prints it: `*:80` takes both families, `[::]:80` IPv6 only, `0.0.0.0%lo:80` one device.
    pub fn shown(&self) -> String {
        let device = self.device.as_ref().map(|d| format!("%{d}")).unwrap_or_default();
        match self.address {
            IpAddr::V6(v6) if v6.is_unspecified() && self.v6only == Some(false) => format!("*{device}:{}", self.port),
            IpAddr::V6(v6) => format!("[{v6}]{device}:{}", self.port),
            IpAddr::V4(v4) => format!("{v4}{device}:{}", self.port),
        }
    }
}

/// Who holds a socket: its control group, unit and processes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// Path of the control group below the cgroup2 root (`/system.slice/nginx.service`), if it still exists.
    pub cgroup: Option<String>,
    /// Unit that control group belongs to (`nginx.service`; `init.scope` means systemd itself: socket activation).
    pub unit: Option<String>,
    /// Processes that hold it. Empty when we may not look into other users' processes.
    pub processes: Vec<Process>,
    /// True when not all processes could be searched (no root).
    pub partial: bool,
}

impl Owner {
    /// The socket belongs to systemd, which starts the daemon on the first connection.
    pub fn is_systemd(&self) -> bool {
        self.unit.as_deref() == Some("init.scope") || self.processes.iter().any(|p| p.pid == 1)
    }

    /// The unit of the host's own systemd that it belongs to. A user's systemd has units of its own, which may be
    /// called like the host's.
    pub fn system_unit(&self) -> Option<&str> {
        let unit = self.unit.as_deref().filter(|unit| *unit != "init.scope")?;
        let of_user = self.cgroup.as_deref().is_some_and(|path| path.contains("/user@")) && !unit.starts_with("user@");
        (!of_user).then_some(unit)
    }

    /// `nginx[812]`, `nginx.service`, or `?`.
    pub fn shown(&self) -> String {
        match (self.processes.first(), &self.unit) {
            (Some(p), _) => format!("{}[{}]", p.name, p.pid),
            (None, Some(unit)) => unit.clone(),
            (None, None) => "?".into(),
        }
    }
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Command name (`comm`).
    pub name: String,
    /// Command line, NUL replaced by spaces, at most 300 bytes; empty when unreadable.
    pub command: String,
    /// When it started, seconds since the Unix epoch (0: unknown).
    pub started_at: u64,
    /// The same in clock ticks since boot (field 22 of /proc/PID/stat; 0: unknown), which tells it from a later one with
    /// its number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub started: u64,
}

/// A unix socket as sock_diag and the file system tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixSocket {
    /// Path, or the abstract name without `@`.
    pub path: String,
    /// What the file system has there.
    pub file: UnixFile,
    /// Sockets bound to that name (one socket in LISTEN is the healthy case).
    pub bound: Vec<UnixBound>,
}

/// What stands at a socket's path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnixFile {
    /// The name is abstract: there is no file.
    Abstract,
    /// Nothing; `missing` is the first directory on the way that does not exist, or the path itself.
    Missing {
        /// First part of the path that is not there.
        missing: String,
    },
    /// We may not look: `at` lacks search permission for us.
    Hidden {
        /// The directory that stops us.
        at: String,
    },
    /// Something.
    There {
        /// `socket`, `regular file`, `directory`, `symlink` ...
        kind: String,
        /// Permission bits, octal meaning as in `stat -c %a`.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Owner's name, if it has one.
        user: Option<String>,
        /// Group.
        gid: u32,
        /// Group's name, if it has one.
        group: Option<String>,
        /// May we write to it (connect needs that)?
        writable: bool,
    },
}

/// A socket bound to a unix name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixBound {
    /// `stream`, `dgram` or `seqpacket`.
    pub kind: String,
    /// In LISTEN.
    pub listening: bool,
    /// Inode.
    pub inode: u32,
    /// Connections waiting.
    pub queue: u32,
    /// How many may wait.
    pub backlog: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_name_counts_for_the_systemd_it_belongs_to() {
        let owner = |cgroup: &str, unit: &str| {
            let owner = Owner { cgroup: Some(cgroup.into()), unit: Some(unit.into()), ..Owner::default() };
            owner.system_unit().map(ToOwned::to_owned)
        };
        let manager = "/user.slice/user-1000.slice/user@1000.service";
        assert_eq!(owner("/system.slice/redis.service", "redis.service").as_deref(), Some("redis.service"));
        assert_eq!(owner(&format!("{manager}/app.slice/redis.service"), "redis.service"), None);
        assert_eq!(owner(&format!("{manager}/init.scope"), "user@1000.service").as_deref(), Some("user@1000.service"));
        assert_eq!(owner("/init.scope", "init.scope"), None);
    }
}
