//! A unit that could not have its port, and who has it.

use std::net::IpAddr;

use super::failed_bind::{FailedBind, Said, failed_binds};
use super::rows::{Holder, holder, see};
use crate::diagnose::Scene;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::daemon::Daemon;
use crate::facts::socket::{Listener, Process};
use crate::facts::unit::Unit;
use crate::fixes::action::Process as Ended;
use crate::fixes::port as fixes;

/// A unit that could not have its port, and who has it.
pub(super) struct Conflict<'a> {
    /// The unit and its failure.
    pub(super) failed: FailedBind<'a>,
    /// Who has the port.
    pub(super) squatter: Holder<'a>,
    /// The socket that is in the way.
    pub(super) row: &'a Listener,
}

/// What kind of program is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Squatter {
    /// Another program.
    Other,
    /// The system's own stub resolver on port 53.
    DnsStub,
    /// The same program, outside of the unit.
    OldInstance,
}

/// A unit meant for the asked port failed because somebody else holds one of its ports.
pub(super) fn conflict<'a>(scene: &Scene<'a, '_>, kind: Squatter) -> Option<Conflict<'a>> {
    let mut conflicts = failed_binds(scene, Said::AddressInUse).into_iter().filter_map(|failed| with(scene, failed));
    conflicts.find(|conflict| conflict.kind() == kind)
}

fn with<'a>(scene: &Scene<'a, '_>, failed: FailedBind<'a>) -> Option<Conflict<'a>> {
    let rows = scene.look.listeners(scene.subject.transport, failed.port)?;
    let row = rows.iter().find(|row| collides(failed.ip, row))?;
    let squatter = holder(scene, std::slice::from_ref(row));
    let own = squatter.owner?.unit.as_deref() == Some(failed.unit.name.as_str());
    (!own).then_some(Conflict { failed, squatter, row })
}

/// A wildcard collides with every address of its family, and those of both families with all.
fn collides(wanted: Option<IpAddr>, row: &Listener) -> bool {
    match wanted {
        None => true,
        Some(IpAddr::V4(ip)) if ip.is_unspecified() => row.address.is_ipv4() || row.v6only == Some(false),
        Some(ip) => ip.is_unspecified() || row.takes(ip),
    }
}

impl Conflict<'_> {
    fn process(&self) -> Option<&Process> {
        self.squatter.owner.and_then(|o| o.processes.first())
    }

    /// The process that opened the socket, as far as can be told: the oldest that holds it. The others are its children,
    /// which it would start again.
    fn oldest(&self) -> Option<&Process> {
        let processes = self.squatter.owner.map(|o| o.processes.as_slice()).unwrap_or_default();
        processes.iter().filter(|p| p.started > 0 && p.pid > 1).min_by_key(|p| (p.started, p.pid))
    }

    fn kind(&self) -> Squatter {
        const RESOLVERS: [&str; 3] = ["systemd-resolve", "systemd-resolved", "connmand"];
        let name = self.process().map(|p| p.name.as_str());
        let by_unit = self.squatter.unit().map(|unit| unit.trim_end_matches(".service"));
        if self.failed.port == 53 && name.into_iter().chain(by_unit).any(|n| RESOLVERS.contains(&n)) {
            return Squatter::DnsStub;
        }
        if name.is_some_and(|name| self.runs(name)) { Squatter::OldInstance } else { Squatter::Other }
    }

    /// Is this the program that the failed unit runs?
    fn runs(&self, name: &str) -> bool {
        let unit = self.failed.unit;
        let daemon = Daemon::ALL.into_iter().find(|d| d.runs_as(&unit.name));
        let commands = unit.service.iter().flat_map(|s| &s.exec_start).filter_map(|argv| argv.first());
        let mut programs = commands.filter_map(|path| path.rsplit('/').next());
        // An interpreter says nothing about the program.
        let interpreter = ["sh", "bash", "env", "node", "java"].contains(&name) || name.starts_with("python");
        // comm keeps 15 bytes.
        let same = |program: &str| program == name || (name.len() == 15 && program.starts_with(name));
        daemon.is_some_and(|d| d.processes().contains(&name)) || (!interpreter && programs.any(same))
    }

    /// The failure and the socket in the way.
    pub(super) fn evidence(&self) -> [Evidence; 2] {
        let says = format!("LISTEN {} by {}", self.row.shown(), self.shown());
        [self.failed.evidence(), Evidence::new("sock_diag", says, see(self.row.transport, self.row.port))]
    }

    /// `apache2[812] (apache2.service)`.
    pub(super) fn shown(&self) -> String {
        match self.squatter.unit() {
            Some(unit) if unit != self.squatter.name => format!("{} ({unit})", self.squatter.name),
            _ => self.squatter.name.clone(),
        }
    }

    /// Makes way for the unit.
    pub(super) fn make_way(&self, scene: &Scene<'_, '_>) -> Advice {
        let (wanted, port) = (self.failed.unit, self.failed.port);
        if let Some(holders) = self.holders(scene) {
            return Advice::of(fixes::take_over(&holders, wanted));
        }
        if let Some(process) = self.oldest() {
            let process = Ended { pid: process.pid, started: process.started, name: process.name.clone() };
            return Advice::of(fixes::end(process, wanted));
        }
        let kind = self.row.transport.word().get(..1).unwrap_or("t");
        let see = format!("ss -H -ln{kind}p 'sport = :{port}'");
        Advice::new("see, as root, who has it; then end that and start the unit", see, None)
    }

    /// The units that have the port and can be started again: the service with the sockets that would start it.
    fn holders<'a>(&self, scene: &Scene<'a, '_>) -> Option<Vec<&'a Unit>> {
        let name = self.squatter.unit().filter(|unit| unit.ends_with(".service") || unit.ends_with(".socket"))?;
        let unit = scene.look.unit(name)?;
        // What systemd-run made is gone once it is stopped.
        let passing = unit.fragment.as_ref().is_some_and(|file| file.starts_with("/run/systemd/transient/"));
        let known = |name: &String| scene.look.unit(name).filter(|other| other.is_up());
        let others = if unit.socket.is_some() { &unit.triggers } else { &unit.triggered_by };
        let mut all: Vec<&Unit> = others.iter().filter_map(known).chain([unit]).filter(|u| u.is_up()).collect();
        // A socket that is stopped first takes its service along.
        all.sort_by_key(|unit| unit.socket.is_some());
        (!passing && !all.is_empty()).then_some(all)
    }
}
