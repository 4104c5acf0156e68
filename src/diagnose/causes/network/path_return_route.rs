//! The client's packets come in and the answers have no way back.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use super::nowhere::{deciding, ip, refused, told};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::routing::Decides;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::route::{RouteKey, RouteKind};

pub(crate) static CAUSE: Cause = Cause {
    id: "path-return-route",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Silent],
    words: Words {
        title: "The server has no route back to the client",
        what: "The client's packet arrives, but this host has no route to the client, or one that refuses, so its \
               answer is never sent. The client sees no answer at all, and nothing here says a word. Usual reasons: \
               no default route, a second interface whose network the client is not in, a VPN's policy rules.",
        see: "ip route get CLIENT from SERVER\nip rule\nip route show table all",
        fix: "add a route to the client's network, or delete the one that refuses",
        undo: "delete or add it again",
    },
    detect,
};

/// The client that asks for an address of this host, and that address.
pub(super) fn client_and_target(scene: &Scene<'_, '_>) -> Option<(IpAddr, IpAddr)> {
    let (Asker::Address(client), Some(true), None) = (scene.subject.from, scene.subject.local, &scene.subject.path)
    else {
        return None;
    };
    let (client, target) = (client.to_canonical(), scene.subject.address()?.to_canonical());
    let mine = scene.look.addresses()?;
    let apart = client.is_ipv4() == target.is_ipv4() && !mine.holds(client) && mine.holds(target);
    (apart && !target.is_loopback()).then_some((client, target))
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (client, target) = client_and_target(scene)?;
    let kind = refused(scene, &RouteKey { to: client, from: Some(target), input: None, mark: 0 })?;
    let by = deciding(scene, client, Some(target), kind)?;
    let ip = ip(client);
    let summary = match by {
        Decides::Rule(rule) => format!("answers to {client} are not sent: rule {}", rule.words()),
        Decides::Route(route) => format!("answers to {client} are not sent: route {}", route.words()),
        Decides::Nothing(_) | Decides::Unclear => format!("answers to {client} have no route"),
    };
    let answer = match kind {
        RouteKind::Prohibit => "Permission denied",
        RouteKind::Blackhole => "Invalid argument",
        RouteKind::Unreachable => "No route to host",
        RouteKind::NoRoute
        | RouteKind::Unicast
        | RouteKind::Local
        | RouteKind::Broadcast
        | RouteKind::Multicast
        | RouteKind::Martian => "Network is unreachable",
    };
    let says = format!("the kernel's answer to a lookup of {client} from {target}: {answer}");
    let see = format!("{ip} route get {client} from {target}");
    let found = told(Found::new(client.to_string(), summary).seen(Evidence::new("rtnetlink", says, see)), by, client);
    if let Decides::Rule(_) | Decides::Route(_) = by {
        return Some(found);
    }
    let (run, undo) = (format!("{ip} route add {client} via GATEWAY"), format!("{ip} route del {client} via GATEWAY"));
    Some(found.advise(Advice::new("add a route to the client or its network, or a default route", run, Some(&undo))))
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::{looked_up, refusing, routing, there};
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::route::RouteKind;
    use crate::facts::routing::RuleAction;
    use crate::target::From;

    const ID: &str = "path-return-route";

    fn asked_by(from: From, kind: RouteKind, action: Option<RuleAction>) -> Host {
        let open = Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ()).from(from);
        let host = looked_up(open, there(), Some(OUTSIDE), refusing(kind));
        host.facts(|f| f.routing = routing(action, &[]))
    }

    #[test]
    fn a_client_that_no_route_leads_back_to_gets_no_answer() {
        let told = assert_culprit(&asked_by(From::Address(there()), RouteKind::NoRoute, None).case(), ID);
        assert_eq!(told.outcome, Some(Outcome::Timeout));
        assert_eq!(told.culprit().unwrap().advice[0].run, "ip route add 203.0.113.9 via GATEWAY");
    }

    #[test]
    fn a_rule_that_forbids_the_way_back() {
        let host = asked_by(From::Address(there()), RouteKind::Prohibit, Some(RuleAction::Prohibit));
        let told = assert_culprit(&host.case(), ID);
        assert!(told.culprit().unwrap().advice[0].run.starts_with("ip rule del priority 90"), "{told:#?}");
    }

    #[test]
    fn other_clients_are_not_concerned() {
        assert_not_found(&asked_by(From::Unsaid, RouteKind::NoRoute, None).case(), ID);
        assert_not_found(&asked_by(From::Address(there()), RouteKind::Unicast, None).case(), ID);
    }
}
