//! A change: a thing of the host, the value it had, and the value it gets. Its inverse is the same with both exchanged.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fixes::action::{FirewalldEntry, PortLabel, Process, UfwEntry};
use crate::fixes::rule::Rule;

/// A thing of the host that can be read, set and set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thing {
    /// A file, by its real path (links resolved).
    File(String),
    /// Whether a unit runs: `running` or `stopped`.
    Running(String),
    /// Whether a unit starts at boot: its `UnitFileState`.
    Enabled(String),
    /// Whether a unit is masked: absent, `masked` or `masked-runtime`.
    Masked(String),
    /// A kernel setting, by its path below /proc/sys.
    Sysctl(String),
    /// A rule of the packet filter: present or absent.
    Rule(Rule),
    /// An entry of a zone of firewalld: present or absent.
    Zone(FirewalldEntry),
    /// A rule of ufw: present or absent.
    Ufw(UfwEntry),
    /// An address that fail2ban has banned, by jail: present or absent.
    Ban(String, std::net::IpAddr),
    /// A process: present or absent. Nobody brings it back.
    Process(Process),
    /// The mode of a loaded profile of AppArmor: `enforce`, `complain`.
    ProfileMode {
        /// Its name.
        name: String,
        /// The file it is made from.
        file: String,
    },
    /// The type of SELinux that this host gave a port: a type, or absent.
    PortLabel(PortLabel),
    /// The label of SELinux that a file has.
    Label(String),
    /// A switch of SELinux's policy: `on` or `off`.
    Switch(String),
    /// A domain of SELinux that this host made permissive: present or absent.
    PermissiveDomain(String),
}

/// What a thing is, or is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// It is not there.
    Absent,
    /// It is there, and there is nothing more to say.
    Present,
    /// A word.
    Word(String),
    /// What a file holds and how it is kept.
    File(FileImage),
    /// What its owner says of it, with the files the owner keeps it in.
    Kept(Kept),
}

/// What the program that keeps a thing in files of its own says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What it says of the thing, a word each; empty: it is not there.
    pub says: Vec<String>,
    /// All else it keeps beside: where that is the same again, its files may be put back as they were.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub beside: String,
    /// Its files as they are. None for a value that is yet to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, Value)>,
}

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileImage {
    /// What it holds, as text where it is text.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes: labels and access lists.
    pub attributes: Vec<(String, Vec<u8>)>,
    /// When it was last modified, seconds and nanoseconds since the Unix epoch; none: when it is written.
    pub modified: Option<(u64, u32)>,
    /// Directories that have to be made for it, outermost first; they go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<String>,
}

/// The bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Value {
    /// The same, as far as it is ours to tell: when a file was written does not count.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(two)) => {
                let of = |f: &FileImage| (f.mode, f.uid, f.gid);
                of(one) == of(two) && one.attributes == two.attributes && one.content.bytes() == two.content.bytes()
            }
            (Self::Kept(one), Self::Kept(two)) => one.says == two.says,
            (one, two) => one == two,
        }
    }
}

impl Content {
    /// Of bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// A thing gets a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub thing: Thing,
    /// What it was.
    pub old: Value,
    /// What it is to be.
    pub new: Value,
}

impl Change {
    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { thing: self.thing.clone(), old: self.new.clone(), new: self.old.clone() }
    }
}

impl Value {
    /// It is neither, but each part of it is one or the other: whoever set it was ended in the middle.
    pub fn is_between(&self, old: &Self, new: &Self) -> bool {
        let (Self::Kept(now), Self::Kept(old), Self::Kept(new)) = (self, old, new) else { return false };
        let parts = now.says.iter().zip(old.says.iter().zip(&new.says));
        now.says.len() == old.says.len()
            && now.says.len() == new.says.len()
            && parts.into_iter().all(|(now, (old, new))| now == old || now == new)
    }
}

/// What makes changes count, and has no value of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kick {
    /// systemd reads its unit files.
    DaemonReload,
    /// A daemon checks its configuration.
    Check(Vec<String>),
    /// A unit is restarted. `ran` says whether it ran before; if not, it is stopped on the way back.
    Restart {
        /// Which.
        unit: String,
        /// Whether it ran.
        ran: bool,
    },
    /// A socket unit opens its sockets anew, either way.
    Reopen {
        /// Which.
        socket: String,
        /// The services it starts that ran before. Others that its connections have started meanwhile are stopped.
        services: Vec<String>,
    },
    /// A unit reads its configuration.
    Reload {
        /// Which.
        unit: String,
        /// Whether it ran.
        ran: bool,
    },
    /// A unit's failures are forgotten.
    ResetFailed(String),
    /// The kernel gets a profile of AppArmor from this file, either way.
    LoadProfile(String),
}

/// One act of a transaction.
#[expect(clippy::large_enum_variant, reason = "a plan has a handful of them, and most are changes")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A change.
    Set(Change),
    /// What makes changes count.
    Kick(Kick),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Running(unit) => write!(f, "whether {unit} runs"),
            Self::Enabled(unit) => write!(f, "whether {unit} starts at boot"),
            Self::Masked(unit) => write!(f, "whether {unit} is masked"),
            Self::Sysctl(path) => write!(f, "kernel setting {}", path.replace('/', ".")),
            Self::Rule(rule) => {
                let (table, chain) = (&rule.spot.chain.table, &rule.spot.chain.name);
                write!(f, "rule of {} {} {chain}: {}", table.family.word(), table.name, rule.words().join(" "))
            }
            Self::Zone(entry) => write!(f, "{entry}"),
            Self::Ufw(entry) => write!(f, "ufw about {}", entry.about.join(" ")),
            Self::Ban(jail, address) => write!(f, "ban of {address} in {jail}"),
            Self::Process(process) => write!(f, "process {} ({})", process.pid, process.name),
            Self::ProfileMode { name, .. } => write!(f, "mode of profile {name}"),
            Self::PortLabel(label) => write!(f, "own type of port {}/{}", label.port, label.transport),
            Self::Label(file) => write!(f, "label of {file}"),
            Self::Switch(name) => write!(f, "switch {name}"),
            Self::PermissiveDomain(domain) => write!(f, "permissive domain {domain}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not there"),
            Self::Present => f.write_str("there"),
            Self::Word(word) => f.write_str(word),
            Self::File(image) => write!(f, "a file of {} bytes", image.content.bytes().len()),
            Self::Kept(kept) => {
                let mut words: Vec<&str> =
                    kept.says.iter().map(|w| if w.is_empty() { "not there" } else { w.as_str() }).collect();
                words.dedup();
                f.write_str(&words.join(" and "))
            }
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(change) => match (&change.old, &change.new) {
                (Value::File(_), Value::File(_)) => write!(f, "change {}", change.thing),
                (old, new) => write!(f, "{}: {old} → {new}", change.thing),
            },
            Self::Kick(Kick::DaemonReload) => f.write_str("let systemd read its unit files"),
            Self::Kick(Kick::Check(argv)) => write!(f, "check: {}", argv.join(" ")),
            Self::Kick(Kick::Restart { unit, .. }) => write!(f, "restart {unit}"),
            Self::Kick(Kick::Reopen { socket, .. }) => write!(f, "open the sockets of {socket} anew"),
            Self::Kick(Kick::Reload { unit, .. }) => write!(f, "reload {unit}"),
            Self::Kick(Kick::ResetFailed(unit)) => write!(f, "forget that {unit} failed"),
            Self::Kick(Kick::LoadProfile(file)) => write!(f, "load the profile {file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_and_its_inverse() {
        let change = Change {
            thing: Thing::Sysctl("net/core/somaxconn".into()),
            old: Value::Word("128".into()),
            new: Value::Word("4096".into()),
        };
        assert_eq!(change.inverse().inverse(), change);
        assert_eq!(Act::Set(change.inverse()).to_string(), "kernel setting net.core.somaxconn: 4096 → 128");
    }

    #[test]
    fn what_is_half_done_is_told_from_what_somebody_else_did() {
        let says = |words: [&str; 2]| Value::Kept(Kept { says: words.map(str::to_owned).into(), ..Kept::default() });
        let (old, new) = (says(["deny", "deny"]), says(["", ""]));
        assert!(says(["", "deny"]).is_between(&old, &new));
        assert!(!says(["", "allow"]).is_between(&old, &new));
        assert!(!Value::Absent.is_between(&Value::Present, &Value::Word("x".into())));
    }

    #[test]
    fn files_that_are_no_text_survive_the_log() {
        let content = Content::of(vec![0xff, 0, b'a']);
        let written = serde_json::to_string(&content).unwrap();
        assert_eq!(serde_json::from_str::<Content>(&written).unwrap().bytes(), [0xff, 0, b'a']);
        assert_eq!(Content::of(b"port 1".to_vec()), Content::Text("port 1".into()));
    }
}
