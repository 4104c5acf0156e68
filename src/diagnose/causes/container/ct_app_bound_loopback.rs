//! The program in the container listens on the container's own loopback.

use super::super::{Cause, Found, Words};
use super::common::UNSERVED;
use super::inside;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{Inside, command};
use crate::diagnose::verdict::{Advice, arg};

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-app-bound-loopback",
    in_box: BoxId::Container,
    general: false,
    explains: UNSERVED,
    words: Words {
        title: "The program in the container listens on the container's loopback only",
        what: "The port is published to the right inside port, and the program listens there, but on 127.0.0.1 of the \
               container's own network, where nothing from outside the container comes to. Clients on other hosts are \
               refused; on the host itself, where docker-proxy takes the connection, it is made and then reset.",
        see: "docker ps\nnsenter -t PID -n ss -ltnp",
        fix: "let the program listen on 0.0.0.0 inside the container (--host 0.0.0.0, bind, listen), and make the \
              container anew",
        undo: "the old command or setting, and make it anew",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let serving = inside::look(scene)?;
    let Inside::Loopback(rows) = &serving.inside else { return None };
    let container = serving.meant.container;
    let shown: Vec<String> = rows.iter().map(|row| row.shown()).collect();
    let (name, port) = (&container.name, serving.published.inside);
    let summary = format!("inside container {name} the program listens on {} only", shown.join(", "));
    let words: Vec<&str> = serving
        .near
        .iter()
        .flat_map(|near| near.made.entrypoint.iter().chain(&near.made.command))
        .map(String::as_str)
        .collect();
    let told = if words.is_empty() {
        String::new()
    } else {
        format!("    # it runs: {}", crate::fixes::action::shell(&words))
    };
    let where_made = super::common::compose_up(serving.meant.engine, container)
        .unwrap_or_else(|| format!("{} inspect {}", command(serving.meant.engine), arg(name)));
    Some(serving.found(summary, rows).advise(Advice::new(
        format!("let the program inside listen on 0.0.0.0:{port}, by its own setting or --host 0.0.0.0, and make {name} anew"),
        format!("{where_made}{told}"),
        None,
    )))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, listens_inside, proxied, web};
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    #[test]
    fn inside_on_loopback_only() {
        for outcome in [Outcome::Refused, Outcome::Reset] {
            let host = listens_inside(docker(proxied(outcome), vec![web()]), &["127.0.0.1:80"]);
            let told = assert_culprit(&host.case(), "ct-app-bound-loopback");
            let found = told.culprit().unwrap();
            assert_eq!(found.subject, "web");
            assert!(found.summary.contains("127.0.0.1:80 only"), "{found:?}");
            assert!(found.advice[0].run.ends_with("# it runs: httpd -f"), "{found:?}");
        }
    }

    #[test]
    fn inside_on_all_addresses() {
        let host = listens_inside(docker(proxied(Outcome::Refused), vec![web()]), &["127.0.0.1:80", "0.0.0.0:80"]);
        assert_not_found(&host.case(), "ct-app-bound-loopback");
    }
}
