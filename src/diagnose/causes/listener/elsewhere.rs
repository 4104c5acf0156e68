//! A program that runs and should serve the asked port, where nothing listens: what it listens on instead.

use crate::diagnose::Scene;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Evidence, arg};
use crate::facts::claim::ClaimSource;
use crate::facts::daemon::{Daemon, DaemonConfig};
use crate::facts::socket::{Listener, Transport};
use crate::facts::unit::Unit;

/// A running program that does not listen on the asked port.
pub(super) struct Elsewhere<'a> {
    /// The unit that runs: the instance, where the one found only starts it.
    pub(super) unit: &'a Unit,
    /// The daemon, if its configuration is read.
    pub(super) daemon: Option<Daemon>,
    /// Its configuration.
    pub(super) config: Option<&'a DaemonConfig>,
    /// Its sockets on other ports.
    pub(super) rows: Vec<&'a Listener>,
    /// The asked port.
    pub(super) port: u16,
}

/// The running program meant for the asked port, where nobody listens on it.
pub(super) fn elsewhere<'a>(scene: &Scene<'a, '_>) -> Option<Elsewhere<'a>> {
    let subject = scene.subject;
    let port = subject.port?;
    if subject.local != Some(true) || !scene.look.listeners(subject.transport, port)?.is_empty() {
        return None;
    }
    let serving = serving(scene.look, subject)?;
    let found = serving.unit.filter(|u| u.exists())?;
    let by_unit = || Daemon::ALL.into_iter().find(|d| d.runs_as(&found.name));
    let daemon = serving.claim.and_then(|c| c.daemon).or_else(by_unit);
    let configs = match daemon {
        Some(daemon) => scene.look.daemon(daemon)?,
        None => &[],
    };
    let running = running(scene, found, configs)?;
    let unit = running.first().copied()?;
    let rows = rows(scene, &running, serving.claim.map(|c| c.source), found)?;
    let own = |c: &&DaemonConfig| c.unit.as_deref().is_none_or(|name| name == unit.name);
    Some(Elsewhere { unit, daemon, config: configs.iter().find(own), rows, port })
}

/// The units that do run: the one found, or the instances it starts. None: not known (yet), or none does.
fn running<'a>(scene: &Scene<'a, '_>, found: &'a Unit, configs: &'a [DaemonConfig]) -> Option<Vec<&'a Unit>> {
    if found.is_running() {
        return Some(vec![found]);
    }
    if starts_by_socket(scene, found) {
        return Some(vec![found]);
    }
    if found.active_state != "active" {
        return None;
    }
    let mut units = Vec::new();
    let instances = configs.iter().filter_map(|c| c.unit.as_ref()).chain(&found.pulls);
    for name in instances.filter(|name| name.ends_with(".service")) {
        let unit = scene.look.unit(name)?;
        if unit.is_running() && !units.iter().any(|u: &&Unit| u.name == unit.name) {
            units.push(unit);
        }
    }
    (!units.is_empty()).then_some(units)
}

fn starts_by_socket(scene: &Scene<'_, '_>, unit: &Unit) -> bool {
    sockets(scene, unit).next().is_some()
}

fn sockets<'a>(scene: &Scene<'a, '_>, unit: &'a Unit) -> impl Iterator<Item = &'a Unit> {
    let names = unit.triggered_by.iter().filter(|name| name.ends_with(".socket"));
    let units: Vec<_> =
        names.filter_map(|name| scene.look.unit(name)).filter(|socket| socket.active_state == "active").collect();
    units.into_iter()
}

/// Listening sockets made by these units. Where only the usual port was expected, also those of the socket unit that
/// starts it; where its own configuration names the port, that is another fault.
fn rows<'a>(
    scene: &Scene<'a, '_>,
    running: &[&'a Unit],
    source: Option<ClaimSource>,
    found: &'a Unit,
) -> Option<Vec<&'a Listener>> {
    let transport = scene.subject.transport;
    let by_socket: Vec<(Transport, u16)> = match source {
        Some(ClaimSource::DefaultPort | ClaimSource::EtcServices) => sockets(scene, found)
            .filter_map(|u| u.socket.as_ref())
            .flat_map(crate::facts::unit::SocketUnit::ports)
            .collect(),
        Some(ClaimSource::UnitFile | ClaimSource::SocketUnit | ClaimSource::Config) | None => Vec::new(),
    };
    let made_by = |l: &&Listener| running.iter().any(|u| u.cgroup_id.is_some() && u.cgroup_id == l.cgroup);
    let ours = |l: &&Listener| l.transport == transport && (made_by(l) || by_socket.contains(&(l.transport, l.port)));
    Some(scene.look.all_listeners()?.iter().filter(ours).collect())
}

impl Elsewhere<'_> {
    /// The ports it does listen on, each once.
    pub(super) fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.rows.iter().map(|l| l.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// The asked port is another usual one of a daemon that listens on its usual port: HTTPS of a web server that
    /// serves HTTP.
    pub(super) fn is_sibling_port(&self) -> bool {
        let usual = self.daemon.map_or(&[][..], Daemon::default_ports);
        usual.contains(&self.port) && self.rows.iter().any(|l| usual.contains(&l.port))
    }

    /// The place of its configuration that names the asked port though it does not listen there.
    pub(super) fn named(&self) -> Option<Evidence> {
        let listen = self.config?.listens.iter().find(|l| l.port == Some(self.port))?;
        let origin = listen.port_set_by.as_ref().or(listen.address_set_by.as_ref())?;
        let see = format!("sed -n {}p {}", origin.line, arg(&origin.file));
        Some(Evidence::new("config", format!("{origin} says {}", origin.text), see))
    }

    /// That it runs, and what it listens on.
    pub(super) fn evidence(&self) -> [Evidence; 2] {
        let name = &self.unit.name;
        let state = format!("{name} is {}", self.unit.shown_state());
        let rows: Vec<String> = self.rows.iter().map(|l| l.shown()).collect();
        let says =
            if rows.is_empty() { format!("{name} listens on no port") } else { format!("LISTEN {}", rows.join(", ")) };
        [
            Evidence::new("systemd", state, format!("systemctl status {}", arg(name))),
            Evidence::new("sock_diag", says, self.see_rows()),
        ]
    }

    /// The command that shows its sockets, or that its process has none.
    fn see_rows(&self) -> String {
        let letter = if self.rows.iter().any(|l| l.transport == Transport::Udp) { 'u' } else { 't' };
        let ports: Vec<String> = self.ports().iter().map(|port| format!("sport = :{port}")).collect();
        match (ports.as_slice(), self.unit.service.as_ref().map_or(0, |s| s.main_pid)) {
            ([], 0) => "ss -H -lntup".to_owned(),
            ([], pid) => format!("ss -H -lntup | grep 'pid={pid},'"),
            (ports, _) => format!("ss -H -ln{letter}p '{}'", ports.join(" or ")),
        }
    }
}
