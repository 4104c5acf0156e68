//! Where Redis listens, and whether it takes strangers: redis.conf, its includes, and the files of further instances.

use super::address::{ANY4, ANY6, ip_or_name, number, port};
use super::files::{absolute, base_of, dir_of};
use super::reader::{Need, Reader, Set, lines, listen, origin, unix};
use super::words::{self, Comments, Quoting};
use crate::facts::daemon::{ListenAddress, Origin};

/// Main files, the first that exists counts.
pub(super) const MAIN: [&str; 2] = ["/etc/redis/redis.conf", "/etc/redis.conf"];
/// Files of further instances.
pub(super) const INSTANCES: &str = "/etc/redis/redis-*.conf";
/// Redis itself has no limit.
const DEEPEST: usize = 16;
const QUOTING: Quoting = Quoting { escapes: true, comments: Comments::BeforeWords };

/// Name of the instance a file configures: `redis-cache.conf` is `cache`.
pub(super) fn instance(file: &str) -> Option<&str> {
    base_of(file).strip_prefix("redis-")?.strip_suffix(".conf")
}

/// The settings that decide.
struct Redis {
    bind: Option<(Vec<String>, Origin)>,
    port: Set<u16>,
    tls_port: Option<Set<u16>>,
    socket: Option<(String, Origin)>,
}

/// Reads one instance.
pub(super) fn read(reader: &mut Reader<'_>, main: &str) {
    let mut redis = Redis { bind: None, port: Set::built_in(6379), tls_port: None, socket: None };
    redis.file(reader, main, Need::Must);
    if reader.has_read(main) {
        redis.listens(reader);
    }
}

impl Redis {
    fn file(&mut self, reader: &mut Reader<'_>, path: &str, need: Need) {
        let Some(text) = reader.enter(path, need, DEEPEST) else { return };
        for (number, line) in lines(&text) {
            // Most of the file is comments, and it is long.
            let trimmed = line.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let words = words::split(trimmed, QUOTING);
            if let Some((key, values)) = words.split_first() {
                self.setting(reader, &key.to_ascii_lowercase(), values, origin(path, number, line));
            }
        }
        reader.leave();
    }

    fn setting(&mut self, reader: &mut Reader<'_>, key: &str, values: &[String], at: Origin) {
        let first = values.first().map(String::as_str).unwrap_or_default();
        match key {
            "include" => {
                for path in reader.expand(&absolute(dir_of(&at.file), first)) {
                    self.file(reader, &path, Need::Must);
                }
            }
            "bind" => {
                let values = values.iter().filter(|v| !v.is_empty()).cloned().collect();
                self.bind = Some((values, at));
            }
            "port" | "tls-port" => match number(first) {
                Some(port) if key == "port" => self.port = Set::by(port, at),
                Some(port) => self.tls_port = Some(Set::by(port, at)),
                None => reader.gap(format!("{at}: not a port: {first}")),
            },
            "protected-mode" => reader.setting(key, &first.to_ascii_lowercase(), at),
            // Of a password only that there is one.
            "requirepass" if first.is_empty() => reader.beyond.settings.retain(|known| known.name != key),
            "requirepass" | "aclfile" => reader.setting(key, "set", Origin { text: key.to_owned(), ..at }),
            "user" if first == "default" => {
                let text = format!("{key} {first}");
                reader.setting("user default", "set", Origin { text, ..at });
            }
            "unixsocket" if !first.is_empty() => self.socket = Some((first.to_owned(), at)),
            _ => {}
        }
    }

    fn listens(self, reader: &mut Reader<'_>) {
        let addresses = self.addresses();
        if let (true, Some((_, at))) = (addresses.is_empty(), &self.bind) {
            reader.silenced_by.push(at.clone());
        }
        let tls = self.tls_port.filter(|p| p.value != 0);
        if self.port.value == 0 {
            reader.silenced_by.extend(self.port.by.clone());
        }
        let plain = Some(self.port).filter(|p| port(&p.value.to_string()).is_some());
        for port in plain.iter().chain(&tls) {
            for address in &addresses {
                reader.listen(listen(address, port, Some(true)));
            }
        }
        if let Some((path, at)) = self.socket {
            reader.listen(unix(&path, Some(at)));
        }
    }

    /// Without `bind` it takes everything; a leading `-` only means that failing to bind is no error.
    fn addresses(&self) -> Vec<Set<ListenAddress>> {
        let Some((values, at)) = &self.bind else { return vec![Set::built_in(ANY4), Set::built_in(ANY6)] };
        let address = |word: &String| match word.strip_prefix('-').unwrap_or(word) {
            "*" => ANY4,
            "::*" => ANY6,
            host => ip_or_name(host),
        };
        values.iter().map(|word| Set::by(address(word), at.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, configs, shown};
    use crate::facts::daemon::Daemon;

    const CONF: &str = "/etc/redis/redis.conf";
    const DEBIAN: &str = "# Redis configuration file example.\n# bind 192.168.1.100 10.0.0.1\nbind 127.0.0.1 -::1\n\
        protected-mode yes\nport 6379\ntcp-backlog 511\n# unixsocket /run/redis/redis-server.sock\ntimeout 0\n\
        supervised auto\npidfile /run/redis/redis-server.pid\nlogfile /var/log/redis/redis-server.log\n\
        save 3600 1 300 100 60 10000\n";

    fn redis(text: &str) -> Memory {
        Memory::default().file("/usr/bin/redis-server", "").file(CONF, text)
    }

    #[test]
    fn debian_default_listens_on_loopback() {
        let config = config(&redis(DEBIAN), Daemon::Redis);
        assert_eq!(
            shown(&config),
            [
                "127.0.0.1:6379 /etc/redis/redis.conf:3 /etc/redis/redis.conf:5",
                "[::1]:6379 /etc/redis/redis.conf:3 /etc/redis/redis.conf:5"
            ]
        );
    }

    #[test]
    fn no_bind_means_everything() {
        assert_eq!(
            shown(&config(&redis("daemonize no\n"), Daemon::Redis)),
            ["0.0.0.0:6379 - -", "[::]:6379 - - v6only"]
        );
    }

    #[test]
    fn the_last_bind_replaces_and_includes_count_where_they_stand() {
        let files = redis("bind 127.0.0.1\nPort 1\ninclude /etc/redis/local.conf\nport 7000\n")
            .file("/etc/redis/local.conf", "bind \"10.0.0.5\"\nport 2\nunixsocket /run/redis.sock\n");
        assert_eq!(
            shown(&config(&files, Daemon::Redis)),
            [
                "10.0.0.5:7000 /etc/redis/local.conf:1 /etc/redis/redis.conf:4",
                "/run/redis.sock /etc/redis/local.conf:3 -",
            ]
        );
    }

    #[test]
    fn port_0_silences_unless_there_is_tls() {
        let silent = config(&redis("port 0\n"), Daemon::Redis);
        assert_eq!(silent.listens, []);
        assert_eq!(silent.silenced_by.len(), 1);
        assert_eq!(silent.silenced_by[0].text, "port 0");
        let tls = config(&redis("port 0\ntls-port 6380\nbind *\n"), Daemon::Redis);
        assert_eq!(shown(&tls), ["0.0.0.0:6380 /etc/redis/redis.conf:3 /etc/redis/redis.conf:2"]);
        assert_eq!(config(&redis("bind \"\"\n"), Daemon::Redis).silenced_by.len(), 1);
    }

    #[test]
    fn instances_have_units_of_their_own() {
        let files = redis(DEBIAN)
            .file("/etc/redis/redis-cache.conf", "port 6390\nbind 127.0.0.1\n")
            .file("/lib/systemd/system/redis-server.service", "")
            .file("/lib/systemd/system/redis-server@.service", "");
        let units: Vec<_> = configs(&files, Daemon::Redis).into_iter().map(|c| c.unit.unwrap()).collect();
        assert_eq!(units, ["redis-server.service", "redis-server@cache.service"]);
    }

    #[test]
    fn what_may_not_be_read_is_a_gap_and_nothing_is_invented() {
        let files = Memory::default().file("/usr/bin/redis-server", "").denied(CONF);
        let config = config(&files, Daemon::Redis);
        assert_eq!(config.gaps, ["/etc/redis/redis.conf: permission denied"]);
        assert_eq!(config.listens, []);
    }

    #[test]
    fn hostile_files_end() {
        let files = redis("include /etc/redis/*.conf\nport -1\nport \"\nbind \u{0}\n");
        assert!(config(&files, Daemon::Redis).gaps.iter().any(|g| g.contains("includes itself")));
    }
}
