//! The container that publishes the port does not run.

use super::super::{Cause, Found, Words};
use super::common::{compose_up, found, publishing, source};
use super::{ct_host_port_taken, ct_iptables_flushed, ct_podman_rootless};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{Meant, command};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::container::{Container, Published, State};

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-stopped-or-restarting",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused, Outcome::Unreachable],
    words: Words {
        title: "The container that publishes the port does not run",
        what: "It was stopped, ended by itself, was never started, or ends again and again and is between two starts. While \
               it does not run, nothing is published, and the port is refused. What it was told to publish is kept with \
               it; its exit status and last lines tell why it ended (137: killed, by a person or for want of memory).",
        see: "docker ps --all\ndocker logs --tail 20 NAME\ndocker inspect NAME",
        fix: "docker start NAME; one that ends again by itself needs what its log complains about",
        undo: "docker stop NAME",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let address = scene.subject.address()?;
    let all = publishing(scene)?;
    if all.iter().any(|meant| meant.container.is_up()) {
        return None;
    }
    let mut down: Vec<&Meant<'_>> = all.iter().filter(|m| m.engine.runs && !told_elsewhere(scene, m)).collect();
    // One that somebody wants to run, at the address that was asked.
    down.sort_by_key(|meant| (meant.published.is_some_and(|p| !p.takes(address)), worth(meant.container)));
    let meant = *down.first()?;
    let (engine, container) = (meant.engine, meant.container);
    let name = &container.name;
    let port = meant.published.map_or_else(|| "the port".to_owned(), Published::shown);
    let mut found = found(meant, format!("container {name}, which publishes {port}, {}", how(container)));
    if let Some(end) = container.end.as_ref().filter(|end| !end.error.is_empty()) {
        let see = format!("{} inspect -f '{{{{.State.Error}}}}' {}", command(engine), arg(name));
        found = found.seen(Evidence::new(source(engine), format!("its start failed: {}", end.error), see));
    }
    if let Some(near) = meant.near(scene.look).filter(|near| !near.log.is_empty()) {
        let last: Vec<&str> = near.log.iter().rev().take(3).rev().map(String::as_str).collect();
        let see = format!("{} logs --tail 20 {}", command(engine), arg(name));
        found = found.seen(Evidence::new(source(engine), format!("its last lines: {}", last.join(" ⏎ ")), see));
    }
    Some(found.advise_all(advice(meant)))
}

/// Another cause knows better why it does not run.
fn told_elsewhere(scene: &Scene<'_, '_>, meant: &Meant<'_>) -> bool {
    let container = meant.container;
    ct_host_port_taken::is_told(container)
        || ct_iptables_flushed::is_told(container)
        || ct_podman_rootless::is_told(scene, meant)
}

/// Which one is meant, where several would publish the port: the smaller, the likelier.
fn worth(container: &Container) -> u8 {
    let wanted = container.end.as_ref().is_some_and(|end| end.policy != "no");
    match (container.state, wanted) {
        (State::Restarting, _) => 0,
        (_, true) => 1,
        (State::Exited, _) => 2,
        (State::Created | State::Running | State::Paused | State::Other, _) => 3,
    }
}

/// `was stopped (exit status 137)`.
fn how(container: &Container) -> String {
    let Some(end) = &container.end else { return format!("does not run ({})", container.status) };
    let killed = if end.oom_killed { ": the kernel killed it for want of memory" } else { "" };
    match container.state {
        State::Restarting => {
            let code = if end.code == 0 { String::new() } else { format!("exit status {}, ", end.code) };
            format!("ends again and again ({code}started again {} times){killed}", end.restarts)
        }
        State::Created => "was never started".into(),
        State::Running | State::Paused | State::Exited | State::Other => {
            format!("has ended (exit status {}){killed}", end.code)
        }
    }
}

fn advice(meant: &Meant<'_>) -> Vec<Advice> {
    let (docker, name) = (command(meant.engine), arg(&meant.container.name));
    let log = Advice::new("see why it ended", format!("{docker} logs --tail 50 {name}"), None);
    let stop = format!("{docker} stop {name}");
    let start = Advice::new(format!("start {}", meant.container.name), format!("{docker} start {name}"), Some(&stop));
    let anew = compose_up(meant.engine, meant.container)
        .map(|up| Advice::new("let Compose bring it up as its file says now", up, Some(&stop)));
    let failed = meant.container.end.as_ref().is_some_and(|end| !matches!(end.code, 0 | 137 | 143));
    let first = if failed || meant.container.state == State::Restarting { [log, start] } else { [start, log] };
    first.into_iter().chain(anew).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, ended, log, proxied, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::container::State;

    fn refusing() -> Host {
        Host::refusing(8080)
    }

    #[test]
    fn a_container_that_was_stopped() {
        let host = log(docker(refusing(), vec![ended(web(), 137)]), &["GET / 200", "terminated"]);
        let told = assert_culprit(&host.case(), "ct-stopped-or-restarting");
        let found = told.culprit().unwrap();
        let summary = "container web, which publishes 0.0.0.0:8080->80/tcp, has ended (exit status 137)";
        assert_eq!(found.summary, summary);
        assert!(found.evidence.iter().any(|e| e.says.ends_with("terminated")), "{found:?}");
        assert_eq!(found.advice[0].run, "docker start web");
        assert_eq!(found.advice[0].undo.as_deref(), Some("docker stop web"));
    }

    #[test]
    fn one_that_ends_again_and_again() {
        let mut container = ended(web(), 1);
        container.state = State::Restarting;
        container.end.as_mut().unwrap().restarts = 7;
        let told = assert_culprit(&docker(refusing(), vec![container]).case(), "ct-stopped-or-restarting");
        let found = told.culprit().unwrap();
        assert!(found.summary.ends_with("ends again and again (exit status 1, started again 7 times)"), "{found:?}");
        assert!(found.advice[0].run.contains("logs"), "{found:?}");
    }

    #[test]
    fn one_that_runs_or_publishes_another_port() {
        assert_not_found(&docker(proxied(Outcome::Refused), vec![web()]).case(), "ct-stopped-or-restarting");
        let mut other = ended(web(), 0);
        other.published[0].port = 9090;
        assert_not_found(&docker(refusing(), vec![other]).case(), "ct-stopped-or-restarting");
    }

    #[test]
    fn an_engine_that_may_not_be_asked_leaves_it_open() {
        let denied = Reading::Denied { needs: "group docker or root".into() };
        let host = docker(refusing(), vec![]).facts(|f| {
            let mut engines = f.containers.value().cloned().unwrap();
            engines[0].containers = denied;
            f.containers = Reading::known(engines);
        });
        let told = crate::diagnose::diagnose(&host.case());
        assert_eq!(told.culprit, None, "{told:#?}");
        let state = told.get(crate::diagnose::chart::BoxId::Container).unwrap();
        assert_eq!(state.because.as_deref(), Some("needs group docker or root"));
    }
}
