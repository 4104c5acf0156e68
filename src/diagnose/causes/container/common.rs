//! What the causes of this box share: the container that is meant, its evidence, and how it is made anew.

use super::super::Found;
use crate::diagnose::Scene;
use crate::diagnose::containers::{self, Meant, command, see_all};
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::connect::Outcome;
use crate::facts::container::{Container, Engine, Inspected, Published};
use crate::fixes::action::shell;

/// What a client gets where nobody serves it in the end: the kernel's own refusal, or that of whoever passed it on.
pub(super) const UNSERVED: &[Outcome] = &[Outcome::Refused, Outcome::Reset, Outcome::Closed];

/// The containers that publish the port or would, once it is known that it does not answer and that containers may
/// have to do with it.
pub(super) fn publishing<'a>(scene: &Scene<'a, '_>) -> Option<Vec<Meant<'a>>> {
    if !matters(scene)? {
        return None;
    }
    containers::publishing(scene.look, scene.subject)
}

/// The port does not answer, and containers may have to do with that.
pub(super) fn matters(scene: &Scene<'_, '_>) -> Option<bool> {
    Some(scene.outcome()? != Outcome::Open && containers::matter(scene.look, scene.subject, scene.filter)?)
}

/// The running container that the packet is meant to come to: it publishes the port at the asked address.
pub(super) fn serving<'a>(scene: &Scene<'a, '_>) -> Option<(Meant<'a>, &'a Published)> {
    let address = scene.subject.address()?;
    let all = publishing(scene)?;
    let mut up = all.into_iter().filter(|meant| meant.container.is_up());
    // Docker's own proxy serves ::1 and IPv6 for what is published at 0.0.0.0, too, and lists that itself.
    up.find_map(|meant| Some((meant, meant.published.filter(|p| p.takes(address) || p.address == address)?)))
}

/// A finding about a container, with the row of it that the engine shows.
pub(super) fn found(meant: &Meant<'_>, summary: String) -> Found {
    Found::new(&meant.container.name, summary).seen(row(meant.engine, meant.container))
}

/// A container as `ps --all` shows it.
pub(super) fn row(engine: &Engine, container: &Container) -> Evidence {
    let ports: Vec<String> = container.published.iter().map(Published::shown).collect();
    let ports = if ports.is_empty() { "publishes nothing".to_owned() } else { ports.join(", ") };
    let says = format!("{} ({}): {}, {ports}", container.name, container.image, container.status);
    Evidence::new(source(engine), says, see_all(engine))
}

/// The engine's name as a source.
pub(super) fn source(engine: &Engine) -> &'static str {
    engine.kind.command()
}

/// The command that shows who listens inside.
pub(super) fn see_inside(near: Option<&Inspected>, udp: bool) -> String {
    let pid = near.and_then(|near| near.pid).map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    format!("nsenter -t {pid} -n ss -ln{}p", if udp { 'u' } else { 't' })
}

/// What publishes a port otherwise than now: one mapping in place of another, or one more.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    /// What stands there now, as `-p` takes it.
    pub(super) was: Option<String>,
    /// What should.
    pub(super) wanted: String,
}

/// `-p` of a published port, with another host address or inside port.
pub(super) fn mapping(published: &Published, address: Option<std::net::IpAddr>, inside: u16) -> String {
    let udp = if published.transport == crate::facts::socket::Transport::Udp { "/udp" } else { "" };
    match address {
        Some(address) if address.is_ipv6() => format!("[{address}]:{}:{inside}{udp}", published.port),
        Some(address) => format!("{address}:{}:{inside}{udp}", published.port),
        None => format!("{}:{inside}{udp}", published.port),
    }
}

/// A published port as `-p` was told it.
pub(super) fn as_told(published: &Published) -> String {
    let address = (!published.address.is_unspecified()).then_some(published.address);
    mapping(published, address, published.inside)
}

/// Makes a container anew with another mapping of ports: the edit of its Compose file, or the command line that made it.
/// For the reader to do: what is not in a volume is lost with the old one.
pub(super) fn anew(engine: &Engine, container: &Container, near: Option<&Inspected>, change: &Mapping) -> Advice {
    let Some(compose) = container.compose.as_ref().filter(|c| !c.files.is_empty()) else {
        return run_anew(engine, container, near, change);
    };
    let file = compose.files.first().map(String::as_str).unwrap_or_default();
    let edit = match &change.was {
        Some(was) => format!("\"{was}\" becomes \"{}\"", change.wanted),
        None => format!("add \"{}\"", change.wanted),
    };
    let up = compose_up(engine, container).unwrap_or_default();
    Advice::new(
        format!("publish it otherwise in {file}, and let Compose make {} anew", compose.service),
        format!("edit {file}: services: {}: ports: {edit}\n{up}", compose.service),
        Some(&format!("edit {file} back\n{up}")),
    )
}

/// `docker compose ... up -d SERVICE`.
pub(super) fn compose_up(engine: &Engine, container: &Container) -> Option<String> {
    let compose = container.compose.as_ref().filter(|c| !c.files.is_empty())?;
    let mut words = vec!["compose".to_owned()];
    for file in &compose.files {
        words.extend(["-f".to_owned(), file.clone()]);
    }
    words.extend(["-p".to_owned(), compose.project.clone()]);
    words.extend(["up".to_owned(), "-d".to_owned(), compose.service.clone()]);
    Some(format!("{} {}", command(engine), shell(&words)))
}

fn run_anew(engine: &Engine, container: &Container, near: Option<&Inspected>, change: &Mapping) -> Advice {
    let (docker, name) = (command(engine), arg(&container.name));
    let old = format!("{}-old", container.name);
    let run = run_line(container, near, change);
    let secrets = near.is_some_and(|near| !near.made.environment.is_empty());
    let values = if secrets {
        format!("\n# -e NAME takes the value from your environment; those it has: {docker} inspect {name}")
    } else {
        String::new()
    };
    let unseen = if near.is_some() { "" } else { "\n# how it was made could not be read: compare with inspect" };
    Advice::new(
        format!("make {} anew with another mapping; what is not in a volume does not come along", container.name),
        format!("{docker} stop {name}\n{docker} rename {name} {}\n{docker} {run}{values}{unseen}", arg(&old)),
        Some(&format!("{docker} rm -f {name}\n{docker} rename {} {name}\n{docker} start {name}", arg(&old))),
    )
}

/// The command line that makes such a container.
fn run_line(container: &Container, near: Option<&Inspected>, change: &Mapping) -> String {
    let mut words: Vec<String> = ["run", "-d", "--name", &container.name].map(str::to_owned).to_vec();
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    let mut seen = Vec::new();
    for published in &container.published {
        let told = as_told(published);
        // What is published at 0.0.0.0 is listed for [::], too.
        if change.was.as_ref() != Some(&told) && !seen.contains(&told) {
            add("-p", told.clone());
            seen.push(told);
        }
    }
    add("-p", change.wanted.clone());
    if !matches!(container.network_mode.as_str(), "" | "default" | "bridge") {
        add("--network", container.network_mode.clone());
    }
    let made = near.map(|near| near.made.clone()).unwrap_or_default();
    if !matches!(made.policy.as_str(), "" | "no") {
        add("--restart", made.policy);
    }
    made.mounts.into_iter().for_each(|mount| add("-v", mount));
    made.environment.into_iter().filter(|name| name != "PATH").for_each(|name| add("-e", name));
    made.added_rights.into_iter().for_each(|right| add("--cap-add", right));
    if !made.user.is_empty() {
        add("--user", made.user);
    }
    if !matches!(made.directory.as_str(), "" | "/") {
        add("--workdir", made.directory);
    }
    let mut entrypoint = made.entrypoint.into_iter();
    if let Some(program) = entrypoint.next() {
        add("--entrypoint", program);
    }
    if made.privileged {
        words.push("--privileged".into());
    }
    words.push(container.image.clone());
    words.extend(entrypoint);
    words.extend(made.command);
    shell(&words)
}
