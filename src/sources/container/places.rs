//! Where the container engines of this host are asked.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;
use serde_json::Value;

use super::parse;
use crate::facts::container::{EngineKind, Settings};

/// Stands for podman's command where a socket's path would be.
pub(super) const COMMAND: &str = "podman";
/// Where Docker keeps its containers.
pub(super) const KEPT: &str = "/var/lib/docker/containers";
const DAEMON_JSON: &str = "/etc/docker/daemon.json";
/// Users whose engines are looked for.
const MOST_USERS: usize = 64;
/// Of a file of settings.
const MOST_BYTES: u64 = 256 << 10;

/// An engine and how it is asked.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) kind: EngineKind,
    pub(super) via: String,
    pub(super) user: Option<u32>,
    pub(super) settings: Settings,
    /// Its socket can be asked. Otherwise `via` is what it keeps on disk, or its command.
    pub(super) socket: bool,
}

impl Place {
    fn socket(kind: EngineKind, via: &Path, user: Option<u32>) -> Self {
        Self { kind, via: via.display().to_string(), user, settings: Settings::default(), socket: true }
    }
}

/// All of them. Nothing is started by looking.
pub(super) fn find() -> Vec<Place> {
    let mut all = docker();
    all.extend(podman());
    all
}

fn docker() -> Vec<Place> {
    let mut all = Vec::new();
    let settings = read(Path::new(DAEMON_JSON)).map(|json| parse::settings(DAEMON_JSON, &json)).unwrap_or_default();
    let usual = Path::new("/run/docker.sock");
    if is_socket(usual) && docker_runs() {
        all.push(Place { settings, ..Place::socket(EngineKind::Docker, usual, None) });
    } else if Path::new(KEPT).is_dir() {
        let (via, socket) = (KEPT.into(), false);
        all.push(Place { kind: EngineKind::Docker, via, user: None, settings, socket });
    }
    for (user, directory) in runtime_directories() {
        let socket = directory.join("docker.sock");
        if is_socket(&socket) && lives(&directory.join("docker.pid")) {
            all.push(Place::socket(EngineKind::Docker, &socket, Some(user)));
        }
    }
    if let Some(chosen) = chosen().filter(|path| is_socket(path) && !same_as_any(path, &all) && !same(path, usual)) {
        all.push(Place::socket(EngineKind::Docker, &chosen, None));
    }
    all
}

fn podman() -> Vec<Place> {
    let own = Uid::effective();
    let usual = Path::new("/run/podman/podman.sock");
    let mut all = Vec::new();
    if is_socket(usual) {
        all.push(Place::socket(EngineKind::Podman, usual, None));
    }
    for (user, directory) in runtime_directories() {
        let socket = directory.join("podman/podman.sock");
        if is_socket(&socket) {
            all.push(Place::socket(EngineKind::Podman, &socket, Some(user)));
        }
    }
    let user = (!own.is_root()).then(|| own.as_raw());
    if !all.iter().any(|place| place.user == user) && has_containers(own) {
        let (via, settings) = (COMMAND.into(), Settings::default());
        all.push(Place { kind: EngineKind::Podman, via, user, settings, socket: false });
    }
    all
}

/// Somebody made containers with podman: its command, which writes files of its own, is not run for less.
fn has_containers(own: Uid) -> bool {
    let storage = if own.is_root() {
        PathBuf::from("/var/lib/containers/storage")
    } else {
        let Some(home) = std::env::var_os("HOME") else { return false };
        Path::new(&home).join(".local/share/containers/storage")
    };
    let lists = ["overlay-containers", "vfs-containers", "btrfs-containers"];
    lists.iter().any(|list| fs::metadata(storage.join(list).join("containers.json")).is_ok_and(|file| file.len() > 2))
}

/// Docker runs: a socket of its own or systemd's proves nothing, and connecting to that one would start it.
fn docker_runs() -> bool {
    let in_its_group = || {
        let groups =
            ["/sys/fs/cgroup/system.slice/docker.service", "/sys/fs/cgroup/systemd/system.slice/docker.service"];
        groups.iter().any(|group| read(&Path::new(group).join("cgroup.procs")).is_some_and(|text| !text.is_empty()))
    };
    lives(Path::new("/run/docker.pid")) || in_its_group() || !Path::new("/run/systemd/system").is_dir()
}

/// The process whose number a file holds is there.
fn lives(file: &Path) -> bool {
    let pid = read(file).and_then(|text| text.trim().parse::<u32>().ok());
    pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).is_dir())
}

/// Where users' own daemons put their sockets: root sees all users, others themselves.
fn runtime_directories() -> Vec<(u32, PathBuf)> {
    let own = Uid::effective();
    let all = fs::read_dir("/run/user").into_iter().flatten().flatten();
    let users = all.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    users.filter(|(user, _)| own.is_root() || *user == own.as_raw()).take(MOST_USERS).collect()
}

/// The socket that the docker command would use, by `DOCKER_HOST` or its context.
fn chosen() -> Option<PathBuf> {
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()).or_else(of_context)?;
    host.strip_prefix("unix://").map(PathBuf::from).filter(|path| path.is_absolute())
}

fn of_context() -> Option<String> {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let directory = directory.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".docker")))?;
    let configured = || json(&directory.join("config.json"))?.get("currentContext")?.as_str().map(str::to_owned);
    let context = std::env::var("DOCKER_CONTEXT").ok().filter(|name| !name.is_empty()).or_else(configured)?;
    let entries = fs::read_dir(directory.join("contexts/meta")).ok()?.flatten().take(MOST_USERS);
    let metas = entries.filter_map(|entry| json(&entry.path().join("meta.json")));
    let mut named = metas.filter(|meta| meta.get("Name").and_then(Value::as_str) == Some(context.as_str()));
    named.next()?.pointer("/Endpoints/docker/Host")?.as_str().map(str::to_owned)
}

fn json(file: &Path) -> Option<Value> {
    serde_json::from_str(&read(file)?).ok()
}

/// The start of a regular file.
pub(super) fn read(file: &Path) -> Option<String> {
    // A pipe or a device in its place would never end.
    fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    fs::File::open(file).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

fn same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok() == fs::canonicalize(other).ok()
}

fn same_as_any(path: &Path, places: &[Place]) -> bool {
    places.iter().any(|place| same(path, Path::new(&place.via)))
}
