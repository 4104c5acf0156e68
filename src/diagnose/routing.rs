//! Which policy rule or route decides that a packet goes nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::route::RouteKind;
use crate::facts::routing::{RefusingRoute, Routing, RoutingRule, RuleAction};
use crate::facts::socket::Transport;

/// A packet that this host sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    /// Where to.
    pub(super) to: IpAddr,
    /// Its source, where that is chosen already.
    pub(super) from: Option<IpAddr>,
    /// Whose socket sends it.
    pub(super) user: Option<u32>,
    /// TCP or UDP.
    pub(super) transport: Transport,
    /// Destination port, where it has one of interest.
    pub(super) port: Option<u16>,
}

/// What decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decides<'a> {
    /// This rule refuses.
    Rule(&'a RoutingRule),
    /// This route refuses.
    Route(&'a RefusingRoute),
    /// No rule and no route is for it, at most one that says "look elsewhere".
    Nothing(Option<&'a RefusingRoute>),
    /// A rule has conditions that cannot be weighed, or not all was read.
    Unclear,
}

/// Rules are followed by number; a goto leads forwards, so there is an end.
const MOST_STEPS: usize = 10_000;

/// Follows the rules for a packet of which the kernel says that it goes nowhere, as `kind` says. No table that is looked
/// into holds a route that leads somewhere: the kernel would have taken it.
pub(super) fn decides<'a>(routing: &'a Routing, sent: &Sent, kind: RouteKind) -> Decides<'a> {
    let rules: Vec<&RoutingRule> = routing.rules.iter().filter(|rule| rule.v6 == sent.to.is_ipv6()).collect();
    let (mut at, mut elsewhere) = (0, None);
    for _ in 0..MOST_STEPS {
        let Some(rule) = rules.get(at).copied() else { break };
        at += 1;
        match is_for(rule, sent) {
            Some(true) => {}
            Some(false) => continue,
            None if rule.action == RuleAction::Nop => continue,
            None => return Decides::Unclear,
        }
        match rule.action {
            RuleAction::Nop => {}
            RuleAction::Goto(priority) => {
                at = rules.iter().position(|r| r.priority >= priority).unwrap_or(rules.len()).max(at);
            }
            RuleAction::Table(table) => match best(routing, sent.to, table) {
                Some(route) if route.kind == RouteKind::NoRoute => elsewhere = Some(route),
                Some(route) => return if route.kind == kind { Decides::Route(route) } else { Decides::Unclear },
                None => {}
            },
            RuleAction::Unreachable | RuleAction::Prohibit | RuleAction::Blackhole => {
                return if told_as(rule.action) == kind { Decides::Rule(rule) } else { Decides::Unclear };
            }
        }
    }
    if kind == RouteKind::NoRoute && !routing.partial { Decides::Nothing(elsewhere) } else { Decides::Unclear }
}

/// What the kernel says of a packet that a rule refuses: of `unreachable` the same as where there is no route.
fn told_as(action: RuleAction) -> RouteKind {
    match action {
        RuleAction::Prohibit => RouteKind::Prohibit,
        RuleAction::Blackhole => RouteKind::Blackhole,
        RuleAction::Unreachable | RuleAction::Table(_) | RuleAction::Goto(_) | RuleAction::Nop => RouteKind::NoRoute,
    }
}

/// The refusing route of a table that is the most specific.
fn best(routing: &Routing, to: IpAddr, table: u32) -> Option<&RefusingRoute> {
    let fit = routing.refusing.iter().filter(|route| route.table == table && route.to.holds(to));
    fit.min_by_key(|route| (std::cmp::Reverse(route.to.bits), route.metric))
}

/// Is a rule for this packet? None: that cannot be told.
fn is_for(rule: &RoutingRule, sent: &Sent) -> Option<bool> {
    let within = |(low, high): (u32, u32), value: u32| (low..=high).contains(&value);
    // Until it is chosen the source is none, which no rule about a network is for.
    let nobody = if sent.to.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let number = match sent.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    };
    let conditions = [
        rule.to.map(|to| Some(to.holds(sent.to))),
        rule.from.map(|from| Some(from.holds(sent.from.unwrap_or(nobody)))),
        rule.mark.map(|(value, _)| Some(value == 0)),
        // What this host itself sends counts as coming in by lo.
        rule.input.as_deref().map(|name| Some(name == "lo")),
        rule.output.as_ref().map(|_| Some(false)),
        rule.users.map(|users| sent.user.map(|user| within(users, user))),
        rule.protocol.map(|protocol| Some(protocol == number)),
        rule.ports.map(|(low, high)| sent.port.map(|port| (low..=high).contains(&port))),
        rule.vrf.then_some(Some(false)),
        rule.other.then_some(None),
    ];
    let mut all = conditions.into_iter().flatten();
    let fits = if all.clone().any(|fits| fits == Some(false)) {
        Some(false)
    } else if all.any(|fits| fits.is_none()) {
        None
    } else {
        Some(true)
    };
    fits.map(|fits| fits != rule.not)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "203.0.113.9";

    fn rule(priority: u32, action: RuleAction) -> RoutingRule {
        RoutingRule::new(priority, action)
    }

    fn route(to: &str, kind: RouteKind, table: u32) -> RefusingRoute {
        RefusingRoute { to: to.parse().unwrap(), kind, table, metric: 0 }
    }

    fn usual(mut first: Vec<RoutingRule>, refusing: Vec<RefusingRoute>) -> Routing {
        first.extend([255, 254, 253].into_iter().zip([0, 32766, 32767]).map(|(t, p)| rule(p, RuleAction::Table(t))));
        first.sort_by_key(|rule| rule.priority);
        Routing { rules: first, refusing, partial: false }
    }

    fn sent() -> Sent {
        Sent { to: TO.parse().unwrap(), from: None, user: Some(0), transport: Transport::Tcp, port: Some(80) }
    }

    #[test]
    fn the_most_specific_route_of_the_first_table_decides() {
        let routes = vec![
            route("203.0.0.0/8", RouteKind::Unreachable, 254),
            route("203.0.113.0/24", RouteKind::Prohibit, 254),
            route("198.51.100.0/24", RouteKind::Blackhole, 254),
        ];
        let routing = usual(Vec::new(), routes);
        assert_eq!(decides(&routing, &sent(), RouteKind::Prohibit), Decides::Route(&routing.refusing[1]));
        assert_eq!(decides(&routing, &sent(), RouteKind::Blackhole), Decides::Unclear, "it changed meanwhile");
    }

    #[test]
    fn a_rule_comes_before_the_tables_after_it() {
        let to = RoutingRule { to: Some("203.0.113.0/24".parse().unwrap()), ..rule(90, RuleAction::Unreachable) };
        let other = RoutingRule { to: Some("10.0.0.0/8".parse().unwrap()), ..rule(80, RuleAction::Prohibit) };
        let routing = usual(vec![to, other], Vec::new());
        assert_eq!(decides(&routing, &sent(), RouteKind::NoRoute), Decides::Rule(&routing.rules[2]));
    }

    #[test]
    fn conditions_that_cannot_be_weighed_leave_it_unclear() {
        let routing = usual(vec![RoutingRule { other: true, ..rule(90, RuleAction::Table(7)) }], Vec::new());
        assert_eq!(decides(&routing, &sent(), RouteKind::NoRoute), Decides::Unclear);
        let by_source = RoutingRule { from: Some("10.1.0.0/16".parse().unwrap()), ..rule(90, RuleAction::Prohibit) };
        let routing = usual(vec![by_source, RoutingRule { vrf: true, ..rule(1000, RuleAction::Prohibit) }], Vec::new());
        assert_eq!(decides(&routing, &sent(), RouteKind::NoRoute), Decides::Nothing(None));
        let from = Sent { from: Some("10.1.0.2".parse().unwrap()), ..sent() };
        assert_eq!(decides(&routing, &from, RouteKind::Prohibit), Decides::Rule(&routing.rules[1]));
    }

    #[test]
    fn marks_users_and_inversion() {
        let marked = RoutingRule { mark: Some((1, u32::MAX)), ..rule(10, RuleAction::Prohibit) };
        let others = RoutingRule { users: Some((1000, 2000)), ..rule(20, RuleAction::Prohibit) };
        let not = RoutingRule { not: true, mark: Some((0xca6c, u32::MAX)), ..rule(30, RuleAction::Table(7)) };
        let routing = usual(vec![marked, others, not], vec![route("0.0.0.0/0", RouteKind::Blackhole, 7)]);
        assert_eq!(decides(&routing, &sent(), RouteKind::Blackhole), Decides::Route(&routing.refusing[0]));
    }

    #[test]
    fn a_throw_and_a_goto_lead_on() {
        let thrown = route("203.0.113.0/24", RouteKind::NoRoute, 254);
        let routing = usual(Vec::new(), vec![thrown, route("0.0.0.0/0", RouteKind::Prohibit, 8)]);
        assert_eq!(decides(&routing, &sent(), RouteKind::NoRoute), Decides::Nothing(Some(&routing.refusing[0])));
        let goto = usual(vec![rule(1, RuleAction::Goto(32767)), rule(2, RuleAction::Prohibit)], Vec::new());
        assert_eq!(decides(&goto, &sent(), RouteKind::NoRoute), Decides::Nothing(None));
    }
}
