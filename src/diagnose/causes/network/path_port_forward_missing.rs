//! The router that holds the public address has no forward for the port: it answers itself.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::diagnose::whence::{self, Whence};
use crate::facts::connect::Outcome;
use crate::facts::route::RouteKey;

pub(crate) static CAUSE: Cause = Cause {
    id: "path-port-forward-missing",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The router that has the public address does not forward the port",
        what: "The name or address leads to the router of the network, which has the public address. Without a port forward \
               (or without one that also counts from inside, hairpin NAT) the router answers itself, and nothing of it \
               listens there. From inside this is seen where the answer comes from the gateway; from the Internet the \
               router cannot be told from the server.",
        see: "traceroute -n -T -p PORT ADDRESS   # one hop: the gateway\ntcpdump -n port PORT   # on the server: nothing",
        fix: "forward the port on the router to the server; from inside use the server's own address",
        undo: "take the forward out again",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if scene.outcome()? != Outcome::Refused || whence::reset(scene.look, scene.subject)? != Whence::FirstHop {
        return None;
    }
    // A rule of this host's own that resets looks the same.
    let to = whence::path(scene.look, scene.subject)?.to;
    if !whence::is_public(to) || !scene.reaches(scene.subject.transport, to)? {
        return None;
    }
    let key = RouteKey { to: to.ip(), from: None, input: None, mark: 0 };
    let gateway = scene.look.route(&key)?.gateway?;
    let says = format!("the RST comes with TTL 1: the gateway {gateway} makes it, as the holder of {}", to.ip());
    let see = format!("traceroute -n -T -p {} {}", to.port(), to.ip());
    let does =
        format!("on {gateway}: forward port {} to the server; from inside use the server's own address", to.port());
    let summary = format!("{} is the gateway {gateway} itself, which does not forward port {}", to.ip(), to.port());
    Some(Found::new(gateway.to_string(), summary).seen(Evidence::new("path", says, see)).advise(Advice::new(
        does,
        format!("nft list ruleset | grep {}    # a dnat rule", to.port()),
        None,
    )))
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::{path_to_there, to_there};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::connect::Outcome;
    use crate::facts::path::{Control, EndAnswer};

    const ID: &str = "path-port-forward-missing";

    fn reset(distance: u8, control: Control) -> Host {
        path_to_there(to_there(Outcome::Refused, None), Some((distance, EndAnswer::Reset)), Some(control))
    }

    #[test]
    fn the_gateway_answers_for_a_public_address() {
        let told = assert_culprit(&reset(1, Control::Target).case(), ID);
        assert_eq!(told.culprit().unwrap().subject, "10.2.0.1");
        assert_culprit(&reset(1, Control::Silent).case(), ID);
    }

    #[test]
    fn a_router_that_only_passes_it_on_or_a_host_behind() {
        assert_not_found(&reset(1, Control::Beyond("10.2.0.1".parse().unwrap())).case(), ID);
        assert_not_found(&reset(2, Control::Target).case(), ID);
    }
}
