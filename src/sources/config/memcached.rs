//! Where memcached listens: the options in /etc/memcached.conf (Debian) or /etc/sysconfig/memcached (Red Hat).

use super::address::{ANY4, ANY6, host_port, ip_or_name, number, port};
use super::reader::{Need, Reader, Set, lines, listen, origin, unix};
use super::words::{self, Comments, Quoting};
use crate::facts::daemon::{ListenAddress, Origin};

/// Debian: an option a line.
pub(super) const DEBIAN: &str = "/etc/memcached.conf";
/// Red Hat: shell variables.
pub(super) const REDHAT: &str = "/etc/sysconfig/memcached";
const QUOTING: Quoting = Quoting { escapes: false, comments: Comments::Anywhere };

/// Settings; addresses add up.
#[derive(Default)]
struct Memcached {
    addresses: Vec<(ListenAddress, Option<u16>, Origin)>,
    port: Option<Set<u16>>,
    socket: Option<(String, Origin)>,
}

/// Reads it. Both files are optional: memcached has no configuration of its own.
pub(super) fn read(reader: &mut Reader<'_>) {
    let mut memcached = Memcached::default();
    if let Some(text) = reader.text(DEBIAN, Need::May) {
        for (number, line) in lines(&text) {
            memcached.options(reader, &words::split(line, QUOTING), &origin(DEBIAN, number, line));
        }
    }
    if let Some(text) = reader.text(REDHAT, Need::May) {
        for (number, line) in lines(&text) {
            memcached.variable(reader, line.trim(), &origin(REDHAT, number, line));
        }
    }
    if !reader.blind() {
        memcached.listens(reader);
    }
}

impl Memcached {
    fn variable(&mut self, reader: &mut Reader<'_>, line: &str, at: &Origin) {
        match line.split_once('=') {
            Some(("PORT", value)) => self.set_port(reader, words::unquoted(value), at),
            Some(("OPTIONS", value)) => {
                self.options(reader, &words::split(words::unquoted(value), QUOTING), at);
            }
            _ => {}
        }
    }

    fn options(&mut self, reader: &mut Reader<'_>, words: &[String], at: &Origin) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (flag, joined) = split_option(word);
            let takes = matches!(flag, "-l" | "--listen" | "-p" | "--port" | "-s" | "--unix-socket");
            let value = match joined {
                Some(value) => value,
                None if takes => words.next().map(String::as_str).unwrap_or_default(),
                None => continue,
            };
            match flag {
                "-l" | "--listen" => self.set_addresses(reader, value, at),
                "-p" | "--port" => self.set_port(reader, value, at),
                "-s" | "--unix-socket" => self.socket = Some((value.to_owned(), at.clone())),
                _ => {}
            }
        }
    }

    fn set_port(&mut self, reader: &mut Reader<'_>, value: &str, at: &Origin) {
        match number(value) {
            Some(port) => self.port = Some(Set::by(port, at.clone())),
            None => reader.gap(format!("{at}: not a port: {value}")),
        }
    }

    fn set_addresses(&mut self, reader: &mut Reader<'_>, value: &str, at: &Origin) {
        for item in value.split(',').map(str::trim).filter(|i| !i.is_empty()) {
            let (host, with_port) = host_port(item);
            let fixed = with_port.map(port);
            if fixed == Some(None) {
                reader.gap(format!("{at}: not an address: {item}"));
                continue;
            }
            let address = if host == "*" { ListenAddress::Any } else { ip_or_name(host) };
            self.addresses.push((address, fixed.flatten(), at.clone()));
        }
    }

    fn listens(self, reader: &mut Reader<'_>) {
        if let Some((path, at)) = self.socket {
            // A unix socket takes the network's place.
            reader.silenced_by.push(at.clone());
            reader.listen(unix(&path, Some(at)));
            return;
        }
        let port = self.port.unwrap_or(Set::built_in(11211));
        if port.value == 0 {
            reader.silenced_by.extend(port.by);
            return;
        }
        if self.addresses.is_empty() {
            for address in [ANY4, ANY6] {
                reader.listen(listen(&Set::built_in(address), &port, Some(true)));
            }
        }
        for (address, fixed, at) in self.addresses {
            let fixed = fixed.map(|p| Set::by(p, at.clone()));
            reader.listen(listen(&Set::by(address, at), fixed.as_ref().unwrap_or(&port), Some(true)));
        }
    }
}

/// `-p11211`, `--port=11211`, `-p`.
fn split_option(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
    }
    match word.split_at_checked(2) {
        Some((flag, value)) if flag.starts_with('-') && !value.is_empty() => (flag, Some(value)),
        _ => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, shown};
    use crate::facts::daemon::Daemon;

    const DEBIAN: &str = "# memcached default config file\n-d\n\nlogfile /var/log/memcached.log\n\n# -v\n-m 64\n\n-p 11211\n\n\
        -u memcache\n\n-l 127.0.0.1\n-l ::1\n\n# -c 1024\n-P /var/run/memcached/memcached.pid\n";

    fn memcached() -> Memory {
        Memory::default().file("/usr/bin/memcached", "")
    }

    #[test]
    fn debian_default_listens_on_loopback() {
        let files = memcached().file("/etc/memcached.conf", DEBIAN);
        assert_eq!(
            shown(&config(&files, Daemon::Memcached)),
            [
                "127.0.0.1:11211 /etc/memcached.conf:13 /etc/memcached.conf:9",
                "[::1]:11211 /etc/memcached.conf:14 /etc/memcached.conf:9"
            ]
        );
    }

    #[test]
    fn red_hat_default_listens_on_loopback() {
        let text =
            "PORT=\"11211\"\nUSER=\"memcached\"\nMAXCONN=\"1024\"\nCACHESIZE=\"64\"\nOPTIONS=\"-l 127.0.0.1,::1\"\n";
        let files = memcached().file("/etc/sysconfig/memcached", text);
        assert_eq!(
            shown(&config(&files, Daemon::Memcached)),
            [
                "127.0.0.1:11211 /etc/sysconfig/memcached:5 /etc/sysconfig/memcached:1",
                "[::1]:11211 /etc/sysconfig/memcached:5 /etc/sysconfig/memcached:1"
            ]
        );
    }

    #[test]
    fn without_a_file_the_defaults_hold() {
        assert_eq!(shown(&config(&memcached(), Daemon::Memcached)), ["0.0.0.0:11211 - -", "[::]:11211 - - v6only"]);
        let denied = config(&memcached().denied("/etc/memcached.conf"), Daemon::Memcached);
        assert_eq!((denied.listens.len(), denied.gaps.len()), (0, 1));
    }

    #[test]
    fn sockets_and_port_0_silence() {
        let files = memcached().file("/etc/memcached.conf", "-s /run/memcached.sock\n-p 11211\n");
        let unix = config(&files, Daemon::Memcached);
        assert_eq!(shown(&unix), ["/run/memcached.sock /etc/memcached.conf:1 -"]);
        assert_eq!(unix.silenced_by.len(), 1);
        let files = memcached().file("/etc/memcached.conf", "--port=0\n");
        assert_eq!(config(&files, Daemon::Memcached).silenced_by.len(), 1);
        let files = memcached().file("/etc/memcached.conf", "-p11212\n-l\n-l [::1]:x,10.0.0.1:11213\n-");
        let odd = config(&files, Daemon::Memcached);
        assert_eq!(shown(&odd), ["10.0.0.1:11213 /etc/memcached.conf:3 /etc/memcached.conf:3"]);
    }
}
