//! Whom xinetd lets in: `only_from` and `no_access` of the service that it serves at the port.

use std::net::IpAddr;

use super::look::Look;
use super::subject::{Asker, Subject};
use super::wrappers::unless_hung_up;
use crate::facts::connect::{Dial, Outcome};
use crate::facts::socket::Transport;
use crate::facts::xinetd::{AccessList, XinetdService};

/// What xinetd says about the asked client.
#[derive(Debug, Clone)]
pub enum Says<'a> {
    /// It does not serve the port, or keeps nobody out of it.
    Granted,
    /// It hangs up on the client.
    Denied {
        /// The service.
        service: &'a XinetdService,
        /// The list that decides.
        list: &'a AccessList,
        /// It names who may not, rather than who may.
        names_denied: bool,
    },
    /// It cannot be told, and why.
    Unknown(String),
}

/// What xinetd says. None: not known (yet).
pub fn says<'a>(look: &Look<'a>, subject: &Subject, dial: &Dial) -> Option<Says<'a>> {
    if subject.local? && subject.path.is_none() && subject.transport == Transport::Tcp {
        return of_listener(look, subject, dial);
    }
    Some(Says::Granted)
}

fn of_listener<'a>(look: &Look<'a>, subject: &Subject, dial: &Dial) -> Option<Says<'a>> {
    let (Some(address), Some(port)) = (subject.address(), subject.port) else { return Some(Says::Granted) };
    let rows = look.listeners(subject.transport, port)?;
    let Some(row) = rows.iter().find(|row| row.takes(address)) else { return Some(Says::Granted) };
    let owner = look.owner(row)?;
    let runs = owner.unit.as_deref() == Some("xinetd.service") || owner.processes.iter().any(|p| p.name == "xinetd");
    if !runs {
        return Some(Says::Granted);
    }
    let mut services = look.xinetd()?.iter().filter(|service| service.port == Some(port) && !service.disabled);
    let Some(service) = services.next() else {
        return Some(Says::Unknown(format!("no service of xinetd's configuration has port {port}")));
    };
    let client = match subject.from {
        Asker::Any => None,
        Asker::Here => Some(dial.source.map_or(address, |at| at.ip()).to_canonical()),
        Asker::Address(client) => Some(client.to_canonical()),
    };
    Some(decide(service, client))
}

/// What the asked side gets, once xinetd is considered. None: not known (yet).
pub(super) fn outcome(look: &Look<'_>, subject: &Subject, dial: &Dial, outcome: Outcome) -> Option<Outcome> {
    unless_hung_up(look, outcome, || says(look, subject, dial).map(|said| matches!(said, Says::Denied { .. })))
}

/// The better match of the two lists decides; `client` none is an arbitrary one.
fn decide(service: &XinetdService, client: Option<IpAddr>) -> Says<'_> {
    let allowed = service.only_from.as_ref().map(|list| (list, best(list, client)));
    let forbidden = service.no_access.as_ref().map(|list| (list, best(list, client)));
    let unknown = [&allowed, &forbidden].into_iter().flatten().find_map(|(_, found)| found.as_ref().err().cloned());
    if let Some(why) = unknown {
        return Says::Unknown(why);
    }
    let length = |found: &Option<(&AccessList, Result<Option<u8>, String>)>| {
        found.as_ref().and_then(|(_, found)| found.as_ref().ok().copied().flatten())
    };
    let (good, bad) = (length(&allowed), length(&forbidden));
    match (allowed, forbidden) {
        (Some((list, _)), _) if good.is_none() => Says::Denied { service, list, names_denied: false },
        (_, Some((list, _))) if bad.is_some() && bad >= good => Says::Denied { service, list, names_denied: true },
        _ => Says::Granted,
    }
}

/// The longest prefix of the list that holds the client; an arbitrary one is only in what holds everybody.
fn best(list: &AccessList, client: Option<IpAddr>) -> Result<Option<u8>, String> {
    let mut longest = None;
    let mut unsure = None;
    for entry in &list.entries {
        match network(entry) {
            Some((net, bits)) if bits == 0 || client.is_some_and(|client| holds(net, bits, client)) => {
                longest = longest.max(Some(bits));
            }
            Some(_) => {}
            // A name is one host, or one domain: not everybody.
            None if client.is_none() => {}
            None => unsure = Some(format!("which addresses `{entry}` stands for was not looked up")),
        }
    }
    match (longest, unsure) {
        (None, Some(why)) => Err(why),
        (longest, _) => Ok(longest),
    }
}

/// `10.1.0.0/16`, `fd00::/8`, an address, or one whose last zeros stand for anything (`10.1.0.0`, `0.0.0.0`).
fn network(entry: &str) -> Option<(IpAddr, u8)> {
    if let Some((address, bits)) = entry.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        return Some((address, bits.parse().ok().filter(|bits| *bits <= most)?));
    }
    match entry.parse().ok()? {
        IpAddr::V4(v4) => {
            let zeros = v4.octets().iter().rev().take_while(|octet| **octet == 0).count();
            Some((v4.into(), 32 - 8 * u8::try_from(zeros).ok()?))
        }
        v6 @ IpAddr::V6(_) => Some((v6, 128)),
    }
}

fn holds(net: IpAddr, bits: u8, client: IpAddr) -> bool {
    let (net, client, width) = match (net, client) {
        (IpAddr::V4(net), IpAddr::V4(client)) => (u128::from(u32::from(net)), u128::from(u32::from(client)), 32),
        (IpAddr::V6(net), IpAddr::V6(client)) => (u128::from(net), u128::from(client), 128),
        _ => return false,
    };
    let free = width - u32::from(bits);
    net.checked_shr(free).unwrap_or(0) == client.checked_shr(free).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::daemon::Origin;

    fn list(entries: &[&str]) -> AccessList {
        let set_by = Origin { file: "/etc/xinetd.d/x".into(), line: 3, text: "\tonly_from = x".into() };
        AccessList { entries: entries.iter().map(ToString::to_string).collect(), set_by }
    }

    fn said(only_from: Option<&[&str]>, no_access: Option<&[&str]>, client: &str) -> &'static str {
        let service = XinetdService {
            only_from: only_from.map(list),
            no_access: no_access.map(list),
            ..XinetdService::default()
        };
        match decide(&service, client.parse().ok()) {
            Says::Granted => "granted",
            Says::Denied { names_denied: false, .. } => "not in only_from",
            Says::Denied { .. } => "in no_access",
            Says::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn the_better_match_decides() {
        assert_eq!(said(None, None, "10.1.0.2"), "granted");
        assert_eq!(said(Some(&["10.1.0.0"]), None, "10.1.0.2"), "granted");
        assert_eq!(said(Some(&["10.1.0.0/16"]), None, "10.2.0.2"), "not in only_from");
        assert_eq!(said(Some(&[]), None, "10.1.0.2"), "not in only_from");
        assert_eq!(said(Some(&["0.0.0.0"]), Some(&["10.1.0.2"]), "10.1.0.2"), "in no_access");
        assert_eq!(said(Some(&["10.1.0.2"]), Some(&["10.0.0.0"]), "10.1.0.2"), "granted");
        assert_eq!(said(Some(&["db.example"]), None, "10.1.0.2"), "unknown");
        assert_eq!(said(Some(&["fd00::/8"]), None, "fd00::2"), "granted");
    }

    #[test]
    fn an_arbitrary_client_is_only_in_what_holds_everybody() {
        assert_eq!(said(Some(&["10.1.0.0", "db.example"]), None, ""), "not in only_from");
        assert_eq!(said(Some(&["0.0.0.0/0"]), None, ""), "granted");
        assert_eq!(said(None, Some(&["10.1.0.2"]), ""), "granted");
    }
}
