//! The sockets that listen on the asked port while none of them takes the address that was asked.

use std::net::IpAddr;

use crate::diagnose::Scene;
use crate::diagnose::containers::is_bridge;
use crate::diagnose::serving::{owner_of_any, socket_unit};
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::facts::socket::{Listener, Owner, Transport};
use crate::facts::unit::Unit;

/// What listens, and the address nothing listens on.
pub(super) struct Missed<'a> {
    /// Every socket that listens on the port.
    pub(super) all: &'a [Listener],
    /// The address that none of them takes.
    pub(super) address: IpAddr,
    /// The port.
    pub(super) port: u16,
    /// It is not the address the verdict is about, but another one of the name's.
    pub(super) aside: bool,
    transport: Transport,
}

/// The address of this host that is refused though something listens on its port. Waits for the attempt itself:
/// what answers by another way (a redirect) is no fault.
pub(super) fn missed<'a>(scene: &Scene<'a, '_>) -> Option<Missed<'a>> {
    missed_anywhere(scene).filter(|missed| !at_bridge(scene, missed))
}

/// The same, where containers ask their host.
pub(super) fn missed_at_bridge<'a>(scene: &Scene<'a, '_>) -> Option<Missed<'a>> {
    missed_anywhere(scene).filter(|missed| at_bridge(scene, missed))
}

/// Is it the address of this host in a network of containers?
fn at_bridge(scene: &Scene<'_, '_>, missed: &Missed<'_>) -> bool {
    let mine = scene.look.addresses().map(|mine| mine.all.as_slice()).unwrap_or_default();
    mine.iter().any(|a| a.address == missed.address && is_bridge(&a.interface))
}

fn missed_anywhere<'a>(scene: &Scene<'a, '_>) -> Option<Missed<'a>> {
    let subject = scene.subject;
    let (asked, port) = (subject.address()?, subject.port?);
    if subject.local != Some(true) || asked.is_unspecified() {
        return None;
    }
    let all = scene.look.listeners(subject.transport, port)?;
    let takes = |address: IpAddr| all.iter().any(|l| l.takes(address));
    if all.is_empty() || subject.addresses.iter().all(|a| takes(*a)) {
        return None;
    }
    let found = |address, aside| Missed { all, address, port, aside, transport: subject.transport };
    if scene.outcome()? != Outcome::Open {
        return (!takes(asked)).then(|| found(asked, false));
    }
    // It works at the address asked first; the name's other addresses of this host may not.
    let mine = scene.look.addresses()?;
    let refused = |address: &IpAddr| {
        let dial = scene.look.dialled(&subject.endpoint_at(*address, port));
        dial.is_some_and(|d| d.outcome == Outcome::Refused)
    };
    let others = subject.addresses.iter().filter(|a| !a.is_loopback() && mine.holds(**a) && !takes(**a));
    others.copied().find(refused).map(|address| found(address, true))
}

impl Missed<'_> {
    /// The rows as ss prints their addresses.
    pub(super) fn shown(&self) -> String {
        shown(self.all)
    }

    /// `10.2.0.2:80`, `[::1]:80`.
    pub(super) fn wanted(&self) -> String {
        std::net::SocketAddr::new(self.address, self.port).to_string()
    }

    /// The rows, the address that is wanted, and the command that shows the rows.
    pub(super) fn evidence(&self, holder: &Holder<'_>) -> Evidence {
        let says = format!("LISTEN {} by {}; wanted {}", self.shown(), holder.name, self.wanted());
        Evidence::new("sock_diag", says, see(self.transport, self.port))
    }

    /// Who holds the rows.
    pub(super) fn holder<'a>(&self, scene: &Scene<'a, '_>) -> Holder<'a>
    where
        Self: 'a,
    {
        holder(scene, scene.look.listeners(self.transport, self.port).unwrap_or_default())
    }
}

/// The addresses of some rows, each once: several processes may share one (SO_REUSEPORT).
fn shown(rows: &[Listener]) -> String {
    let mut all: Vec<String> = rows.iter().map(Listener::shown).collect();
    all.dedup();
    all.join(", ")
}

/// The command that shows who listens on a port.
pub(super) fn see(transport: Transport, port: u16) -> String {
    let letter = if transport == Transport::Tcp { 't' } else { 'u' };
    format!("ss -H -ln{letter}p 'sport = :{port}'")
}

/// Who holds a socket, as far as that can be told.
pub(in crate::diagnose::causes) struct Holder<'a> {
    /// Its owner, if we could look.
    pub(super) owner: Option<&'a Owner>,
    /// The socket unit through which systemd holds it.
    pub(super) socket_unit: Option<&'a Unit>,
    /// For people.
    pub(super) name: String,
}

impl<'a> Holder<'a> {
    /// The unit it belongs to; for systemd itself the socket unit, where that is known.
    pub(super) fn unit(&self) -> Option<&'a str> {
        if let Some(unit) = self.socket_unit {
            return Some(&unit.name);
        }
        self.owner?.system_unit()
    }

    /// What a finding about it is about.
    pub(super) fn subject(&self) -> String {
        self.unit().map_or_else(|| self.name.clone(), Into::into)
    }
}

/// Who holds the first of some sockets whose owner is known.
pub(in crate::diagnose::causes) fn holder<'a>(scene: &Scene<'a, '_>, rows: &'a [Listener]) -> Holder<'a> {
    let Some((row, owner)) = owner_of_any(scene.look, rows) else {
        return Holder { owner: None, socket_unit: None, name: "a program".into() };
    };
    let socket_unit = owner.is_systemd().then(|| socket_unit(scene.look, row)).flatten();
    let shown = socket_unit.map_or_else(|| owner.shown(), |unit| unit.name.clone());
    let name = if shown == "?" { "a program".into() } else { shown };
    Holder { owner: Some(owner), socket_unit, name }
}
