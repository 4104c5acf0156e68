//! Where Apache listens: the `Listen` directives that count with the modules and definitions there are.

use std::collections::{BTreeMap, BTreeSet};

use super::address::{ANY4, host_port, ip_or_name, port};
use super::files::{Kind, absolute};
use super::reader::{Need, Reader, Set, listen, origin};
use super::words::{self, Comments, Quoting};
use crate::facts::daemon::{ListenAddress, Origin};

/// Main files, the first that exists counts, with the server root each is built with.
pub(super) const MAIN: [(&str, &str); 4] = [
    ("/etc/apache2/apache2.conf", "/etc/apache2"),
    ("/etc/httpd/conf/httpd.conf", "/etc/httpd"),
    ("/etc/apache2/httpd.conf", "/etc/apache2"),
    ("/usr/local/apache2/conf/httpd.conf", "/usr/local/apache2"),
];
/// As the server itself (`AP_MAX_INCLUDE_DEPTH`).
const DEEPEST: usize = 20;
/// Directories within an included directory.
const DEEPEST_DIR: usize = 8;
/// Lines one directive may be continued over.
const LONGEST: usize = 64 << 10;
const QUOTING: Quoting = Quoting { escapes: false, comments: Comments::BeforeWords };

/// A section that is open.
struct Section {
    name: String,
    /// Do the directives in it count?
    counts: bool,
    /// It is one of those whose condition we evaluated.
    condition: Option<Origin>,
}

struct Apache<'r, 'f> {
    reader: &'r mut Reader<'f>,
    root: String,
    modules: BTreeSet<String>,
    defines: BTreeMap<String, String>,
    sections: Vec<Section>,
}

/// Reads it.
pub(super) fn read(reader: &mut Reader<'_>, main: &str, root: &str) {
    let built_in = ["core_module", "so_module", "http_module"];
    let mut apache = Apache {
        reader,
        root: root.to_owned(),
        modules: built_in.into_iter().map(String::from).collect(),
        defines: BTreeMap::new(),
        sections: Vec::new(),
    };
    apache.environment(&format!("{root}/envvars"));
    apache.environment("/etc/sysconfig/httpd");
    apache.file(main, Need::Must);
}

impl Apache<'_, '_> {
    /// `export NAME=value`, which `${NAME}` may use, and `-D NAME` of the command line.
    fn environment(&mut self, path: &str) {
        let Some(text) = self.reader.text(path, Need::May) else { return };
        for line in text.lines().map(str::trim) {
            let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else { continue };
            let value = words::unquoted(value);
            if matches!(name, "APACHE_ARGUMENTS" | "OPTIONS") {
                self.arguments(value);
            } else if !value.contains(['$', '`']) && !name.contains(char::is_whitespace) {
                self.defines.insert(format!("env {name}"), value.to_owned());
            }
        }
    }

    fn arguments(&mut self, value: &str) {
        let mut words = value.split_whitespace();
        while let Some(word) = words.next() {
            if let Some(joined) = word.strip_prefix("-D") {
                let name = if joined.is_empty() { words.next().unwrap_or_default() } else { joined };
                self.defines.insert(name.to_owned(), String::new());
            }
        }
    }

    fn file(&mut self, path: &str, need: Need) {
        let Some(text) = self.reader.enter(path, need, DEEPEST) else { return };
        let outer = self.sections.len();
        let mut directive = String::new();
        let mut began = 1;
        for (number, line) in super::reader::lines(&text) {
            if directive.is_empty() {
                began = number;
            }
            if let Some(continued) = line.strip_suffix('\\').filter(|_| directive.len() < LONGEST) {
                directive.push_str(continued);
                continue;
            }
            directive.push_str(line);
            let text = std::mem::take(&mut directive);
            self.line(text.trim(), &origin(path, began, &text), outer);
        }
        self.sections.truncate(outer);
        self.reader.leave();
    }

    fn line(&mut self, text: &str, at: &Origin, outer: usize) {
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        if let Some(name) = text.strip_prefix("</") {
            let name = name.trim_end_matches('>').trim();
            let open = self.sections.last().is_some_and(|s| s.name.eq_ignore_ascii_case(name));
            if open && self.sections.len() > outer {
                self.sections.pop();
            }
        } else if let Some(section) = text.strip_prefix('<') {
            self.open(section.trim_end_matches('>').trim(), at);
        } else {
            let words: Vec<String> = words::split(text, QUOTING).iter().map(|w| self.expanded(w)).collect();
            if let Some((key, values)) = words.split_first() {
                self.directive(&key.to_ascii_lowercase(), values, at);
            }
        }
    }

    fn open(&mut self, text: &str, at: &Origin) {
        let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let argument = words::unquoted(argument);
        let (negated, wanted) = argument.strip_prefix('!').map_or((false, argument), |rest| (true, rest));
        let holds = match name.to_ascii_lowercase().as_str() {
            "ifmodule" => Some(self.modules.contains(&module_name(wanted))),
            "ifdefine" => Some(self.defines.contains_key(wanted)),
            "iffile" => Some(self.reader.files.exists(&absolute(&self.root, wanted))),
            // Versions and directives cannot be told from here; both are written to be true on current servers.
            _ => None,
        };
        let outer = self.sections.last().is_none_or(|s| s.counts);
        let condition = holds.map(|_| at.clone());
        let counts = outer && holds.is_none_or(|h| h != negated);
        self.sections.push(Section { name: name.to_owned(), counts, condition });
    }

    fn directive(&mut self, key: &str, values: &[String], at: &Origin) {
        let Some(value) = values.first() else { return };
        if !self.sections.last().is_none_or(|s| s.counts) {
            if key == "listen" {
                self.silenced();
            }
            return;
        }
        match key {
            "serverroot" => self.root = absolute("/", value),
            "loadmodule" => drop(self.modules.insert(module_name(value))),
            "define" => drop(self.defines.insert(value.clone(), values.get(1).cloned().unwrap_or_default())),
            "undefine" => drop(self.defines.remove(value)),
            "include" | "includeoptional" => {
                let need = if key == "include" { Need::Must } else { Need::May };
                self.include(&absolute(&self.root, value), need, 0);
            }
            "listen" => self.listen(value, at),
            _ => {}
        }
    }

    /// The condition that keeps a `Listen` from counting: the innermost that does not hold.
    fn silenced(&mut self) {
        let failed = self.sections.iter().find(|s| !s.counts).and_then(|s| s.condition.clone());
        if let Some(at) = failed.filter(|at| !self.reader.silenced_by.contains(at)) {
            self.reader.silenced_by.push(at);
        }
    }

    /// A file, a pattern, or a directory with everything below it.
    fn include(&mut self, pattern: &str, need: Need, depth: usize) {
        for path in self.reader.expand(pattern) {
            if self.reader.files.kind(&path) != Ok(Kind::Dir) {
                self.file(&path, need);
            } else if depth < DEEPEST_DIR {
                for inner in self.reader.files_in(&path, "") {
                    self.include(&inner, need, depth + 1);
                }
            }
        }
    }

    fn listen(&mut self, value: &str, at: &Origin) {
        let (host, range) =
            if value.bytes().all(|b| b.is_ascii_digit()) { ("", Some(value)) } else { host_port(value) };
        let Some(port) = range.and_then(port) else {
            self.reader.gap(format!("{at}: not understood: Listen {value}"));
            return;
        };
        // One IPv6 socket takes both families: Apache switches IPV6_V6ONLY off itself.
        let address = match host {
            "" | "*" => ListenAddress::Any,
            "0.0.0.0" => ANY4,
            host => ip_or_name(host),
        };
        self.reader.listen(listen(&Set::by(address, at.clone()), &Set::by(port, at.clone()), Some(false)));
    }

    /// `${NAME}` replaced by what is defined, else by the environment, else left alone.
    fn expanded(&self, word: &str) -> String {
        let mut result = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            let value = self.defines.get(name).or_else(|| self.defines.get(&format!("env {name}")));
            result.push_str(before);
            let unknown = after.split_at_checked(name.len() + 1).map_or("", |(name, _)| name);
            match value {
                Some(value) => result.push_str(value),
                None => result.extend(["${", unknown]),
            }
            rest = behind;
        }
        result.push_str(rest);
        result
    }
}

/// `mod_ssl.c` and `ssl_module` are the same module.
fn module_name(name: &str) -> String {
    match name.strip_suffix(".c").or_else(|| name.strip_suffix(".cpp")) {
        None => name.to_owned(),
        Some(file @ ("event" | "worker" | "prefork")) => format!("mpm_{file}_module"),
        Some("http_core") => "http_module".into(),
        Some(file) => format!("{}_module", file.strip_prefix("mod_").unwrap_or(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::super::testing::{config, shown};
    use crate::facts::daemon::Daemon;

    const PORTS: &str = "/etc/apache2/ports.conf";
    const DEBIAN: &str = "# This is the main Apache server configuration file.\n#ServerRoot \"/etc/apache2\"\n\
        DefaultRuntimeDir ${APACHE_RUN_DIR}\nPidFile ${APACHE_PID_FILE}\nTimeout 300\nUser ${APACHE_RUN_USER}\n\
        IncludeOptional mods-enabled/*.load\nIncludeOptional mods-enabled/*.conf\n\nInclude ports.conf\n\
        <Directory />\n\tOptions FollowSymLinks\n</Directory>\n<FilesMatch \"^\\.ht\">\n\tRequire all denied\n</FilesMatch>\n\
        LogFormat \"%v:%p %h %l \\\"%r\\\"\" vhost_combined\nIncludeOptional conf-enabled/*.conf\n\
        IncludeOptional sites-enabled/*.conf\n";
    const DEBIAN_PORTS: &str = "# If you just change the port or add more ports here\n\nListen 80\n\n\
        <IfModule ssl_module>\n\tListen 443\n</IfModule>\n\n<IfModule mod_gnutls.c>\n\tListen 443\n</IfModule>\n";

    fn debian() -> Memory {
        Memory::default()
            .file("/usr/sbin/apache2", "")
            .file("/etc/apache2/apache2.conf", DEBIAN)
            .file(PORTS, DEBIAN_PORTS)
            .file("/etc/apache2/envvars", "unset HOME\nexport APACHE_RUN_USER=www-data\nexport WEB_PORT=8081\n")
            .file(
                "/etc/apache2/mods-enabled/mpm_event.load",
                "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n",
            )
            .file(
                "/etc/apache2/sites-enabled/000-default.conf",
                "<VirtualHost *:80>\n\tDocumentRoot /var/www/html\n</VirtualHost>\n",
            )
    }

    #[test]
    fn debian_default_listens_on_80_and_not_yet_on_443() {
        let config = config(&debian(), Daemon::Apache);
        assert_eq!(shown(&config), [format!("*:80 {PORTS}:3 {PORTS}:3 dual")]);
        assert_eq!(config.silenced_by, []);
        assert_eq!(config.gaps, Vec::<String>::new());
    }

    #[test]
    fn with_the_ssl_module_443_counts() {
        let files = debian()
            .file("/etc/apache2/mods-enabled/ssl.load", "LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n");
        let config = config(&files, Daemon::Apache);
        assert_eq!(shown(&config)[1], format!("*:443 {PORTS}:6 {PORTS}:6 dual"));
    }

    #[test]
    fn conditions_that_leave_nothing_are_told() {
        let files =
            debian().file(PORTS, "<IfModule ssl_module>\nListen 443\n</IfModule>\n<IfModule !x>\n</IfModule>\n");
        let config = config(&files, Daemon::Apache);
        assert_eq!(config.listens, []);
        assert_eq!(config.silenced_by.iter().map(|o| o.text.as_str()).collect::<Vec<_>>(), ["<IfModule ssl_module>"]);
    }

    #[test]
    fn forms_of_listen_and_conditions() {
        let files = debian().file(
            PORTS,
            "Listen 10.0.0.5:8080\nListen [::1]:8443 https\nlisten \\\n ${WEB_PORT}\nDefine P 8082\nListen *:${P}\n\
             <IfDefine !P>\nListen 1\n</IfDefine>\n<IfModule !mod_ssl.c>\n<IfDefine P>\nListen 2\n</IfDefine>\n</IfModule>\n",
        );
        let addresses: Vec<_> =
            shown(&config(&files, Daemon::Apache)).iter().map(|l| l.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(addresses, ["10.0.0.5:8080", "[::1]:8443", "*:8081", "*:8082", "*:2"]);
    }

    #[test]
    fn red_hat_layout() {
        let files = Memory::default()
            .file("/usr/sbin/httpd", "")
            .file(
                "/etc/httpd/conf/httpd.conf",
                "ServerRoot \"/etc/httpd\"\nListen 80\nInclude conf.modules.d/*.conf\nIncludeOptional conf.d/*.conf\n",
            )
            .file("/etc/httpd/conf.modules.d/00-ssl.conf", "LoadModule ssl_module modules/mod_ssl.so\n")
            .file("/etc/httpd/conf.d/ssl.conf", "Listen 443 https\n<VirtualHost _default_:443>\n</VirtualHost>\n");
        let config = config(&files, Daemon::Apache);
        assert_eq!(config.listens.iter().filter_map(|l| l.port).collect::<Vec<_>>(), [80, 443]);
    }

    #[test]
    fn hostile_files_end() {
        let files = debian().file(
            PORTS,
            "Include /etc/apache2\nInclude none.conf\nListen\nListen x\nListen 80:80:80\nListen ${open\n</IfModule>\n<\n<IfModule\n>\n\\",
        );
        let config = config(&files, Daemon::Apache);
        assert!(config.gaps.iter().any(|g| g.contains("includes itself")), "{:?}", config.gaps);
        assert_eq!(config.listens, []);
    }
}
