//! What this host's own routing does not let go anywhere, and the rule or route that says so.

use std::net::IpAddr;

use super::super::Found;
use crate::diagnose::Scene;
use crate::diagnose::routing::{Decides, Sent, decides};
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::route::{RouteKey, RouteKind};
use crate::facts::routing::{RefusingRoute, RoutingRule};

/// What this host sends to the target and its own routing refuses.
#[derive(Debug)]
pub(super) struct Nowhere<'a> {
    /// Where it should go.
    pub(super) to: IpAddr,
    /// What the kernel says of the way.
    pub(super) kind: RouteKind,
    /// What decides that.
    pub(super) by: Decides<'a>,
}

/// The way to a target elsewhere, if the kernel says that there is none.
pub(super) fn nowhere<'a>(scene: &Scene<'a, '_>) -> Option<Nowhere<'a>> {
    let subject = scene.subject;
    if subject.local != Some(false) || !matches!(scene.outcome()?, Outcome::Unreachable | Outcome::Denied) {
        return None;
    }
    // Whoever answers with an ICMP error got the packet.
    if scene.look.dialled(&subject.endpoint()?)?.icmp.is_some() {
        return None;
    }
    let to = subject.address()?.to_canonical();
    let kind = refused(scene, &RouteKey { to, from: None, input: None, mark: 0 })?;
    let by = deciding(scene, to, None, kind)?;
    Some(Nowhere { to, kind, by })
}

/// What the kernel says of a way that leads nowhere; none where it leads somewhere or is not known (yet).
pub(super) fn refused(scene: &Scene<'_, '_>, key: &RouteKey) -> Option<RouteKind> {
    let kind = scene.look.route(key)?.kind;
    let nowhere =
        matches!(kind, RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Blackhole | RouteKind::NoRoute);
    nowhere.then_some(kind)
}

/// The rule or route that decides about what is sent from this address.
pub(super) fn deciding<'a>(
    scene: &Scene<'a, '_>,
    to: IpAddr,
    from: Option<IpAddr>,
    kind: RouteKind,
) -> Option<Decides<'a>> {
    let routing = scene.look.routing()?;
    let (subject, user) = (scene.subject, scene.look.host().map(|host| host.uid));
    // The port is that of the way there; what goes back goes to any.
    let port = subject.port.filter(|_| from.is_none());
    Some(decides(routing, &Sent { to, from, user, transport: subject.transport, port }, kind))
}

/// `ip` or `ip -6`.
pub(super) fn ip(to: IpAddr) -> &'static str {
    if to.is_ipv4() { "ip" } else { "ip -6" }
}

impl Nowhere<'_> {
    /// A finding: what the kernel says, what decides it, and how that is taken away.
    pub(super) fn found(&self, errno: &str) -> Found {
        let (to, ip) = (self.to, ip(self.to));
        let what = match self.by {
            Decides::Rule(rule) => format!("a routing rule refuses what goes to {to}: {}", rule.words()),
            Decides::Route(route) => format!("a route refuses what goes to {to}: {}", route.words()),
            Decides::Nothing(_) | Decides::Unclear => format!("this host's routing refuses what goes to {to}"),
        };
        let says = format!("the kernel's answer to a lookup of {to}: {errno}");
        let found =
            Found::new(self.subject(), what).seen(Evidence::new("rtnetlink", says, format!("{ip} route get {to}")));
        told(found, self.by, to)
    }

    fn subject(&self) -> String {
        match self.by {
            Decides::Rule(rule) => rule.words(),
            Decides::Route(route) => route.words(),
            Decides::Nothing(_) | Decides::Unclear => self.to.to_string(),
        }
    }
}

/// Adds what decides, and how it is taken away.
pub(super) fn told(found: Found, by: Decides<'_>, to: IpAddr) -> Found {
    match by {
        Decides::Rule(rule) => without_rule(found, rule, to),
        Decides::Route(route) => without_route(found, route, to),
        Decides::Nothing(None) => found,
        Decides::Nothing(Some(thrown)) => {
            let says = format!("a route sends the lookup on to the next table: {}", thrown.words());
            found.seen(Evidence::new("rtnetlink", says, format!("{} route show table all type throw", ip(to))))
        }
        Decides::Unclear => found.seen(Evidence::new(
            "rtnetlink",
            "which rule or route decides that cannot be told",
            format!("{ip} rule; {ip} route show table all", ip = ip(to)),
        )),
    }
}

fn without_rule(found: Found, rule: &RoutingRule, to: IpAddr) -> Found {
    let (ip, words) = (ip(to), rule.words());
    let does = "delete the rule, if nobody needs it";
    let (run, undo) = (format!("{ip} rule del {words}"), format!("{ip} rule add {words}"));
    found
        .seen(Evidence::new(
            "rtnetlink",
            format!("rule: {words}"),
            format!("{ip} rule show priority {}", rule.priority),
        ))
        .advise(Advice::new(does, run, Some(&undo)))
}

fn without_route(found: Found, route: &RefusingRoute, to: IpAddr) -> Found {
    let (ip, words) = (ip(to), route.words());
    let does = "delete the route, if nobody needs it";
    let (run, undo) = (format!("{ip} route del {words}"), format!("{ip} route add {words}"));
    let see = format!("{ip} route show table {} type {}", route.table, route.word());
    found.seen(Evidence::new("rtnetlink", format!("route: {words}"), see)).advise(Advice::new(does, run, Some(&undo)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    use crate::diagnose::causes::testing::Host;
    use crate::facts::Reading;
    use crate::facts::connect::{Endpoint, Icmp, Outcome};
    use crate::facts::path::{Control, End, EndAnswer, Hop, Path};
    use crate::facts::route::{Route, RouteKey, RouteKind};
    use crate::facts::routing::{RefusingRoute, Routing, RoutingRule, RuleAction};

    pub(in super::super) const THERE: &str = "203.0.113.9";

    pub(in super::super) fn there() -> IpAddr {
        THERE.parse().unwrap()
    }

    /// A host that wants to 203.0.113.9:80 and gets this.
    pub(in super::super) fn to_there(outcome: Outcome, icmp: Option<(u8, &str, u64)>) -> Host {
        Host::with_outcome(80, Outcome::Open).target("203.0.113.9:80").dial(there(), outcome).facts(|f| {
            let at = Endpoint::Tcp(SocketAddr::new(there(), 80));
            let mut dial = f.dials[&at].value().cloned().unwrap();
            if let Some((code, from, after)) = icmp {
                dial.icmp = Some(Icmp { v6: false, kind: 3, code, from: Some(from.parse().unwrap()) });
                dial.after = Duration::from_millis(after);
            }
            f.dials.insert(at, Reading::known(dial));
        })
    }

    /// The kernel's answer to a lookup.
    pub(in super::super) fn looked_up(host: Host, to: IpAddr, from: Option<IpAddr>, route: Route) -> Host {
        host.facts(|f| drop(f.routes.insert(RouteKey { to, from, input: None, mark: 0 }, Reading::known(route))))
    }

    /// Over hops 198.51.100.1, .2 and so on, to an answer or into silence.
    pub(in super::super) fn path_to_there(host: Host, end: Option<(u8, EndAnswer)>, control: Option<Control>) -> Host {
        let to = SocketAddr::new(there(), 80);
        let last = end.as_ref().map_or(4, |(distance, _)| *distance);
        let hop = |distance| Hop { distance, from: Some([198, 51, 100, distance].into()), after: None };
        let end = end.map(|(distance, answer)| End { distance, answer, after: Duration::from_millis(1) });
        let path = Path { to, hops: (1..last).map(hop).collect(), end, control, probes: 4 };
        host.facts(|f| drop(f.paths.insert(Endpoint::Tcp(to), Reading::known(path))))
    }

    pub(in super::super) fn refusing(kind: RouteKind) -> Route {
        Route { kind, interface: None, gateway: None, source: None, table: 0 }
    }

    /// The usual three rules, one more before them, and these routes.
    pub(in super::super) fn routing(action: Option<RuleAction>, routes: &[(&str, RouteKind)]) -> Reading<Routing> {
        let rule = |priority, action, to: Option<&str>| RoutingRule {
            to: to.map(|to| to.parse().unwrap()),
            ..RoutingRule::new(priority, action)
        };
        let own = action.map(|action| rule(90, action, Some("203.0.113.0/24")));
        let usual = [(0, 255), (32766, 254), (32767, 253)].map(|(p, table)| rule(p, RuleAction::Table(table), None));
        let mut rules: Vec<RoutingRule> = own.into_iter().chain(usual).collect();
        rules.sort_by_key(|rule| rule.priority);
        let refusing = routes.iter().map(|(to, kind)| RefusingRoute {
            to: to.parse().unwrap(),
            kind: *kind,
            table: 254,
            metric: 0,
        });
        Reading::known(Routing { rules, refusing: refusing.collect(), partial: false })
    }

    /// A host whose own routing refuses what it sends to 203.0.113.9.
    pub(in super::super) fn refused_here(
        outcome: Outcome,
        kind: RouteKind,
        (action, routes): (Option<RuleAction>, &[(&str, RouteKind)]),
    ) -> Host {
        let host = looked_up(to_there(outcome, None), there(), None, refusing(kind));
        host.facts(|f| f.routing = routing(action, routes))
    }
}
