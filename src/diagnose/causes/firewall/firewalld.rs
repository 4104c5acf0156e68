//! firewalld: which zone refuses, and whether it was told otherwise.

use std::net::IpAddr;

use super::super::Found;
use super::common::Blocked;
use crate::diagnose::Scene;
use crate::diagnose::symptom::interface_of;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::firewalls::{Firewalld, Zone};
use crate::facts::ruleset::Hook;
use crate::firewall::Client;
use crate::firewall::keeper::Program;
use crate::fixes::firewalld::{self as maker, Gate};

/// The rule is one of firewalld's.
pub(super) fn keeps(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> bool {
    blocked.keeper(scene).program == Program::Firewalld
}

/// It is in a chain for rules that somebody added by hand (rich rules, policies), not the end of the zone.
pub(super) fn by_own_rule(blocked: &Blocked<'_>) -> bool {
    let name = blocked.place.chain.name.as_str();
    blocked.place.rule.is_some() && ["_deny", "_pre", "_post", "_log"].iter().any(|end| name.ends_with(end))
}

/// The zone does not let it in.
pub(super) fn told(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Found {
    let zone = zone(scene, blocked);
    let (name, port) = (zone_name(zone.as_ref()), port(blocked));
    let panic = scene.look.firewalld().is_some_and(|f| f.panic);
    let summary = if panic {
        "firewalld is in panic mode and drops everything".to_owned()
    } else {
        format!("zone {name} of firewalld does not let {port} in")
    };
    let mut found = blocked.told(scene, summary).seen(in_zone(zone.as_ref(), &name));
    found.advice = if panic {
        vec![Advice::new("end panic mode", "firewall-cmd --panic-off", Some("firewall-cmd --panic-on"))]
    } else if blocked.place.hook == Hook::Input {
        plans(&name, blocked, false)
    } else {
        // Opening a port of a zone lets nothing through to other hosts.
        Vec::new()
    };
    found
}

/// A rich rule refuses.
pub(super) fn rich(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Found {
    let zone = zone(scene, blocked);
    let name = zone_name(zone.as_ref());
    let number = blocked.packet.to.port().to_string();
    let about = |rule: &&String| rule.split(|c: char| !c.is_ascii_digit()).any(|word| word == number);
    let refuses = |rule: &&String| rule.contains("reject") || rule.contains("drop");
    let rules = zone.as_ref().map(|z| z.rich_rules.as_slice()).unwrap_or_default();
    let rule = rules.iter().filter(refuses).find(about);
    let said = rule.map_or_else(|| blocked.text(scene), |rule| format!("the rich rule '{rule}'"));
    let mut found = blocked.told(scene, format!("{said} in zone {name} of firewalld {} it", blocked.verb()));
    let Some(rule) = rule else { return found };
    let zone = arg(&name);
    found = found.seen(Evidence::new("firewalld", rule, format!("firewall-cmd --zone={zone} --list-rich-rules")));
    let words = arg(rule);
    let undo = format!("firewall-cmd --zone={zone} --add-rich-rule={words}");
    let run = format!("firewall-cmd --zone={zone} --remove-rich-rule={words}");
    found.advice = if blocked.place.hook == Hook::Input { plans(&name, blocked, true) } else { Vec::new() };
    found.advise(Advice::new("take the rich rule away, for now", run, Some(&undo)))
}

/// What is saved lets the port in, what holds now does not.
pub(super) fn unloaded(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Option<Found> {
    let all = scene.look.firewalld()?;
    let now = zone(scene, blocked)?;
    let saved = all.permanent.as_ref()?.iter().find(|zone| zone.name == now.name)?;
    if lets_in(all, &now, blocked) || !lets_in(all, saved, blocked) {
        return None;
    }
    let (name, port) = (arg(&now.name), port(blocked));
    let says = format!("the permanent configuration of zone {} lets {port} in, what runs now does not", now.name);
    let see = format!("firewall-cmd --zone={name} --list-all; firewall-cmd --permanent --zone={name} --list-all");
    let mut found = blocked.told(scene, says.clone()).seen(Evidence::new("firewalld", says, see));
    let gate = gate(&now.name, blocked, false);
    found.advice = client(blocked).map(|client| Advice::of(maker::allow_client(&gate, client))).into_iter().collect();
    let reload =
        Advice::new("load everything that is saved; rules that are not saved are lost", "firewall-cmd --reload", None);
    Some(found.fix(maker::allow(&gate)).advise(reload))
}

fn lets_in(all: &Firewalld, zone: &Zone, blocked: &Blocked<'_>) -> bool {
    let (number, transport) = (blocked.packet.to.port(), blocked.packet.transport.word());
    let of_services = zone.services.iter().filter_map(|name| all.services.get(name)).flatten();
    zone.ports.iter().chain(of_services).any(|p| p.protocol == transport && (p.ports.0..=p.ports.1).contains(&number))
}

/// The zone that decides: the one whose chain refuses, else that of the interface, else the default.
fn zone(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Option<Zone> {
    let named = |name: &str| Zone { name: name.to_owned(), ..Zone::default() };
    let by_chain = blocked.keeper(scene).part;
    let Some(all) = scene.look.firewalld() else { return by_chain.as_deref().map(named) };
    let find = |name: &str| all.zones.iter().find(|z| z.name == name).cloned().unwrap_or_else(|| named(name));
    if let Some(name) = by_chain {
        return Some(find(&name));
    }
    let interface = blocked.part.sources.interface.clone().or_else(|| interface_of(scene.look, blocked.packet.to.ip()));
    let by_interface = all.zones.iter().find(|z| interface.as_ref().is_some_and(|name| z.interfaces.contains(name)));
    Some(by_interface.cloned().unwrap_or_else(|| find(&all.default_zone)))
}

fn zone_name(zone: Option<&Zone>) -> String {
    zone.map_or_else(|| "public".to_owned(), |zone| zone.name.clone())
}

fn port(blocked: &Blocked<'_>) -> String {
    format!("{}/{}", blocked.packet.to.port(), blocked.packet.transport.word())
}

fn in_zone(zone: Option<&Zone>, name: &str) -> Evidence {
    let list = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(" ") };
    let says = zone.map_or_else(String::new, |zone| {
        let ports = zone.ports.iter().map(|p| match p.ports {
            (low, high) if low == high => format!("{low}/{}", p.protocol),
            (low, high) => format!("{low}-{high}/{}", p.protocol),
        });
        format!("zone {name}: services {}, ports {}", list(zone.services.clone()), list(ports.collect()))
    });
    Evidence::new("firewalld", says, format!("firewall-cmd --zone={} --list-all", arg(name)))
}

/// What firewalld can be told to let it in.
fn plans(zone: &str, blocked: &Blocked<'_>, before_rich_rules: bool) -> Vec<Advice> {
    maker::plans(&gate(zone, blocked, before_rich_rules), client(blocked)).into_iter().map(Advice::of).collect()
}

fn gate<'a>(zone: &'a str, blocked: &Blocked<'_>, before_rich_rules: bool) -> Gate<'a> {
    Gate { zone, port: blocked.packet.to.port(), transport: blocked.packet.transport, before_rich_rules }
}

/// The client that was asked about.
fn client(blocked: &Blocked<'_>) -> Option<IpAddr> {
    match blocked.packet.client {
        Client::Address(client) => Some(client),
        Client::Any | Client::Here => None,
    }
}

#[cfg(test)]
pub(super) mod testing {
    use crate::diagnose::causes::testing::Host;
    use crate::diagnose::causes::testing::rules::{accept, base, dport, jump, reject, rule};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::{Firewalld, PortRange, Zone};
    use crate::facts::ruleset::expr::RejectWith;
    use crate::facts::ruleset::{Hook, Policy};

    /// A host whose zone public lets in ssh now, and these ports after a reload.
    pub(in super::super) fn host(permanent: Vec<PortRange>) -> Host {
        let rules = vec![rule(&[jump("filter_IN_public")], 3), rule(&[reject(RejectWith::Icmpx(3))], 3)];
        let zone = Zone { name: "public".into(), services: vec!["ssh".into()], ..Zone::default() };
        let saved = Zone { ports: permanent, ..zone.clone() };
        Host::with_outcome(80, Outcome::Unreachable)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet firewalld", "filter_IN_public", None, vec![rule(&[dport(22), accept()], 3)])
            .chain("inet firewalld", "filter_INPUT", base(Hook::Input, 10, Policy::Accept), rules)
            .facts(|f| {
                f.firewalld = Reading::known(Firewalld {
                    default_zone: "public".into(),
                    zones: vec![zone],
                    permanent: Some(vec![saved]),
                    ..Firewalld::default()
                });
            })
    }
}
