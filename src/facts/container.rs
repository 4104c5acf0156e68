//! Containers: the engines of this host, what they run and publish, and how one container was made.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Reading;
use super::socket::Transport;

/// A kind of container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Docker Engine.
    Docker,
    /// podman.
    Podman,
}

impl EngineKind {
    /// Its command.
    pub fn command(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Docker => "Docker",
            Self::Podman => "podman",
        }
    }
}

/// An engine of this host, or of one of its users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// Which.
    pub kind: EngineKind,
    /// How it was asked: the path of its API socket, `podman` for its command, or the directory its files are in.
    pub via: String,
    /// Whose it is; none: root's, which serves the whole host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Its daemon runs. podman needs none.
    pub runs: bool,
    /// What its configuration file says.
    #[serde(default)]
    pub settings: Settings,
    /// Its containers, those that do not run too.
    pub containers: Reading<Vec<Container>>,
}

/// What decides about published ports in Docker's `daemon.json`; none: it is not said there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Path of the file, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Why the file cannot be read as JSON, in the reader's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// `iptables`: it makes rules at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iptables: Option<bool>,
    /// `userland-proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userland_proxy: Option<bool>,
    /// `ip`: where ports are published that name no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `hosts`: where its API listens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Made, and never started, or its start failed.
    Created,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It ended and is started again after a while.
    Restarting,
    /// It ended.
    Exited,
    /// Anything else (`dead`, `removing`, `stopping` ...).
    Other,
}

impl State {
    /// The engine's word.
    pub fn of(word: &str) -> Self {
        match word {
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "exited" | "stopped" => Self::Exited,
            _ => Self::Other,
        }
    }
}

/// A container, as a list of them tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id, all 64 digits where the engine tells them.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// Its image, as it was asked for.
    pub image: String,
    /// What it does.
    pub state: State,
    /// The same in the engine's words (`Exited (137) 5 minutes ago`), or what can be said instead.
    pub status: String,
    /// Ports that it publishes, or would publish if it ran.
    pub published: Vec<Published>,
    /// Inside ports that its image or its maker names without publishing them.
    pub exposed: Vec<(Transport, u16)>,
    /// `bridge`, `host`, `none`, `container:ID`, or the name of a network.
    pub network_mode: String,
    /// The networks it is in.
    pub networks: Vec<Attached>,
    /// Where it comes from, if Compose made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose: Option<Compose>,
    /// How it ended last; none: it runs, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// A port that is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address of this host it is published at; unspecified for all of a family.
    pub address: IpAddr,
    /// The port of this host; 0: one that is chosen at the start.
    pub port: u16,
    /// The port inside.
    pub inside: u16,
}

impl Published {
    /// `0.0.0.0:8080->80/tcp`, as the engines write it.
    pub fn shown(&self) -> String {
        let at = std::net::SocketAddr::new(self.address, self.port);
        format!("{at}->{}/{}", self.inside, self.transport.word())
    }

    /// Is what is sent to this address of the host meant for it?
    pub fn takes(&self, address: IpAddr) -> bool {
        self.address == address || (self.address.is_unspecified() && self.address.is_ipv4() == address.is_ipv4())
    }
}

/// A network that a container is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The network's name.
    pub name: String,
    /// The container's address there; none while it does not run.
    pub address: Option<IpAddr>,
    /// The host's address there.
    pub gateway: Option<IpAddr>,
}

/// What Compose says of a container that it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compose {
    /// The project.
    pub project: String,
    /// The service of the project.
    pub service: String,
    /// Its files, the first one first.
    pub files: Vec<String>,
    /// The directory it was run in.
    pub directory: Option<String>,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Exit status.
    pub code: i64,
    /// The kernel killed it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started, in the engine's words; empty: it could.
    pub error: String,
    /// How often it was started again.
    pub restarts: u64,
    /// When it is started again by itself: `no`, `always`, `unless-stopped`, `on-failure`, `on-failure:5`.
    pub policy: String,
}

impl Container {
    /// It runs, frozen or not.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// What it publishes at a port of the host.
    pub fn at(&self, transport: Transport, port: u16) -> impl Iterator<Item = &Published> {
        self.published.iter().filter(move |p| p.transport == transport && p.port == port)
    }

    /// It has this address.
    pub fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|n| n.address == Some(address))
    }
}

/// One container to be looked at closely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerKey {
    /// Whose.
    pub kind: EngineKind,
    /// How the engine is asked, as in [`Engine::via`].
    pub via: String,
    /// The container's id.
    pub id: String,
}

/// A container from near: its process, how it was made, and its last words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inspected {
    /// Its first process; none while it does not run, and where the engine runs elsewhere.
    pub pid: Option<u32>,
    /// How it was made.
    pub made: Made,
    /// What it wrote last before it ended, oldest first; empty for one that runs.
    pub log: Vec<String>,
}

/// How a container was made: what another one needs to be like it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Made {
    /// Its entry point, where the image's was replaced or told.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub command: Vec<String>,
    /// Names of its environment. Values may be secrets, and are never read.
    pub environment: Vec<String>,
    /// Its mounts, as `-v` takes them.
    pub mounts: Vec<String>,
    /// The user it runs as; empty: the image's.
    pub user: String,
    /// Its working directory; empty: the image's.
    pub directory: String,
    /// It has all rights.
    pub privileged: bool,
    /// Rights it was given.
    pub added_rights: Vec<String>,
    /// When it is started again by itself, as in [`End::policy`].
    pub policy: String,
    /// It is removed when it ends (`--rm`).
    pub removed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_port_takes_what_is_sent_to_its_address() {
        let published = |address: &str| Published {
            transport: Transport::Tcp,
            address: address.parse().unwrap(),
            port: 8080,
            inside: 80,
        };
        let takes = |at: &str, asked: &str| published(at).takes(asked.parse().unwrap());
        assert!(takes("0.0.0.0", "10.2.0.2") && takes("10.2.0.2", "10.2.0.2") && takes("::", "::1"));
        assert!(!takes("0.0.0.0", "::1") && !takes("127.0.0.1", "10.2.0.2") && !takes("::", "10.2.0.2"));
        assert_eq!(published("::").shown(), "[::]:8080->80/tcp");
    }

    #[test]
    fn states_are_the_engines_words() {
        assert_eq!(State::of("configured"), State::Created);
        assert_eq!(State::of("restarting"), State::Restarting);
        assert_eq!(State::of("removing"), State::Other);
    }
}
