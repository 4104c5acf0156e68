//! The port is published to an inside port where nobody listens; the program listens on another.

use super::super::{Cause, Found, Words};
use super::common::{Mapping, UNSERVED, anew, as_told, mapping};
use super::inside;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::Inside;
use crate::facts::socket::Listener;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-wrong-container-port",
    in_box: BoxId::Container,
    general: false,
    explains: UNSERVED,
    words: Words {
        title: "The port is published to the wrong port of the container",
        what: "In -p HOST:INSIDE the second number must be the port that the program in the container listens on. Here \
               nothing listens on it, while something listens on another one. Clients on other hosts are refused; on the \
               host itself, where docker-proxy takes the connection, it is made and then closed.",
        see: "docker ps\nnsenter -t PID -n ss -ltnp",
        fix: "make the container anew with the right inside port (-p 8080:80, or ports: in the Compose file)",
        undo: "make it anew with the old mapping",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let serving = inside::look(scene)?;
    let Inside::Elsewhere(rows) = &serving.inside else { return None };
    let (container, published) = (serving.meant.container, serving.published);
    let mut ports: Vec<u16> = rows.iter().map(|row: &&Listener| row.port).collect();
    ports.sort_unstable();
    ports.dedup();
    // What the image names is what its program is reached by.
    ports.sort_by_key(|port| !container.exposed.contains(&(published.transport, *port)));
    let right = ports.first().copied()?;
    let listed: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let summary = format!(
        "{} leads to port {} of container {}, where nothing listens; it listens on {}",
        published.shown(),
        published.inside,
        container.name,
        listed.join(", ")
    );
    let address = (!published.address.is_unspecified()).then_some(published.address);
    let change = Mapping { was: Some(as_told(published)), wanted: mapping(published, address, right) };
    Some(serving.found(summary, rows).advise(anew(serving.meant.engine, container, serving.near, &change)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{composed, docker, listens_inside, proxied, web};
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    #[test]
    fn inside_on_another_port() {
        let host = listens_inside(docker(proxied(Outcome::Closed), vec![web()]), &["0.0.0.0:8000", "127.0.0.11:33333"]);
        let told = assert_culprit(&host.case(), "ct-wrong-container-port");
        let found = told.culprit().unwrap();
        assert!(found.summary.ends_with("it listens on 8000"), "{found:?}");
        let run = &found.advice[0].run;
        let line = "docker run -d --name web -p 8080:8000 --restart always -v data:/data -e TZ image httpd -f";
        assert!(run.contains(line), "{run}");
    }

    #[test]
    fn a_compose_file_is_edited() {
        let host = listens_inside(docker(proxied(Outcome::Refused), vec![composed(web())]), &["0.0.0.0:8000"]);
        let told = assert_culprit(&host.case(), "ct-wrong-container-port");
        let advice = &told.culprit().unwrap().advice[0];
        let edit = "edit /srv/shop/compose.yaml: services: front: ports: \"8080:80\" becomes \"8080:8000\"\n";
        assert!(advice.run.starts_with(edit), "{advice:?}");
        assert!(advice.run.ends_with("docker compose -f /srv/shop/compose.yaml -p shop up -d front"), "{advice:?}");
    }

    #[test]
    fn the_right_port() {
        let host = listens_inside(docker(proxied(Outcome::Refused), vec![web()]), &["[::]:80", "0.0.0.0:8000"]);
        assert_not_found(&host.case(), "ct-wrong-container-port");
    }
}
