//! What a step does, as data: a thing of the host and what becomes of it. How each is read, done and taken back is in
//! `apply/actions`.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::sysctl;
use crate::text::arg;

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Lines of a file are changed.
    Edit(Edit),
    /// A file is made that is not there yet.
    Create(Create),
    /// A file is taken away.
    Remove {
        /// Its path.
        file: String,
    },
    /// Something is done with a unit.
    Unit {
        /// Its name.
        unit: String,
        /// What.
        verb: Verb,
    },
    /// A socket unit opens its sockets anew. systemd refuses that while a service it starts runs, so those are stopped
    /// meanwhile.
    Reopen {
        /// The socket unit.
        socket: String,
        /// The services it starts.
        services: Vec<String>,
    },
    /// systemd reads its unit files again.
    DaemonReload,
    /// A daemon checks its own configuration; unless it is content nothing further is done.
    Check {
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// A kernel setting gets a value.
    Sysctl {
        /// Path below /proc/sys, with slashes.
        path: String,
        /// Its value.
        value: String,
    },
    /// A rule is put into the packet filter.
    Rule(Rule),
    /// Something is entered into a zone of firewalld.
    Firewalld(FirewalldEntry),
    /// A rule is given to ufw.
    Ufw(UfwEntry),
    /// fail2ban lifts a ban.
    Unban {
        /// Jail.
        jail: String,
        /// Who is banned.
        address: IpAddr,
    },
    /// A process is asked to end, and made to after a while.
    End(Process),
    /// The kernel gets a profile of AppArmor as its file says.
    LoadProfile {
        /// The file.
        file: String,
    },
    /// A loaded profile of AppArmor forbids, or only logs what it would forbid.
    ProfileMode {
        /// Its name.
        name: String,
        /// The file it is made from.
        file: String,
        /// It only logs.
        complain: bool,
    },
    /// A port gets a type of SELinux.
    PortLabel(PortLabel),
    /// A file gets a label of SELinux.
    Relabel {
        /// The file.
        file: String,
        /// Its new context.
        context: String,
    },
    /// A switch of SELinux's policy, until the next reboot.
    Switch {
        /// Its name.
        name: String,
        /// Whether it is turned on.
        on: bool,
    },
    /// What SELinux denies to a domain is only noted.
    PermissiveDomain {
        /// The domain: `httpd_t`.
        domain: String,
    },
}

/// What can be done with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Let it start at boot.
    Enable,
    /// Keep it from starting at boot.
    Disable,
    /// Let it be started at all.
    Unmask,
    /// Keep everything from starting it.
    Mask,
    /// Let it be started again, where a mask until the next boot keeps it from that.
    UnmaskRuntime,
    /// Keep everything from starting it until the next boot.
    MaskRuntime,
    /// Stop and start it.
    Restart,
    /// Let it read its configuration, without an interruption where it can.
    Reload,
    /// Forget that it failed, and how often.
    ResetFailed,
}

/// Changes of lines of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The file.
    pub file: String,
    /// Places, in the order of lines; they do not overlap. Line numbers are those of the file before the edit.
    pub hunks: Vec<Hunk>,
}

/// One place of a file: these lines become those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunk {
    /// Number of the first line, from 1. With no old lines, the new ones go before it; one past the end appends. 0: at
    /// the end, however long the file is; such a place is the last of its edit.
    pub line: u32,
    /// What must stand there, whatever the indentation; otherwise the file has changed and the edit is refused.
    pub old: Vec<String>,
    /// What stands there afterwards, with the indentation of the first old line.
    pub new: Vec<String>,
}

/// A new file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// Its path. Directories that are missing are made, and go with it when it is taken back.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// An entry of a zone of firewalld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewalldEntry {
    /// Zone.
    pub zone: String,
    /// What is entered.
    pub entry: ZoneEntry,
    /// In the configuration that lasts, rather than in the one that holds now.
    pub permanent: bool,
    /// It leaves by itself after this many seconds; only of what holds now. 0: it stays.
    pub timeout: u32,
}

/// What a zone of firewalld can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneEntry {
    /// A port, `5432` and `tcp`.
    Port(String, String),
    /// A service it knows by name.
    Service(String),
    /// A rich rule.
    RichRule(String),
}

/// A rule of ufw: what it is about, and what ufw does with that before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UfwEntry {
    /// What it is about, as argv after the action (`from`, `10.1.0.2`, `to`, `any`, `port`, `80`, `proto`, `tcp`).
    pub about: Vec<String>,
    /// What ufw does with it: `allow`, `deny`, `reject` or `limit`. None: the rule is taken away.
    pub action: Option<String>,
    /// What it did before; the new action takes the old one's place. None: there was no such rule.
    pub was: Option<String>,
    /// Before which rule it goes: the first of them, or the one that has this number (from 1). None: at the end.
    pub before: Option<u32>,
}

/// A type of SELinux for a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortLabel {
    /// The port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub transport: String,
    /// The type.
    pub kind: String,
    /// The policy itself has an entry for just this port: semanage changes that, rather than to add one.
    pub of_policy: bool,
}

/// A process, told from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in clock ticks since boot (field 22 of /proc/PID/stat).
    pub started: u64,
    /// Its name, for people.
    pub name: String,
}

impl Verb {
    /// The word of systemctl.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Unmask => "unmask",
            Self::Mask => "mask",
            Self::UnmaskRuntime => "unmask --runtime",
            Self::MaskRuntime => "mask --runtime",
            Self::Restart => "restart",
            Self::Reload => "reload-or-restart",
            Self::ResetFailed => "reset-failed",
        }
    }

    /// What takes it back; none where nothing does.
    fn inverse(self) -> Option<Self> {
        match self {
            Self::Start => Some(Self::Stop),
            Self::Stop => Some(Self::Start),
            Self::Enable => Some(Self::Disable),
            Self::Disable => Some(Self::Enable),
            Self::Unmask => Some(Self::Mask),
            Self::Mask => Some(Self::Unmask),
            Self::UnmaskRuntime => Some(Self::MaskRuntime),
            Self::MaskRuntime => Some(Self::UnmaskRuntime),
            // What was changed before counts again only after another one.
            Self::Restart => Some(Self::Restart),
            Self::Reload => Some(Self::Reload),
            Self::ResetFailed => None,
        }
    }
}

impl Action {
    /// It sets nothing of its own: it makes count what was set, or checks it.
    pub fn is_kick(&self) -> bool {
        match self {
            Self::DaemonReload | Self::Check { .. } | Self::Reopen { .. } | Self::LoadProfile { .. } => true,
            Self::Unit { verb, .. } => matches!(verb, Verb::Restart | Verb::Reload | Verb::ResetFailed),
            Self::Edit(_)
            | Self::Create(_)
            | Self::Remove { .. }
            | Self::Sysctl { .. }
            | Self::Rule(_)
            | Self::Firewalld(_)
            | Self::Ufw(_)
            | Self::Unban { .. }
            | Self::End(_)
            | Self::ProfileMode { .. }
            | Self::PortLabel(_)
            | Self::Relabel { .. }
            | Self::Switch { .. }
            | Self::PermissiveDomain { .. } => false,
        }
    }

    /// It changes whom this host lets in.
    pub fn touches_reachability(&self) -> bool {
        match self {
            Self::Rule(_) | Self::Firewalld(_) | Self::Ufw(_) | Self::Unban { .. } => true,
            Self::Unit { unit, .. } | Self::Reopen { socket: unit, .. } => is_of_sessions(unit),
            Self::Edit(edit) => is_of_sessions(&edit.file),
            Self::Create(Create { file, .. }) | Self::Remove { file } => is_of_sessions(file),
            Self::DaemonReload
            | Self::Check { .. }
            | Self::Sysctl { .. }
            | Self::End(_)
            | Self::LoadProfile { .. }
            | Self::ProfileMode { .. }
            | Self::PortLabel(_)
            | Self::Relabel { .. }
            | Self::Switch { .. }
            | Self::PermissiveDomain { .. } => false,
        }
    }

    /// It stops somebody who listens, or starts them anew.
    pub fn may_close(&self) -> bool {
        match self {
            Self::Unit { verb, .. } => matches!(verb, Verb::Stop | Verb::Restart | Verb::Reload),
            Self::Reopen { .. } | Self::End(_) => true,
            Self::Edit(_)
            | Self::Create(_)
            | Self::Remove { .. }
            | Self::DaemonReload
            | Self::Check { .. }
            | Self::Sysctl { .. }
            | Self::Rule(_)
            | Self::Firewalld(_)
            | Self::Ufw(_)
            | Self::Unban { .. }
            | Self::LoadProfile { .. }
            | Self::ProfileMode { .. }
            | Self::PortLabel(_)
            | Self::Relabel { .. }
            | Self::Switch { .. }
            | Self::PermissiveDomain { .. } => false,
        }
    }

    /// The familiar command line for it, or the edit it makes.
    pub fn preview(&self) -> String {
        match self {
            Self::Edit(edit) => edit.shown(),
            Self::Create(create) if create.text.is_empty() => format!("touch {}", arg(&create.file)),
            Self::Create(create) => {
                let lines = create.text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
                format!("write {}:\n{lines}", create.file)
            }
            Self::Remove { file } => format!("rm {}", arg(file)),
            Self::Unit { unit, verb } => format!("systemctl {} {}", verb.word(), arg(unit)),
            Self::Reopen { socket, services } => {
                let both = services.iter().fold(arg(socket), |both, service| format!("{both} {}", arg(service)));
                format!("systemctl stop {both}\nsystemctl start {}", arg(socket))
            }
            Self::DaemonReload => "systemctl daemon-reload".into(),
            Self::Check { argv } => shell(argv),
            Self::Sysctl { path, value } => shell(&["sysctl", "-w", &format!("{}={value}", sysctl::name(path))]),
            Self::Rule(rule) => rule.shown(false),
            Self::Firewalld(entry) => shell(&entry.argv(false)),
            Self::Ufw(entry) => shell(&entry.argv(false)),
            Self::Unban { jail, address } => shell(&["fail2ban-client", "set", jail, "unbanip", &address.to_string()]),
            Self::End(process) => format!("kill {}", process.pid),
            Self::LoadProfile { file } | Self::ProfileMode { file, complain: false, .. } => {
                shell(&["apparmor_parser", "-r", file])
            }
            Self::ProfileMode { file, complain: true, .. } => shell(&["apparmor_parser", "-r", "-C", file]),
            Self::PortLabel(label) => shell(&label.argv(&label.kind, label.of_policy)),
            Self::Relabel { file, .. } => shell(&["restorecon", "-v", file]),
            Self::Switch { name, on } => shell(&["setsebool", name, if *on { "on" } else { "off" }]),
            Self::PermissiveDomain { domain } => shell(&["semanage", "permissive", "-a", domain]),
        }
    }

    /// The command line that takes it back; none where nothing has to be or can be taken back.
    pub fn undo_preview(&self) -> Option<String> {
        match self {
            Self::Edit(edit) => Some(edit.inverse().shown()),
            Self::Create(create) => Some(format!("rm {}", arg(&create.file))),
            Self::Remove { file } => Some(format!("restore {} as it was", arg(file))),
            Self::Unit { unit, verb } => Some(format!("systemctl {} {}", verb.inverse()?.word(), arg(unit))),
            Self::DaemonReload | Self::Reopen { .. } | Self::LoadProfile { .. } => Some(self.preview()),
            Self::ProfileMode { file, .. } => Some(shell(&["apparmor_parser", "-r", file])),
            Self::PortLabel(label) => Some(shell(&label.back())),
            Self::Relabel { file, .. } => Some(format!("chcon … {}    # the label it has now", arg(file))),
            Self::Switch { name, on } => Some(shell(&["setsebool", name, if *on { "off" } else { "on" }])),
            Self::PermissiveDomain { domain } => Some(shell(&["semanage", "permissive", "-d", domain])),
            Self::Check { .. } | Self::End(_) => None,
            Self::Sysctl { path, .. } => Some(format!("sysctl -w {}=…    # the value it has now", sysctl::name(path))),
            Self::Rule(rule) => Some(rule.shown(true)),
            Self::Firewalld(entry) => Some(shell(&entry.argv(true))),
            Self::Ufw(entry) => Some(shell(&entry.argv(true))),
            Self::Unban { jail, address } => {
                Some(shell(&["fail2ban-client", "set", jail, "banip", &address.to_string()]))
            }
        }
    }
}

/// The unit or file that remote sessions come in by.
fn is_of_sessions(name: &str) -> bool {
    let units = ["ssh.service", "sshd.service", "ssh.socket", "sshd.socket"];
    units.contains(&name) || name.starts_with("/etc/ssh/") || units.iter().any(|u| name.contains(&format!("/{u}.d/")))
}

/// An argv as one line that a shell takes for the same words.
pub fn shell<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter().map(|word| arg(word.as_ref())).collect::<Vec<_>>().join(" ")
}

impl Edit {
    /// The same file, the other way round.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let mut moved = 0i64;
        let hunks = self.hunks.iter().map(|hunk| {
            let line =
                if hunk.line == 0 { 0 } else { u32::try_from(i64::from(hunk.line) + moved).unwrap_or(hunk.line) };
            moved += count(&hunk.new) - count(&hunk.old);
            Hunk { line, old: hunk.new.clone(), new: hunk.old.clone() }
        });
        Self { file: self.file.clone(), hunks: hunks.collect() }
    }

    /// `edit FILE:LINE: NEW`, a line for each new line.
    fn shown(&self) -> String {
        let mut lines = Vec::new();
        for hunk in &self.hunks {
            // Lines that stay are no news.
            let same = hunk.old.iter().zip(&hunk.new).take_while(|(old, new)| old == new).count();
            let (old, new) = (hunk.old.get(same..).unwrap_or_default(), hunk.new.get(same..).unwrap_or_default());
            let line = u64::from(hunk.line) + same as u64;
            let at = if hunk.line == 0 { self.file.clone() } else { format!("{}:{line}", self.file) };
            if new.is_empty() {
                lines.extend(old.iter().map(|line| format!("edit {at}: take out: {}", line.trim())));
            } else if old.is_empty() {
                lines.extend(new.iter().map(|line| format!("edit {at}: add: {}", line.trim())));
            } else {
                lines.extend(new.iter().map(|line| format!("edit {at}: {}", line.trim())));
            }
        }
        lines.join("\n")
    }
}

fn count(lines: &[String]) -> i64 {
    i64::try_from(lines.len()).unwrap_or(i64::MAX)
}

impl FirewalldEntry {
    /// The command line of `firewall-cmd`.
    pub fn argv(&self, remove: bool) -> Vec<String> {
        let verb = if remove { "remove" } else { "add" };
        let mut argv = vec!["firewall-cmd".to_owned()];
        if self.permanent {
            argv.push("--permanent".into());
        }
        if !self.zone.is_empty() {
            argv.push(format!("--zone={}", self.zone));
        }
        argv.push(match &self.entry {
            ZoneEntry::Port(port, protocol) => format!("--{verb}-port={port}/{protocol}"),
            ZoneEntry::Service(name) => format!("--{verb}-service={name}"),
            ZoneEntry::RichRule(rule) => format!("--{verb}-rich-rule={rule}"),
        });
        if self.timeout > 0 && !remove {
            argv.push(format!("--timeout={}", self.timeout));
        }
        argv
    }
}

impl fmt::Display for FirewalldEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let saved = if self.permanent { "saved zone" } else { "zone" };
        let zone = if self.zone.is_empty() { "by default" } else { &self.zone };
        match &self.entry {
            ZoneEntry::Port(port, protocol) => write!(f, "port {port}/{protocol} in {saved} {zone} of firewalld")?,
            ZoneEntry::Service(name) => write!(f, "service {name} in {saved} {zone} of firewalld")?,
            ZoneEntry::RichRule(rule) => write!(f, "rich rule '{rule}' in {saved} {zone} of firewalld")?,
        }
        if self.timeout > 0 { write!(f, " for {} s", self.timeout) } else { Ok(()) }
    }
}

impl PortLabel {
    /// The command line of semanage that gives the port a type. `changes`: there is an entry for just this port.
    pub fn argv(&self, kind: &str, changes: bool) -> Vec<String> {
        let verb = if changes { "-m" } else { "-a" };
        ["semanage", "port", verb, "-t", kind, "-p", &self.transport, &self.port.to_string()].map(str::to_owned).into()
    }

    /// The command line that takes away what this host added.
    pub fn back(&self) -> Vec<String> {
        ["semanage", "port", "-d", "-p", &self.transport, &self.port.to_string()].map(str::to_owned).into()
    }
}

impl UfwEntry {
    /// The command line of `ufw`, there or back.
    pub fn argv(&self, back: bool) -> Vec<String> {
        let (from, to) = if back { (&self.action, &self.was) } else { (&self.was, &self.action) };
        let mut argv = vec!["ufw".to_owned()];
        match (from, to, self.before) {
            // In its place.
            (Some(_), Some(_), _) | (None, Some(_), None) | (None, None, _) => {}
            (_, None, _) => argv.push("delete".into()),
            // A number fails where there is no rule yet.
            (None, Some(_), Some(1)) => argv.push("prepend".into()),
            (None, Some(_), Some(number)) => argv.extend(["insert".into(), number.to_string()]),
        }
        argv.extend(to.as_ref().or(from.as_ref()).cloned());
        argv.extend(self.about.iter().cloned());
        argv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_an_edit_finds_its_lines_where_they_are_then() {
        let hunk = |line, old: &[&str], new: &[&str]| Hunk {
            line,
            old: old.iter().map(|s| (*s).to_owned()).collect(),
            new: new.iter().map(|s| (*s).to_owned()).collect(),
        };
        let edit = Edit { file: "/f".into(), hunks: vec![hunk(2, &[], &["a", "b"]), hunk(5, &["x"], &["y"])] };
        let back = edit.inverse();
        assert_eq!(back.hunks, vec![hunk(2, &["a", "b"], &[]), hunk(7, &["y"], &["x"])]);
        assert_eq!(back.inverse(), edit);
    }

    #[test]
    fn hostile_names_stay_words() {
        let action = Action::Unit { unit: "x$(reboot)'.service".into(), verb: Verb::Start };
        assert_eq!(action.preview(), r"systemctl start 'x$(reboot)'\''.service'");
        let entry = FirewalldEntry {
            zone: "a b".into(),
            entry: ZoneEntry::Service("-x;y".into()),
            permanent: true,
            timeout: 0,
        };
        assert_eq!(shell(&entry.argv(false)), "firewall-cmd --permanent '--zone=a b' '--add-service=-x;y'");
    }

    #[test]
    fn what_sessions_come_in_by_is_known() {
        assert!(Action::Unit { unit: "ssh.service".into(), verb: Verb::Restart }.touches_reachability());
        assert!(!Action::Unit { unit: "nginx.service".into(), verb: Verb::Restart }.touches_reachability());
        let create = |file: &str| Action::Create(Create { file: file.into(), text: String::new() });
        assert!(create("/etc/systemd/system/ssh.socket.d/x.conf").touches_reachability());
        assert!(create("/etc/ssh/sshd_config.d/x.conf").touches_reachability());
    }
}
