//! Hosts with containers, for the tests of these causes.

use std::net::SocketAddr;

use crate::diagnose::causes::testing::Host;
use crate::facts::Reading;
use crate::facts::connect::Outcome;
use crate::facts::container::{
    Attached, Compose, Container, ContainerKey, End, Engine, EngineKind, Inspected, Made, Published, Settings, State,
};
use crate::facts::namespace::OtherNetwork;
use crate::facts::socket::{Listener, Transport};

pub(super) const SOCKET: &str = "/run/docker.sock";
const ID: &str = "0123456789abcdef";
/// The container's first process.
const PID: u32 = 900;

/// A container that publishes port 8080 as its own port 80.
pub(super) fn web() -> Container {
    let published =
        Published { transport: Transport::Tcp, address: "0.0.0.0".parse().unwrap(), port: 8080, inside: 80 };
    let network =
        Attached { name: "bridge".into(), address: "172.17.0.2".parse().ok(), gateway: "172.17.0.1".parse().ok() };
    Container {
        id: ID.into(),
        name: "web".into(),
        image: "image".into(),
        state: State::Running,
        status: "Up 5 minutes".into(),
        published: vec![published],
        exposed: Vec::new(),
        network_mode: "default".into(),
        networks: vec![network],
        compose: None,
        end: None,
    }
}

/// The same, published at one address.
pub(super) fn on(mut container: Container, address: &str) -> Container {
    container.published[0].address = address.parse().unwrap();
    container
}

/// The same, ended.
pub(super) fn ended(mut container: Container, code: i64) -> Container {
    container.state = State::Exited;
    container.status = format!("Exited ({code})");
    let (oom_killed, error, restarts, policy) = (false, String::new(), 0, "no".into());
    container.end = Some(End { code, oom_killed, error, restarts, policy });
    container
}

/// The same, exposing its port only.
pub(super) fn unpublished(mut container: Container) -> Container {
    container.published.clear();
    container.exposed = vec![(Transport::Tcp, 80)];
    container
}

/// The same, made by Compose.
pub(super) fn composed(mut container: Container) -> Container {
    container.compose = Some(Compose {
        project: "shop".into(),
        service: "front".into(),
        files: vec!["/srv/shop/compose.yaml".into()],
        directory: Some("/srv/shop".into()),
    });
    container
}

/// A host on whose port 8080 docker-proxy listens.
pub(super) fn proxied(outcome: Outcome) -> Host {
    Host::with_outcome(8080, outcome).listens("0.0.0.0", "docker.service", |_| ()).facts(|f| {
        for owner in f.owners.values_mut() {
            let mut value = owner.value().cloned().unwrap();
            value.processes[0].name = "docker-proxy".into();
            *owner = Reading::known(value);
        }
    })
}

/// A host with a Docker that has these containers.
pub(super) fn docker(host: Host, containers: Vec<Container>) -> Host {
    let engine = Engine {
        kind: EngineKind::Docker,
        via: SOCKET.into(),
        user: None,
        runs: true,
        settings: Settings::default(),
        containers: Reading::known(containers),
    };
    host.facts(|f| {
        f.containers = Reading::known(vec![engine]);
        f.inspected.insert(key(EngineKind::Docker, SOCKET), Reading::known(near()));
    })
}

/// A host with a user's podman that has these containers.
pub(super) fn podman_of(host: Host, user: u32, containers: Vec<Container>) -> Host {
    let via = format!("/run/user/{user}/podman/podman.sock");
    let engine = Engine {
        kind: EngineKind::Podman,
        via: via.clone(),
        user: Some(user),
        runs: true,
        settings: Settings::default(),
        containers: Reading::known(containers),
    };
    host.facts(|f| {
        f.containers = Reading::known(vec![engine]);
        f.inspected.insert(key(EngineKind::Podman, &via), Reading::known(near()));
    })
}

fn key(kind: EngineKind, via: &str) -> ContainerKey {
    ContainerKey { kind, via: via.into(), id: ID.into() }
}

fn near() -> Inspected {
    let made = Made {
        command: vec!["httpd".into(), "-f".into()],
        environment: vec!["PATH".into(), "TZ".into()],
        mounts: vec!["data:/data".into()],
        policy: "always".into(),
        ..Made::default()
    };
    Inspected { pid: Some(PID), made, log: Vec::new() }
}

/// These sockets listen inside the container.
pub(super) fn listens_inside(host: Host, at: &[&str]) -> Host {
    let listener = |at: &&str| {
        let at: SocketAddr = at.parse().unwrap();
        Listener {
            transport: Transport::Tcp,
            address: at.ip(),
            port: at.port(),
            v6only: at.is_ipv6().then_some(false),
            device: None,
            queue: 0,
            backlog: 128,
            uid: 0,
            inode: 0,
            cgroup: None,
        }
    };
    let there = OtherNetwork { pid: PID, netns: 1, separate: true, listeners: at.iter().map(listener).collect() };
    host.facts(|f| drop(f.other_networks.insert((PID, Transport::Tcp, 0), Reading::known(there))))
}

/// The container's last words.
pub(super) fn log(host: Host, lines: &[&str]) -> Host {
    host.facts(|f| {
        for near in f.inspected.values_mut() {
            let log = lines.iter().map(|line| (*line).to_owned()).collect();
            *near = Reading::known(Inspected { pid: None, log, ..near.value().cloned().unwrap() });
        }
    })
}
