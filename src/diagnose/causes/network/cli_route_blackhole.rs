//! A route or a routing rule of this host swallows what goes to the target.

use super::super::{Cause, Found, Words};
use super::nowhere::nowhere;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::facts::connect::Outcome;
use crate::facts::route::RouteKind;

pub(crate) static CAUSE: Cause = Cause {
    id: "cli-route-blackhole",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Unreachable],
    words: Words {
        title: "This host's own routing swallows what goes to the target",
        what: "Somebody set a route or a rule of type blackhole. Nothing is sent; connecting fails at once with \
               \"Invalid argument\", which hides that routing is to blame.",
        see: "ip route get ADDRESS\nip rule\nip route show table all type blackhole",
        fix: "delete the route or the rule, or put a more specific route before it",
        undo: "add it again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let nowhere = nowhere(scene).filter(|nowhere| nowhere.kind == RouteKind::Blackhole)?;
    Some(nowhere.found("Invalid argument (EINVAL)"))
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::refused_here;
    use crate::diagnose::causes::testing::{assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::route::RouteKind;

    const ID: &str = "cli-route-blackhole";

    #[test]
    fn a_route_that_swallows() {
        let routes = [("203.0.113.9/32", RouteKind::Blackhole)];
        let told =
            assert_culprit(&refused_here(Outcome::Unreachable, RouteKind::Blackhole, (None, &routes)).case(), ID);
        assert_eq!(told.culprit().unwrap().subject, "blackhole 203.0.113.9/32");
    }

    #[test]
    fn a_route_to_somewhere_else_does_not() {
        let routes = [("198.51.100.0/24", RouteKind::Blackhole)];
        assert_not_found(&refused_here(Outcome::Unreachable, RouteKind::NoRoute, (None, &routes)).case(), ID);
    }
}
