//! Where HAProxy listens, and whom it asks: the `bind` lines of its frontends, the `server` lines of its backends.

use super::address::{ANY4, ANY6, ip_or_name};
use super::files::{Kind, absolute};
use super::proxied::{self, Groups, Pass, Server};
use super::reader::{Need, Reader, Set, lines, listen, origin, unix};
use super::words::{self, Comments, Quoting};
use crate::facts::daemon::{ConfiguredListen, ListenAddress, Origin};

/// The main file.
pub(super) const MAIN: &str = "/etc/haproxy/haproxy.cfg";
/// Further files that Red Hat's unit names.
const MORE: &str = "/etc/haproxy/conf.d";
const QUOTING: Quoting = Quoting { escapes: true, comments: Comments::Anywhere };
/// Ports of a range that are listed.
const MOST_PORTS: usize = 1_024;

/// Is HTTP spoken?
#[derive(Default, Clone, Copy)]
struct Mode {
    /// Here.
    http: bool,
    /// Where nothing is said.
    usually: bool,
}

/// The section being read.
#[derive(Default)]
struct Section {
    binds: bool,
    disabled: Option<Origin>,
    listens: Vec<ConfiguredListen>,
    /// Depth of `.if` blocks: what is inside may or may not count.
    conditions: usize,
    /// Its name, and the backends it passes requests on to.
    name: String,
    uses: Vec<Pass>,
    /// HTTP is spoken; what the defaults say of it.
    mode: Mode,
    in_defaults: bool,
    /// What the sections before it said.
    servers: Vec<Server>,
    groups: Groups,
}

/// Reads it; `unit_text` is the unit file, which tells the files of the command line.
pub(super) fn read(reader: &mut Reader<'_>, unit_text: &str) {
    let mut section = Section::default();
    for path in paths(reader, unit_text) {
        let Some(text) = reader.text(&path, Need::Must) else { continue };
        for (number, line) in lines(&text) {
            let words = words::split(line, QUOTING);
            if let Some((key, rest)) = words.split_first() {
                section.line(reader, key, rest, &origin(&path, number, line));
            }
        }
    }
    section.end(reader);
    proxied::tell(reader, section.servers, &section.groups);
}

/// The files of the command line: `CONFIG=` and `-f` in the environment file, a directory where the unit names one.
fn paths(reader: &mut Reader<'_>, unit_text: &str) -> Vec<String> {
    let mut main = MAIN.to_owned();
    let mut more = Vec::new();
    if unit_text.contains(MORE) {
        more.push(MORE.to_owned());
    }
    for file in ["/etc/default/haproxy", "/etc/sysconfig/haproxy"] {
        let Some(text) = reader.text(file, Need::May) else { continue };
        for line in text.lines() {
            match line.trim().split_once('=') {
                Some(("CONFIG", value)) if value.contains('/') => main = absolute("/", words::unquoted(value)),
                Some(("EXTRAOPTS" | "OPTIONS", value)) => more.extend(named_files(words::unquoted(value))),
                _ => {}
            }
        }
    }
    let mut paths = vec![main];
    for path in more {
        if reader.files.kind(&path) == Ok(Kind::Dir) {
            let files = reader.files_in(&path, ".cfg");
            paths.extend(files.into_iter().filter(|f| !f.contains("/.")));
        } else {
            paths.push(path);
        }
    }
    paths
}

/// The values of `-f`.
fn named_files(options: &str) -> Vec<String> {
    let words: Vec<&str> = options.split_whitespace().collect();
    let pairs = words.iter().zip(words.iter().skip(1));
    pairs.filter(|(flag, path)| **flag == "-f" && path.starts_with('/')).map(|(_, path)| absolute("/", path)).collect()
}

impl Section {
    fn line(&mut self, reader: &mut Reader<'_>, key: &str, rest: &[String], at: &Origin) {
        match key {
            "global" | "defaults" | "backend" | "userlist" | "peers" | "program" | "resolvers" | "mailers"
            | "http-errors" | "cache" | "ring" | "log-forward" | "fcgi-app" | "crt-store" | "traces" => {
                self.end(reader);
                self.in_defaults = key == "defaults";
                self.name = rest.first().cloned().unwrap_or_default();
            }
            "frontend" | "listen" => {
                self.end(reader);
                self.binds = true;
                self.name = rest.first().cloned().unwrap_or_default();
                if key == "listen" {
                    let to = self.name.clone();
                    self.uses.push(Pass { path: String::new(), http: false, to, at: at.clone() });
                }
            }
            "mode" => self.mode.http = rest.first().is_some_and(|mode| mode == "http"),
            "default_backend" | "use_backend" => {
                let to = rest.first().cloned().unwrap_or_default();
                self.uses.push(Pass { path: String::new(), http: false, to, at: at.clone() });
            }
            "server" => {
                if let [name, to, ..] = rest {
                    let member = (to.clone(), name.clone(), at.clone());
                    self.groups.entry(self.name.clone()).or_default().push(member);
                }
            }
            ".if" => self.conditions += 1,
            ".endif" => self.conditions = self.conditions.saturating_sub(1),
            "disabled" if self.binds => self.disabled = Some(at.clone()),
            "enabled" => self.disabled = None,
            "bind" if self.binds && self.conditions > 0 => reader.gap(format!("{at}: depends on a condition")),
            "bind" if self.binds => self.bind(reader, rest, at),
            _ => {}
        }
    }

    fn end(&mut self, reader: &mut Reader<'_>) {
        let mut section = std::mem::take(self);
        self.conditions = section.conditions;
        let usually = if section.in_defaults { section.mode.http } else { section.mode.usually };
        self.mode = Mode { http: usually, usually };
        let ports: Vec<u16> = section.listens.iter().filter_map(|listen| listen.port).collect();
        if section.binds && section.disabled.is_none() {
            section.uses.iter_mut().for_each(|pass| pass.http = section.mode.http);
            section.servers.push(Server { ports, names: Vec::new(), passes: section.uses });
        }
        (self.servers, self.groups) = (section.servers, section.groups);
        match section.disabled {
            Some(at) => reader.silenced_by.push(at),
            None => section.listens.into_iter().for_each(|listen| reader.listen(listen)),
        }
    }

    fn bind(&mut self, reader: &mut Reader<'_>, words: &[String], at: &Origin) {
        let Some((addresses, options)) = words.split_first() else { return };
        let has = |option: &str| options.iter().any(|o| o == option);
        let v6only = match (has("v6only"), has("v4v6")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        for item in addresses.split(',') {
            match parse(item) {
                Parsed::Elsewhere => {}
                Parsed::Unclear => reader.gap(format!("{at}: not understood: {item}")),
                Parsed::Unix(path) => self.listens.push(unix(path, Some(at.clone()))),
                Parsed::Net(address, ports) => {
                    for port in ports {
                        let address = Set::by(address.clone(), at.clone());
                        self.listens.push(listen(&address, &Set::by(port, at.clone()), v6only));
                    }
                }
            }
        }
    }
}

/// One address of a `bind` line.
enum Parsed<'a> {
    Net(ListenAddress, Vec<u16>),
    Unix(&'a str),
    /// QUIC, inherited descriptors, abstract sockets between processes.
    Elsewhere,
    Unclear,
}

fn parse(item: &str) -> Parsed<'_> {
    let (family, rest) = match item.split_once('@') {
        Some((family, rest)) => (family, rest),
        None if item.starts_with('/') => ("unix", item),
        None => ("", item),
    };
    match family {
        "unix" | "uxst" if rest.starts_with('/') => return Parsed::Unix(rest),
        "" | "ipv4" | "ipv6" | "tcp" | "tcp4" | "tcp6" => {}
        _ => return Parsed::Elsewhere,
    }
    // The last colon parts address and port, also behind an IPv6 address without brackets (`:::80`).
    let Some((host, range)) = rest.rsplit_once(':') else { return Parsed::Unclear };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let Some(ports) = range_of(range) else { return Parsed::Unclear };
    let address = match (host, family) {
        ("" | "*", "ipv6" | "tcp6") | ("::", _) => ANY6,
        ("" | "*" | "0.0.0.0", _) => ANY4,
        (host, _) if host.contains('$') => return Parsed::Unclear,
        (host, _) => ip_or_name(host),
    };
    Parsed::Net(address, ports)
}

fn range_of(text: &str) -> Option<Vec<u16>> {
    let port = |t: &str| super::address::port(t);
    match text.split_once('-') {
        None => Some(vec![port(text)?]),
        Some((low, high)) => {
            let (low, high) = (port(low)?, port(high)?);
            (low <= high).then(|| (low..=high).take(MOST_PORTS).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, shown};
    use super::*;
    use crate::facts::daemon::Daemon;

    const DEBIAN: &str = "global\n\tlog /dev/log\tlocal0\n\tchroot /var/lib/haproxy\n\
        \tstats socket /run/haproxy/admin.sock mode 660 level admin\n\tuser haproxy\n\tdaemon\n\ndefaults\n\tlog\tglobal\n\
        \tmode\thttp\n        timeout connect 5000\n\terrorfile 400 /etc/haproxy/errors/400.http\n";

    fn haproxy(text: &str) -> Memory {
        Memory::default().file("/usr/sbin/haproxy", "").file(MAIN, &format!("{DEBIAN}{text}"))
    }

    fn binds(text: &str) -> Vec<String> {
        let config = config(&haproxy(&format!("frontend f\n{text}")), Daemon::Haproxy);
        shown(&config).iter().map(|l| l.split(" /etc").next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn debian_default_listens_nowhere() {
        let config = config(&haproxy(""), Daemon::Haproxy);
        assert_eq!((config.listens.len(), config.gaps.len()), (0, 0));
    }

    #[test]
    fn forms_of_bind() {
        assert_eq!(binds("bind *:80"), ["0.0.0.0:80"]);
        assert_eq!(binds("  bind :80,10.0.0.5:81-82 # x"), ["0.0.0.0:80", "10.0.0.5:81", "10.0.0.5:82"]);
        assert_eq!(binds("bind ipv4@:80"), ["0.0.0.0:80"]);
        assert_eq!(binds("bind ipv6@*:80"), ["[::]:80"]);
        assert_eq!(binds("bind [::1]:443 ssl crt /etc/x.pem"), ["[::1]:443"]);
        assert_eq!(binds("bind /run/a.sock mode 666\nbind unix@/run/b.sock"), ["/run/a.sock", "/run/b.sock"]);
        assert_eq!(binds("bind fd@3\nbind abns@x\nbind quic4@:443"), Vec::<String>::new());
        let config = config(&haproxy("listen l\n bind :::80 v4v6\n bind :::81 v6only\n bind :::82\n"), Daemon::Haproxy);
        assert_eq!(config.listens.iter().map(|l| l.v6only).collect::<Vec<_>>(), [Some(false), Some(true), None]);
        assert_eq!(
            config.listens[0].port_set_by.as_ref().map(ToString::to_string).as_deref(),
            Some("/etc/haproxy/haproxy.cfg:14")
        );
    }

    #[test]
    fn whom_it_asks_is_told_by_the_backend_of_the_frontend() {
        let text = "frontend web\n bind :80\n use_backend app if { path_beg /a }\nlisten db\n bind :5433\n mode tcp\n\
                    server one 10.0.0.7:5432 check\nbackend app\n server w1 127.0.0.1:8000 check\n server w2 unix@/run/a.sock\n";
        let all = config(&haproxy(text), Daemon::Haproxy).beyond.upstreams;
        let shown: Vec<String> =
            all.iter().map(|u| format!("{:?} {} {:?} {:?} {}", u.ports, u.name, u.to, u.port, u.http)).collect();
        assert_eq!(
            shown,
            [
                "[80] app/w1 Ip(127.0.0.1) Some(8000) true",
                "[80] app/w2 Path(\"/run/a.sock\") None true",
                "[5433] db/one Ip(10.0.0.7) Some(5432) false"
            ]
        );
    }

    #[test]
    fn only_frontends_bind_and_disabled_ones_do_not() {
        let config = config(
            &haproxy(
                "backend b\n bind :1\nfrontend off\n bind :2\n disabled\nlisten on\n bind :3\n.if defined(X)\n bind :4\n.endif\n",
            ),
            Daemon::Haproxy,
        );
        assert_eq!(config.listens.len(), 1);
        assert_eq!(config.silenced_by, []);
        assert_eq!(config.gaps, ["/etc/haproxy/haproxy.cfg:21: depends on a condition"]);
        let off = haproxy("frontend off\n bind :2\n disabled\n");
        assert_eq!(super::super::testing::config(&off, Daemon::Haproxy).silenced_by[0].text, "disabled");
    }

    #[test]
    fn further_files_of_the_command_line() {
        let files = haproxy("frontend a\n bind :80\n")
            .file(
                "/etc/default/haproxy",
                "#CONFIG=\"/x\"\nEXTRAOPTS=\"-de -f /etc/haproxy/more -f /etc/haproxy/one.cfg\"\n",
            )
            .file("/etc/haproxy/more/b.cfg", "frontend b\n bind :81\n")
            .file("/etc/haproxy/more/b.cfg.bak", "frontend b\n bind :82\n")
            .file("/etc/haproxy/one.cfg", "frontend c\n bind :83\n");
        let ports: Vec<_> = config(&files, Daemon::Haproxy).listens.iter().filter_map(|l| l.port).collect();
        assert_eq!(ports, [80, 81, 83]);
        let red_hat = haproxy("")
            .file("/etc/haproxy/conf.d/a.cfg", "frontend b\n bind :84\n")
            .file("/usr/lib/systemd/system/haproxy.service", "[Service]\nEnvironment=\"CFGDIR=/etc/haproxy/conf.d\"\n");
        assert_eq!(config(&red_hat, Daemon::Haproxy).listens.len(), 1);
    }

    #[test]
    fn hostile_files_end() {
        let config = config(
            &haproxy("frontend f\nbind\nbind x\nbind :0\nbind :9-1\nbind \"${X}:80\"\nbind :1-65535\n.endif\n\u{0}\n"),
            Daemon::Haproxy,
        );
        assert_eq!(config.gaps.len(), 4, "{:?}", config.gaps);
        assert_eq!(config.listens.len(), MOST_PORTS);
    }
}
