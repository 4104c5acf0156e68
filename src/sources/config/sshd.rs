//! Where OpenSSH's server listens: `sshd_config` and what it includes.

use super::address::{ANY4, ANY6, host_port, ip_or_name, port};
use super::files::absolute;
use super::reader::{Need, Reader, Set, lines, listen, origin};
use super::words::{self, Comments, Quoting};
use crate::facts::daemon::{ListenAddress, Origin};

/// The main file.
pub(super) const MAIN: &str = "/etc/ssh/sshd_config";
/// As sshd itself (`SERVCONF_MAX_DEPTH`).
const DEEPEST: usize = 16;
const QUOTING: Quoting = Quoting { escapes: false, comments: Comments::BeforeWords };

/// What decides about listening.
#[derive(Default)]
struct Sshd {
    ports: Vec<Set<u16>>,
    addresses: Vec<(ListenAddress, Option<u16>, Origin)>,
    /// The first one counts.
    family: Option<String>,
    /// Ports of the command line, which replace those of the files.
    forced: Vec<Set<u16>>,
}

/// Reads it.
pub(super) fn read(reader: &mut Reader<'_>) {
    let mut sshd = Sshd::default();
    let mut main = MAIN.to_owned();
    for file in ["/etc/default/ssh", "/etc/sysconfig/sshd"] {
        sshd.options(reader, file, &mut main);
    }
    sshd.file(reader, &main, Need::Must, true);
    if reader.has_read(&main) {
        sshd.listens(reader);
    }
}

impl Sshd {
    /// `SSHD_OPTS="-p 2222"`: options of the unit's command line.
    fn options(&mut self, reader: &mut Reader<'_>, file: &str, main: &mut String) {
        let Some(text) = reader.text(file, Need::May) else { return };
        for (number, line) in lines(&text) {
            let Some((name, value)) = line.trim().split_once('=') else { continue };
            if !matches!(name, "SSHD_OPTS" | "OPTIONS") {
                continue;
            }
            let options = words::split(words::unquoted(value), QUOTING);
            for (index, option) in options.iter().enumerate() {
                let next = options.get(index + 1).map(String::as_str).unwrap_or_default();
                let value = |flag: &str| option.strip_prefix(flag).map(|v| if v.is_empty() { next } else { v });
                let named = value("-o").and_then(|o| o.strip_prefix("Port=").or_else(|| o.strip_prefix("port=")));
                if let Some(port) = value("-p").or(named).and_then(port) {
                    self.forced.push(Set::by(port, origin(file, number, line)));
                }
                if let Some(path) = value("-f").filter(|p| p.starts_with('/')) {
                    path.clone_into(main);
                }
            }
        }
    }

    /// One file. A Match block lasts until the end of its file; in an included file the outer state comes back after it.
    fn file(&mut self, reader: &mut Reader<'_>, path: &str, need: Need, mut global: bool) {
        let Some(text) = reader.enter(path, need, DEEPEST) else { return };
        for (number, line) in lines(&text) {
            let words = words::split(&separated(line), QUOTING);
            let Some((key, values)) = words.split_first() else { continue };
            match key.to_ascii_lowercase().as_str() {
                "match" => global = matches!(values, [all] if all.eq_ignore_ascii_case("all")),
                "include" => self.include(reader, values, global),
                known @ ("maxstartups" | "persourcepenalties" | "persourcemaxstartups") if global => {
                    // The first one counts.
                    let new = reader.beyond.setting(known).is_none();
                    new.then(|| reader.setting(known, &values.join(" "), origin(path, number, line)));
                }
                "port" | "listenaddress" | "addressfamily" if global => {
                    self.setting(reader, key, values, &origin(path, number, line));
                }
                _ => {}
            }
        }
        reader.leave();
    }

    fn include(&mut self, reader: &mut Reader<'_>, patterns: &[String], global: bool) {
        for pattern in patterns {
            for path in reader.expand(&absolute("/etc/ssh", pattern)) {
                self.file(reader, &path, Need::May, global);
            }
        }
    }

    fn setting(&mut self, reader: &mut Reader<'_>, key: &str, values: &[String], at: &Origin) {
        let Some(value) = values.first() else { return };
        match key.to_ascii_lowercase().as_str() {
            "addressfamily" => drop(self.family.get_or_insert_with(|| value.to_ascii_lowercase())),
            "port" => match port(value) {
                Some(port) => self.ports.push(Set::by(port, at.clone())),
                None => reader.gap(format!("{at}: not a port: {value}")),
            },
            _ => {
                let (host, with_port) = host_port(value);
                let fixed = with_port.map(port);
                if fixed == Some(None) || host.is_empty() {
                    reader.gap(format!("{at}: not an address: {value}"));
                    return;
                }
                self.addresses.push((ip_or_name(host), fixed.flatten(), at.clone()));
            }
        }
    }

    fn listens(self, reader: &mut Reader<'_>) {
        let mut ports = if self.forced.is_empty() { self.ports } else { self.forced };
        if ports.is_empty() {
            ports.push(Set::built_in(22));
        }
        // sshd opens one socket a family and makes the IPv6 one IPv6-only.
        if self.addresses.is_empty() {
            let family = self.family.as_deref().unwrap_or("any");
            let any = [ANY4, ANY6].into_iter().filter(|a| match family {
                "inet" => *a == ANY4,
                "inet6" => *a == ANY6,
                _ => true,
            });
            for address in any.map(Set::built_in) {
                for port in &ports {
                    reader.listen(listen(&address, port, Some(true)));
                }
            }
            return;
        }
        for (address, fixed, at) in self.addresses {
            let fixed = fixed.map(|p| vec![Set::by(p, at.clone())]);
            let address = Set::by(address, at);
            for port in fixed.as_ref().unwrap_or(&ports) {
                reader.listen(listen(&address, port, Some(true)));
            }
        }
    }
}

/// A keyword may be followed by `=` instead of blanks.
fn separated(line: &str) -> String {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let rest = rest.trim_start();
    format!("{key} {}", rest.strip_prefix('=').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, shown};
    use super::*;
    use crate::facts::daemon::Daemon;

    const DEBIAN: &str = "# This is the sshd server system-wide configuration file.\n\nInclude /etc/ssh/sshd_config.d/*.conf\n\n\
        #Port 22\n#AddressFamily any\n#ListenAddress 0.0.0.0\nKbdInteractiveAuthentication no\nUsePAM yes\n\
        X11Forwarding yes\nPrintMotd no\nAcceptEnv LANG LC_*\nSubsystem\tsftp\t/usr/lib/openssh/sftp-server\n";

    fn debian() -> Memory {
        Memory::default().file("/usr/sbin/sshd", "").file(MAIN, DEBIAN)
    }

    #[test]
    fn debian_default_listens_on_22_of_both_families() {
        let config = config(&debian(), Daemon::Sshd);
        assert_eq!(shown(&config), ["0.0.0.0:22 - -", "[::]:22 - - v6only"]);
        assert_eq!(config.gaps, Vec::<String>::new());
        assert_eq!(config.files, [MAIN]);
    }

    #[test]
    fn drop_ins_ports_addresses_and_match() {
        let files = debian()
            .file("/etc/ssh/sshd_config.d/10.conf", "port=2222\nListenAddress 10.0.0.5\nMatch User x\nPort 9\n")
            .file(
                "/etc/ssh/sshd_config.d/20.conf",
                "Port 2200\nListenAddress \"[2001:db8::1]:2022\"\nListenAddress fe80::1\n",
            );
        let config = config(&files, Daemon::Sshd);
        let d = "/etc/ssh/sshd_config.d";
        assert_eq!(
            shown(&config),
            [
                format!("10.0.0.5:2222 {d}/10.conf:2 {d}/10.conf:1"),
                format!("10.0.0.5:2200 {d}/10.conf:2 {d}/20.conf:1"),
                format!("[2001:db8::1]:2022 {d}/20.conf:2 {d}/20.conf:2"),
                format!("[fe80::1]:2222 {d}/20.conf:3 {d}/10.conf:1"),
                format!("[fe80::1]:2200 {d}/20.conf:3 {d}/20.conf:1"),
            ]
        );
    }

    #[test]
    fn the_first_address_family_counts() {
        let files = debian().file("/etc/ssh/sshd_config.d/a.conf", "AddressFamily inet6\nAddressFamily inet\n");
        assert_eq!(shown(&config(&files, Daemon::Sshd)), ["[::]:22 - - v6only"]);
    }

    #[test]
    fn the_command_line_wins() {
        let files = debian().file("/etc/default/ssh", "SSHD_OPTS=\"-p 2022 -o Port=2023\"\n");
        let config = config(&files, Daemon::Sshd);
        let ports: Vec<_> = config.listens.iter().filter_map(|l| l.port).collect();
        assert_eq!(ports, [2022, 2023, 2022, 2023]);
    }

    #[test]
    fn hostile_files_end() {
        let files = Memory::default().file("/usr/sbin/sshd", "").file(
            MAIN,
            "Include /etc/ssh/sshd_config\nPort x\nPort 99999\nListenAddress :\nListenAddress [::1]:x\nPort\n=\n\u{0}\"",
        );
        let config = config(&files, Daemon::Sshd);
        assert_eq!(shown(&config), ["0.0.0.0:22 - -", "[::]:22 - - v6only"]);
        assert_eq!(config.gaps.len(), 5, "{:?}", config.gaps);
    }
}
