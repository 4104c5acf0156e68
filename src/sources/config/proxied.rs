//! Servers that proxies ask: where a request goes on to, as nginx and HAProxy write it.

use std::collections::BTreeMap;

use super::address::{host_port, ip_or_name, port};
use super::reader::Reader;
use crate::facts::beyond::Upstream;
use crate::facts::daemon::{ListenAddress, Origin};

/// Upstream servers of one daemon.
const MOST: usize = 1_024;

/// A place that requests go on to.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// What the paths of these requests begin with.
    pub(super) path: String,
    /// HTTP or the like is spoken.
    pub(super) http: bool,
    /// As it stands.
    pub(super) to: String,
    /// Where it stands.
    pub(super) at: Origin,
}

/// A server that requests come in at.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Its ports.
    pub(super) ports: Vec<u16>,
    /// Its names.
    pub(super) names: Vec<String>,
    /// Where it passes requests on to.
    pub(super) passes: Vec<Pass>,
}

/// Groups of servers by their name: each member as it stands, with its own name.
pub(super) type Groups = BTreeMap<String, Vec<(String, String, Origin)>>;

/// Tells the reader of every server that is asked.
pub(super) fn tell(reader: &mut Reader<'_>, servers: Vec<Server>, groups: &Groups) {
    for server in servers {
        for pass in &server.passes {
            let (scheme, rest) = pass.to.split_once("://").unwrap_or(("", &pass.to));
            let usual = match scheme {
                "https" | "grpcs" => Some(443),
                "http" | "grpc" => Some(80),
                _ => None,
            };
            // What a variable decides is told by no file.
            if rest.contains('$') {
                continue;
            }
            let name = if rest.starts_with("unix:") { rest } else { rest.split('/').next().unwrap_or(rest) };
            let alone = vec![(name.to_owned(), name.to_owned(), pass.at.clone())];
            for (to, member, by) in groups.get(name).unwrap_or(&alone) {
                let Some((to, port)) = place(to, usual) else { continue };
                let name = if member == name { name.to_owned() } else { format!("{name}/{member}") };
                let (ports, names) = (server.ports.clone(), server.names.clone());
                let (path, http, by) = (pass.path.clone(), pass.http, by.clone());
                if reader.beyond.upstreams.len() < MOST {
                    reader.beyond.upstreams.push(Upstream { ports, names, path, http, to, port, name, by });
                } else {
                    reader.gap(format!("more than {MOST} upstream servers"));
                }
            }
        }
    }
}

/// `127.0.0.1:8000`, `app`, `[::1]:80`, `unix:/run/x.sock:/uri`, `/run/x.sock`.
fn place(text: &str, usual: Option<u16>) -> Option<(ListenAddress, Option<u16>)> {
    let path = text.strip_prefix("unix:").or_else(|| text.strip_prefix("unix@")).unwrap_or(text);
    if path.starts_with('/') {
        return Some((ListenAddress::Path(path.split(':').next()?.to_owned()), None));
    }
    let (host, given) = host_port(text);
    let port = match given {
        Some(given) => port(given)?,
        None => usual?,
    };
    (!host.is_empty()).then(|| (ip_or_name(host), Some(port)))
}
