//! A route or a routing rule of this host forbids the target.

use super::super::{Cause, Found, Words};
use super::nowhere::nowhere;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::route::RouteKind;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-route-prohibit",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Denied],
    words: Words {
        title: "This host's own routing forbids the target",
        what: "Somebody set a route or a rule of type prohibit. Nothing is sent; connecting fails at once with \
               \"Permission denied\", which is easily mistaken for a matter of rights or of a packet filter.",
        see: "ip route get ADDRESS\nip rule\nip route show table all type prohibit",
        fix: "delete the route or the rule, or put a more specific route before it",
        undo: "add it again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let nowhere = nowhere(scene).filter(|nowhere| nowhere.kind == RouteKind::Prohibit)?;
    Some(nowhere.found("Permission denied (EACCES)"))
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::refused_here;
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::route::RouteKind;
    use crate::facts::routing::RuleAction;

    const ID: &str = "cli-route-prohibit";

    #[test]
    fn a_rule_or_a_route_that_forbids() {
        let rule = (Some(RuleAction::Prohibit), &[][..]);
        let told = assert_culprit(&refused_here(Outcome::Denied, RouteKind::Prohibit, rule).case(), ID);
        assert!(told.culprit().unwrap().subject.ends_with("to 203.0.113.0/24 prohibit"), "{told:#?}");
        let routes = [("0.0.0.0/0", RouteKind::Prohibit)];
        assert_culprit(&refused_here(Outcome::Denied, RouteKind::Prohibit, (None, &routes)).case(), ID);
    }

    #[test]
    fn what_was_denied_by_something_else() {
        assert_not_found(&refused_here(Outcome::Denied, RouteKind::Unicast, (None, &[])).case(), ID);
    }
}
