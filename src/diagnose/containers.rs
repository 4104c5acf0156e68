//! Which containers have to do with the target: those that publish its port, or would, and what listens inside them.

use std::net::{IpAddr, Ipv4Addr};

use super::look::Look;
use super::subject::{Asker, Subject};
use super::ways::{Filter, Gets, gets, main_part};
use crate::facts::Reading;
use crate::facts::container::{Container, ContainerKey, Engine, EngineKind, Inspected, Published};
use crate::facts::socket::{Listener, Owner, Transport};

/// Programs that hold the socket of a published port and pass on what comes in, if they take it at all.
const PASSING_ON: [&str; 8] =
    ["docker-proxy", "dockerd", "rootlessport", "rootlesskit", "slirp4netns", "pasta", "pasta.avx2", "conmon"];

/// A container and what it has to do with the port.
#[derive(Debug, Clone, Copy)]
pub struct Meant<'a> {
    /// Whose it is.
    pub engine: &'a Engine,
    /// The container.
    pub container: &'a Container,
    /// How it publishes the port; none: its own network is the host's.
    pub published: Option<&'a Published>,
}

impl<'a> Meant<'a> {
    /// How it is asked about.
    pub fn key(&self) -> ContainerKey {
        key(self.engine, self.container)
    }

    /// It from near.
    pub fn near(&self, look: &Look<'a>) -> Option<&'a Inspected> {
        look.container(&self.key())
    }
}

/// How a container is asked about.
pub fn key(engine: &Engine, container: &Container) -> ContainerKey {
    ContainerKey { kind: engine.kind, via: engine.via.clone(), id: container.id.clone() }
}

/// Does a program only hold a container's port, and pass on what comes in?
pub fn passes_on(owner: &Owner) -> bool {
    let named = |name: &str| PASSING_ON.contains(&name);
    // Without the right to look into its processes only the unit is known.
    let unseen = owner.processes.is_empty() && owner.unit.as_deref() == Some("docker.service");
    unseen || owner.processes.iter().any(|process| named(&process.name))
}

/// May containers have to do with the target? None: not known (yet).
pub(super) fn matter(look: &Look<'_>, subject: &Subject, filter: &Filter<'_, '_>) -> Option<bool> {
    if subject.path.is_some() || !subject.local? {
        return Some(false);
    }
    let (address, asked) = (subject.address()?, subject.port?);
    let listeners = look.listeners(subject.transport, asked)?;
    let mut taking = listeners.iter().filter(|l| l.takes(address)).peekable();
    if taking.peek().is_none() {
        return Some(true);
    }
    for listener in taking {
        match (look.owner(listener), look.facts().owners.get(&listener.inode)) {
            (Some(owner), _) if passes_on(owner) => return Some(true),
            (Some(_), _) | (None, Some(Reading::Absent)) => {}
            (None, _) => return None,
        }
    }
    if subject.from == Asker::Here {
        return Some(false);
    }
    let ways = filter.ways()?;
    let Some(part) = main_part(&ways.asked) else { return Some(false) };
    match gets(part, subject.transport) {
        Gets::Unknown { open: true, .. } => None,
        Gets::Through { .. } | Gets::Outcome(_) | Gets::Unknown { .. } => {
            Some(part.translated.is_some() && part.to != ways.packet.to)
        }
    }
}

/// The containers that publish the target's port, or would if they ran; those that run first. None: not known (yet).
pub fn publishing<'a>(look: &Look<'a>, subject: &Subject) -> Option<Vec<Meant<'a>>> {
    let (address, port) = (subject.address()?, subject.port?);
    let mut all = Vec::new();
    for (engine, container) in every(look)? {
        let mut published: Vec<&Published> = container.at(subject.transport, port).collect();
        // The one that is meant for the address, where there are several.
        published.sort_by_key(|p| !p.takes(address));
        if let Some(first) = published.first() {
            all.push(Meant { engine, container, published: Some(first) });
        } else if container.network_mode == "host"
            && !container.is_up()
            && container.exposed.contains(&(subject.transport, port))
        {
            all.push(Meant { engine, container, published: None });
        }
    }
    all.sort_by_key(|meant| !meant.container.is_up());
    Some(all)
}

/// Does a container publish the port, or would it? None: not known (yet).
pub fn is_meant(look: &Look<'_>, subject: &Subject) -> Option<bool> {
    Some(!publishing(look, subject)?.is_empty())
}

/// Every container of every engine. None: not known (yet).
pub fn every<'a>(look: &Look<'a>) -> Option<Vec<(&'a Engine, &'a Container)>> {
    let engines = look.engines()?;
    let of = |engine: &'a Engine| Some(engine.containers.value()?.iter().map(move |container| (engine, container)));
    // One that cannot be asked may have what is looked for.
    let all: Option<Vec<_>> = engines.iter().map(of).collect();
    Some(all?.into_iter().flatten().collect())
}

/// The running container that has this address.
pub fn at_address<'a>(look: &Look<'a>, address: IpAddr) -> Option<Option<(&'a Engine, &'a Container)>> {
    Some(every(look)?.into_iter().find(|(_, container)| container.is_up() && container.has(address)))
}

/// The container that asks its own loopback, as it were asked from here with its address. Outer none: not known (yet).
pub fn asks_own_loopback<'a>(look: &Look<'a>, subject: &Subject) -> Option<Option<(&'a Engine, &'a Container)>> {
    let Asker::Address(client) = subject.from else { return Some(None) };
    if !subject.address()?.is_loopback() || client.is_loopback() {
        return Some(None);
    }
    at_address(look, client.to_canonical())
}

/// What listens inside a container for an inside port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside<'a> {
    /// It listens where the network reaches it.
    Listens(&'a Listener),
    /// It listens on the container's own loopback only.
    Loopback(Vec<&'a Listener>),
    /// Others listen, on other ports.
    Elsewhere(Vec<&'a Listener>),
    /// Nothing listens inside at all.
    Nothing,
}

/// What listens inside a container that runs. None: not known (yet), or it shares this host's network.
pub fn inside<'a>(
    look: &Look<'a>,
    of: (&'a Engine, &'a Container),
    transport: Transport,
    port: u16,
) -> Option<Inside<'a>> {
    let pid = look.container(&key(of.0, of.1))?.pid?;
    let there = look.other_network(pid, transport, 0).filter(|there| there.separate)?;
    let rows: Vec<&Listener> = there.listeners.iter().filter(|l| l.transport == transport && !is_own_dns(l)).collect();
    let (here, others): (Vec<&Listener>, Vec<&Listener>) = rows.into_iter().partition(|l| l.port == port);
    Some(match here.iter().find(|l| !l.loopback_only()) {
        Some(row) => Inside::Listens(row),
        None if !here.is_empty() => Inside::Loopback(here),
        None if others.iter().any(|l| !l.loopback_only()) => {
            Inside::Elsewhere(others.into_iter().filter(|l| !l.loopback_only()).collect())
        }
        None => Inside::Nothing,
    })
}

/// Docker's own name server, in every container of a network that somebody made.
fn is_own_dns(listener: &Listener) -> bool {
    listener.address == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11))
}

/// Is it the host's own interface in a network of containers?
pub fn is_bridge(interface: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let hexadecimal = |rest: &str| rest.len() == 12 && rest.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(interface, "docker0" | "docker_gwbridge")
        || interface.strip_prefix("br-").is_some_and(hexadecimal)
        || interface.strip_prefix("podman").is_some_and(digits)
        || interface.strip_prefix("cni-podman").is_some_and(digits)
}

/// The command line that shows all containers of an engine.
pub fn see_all(engine: &Engine) -> String {
    format!("{} ps --all", command(engine))
}

/// The engine's command, for whoever it belongs to.
pub fn command(engine: &Engine) -> String {
    let word = engine.kind.command();
    match (engine.kind, engine.user) {
        (EngineKind::Podman, Some(user)) => format!("runuser -u \"$(id -nu {user})\" -- {word}"),
        _ if engine.kind == EngineKind::Docker && engine.runs && !is_usual(&engine.via) => {
            format!("{word} -H unix://{}", crate::text::arg(&engine.via))
        }
        _ => word.to_owned(),
    }
}

fn is_usual(via: &str) -> bool {
    matches!(via, "/run/docker.sock" | "/var/run/docker.sock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::owned_by;

    #[test]
    fn who_passes_on_is_known_by_name_or_by_unit() {
        let mut owner = owned_by("docker.service");
        owner.processes[0].name = "docker-proxy".into();
        assert!(passes_on(&owner));
        owner.processes.clear();
        assert!(passes_on(&owner));
        assert!(!passes_on(&owned_by("nginx.service")));
    }

    #[test]
    fn bridges_are_known_by_name() {
        for name in ["docker0", "br-0123456789ab", "podman0", "cni-podman12"] {
            assert!(is_bridge(name), "{name}");
        }
        for name in ["eth0", "br-lan", "podman", "br-0123456789abc"] {
            assert!(!is_bridge(name), "{name}");
        }
    }
}
