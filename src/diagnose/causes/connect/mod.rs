//! Causes of the connect box: the connection stands, and then the program says no. No network fault, and no firewall's.

pub(super) mod app_mysql_host_not_allowed;
pub(super) mod app_pg_hba_rejects;
pub(in crate::diagnose) mod app_proxy_upstream_down;
pub(super) mod app_redis_protected_mode;
pub(super) mod app_sshd_maxstartups;

use crate::diagnose::Scene;
use crate::diagnose::greeting::words;
use crate::diagnose::serving::serving;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::{Dial, Endpoint, Outcome};
use crate::facts::daemon::{Daemon, DaemonConfig};
use crate::facts::socket::Transport;
use crate::facts::unit::Unit;

/// How such a fault shows.
const AFTER: &[Outcome] = &[Outcome::Closed, Outcome::Open, Outcome::Reset];

/// The attempt at the diagnosed address.
pub(in crate::diagnose) fn attempt<'a>(scene: &Scene<'a, '_>) -> Option<&'a Dial> {
    scene.look.dialled(&scene.subject.endpoint()?)
}

/// What the server said.
fn said(dial: &Dial) -> Option<Evidence> {
    let Endpoint::Tcp(at) = dial.to else { return None };
    let see = format!("nc -w 2 {} {}", at.ip(), at.port());
    Some(Evidence::new("dial", format!("{at} says: {}", words(dial)?), see))
}

/// Who is turned away, in words.
fn client(scene: &Scene<'_, '_>, dial: &Dial) -> String {
    match (scene.subject.from, dial.source) {
        (Asker::Address(address), _) => address.to_string(),
        (Asker::Any, _) => "other hosts".into(),
        (Asker::Here, Some(at)) => format!("this host ({})", at.ip()),
        (Asker::Here, None) => "this host".into(),
    }
}

/// The unit of this daemon that serves the target here, with its configuration for the port. None: another serves it, or
/// it is not known (yet).
pub(in crate::diagnose) fn served_by<'a>(
    scene: &Scene<'a, '_>,
    daemon: Daemon,
) -> Option<(&'a Unit, Option<&'a DaemonConfig>)> {
    let (look, subject) = (scene.look, scene.subject);
    if subject.local != Some(true) || subject.transport != Transport::Tcp || subject.path.is_some() {
        return None;
    }
    let unit = serving(look, subject)?.unit?;
    if !daemon.runs_as(&unit.name) && !unit.triggers.iter().any(|name| daemon.runs_as(name)) {
        return None;
    }
    let port = subject.port?;
    let configs = look.daemon(daemon)?;
    let on_port = |config: &&DaemonConfig| config.listens.iter().any(|listen| listen.port == Some(port));
    let own = configs.iter().find(|config| config.unit.as_deref() == Some(&unit.name));
    Some((unit, own.or_else(|| configs.iter().find(on_port))))
}
