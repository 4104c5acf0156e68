//! The container runs, and nothing listens in it.

use super::super::{Cause, Found, Words};
use super::common::UNSERVED;
use super::inside;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{Inside, command};
use crate::diagnose::verdict::{Advice, arg};

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-app-not-listening",
    in_box: BoxId::Container,
    general: false,
    explains: UNSERVED,
    words: Words {
        title: "The container runs, but nothing listens in it (yet)",
        what: "The port is published and the container is up, but no socket in its network listens where others could \
               come: the program is still starting (a database that restores its files), waits for something, or has \
               failed while the container's first process lives on.",
        see: "docker logs --tail 50 NAME\nnsenter -t PID -n ss -ltnp",
        fix: "wait for it, or cure what its log complains about",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let serving = inside::look(scene).filter(|serving| serving.inside == Inside::Nothing)?;
    let (engine, container) = (serving.meant.engine, serving.meant.container);
    let summary = format!("container {} runs ({}), but nothing listens in it", container.name, container.status);
    let run = format!("{} logs --tail 50 {}", command(engine), arg(&container.name));
    Some(serving.found(summary, &[]).advise(Advice::new("see what it is doing; it may still be starting", run, None)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, listens_inside, proxied, web};
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;

    #[test]
    fn nothing_but_dockers_own_name_server() {
        let host = listens_inside(docker(proxied(Outcome::Refused), vec![web()]), &["127.0.0.11:33333"]);
        let told = assert_culprit(&host.case(), "ct-app-not-listening");
        assert!(told.culprit().unwrap().summary.starts_with("container web runs (Up 5 minutes)"), "{told:?}");
    }

    #[test]
    fn something_listens() {
        let host = listens_inside(docker(proxied(Outcome::Refused), vec![web()]), &["127.0.0.1:80"]);
        assert_not_found(&host.case(), "ct-app-not-listening");
    }
}
