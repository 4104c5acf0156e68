//! Where a daemon will listen once its files are changed as a plan says.

use std::net::SocketAddr;

use crate::facts::daemon::{ConfiguredListen, Daemon, DaemonConfig, ListenAddress, Origin};
use crate::fixes::action::{Action, Edit};

/// A place where a daemon will listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listen {
    pub(super) address: ListenAddress,
    pub(super) port: u16,
    /// The line that says so, where one does.
    pub(super) set_by: Option<String>,
}

impl Listen {
    pub(super) fn shown(&self) -> String {
        match &self.address {
            ListenAddress::Ip(ip) => SocketAddr::new(*ip, self.port).to_string(),
            ListenAddress::Any => format!("*:{}", self.port),
            ListenAddress::Name(name) | ListenAddress::Path(name) => format!("{name}:{}", self.port),
        }
    }
}

/// What a daemon is told once its files are changed. None: that cannot be told.
pub(super) fn configured(config: &DaemonConfig, before: &[&Action]) -> Option<Vec<Listen>> {
    let lines = changed_lines(config, before);
    let gone = |origin: &Option<Origin>| origin.as_ref().is_some_and(|origin| lines.gone(origin));
    let kept = |listen: &&ConfiguredListen| !gone(&listen.address_set_by) && !gone(&listen.port_set_by);
    let all = config.listens.iter().filter(kept).filter_map(|listen| {
        let set_by = listen.port_set_by.as_ref().or(listen.address_set_by.as_ref());
        let set_by = set_by.map(|origin| format!("{origin}: {}", origin.text));
        Some(Listen { address: listen.address.clone(), port: listen.port?, set_by })
    });
    let mut all: Vec<Listen> = all.collect();
    if lines.new.is_empty() {
        return Some(all);
    }
    if config.daemon != Daemon::Sshd {
        return None;
    }
    let by_default = config.listens.iter().all(|listen| listen.address_set_by.is_none());
    let mut ports: Vec<u16> = config.listens.iter().filter(|l| !gone(&l.port_set_by)).filter_map(|l| l.port).collect();
    ports.dedup();
    let mut addresses: Vec<ListenAddress> = config.listens.iter().map(|listen| listen.address.clone()).collect();
    addresses.dedup();
    for (file, line) in &lines.new {
        let mut words = line.split_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next()) else { continue };
        let set_by = Some(format!("{file}: {}", line.trim()));
        if key.eq_ignore_ascii_case("port") {
            let port = value.parse().ok()?;
            ports.push(port);
            let new = |address: &ListenAddress| Listen { address: address.clone(), port, set_by: set_by.clone() };
            all.extend(addresses.iter().map(new));
        } else if key.eq_ignore_ascii_case("listenaddress") {
            if by_default {
                // The first one takes the place of the wildcards.
                all.retain(|listen| !is_wildcard(&listen.address));
            }
            let (ip, port) = match value.parse::<SocketAddr>() {
                Ok(both) => (both.ip(), Some(both.port())),
                Err(_) => (value.trim_matches(['[', ']']).parse().ok()?, None),
            };
            let ports: Vec<u16> = port.map_or_else(|| ports.clone(), |port| vec![port]);
            all.extend(ports.iter().map(|port| Listen {
                address: ListenAddress::Ip(ip),
                port: *port,
                set_by: set_by.clone(),
            }));
        }
    }
    Some(all)
}

fn is_wildcard(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Any => true,
        ListenAddress::Ip(ip) => ip.is_unspecified(),
        ListenAddress::Name(_) | ListenAddress::Path(_) => false,
    }
}

/// What becomes of the lines of a daemon's files.
#[derive(Debug, Default)]
struct Lines<'a> {
    /// File, line number, of those that go.
    old: Vec<(&'a str, u32)>,
    /// Files that go.
    files: Vec<&'a str>,
    /// File and text of those that come.
    new: Vec<(&'a str, &'a str)>,
}

impl Lines<'_> {
    fn gone(&self, origin: &Origin) -> bool {
        self.files.contains(&origin.file.as_str()) || self.old.contains(&(origin.file.as_str(), origin.line))
    }
}

fn changed_lines<'a>(config: &DaemonConfig, before: &[&'a Action]) -> Lines<'a> {
    let of_sshd = |file: &str| config.daemon == Daemon::Sshd && file.starts_with("/etc/ssh/");
    let is_its = |file: &str| config.files.iter().any(|known| known == file) || of_sshd(file);
    let mut lines = Lines::default();
    for action in before {
        match action {
            Action::Edit(edit) if is_its(&edit.file) => edited(&mut lines, edit),
            Action::Create(create) if is_its(&create.file) => {
                lines.new.extend(create.text.lines().map(|line| (create.file.as_str(), line)));
            }
            Action::Remove { file } => lines.files.push(file),
            Action::Edit(_)
            | Action::Create(_)
            | Action::Unit { .. }
            | Action::Reopen { .. }
            | Action::DaemonReload
            | Action::Check { .. }
            | Action::Sysctl { .. }
            | Action::Rule(_)
            | Action::Firewalld(_)
            | Action::Ufw(_)
            | Action::Unban { .. }
            | Action::End(_)
            | Action::LoadProfile { .. }
            | Action::ProfileMode { .. }
            | Action::PortLabel(_)
            | Action::Relabel { .. }
            | Action::Switch { .. }
            | Action::PermissiveDomain { .. } => {}
        }
    }
    lines
}

fn edited<'a>(lines: &mut Lines<'a>, edit: &'a Edit) {
    for hunk in &edit.hunks {
        let stays = |line: &String, other: &[String]| other.iter().any(|o| o.trim() == line.trim());
        let numbered = hunk.old.iter().zip(hunk.line..);
        let gone = numbered.filter(|(line, _)| !stays(line, &hunk.new)).map(|(_, number)| (edit.file.as_str(), number));
        lines.old.extend(gone);
        let new = hunk.new.iter().filter(|line| !stays(line, &hunk.old));
        lines.new.extend(new.map(|line| (edit.file.as_str(), line.as_str())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixes::action::{Create, Hunk};

    fn sshd() -> DaemonConfig {
        let origin = Origin { file: "/etc/ssh/sshd_config".into(), line: 3, text: "Port 22".into() };
        let listen = |ip: &str| ConfiguredListen {
            address: ListenAddress::Ip(ip.parse().unwrap()),
            port: Some(22),
            v6only: Some(true),
            address_set_by: None,
            port_set_by: Some(origin.clone()),
        };
        DaemonConfig {
            daemon: Daemon::Sshd,
            unit: None,
            listens: vec![listen("0.0.0.0"), listen("::")],
            silenced_by: Vec::new(),
            files: vec!["/etc/ssh/sshd_config".into()],
            gaps: Vec::new(),
            beyond: crate::facts::beyond::Beyond::default(),
        }
    }

    fn shown(actions: &[Action]) -> Vec<String> {
        let actions: Vec<&Action> = actions.iter().collect();
        configured(&sshd(), &actions).unwrap().iter().map(Listen::shown).collect()
    }

    fn edit(old: &[&str], new: &[&str]) -> Action {
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let hunks = vec![Hunk { line: 3, old: owned(old), new: owned(new) }];
        Action::Edit(Edit { file: "/etc/ssh/sshd_config".into(), hunks })
    }

    #[test]
    fn where_sshd_listens_after_an_edit() {
        assert_eq!(shown(&[]), ["0.0.0.0:22", "[::]:22"]);
        assert_eq!(shown(&[edit(&["Port 22"], &["Port 2222"])]), ["0.0.0.0:2222", "[::]:2222"]);
        let both = shown(&[edit(&["Port 22"], &["Port 22", "Port 2222"])]);
        assert_eq!(both, ["0.0.0.0:22", "[::]:22", "0.0.0.0:2222", "[::]:2222"]);
        assert_eq!(shown(&[edit(&[], &["ListenAddress 127.0.0.1"])]), ["127.0.0.1:22"]);
        let file = "/etc/ssh/sshd_config.d/50-x.conf".to_owned();
        let create = Action::Create(Create { file, text: "ListenAddress 10.2.0.5:2200\n".into() });
        assert_eq!(shown(&[create]), ["10.2.0.5:2200"]);
    }
}
