//! A program in a container asks 127.0.0.1: that is the container itself.

use super::super::{Cause, Found, Words};
use super::common::{row, see_inside};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{asks_own_loopback, every, key};
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::connect::Outcome;
use crate::facts::container::{Container, Engine};
use crate::facts::socket::Transport;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-client-localhost-inside",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "127.0.0.1 inside a container is the container itself",
        what: "A program in a container was told to reach its database or proxy at localhost. Each container has a network \
               of its own with its own loopback, where nothing listens on that port; the service runs on the host or in \
               another container.",
        see: "nsenter -t PID -n ss -ltnp\ndocker network inspect NETWORK",
        fix: "give it the other container's name (both in one network that somebody made), or host.docker.internal with \
              extra_hosts: host.docker.internal:host-gateway for a service of the host",
        undo: "the old setting",
    },
    detect,
};

/// Container managers whose containers have a network of their own and no services of a host.
const MANAGERS: [&str; 4] = ["docker", "podman", "containerd", "oci"];

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    from_outside(scene).or_else(|| from_within(scene))
}

/// Asked on the host, from the container's address.
fn from_outside(scene: &Scene<'_, '_>) -> Option<Found> {
    let (engine, container) = asks_own_loopback(scene.look, scene.subject)??;
    if scene.outcome()? != Outcome::Refused {
        return None;
    }
    let (port, transport) = (scene.subject.port?, scene.subject.transport);
    let name = &container.name;
    let near = scene.look.container(&key(engine, container));
    let see = see_inside(near, transport == Transport::Udp);
    let summary = format!("127.0.0.1:{port} inside container {name} is {name} itself, where nothing listens on it");
    let nothing = Evidence::new("sock_diag", format!("nothing listens on port {port} inside {name}"), see);
    let mut found = Found::new(name, summary).seen(row(engine, container)).seen(nothing);
    let others = every(scene.look)?;
    let serves = |c: &Container| {
        c.is_up()
            && c.id != container.id
            && (c.exposed.contains(&(transport, port))
                || c.published.iter().any(|p| p.inside == port && p.transport == transport))
    };
    for (engine, other) in others.into_iter().filter(|(_, c)| serves(c)).take(3) {
        found = found.seen(row(engine, other)).advise(by_name(engine, container, other, port));
    }
    let host = scene.look.listeners(transport, port)?;
    if let Some(first) = host.first() {
        let see = format!("ss -H -ln{}p 'sport = :{port}'", transport.word().get(..1).unwrap_or("t"));
        found = found.seen(Evidence::new("sock_diag", format!("this host listens on {}", first.shown()), see));
    }
    Some(found.advise(at_host(port)))
}

fn by_name(engine: &Engine, container: &Container, other: &Container, port: u16) -> Advice {
    let named = other.compose.as_ref().map_or(other.name.as_str(), |compose| compose.service.as_str());
    let network = |c: &Container| c.networks.iter().map(|n| n.name.clone()).collect::<Vec<_>>();
    let shared = network(container).into_iter().any(|n| n != "bridge" && network(other).contains(&n));
    let words = crate::fixes::action::shell;
    let run = if shared {
        format!("# in the setting of {}: {named}:{port} in place of 127.0.0.1:{port}", container.name)
    } else {
        let docker = engine.kind.command();
        format!(
            "{docker} network create shared\n{docker} {}\n{docker} {}\n# in its setting: {named}:{port}",
            words(&["network", "connect", "shared", &container.name]),
            words(&["network", "connect", "shared", &other.name])
        )
    };
    Advice::new(format!("let it ask {named}:{port}, the container that serves it"), run, None)
}

fn at_host(port: u16) -> Advice {
    Advice::new(
        "where the host serves it: let it ask the host, which must listen on the bridge's address, too",
        format!(
            "docker run --add-host host.docker.internal:host-gateway …\n\
             # in its setting: host.docker.internal:{port} in place of 127.0.0.1:{port}"
        ),
        None,
    )
}

/// Asked inside the container.
fn from_within(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let (address, port) = (subject.address().filter(std::net::IpAddr::is_loopback)?, subject.port?);
    let host = scene.look.host().filter(|host| !host.systemd)?;
    let manager = host.container.as_deref().filter(|c| MANAGERS.contains(c))?;
    if scene.outcome()? != Outcome::Refused || !scene.look.listeners(subject.transport, port)?.is_empty() {
        return None;
    }
    let claims = scene.look.claims(subject.transport, port)?;
    // Only where a known service is asked for, which nothing here is set up to be.
    let usual = |claim: &Claim| claim.source == ClaimSource::EtcServices;
    if claims.claims.is_empty() || !claims.claims.iter().all(usual) {
        return None;
    }
    let summary =
        format!("this is a container ({manager}): {address}:{port} is the container itself, where nothing listens");
    let see = "cat /proc/1/environ | tr '\\0' '\\n' | grep container; ls /.dockerenv /run/.containerenv";
    let found = Found::new(&host.hostname, summary).seen(Evidence::new("procfs", format!("container={manager}"), see));
    let letter = subject.transport.word().get(..1).unwrap_or("t");
    let rows = format!("ss -H -ln{letter} 'sport = :{port}'");
    let found = found.seen(Evidence::new("sock_diag", format!("nothing listens on port {port} here"), rows));
    let name = "let the program ask the other container by its name (a Compose service, in the same network)";
    Some(
        found
            .advise(Advice::new(name, format!("getent hosts SERVICE    # then SERVICE:{port}"), None))
            .advise(at_host(port)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, listens_inside, unpublished, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::claim::{Claim, ClaimSource};
    use crate::facts::connect::Outcome;
    use crate::target::From;

    /// PostgreSQL of the host is asked by a container at 127.0.0.1.
    fn host(inside: &[&str]) -> Host {
        let loopback = "127.0.0.1".parse().unwrap();
        let host = Host::with_outcome(5432, Outcome::Open).dial(loopback, Outcome::Open).target("127.0.0.1:5432");
        let host = host.listens("127.0.0.1", "postgresql.service", |_| ());
        let mut db = unpublished(web());
        (db.id, db.name) = ("fedcba9876543210".into(), "db".into());
        (db.exposed[0].1, db.networks[0].address) = (5432, "172.17.0.3".parse().ok());
        listens_inside(docker(host, vec![web(), db]), inside).from(From::Address("172.17.0.2".parse().unwrap()))
    }

    #[test]
    fn its_own_loopback_is_asked() {
        let told = assert_culprit(&host(&["0.0.0.0:80"]).case(), "ct-client-localhost-inside");
        assert_eq!(told.outcome, Some(Outcome::Refused));
        let found = told.culprit().unwrap();
        assert!(found.advice[0].does.contains("db:5432"), "{found:?}");
        assert!(found.advice[1].run.contains("host.docker.internal:5432"), "{found:?}");
    }

    #[test]
    fn where_the_container_listens_itself() {
        assert_not_found(&host(&["127.0.0.1:5432"]).case(), "ct-client-localhost-inside");
    }

    #[test]
    fn asked_inside_the_container() {
        let within = |container: &str| {
            let host =
                Host::refusing(5432).target("127.0.0.1:5432").dial("127.0.0.1".parse().unwrap(), Outcome::Refused);
            let container = Some(container.to_owned());
            let usual = Claim {
                unit: None,
                daemon: None,
                program: "postgresql".into(),
                source: ClaimSource::EtcServices,
                origin: None,
                listen: None,
            };
            let host = host.claim(usual);
            host.facts(|f| {
                let host = f.host.value().cloned().unwrap();
                f.host = Reading::known(crate::facts::host::Host { systemd: false, container, ..host });
            })
        };
        assert_culprit(&within("docker").case(), "ct-client-localhost-inside");
        assert_not_found(&within("systemd-nspawn").case(), "ct-client-localhost-inside");
    }
}
