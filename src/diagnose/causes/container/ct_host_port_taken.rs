//! The container could not be started: another program has its port.

use super::super::{Cause, Found, Words};
use super::common::{Mapping, anew, as_told, found, mapping, publishing, source};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::command;
use crate::diagnose::serving::owner_of_any;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::container::Container;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-host-port-taken",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused, Outcome::Reset, Outcome::Closed, Outcome::Error],
    words: Words {
        title: "The container could not get its port: somebody else has it",
        what: "When it was started, the engine could not bind the port: another program of the host listens on it, be it on \
               one address only, or another container publishes it. The container stays created or exited.",
        see: "docker ps --all\ndocker inspect -f '{{.State.Error}}' NAME\nss -ltnp 'sport = :PORT'",
        fix: "stop whoever has the port and start the container, or publish it on another port",
        undo: "start the other one again",
    },
    detect,
};

/// Words of an engine whose bind failed.
const TAKEN: [&str; 3] = ["address already in use", "port is already allocated", "Address already in use"];

/// Did its start fail because of the port?
pub(super) fn is_told(container: &Container) -> bool {
    container.end.as_ref().is_some_and(|end| TAKEN.iter().any(|words| end.error.contains(words)))
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let port = scene.subject.port?;
    let all = publishing(scene)?;
    if all.iter().any(|meant| meant.container.is_up()) {
        return None;
    }
    let meant = all.iter().find(|meant| is_told(meant.container))?;
    let (engine, container, published) = (meant.engine, meant.container, meant.published?);
    let (docker, name) = (command(engine), arg(&container.name));
    let rows = scene.look.listeners(scene.subject.transport, port)?;
    let holder = owner_of_any(scene.look, rows);
    let who =
        holder.map_or_else(|| "somebody".to_owned(), |(row, owner)| format!("{} ({})", owner.shown(), row.shown()));
    let had = if rows.is_empty() { "had" } else { "has" };
    let summary = format!("container {} could not be started: {who} {had} port {port}", container.name);
    let error = container.end.as_ref().map(|end| end.error.clone()).unwrap_or_default();
    let see = format!("{docker} inspect -f '{{{{.State.Error}}}}' {name}");
    let mut found = found(meant, summary).seen(Evidence::new(source(engine), error, see));
    for row in rows {
        let says = format!("LISTEN {}", row.shown());
        found = found.seen(Evidence::new("sock_diag", says, format!("ss -H -ltnp 'sport = :{port}'")));
    }
    let start = format!("{docker} start {name}");
    let unit = holder.and_then(|(_, owner)| owner.system_unit());
    let free = match unit {
        Some(unit) => {
            let unit = arg(unit);
            let undo = format!("{docker} stop {name}\nsystemctl start {unit}");
            Advice::new(
                format!("stop {unit}, if nobody needs it, and start the container"),
                format!("systemctl stop {unit}\n{start}"),
                Some(&undo),
            )
        }
        None if rows.is_empty() => {
            Advice::new("the port is free now: start the container", start, Some(&format!("{docker} stop {name}")))
        }
        None => Advice::new(
            "end whoever has the port, and start the container",
            format!("ss -ltnp 'sport = :{port}'\n{start}"),
            None,
        ),
    };
    let mut elsewhere = published.clone();
    elsewhere.port = if port < 55_000 { port + 10_000 } else { 8080 };
    let address = (!published.address.is_unspecified()).then_some(published.address);
    let change = Mapping { was: Some(as_told(published)), wanted: mapping(&elsewhere, address, published.inside) };
    Some(found.advise(free).advise(anew(engine, container, meant.near(scene.look), &change)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, ended, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::container::State;

    const ERROR: &str = "driver failed programming external connectivity on endpoint web: Error starting userland proxy: \
        listen tcp4 0.0.0.0:8080: bind: address already in use";

    fn host(error: &str) -> Host {
        let mut container = ended(web(), 128);
        container.state = State::Created;
        container.end.as_mut().unwrap().error = error.into();
        docker(Host::refusing(8080).listens("127.0.0.1", "shop.service", |_| ()), vec![container])
    }

    #[test]
    fn another_program_has_the_port() {
        let told = assert_culprit(&host(ERROR).case(), "ct-host-port-taken");
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "container web could not be started: shop[812] (127.0.0.1:8080) has port 8080");
        assert!(found.advice[0].run.starts_with("systemctl stop shop.service\ndocker start web"), "{found:?}");
        assert!(found.advice[1].run.contains("-p 18080:80"), "{found:?}");
    }

    #[test]
    fn another_error() {
        assert_not_found(&host("no such file or directory").case(), "ct-host-port-taken");
    }
}
