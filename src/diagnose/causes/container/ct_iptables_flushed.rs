//! The rules that bring published ports to containers are gone.

use super::super::{Cause, Found, Words};
use super::common::{found, publishing, source};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{self, Meant, command, matter};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::diagnose::ways::{Gets, gets, main_part};
use crate::facts::connect::Outcome;
use crate::facts::container::{Container, EngineKind};
use crate::facts::ruleset::Hook;
use crate::fixes::unit::restart;

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-iptables-flushed",
    in_box: BoxId::Container,
    general: false,
    explains: &[
        Outcome::Open,
        Outcome::Refused,
        Outcome::Timeout,
        Outcome::Reset,
        Outcome::Closed,
        Outcome::Unreachable,
    ],
    words: Words {
        title: "The rules that lead published ports to containers were flushed",
        what: "Docker and podman bring a published port to its container with DNAT rules that they write once, when the \
               container or the engine starts. A firewall that is started later (nftables, iptables-restore, a script) \
               and flushes all rules takes theirs along. Ports that docker-proxy holds go on working, with the bridge as \
               the client's address; others hang or are refused, and no container with a port can be started \
               (\"No chain/target/match by that name\").",
        see: "iptables -t nat -S DOCKER\njournalctl -u docker -u nftables -u iptables -u firewalld -b",
        fix: "restart docker (or podman network reload --all), and let the firewall start before it, without flush ruleset",
        undo: "nothing to take back",
    },
    detect,
};

/// Programs that only keep others off the port.
const HOLDERS: [&str; 2] = ["dockerd", "conmon"];

/// Words of an engine whose chains are gone.
const GONE: [&str; 2] = ["No chain/target/match by that name", "Chain 'DOCKER' does not exist"];

/// Did its start fail because of the rules?
pub(super) fn is_told(container: &Container) -> bool {
    container.end.as_ref().is_some_and(|end| GONE.iter().any(|words| end.error.contains(words)))
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if let Some(found) = could_not_start(scene) {
        return Some(found);
    }
    let address = scene.subject.address().filter(|a| a.is_ipv4() && !a.is_loopback())?;
    if scene.subject.from == Asker::Here || !matter(scene.look, scene.subject, scene.filter)? {
        return None;
    }
    let all = containers::publishing(scene.look, scene.subject)?;
    let meant = all.iter().find(|meant| {
        let takes = meant.published.is_some_and(|p| p.takes(address));
        takes && meant.container.is_up() && meant.engine.user.is_none() && meant.engine.settings.iptables != Some(false)
    })?;
    if !comes_undiverted(scene)? {
        return None;
    }
    let published = meant.published?.shown();
    let name = &meant.container.name;
    let engine = meant.engine.kind.words();
    let summary = format!("no rule leads {published} to container {name}: {engine}'s rules are gone");
    let mut found = told(meant, summary);
    // What docker-proxy holds is served all the same; dockerd and conmon hold it and take nothing.
    let listeners = scene.look.listeners(scene.subject.transport, scene.subject.port?)?;
    let taking = listeners.iter().filter(|l| l.takes(address)).find_map(|l| scene.look.owner(l));
    found.latent = taking.is_some_and(|owner| !owner.processes.iter().any(|p| HOLDERS.contains(&p.name.as_str())));
    if let Some(plan) = plan(scene, meant) {
        found = found.fix(plan);
    }
    Some(found.advise_all(advice(meant)))
}

fn could_not_start(scene: &Scene<'_, '_>) -> Option<Found> {
    let all = publishing(scene)?;
    if all.iter().any(|meant| meant.container.is_up()) {
        return None;
    }
    let meant = all.iter().find(|meant| is_told(meant.container))?;
    let name = &meant.container.name;
    let summary = format!("container {name} could not be started: {}'s chains are gone", meant.engine.kind.words());
    let error = meant.container.end.as_ref().map(|end| end.error.clone()).unwrap_or_default();
    let see = format!("{} inspect -f '{{{{.State.Error}}}}' {}", command(meant.engine), arg(name));
    Some(told(meant, summary).seen(Evidence::new(source(meant.engine), error, see)).advise_all(advice(meant)))
}

/// Where nothing diverts the packet, it comes to this host itself, or is refused only there.
fn comes_undiverted(scene: &Scene<'_, '_>) -> Option<bool> {
    scene.look.ruleset()?;
    let ways = scene.ways()?;
    let part = main_part(&ways.asked)?;
    if part.translated.is_some() {
        return Some(false);
    }
    match gets(part, scene.subject.transport) {
        Gets::Through { beyond, .. } => Some(!beyond),
        Gets::Outcome(_) => Some(part.fate.by().is_some_and(|place| place.hook == Hook::Input)),
        Gets::Unknown { .. } => None,
    }
}

fn told(meant: &Meant<'_>, summary: String) -> Found {
    let (says, see) = match meant.engine.kind {
        EngineKind::Docker => ("no rule of table nat leads to it", "iptables -t nat -S DOCKER"),
        EngineKind::Podman => ("no rule of table nat leads to it", "nft -a list ruleset | grep -i netavark"),
    };
    found(meant, summary).seen(Evidence::new("nftables", says, see))
}

fn advice(meant: &Meant<'_>) -> Vec<Advice> {
    let name = arg(&meant.container.name);
    match meant.engine.kind {
        EngineKind::Docker => vec![Advice::new(
            "let Docker write its rules anew; containers that have no restart policy are to be started again then",
            format!("systemctl restart docker\ndocker start {name}"),
            None,
        )],
        EngineKind::Podman => {
            vec![Advice::new("let podman write its rules anew", "podman network reload --all", None)]
        }
    }
}

/// A restart of the engine, where the container comes back by itself.
fn plan(scene: &Scene<'_, '_>, meant: &Meant<'_>) -> Option<crate::fixes::Plan> {
    let policy = meant.near(scene.look).map(|near| near.made.policy.clone())?;
    let returns = matches!(policy.as_str(), "always" | "unless-stopped") && meant.engine.kind == EngineKind::Docker;
    let unit = scene.look.unit("docker.service").filter(|unit| unit.is_running() && returns)?;
    let plan = restart(&unit.name);
    Some(plan.warn("all containers are stopped and started again; those without a restart policy stay down"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{docker, ended, proxied, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::facts::connect::Outcome;

    #[test]
    fn chains_are_missing_when_it_is_started() {
        let mut container = ended(web(), 128);
        container.end.as_mut().unwrap().error =
            "driver failed: iptables failed: iptables: No chain/target/match by that name. (exit status 1)".into();
        assert_culprit(&docker(Host::refusing(8080), vec![container]).case(), "ct-iptables-flushed");
    }

    #[test]
    fn a_port_that_docker_proxy_still_serves() {
        let told = assert_found(&docker(proxied(Outcome::Open), vec![web()]).case(), "ct-iptables-flushed");
        assert_eq!((told.culprit, told.outcome), (None, Some(Outcome::Open)));
        assert!(told.causes[0].latent);
    }

    #[test]
    fn an_engine_that_makes_no_rules() {
        let host = docker(proxied(Outcome::Open), vec![web()]).facts(|f| {
            let mut engines = f.containers.value().cloned().unwrap();
            engines[0].settings.iptables = Some(false);
            f.containers = crate::facts::Reading::known(engines);
        });
        assert_not_found(&host.case(), "ct-iptables-flushed");
    }
}
