//! Where PostgreSQL listens: every cluster's postgresql.conf, what it includes, and what ALTER SYSTEM overrode.

use super::address::{ANY4, ANY6, ip_or_name, port};
use super::files::{absolute, dir_of};
use super::hba;
use super::reader::{Need, Reader, Set, lines, listen, origin, unix};
use crate::facts::daemon::Origin;

/// As the server itself (`CONF_FILE_MAX_DEPTH`).
const DEEPEST: usize = 10;

/// A cluster on this host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    /// Its postgresql.conf.
    pub(super) conf: String,
    /// Its data directory, unless the configuration says otherwise.
    pub(super) data: String,
    /// Directory of its unix socket when nothing is configured.
    pub(super) socket_dir: &'static str,
    /// Units that may run it, likeliest first.
    pub(super) units: Vec<String>,
    /// Its server program, where the distribution's layout tells it.
    pub(super) program: Option<String>,
}

/// Finds the clusters of Debian (`/etc/postgresql`) and Red Hat (`/var/lib/pgsql`).
pub(super) fn clusters(reader: &mut Reader<'_>) -> Vec<Cluster> {
    let mut found = Vec::new();
    for conf in reader.expand("/etc/postgresql/*/*/postgresql.conf") {
        let mut parts = conf.rsplit('/').skip(1);
        if let (Some(name), Some(version)) = (parts.next(), parts.next()) {
            found.push(Cluster {
                data: format!("/var/lib/postgresql/{version}/{name}"),
                socket_dir: "/var/run/postgresql",
                units: vec![format!("postgresql@{version}-{name}.service")],
                program: Some(format!("/usr/lib/postgresql/{version}/bin/postgres")),
                conf,
            });
        }
    }
    for pattern in ["/var/lib/pgsql/data", "/var/lib/pgsql/[0-9]*/data"] {
        for data in reader.expand(pattern) {
            // The directory exists before `initdb` has filled it, and often may not be looked into.
            let conf = format!("{data}/postgresql.conf");
            if matches!(reader.files.kind(&conf), Err(super::files::Unread::Missing)) {
                continue;
            }
            let version = dir_of(&data).rsplit('/').next().filter(|v| *v != "pgsql");
            let own = version.map(|v| format!("postgresql-{v}.service"));
            let units = own.into_iter().chain([String::from("postgresql.service")]).collect();
            found.push(Cluster { conf, data, socket_dir: "/run/postgresql", units, program: None });
        }
    }
    found
}

/// Settings that decide; the last one counts.
struct Postgres {
    addresses: Set<String>,
    port: Set<u16>,
    sockets: Set<String>,
    data: String,
    hba: Option<String>,
}

/// Reads one cluster.
pub(super) fn read(reader: &mut Reader<'_>, cluster: &Cluster) {
    let mut postgres = Postgres {
        addresses: Set::built_in("localhost".into()),
        port: Set::built_in(5432),
        sockets: Set::built_in(cluster.socket_dir.into()),
        data: cluster.data.clone(),
        hba: None,
    };
    postgres.file(reader, &cluster.conf, Need::Must);
    // ALTER SYSTEM writes here, and it wins over the main file.
    let auto = format!("{}/postgresql.auto.conf", postgres.data);
    postgres.file(reader, &auto, Need::May);
    if let Some(program) = cluster.program.as_deref().filter(|p| !reader.files.exists(p)) {
        reader.gap(format!("{program}: no such file"));
    }
    if reader.has_read(&cluster.conf) {
        let file = absolute(&postgres.data, postgres.hba.as_deref().unwrap_or("pg_hba.conf"));
        reader.beyond.hba = hba::read(reader.files, &file);
        reader.beyond.hba_file = Some(file);
        postgres.listens(reader);
    }
}

impl Postgres {
    fn file(&mut self, reader: &mut Reader<'_>, path: &str, need: Need) {
        let Some(text) = reader.enter(path, need, DEEPEST) else { return };
        for (number, line) in lines(&text) {
            match setting(line) {
                Ok(Some((key, value))) => self.setting(reader, &key, value, origin(path, number, line)),
                Ok(None) => {}
                Err(()) => reader.gap(format!("{path}:{number}: not understood")),
            }
        }
        reader.leave();
    }

    fn setting(&mut self, reader: &mut Reader<'_>, key: &str, value: String, at: Origin) {
        match key {
            "listen_addresses" => self.addresses = Set::by(value, at),
            "unix_socket_directories" => self.sockets = Set::by(value, at),
            "data_directory" => self.data = absolute("/", &value),
            "hba_file" => self.hba = Some(value),
            "port" => match port(&value) {
                Some(port) => self.port = Set::by(port, at),
                None => reader.gap(format!("{at}: not a port: {value}")),
            },
            "include" | "include_if_exists" => {
                let need = if key == "include" { Need::Must } else { Need::May };
                self.file(reader, &absolute(dir_of(&at.file), &value), need);
            }
            "include_dir" => {
                let files = reader.files_in(&absolute(dir_of(&at.file), &value), ".conf");
                for file in files.iter().filter(|f| !f.contains("/.")) {
                    self.file(reader, file, Need::May);
                }
            }
            _ => {}
        }
    }

    fn listens(self, reader: &mut Reader<'_>) {
        let names = list(&self.addresses.value);
        if names.is_empty() {
            reader.silenced_by.extend(self.addresses.by.clone());
        }
        for name in &names {
            // PostgreSQL opens one socket a family and makes the IPv6 one IPv6-only.
            let addresses = match name.as_str() {
                "*" => vec![ANY4, ANY6],
                name => vec![ip_or_name(name)],
            };
            for address in addresses {
                let address = Set { value: address, by: self.addresses.by.clone() };
                reader.listen(listen(&address, &self.port, Some(true)));
            }
        }
        for dir in list(&self.sockets.value) {
            let path = format!("{}/.s.PGSQL.{}", dir.trim_end_matches('/'), self.port.value);
            let mut socket = unix(&path, self.sockets.by.clone());
            socket.port_set_by.clone_from(&self.port.by);
            reader.listen(socket);
        }
    }
}

/// `name = value`, `name value`, `name 'it''s'`; none for comments and blank lines.
fn setting(line: &str) -> Result<Option<(String, String)>, ()> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(end).ok_or(())?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let value = match rest.strip_prefix('\'') {
        Some(quoted) => quoted_value(quoted).ok_or(())?,
        None => rest.split(|c: char| c.is_whitespace() || c == '#').next().unwrap_or_default().to_owned(),
    };
    if key.is_empty() || (value.is_empty() && !rest.starts_with('\'')) {
        return Err(());
    }
    Ok(Some((key.to_ascii_lowercase(), value)))
}

/// Up to the closing quote; `''` and `\'` stand for one.
fn quoted_value(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut chars = text.chars().peekable();
    loop {
        match chars.next()? {
            '\'' if chars.peek() == Some(&'\'') => value.extend(chars.next()),
            '\'' => return Some(value),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

/// A list separated by commas, whose items may be in double quotes.
fn list(text: &str) -> Vec<String> {
    let item = |i: &str| super::words::unquoted(i).to_owned();
    text.split(',').map(item).filter(|i| !i.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, configs, shown};
    use super::*;
    use crate::facts::daemon::Daemon;

    const CONF: &str = "/etc/postgresql/15/main/postgresql.conf";
    const DEBIAN: &str = "# -----\n# PostgreSQL configuration file\n\
        data_directory = '/var/lib/postgresql/15/main'\t\t# use data in another directory\n\
        hba_file = '/etc/postgresql/15/main/pg_hba.conf'\t# host-based authentication file\n\
        external_pid_file = '/var/run/postgresql/15-main.pid'\t\t\t# write an extra PID file\n\
        #listen_addresses = 'localhost'\t\t# what IP address(es) to listen on;\n\
        port = 5432\t\t\t\t# (change requires restart)\nmax_connections = 100\t\t\t# (change requires restart)\n\
        unix_socket_directories = '/var/run/postgresql'\t# comma-separated list of directories\n\
        include_dir = 'conf.d'\t\t\t# include files ending in '.conf' from\n#include_if_exists = '...'\n";

    fn debian() -> Memory {
        Memory::default()
            .file("/usr/lib/postgresql/15/bin/postgres", "")
            .file("/lib/systemd/system/postgresql.service", "")
            .file("/lib/systemd/system/postgresql@.service", "")
            .file(CONF, DEBIAN)
            .file("/etc/postgresql/15/main/conf.d/README", "")
            .file("/var/lib/postgresql/15/main/postgresql.auto.conf", "# Do not edit this file manually!\n")
    }

    const SOCKET: &str = "/var/run/postgresql/.s.PGSQL.5432";

    #[test]
    fn debian_default_listens_on_localhost() {
        let config = config(&debian(), Daemon::Postgres);
        assert_eq!(config.unit.as_deref(), Some("postgresql@15-main.service"));
        assert_eq!(shown(&config), [format!("localhost:5432 - {CONF}:7"), format!("{SOCKET} {CONF}:9 {CONF}:7")]);
        assert_eq!(config.gaps, Vec::<String>::new());
    }

    #[test]
    fn alter_system_overrides_drop_ins_which_override_the_main_file() {
        let files = debian()
            .file("/etc/postgresql/15/main/conf.d/10.conf", "listen_addresses = '*'\nPORT 5433\n")
            .file("/etc/postgresql/15/main/conf.d/.hidden.conf", "port = 1\n")
            .file(
                "/var/lib/postgresql/15/main/postgresql.auto.conf",
                "listen_addresses = '10.0.0.5, \"::1\"'\nunix_socket_directories = ''\n",
            );
        let auto = "/var/lib/postgresql/15/main/postgresql.auto.conf";
        let port = "/etc/postgresql/15/main/conf.d/10.conf:2";
        assert_eq!(
            shown(&config(&files, Daemon::Postgres)),
            [format!("10.0.0.5:5433 {auto}:1 {port}"), format!("[::1]:5433 {auto}:1 {port}")]
        );
    }

    #[test]
    fn star_and_nothing() {
        let all =
            config(&debian().file("/etc/postgresql/15/main/conf.d/a.conf", "listen_addresses='*'"), Daemon::Postgres);
        assert_eq!(shown(&all)[0].split(' ').next(), Some("0.0.0.0:5432"));
        assert_eq!(shown(&all)[1].split(' ').next(), Some("[::]:5432"));
        let none =
            config(&debian().file("/etc/postgresql/15/main/conf.d/a.conf", "listen_addresses=''"), Daemon::Postgres);
        assert_eq!(none.silenced_by[0].text, "listen_addresses=''");
        assert_eq!(none.listens.len(), 1);
    }

    #[test]
    fn every_cluster_has_its_unit() {
        let files = debian().file("/etc/postgresql/13/old/postgresql.conf", "port = 5434\n");
        let found = configs(&files, Daemon::Postgres);
        assert_eq!(found[0].unit.as_deref(), Some("postgresql@13-old.service"));
        assert_eq!(found[0].gaps, ["/usr/lib/postgresql/13/bin/postgres: no such file"]);
        assert_eq!(found[1].unit.as_deref(), Some("postgresql@15-main.service"));
    }

    #[test]
    fn red_hat_clusters() {
        let files = Memory::default()
            .file("/usr/lib/systemd/system/postgresql.service", "")
            .file("/usr/lib/systemd/system/postgresql-16.service", "")
            .file("/var/lib/pgsql/data/postgresql.conf", "#port = 5432\n")
            .file("/var/lib/pgsql/16/data/postgresql.conf", "port = 5416\n")
            .file("/var/lib/pgsql/16/data/postgresql.auto.conf", "")
            .denied("/var/lib/pgsql/15/data/postgresql.conf");
        let found = configs(&files, Daemon::Postgres);
        let units: Vec<_> = found.iter().map(|c| c.unit.as_deref().unwrap()).collect();
        assert_eq!(units, ["postgresql.service", "postgresql.service", "postgresql-16.service"]);
        assert_eq!(found[1].gaps, ["/var/lib/pgsql/15/data/postgresql.conf: permission denied"]);
        assert_eq!(found[1].listens, []);
        assert_eq!(found[2].listens[0].port, Some(5416));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let files = debian().denied("/var/lib/postgresql/15/main/postgresql.auto.conf");
        let config = config(&files, Daemon::Postgres);
        assert_eq!(config.gaps, ["/var/lib/postgresql/15/main/postgresql.auto.conf: permission denied"]);
        assert_eq!(config.listens.len(), 2);
    }

    #[test]
    fn values_and_quotes() {
        let ok = |line: &str| setting(line).unwrap().map(|(k, v)| format!("{k}|{v}"));
        assert_eq!(ok("port=5433#x").as_deref(), Some("port|5433"));
        assert_eq!(ok("Port 5433").as_deref(), Some("port|5433"));
        assert_eq!(ok("a.b = 'it''s \\'x'  # y").as_deref(), Some("a.b|it's 'x"));
        assert_eq!(ok("x = ''").as_deref(), Some("x|"));
        assert_eq!(ok("  # x"), None);
        assert!(setting("x = 'open").is_err());
        assert!(setting("= 3").is_err());
        assert!(setting("port =").is_err());
    }

    #[test]
    fn hostile_files_end() {
        let files = debian()
            .file("/etc/postgresql/15/main/conf.d/a.conf", "include '../postgresql.conf'\ninclude_dir '.'\nport=0\n");
        let config = config(&files, Daemon::Postgres);
        assert!(config.gaps.iter().any(|g| g.ends_with("includes itself")), "{:?}", config.gaps);
    }
}
