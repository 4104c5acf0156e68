//! Units that name a port: on a service's command line or in its environment, or as a socket unit's own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::tree::{Tree, Unit};
use super::unit_text::{self, Set, UnitText};
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::command_line;
use crate::facts::daemon::{Daemon, Origin};
use crate::facts::socket::Transport;
use crate::facts::unit::Service;
use crate::sources::config::files::Files;

/// A search for one port.
pub(super) struct Search<'a> {
    files: &'a dyn Files,
    transport: Transport,
    port: u16,
    digits: String,
    /// Environment files are shared by many units.
    shared: RefCell<BTreeMap<String, Option<Rc<str>>>>,
}

impl<'a> Search<'a> {
    /// Begins one.
    pub(super) fn new(files: &'a dyn Files, transport: Transport, port: u16) -> Self {
        Self { files, transport, port, digits: port.to_string(), shared: RefCell::default() }
    }

    /// Everything the units claim: services first, then sockets.
    pub(super) fn claims(&self, tree: &Tree) -> Vec<Claim> {
        let mut claims: Vec<Claim> =
            tree.units.iter().flat_map(|(name, unit)| self.of_unit(tree, name, unit)).collect();
        claims.sort_by_key(|claim| claim.source);
        claims
    }

    /// Cheap first: a unit is only taken apart when the number stands in one of its files or in an instance's name.
    fn of_unit(&self, tree: &Tree, name: &str, unit: &Unit) -> Vec<Claim> {
        let names = tree.names(name);
        if names.is_empty() {
            return Vec::new();
        }
        let paths = unit.main.iter().chain(&unit.drop_ins);
        let texts: Vec<(&str, String)> =
            paths.filter_map(|path| Some((path.as_str(), self.files.read(path).ok()?))).collect();
        let mentioned = texts.iter().any(|(_, text)| has_number(text, &self.digits))
            || names.iter().any(|name| has_number(name, &self.digits));
        if !mentioned && !texts.iter().any(|(_, text)| text.contains("EnvironmentFile")) {
            return Vec::new();
        }
        let mut whole = UnitText::default();
        for (path, text) in &texts {
            whole.add(path, text);
        }
        names.into_iter().filter_map(|name| self.of_text(name, &whole, mentioned)).collect()
    }

    fn of_text(&self, name: &str, unit: &UnitText, mentioned: bool) -> Option<Claim> {
        if name.ends_with(".socket") {
            return self.socket(name, unit);
        }
        let files = self.environment(name, unit);
        if !mentioned && !files.iter().any(|(entry, _)| has_number(entry, &self.digits)) {
            return None;
        }
        self.service(name, unit, &files)
    }

    /// The assignments of a unit's environment files.
    fn environment(&self, name: &str, unit: &UnitText) -> Vec<Set> {
        let paths = unit.environment_files.iter().map(|(path, _)| unit_text::specifiers(path, name));
        paths
            .filter_map(|path| Some((self.shared(&path)?, path)))
            .flat_map(|(t, p)| unit_text::environment_file(&p, &t))
            .collect()
    }

    fn shared(&self, path: &str) -> Option<Rc<str>> {
        let mut shared = self.shared.borrow_mut();
        let read = || self.files.read(path).ok().map(Rc::from);
        shared.entry(path.to_owned()).or_insert_with(read).clone()
    }

    fn service(&self, name: &str, unit: &UnitText, files: &[Set]) -> Option<Claim> {
        // Environment files win over Environment=.
        let all = unit.environment.iter().chain(files);
        let values: BTreeMap<&str, &str> = all.clone().filter_map(|(entry, _)| entry.split_once('=')).collect();
        let commands = unit.exec.iter().map(|(command, at)| {
            let argv = unit_text::argv(command, name, &values);
            (Service { exec_start: vec![argv], ..Service::default() }, at)
        });
        let program: Vec<Vec<String>> = unit
            .exec
            .iter()
            .take(1)
            .map(|(c, _)| unit_text::argv(c, name, &values).into_iter().take(1).collect())
            .collect();
        let entries = all.map(|(entry, at)| {
            let environment = vec![unit_text::specifiers(entry, name)];
            (Service { exec_start: program.clone(), environment, ..Service::default() }, at)
        });
        let found = commands.chain(entries).find(|(service, _)| self.is_named_by(service));
        let (_, at) = found?;
        Some(claim(name, name, ClaimSource::UnitFile, at))
    }

    fn is_named_by(&self, service: &Service) -> bool {
        let fits =
            |l: &command_line::CommandListen| l.port == self.port && l.transport.is_none_or(|t| t == self.transport);
        command_line::listens(service).iter().any(fits)
    }

    fn socket(&self, name: &str, unit: &UnitText) -> Option<Claim> {
        let list = match self.transport {
            Transport::Tcp => &unit.streams,
            Transport::Udp => &unit.datagrams,
        };
        let port = |value: &str| socket_port(&unit_text::specifiers(value, name));
        let (_, at) = list.iter().find(|(value, _)| port(value) == Some(self.port))?;
        let stem = name.strip_suffix(".socket").unwrap_or(name);
        let own = if unit.accept { format!("{stem}@.service") } else { format!("{stem}.service") };
        let service = unit.service.clone().unwrap_or(own);
        Some(claim(name, &service, ClaimSource::SocketUnit, at))
    }
}

/// `unit` claims the port; `runs` is the service behind it.
fn claim(unit: &str, runs: &str, source: ClaimSource, at: &Origin) -> Claim {
    let program = if source == ClaimSource::SocketUnit { runs } else { runs.strip_suffix(".service").unwrap_or(runs) };
    Claim {
        unit: Some(unit.to_owned()),
        daemon: Daemon::ALL.into_iter().find(|d| d.runs_as(runs)),
        program: program.to_owned(),
        source,
        origin: Some(at.clone()),
        listen: None,
    }
}

/// The port of `22`, `0.0.0.0:22`, `[::]:22`; none for paths, abstract names and vsock.
fn socket_port(value: &str) -> Option<u16> {
    if value.starts_with(['/', '@']) || value.starts_with("vsock") {
        return None;
    }
    value.rsplit_once(':').map_or(value, |(_, port)| port).parse().ok()
}

/// Does the number stand in the text, not as a part of a longer one?
fn has_number(text: &str, digits: &str) -> bool {
    text.match_indices(digits).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + digits.len()..).and_then(|t| t.chars().next());
        ![before, after].into_iter().flatten().any(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::config::files::Memory;

    const LIB: &str = "/usr/lib/systemd/system";

    fn unit(files: Memory, name: &str, text: &str) -> Memory {
        files.file(&format!("{LIB}/{name}"), text)
    }

    fn claims(files: &Memory, transport: Transport, port: u16) -> Vec<String> {
        let found = Search::new(files, transport, port).claims(&Tree::list(files));
        let at = |c: &Claim| c.origin.as_ref().map(ToString::to_string).unwrap_or_default().replace(LIB, "");
        found.iter().map(|c| format!("{} {} {}", c.unit.as_deref().unwrap_or("-"), c.program, at(c))).collect()
    }

    #[test]
    fn numbers_are_whole() {
        assert!(has_number("a 80", "80"));
        assert!(has_number("x8080,80", "80"));
        assert!(!has_number("8080 180", "80"));
        assert!(!has_number("", "80"));
    }

    #[test]
    fn command_lines_environments_and_environment_files() {
        let files = unit(Memory::default(), "web.service", "[Service]\nExecStart=/usr/bin/web --port 8080\n");
        let files = unit(files, "app.service", "[Service]\nEnvironment=PORT=8081\nExecStart=/usr/bin/node app.js\n");
        let files =
            unit(files, "env.service", "[Service]\nEnvironmentFile=-/etc/default/env\nExecStart=/usr/bin/env1 $OPTS\n");
        let files = files.file("/etc/default/env", "OPTS=\"--listen 0.0.0.0:8082\"\nHTTP_PORT=8083\n");
        assert_eq!(claims(&files, Transport::Tcp, 8080), ["web.service web /web.service:2"]);
        assert_eq!(claims(&files, Transport::Tcp, 8081), ["app.service app /app.service:2"]);
        assert_eq!(claims(&files, Transport::Tcp, 8082), ["env.service env /env.service:3"]);
        assert_eq!(claims(&files, Transport::Tcp, 8083), ["env.service env /etc/default/env:2"]);
        assert_eq!(claims(&files, Transport::Tcp, 80), Vec::<String>::new());
    }

    #[test]
    fn drop_ins_decide() {
        let files = unit(Memory::default(), "web.service", "[Service]\nExecStart=/usr/bin/web --port 8080\n").file(
            "/etc/systemd/system/web.service.d/o.conf",
            "[Service]\nExecStart=\nExecStart=/usr/bin/web --port 9090\n",
        );
        assert_eq!(claims(&files, Transport::Tcp, 8080), Vec::<String>::new());
        assert_eq!(
            claims(&files, Transport::Tcp, 9090),
            ["web.service web /etc/systemd/system/web.service.d/o.conf:3"]
        );
    }

    #[test]
    fn instances_of_templates() {
        let files = unit(Memory::default(), "app@.service", "[Service]\nExecStart=/usr/bin/app -p %i\n").link(
            "/etc/systemd/system/multi-user.target.wants/app@8080.service",
            "/usr/lib/systemd/system/app@.service",
        );
        assert_eq!(claims(&files, Transport::Tcp, 8080), ["app@8080.service app@8080 /app@.service:2"]);
        assert_eq!(claims(&files, Transport::Tcp, 8081), Vec::<String>::new());
    }

    #[test]
    fn sockets_name_their_service() {
        let files = unit(Memory::default(), "ssh.socket", "[Socket]\nListenStream=22\nAccept=no\n");
        let files = unit(
            files,
            "tftp.socket",
            "[Socket]\nListenDatagram=[::]:69\nListenStream=/run/x:69\nService=in.tftpd.service\n",
        );
        let files = unit(files, "echo.socket", "[Socket]\nListenStream=127.0.0.1:7\nAccept=yes\n");
        assert_eq!(claims(&files, Transport::Tcp, 22), ["ssh.socket ssh.service /ssh.socket:2"]);
        assert_eq!(claims(&files, Transport::Udp, 69), ["tftp.socket in.tftpd.service /tftp.socket:2"]);
        assert_eq!(claims(&files, Transport::Tcp, 69), Vec::<String>::new());
        assert_eq!(claims(&files, Transport::Tcp, 7), ["echo.socket echo@.service /echo.socket:2"]);
    }

    #[test]
    fn a_masked_unit_still_claims() {
        let files = unit(Memory::default(), "web.service", "[Service]\nExecStart=/usr/bin/web --port 8080\n")
            .link("/etc/systemd/system/web.service", "/dev/null");
        assert_eq!(claims(&files, Transport::Tcp, 8080), ["web.service web /web.service:2"]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 200, failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_unit_makes_the_search_panic(words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..40)) {
            let text = format!("[Service]\n{}", words.concat());
            let files = unit(unit(Memory::default(), "a.service", &text), "b@.socket", &text)
                .file("/etc/systemd/system/x.wants/b@8080.socket", "")
                .file("/etc/default/a", &text);
            for transport in [Transport::Tcp, Transport::Udp] {
                let _ = claims(&files, transport, 8080);
            }
        }
    }

    const WORDS: [&str; 40] = [
        " ",
        "\n",
        "\\\n",
        "\"",
        "'",
        "\\",
        "#",
        "=",
        ":",
        ",",
        "%",
        "%i",
        "$",
        "${",
        "}",
        "$PORT",
        "8080",
        "0",
        "-",
        "--",
        "-p",
        "ExecStart=",
        "Environment=",
        "EnvironmentFile=/etc/default/a\n",
        "[Socket]\n",
        "ListenStream=",
        "sh -c ",
        "ssh -L ",
        "docker run ",
        "socat ",
        "TCP-LISTEN:",
        "nc -l ",
        "--port ",
        "--listen=",
        "127.0.0.1:",
        "[::]:",
        "http://",
        "env ",
        "PORT=",
        "\u{0}é",
    ];

    #[test]
    fn hostile_units_end() {
        let files = unit(
            Memory::default(),
            "a.service",
            "\u{0}8080[Service]\n[Service]\nExecStart=\nExecStart=\"8080\nEnvironmentFile=/usr/lib/systemd/system/a.service\n",
        );
        let files = unit(files, "b.service", &"ExecStart=8080 \\\n".repeat(50_000));
        let files = unit(files, "c@.socket", "[Socket]\nListenStream=8080:8080:x\nListenStream=99999\n");
        assert_eq!(claims(&files, Transport::Tcp, 8080), Vec::<String>::new());
    }
}
