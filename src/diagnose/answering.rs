//! Whose socket answers where a unit was asked for: its own, or that of another program which has its port.

use super::look::Look;
use super::subject::Subject;
use crate::facts::socket::{Listener, Owner};
use crate::facts::unit::Unit;

/// Whose socket takes connections to the unit's port.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// The unit's own, or that of a unit which starts it or is started by it.
    Own,
    /// Another program's.
    Other(&'a Listener, &'a Owner),
    /// It cannot be seen (yet).
    Unseen,
}

/// Whose socket answers at the diagnosed address. None: no unit was asked for, or no socket here takes the address
/// (something else forwards it).
pub fn whose<'a>(look: &Look<'a>, subject: &Subject) -> Option<Whose<'a>> {
    let name = subject.unit.as_ref()?;
    let (address, port) = (subject.address()?, subject.port?);
    let (Some(unit), Some(listeners)) = (look.unit(name), look.listeners(subject.transport, port)) else {
        return Some(Whose::Unseen);
    };
    let mut taking: Vec<&Listener> = listeners.iter().filter(|l| l.takes(address)).collect();
    if taking.iter().any(|l| l.address == address) {
        // The kernel prefers the socket of that very address to a wildcard.
        taking.retain(|l| l.address == address);
    }
    let first = *taking.first()?;
    let mut answer = of(look, unit, first);
    for listener in taking.into_iter().skip(1) {
        answer = match (answer, of(look, unit, listener)) {
            (Whose::Own, _) | (_, Whose::Own) => Whose::Own,
            (Whose::Unseen, _) | (_, Whose::Unseen) => Whose::Unseen,
            (other @ Whose::Other(..), Whose::Other(..)) => other,
        };
    }
    Some(answer)
}

/// The program that answers instead of the unit, where that is known.
pub fn other<'a>(look: &Look<'a>, subject: &Subject) -> Option<(&'a Listener, &'a Owner)> {
    match whose(look, subject)? {
        Whose::Other(listener, owner) => Some((listener, owner)),
        Whose::Own | Whose::Unseen => None,
    }
}

fn of<'a>(look: &Look<'a>, unit: &Unit, listener: &'a Listener) -> Whose<'a> {
    if unit.cgroup_id.is_some() && unit.cgroup_id == listener.cgroup {
        return Whose::Own;
    }
    let Some(owner) = look.owner(listener) else { return Whose::Unseen };
    let by_socket = unit.socket.is_some() || unit.triggered_by.iter().any(|name| name.ends_with(".socket"));
    if (owner.is_systemd() && by_socket) || holds(unit, owner) {
        return Whose::Own;
    }
    match &owner.unit {
        Some(name) if is_kin(unit, name) => Whose::Own,
        None if owner.cgroup.is_none() => Whose::Unseen,
        Some(_) | None => Whose::Other(listener, owner),
    }
}

/// A process of the unit holds it, whoever made it.
fn holds(unit: &Unit, owner: &Owner) -> bool {
    let main = unit.service.as_ref().map_or(0, |s| s.main_pid);
    let group = unit.control_group.trim_end_matches('/');
    let inside = owner.cgroup.as_deref().and_then(|path| path.strip_prefix(group));
    let inside = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (!group.is_empty() && inside) || owner.processes.iter().any(|p| main != 0 && p.pid == main)
}

/// The unit itself, one of its instances, or one that starts it or is started by it.
fn is_kin(unit: &Unit, name: &str) -> bool {
    let listed = [&unit.names, &unit.pulls, &unit.triggers, &unit.triggered_by];
    let stem = unit.name.rsplit_once('.').map_or(unit.name.as_str(), |(stem, _)| stem);
    let instance = name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('@'));
    unit.name == name || instance || listed.into_iter().flatten().any(|other| other == name)
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, failed, owned_by};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::diagnose;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::connect::Outcome;
    use crate::facts::daemon::Daemon;
    use crate::facts::{Case, Reading};

    const IN_USE: &str = "nginx: nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)";

    /// nginx is configured for port 80, and this unit has it.
    fn port_80_of(owner: &str) -> Host {
        let host = Host::with_outcome(80, Outcome::Open).target("nginx");
        host.configured(Daemon::Nginx, "nginx.service", &[("*", 80, "/etc/nginx/nginx.conf:3: listen 80")]).listens(
            "0.0.0.0",
            owner,
            |_| (),
        )
    }

    fn promised(case: &Case) -> crate::diagnose::verdict::Diagnosis {
        crate::diagnose::promise::keep(case, &crate::diagnose::causes::testing::nothing).unwrap();
        diagnose(case)
    }

    #[test]
    fn another_program_on_the_units_port_is_not_the_unit() {
        let case = failed(port_80_of("python3.service"), "nginx.service", &[IN_USE]).case();
        let told = assert_culprit(&case, "port-conflict-other-daemon");
        assert_eq!(told.outcome, Some(Outcome::Error));
        assert!(told.notes.contains(&"another program (python3[812]) answers on port 80".into()), "{:?}", told.notes);
        let connect = told.get(BoxId::Connect).unwrap();
        assert_eq!(connect.verdict, Verdict::No);
        assert!(connect.summary.ends_with("python3[812], not nginx.service"), "{}", connect.summary);
    }

    #[test]
    fn a_stopped_unit_is_not_running_whoever_has_its_port() {
        let case = port_80_of("python3.service").unit("nginx.service", |_| ()).case();
        let told = assert_culprit(&case, "svc-not-running");
        assert_eq!(told.outcome, Some(Outcome::Error));
        assert!(told.causes[0].evidence.iter().any(|e| e.says == "LISTEN 0.0.0.0:80 by python3[812]"), "{told:#?}");
    }

    #[test]
    fn its_own_sockets_and_those_of_its_kin_are_open() {
        let mine = port_80_of("nginx.service").running("nginx.service");
        let instance = port_80_of("nginx@blue.service").unit("nginx.service", |_| ());
        let by_socket =
            port_80_of("init.scope").unit("nginx.service", |u| u.triggered_by = vec!["nginx.socket".into()]);
        let inside =
            port_80_of("x.service").unit("nginx.service", |u| u.control_group = "/system.slice/x.service".into());
        for host in [mine, instance, by_socket, inside] {
            assert_eq!(promised(&host.case()).outcome, Some(Outcome::Open));
        }
    }

    #[test]
    fn where_owners_cannot_be_seen_it_says_so() {
        let host = port_80_of("x.service").unit("nginx.service", |_| ()).facts(|f| {
            let owner = owned_by("x.service");
            let unseen = crate::facts::socket::Owner { cgroup: None, unit: None, processes: vec![], ..owner };
            f.owners.values_mut().for_each(|o| *o = Reading::known(unseen.clone()));
        });
        let told = promised(&host.case());
        assert_eq!(told.outcome, Some(Outcome::Open));
        assert!(told.notes.iter().any(|n| n.starts_with("who answers on port 80 cannot be seen")), "{:?}", told.notes);
    }

    #[test]
    fn the_port_by_itself_stays_open() {
        let case = failed(port_80_of("python3.service").target("80"), "nginx.service", &[IN_USE]);
        let told = assert_culprit(&case.claimed_by("nginx.service").case(), "port-conflict-other-daemon");
        assert_eq!(told.outcome, Some(Outcome::Open));
    }
}
