//! A user's own podman cannot have the port, or its port forwarder is gone.

use super::super::{Cause, Found, Words};
use super::common::{found, publishing};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::containers::{Meant, command};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::container::EngineKind;
use crate::fixes::{Plan, Risk, sysctl};

pub(crate) static CAUSE: Cause = Cause {
    id: "ct-podman-rootless",
    in_box: BoxId::Container,
    general: false,
    explains: &[Outcome::Refused, Outcome::Reset],
    words: Words {
        title: "A user's own podman does not get the port published",
        what: "Containers of an ordinary user are published by a process of that user (rootlessport, slirp4netns or pasta). \
               It may not bind ports below net.ipv4.ip_unprivileged_port_start (1024), so such a container is not started; \
               and where it has died, or was killed with the user's session, the container runs on and its port is refused.",
        see: "podman ps --all\npodman port NAME\nsysctl net.ipv4.ip_unprivileged_port_start\nloginctl show-user USER -p Linger",
        fix: "publish a port from 1024 on, or lower net.ipv4.ip_unprivileged_port_start; restart the container; \
              loginctl enable-linger USER",
        undo: "set the old value",
    },
    detect,
};

const FIRST_PORT: &str = "net/ipv4/ip_unprivileged_port_start";

/// The first port that users may bind, where this one is below it.
fn forbidden(scene: &Scene<'_, '_>, meant: &Meant<'_>) -> Option<u16> {
    let published = meant.published.filter(|_| is_users(meant))?;
    let first: u16 = scene.look.sysctl(FIRST_PORT)?.parse().ok()?;
    (published.port != 0 && published.port < first).then_some(first)
}

fn is_users(meant: &Meant<'_>) -> bool {
    meant.engine.kind == EngineKind::Podman && meant.engine.user.is_some()
}

/// Is it down because its user may not have the port?
pub(super) fn is_told(scene: &Scene<'_, '_>, meant: &Meant<'_>) -> bool {
    forbidden(scene, meant).is_some()
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let port = scene.subject.port?;
    let all = publishing(scene)?;
    let listens = !scene.look.listeners(scene.subject.transport, port)?.is_empty();
    let meant = all.iter().find(|meant| is_users(meant)).filter(|_| !listens)?;
    let name = &meant.container.name;
    if meant.container.is_up() {
        let summary = format!("container {name} of user {} runs, but nobody holds its port {port}", user(meant));
        let podman = command(meant.engine);
        let see = format!("ss -H -ltnp 'sport = :{port}'");
        let says = "no rootlessport, slirp4netns or pasta listens for it";
        let restart = Advice::new("start it anew", format!("{podman} restart {}", arg(name)), None);
        return Some(found(meant, summary).seen(Evidence::new("sock_diag", says, see)).advise(restart));
    }
    let first = forbidden(scene, meant)?;
    let summary = format!("user {} may not bind port {port}, so container {name} cannot be started", user(meant));
    let see = "sysctl net.ipv4.ip_unprivileged_port_start";
    let says = format!("net.ipv4.ip_unprivileged_port_start is {first}");
    let title = format!("let users bind ports from {port} on, now and at every boot");
    let plan = sysctl::for_good(Plan::new("lower-first-port", title), FIRST_PORT, &port.to_string());
    let plan = plan.risk(Risk::Medium).warn(format!("every user of this host may then bind ports from {port} on"));
    let mut plan_advice = Advice::of(plan);
    // The container must be started afterwards, by its user: no plan of this program ends with the port open.
    plan_advice.plan = None;
    plan_advice.run = format!("{}\n{} start {}", plan_advice.run, command(meant.engine), arg(name));
    Some(found(meant, summary).seen(Evidence::new("sysctl", says, see)).advise(plan_advice))
}

fn user(meant: &Meant<'_>) -> String {
    meant.engine.user.map_or_else(|| "?".to_owned(), |user| user.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ended, podman_of, web};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};

    fn host(port: u16, up: bool) -> Host {
        let mut container = if up { web() } else { ended(web(), 0) };
        container.published[0].port = port;
        let host = Host::refusing(port).sysctl("net/ipv4/ip_unprivileged_port_start", "1024");
        podman_of(host, 1000, vec![container])
    }

    #[test]
    fn a_port_that_users_may_not_bind() {
        let told = assert_culprit(&host(80, false).case(), "ct-podman-rootless");
        let found = told.culprit().unwrap();
        assert!(found.summary.starts_with("user 1000 may not bind port 80"), "{found:?}");
        assert!(found.advice[0].run.contains("sysctl -w net.ipv4.ip_unprivileged_port_start=80"), "{found:?}");
    }

    #[test]
    fn a_forwarder_that_is_gone() {
        assert_culprit(&host(8080, true).case(), "ct-podman-rootless");
    }

    #[test]
    fn one_that_is_only_stopped() {
        assert_not_found(&host(8080, false).case(), "ct-podman-rootless");
        assert_culprit(&host(8080, false).case(), "ct-stopped-or-restarting");
    }
}
