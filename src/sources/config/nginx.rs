//! Where nginx listens, and whom it asks: the `listen` and `proxy_pass` directives of its servers, through all includes.

use super::address::{ANY4, ANY6, ip_or_name, port};
use super::files::{absolute, dir_of};
use super::proxied::{self, Groups, Pass, Server};
use super::reader::{Need, Reader, Set, listen, origin, unix};
use super::tokens::{Token, Tokens};
use crate::facts::daemon::{ConfiguredListen, ListenAddress, Origin};

/// Main files, the first that exists counts.
pub(super) const MAIN: [&str; 3] =
    ["/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf", "/usr/local/openresty/nginx/conf/nginx.conf"];
/// nginx itself has no limit but its open files.
const DEEPEST: usize = 32;
/// Ports of a range that are listed.
const MOST_PORTS: usize = 1_024;
/// Blocks within blocks.
const MOST_BLOCKS: usize = 1_000;

/// A block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// `http`: its servers listen on port 80 when they do not say.
    Http,
    /// `stream` or `mail`: their servers must say.
    Other,
    /// A server directly in one of those.
    Server { http: bool, listens: bool },
    /// Anything else.
    Inner,
}

struct Nginx<'r, 'f> {
    reader: &'r mut Reader<'f>,
    /// Relative includes are relative to the main file's directory, wherever they stand.
    prefix: String,
    blocks: Vec<Block>,
    /// An address may stand in many servers; it is one socket, and one of them sets its options.
    listens: Vec<ConfiguredListen>,
    /// The server that is open, and those that were.
    server: Server,
    servers: Vec<Server>,
    /// Locations that are open, with how many blocks are around them.
    locations: Vec<(usize, String)>,
    /// Groups of upstream servers; the name of one that is open.
    groups: Groups,
    group: Option<String>,
}

/// Reads it.
pub(super) fn read(reader: &mut Reader<'_>, main: &str) {
    let prefix = dir_of(main).to_owned();
    let mut nginx = Nginx {
        reader,
        prefix,
        blocks: Vec::new(),
        listens: Vec::new(),
        server: Server::default(),
        servers: Vec::new(),
        locations: Vec::new(),
        groups: Groups::new(),
        group: None,
    };
    nginx.file(main, Need::Must);
    let listens = std::mem::take(&mut nginx.listens);
    let (servers, groups) = (std::mem::take(&mut nginx.servers), std::mem::take(&mut nginx.groups));
    proxied::tell(reader, servers, &groups);
    for listen in listens {
        reader.listen(listen);
    }
}

impl Nginx<'_, '_> {
    fn file(&mut self, path: &str, need: Need) {
        let Some(text) = self.reader.enter(path, need, DEEPEST) else { return };
        let outer = self.blocks.len();
        let mut tokens = Tokens::new(&text);
        let mut words: Vec<String> = Vec::new();
        let mut began = 1;
        while let Some((token, line)) = tokens.next() {
            match token {
                Token::Word(word) => {
                    if words.is_empty() {
                        began = line;
                    }
                    words.push(word);
                }
                Token::End => {
                    let at = origin(path, began, tokens.line(began));
                    self.directive(&words, &at);
                    words.clear();
                }
                Token::Open => {
                    if words.first().is_some_and(|w| w.ends_with("_by_lua_block")) {
                        tokens.skip_block();
                    } else {
                        self.open(&words);
                    }
                    words.clear();
                }
                Token::Close => {
                    if self.blocks.len() > outer {
                        self.close();
                    }
                    words.clear();
                }
            }
        }
        // A block that the file leaves open ends with it (nginx would refuse the file).
        while self.blocks.len() > outer {
            self.close();
        }
        self.reader.leave();
    }

    fn open(&mut self, words: &[String]) {
        let parent = self.blocks.last().copied();
        let block = match (words.first().map(String::as_str), parent) {
            (Some("http"), None) => Block::Http,
            (Some("stream" | "mail"), None) => Block::Other,
            (Some("server"), Some(Block::Http)) => Block::Server { http: true, listens: false },
            (Some("server"), Some(Block::Other)) => Block::Server { http: false, listens: false },
            _ => Block::Inner,
        };
        match words {
            [key, name] if key == "upstream" => self.group = Some(name.clone()),
            [key, .., path] if key == "location" => {
                // What a regular expression takes is not told by a prefix.
                let plain = words.len() == 2 || words.get(1).is_some_and(|sign| sign == "=" || sign == "^~");
                self.locations.push((self.blocks.len(), if plain { path.clone() } else { String::new() }));
            }
            _ => {}
        }
        if self.blocks.len() < MOST_BLOCKS {
            self.blocks.push(block);
        } else {
            self.reader.gap("too many blocks within blocks");
        }
    }

    fn close(&mut self) {
        let closed = self.blocks.pop();
        let around = self.blocks.len();
        self.locations.retain(|(outer, _)| *outer < around);
        if let Some(Block::Server { http: true, listens: false }) = closed {
            // As root; otherwise 8000, but then there is no unit for it.
            self.add(listen(&Set::built_in(ANY4), &Set::built_in(80), None));
            self.server.ports.push(80);
        }
        match closed {
            Some(Block::Server { .. }) => self.servers.push(std::mem::take(&mut self.server)),
            Some(Block::Inner) if self.group.is_some() => self.group = None,
            _ => {}
        }
    }

    fn directive(&mut self, words: &[String], at: &Origin) {
        match words {
            [key, pattern] if key == "include" => self.include(pattern),
            [key, address, options @ ..] if key == "listen" => {
                if let Some(Block::Server { listens, .. }) = self.blocks.last_mut() {
                    *listens = true;
                    self.listen(address, options, at);
                }
            }
            [key, names @ ..] if key == "server_name" => self.server.names.extend(names.iter().cloned()),
            [key, to, ..] if key == "server" => {
                if let Some(group) = &self.group {
                    let member = (to.clone(), to.clone(), at.clone());
                    self.groups.entry(group.clone()).or_default().push(member);
                }
            }
            [key, to, ..] if key.ends_with("_pass") => self.pass(key, to, at),
            _ => {}
        }
    }

    fn pass(&mut self, key: &str, to: &str, at: &Origin) {
        let http = match key {
            "proxy_pass" => to.contains("://"),
            "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass" => true,
            _ => return,
        };
        let path = self.locations.last().map(|(_, path)| path.clone()).unwrap_or_default();
        self.server.passes.push(Pass { path, http, to: to.to_owned(), at: at.clone() });
    }

    fn include(&mut self, pattern: &str) {
        let pattern = absolute(&self.prefix, pattern);
        for path in self.reader.expand(&pattern) {
            self.file(&path, Need::Must);
        }
    }

    fn listen(&mut self, address: &str, options: &[String], at: &Origin) {
        if options.iter().any(|o| o == "udp" || o == "quic") {
            return;
        }
        if let Some(path) = address.strip_prefix("unix:") {
            self.add(unix(path, Some(at.clone())));
            return;
        }
        let Some((address, ports)) = parse(address) else {
            self.reader.gap(format!("{at}: not understood: listen {address}"));
            return;
        };
        // Since 1.3.4 an IPv6 socket takes IPv6 only, unless it says otherwise.
        let v6only = !options.iter().any(|o| o == "ipv6only=off");
        let said = options.iter().any(|o| o.starts_with("ipv6only="));
        let address = Set::by(address, at.clone());
        self.server.ports.extend(if ports.is_empty() { vec![80] } else { ports.clone() });
        if ports.is_empty() {
            self.add_saying(listen(&address, &Set::built_in(80), Some(v6only)), said);
        }
        for port in ports {
            self.add_saying(listen(&address, &Set::by(port, at.clone()), Some(v6only)), said);
        }
    }

    fn add(&mut self, listen: ConfiguredListen) {
        self.add_saying(listen, false);
    }

    /// Adds a socket, or what this line says of one that is known.
    fn add_saying(&mut self, listen: ConfiguredListen, says_v6only: bool) {
        let known = self.listens.iter_mut().find(|l| l.address == listen.address && l.port == listen.port);
        match known {
            None => self.listens.push(listen),
            Some(known) if says_v6only => known.v6only = listen.v6only,
            Some(_) => {}
        }
    }
}

/// Address and ports of a `listen`: no ports means the default port.
fn parse(text: &str) -> Option<(ListenAddress, Vec<u16>)> {
    if let Some(ports) = range_of(text) {
        return Some((ANY4, ports));
    }
    let (host, range) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, range)) => (host, Some(range)),
            None => (text, None),
        },
    };
    let ports = match range {
        Some(range) => range_of(range)?,
        None => Vec::new(),
    };
    let address = match host {
        "*" => ANY4,
        "::" => ANY6,
        host if host.is_empty() || host.contains(['$', ':']) && host.parse::<std::net::Ipv6Addr>().is_err() => {
            return None;
        }
        host => ip_or_name(host),
    };
    Some((address, ports))
}

fn range_of(text: &str) -> Option<Vec<u16>> {
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
    use crate::facts::daemon::Daemon;

    const CONF: &str = "/etc/nginx/nginx.conf";
    const SITE: &str = "/etc/nginx/sites-enabled/default";
    const DEBIAN: &str = "user www-data;\nworker_processes auto;\npid /run/nginx.pid;\n\
        include /etc/nginx/modules-enabled/*.conf;\n\nevents {\n\tworker_connections 768;\n\t# multi_accept on;\n}\n\nhttp {\n\
        \tsendfile on;\n\tinclude /etc/nginx/mime.types;\n\tssl_protocols TLSv1.2 TLSv1.3; # Dropping SSLv3, ref: POODLE\n\
        \tgzip on;\n\tinclude /etc/nginx/conf.d/*.conf;\n\tinclude /etc/nginx/sites-enabled/*;\n}\n\n#mail {\n#\tserver {\n\
        #\t\tlisten     localhost:110;\n#\t}\n#}\n";
    const DEFAULT: &str = "server {\n\tlisten 80 default_server;\n\tlisten [::]:80 default_server;\n\n\t# listen 443 ssl;\n\
        \troot /var/www/html;\n\tserver_name _;\n\tlocation / {\n\t\ttry_files $uri $uri/ =404;\n\t}\n\
        \t#location ~ /\\.ht {\n\t#\tdeny all;\n\t#}\n}\n";

    fn debian() -> Memory {
        Memory::default()
            .file("/usr/sbin/nginx", "")
            .file(CONF, DEBIAN)
            .file("/etc/nginx/mime.types", "types {\n text/html html;\n}\n")
            .file("/etc/nginx/sites-available/default", DEFAULT)
            .link(SITE, "/etc/nginx/sites-available/default")
    }

    /// What a `http` block of this text listens on.
    fn http(text: &str) -> Vec<String> {
        let files = Memory::default().file("/usr/sbin/nginx", "").file(CONF, &format!("http {{\n{text}\n}}"));
        let config = config(&files, Daemon::Nginx);
        shown(&config).iter().map(|l| l.replace("/etc/nginx/nginx.conf", "")).collect()
    }

    #[test]
    fn whom_it_asks_is_told_with_the_group_behind_a_name() {
        let text = "http {\n upstream app { server 127.0.0.1:8000 weight=2; server unix:/run/app.sock; }\n server {\n listen 8080;\n\
                    server_name shop.example;\n location / { proxy_pass http://app; }\n location /api/ {\n\
                    proxy_pass https://10.0.0.7/x; }\n location ~ \\.php$ { fastcgi_pass unix:/run/php.sock; }\n\
                    location /v { proxy_pass http://$where; } }\n }\nstream { server { listen 5433; proxy_pass db:5432; } }";
        let files = Memory::default().file("/usr/sbin/nginx", "").file(CONF, text);
        let all = config(&files, Daemon::Nginx).beyond.upstreams;
        let shown: Vec<String> =
            all.iter().map(|u| format!("{:?} {} {:?} {:?} {}", u.ports, u.path, u.to, u.port, u.by.line)).collect();
        assert_eq!(
            shown,
            [
                "[8080] / Ip(127.0.0.1) Some(8000) 2",
                "[8080] / Path(\"/run/app.sock\") None 2",
                "[8080] /api/ Ip(10.0.0.7) Some(443) 8",
                "[8080]  Path(\"/run/php.sock\") None 9",
                "[5433]  Name(\"db\") Some(5432) 12"
            ]
        );
        assert_eq!(all.iter().map(|u| u.http).collect::<Vec<_>>(), [true, true, true, true, false]);
        assert_eq!(all[0].names, ["shop.example"]);
    }

    #[test]
    fn debian_default_listens_on_80_of_both_families() {
        let config = config(&debian(), Daemon::Nginx);
        assert_eq!(
            shown(&config),
            [format!("0.0.0.0:80 {SITE}:2 {SITE}:2"), format!("[::]:80 {SITE}:3 {SITE}:3 v6only")]
        );
        assert_eq!(config.gaps, Vec::<String>::new());
        assert_eq!(config.files, [CONF, "/etc/nginx/mime.types", SITE]);
        assert_eq!(config.listens[0].port_set_by.as_ref().unwrap().text, "listen 80 default_server;");
    }

    #[test]
    fn forms_of_listen() {
        assert_eq!(http("server { listen *:81; }"), ["0.0.0.0:81 :2 :2"]);
        assert_eq!(http("server { listen 10.0.0.5; }"), ["10.0.0.5:80 :2 -"]);
        assert_eq!(http("server { listen localhost:8080; }"), ["localhost:8080 :2 :2"]);
        assert_eq!(http("server { listen [::]:80 ipv6only=off; }"), ["[::]:80 :2 :2 dual"]);
        assert_eq!(http("server { listen \"unix:/run/x.sock\"; }"), ["/run/x.sock :2 -"]);
        assert_eq!(http("server { listen 8000-8001; listen 443 quic; listen 53 udp; }").len(), 2);
        assert_eq!(http("server { server_name x; }"), ["0.0.0.0:80 - -"]);
        assert_eq!(http("server { location / { listen 1; } }"), ["0.0.0.0:80 - -"]);
        assert_eq!(http("upstream u { server 10.0.0.1:9000; }"), Vec::<String>::new());
    }

    #[test]
    fn one_socket_however_many_servers_share_it() {
        let text = "server { listen 80; listen [::]:80; }\nserver { listen 80; listen [::]:80 ipv6only=off; }";
        assert_eq!(http(text), ["0.0.0.0:80 :2 :2", "[::]:80 :2 :2 dual"]);
    }

    #[test]
    fn strings_comments_braces_and_lua_do_not_confuse() {
        let text = "server { listen 80; # } listen 1;\n  return 200 \"} listen 2; {\";\n  set $a '\\'}';\n\
                    if ($x ~ \"^a{2}$\") { return 404; }\n content_by_lua_block {\n ngx.say(\"}\") -- }\n if a then { listen = 3 } end\n }\n\
                    listen\n  81\n; location ~ ${a}b { } }\nserver{listen 82;}";
        assert_eq!(http(text), ["0.0.0.0:80 :2 :2", "0.0.0.0:81 :10 :10", "0.0.0.0:82 :13 :13"]);
    }

    #[test]
    fn stream_servers_have_no_default() {
        let files = debian().file(CONF, "stream { server { proxy_pass x:1; } server { listen 5000; } }");
        assert_eq!(shown(&config(&files, Daemon::Nginx)), [format!("0.0.0.0:5000 {CONF}:1 {CONF}:1")]);
    }

    #[test]
    fn includes_are_relative_to_the_main_file_and_missing_ones_are_gaps() {
        let files = debian()
            .file(CONF, "http { server { include snippets/listen.conf; include none.conf; include empty.d/*.conf; } }")
            .file("/etc/nginx/snippets/listen.conf", "listen 8443 ssl;\n")
            .denied("/etc/nginx/empty.d");
        let config = config(&files, Daemon::Nginx);
        assert_eq!(shown(&config).len(), 1);
        assert_eq!(config.gaps, ["/etc/nginx/none.conf: no such file", "/etc/nginx/empty.d: permission denied"]);
    }

    #[test]
    fn hostile_files_end() {
        for text in [
            "http { include /etc/nginx/*.conf; server { listen 80; }",
            &"{".repeat(100_000),
            &"}".repeat(100_000),
            &"a ".repeat(400_000),
            "http { server { listen $x; listen [::; listen :; listen 99999; listen ::1:80; listen \"",
            "content_by_lua_block { \"",
            "\u{0}\u{1}'",
            "\r\nhttp {\r\n server {\r\n listen 80;\r\n}\r\n}\r\n",
        ] {
            let files = debian().file(CONF, text).file("/etc/nginx/b.conf", "include nginx.conf; include b.conf;");
            let config = config(&files, Daemon::Nginx);
            assert!(config.listens.len() <= 1, "{:?}", config.listens);
        }
    }

    #[test]
    fn files_that_include_each_other_twice_do_not_explode() {
        let mut files = Memory::default().file("/usr/sbin/nginx", "").file(CONF, "http { include l0; include l0; }");
        for level in 0..40 {
            let next = level + 1;
            files = files.file(&format!("/etc/nginx/l{level}"), &format!("include l{next}; include l{next};"));
        }
        let config = config(&files, Daemon::Nginx);
        assert!(config.gaps.iter().any(|g| g == "too many includes"), "{:?}", config.gaps);
    }
}
