//! Which unit is responsible for the target: the one asked for, the one that listens, or the one meant to.

use std::cmp::Reverse;

use super::look::Look;
use super::subject::Subject;
use crate::facts::Reading;
use crate::facts::claim::{Claim, ClaimSource};
use crate::facts::daemon::Daemon;
use crate::facts::socket::{Listener, Owner};
use crate::facts::unit::Unit;

/// The responsible unit or program.
#[derive(Debug, Clone)]
pub struct Serving<'a> {
    /// The unit, if systemd knows it.
    pub unit: Option<&'a Unit>,
    /// Its name, or the program's, for people.
    pub name: String,
    /// The claim that led to it, where it was not asked for and does not listen.
    pub claim: Option<&'a Claim>,
    /// It was found because it listens on the port now.
    pub listens: bool,
    /// The unit that only starts this one and stays `active (exited)` whatever becomes of it (`postgresql.service` of
    /// `postgresql@15-main.service`), where that one was asked for or claims the port.
    pub wrapper: Option<&'a Unit>,
}

/// The unit or program responsible for the target. None: not known (yet).
pub fn serving<'a>(look: &Look<'a>, subject: &Subject) -> Option<Serving<'a>> {
    if let Some(name) = &subject.unit {
        let unit = look.unit(name)?;
        return responsible(look, subject, unit, None);
    }
    if subject.local != Some(true) {
        return None;
    }
    if let Some(path) = &subject.path {
        return behind_path(look, subject, path);
    }
    let port = subject.port?;
    let listeners = look.listeners(subject.transport, port)?;
    if let Some(found) = listening(look, listeners) {
        return Some(found);
    }
    if !listeners.is_empty() {
        return None;
    }
    claimed(look, subject, port)
}

/// The unit behind a unix socket: the one whose process listens on it, else one that is called like it.
fn behind_path<'a>(look: &Look<'a>, subject: &Subject, path: &str) -> Option<Serving<'a>> {
    let socket = look.unix_socket(path)?;
    if let Some(bound) = socket.bound.iter().find(|b| b.listening) {
        let owner = look.owner_of(bound.inode, None)?;
        let unit = owner.system_unit().and_then(|u| look.unit(u));
        return Some(Serving { unit, name: owner.shown(), claim: None, listens: true, wrapper: None });
    }
    for name in path_units(path) {
        let unit = look.unit(&name)?;
        if unit.exists() {
            return responsible(look, subject, unit, None);
        }
    }
    None
}

/// Units that go by the name of a socket or of its directory (`/run/php/php8.2-fpm.sock`, `/run/redis/redis-server.sock`).
fn path_units(path: &str) -> Vec<String> {
    const OWN_WORDS: [(&str, &[&str]); 3] = [
        (".s.PGSQL.", &["postgresql.service"]),
        ("mysqld.sock", &["mariadb.service", "mysql.service", "mysqld.service"]),
        ("mysql.sock", &["mariadb.service", "mysql.service", "mysqld.service"]),
    ];
    if let Some((_, units)) = OWN_WORDS.iter().find(|(word, _)| path.contains(word)) {
        return units.iter().map(ToString::to_string).collect();
    }
    let mut parts = path.trim_start_matches('@').rsplit('/');
    let file = parts.next().unwrap_or_default();
    let stem = file.strip_suffix(".sock").or_else(|| file.strip_suffix(".socket")).unwrap_or(file);
    let directory = parts.next().filter(|name| !matches!(*name, "run" | "tmp" | "socket" | "sockets"));
    let may_be_unit =
        |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    let mut names: Vec<String> = Vec::new();
    for name in [Some(stem), directory].into_iter().flatten().filter(may_be_unit) {
        let unit = format!("{name}.service");
        if !names.contains(&unit) {
            names.push(unit);
        }
    }
    names
}

/// A unit that does not listen, or the instance behind it that should.
fn responsible<'a>(
    look: &Look<'a>,
    subject: &Subject,
    unit: &'a Unit,
    claim: Option<&'a Claim>,
) -> Option<Serving<'a>> {
    let hidden = behind(look, subject, unit)?;
    let (unit, wrapper) = hidden.first().map_or((unit, None), |instance| (*instance, Some(unit)));
    Some(Serving { unit: Some(unit), name: unit.name.clone(), claim, listens: false, wrapper })
}

/// The instances that are down behind a unit that is `active (exited)`, the one configured for the port first, then
/// those that failed. None: not known yet.
fn behind<'a>(look: &Look<'a>, subject: &Subject, unit: &'a Unit) -> Option<Vec<&'a Unit>> {
    if unit.active_state != "active" || unit.sub_state != "exited" {
        return Some(Vec::new());
    }
    let mut down = Vec::new();
    for name in &unit.pulls {
        let instance = look.unit(name)?;
        // Wants= also names units that have nothing to do with it; an idle one counts only when it is an instance.
        if instance.active_state == "failed" || (!instance.is_running() && is_instance(instance, unit)) {
            down.push(instance);
        }
    }
    if down.len() < 2 {
        return Some(down);
    }
    let daemon = Daemon::ALL.into_iter().find(|d| d.runs_as(&unit.name));
    let configs = daemon.and_then(|d| look.daemon(d)).unwrap_or_default();
    let has_port = |instance: &Unit| {
        let own = configs.iter().filter(|c| c.unit.as_ref() == Some(&instance.name));
        own.flat_map(|c| &c.listens).any(|listen| listen.port.is_some() && listen.port == subject.port)
    };
    down.sort_by_key(|instance| (!has_port(instance), instance.active_state != "failed"));
    Some(down)
}

/// Is it `name@something.service` of `name.service`?
fn is_instance(instance: &Unit, of: &Unit) -> bool {
    let stem = of.name.strip_suffix(".service");
    stem.is_some_and(|stem| instance.name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('@')))
}

/// The owner of the first listener that has one. None too where that one may not be looked at: a later one is somebody
/// else perhaps.
pub fn owner_of_any<'a>(look: &Look<'a>, listeners: &'a [Listener]) -> Option<(&'a Listener, &'a Owner)> {
    for listener in listeners {
        if let Some(owner) = look.owner(listener) {
            return Some((listener, owner));
        }
        if look.facts().owners.get(&listener.inode) != Some(&Reading::Absent) {
            return None;
        }
    }
    None
}

/// Whoever holds the first listener whose owner is known.
fn listening<'a>(look: &Look<'a>, listeners: &'a [Listener]) -> Option<Serving<'a>> {
    let (listener, owner) = owner_of_any(look, listeners)?;
    let unit =
        if owner.is_systemd() { socket_unit(look, listener) } else { owner.system_unit().and_then(|u| look.unit(u)) };
    let name = unit.filter(|u| u.socket.is_some()).map_or_else(|| owner.shown(), |u| u.name.clone());
    Some(Serving { unit, name, claim: None, listens: true, wrapper: None })
}

/// The active socket unit through which systemd holds a listener.
pub fn socket_unit<'a>(look: &Look<'a>, listener: &Listener) -> Option<&'a Unit> {
    let held = (listener.transport, listener.port);
    let claims = look.claims(held.0, held.1)?.claims.iter().filter(|c| c.source == ClaimSource::SocketUnit);
    let mut units = claims.filter_map(|c| look.unit(c.unit.as_ref()?));
    units.find(|u| u.active_state == "active" && u.socket.as_ref().is_some_and(|s| s.ports().contains(&held)))
}

fn claimed<'a>(look: &Look<'a>, subject: &Subject, port: u16) -> Option<Serving<'a>> {
    let claims = look.claims(subject.transport, port)?;
    let mut best: Option<(&Claim, &Unit)> = None;
    let mut first = None;
    for claim in &claims.claims {
        first = first.or(Some(claim));
        let Some(name) = &claim.unit else { continue };
        let unit = look.unit(name)?; // wait for every claimed unit: the verdict must not change later
        if unit.exists() && best.is_none_or(|(c, u)| worth(claim, unit) > worth(c, u)) {
            best = Some((claim, unit));
        }
    }
    match (best, first) {
        (Some((claim, unit)), _) => responsible(look, subject, unit, Some(claim)),
        (None, Some(claim)) => {
            let name = claim.program.clone();
            Some(Serving { unit: None, name, claim: Some(claim), listens: false, wrapper: None })
        }
        (None, None) => None,
    }
}

/// Better evidence first; among equals the unit somebody wants to run.
fn worth(claim: &Claim, unit: &Unit) -> (bool, u8, Reverse<ClaimSource>) {
    // Packages bring socket units that nobody has to use (mariadb.socket): an idle, disabled one proves nothing.
    let idle_socket =
        unit.socket.is_some() && unit.active_state == "inactive" && !unit.file_state.starts_with("enabled");
    let sure = claim.source <= ClaimSource::Config && !idle_socket;
    let wanted = match (unit.active_state.as_str(), unit.file_state.as_str()) {
        ("failed" | "activating" | "deactivating", _) => 3,
        (_, "enabled" | "enabled-runtime" | "generated" | "masked" | "masked-runtime")
        | ("active" | "reloading", _) => 2,
        _ => 1,
    };
    (sure, if idle_socket { 0 } else { wanted }, Reverse(claim.source))
}
