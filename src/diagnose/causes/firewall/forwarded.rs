//! Rules that stop what is on its way to a container, or what a container sends to this host.

use std::net::IpAddr;

use super::super::Found;
use super::common::{Blocked, chain_words, evidence_of, held_up, place_words, text};
use crate::diagnose::Scene;
use crate::diagnose::containers::{at_address, is_bridge};
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::diagnose::ways::{main_part, rule_of};
use crate::facts::container::Container;
use crate::facts::ruleset::Hook;
use crate::firewall::keeper::{Program, keeper};
use crate::firewall::{Fate, Part};
use crate::fixes::{Plan, Risk, sysctl};

/// Is a container's engine what sends these packets elsewhere?
pub(super) fn to_container(scene: &Scene<'_, '_>, part: &Part) -> bool {
    let by = part.translated.as_ref().map(|place| {
        let rule = place.rule.and_then(|handle| rule_of(scene.look, &place.chain, handle));
        keeper(&place.chain, rule).program
    });
    matches!(by, Some(Program::Docker | Program::Podman))
}

/// It is stopped between this host and a container.
pub(super) fn is_on_the_way(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> bool {
    matches!(blocked.place.hook, Hook::Forward | Hook::Postrouting) && to_container(scene, blocked.part)
}

/// A container's own packet, stopped where it comes to this host.
pub(super) fn is_from_container(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> bool {
    // Where the containers are not known, it cannot be told.
    blocked.place.hook == Hook::Input && !matches!(client(scene), Ok(None))
}

/// Which containers there are is not known (yet).
struct NotKnown;

/// The container that asks.
fn client<'a>(scene: &Scene<'a, '_>) -> Result<Option<(IpAddr, &'a Container)>, NotKnown> {
    let Asker::Address(address) = scene.subject.from else { return Ok(None) };
    let near = bridge_to(scene, address).is_some_and(|interface| is_bridge(&interface));
    if !near || scene.subject.local != Some(true) {
        return Ok(None);
    }
    let found = at_address(scene.look, address.to_canonical()).ok_or(NotKnown)?;
    Ok(found.map(|(_, container)| (address, container)))
}

/// A rule stops what is on its way to a container.
pub(in crate::diagnose::causes) fn on_the_way(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = held_up(scene).filter(|blocked| is_on_the_way(scene, blocked))?;
    let summary = format!(
        "{} in {} {} {} on the way to the container at {}",
        blocked.text(scene),
        blocked.chain_words(),
        blocked.verb(),
        blocked.who(),
        blocked.part.to
    );
    let found = blocked.told(scene, summary);
    let by = blocked.part.translated.as_ref()?;
    Some(found.seen(evidence_of(scene, by)))
}

/// It is sent on to a container, and this host passes nothing on.
pub(in crate::diagnose::causes) fn not_forwarding(scene: &Scene<'_, '_>) -> Option<Found> {
    let part = main_part(&scene.ways()?.asked)?;
    let Fate::Unrouted { silent: Some(why), to } = &part.fate else { return None };
    if !to_container(scene, part) || to.is_ipv6() {
        return None;
    }
    let by = part.translated.as_ref()?;
    let summary = format!("{} leads to the container at {}, but {why}", text(scene, by), part.to);
    let see = "sysctl net.ipv4.ip_forward net.ipv4.conf.all.forwarding";
    let plan = Plan::new("ip-forward", "let this host forward packets, now and at every boot").risk(Risk::Medium);
    let plan = plan.warn("this host then passes on whatever its forward rules let through, between all its networks");
    Some(
        Found::new(place_words(by), summary)
            .seen(Evidence::new("sysctl", *why, see))
            .seen(evidence_of(scene, by))
            .fix(sysctl::for_good(plan, "net/ipv4/ip_forward", "1")),
    )
}

/// A rule keeps a container out of this host.
pub(in crate::diagnose::causes) fn from_container(scene: &Scene<'_, '_>) -> Option<Found> {
    let blocked = held_up(scene).filter(|blocked| blocked.place.hook == Hook::Input)?;
    let (address, container) = client(scene).ok()??;
    let place = format!("{} in {}", blocked.text(scene), chain_words(&blocked.place.chain));
    let summary = format!("{place} {} what comes from container {} ({address})", blocked.verb(), container.name);
    Some(blocked.told(scene, summary).advise_all(by_keeper(scene, &blocked, address)))
}

/// What lets it in, in the words of a firewall manager.
fn by_keeper(scene: &Scene<'_, '_>, blocked: &Blocked<'_>, client: IpAddr) -> Vec<Advice> {
    let bridge = bridge_to(scene, client).unwrap_or_else(|| "docker0".into());
    let (port, transport) = (blocked.packet.to.port(), blocked.packet.transport.word());
    let bridge = crate::text::arg(&bridge);
    match blocked.keeper(scene).program {
        Program::Ufw => {
            let about = format!("allow in on {bridge} to any port {port} proto {transport}");
            let undo = format!("ufw delete {about}");
            vec![Advice::new(format!("let {bridge} in at port {port}"), format!("ufw {about}"), Some(&undo))]
        }
        Program::Firewalld => {
            let run = format!("firewall-cmd --zone=trusted --change-interface={bridge}");
            let undo = format!("firewall-cmd --zone=trusted --remove-interface={bridge}");
            vec![Advice::new(format!("trust {bridge} until the next reload (--permanent: for good)"), run, Some(&undo))]
        }
        _ => Vec::new(),
    }
}

/// The interface whose network a container's address is in.
fn bridge_to(scene: &Scene<'_, '_>, client: IpAddr) -> Option<String> {
    let IpAddr::V4(client) = client.to_canonical() else { return None };
    let near = |mine: &&crate::facts::host::LocalAddress| match mine.address {
        IpAddr::V4(own) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(mine.prefix.into())).unwrap_or(0);
            mine.prefix > 0 && own.to_bits() & mask == client.to_bits() & mask
        }
        IpAddr::V6(_) => false,
    };
    scene.look.addresses()?.all.iter().find(near).map(|mine| mine.interface.clone())
}
