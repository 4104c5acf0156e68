//! A route or a routing rule of this host says that the target cannot be reached.

use super::super::{Cause, Found, Words};
use super::nowhere::nowhere;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::routing::Decides;
use crate::facts::connect::Outcome;
use crate::facts::route::RouteKind;
use crate::facts::routing::RuleAction;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-route-unreachable",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Unreachable],
    words: Words {
        title: "This host's own routing says the target is unreachable",
        what: "Somebody set a route or a rule of type unreachable: a blocklist, a VPN that must not leak, a leftover of \
               a test. Nothing is sent; connecting fails at once with \"No route to host\" (a route) or \"Network is \
               unreachable\" (a rule).",
        see: "ip route get ADDRESS\nip rule\nip route show table all type unreachable",
        fix: "delete the route or the rule, or put a more specific route before it",
        undo: "add it again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let nowhere = nowhere(scene)?;
    match (nowhere.kind, nowhere.by) {
        (RouteKind::Unreachable, _) => Some(nowhere.found("No route to host (EHOSTUNREACH)")),
        (_, Decides::Rule(rule)) if rule.action == RuleAction::Unreachable => {
            Some(nowhere.found("Network is unreachable (ENETUNREACH)"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::refused_here;
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::route::RouteKind;
    use crate::facts::routing::RuleAction;

    const ID: &str = "cli-route-unreachable";

    #[test]
    fn a_route_that_says_so() {
        let routes = [("203.0.113.0/24", RouteKind::Unreachable)];
        let told =
            assert_culprit(&refused_here(Outcome::Unreachable, RouteKind::Unreachable, (None, &routes)).case(), ID);
        let found = told.culprit().unwrap();
        assert_eq!(found.advice[0].run, "ip route del unreachable 203.0.113.0/24");
        assert_eq!(found.advice[0].undo.as_deref(), Some("ip route add unreachable 203.0.113.0/24"));
    }

    #[test]
    fn a_rule_that_says_so_looks_like_a_missing_route() {
        let by = (Some(RuleAction::Unreachable), &[][..]);
        let told = assert_culprit(&refused_here(Outcome::Unreachable, RouteKind::NoRoute, by).case(), ID);
        let run = "ip rule del priority 90 from all to 203.0.113.0/24 unreachable";
        assert_eq!(told.culprit().unwrap().advice[0].run, run);
    }

    #[test]
    fn a_missing_route_is_none() {
        assert_not_found(&refused_here(Outcome::Unreachable, RouteKind::NoRoute, (None, &[])).case(), ID);
    }
}
