//! A box between here and the target resets the connection in its name.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::diagnose::whence::{self, Whence};
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "path-middlebox-reset",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "A box on the way resets the connection in the target's name",
        what: "A firewall, a proxy or a router between here and the target answers the connection with a reset, so it \
               looks as if the target refused it. The target never sees it. The reset is made nearer than the target is: \
               packets with a TTL that does not reach the target get it.",
        see: "traceroute -n -T -p PORT HOST   # the RST comes from a hop that UDP passes\ntcpdump -n port PORT   # on the target: \
              nothing",
        fix: "ask whoever runs that box to let the connection through, or go another way",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if scene.outcome()? != Outcome::Refused {
        return None;
    }
    let Whence::Between(before, router) = whence::reset(scene.look, scene.subject)? else { return None };
    let path = whence::path(scene.look, scene.subject)?;
    let (to, distance) = (path.to, path.end.as_ref()?.distance);
    let suspects = match before {
        Some(before) => format!("{before}, or a box between it and {router}"),
        None => format!("a box before {router}"),
    };
    let says = format!("the RST already comes with TTL {distance}");
    let farther = format!("a datagram with TTL {distance} ends at the router {router}: {} is farther away", to.ip());
    let see = format!("traceroute -n -T -p {} {}; traceroute -n {}", to.port(), to.ip(), to.ip());
    let does = format!("ask whoever runs it ({suspects}) which rule resets connections to {to}");
    Some(
        Found::new(
            before.unwrap_or(router).to_string(),
            format!("the reset is made on the way to {to}: by {suspects}"),
        )
        .seen(Evidence::new("path", says, see.clone()))
        .seen(Evidence::new("path", farther, see))
        .advise(Advice::new(does, format!("traceroute -n -T -p {} {}", to.port(), to.ip()), None)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::{path_to_there, to_there};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::path::{Control, EndAnswer};

    const ID: &str = "path-middlebox-reset";

    fn reset(distance: u8, control: Control) -> Host {
        path_to_there(to_there(Outcome::Refused, None), Some((distance, EndAnswer::Reset)), Some(control))
    }

    #[test]
    fn a_reset_where_a_router_is() {
        let host = reset(3, Control::Beyond("198.51.100.3".parse().unwrap()));
        let told = assert_culprit(&host.case(), ID);
        let found = told.culprit().unwrap();
        assert_eq!(found.subject, "198.51.100.2", "the last router before the answer");
        let who = told.symptoms[0].answered_by.as_deref().unwrap();
        assert!(who.starts_with("RST made nearer than 203.0.113.9:80: at distance 3"), "{who}");
    }

    #[test]
    fn the_target_itself_or_what_looks_like_it() {
        assert_not_found(&reset(3, Control::Target).case(), ID);
        assert_not_found(&reset(3, Control::Silent).case(), ID);
    }
}
