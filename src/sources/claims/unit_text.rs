//! What a unit file and its drop-ins say: commands, environment, sockets.

use std::collections::BTreeMap;

use crate::facts::daemon::Origin;
use crate::sources::config::reader::{lines, origin};
use crate::sources::config::words::{self, Comments, Quoting};

/// Bytes one setting may be continued over.
const LONGEST: usize = 64 << 10;
/// Settings of one unit that are kept.
const MOST: usize = 1_000;

/// A value and the line it stands on.
pub(super) type Set = (String, Origin);

/// The settings of a unit that have to do with ports. An empty assignment takes back what came before.
#[derive(Debug, Default)]
pub(super) struct UnitText {
    /// `ExecStart=`.
    pub(super) exec: Vec<Set>,
    /// `Environment=`, one assignment each.
    pub(super) environment: Vec<Set>,
    /// `EnvironmentFile=`, without the `-`.
    pub(super) environment_files: Vec<Set>,
    /// `ListenStream=`.
    pub(super) streams: Vec<Set>,
    /// `ListenDatagram=`.
    pub(super) datagrams: Vec<Set>,
    /// `Service=` of a socket.
    pub(super) service: Option<String>,
    /// `Accept=yes` of a socket.
    pub(super) accept: bool,
}

impl UnitText {
    /// Takes in one file; main file first, then drop-ins in their order.
    pub(super) fn add(&mut self, path: &str, text: &str) {
        let mut section = String::new();
        let mut setting = String::new();
        let mut began = 1;
        for (number, line) in lines(text) {
            if setting.is_empty() {
                began = number;
            } else if line.trim_start().starts_with(['#', ';']) {
                continue; // a comment does not end a continued line
            }
            if let Some(continued) = line.strip_suffix('\\').filter(|_| setting.len() < LONGEST) {
                setting.push_str(continued);
                setting.push(' ');
                continue;
            }
            setting.push_str(line);
            let whole = std::mem::take(&mut setting);
            let whole = whole.trim();
            if let Some(name) = whole.strip_prefix('[') {
                name.trim_end_matches(']').clone_into(&mut section);
            } else if let Some((key, value)) = whole.split_once('=').filter(|_| !whole.starts_with(['#', ';'])) {
                self.setting(&section, key.trim_end(), value.trim(), &origin(path, began, whole));
            }
        }
    }

    fn setting(&mut self, section: &str, key: &str, value: &str, at: &Origin) {
        let list = match (section, key) {
            ("Service", "ExecStart") => &mut self.exec,
            ("Service", "EnvironmentFile") => &mut self.environment_files,
            ("Socket", "ListenStream") => &mut self.streams,
            ("Socket", "ListenDatagram") => &mut self.datagrams,
            ("Service", "Environment") => return self.assignments(value, at),
            ("Socket", "Service") => return self.service = Some(value.to_owned()),
            ("Socket", "Accept") => return self.accept = matches!(value, "yes" | "true" | "1" | "on"),
            _ => return,
        };
        if value.is_empty() {
            list.clear();
        } else if list.len() < MOST {
            list.push((value.strip_prefix('-').unwrap_or(value).to_owned(), at.clone()));
        }
    }

    fn assignments(&mut self, value: &str, at: &Origin) {
        if value.is_empty() {
            self.environment.clear();
        }
        let room = MOST.saturating_sub(self.environment.len());
        let new = split(value).into_iter().filter(|w| w.contains('=')).take(room);
        self.environment.extend(new.map(|word| (word, at.clone())));
    }
}

/// The assignments of an environment file (systemd.exec(5)).
pub(super) fn environment_file(path: &str, text: &str) -> Vec<Set> {
    let assignments = lines(text).filter_map(|(number, line)| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))?;
        let value = words::unquoted(value);
        Some((format!("{}={value}", key.trim()), origin(path, number, line)))
    });
    assignments.take(MOST).collect()
}

/// The command of an `ExecStart=` as its words, with specifiers and variables filled in.
pub(super) fn argv(command: &str, unit: &str, environment: &BTreeMap<&str, &str>) -> Vec<String> {
    let mut argv = Vec::new();
    for word in split(command.trim_start_matches(['-', '@', ':', '+', '!'])) {
        let word = specifiers(&word, unit);
        // `$NAME` alone is split into words; `${NAME}` stays part of its own.
        match word.strip_prefix('$').filter(|name| is_name(name)) {
            Some(name) => argv.extend(split(environment.get(name).copied().unwrap_or_default())),
            None => argv.push(variables(&word, environment)),
        }
    }
    argv
}

/// Fills in what the unit's name says: `%i`, `%p`, `%n`.
pub(super) fn specifiers(text: &str, unit: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '%' { chars.next() } else { None }) {
            ('%', Some('i' | 'I' | 'j' | 'J')) => result.push_str(instance),
            ('%', Some('p' | 'P')) => result.push_str(prefix),
            ('%', Some('n')) => result.push_str(unit),
            ('%', Some('N')) => result.push_str(stem),
            ('%', Some('%')) => result.push('%'),
            ('%', other) => result.extend(std::iter::once('%').chain(other)),
            (c, _) => result.push(c),
        }
    }
    result
}

fn variables(word: &str, environment: &BTreeMap<&str, &str>) -> String {
    let mut result = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        result.push_str(before);
        result.push_str(environment.get(name).copied().unwrap_or_default());
        rest = behind;
    }
    result.push_str(rest);
    result
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Words as systemd splits them; it knows no comments within a line.
fn split(text: &str) -> Vec<String> {
    words::split(text, Quoting { escapes: true, comments: Comments::Never })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_continue_reset_and_keep_their_lines() {
        let mut unit = UnitText::default();
        unit.add(
            "/a.service",
            "# comment\n[Unit]\nExecStart=/no\n[Service]\nExecStart=-/bin/a \\\n# not the end\n  --port 80\n\
             Environment=\"A=1 2\" B=3\nEnvironmentFile=-/etc/default/a\n",
        );
        assert_eq!(unit.exec[0].0, "/bin/a    --port 80");
        assert_eq!(unit.exec[0].1.line, 5);
        assert_eq!(unit.environment.iter().map(|(e, _)| e.as_str()).collect::<Vec<_>>(), ["A=1 2", "B=3"]);
        assert_eq!(unit.environment_files[0].0, "/etc/default/a");
        unit.add("/a.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/bin/b\nEnvironment=\n");
        assert_eq!(unit.exec.len(), 1);
        assert_eq!(unit.exec[0].1.to_string(), "/a.service.d/x.conf:3");
        assert_eq!(unit.environment, []);
    }

    #[test]
    fn sockets() {
        let mut unit = UnitText::default();
        unit.add(
            "/ssh.socket",
            "[Socket]\nListenStream=22\nListenStream=\nListenStream=[::1]:2222\nAccept=yes\nService=x.service",
        );
        assert_eq!(unit.streams.len(), 1);
        assert_eq!((unit.accept, unit.service.as_deref()), (true, Some("x.service")));
    }

    #[test]
    fn commands_are_filled_in() {
        let environment = BTreeMap::from([("PORT", "81"), ("OPTS", "--host \"10.0.0.1\"")]);
        let words = |command: &str| argv(command, "app@8080.service", &environment);
        assert_eq!(words("/bin/a --port=${PORT} $OPTS $NONE"), ["/bin/a", "--port=81", "--host", "10.0.0.1"]);
        assert_eq!(words("-!/bin/a -p %i '%%x #y' %p"), ["/bin/a", "-p", "8080", "%x #y", "app"]);
        assert_eq!(words("/bin/a ${open % $"), ["/bin/a", "${open", "%", "$"]);
    }

    #[test]
    fn environment_files_and_rubbish() {
        let found = environment_file("/etc/default/a", "# PORT=1\nexport PORT=\"80\"\n=\nx\n\u{0}\n");
        assert_eq!(found.iter().map(|(e, _)| e.as_str()).collect::<Vec<_>>(), ["PORT=80", "="]);
        let mut unit = UnitText::default();
        unit.add("/a", &"ExecStart=\\\n".repeat(100_000));
        unit.add("/a", "[Service\nExecStart=x\n]\n=\n[\n");
        assert!(unit.exec.len() <= 1);
    }
}
