//! The effective configuration of the daemons: includes followed, drop-ins applied, each value with the line that decides.
//!
//! One file a daemon. They read through `reader::Reader`, which keeps every configuration finite, from
//! `files::Files`, which is the host or a map in a test. Nothing is invented: what cannot be read is a gap.

mod address;
mod apache;
pub(in crate::sources) mod files;
pub(super) mod glob;
mod haproxy;
mod hba;
mod installed;
mod memcached;
mod mysql;
mod nginx;
mod postgres;
mod proxied;
pub(super) mod reader;
mod redis;
mod sshd;
#[cfg(test)]
mod testing;
mod tokens;
mod vsftpd;
pub(super) mod words;

use super::Trouble;
use crate::facts::daemon::{Daemon, DaemonConfig};
use files::{Files, HostFiles};
pub(super) use installed::{UNIT_DIRS, unit_file};
use reader::Reader;

/// The configurations of a daemon's instances; an empty list when it is not installed.
pub fn read(daemon: Daemon) -> Result<Option<Vec<DaemonConfig>>, Trouble> {
    Ok(Some(read_from(&HostFiles::own(), daemon)))
}

/// The same from any files.
pub(super) fn read_from(files: &dyn Files, daemon: Daemon) -> Vec<DaemonConfig> {
    if !installed::is_installed(files, daemon) {
        return Vec::new();
    }
    let unit = installed::unit(files, daemon);
    match daemon {
        Daemon::Postgres => clusters(files),
        Daemon::Redis => redis_instances(files, unit),
        Daemon::Nginx
        | Daemon::Apache
        | Daemon::Sshd
        | Daemon::Mysql
        | Daemon::Haproxy
        | Daemon::Vsftpd
        | Daemon::Memcached => vec![single(files, daemon, unit)],
    }
}

/// A daemon with one instance.
fn single(files: &dyn Files, daemon: Daemon, unit: Option<String>) -> DaemonConfig {
    let mut reader = Reader::new(files);
    match daemon {
        Daemon::Nginx => nginx::read(&mut reader, first_of(files, &nginx::MAIN)),
        Daemon::Apache => {
            let mains = apache::MAIN.map(|(main, _)| main);
            let main = first_of(files, &mains);
            let root = apache::MAIN.iter().find(|(m, _)| *m == main).map_or("/etc/apache2", |(_, root)| root);
            apache::read(&mut reader, main, root);
        }
        Daemon::Sshd => sshd::read(&mut reader),
        Daemon::Mysql => {
            let server = mysql::Server::of(installed::is_mariadb(files), &unit_text(files, unit.as_deref()));
            mysql::read(&mut reader, server);
        }
        Daemon::Haproxy => haproxy::read(&mut reader, &unit_text(files, unit.as_deref())),
        Daemon::Vsftpd => vsftpd::read(&mut reader, first_of(files, &vsftpd::MAIN)),
        Daemon::Memcached => memcached::read(&mut reader),
        Daemon::Postgres | Daemon::Redis => {}
    }
    reader.done(daemon, unit)
}

/// The text of a unit's main file.
fn unit_text(files: &dyn Files, unit: Option<&str>) -> String {
    let path = unit.and_then(|u| unit_file(files, u));
    path.and_then(|p| files.read(&p).ok()).unwrap_or_default()
}

/// The first of these that exists or may not be looked at, else the first of all.
fn first_of<'a>(files: &dyn Files, paths: &[&'a str]) -> &'a str {
    let there = |path: &&&str| !matches!(files.kind(path), Err(files::Unread::Missing));
    paths.iter().find(there).or(paths.first()).copied().unwrap_or_default()
}

fn clusters(files: &dyn Files) -> Vec<DaemonConfig> {
    let mut search = Reader::new(files);
    let found = postgres::clusters(&mut search);
    if found.is_empty() {
        // None, or none we may see.
        let config = search.done(Daemon::Postgres, installed::unit(files, Daemon::Postgres));
        return if config.gaps.is_empty() { Vec::new() } else { vec![config] };
    }
    let read = |cluster: postgres::Cluster| {
        let mut reader = Reader::new(files);
        postgres::read(&mut reader, &cluster);
        let exists = |unit: &&String| unit_file(files, unit).is_some();
        reader.done(Daemon::Postgres, cluster.units.iter().find(exists).cloned())
    };
    found.into_iter().map(read).collect()
}

fn redis_instances(files: &dyn Files, unit: Option<String>) -> Vec<DaemonConfig> {
    let mut reader = Reader::new(files);
    let instances = reader.expand(redis::INSTANCES);
    let mut reader = Reader::new(files);
    redis::read(&mut reader, first_of(files, &redis::MAIN));
    let mut found = vec![reader.done(Daemon::Redis, unit)];
    for path in instances {
        let unit = redis::instance(&path).map(|name| format!("redis-server@{name}.service"));
        let unit = unit.filter(|u| unit_file(files, u).is_some());
        let mut reader = Reader::new(files);
        redis::read(&mut reader, &path);
        found.push(reader.done(Daemon::Redis, unit));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::files::Memory;
    use super::*;

    #[test]
    fn what_is_not_installed_has_no_configuration() {
        let leftovers = Memory::default()
            .file("/etc/nginx/nginx.conf", "http { server { } }")
            .file("/etc/mysql/my.cnf", "[mysqld]\nport=1\n")
            .file("/etc/ssh/sshd_config", "Port 22\n");
        for daemon in Daemon::ALL {
            assert_eq!(read_from(&leftovers, daemon), [], "{}", daemon.name());
        }
    }

    #[test]
    fn a_daemon_whose_files_are_gone_says_so_and_nothing_else() {
        for (daemon, program) in
            [(Daemon::Nginx, "nginx"), (Daemon::Apache, "apache2"), (Daemon::Sshd, "sshd"), (Daemon::Vsftpd, "vsftpd")]
        {
            let files = Memory::default().file(&format!("/usr/sbin/{program}"), "");
            let found = read_from(&files, daemon);
            assert_eq!(found[0].listens, [], "{program}");
            assert!(found[0].gaps.iter().any(|g| g.ends_with("no such file")), "{program}");
        }
    }

    /// Main files of all daemons, and the programs that make them count.
    const EVERYTHING: [(&str, &str); 8] = [
        ("/usr/sbin/nginx", "/etc/nginx/nginx.conf"),
        ("/usr/sbin/apache2", "/etc/apache2/apache2.conf"),
        ("/usr/sbin/sshd", "/etc/ssh/sshd_config"),
        ("/usr/sbin/mariadbd", "/etc/my.cnf"),
        ("/usr/bin/redis-server", "/etc/redis/redis.conf"),
        ("/usr/sbin/haproxy", "/etc/haproxy/haproxy.cfg"),
        ("/usr/sbin/vsftpd", "/etc/vsftpd.conf"),
        ("/usr/bin/memcached", "/etc/memcached.conf"),
    ];

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 200, failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_makes_a_parser_panic_or_stay(words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..60)) {
            let text = words.concat();
            let mut files = Memory::default()
                .file("/lib/systemd/system/postgresql.service", "")
                .file("/etc/postgresql/15/main/postgresql.conf", &text);
            for (program, main) in EVERYTHING {
                files = files.file(program, "").file(main, &text).file(&format!("{main}.d/x.conf"), &text);
            }
            for daemon in Daemon::ALL {
                for config in read_from(&files, daemon) {
                    proptest::prop_assert!(config.listens.iter().all(|l| l.port != Some(0)));
                }
            }
        }
    }

    /// What configuration files are made of, and what they should not be.
    const WORDS: [&str; 56] = [
        " ",
        "\n",
        "\r\n",
        "\t",
        ";",
        "{",
        "}",
        "\"",
        "'",
        "\\",
        "#",
        "=",
        ":",
        ",",
        "[",
        "]",
        "<",
        ">",
        "/",
        "*",
        "-",
        "!",
        "${",
        "0",
        "80",
        "65536",
        "1-9",
        "::",
        "127.0.0.1",
        "localhost",
        "listen",
        "http",
        "server",
        "bind",
        "port",
        "include",
        "Include ",
        "include_dir ",
        "!include ",
        "!includedir ",
        "/etc/nginx/*",
        "/etc/*",
        ".",
        "Listen ",
        "<IfModule x>",
        "Match ",
        "[mysqld]\n",
        "skip-networking",
        "frontend f\n",
        "listen=YES\n",
        "-l ",
        "-p",
        "listen_addresses=",
        "unix:",
        "\u{0}",
        "\u{feff}é",
    ];

    #[test]
    fn the_unit_is_the_one_that_exists() {
        let base = || Memory::default().file("/etc/ssh/sshd_config", "");
        let unit = |files: &Memory| read_from(files, Daemon::Sshd)[0].unit.clone();
        assert_eq!(unit(&base().file("/usr/lib/systemd/system/sshd.service", "")).as_deref(), Some("sshd.service"));
        let debian = base()
            .file("/lib/systemd/system/ssh.service", "")
            .link("/etc/systemd/system/sshd.service", "/lib/systemd/system/ssh.service");
        assert_eq!(unit(&debian).as_deref(), Some("ssh.service"));
        assert_eq!(unit(&base().file("/usr/sbin/sshd", "")), None);
    }
}
