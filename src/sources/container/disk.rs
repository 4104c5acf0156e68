//! What a Docker that does not run keeps of its containers.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{MOST_CONTAINERS, parse, places};
use crate::facts::container::{Container, State};
use crate::sources::Trouble;

/// The containers; root alone may look.
pub(super) fn containers() -> Result<Option<Vec<Container>>, Trouble> {
    let entries = fs::read_dir(places::KEPT).map_err(|e| Trouble::io(&format!("reading {}", places::KEPT), &e))?;
    Ok(Some(entries.flatten().take(MOST_CONTAINERS).filter_map(|entry| container(&entry.path())).collect()))
}

fn container(directory: &Path) -> Option<Container> {
    let file = |name: &str| serde_json::from_str::<Value>(&places::read(&directory.join(name))?).ok();
    let mut kept = file("config.v2.json")?;
    if let (Some(kept), Some(host)) = (kept.as_object_mut(), file("hostconfig.json")) {
        kept.insert("HostConfig".into(), host);
    }
    let pid = kept.pointer("/State/Pid").and_then(Value::as_u64).unwrap_or_default();
    let mut container = parse::summary(&kept)?;
    // What ran when Docker ended may run on (live-restore), or be written down as running only.
    if container.is_up() && !(pid > 0 && Path::new(&format!("/proc/{pid}")).is_dir()) {
        container.state = State::Exited;
        container.status = "not running".into();
    }
    Some(container)
}
