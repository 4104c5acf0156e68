//! The servers that a proxy asks: which of them a request would go to, and what comes of asking them from here.

use super::Scene;
use super::chart::BoxId;
use super::look::Missing;
use super::verdict::Diagnosis;
use crate::facts::Case;
use crate::facts::beyond::Upstream;
use crate::facts::connect::Outcome;
use crate::facts::daemon::{DaemonConfig, ListenAddress};
use crate::target::{From, Target, Url};

/// Upstream servers that are looked at, at most: each costs an attempt.
const MOST: usize = 4;

/// A server that is asked, and what was found out about it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What the proxy's configuration says.
    pub upstream: &'a Upstream,
    /// What this program is asked to learn the same.
    pub target: String,
    /// The diagnosis of that target, from this host.
    pub told: Diagnosis,
}

impl Asked<'_> {
    /// It does not take connections.
    pub fn is_down(&self) -> bool {
        !matches!(self.told.outcome, Some(Outcome::Open | Outcome::Silent))
    }
}

/// The servers that requests for this go on to: of one port of the proxy, and of a URL where one was asked for.
fn candidates<'a>(config: &'a DaemonConfig, port: u16, url: Option<&Url>) -> Vec<&'a Upstream> {
    let on_port = |up: &&Upstream| up.ports.is_empty() || up.ports.contains(&port);
    let mut all: Vec<&Upstream> =
        config.beyond.upstreams.iter().filter(on_port).filter(|up| up.http == url.is_some()).collect();
    let Some(url) = url else { return all };
    let host = url.host.rsplit_once(':').map_or(url.host.as_str(), |(host, _)| host);
    if all.iter().any(|up| up.names.iter().any(|name| name == host)) {
        all.retain(|up| up.names.iter().any(|name| name == host));
    }
    all.retain(|up| url.path.starts_with(&up.path));
    let longest = all.iter().map(|up| up.path.len()).max().unwrap_or_default();
    all.retain(|up| up.path.len() == longest);
    all
}

/// Asks the servers behind a proxy. None: not known yet, or no server is known.
pub fn behind<'a>(scene: &Scene<'a, '_>, config: &'a DaemonConfig, url: Option<&Url>) -> Option<Vec<Asked<'a>>> {
    let mut asked: Vec<Asked<'a>> = Vec::new();
    let (mut open, mut unseen) = (false, Vec::new());
    for upstream in candidates(config, scene.subject.port?, url) {
        let Some(target) = target_of(upstream) else { continue };
        if asked.len() >= MOST || asked.iter().any(|known| known.target == target) {
            continue;
        }
        let Ok(parsed) = Target::parse(&target) else { continue };
        let here = scene.look.facts().clone();
        let case = Case { here, behind: true, ..Case::new(parsed, From::Here) };
        let told = super::diagnose(&case);
        open |= !told.settled || told.outcome.is_none();
        scene.look.wait_for(told.wants.clone());
        let tried = told.symptoms.iter().any(|s| s.diagnosed) || told.outcome == Some(Outcome::Unresolved);
        if !tried {
            let why = told.get(BoxId::Connect).and_then(|state| state.because.clone());
            unseen.push(why.unwrap_or_else(|| format!("{target} could not be tried")));
            continue;
        }
        asked.push(Asked { upstream, target, told });
    }
    if open {
        scene.look.wait();
    }
    let complete = unseen.is_empty();
    scene.look.also_missing(&Missing { open: false, blind: unseen });
    (!open && complete && !asked.is_empty()).then_some(asked)
}

fn target_of(upstream: &Upstream) -> Option<String> {
    Some(match (&upstream.to, upstream.port) {
        (ListenAddress::Path(path), _) => format!("unix:{path}"),
        (ListenAddress::Ip(ip), Some(port)) => std::net::SocketAddr::new(*ip, port).to_string(),
        (ListenAddress::Name(name), Some(port)) => format!("{name}:{port}"),
        (ListenAddress::Any, _) | (_, None) => return None,
    })
}
