//! Docker does not run: its API, and the ports of its containers, are refused.

use super::super::{Cause, Found, Words};
use super::common::{DOWN, arg};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{matter, publishing};
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::container::{Container, EngineKind, Settings};
use crate::facts::unit::Unit;
use crate::fixes::action::Verb;
use crate::fixes::{Plan, Step, unit};

pub(crate) static CAUSE: Cause = Cause {
    id: "docker-daemon-down",
    in_box: BoxId::Service,
    general: false,
    explains: DOWN,
    words: Words {
        title: "The Docker daemon does not run",
        what: "\"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\" is said \
               for a missing socket and for a refused one alike. Nobody runs dockerd: it was stopped, is not enabled at \
               boot, or could not start (daemon.json is no JSON, or names `hosts` that its unit names, too). The ports of \
               its containers are refused as well. Or DOCKER_HOST and the context lead to tcp://127.0.0.1:2375, where a \
               usual daemon does not listen.",
        see: "systemctl status docker.service docker.socket\njournalctl -u docker.service -n 30\nls -l /run/docker.sock\n\
              docker context ls; echo $DOCKER_HOST",
        fix: "systemctl start docker (and enable it); correct /etc/docker/daemon.json; unset DOCKER_HOST",
        undo: "systemctl stop docker",
    },
    detect,
};

const UNIT: &str = "docker.service";
const SOCKET_UNIT: &str = "docker.socket";
/// The ports of its API: plain, and with TLS.
const API_PORTS: [u16; 2] = [2375, 2376];

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    if let Some(path) = &subject.path {
        let own = path.ends_with("/docker.sock");
        return if own && scene.outcome()? != Outcome::Open { at_socket(scene, path) } else { None };
    }
    if subject.local != Some(true) || subject.unit.is_some() || scene.outcome()? == Outcome::Open {
        return None;
    }
    if subject.port.is_some_and(|port| API_PORTS.contains(&port)) {
        return at_port(scene);
    }
    for_container(scene)
}

/// The unit, which is there and does not run.
fn stopped<'a>(scene: &Scene<'a, '_>) -> Option<&'a Unit> {
    scene.look.unit(UNIT).filter(|unit| unit.exists() && unit.load_state != "masked" && !unit.is_running())
}

fn at_socket(scene: &Scene<'_, '_>, path: &str) -> Option<Found> {
    let unit = stopped(scene)?;
    let summary = format!("{UNIT} is {}, so nobody answers at {path}", unit.shown_state());
    Some(told(scene, unit, summary, true))
}

fn at_port(scene: &Scene<'_, '_>) -> Option<Found> {
    let port = scene.subject.port?;
    let unit = scene.look.unit(UNIT).filter(|unit| unit.exists())?;
    if !scene.look.listeners(scene.subject.transport, port)?.is_empty() {
        return None;
    }
    if !unit.is_running() {
        return Some(told(scene, unit, format!("{UNIT} is {}", unit.shown_state()), false));
    }
    let summary = format!("Docker runs, but its API does not listen on port {port}: it is at /run/docker.sock");
    let see = "ss -H -lxp src /run/docker.sock";
    Some(
        Found::new(UNIT, summary)
            .seen(Evidence::new(
                "systemd",
                format!("{UNIT} is {}", unit.shown_state()),
                "systemctl status docker.service",
            ))
            .seen(Evidence::new("sock_diag", format!("nothing listens on port {port}"), see))
            .advise(Advice::new(
                "let clients ask the socket: DOCKER_HOST and the context lead to the port",
                "unset DOCKER_HOST\ndocker context use default",
                None,
            )),
    )
}

/// The port of a container whose engine does not run.
fn for_container(scene: &Scene<'_, '_>) -> Option<Found> {
    if !matter(scene.look, scene.subject, scene.filter)? {
        return None;
    }
    let all = publishing(scene.look, scene.subject)?;
    if all.iter().any(|meant| meant.container.is_up()) {
        return None;
    }
    let meant = all.iter().find(|meant| meant.engine.kind == EngineKind::Docker && !meant.engine.runs)?;
    let unit = stopped(scene)?;
    let (name, port) = (&meant.container.name, scene.subject.port?);
    let summary =
        format!("{UNIT} is {}, so container {name} does not run, which publishes port {port}", unit.shown_state());
    let says = format!("{name} ({}) publishes port {port}", meant.container.image);
    let see = format!("ls {}", meant.engine.via);
    let returns = returns(meant.container);
    let mut found = told(scene, unit, summary, returns).seen(Evidence::new("docker", says, see));
    if !returns {
        let name = arg(name);
        let run = format!("systemctl start {UNIT}\ndocker start {name}");
        let undo = format!("docker stop {name}\nsystemctl stop {UNIT}");
        found = found.advise(Advice::new(
            "start Docker, and then the container, which has no restart policy",
            run,
            Some(&undo),
        ));
    }
    Some(found)
}

/// Is it started by itself once Docker runs?
fn returns(container: &Container) -> bool {
    container.end.as_ref().is_some_and(|end| matches!(end.policy.as_str(), "always" | "unless-stopped"))
}

fn told(scene: &Scene<'_, '_>, unit: &Unit, summary: String, enough: bool) -> Found {
    let says = format!("{UNIT} is {}", unit.shown_state());
    let mut found = Found::new(UNIT, summary).seen(Evidence::new("systemd", says, format!("systemctl status {UNIT}")));
    let engines = scene.look.engines().unwrap_or_default();
    let broken = engines.iter().find_map(|engine| broken(&engine.settings));
    if let Some((file, why)) = broken {
        let see = format!("python3 -m json.tool {}", arg(file));
        return found.seen(Evidence::new("config", format!("{file} is no JSON: {why}"), see)).advise(Advice::new(
            format!("correct {file}, and start Docker"),
            format!("edit {file}    # {why}\nsystemctl reset-failed {UNIT}\nsystemctl start {UNIT}"),
            None,
        ));
    }
    if unit.active_state == "failed" {
        let run = format!("journalctl -u {UNIT} -n 30 --no-pager");
        found = found.advise(Advice::new("see why it could not start", run, None));
    }
    if enough {
        found = found.fix(with_socket(scene, unit::start(unit)));
        if unit.file_state == "disabled" {
            found = found.fix(with_socket(scene, unit::start_and_enable(unit)));
        }
    }
    found
}

/// Its unit starts the socket's, too: said, so that it is stopped again when the plan is taken back.
fn with_socket(scene: &Scene<'_, '_>, mut plan: Plan) -> Plan {
    let down = scene.look.unit(SOCKET_UNIT).is_some_and(|socket| socket.exists() && socket.active_state == "inactive");
    if down {
        let action = unit::act(SOCKET_UNIT, Verb::Start);
        plan.steps.insert(0, Step { does: format!("open its socket with {SOCKET_UNIT}"), action });
    }
    plan
}

fn broken(settings: &Settings) -> Option<(&str, &str)> {
    Some((settings.file.as_deref()?, settings.broken.as_deref()?))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found, socket_file};
    use crate::facts::connect::Outcome;

    fn socket(state: &'static str) -> Host {
        let host = Host::refusing(1).unix("/var/run/docker.sock", socket_file(), None, Outcome::Refused);
        host.unit("docker.service", |u| u.active_state = state.into())
    }

    #[test]
    fn its_socket_is_refused() {
        let told = assert_culprit(&socket("inactive").case(), "docker-daemon-down");
        assert_eq!(told.plans().next().unwrap().commands(), "systemctl start docker.service");
    }

    #[test]
    fn it_runs() {
        assert_not_found(&socket("active").case(), "docker-daemon-down");
    }

    #[test]
    fn its_api_is_asked_at_a_port() {
        let host = Host::refusing(2375).running("docker.service");
        let told = assert_culprit(&host.case(), "docker-daemon-down");
        assert!(told.culprit().unwrap().advice[0].run.starts_with("unset DOCKER_HOST"), "{told:?}");
        assert_not_found(&Host::refusing(2377).running("docker.service").case(), "docker-daemon-down");
    }
}
