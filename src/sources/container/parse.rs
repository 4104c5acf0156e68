//! The JSON of Docker and podman: their lists, and one container from near. What is missing or of another type counts as
//! not said.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::facts::container::{Attached, Compose, Container, End, Inspected, Made, Published, Settings, State};
use crate::facts::socket::Transport;

/// Characters of a text that are kept.
const LONGEST: usize = 512;
/// Entries of a list that are kept.
const MOST: usize = 256;

/// A container as `GET /containers/json` tells it. None: it has no id that can be asked for.
pub(in crate::sources) fn listed(item: &Value) -> Option<Container> {
    let ports = items(item.get("Ports"));
    let labels = item.get("Labels");
    Some(Container {
        id: id(item)?,
        name: name(text(item.pointer("/Names/0"))),
        image: text(item.get("Image")),
        state: State::of(&text(item.get("State"))),
        status: text(item.get("Status")),
        published: ports.iter().filter_map(published).collect(),
        exposed: ports
            .iter()
            .filter(|port| port.get("PublicPort").is_none_or(Value::is_null))
            .filter_map(|port| Some((transport(&text(port.get("Type")))?, number(port.get("PrivatePort"))?)))
            .collect(),
        network_mode: text(item.pointer("/HostConfig/NetworkMode")),
        networks: networks(item.pointer("/NetworkSettings/Networks")),
        compose: labels.and_then(compose),
        end: None,
    })
}

/// The same, of what `inspect` tells.
pub(in crate::sources) fn summary(container: &Value) -> Option<Container> {
    let config = |path: &str| container.pointer(&format!("/Config{path}"));
    let state = state(container);
    let bound = published_by(container.pointer("/HostConfig/PortBindings"));
    let now = published_by(container.pointer("/NetworkSettings/Ports"));
    let up = matches!(state, State::Running | State::Paused);
    let exposed = names(config("/ExposedPorts")).chain(names(container.pointer("/NetworkSettings/Ports")));
    let mut exposed: Vec<(Transport, u16)> = exposed.filter_map(inside).collect();
    exposed.sort_unstable();
    exposed.dedup();
    let end = End {
        code: container.pointer("/State/ExitCode").and_then(Value::as_i64).unwrap_or_default(),
        oom_killed: truth(container.pointer("/State/OOMKilled")),
        error: text(container.pointer("/State/Error")),
        restarts: container.get("RestartCount").and_then(Value::as_u64).unwrap_or_default(),
        policy: policy(container),
    };
    let image = config("/Image").or_else(|| container.get("ImageName"));
    Some(Container {
        id: id(container)?,
        name: name(text(container.get("Name"))),
        image: text(image),
        state,
        status: if up { "Up".into() } else { format!("Exited ({})", end.code) },
        published: if up && !now.is_empty() { now } else { bound },
        exposed,
        network_mode: text(container.pointer("/HostConfig/NetworkMode")),
        networks: networks(container.pointer("/NetworkSettings/Networks")),
        compose: config("/Labels").and_then(compose),
        end: (!up || end.restarts > 0).then_some(end),
    })
}

/// A container from near, without its last words.
pub(in crate::sources) fn near(container: &Value) -> Inspected {
    let pid = container.pointer("/State/Pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let config = |path: &str| container.pointer(&format!("/Config{path}"));
    let host = |path: &str| container.pointer(&format!("/HostConfig{path}"));
    let variables = items(config("/Env")).iter().filter_map(Value::as_str);
    Inspected {
        pid: pid.filter(|pid| *pid > 0),
        made: Made {
            entrypoint: words(config("/Entrypoint")),
            command: words(config("/Cmd")),
            environment: variables.filter_map(|v| Some(clip(v.split_once('=')?.0))).collect(),
            mounts: items(container.get("Mounts")).iter().filter_map(mount).collect(),
            user: text(config("/User")),
            directory: text(config("/WorkingDir")),
            privileged: truth(host("/Privileged")),
            added_rights: words(host("/CapAdd")),
            policy: policy(container),
            removed: truth(host("/AutoRemove")),
        },
        log: Vec::new(),
    }
}

/// `daemon.json`.
pub(in crate::sources) fn settings(file: &str, json: &str) -> Settings {
    let mut settings = Settings { file: Some(file.to_owned()), ..Settings::default() };
    match serde_json::from_str::<Value>(json) {
        Ok(value) => {
            settings.iptables = value.get("iptables").and_then(Value::as_bool);
            settings.userland_proxy = value.get("userland-proxy").and_then(Value::as_bool);
            settings.ip = value.get("ip").and_then(Value::as_str).map(clip);
            settings.hosts = words(value.get("hosts"));
        }
        Err(e) if json.trim().is_empty() => drop(e),
        Err(e) => settings.broken = Some(clip(&e.to_string())),
    }
    settings
}

/// The last lines of a log, as the API sends it: in frames with eight bytes before each, or of a terminal, without.
pub(in crate::sources) fn log_lines(sent: &[u8], most: usize) -> Vec<String> {
    let mut plain = Vec::new();
    let mut rest = sent;
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [stream, 0, 0, 0, a, b, c, d] = *head else { break };
        let long = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX).min(after.len());
        if stream > 2 {
            break;
        }
        let (frame, next) = after.split_at(long);
        plain.extend_from_slice(frame);
        rest = next;
    }
    plain.extend_from_slice(rest);
    let all = String::from_utf8_lossy(&plain);
    let lines: Vec<String> = all.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(clip).collect();
    lines.get(lines.len().saturating_sub(most)..).unwrap_or_default().to_vec()
}

/// Ids are hexadecimal; anything else is none, and is never put into a path or a command line.
fn id(container: &Value) -> Option<String> {
    let id = container.get("Id").or_else(|| container.get("ID"))?.as_str()?;
    let plain = (6..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| id.to_owned())
}

/// Was it started a moment ago, in Docker's words? One that ends again and again is seen like that, too.
pub(super) fn is_young(container: &Container) -> bool {
    let words = container.status.strip_prefix("Up ").unwrap_or_default();
    container.state == State::Running && words.contains("second")
}

fn name(name: String) -> String {
    name.strip_prefix('/').map(str::to_owned).unwrap_or(name)
}

fn state(container: &Value) -> State {
    let told = text(container.pointer("/State/Status"));
    let said = |what: &str| truth(container.pointer(&format!("/State/{what}")));
    match told.as_str() {
        // What Docker keeps on disk has no word for it.
        "" if said("Restarting") => State::Restarting,
        "" if said("Paused") => State::Paused,
        "" if said("Running") => State::Running,
        "" => State::Exited,
        word => State::of(word),
    }
}

fn policy(container: &Value) -> String {
    let name = text(container.pointer("/HostConfig/RestartPolicy/Name"));
    let most = container.pointer("/HostConfig/RestartPolicy/MaximumRetryCount").and_then(Value::as_u64);
    match (name.as_str(), most) {
        ("", _) => "no".into(),
        ("on-failure", Some(most)) if most > 0 => format!("on-failure:{most}"),
        _ => name,
    }
}

/// An entry of the list of ports that `GET /containers/json` tells.
fn published(port: &Value) -> Option<Published> {
    Some(Published {
        transport: transport(&text(port.get("Type")))?,
        address: address_or_all(&text(port.get("IP")))?,
        port: number(port.get("PublicPort"))?,
        inside: number(port.get("PrivatePort"))?,
    })
}

/// `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}`.
fn published_by(map: Option<&Value>) -> Vec<Published> {
    let mut all = Vec::new();
    for (key, places) in map.and_then(Value::as_object).into_iter().flatten().take(MOST) {
        let Some((transport, inside)) = inside(key) else { continue };
        for place in items(Some(places)) {
            // One of a range is chosen at the start.
            let port = text(place.get("HostPort")).split('-').next().unwrap_or_default().parse().unwrap_or(0);
            if let Some(address) = address_or_all(&text(place.get("HostIp"))) {
                all.push(Published { transport, address, port, inside });
            }
        }
    }
    all
}

fn address_or_all(text: &str) -> Option<IpAddr> {
    if text.is_empty() { Some(Ipv4Addr::UNSPECIFIED.into()) } else { text.parse().ok() }
}

/// `80/tcp`.
fn inside(key: &str) -> Option<(Transport, u16)> {
    let (port, kind) = key.split_once('/').unwrap_or((key, "tcp"));
    Some((transport(kind)?, port.parse().ok()?))
}

fn transport(word: &str) -> Option<Transport> {
    match word {
        "tcp" => Some(Transport::Tcp),
        "udp" => Some(Transport::Udp),
        _ => None,
    }
}

fn networks(map: Option<&Value>) -> Vec<Attached> {
    let all = map.and_then(Value::as_object).into_iter().flatten().take(MOST);
    all.map(|(name, network)| {
        let address = |field: &str| text(network.get(field)).parse().ok();
        Attached {
            name: clip(name),
            address: address("IPAddress").or_else(|| address("GlobalIPv6Address")),
            gateway: address("Gateway").or_else(|| address("IPv6Gateway")),
        }
    })
    .collect()
}

fn compose(labels: &Value) -> Option<Compose> {
    let label = |name: &str| labels.get(format!("com.docker.compose.{name}")).and_then(Value::as_str).map(clip);
    let files = label("project.config_files").unwrap_or_default();
    Some(Compose {
        project: label("project")?,
        service: label("service")?,
        files: files.split(',').map(str::trim).filter(|file| !file.is_empty()).map(str::to_owned).collect(),
        directory: label("project.working_dir"),
    })
}

/// As `-v` takes it.
fn mount(mount: &Value) -> Option<String> {
    let (kind, named) = (text(mount.get("Type")), text(mount.get("Name")));
    let source = if kind == "volume" && !named.is_empty() { named } else { text(mount.get("Source")) };
    let to = text(mount.get("Destination"));
    let read_only = mount.get("RW").and_then(Value::as_bool) == Some(false);
    let known = !to.is_empty() && !source.is_empty() && kind != "tmpfs";
    known.then(|| format!("{source}:{to}{}", if read_only { ":ro" } else { "" }))
}

fn names(map: Option<&Value>) -> impl Iterator<Item = &str> {
    map.and_then(Value::as_object).into_iter().flatten().take(MOST).map(|(name, _)| name.as_str())
}

fn items(list: Option<&Value>) -> &[Value] {
    let all = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.get(..MOST).unwrap_or(all)
}

/// A list of words, or, as older versions of podman write it, one word.
fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) if !one.is_empty() => vec![clip(one)],
        list => items(list).iter().filter_map(Value::as_str).map(clip).collect(),
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).map(clip).unwrap_or_default()
}

fn truth(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool).unwrap_or_default()
}

fn number(value: Option<&Value>) -> Option<u16> {
    value.and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok())
}

fn clip(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
