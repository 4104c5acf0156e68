//! Which proxies stand between whoever asks and the target: where one is set, programs connect to it instead.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::look::Look;
use super::subject::{Asker, Subject};
use crate::facts::connect::Endpoint;
use crate::facts::proxy::ProxySetting;
use crate::facts::unit::Unit;

/// A proxy that is used, and by whom.
#[derive(Debug, Clone)]
pub struct Used<'a> {
    /// The setting.
    pub setting: &'a ProxySetting,
    /// Where it is; none while its name is not known (yet), or leads nowhere.
    pub at: Option<Endpoint>,
    /// The unit in whose environment it is set; none: that of whoever asks.
    pub by: Option<&'a Unit>,
}

/// The proxies by which a client here asks for the target, a URL. None: not known (yet).
pub fn used<'a>(look: &Look<'a>, subject: &Subject) -> Option<Vec<Used<'a>>> {
    let Some(scheme) = http_scheme(look).filter(|_| subject.from == Asker::Here) else { return Some(Vec::new()) };
    let proxies = look.proxies(0)?;
    if subject.host.as_ref().is_some_and(|host| proxies.spares(host)) {
        return Some(Vec::new());
    }
    let setting = proxies.settings.iter().find(|setting| setting.is_for(scheme));
    Some(setting.into_iter().map(|setting| Used { setting, at: endpoint(look, setting), by: None }).collect())
}

/// Those in the environment of a unit that runs.
pub fn of_unit<'a>(look: &Look<'a>, unit: &'a Unit) -> Option<Vec<Used<'a>>> {
    let pid = unit.service.as_ref().map_or(0, |service| service.main_pid);
    if !unit.is_running() || pid == 0 {
        return Some(Vec::new());
    }
    let settings = &look.proxies(pid)?.settings;
    Some(settings.iter().map(|setting| Used { setting, at: endpoint(look, setting), by: Some(unit) }).collect())
}

/// Where programs that use a proxy connect to in place of the target, each place once.
pub(super) fn endpoints(look: &Look<'_>, subject: &Subject) -> Vec<Endpoint> {
    let mut all: Vec<Endpoint> = Vec::new();
    for at in used(look, subject).into_iter().flatten().filter_map(|used| used.at) {
        if !all.contains(&at) {
            all.push(at);
        }
    }
    all.truncate(2);
    all
}

fn endpoint(look: &Look<'_>, setting: &ProxySetting) -> Option<Endpoint> {
    let address = match setting.host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) if setting.host == "localhost" => Ipv4Addr::LOCALHOST.into(),
        Err(_) => *look.name(&setting.host)?.addresses.first()?,
    };
    Some(Endpoint::Tcp(SocketAddr::new(address, setting.port)))
}

/// The scheme of the target, where it is one that proxies are for.
fn http_scheme(look: &Look<'_>) -> Option<&'static str> {
    let (scheme, _) = look.case().target.input.split_once("://")?;
    ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))
}
