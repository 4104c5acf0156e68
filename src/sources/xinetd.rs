//! What xinetd was told: /etc/xinetd.conf and the files it includes.

use std::collections::BTreeMap;

use super::Trouble;
use super::config::files::{Files, HostFiles, Unread};
use crate::facts::daemon::Origin;
use crate::facts::xinetd::{AccessList, XinetdService};

const MAIN: &str = "/etc/xinetd.conf";
/// Files that are read.
const MOST_FILES: usize = 200;
/// Services worth telling.
const MOST_SERVICES: usize = 500;
/// Clients of one list.
const MOST_ENTRIES: usize = 1000;
/// Characters of a line that are kept.
const MOST_LINE: usize = 400;

/// None: it is not installed.
pub(super) fn read() -> Result<Option<Vec<XinetdService>>, Trouble> {
    read_of(&HostFiles::own())
}

pub(super) fn read_of(files: &dyn Files) -> Result<Option<Vec<XinetdService>>, Trouble> {
    let text = match files.read(MAIN) {
        Ok(text) => text,
        Err(Unread::Missing) => return Ok(None),
        Err(Unread::Denied) => return Err(Trouble::denied("root")),
        Err(why) => return Err(Trouble::failed(format!("{MAIN}: {why}"))),
    };
    let mut reading = Reading { files, services: Vec::new(), defaults: XinetdService::default(), left: MOST_FILES };
    reading.file(MAIN, &text);
    let ports = ports(&files.read("/etc/services").unwrap_or_default());
    let Reading { mut services, defaults, .. } = reading;
    for service in &mut services {
        service.port = service.port.or_else(|| ports.get(&service.name).copied());
        service.only_from = service.only_from.take().or_else(|| defaults.only_from.clone());
        service.no_access = service.no_access.take().or_else(|| defaults.no_access.clone());
    }
    Ok(Some(services))
}

/// TCP ports by their names.
fn ports(services: &str) -> BTreeMap<String, u16> {
    let of = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let (name, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?.parse().ok()?);
        Some((name.to_owned(), port))
    };
    services.lines().filter_map(of).collect()
}

struct Reading<'f> {
    files: &'f dyn Files,
    services: Vec<XinetdService>,
    defaults: XinetdService,
    left: usize,
}

impl Reading<'_> {
    fn file(&mut self, path: &str, text: &str) {
        let mut section: Option<(XinetdService, bool)> = None;
        for (line, raw) in (1..).zip(text.lines()) {
            let words = raw.trim();
            let mut parts = words.split_whitespace();
            match (parts.next(), &mut section) {
                (Some(word), _) if word.starts_with('#') => {}
                (Some("service"), None) => {
                    let name = parts.next().unwrap_or_default().to_owned();
                    section = Some((XinetdService { name, ..XinetdService::default() }, false));
                }
                (Some("defaults"), None) => section = Some((XinetdService::default(), true)),
                (Some("include"), None) => self.include(parts.next().unwrap_or_default()),
                (Some("includedir"), None) => self.include_all(parts.next().unwrap_or_default()),
                (Some("}"), Some(_)) => self.end(section.take()),
                (Some(_), Some((service, of_defaults))) => {
                    let text = raw.chars().take(MOST_LINE).collect();
                    let origin = Origin { file: path.to_owned(), line, text };
                    set(service, words, origin, if *of_defaults { None } else { Some(&self.defaults) });
                }
                (None, _) | (Some(_), None) => {}
            }
        }
    }

    fn end(&mut self, section: Option<(XinetdService, bool)>) {
        match section {
            Some((defaults, true)) => self.defaults = defaults,
            Some((service, false)) if self.services.len() < MOST_SERVICES => self.services.push(service),
            Some(_) | None => {}
        }
    }

    fn include(&mut self, path: &str) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        if let Ok(text) = self.files.read(path) {
            self.file(path, &text);
        }
    }

    /// Names with a dot or a tilde at the end are left out, as xinetd does.
    fn include_all(&mut self, directory: &str) {
        let names = self.files.list(directory).unwrap_or_default();
        let directory = directory.trim_end_matches('/');
        for entry in names.iter().filter(|entry| !entry.name.contains('.') && !entry.name.ends_with('~')) {
            self.include(&format!("{directory}/{}", entry.name));
        }
    }
}

/// One line `name = value ...`. Blanks around the sign are needed.
fn set(service: &mut XinetdService, words: &str, origin: Origin, defaults: Option<&XinetdService>) {
    let mut parts = words.split_whitespace();
    let (Some(name), Some(sign)) = (parts.next(), parts.next()) else { return };
    let values: Vec<String> = parts.take(MOST_ENTRIES).map(str::to_owned).collect();
    if !matches!(sign, "=" | "+=" | "-=") {
        return;
    }
    let first = values.first().map(String::as_str).unwrap_or_default();
    match name {
        "disable" => service.disabled = first == "yes",
        "port" => service.port = first.parse().ok(),
        "server" => service.server = Some(first.to_owned()),
        "only_from" => {
            let of_all = defaults.and_then(|d| d.only_from.as_ref());
            list(&mut service.only_from, of_all, sign, values, origin);
        }
        "no_access" => {
            let of_all = defaults.and_then(|d| d.no_access.as_ref());
            list(&mut service.no_access, of_all, sign, values, origin);
        }
        _ => {}
    }
}

/// `=` says it anew in a service; `+=` and `-=` change what the service or the defaults say.
fn list(own: &mut Option<AccessList>, of_all: Option<&AccessList>, sign: &str, values: Vec<String>, set_by: Origin) {
    let before = own.take().or_else(|| of_all.cloned()).map(|list| list.entries).unwrap_or_default();
    let mut entries = match sign {
        "=" => values,
        "+=" => before.into_iter().chain(values).collect(),
        _ => before.into_iter().filter(|entry| !values.contains(entry)).collect(),
    };
    entries.truncate(MOST_ENTRIES);
    *own = Some(AccessList { entries, set_by });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    const CONF: &str = "defaults\n{\n\tonly_from = 10.0.0.0\n}\nservice x2\n{\n\tport = 7002\n\tdisable = no\n\
                        \tonly_from += 192.168.1.0/24\n}\nservice echo\n{\n\tserver = /bin/echo\n\tonly_from =\n}\n";

    fn services(text: &str) -> Vec<XinetdService> {
        let root = std::env::temp_dir().join(format!("unrefuse-xinetd-{}-{}", std::process::id(), text.len()));
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/xinetd.conf"), text).unwrap();
        std::fs::write(root.join("etc/services"), "echo 7/tcp\necho 7/udp\n").unwrap();
        let read = read_of(&HostFiles::below(&root)).unwrap().unwrap();
        std::fs::remove_dir_all(root).unwrap();
        read
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn any_configuration_is_read_to_its_end(text in damaged::text(&[CONF])) {
            let files = HostFiles::below("/nowhere");
            let mut reading =
                Reading { files: &files, services: Vec::new(), defaults: XinetdService::default(), left: 3 };
            reading.file("x", &text);
            proptest::prop_assert!(reading.services.len() <= text.lines().count());
        }
    }

    #[test]
    fn lists_of_the_service_and_of_the_defaults() {
        let all = services(CONF);
        let told: Vec<(&str, Option<u16>, Vec<String>)> =
            all.iter().map(|s| (s.name.as_str(), s.port, s.only_from.as_ref().unwrap().entries.clone())).collect();
        let both = vec!["10.0.0.0".to_owned(), "192.168.1.0/24".to_owned()];
        assert_eq!(told, [("x2", Some(7002), both), ("echo", Some(7), Vec::new())]);
        assert_eq!(all[0].only_from.as_ref().unwrap().set_by.to_string(), "/etc/xinetd.conf:9");
    }

    #[test]
    fn a_service_without_a_list_has_that_of_the_defaults() {
        let all = services("defaults\n{\n only_from = 10.0.0.1\n}\nservice echo\n{\n}\n");
        assert_eq!(all[0].only_from.as_ref().unwrap().entries, ["10.0.0.1"]);
    }
}
