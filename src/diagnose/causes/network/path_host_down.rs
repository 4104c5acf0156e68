//! Nobody on the link has the target's address, or that of the next hop: the host is down.

use std::net::IpAddr;
use std::time::Duration;

use super::super::{Cause, Found, Words};
use super::nowhere::ip;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::{Dial, Icmp, Outcome};
use crate::facts::route::{RouteKey, RouteKind};
use crate::facts::routing::NeighbourState;

/// Three requests a second apart go unanswered before a neighbour is given up.
pub(super) const PATIENCE: Duration = Duration::from_millis(2500);

pub(crate) static CAUSE: Cause = Cause {
    id: "path-host-down",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Unreachable],
    words: Words {
        title: "The target, or the next hop, does not answer on its link",
        what: "The packet cannot be delivered on the last link: nobody answers ARP or neighbour discovery for the \
               address. After about 3 seconds the kernel, or a router there, says \"No route to host\". The host is \
               off, has another address, or the link between is cut (a cable, a VLAN).",
        see: "ip route get ADDRESS\nip neighbour show ADDRESS   # FAILED or INCOMPLETE",
        fix: "power the host on, correct its address or yours, look at cable, switch port and VLAN",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    on_our_link(scene).or_else(|| behind_a_router(scene))
}

fn unreached(icmp: &Icmp) -> bool {
    matches!(icmp.name(), "host-unreachable" | "addr-unreachable")
}

/// The ICMP error behind what came of the attempt.
fn error<'a>(scene: &Scene<'a, '_>) -> Option<(&'a Icmp, &'a Dial)> {
    let subject = scene.subject;
    if subject.local != Some(false) || scene.outcome()? != Outcome::Unreachable {
        return None;
    }
    let dial = scene.look.dialled(&subject.endpoint()?)?;
    Some((dial.icmp.as_ref()?, dial))
}

/// An ICMP error that somebody else made: neither this host nor the target.
pub(super) fn from_elsewhere<'a>(scene: &Scene<'a, '_>) -> Option<(IpAddr, &'a Icmp, &'a Dial)> {
    let (icmp, dial) = error(scene)?;
    let mine = scene.look.addresses()?;
    let from = icmp.from.filter(|from| !mine.holds(*from) && Some(*from) != scene.subject.address())?;
    Some((from, icmp, dial))
}

/// The kernel itself gave up asking for a neighbour.
fn on_our_link(scene: &Scene<'_, '_>) -> Option<Found> {
    let (icmp, dial) = error(scene)?;
    let mine = scene.look.addresses()?;
    if !unreached(icmp) || !icmp.from.is_some_and(|from| mine.holds(from)) {
        return None;
    }
    let to = scene.subject.address()?.to_canonical();
    let route = scene.look.route(&RouteKey { to, from: None, input: None, mark: 0 })?;
    let interface = route.interface.as_ref().filter(|_| route.kind == RouteKind::Unicast)?;
    let next = route.gateway.unwrap_or(to);
    let state = scene.look.neighbour(next, interface)?.and_then(NeighbourState::missing);
    // A rule of this host's own says the same, but at once.
    if state.is_none() && dial.after < PATIENCE {
        return None;
    }
    let summary = if next == to {
        format!("nobody on {interface} answers for {to}")
    } else {
        format!("the gateway {next} does not answer on {interface}, so nothing reaches {to}")
    };
    let says = format!("this host's own kernel gave up after {} ms: {}", dial.after.as_millis(), icmp.name());
    let see = format!("{} neighbour show {next} dev {interface}", ip(to));
    let mut found = Found::new(next.to_string(), summary).seen(Evidence::new("dial", says, see.clone()));
    if let Some(state) = state {
        found = found.seen(Evidence::new("rtnetlink", format!("neighbour {next} on {interface}: {state}"), see));
    }
    let link = format!("ip -s link show {interface}");
    let does = if next == to {
        "see that the host is on and has this address; look at the link between"
    } else {
        "see that the gateway is on and that this is its address; look at the link between"
    };
    Some(found.advise(Advice::new(does, link, None)))
}

/// The router of the target's network gave up.
fn behind_a_router(scene: &Scene<'_, '_>) -> Option<Found> {
    let (router, icmp, dial) = from_elsewhere(scene)?;
    let to = scene.subject.address()?;
    if !unreached(icmp) || dial.after < PATIENCE {
        return None;
    }
    let says = format!("ICMP {} from {router} after {} ms", icmp.name(), dial.after.as_millis());
    let see = format!("traceroute -n -T -p {} {to}", scene.subject.port?);
    let does = format!("see that {to} is on and has this address; on the router {router}:");
    Some(
        Found::new(to.to_string(), format!("{to} does not answer on its network, says the router {router}"))
            .seen(Evidence::new("dial", says, see))
            .advise(Advice::new(does, format!("ip neighbour show {to}"), None)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::{THERE, there, to_there};
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::routing::NeighbourState;

    const ID: &str = "path-host-down";

    fn given_up(after: u64, state: Option<NeighbourState>) -> Host {
        let gateway = "10.2.0.1".parse().unwrap();
        to_there(Outcome::Unreachable, Some((1, &OUTSIDE.to_string(), after))).facts(|f| {
            let reading = state.map_or(Reading::Absent, Reading::known);
            f.neighbours.insert((gateway, "eth0".into()), reading);
        })
    }

    #[test]
    fn a_gateway_that_does_not_answer() {
        let told = assert_culprit(&given_up(3080, Some(NeighbourState::Failed)).case(), ID);
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, format!("the gateway 10.2.0.1 does not answer on eth0, so nothing reaches {THERE}"));
        assert_eq!(found.evidence[1].says, "neighbour 10.2.0.1 on eth0: FAILED");
        assert_culprit(&given_up(3080, None).case(), ID);
        assert_culprit(&given_up(900, Some(NeighbourState::Incomplete)).case(), ID);
    }

    #[test]
    fn a_rule_that_says_the_same_at_once_is_no_dead_host() {
        assert_not_found(&given_up(0, Some(NeighbourState::Known)).case(), ID);
    }

    #[test]
    fn a_router_that_gave_up() {
        let told = assert_culprit(&to_there(Outcome::Unreachable, Some((1, "198.51.100.1", 3080))).case(), ID);
        assert_eq!(told.culprit().unwrap().subject, there().to_string());
        assert_not_found(&to_there(Outcome::Unreachable, Some((1, "198.51.100.1", 3))).case(), ID);
    }
}
