//! What a daemon's own configuration says: where it wants to listen, and in which file and line that is set.

use serde::{Deserialize, Serialize};

use super::beyond::Beyond;

/// The daemons whose configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Daemon {
    /// nginx
    Nginx,
    /// Apache httpd
    Apache,
    /// OpenSSH server
    Sshd,
    /// MariaDB or MySQL
    Mysql,
    /// PostgreSQL
    Postgres,
    /// Redis
    Redis,
    /// HAProxy
    Haproxy,
    /// vsftpd
    Vsftpd,
    /// memcached
    Memcached,
}

impl Daemon {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Nginx,
        Self::Apache,
        Self::Sshd,
        Self::Mysql,
        Self::Postgres,
        Self::Redis,
        Self::Haproxy,
        Self::Vsftpd,
        Self::Memcached,
    ];

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::Sshd => "sshd",
            Self::Mysql => "mariadb/mysql",
            Self::Postgres => "postgresql",
            Self::Redis => "redis",
            Self::Haproxy => "haproxy",
            Self::Vsftpd => "vsftpd",
            Self::Memcached => "memcached",
        }
    }

    /// Names its unit has on the distributions, likeliest first. PostgreSQL's instances are found by its clusters.
    pub fn units(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.service"],
            Self::Apache => &["apache2.service", "httpd.service"],
            Self::Sshd => &["ssh.service", "sshd.service"],
            Self::Mysql => &["mariadb.service", "mysql.service", "mysqld.service"],
            Self::Postgres => &["postgresql.service"],
            Self::Redis => &["redis-server.service", "redis.service"],
            Self::Haproxy => &["haproxy.service"],
            Self::Vsftpd => &["vsftpd.service"],
            Self::Memcached => &["memcached.service"],
        }
    }

    /// Is this unit one that runs this daemon (instances included)?
    pub fn runs_as(self, unit: &str) -> bool {
        let postgres = || unit.starts_with("postgresql@") || is_numbered(unit.strip_prefix("postgresql-"));
        let redis = || unit.starts_with("redis-server@") || unit.starts_with("redis@");
        self.units().contains(&unit) || (self == Self::Postgres && postgres()) || (self == Self::Redis && redis())
    }

    /// Ports it takes when nothing is configured.
    pub fn default_ports(self) -> &'static [u16] {
        match self {
            Self::Nginx | Self::Apache => &[80, 443],
            Self::Sshd => &[22],
            Self::Mysql => &[3306],
            Self::Postgres => &[5432],
            Self::Redis => &[6379],
            Self::Haproxy => &[],
            Self::Vsftpd => &[21],
            Self::Memcached => &[11211],
        }
    }

    /// Names its process has (`comm`).
    pub fn processes(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx"],
            Self::Apache => &["apache2", "httpd"],
            Self::Sshd => &["sshd"],
            Self::Mysql => &["mariadbd", "mysqld"],
            Self::Postgres => &["postgres", "postmaster"],
            Self::Redis => &["redis-server", "redis"],
            Self::Haproxy => &["haproxy"],
            Self::Vsftpd => &["vsftpd"],
            Self::Memcached => &["memcached"],
        }
    }
}

/// `16.service`, as the PostgreSQL project's own packages name their units.
fn is_numbered(rest: Option<&str>) -> bool {
    rest.is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
}

/// The effective configuration of one daemon instance, as far as reaching it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonConfig {
    /// Which daemon.
    pub daemon: Daemon,
    /// Unit that runs this instance (`postgresql@15-main.service`), where the configuration tells it.
    pub unit: Option<String>,
    /// Where it wants to listen; what does not listen (skip-networking, port 0) yields none.
    pub listens: Vec<ConfiguredListen>,
    /// Settings that leave it no port at all, with where they stand (`skip-networking`, `port 0`,
    /// `listen_addresses = ''`); none while it listens on any port.
    pub silenced_by: Vec<Origin>,
    /// Files that were read, in order.
    pub files: Vec<String>,
    /// What could not be read or understood (`/etc/nginx/x.conf: permission denied`).
    pub gaps: Vec<String>,
    /// What it says beyond where it listens.
    #[serde(default, skip_serializing_if = "Beyond::is_empty")]
    pub beyond: Beyond,
}

/// One place where a daemon wants to listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfiguredListen {
    /// Address as configured: an IP, `*`, a host name, or an absolute path of a unix socket.
    pub address: ListenAddress,
    /// Port; none for a unix socket.
    pub port: Option<u16>,
    /// For an IPv6 wildcard: does the daemon ask for IPv6 only? None: the kernel's `bindv6only` decides.
    pub v6only: Option<bool>,
    /// The setting that decides the address, and where it stands; none when it is the daemon's built-in default.
    pub address_set_by: Option<Origin>,
    /// The setting that decides the port, likewise.
    pub port_set_by: Option<Origin>,
}

/// A configured address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenAddress {
    /// One address; unspecified for a wildcard of that family.
    Ip(std::net::IpAddr),
    /// All addresses of both families.
    Any,
    /// A name to be resolved when the daemon starts.
    Name(String),
    /// A unix socket.
    Path(String),
}

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// File.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
    /// The line as it stands, trimmed.
    pub text: String,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
