//! A container serves the port, but does not publish it.

use super::super::{Cause, Found, Words};
use super::common::{Mapping, anew, found, matters, see_inside};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{Inside, Meant, every, inside, is_meant};
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::facts::container::{Container, Engine};
use crate::facts::socket::Transport;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-port-not-published",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "A container serves the port, but it is not published",
        what: "EXPOSE in an image, expose: in a Compose file, and a program that listens inside publish nothing: the port \
               answers at the container's own address, which only this host and other containers reach. The host itself \
               refuses it.",
        see: "docker ps\ndocker inspect -f '{{.Config.ExposedPorts}}' NAME",
        fix: "publish it: -p 80:80, or ports: in the Compose file, and make the container anew",
        undo: "take the mapping out, and make it anew",
    },
    detect,
};

/// Containers that are looked into although their image names no such port.
const MOST_LOOKED_INTO: usize = 8;

/// Does it fit? None: not known (yet).
pub(super) fn applies(scene: &Scene<'_, '_>) -> Option<bool> {
    let (fits, missing) = scene.look.noting(|| unpublished(scene).is_some());
    scene.look.also_missing(&missing);
    (fits || (!missing.open && missing.blind.is_empty())).then_some(fits)
}

/// The container that serves the port without publishing it, its own service's unit having been asked after first.
fn unpublished<'a>(scene: &Scene<'a, '_>) -> Option<(&'a Engine, &'a Container)> {
    let (subject, look) = (scene.subject, scene.look);
    let port = subject.port?;
    if !matters(scene)? || !look.listeners(subject.transport, port)?.is_empty() || is_meant(look, subject)? {
        return None;
    }
    let all: Vec<_> = every(look)?.into_iter().filter(|(_, container)| apart(container)).collect();
    if all.is_empty() {
        return None;
    }
    // Somebody on the host itself is meant to serve it: their causes tell more.
    if look.claims(subject.transport, port)?.claims.iter().any(|claim| claim.unit.is_some())
        && serving(look, subject)?.unit.is_some()
    {
        return None;
    }
    let named = all.iter().find(|(_, c)| c.exposed.contains(&(subject.transport, port)));
    let looked_into = || all.iter().take(MOST_LOOKED_INTO).find(|of| listens(scene, **of, port) == Some(true));
    named.or_else(looked_into).copied()
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (engine, container) = unpublished(scene)?;
    let (subject, look, port) = (scene.subject, scene.look, scene.subject.port?);
    let meant = Meant { engine, container, published: None };
    let name = &container.name;
    let summary = format!("container {name} serves port {port} inside, but does not publish it");
    let mut found = found(&meant, summary);
    if let Some(Inside::Listens(row)) = inside(look, (engine, container), subject.transport, port) {
        let see = see_inside(meant.near(look), subject.transport == Transport::Udp);
        found = found.seen(Evidence::new("sock_diag", format!("LISTEN {} inside {name}", row.shown()), see));
    }
    let udp = if subject.transport == Transport::Udp { "/udp" } else { "" };
    let change = Mapping { was: None, wanted: format!("{port}:{port}{udp}") };
    Some(found.advise(anew(engine, container, meant.near(look), &change)))
}

/// It runs, in a network of its own.
fn apart(container: &Container) -> bool {
    container.is_up() && container.network_mode != "host" && !container.networks.is_empty()
}

fn listens<'a>(scene: &Scene<'a, '_>, of: (&'a Engine, &'a Container), port: u16) -> Option<bool> {
    Some(matches!(inside(scene.look, of, scene.subject.transport, port)?, Inside::Listens(_)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, listens_inside, unpublished, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};

    #[test]
    fn a_container_that_names_the_port() {
        let host = listens_inside(docker(Host::refusing(80), vec![unpublished(web())]), &["0.0.0.0:80"]);
        let told = assert_culprit(&host.case(), "ct-port-not-published");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "container web serves port 80 inside, but does not publish it");
        assert!(found.advice[0].run.contains("docker run -d --name web -p 80:80 "), "{found:?}");
    }

    #[test]
    fn one_that_listens_on_what_it_does_not_name() {
        let host = listens_inside(docker(Host::refusing(5000), vec![unpublished(web())]), &["0.0.0.0:5000"]);
        assert_culprit(&host.case(), "ct-port-not-published");
        let other = listens_inside(docker(Host::refusing(5000), vec![unpublished(web())]), &["0.0.0.0:5001"]);
        assert_not_found(&other.case(), "ct-port-not-published");
    }

    #[test]
    fn a_service_of_the_host_is_asked_first() {
        let host = Host::refusing(80).unit("nginx.service", |_| ()).claimed_by("nginx.service");
        let host = listens_inside(docker(host, vec![unpublished(web())]), &["0.0.0.0:80"]);
        assert_culprit(&host.case(), "svc-not-running");
        let host = Host::refusing(80).unit("nginx.service", |_| ()).claimed_by("nginx.service");
        let host = listens_inside(docker(host, vec![unpublished(web())]), &["0.0.0.0:80"]);
        assert_not_found(&host.case(), "ct-port-not-published");
    }
}
