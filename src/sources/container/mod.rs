//! Container engines: Docker and podman, root's and users'. Asked through the socket of their API; where podman has none,
//! through its own command; a Docker that does not run is told by what it keeps on disk.

mod api;
mod cli;
mod disk;
pub(super) mod parse;
mod places;

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::Method;
use serde_json::Value;

use crate::facts::Reading;
use crate::facts::container::{Container, ContainerKey, Engine, EngineKind, Inspected, State};
use crate::sources::{Trouble, trouble};
use places::Place;

pub use api::{Answer, request};

/// One engine's time; the question has 4 s.
const WITHIN: Duration = Duration::from_secs(3);
/// Containers of an engine that are told.
const MOST_CONTAINERS: usize = 1000;
/// Containers that do not run and are asked what they would publish: lists do not tell that.
const MOST_IDLE: usize = 64;
/// The same, at a time.
const AT_ONCE: usize = 8;
/// Last lines of a container that ended.
const LINES: usize = 20;

/// The engines of this host.
pub async fn engines() -> Reading<Vec<Engine>> {
    let began = Instant::now();
    let places = tokio::task::spawn_blocking(places::find).await.unwrap_or_default();
    let engines = join_all(places.into_iter().map(engine)).await;
    trouble::reading(Ok((!engines.is_empty()).then_some(engines)), began)
}

async fn engine(place: Place) -> Engine {
    let began = Instant::now();
    let (told, runs) = match tokio::time::timeout(WITHIN, containers(&place)).await {
        Ok((told, runs)) => (told, runs),
        Err(_) => (Err(Trouble::TimedOut { after: WITHIN }), true),
    };
    let containers = trouble::reading(told.map(Some), began);
    Engine { kind: place.kind, via: place.via, user: place.user, runs, settings: place.settings, containers }
}

/// The containers, and whether the engine's daemon runs.
async fn containers(place: &Place) -> (Result<Vec<Container>, Trouble>, bool) {
    if place.via == places::COMMAND {
        return (cli::containers().await, true);
    }
    if !place.socket {
        let told = crate::sources::blocking(disk::containers).await;
        return match &told {
            Reading::Known(known) => (Ok(known.value.clone()), false),
            Reading::Denied { needs } => (Err(Trouble::denied(needs.clone())), false),
            Reading::NotAsked
            | Reading::Pending
            | Reading::Absent
            | Reading::Failed { .. }
            | Reading::TimedOut { .. } => {
                (Err(Trouble::failed(told.blind().unwrap_or_else(|| "nothing is kept there".into()))), false)
            }
        };
    }
    (listed(place).await.map_err(|trouble| whose_right(place.kind, trouble)), true)
}

/// What it takes to ask an engine.
fn whose_right(kind: EngineKind, trouble: Trouble) -> Trouble {
    match (trouble, kind) {
        (Trouble::Denied { .. }, EngineKind::Docker) => Trouble::denied("group docker or root"),
        (other, _) => other,
    }
}

async fn listed(place: &Place) -> Result<Vec<Container>, Trouble> {
    let socket = Path::new(&place.via);
    let list = get(socket, "/containers/json?all=true").await?;
    let list = list.as_array().ok_or_else(|| Trouble::failed(format!("{} tells no list of containers", place.via)))?;
    let mut all: Vec<Container> = list.iter().take(MOST_CONTAINERS).filter_map(parse::listed).collect();
    let idle: Vec<(usize, String)> = all
        .iter()
        .enumerate()
        .filter(|(_, c)| !c.is_up() || parse::is_young(c))
        .map(|(i, c)| (i, c.id.clone()))
        .take(MOST_IDLE)
        .collect();
    let asked = idle.into_iter().map(|(index, id)| async move {
        Some((index, parse::summary(&get(socket, &format!("/containers/{id}/json")).await.ok()?)?))
    });
    let told: Vec<Option<(usize, Container)>> = futures_util::stream::iter(asked).buffered(AT_ONCE).collect().await;
    for (index, near) in told.into_iter().flatten() {
        if let Some(container) = all.get_mut(index) {
            if container.is_up() {
                // Caught between two of its ends.
                let again = near.end.as_ref().is_some_and(|end| end.restarts > 0);
                container.state = if again { State::Restarting } else { container.state };
            } else {
                container.published = near.published;
                container.exposed = near.exposed;
            }
            container.end = near.end;
        }
    }
    Ok(all)
}

/// A container from near. None: it is gone.
pub async fn inspect(key: &ContainerKey) -> Reading<Inspected> {
    let began = Instant::now();
    let told = tokio::time::timeout(WITHIN, near(key)).await;
    trouble::reading(told.unwrap_or(Err(Trouble::TimedOut { after: WITHIN })), began)
}

async fn near(key: &ContainerKey) -> Result<Option<Inspected>, Trouble> {
    if key.via == places::COMMAND {
        return cli::inspect(&key.id).await;
    }
    if !key.via.starts_with('/') || Path::new(&key.via).is_dir() {
        return Ok(None);
    }
    let (socket, id) = (Path::new(&key.via), &key.id);
    let told = get(socket, &format!("/containers/{id}/json")).await.map_err(|t| whose_right(key.kind, t))?;
    let mut near = parse::near(&told);
    if near.pid.is_none() {
        let path = format!("/containers/{id}/logs?stdout=true&stderr=true&tail={LINES}");
        // A log may be kept elsewhere; that is no reason to know nothing.
        if let Ok(Some(log)) = request(socket, Method::GET, &path, WITHIN / 2).await
            && log.status.is_success()
        {
            near.log = parse::log_lines(&log.body, LINES);
        }
    }
    Ok(Some(near))
}

async fn get(socket: &Path, path: &str) -> Result<Value, Trouble> {
    let shown = socket.display();
    let Some(answer) = request(socket, Method::GET, path, WITHIN).await? else {
        return Err(Trouble::failed(format!("nobody listens on {shown}")));
    };
    if !answer.status.is_success() {
        return Err(Trouble::failed(format!("{shown} answers {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|e| Trouble::failed(format!("{shown} does not answer in JSON: {e}")))
}
