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
    all = of_block(all, without_port(&url.host));
    all.retain(|up| url.path.starts_with(&up.path));
    let longest = all.iter().map(|up| up.path.len()).max().unwrap_or_default();
    all.retain(|up| up.path.len() == longest);
    all
}

/// Of the servers that are asked for requests of one port, those for this host: of the server block with that name, or
/// of blocks that have no name. Where only blocks with other names are known, the first at the port may be another one;
/// and where there are patterns, one may fit: then none.
fn of_block<'a>(all: Vec<&'a Upstream>, host: &str) -> Vec<&'a Upstream> {
    let named = |up: &Upstream| up.names.iter().any(|name| name.eq_ignore_ascii_case(host));
    if all.iter().any(|up| named(up)) {
        return all.into_iter().filter(|up| named(up)).collect();
    }
    let pattern = |name: &String| name.starts_with(['*', '.', '~']) || name.ends_with(".*");
    if all.iter().any(|up| up.names.iter().any(pattern)) {
        return Vec::new();
    }
    // `_` is no host's name: whoever writes it means none.
    all.into_iter().filter(|up| up.names.iter().all(|name| name == "_" || name.is_empty())).collect()
}

/// The host of `host:port`.
fn without_port(host: &str) -> &str {
    let port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    host.rsplit_once(':').filter(|(_, after)| port(after)).map_or(host, |(host, _)| host)
}

/// What this program is asked to learn of these servers, each once. The error says why not all of them can be asked.
fn targets(all: Vec<&Upstream>) -> Result<Vec<(&Upstream, String, Target)>, String> {
    let mut found: Vec<(&Upstream, String, Target)> = Vec::new();
    for upstream in all {
        let unclear = || format!("{} does not tell what is asked", upstream.by);
        let target = target_of(upstream).ok_or_else(unclear)?;
        if found.iter().any(|(_, known, _)| *known == target) {
            continue;
        }
        if found.len() >= MOST {
            return Err(format!("more than {MOST} servers are asked, and each costs an attempt"));
        }
        let parsed = Target::parse(&target).map_err(|_| unclear())?;
        found.push((upstream, target, parsed));
    }
    Ok(found)
}

/// Asks the servers behind a proxy, all of them. None: not known yet, none is known, or not every one can be asked.
pub fn behind<'a>(scene: &Scene<'a, '_>, config: &'a DaemonConfig, url: Option<&Url>) -> Option<Vec<Asked<'a>>> {
    let mut asked: Vec<Asked<'a>> = Vec::new();
    let (mut open, mut unseen) = (false, Vec::new());
    let targets = match targets(candidates(config, scene.subject.port?, url)) {
        Ok(targets) => targets,
        Err(why) => {
            scene.look.also_missing(&Missing { open: false, blind: vec![why] });
            return None;
        }
    };
    for (upstream, target, parsed) in targets {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::daemon::Origin;

    fn upstream(names: &[&str], port: Option<u16>) -> Upstream {
        Upstream {
            ports: vec![80],
            names: names.iter().map(ToString::to_string).collect(),
            path: "/".into(),
            http: true,
            to: ListenAddress::Ip([127, 0, 0, 1].into()),
            port,
            name: "app".into(),
            by: Origin { file: "/etc/nginx/nginx.conf".into(), line: 9, text: "server".into() },
        }
    }

    #[test]
    fn a_request_goes_to_the_block_of_its_name_or_to_one_without() {
        let ports = |all: &[Upstream], host: &str| -> Vec<Option<u16>> {
            of_block(all.iter().collect(), host).iter().map(|up| up.port).collect()
        };
        let all = [upstream(&["shop.example"], Some(1)), upstream(&["_"], Some(2)), upstream(&[], Some(3))];
        assert_eq!(ports(&all, "SHOP.example"), [Some(1)]);
        assert_eq!(ports(&all, "other.example"), [Some(2), Some(3)]);
        assert!(ports(&all[..1], "other.example").is_empty(), "another block may be the first");
        let pattern = [upstream(&["*.example"], Some(1)), upstream(&[], Some(3))];
        assert!(ports(&pattern, "other.example").is_empty());
        assert_eq!((without_port("[::1]"), without_port("[::1]:80"), without_port("a:80")), ("[::1]", "[::1]", "a"));
    }

    #[test]
    fn all_servers_are_asked_or_none() {
        let some: Vec<Upstream> = (1..=5).map(|port| upstream(&[], Some(port))).collect();
        assert!(targets(some.iter().collect()).is_err_and(|why| why.contains("more than 4")));
        assert_eq!(targets(some.iter().take(4).chain(some.first()).collect()).unwrap().len(), 4);
        assert!(targets(vec![&upstream(&[], None)]).is_err());
    }
}
