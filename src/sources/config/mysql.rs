//! Where MariaDB or MySQL listens: option files, their groups and includes.

use super::address::{ip_or_name, is_name, number};
use super::files::{absolute, dir_of};
use super::reader::{Need, Reader, Set, lines, listen, origin, unix};
use super::words::unquoted;
use crate::facts::daemon::{ListenAddress, Origin};

/// Option files, in the order the server reads them; the last setting counts.
pub(super) const MAIN: [&str; 2] = ["/etc/my.cnf", "/etc/mysql/my.cnf"];
/// As the server itself.
const DEEPEST: usize = 10;

/// Which server it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Server {
    /// MariaDB, which knows more groups, not MySQL.
    pub(super) mariadb: bool,
    /// Its version, where the unit's description tells it.
    pub(super) version: Option<(u16, u16)>,
}

impl Server {
    /// `Description=MariaDB 10.11.6 database server`
    pub(super) fn of(mariadb: bool, unit_text: &str) -> Self {
        let description = unit_text.lines().find_map(|l| l.strip_prefix("Description="));
        let mut words = description.unwrap_or_default().split_whitespace().skip_while(|w| *w != "MariaDB");
        Self { mariadb, version: words.nth(1).and_then(version) }
    }

    /// Does a socket on `::` leave IPv4 alone? MariaDB 10.11 began to make it so (measured: `[::]:3306`); before, and
    /// in MySQL, it takes both.
    fn v6only(self) -> Option<bool> {
        match self.version {
            Some(version) => Some(self.mariadb && version >= (10, 11)),
            None if self.mariadb => None,
            None => Some(false),
        }
    }

    /// Does it read this group? One for a version is taken for its own where its version is not known.
    fn reads(self, group: &str) -> bool {
        let group = group.to_ascii_lowercase();
        let plain = group.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let own = match (group.strip_prefix(plain).and_then(version), self.version) {
            (Some(meant), Some(is)) => meant == is,
            _ => true,
        };
        match plain.trim_end_matches('-') {
            "mysqld" | "server" => own,
            "mariadb" | "mariadbd" | "client-server" | "galera" => own && self.mariadb,
            _ => false,
        }
    }
}

/// `10.11`, `10.11.6`
fn version(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Settings that decide; the last one counts.
struct Mysql {
    server: Server,
    bind: Set<String>,
    port: Set<u16>,
    extra_port: Option<Set<u16>>,
    skip: Option<(bool, Origin)>,
    socket: Option<(String, Origin)>,
}

/// Reads it.
pub(super) fn read(reader: &mut Reader<'_>, server: Server) {
    let mut mysql = Mysql {
        server,
        bind: Set::built_in("*".into()),
        port: Set::built_in(3306),
        extra_port: None,
        skip: None,
        socket: None,
    };
    for main in MAIN {
        mysql.file(reader, main, Need::May);
    }
    if !reader.blind() {
        mysql.listens(reader);
    }
}

impl Mysql {
    fn file(&mut self, reader: &mut Reader<'_>, path: &str, need: Need) {
        let Some(text) = reader.enter(path, need, DEEPEST) else { return };
        let mut ours = false;
        for (number, line) in lines(&text) {
            let line = line.trim();
            if let Some(group) = line.strip_prefix('[') {
                ours = self.server.reads(group.split(']').next().unwrap_or_default().trim());
            } else if let Some(directive) = line.strip_prefix('!') {
                self.include(reader, directive, dir_of(path));
            } else if ours && !line.starts_with(['#', ';']) {
                self.option(reader, line, origin(path, number, line));
            }
        }
        reader.leave();
    }

    fn include(&mut self, reader: &mut Reader<'_>, directive: &str, base: &str) {
        let Some((what, path)) = directive.split_once(char::is_whitespace) else { return };
        let path = absolute(base, path.trim());
        match what {
            "include" => self.file(reader, &path, Need::Must),
            "includedir" => {
                for file in reader.files_in(&path, ".cnf") {
                    self.file(reader, &file, Need::May);
                }
            }
            _ => {}
        }
    }

    fn option(&mut self, reader: &mut Reader<'_>, line: &str, at: Origin) {
        let line = without_comment(line);
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key.trim(), Some(unquoted(value))),
            None => (line.trim(), None),
        };
        let key = key.to_ascii_lowercase().replace('_', "-");
        let key = key.strip_prefix("loose-").unwrap_or(&key);
        match (key, value) {
            ("bind-address", Some(value)) => self.bind = Set::by(value.to_owned(), at),
            ("port" | "extra-port", Some(value)) => match number(value) {
                Some(port) if key == "port" => self.port = Set::by(port, at),
                Some(port) => self.extra_port = Some(Set::by(port, at)),
                None => reader.gap(format!("{at}: not a port: {value}")),
            },
            ("socket", Some(value)) if !value.is_empty() => self.socket = Some((value.to_owned(), at)),
            ("skip-networking" | "enable-skip-networking", value) => self.skip = Some((is_on(value), at)),
            ("disable-skip-networking" | "skip-skip-networking", value) => self.skip = Some((!is_on(value), at)),
            _ => {}
        }
    }

    fn listens(mut self, reader: &mut Reader<'_>) {
        if let Some((path, at)) = self.socket {
            reader.listen(unix(&path, Some(at)));
        }
        if let Some((true, at)) = self.skip {
            reader.silenced_by.push(at);
            return;
        }
        if self.port.value == 0 {
            // Port 0 does not switch anything off: the server takes its default port instead (measured).
            self.port = Set::built_in(3306);
        }
        let extra = self.extra_port.filter(|p| p.value != 0);
        for item in self.bind.value.split(',').map(str::trim) {
            let Some(address) = address(item) else {
                reader.gap(format!("bind-address: not an address: {item}"));
                continue;
            };
            let address = Set { value: address, by: self.bind.by.clone() };
            for port in [Some(&self.port), extra.as_ref()].into_iter().flatten() {
                let v6only = if address.value == ListenAddress::Any { Some(false) } else { self.server.v6only() };
                reader.listen(listen(&address, port, v6only));
            }
        }
    }
}

fn address(text: &str) -> Option<ListenAddress> {
    match text {
        "" | "*" => Some(ListenAddress::Any),
        text => Some(ip_or_name(text)).filter(|a| matches!(a, ListenAddress::Ip(_)) || is_name(text)),
    }
}

/// A `#` outside quotes begins a comment anywhere in a line.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '#') => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}

/// A switch without a value is on.
fn is_on(value: Option<&str>) -> bool {
    value.is_none_or(|v| !matches!(v.to_ascii_lowercase().as_str(), "0" | "off" | "false" | "no"))
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, shown};
    use crate::facts::daemon::Daemon;

    const CNF: &str = "/etc/mysql/mariadb.conf.d/50-server.cnf";
    const LOCAL: &str = "/etc/mysql/mariadb.conf.d/60-local.cnf";

    fn debian() -> Memory {
        Memory::default()
            .file("/usr/sbin/mariadbd", "")
            .link("/etc/mysql/my.cnf", "/etc/alternatives/my.cnf")
            .link("/etc/alternatives/my.cnf", "/etc/mysql/mariadb.cnf")
            .file(
                "/etc/mysql/mariadb.cnf",
                "# The MariaDB configuration file\n[client-server]\n# port = 3306\nsocket = /run/mysqld/mysqld.sock\n\n\
                 !includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/mariadb.conf.d/\n",
            )
            .file("/etc/mysql/conf.d/mysql.cnf", "[mysql]\n")
            .file("/etc/mysql/mariadb.conf.d/50-client.cnf", "[client]\nport = 9999\n")
            .file("/etc/mysql/mariadb.conf.d/60-not-read.bak", "[mysqld]\nport = 1\n")
            .file(
                CNF,
                "#\n[server]\n[mysqld]\npid-file                = /run/mysqld/mysqld.pid\nbasedir = /usr\n#skip-name-resolve\n\
                 bind-address            = 127.0.0.1\nexpire_logs_days        = 10\n[embedded]\n[mariadb]\n[mariadb-10.11]\n",
            )
    }

    const SOCKET: &str = "/run/mysqld/mysqld.sock /etc/mysql/my.cnf:4 -";

    #[test]
    fn debian_default_listens_on_loopback() {
        let config = config(&debian(), Daemon::Mysql);
        assert_eq!(shown(&config), [SOCKET.to_owned(), format!("127.0.0.1:3306 {CNF}:7 -")]);
        assert_eq!(config.gaps, Vec::<String>::new());
    }

    #[test]
    fn the_last_setting_counts_however_it_is_spelled() {
        let files = debian().file(
            LOCAL,
            "[mariadb-10.11]\nloose-bind_address='10.0.0.5, ::1' # both\nPort=3307\n[mysqldump]\nport=1\n",
        );
        assert_eq!(
            shown(&config(&files, Daemon::Mysql)),
            [
                SOCKET.to_owned(),
                format!("10.0.0.5:3307 {LOCAL}:2 {LOCAL}:3"),
                format!("[::1]:3307 {LOCAL}:2 {LOCAL}:3")
            ]
        );
    }

    #[test]
    fn skip_networking_in_its_forms() {
        for (text, silent) in [
            ("skip-networking", true),
            ("skip_networking = 1", true),
            ("skip-networking\nskip-networking=OFF", false),
            ("skip-networking=0", false),
            ("skip-networking\ndisable-skip-networking", false),
            (";skip-networking\n#skip-networking", false),
        ] {
            let config = config(&debian().file(LOCAL, &format!("[mysqld]\n{text}\n")), Daemon::Mysql);
            assert_eq!(!config.silenced_by.is_empty(), silent, "{text}");
            assert_eq!(config.listens.len(), if silent { 1 } else { 2 }, "{text}");
        }
    }

    #[test]
    fn port_0_falls_back_to_3306() {
        let files = debian().file(LOCAL, "[mysqld]\nport=0\nbind-address=*\n");
        assert_eq!(shown(&config(&files, Daemon::Mysql))[1..], [format!("*:3306 {LOCAL}:3 - dual")]);
    }

    #[test]
    fn mysql_does_not_read_the_groups_of_mariadb() {
        let files = Memory::default()
            .file("/usr/sbin/mysqld", "")
            .file("/etc/my.cnf", "[mariadb]\nport=1\n[mysqld-8.0]\nport=3310\n[client-server]\nport=2\n");
        assert_eq!(shown(&config(&files, Daemon::Mysql)), ["*:3310 - /etc/my.cnf:4 dual"]);
    }

    #[test]
    fn the_version_tells_its_groups_and_what_a_wildcard_takes() {
        let text = "[mysqld]\nbind-address=::\n[mariadb-10.5]\nport=3311\n[mysqld-10.11]\nport=3312\n";
        let unit = |v: &str| format!("[Unit]\nDescription=MariaDB {v} database server\n");
        let shown = |v: &str| {
            let files = debian().file(LOCAL, text).file("/lib/systemd/system/mariadb.service", &unit(v));
            shown(&config(&files, Daemon::Mysql))[1].clone()
        };
        assert_eq!(shown("10.11.19"), format!("[::]:3312 {LOCAL}:2 {LOCAL}:6 v6only"));
        assert_eq!(shown("10.5.1"), format!("[::]:3311 {LOCAL}:2 {LOCAL}:4 dual"));
        assert_eq!(shown("x"), format!("[::]:3312 {LOCAL}:2 {LOCAL}:6"));
    }

    #[test]
    fn hostile_files_end() {
        let files = debian().file(LOCAL, "!includedir /etc/mysql/mariadb.conf.d\n!include\n!include /x\n[mysqld\nport==\n=\nbind-address=\u{7}\u{1b}\n");
        let config = config(&files, Daemon::Mysql);
        assert_eq!(config.gaps.len(), 4, "{:?}", config.gaps);
    }
}
