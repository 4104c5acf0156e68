//! Nobody knows the way to the target: this host, or a router, has no route.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use super::nowhere::{ip, nowhere, told};
use super::path_host_down::{PATIENCE, from_elsewhere};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::routing::Decides;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::facts::connect::Outcome;
use crate::facts::route::RouteKind;

pub(crate) static CAUSE: Cause = Cause {
    id: "path-no-route",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Unreachable],
    words: Words {
        title: "There is no route to the target",
        what: "Neither a route to the target's network nor a default route exists on this host, so connecting fails at \
               once with \"Network is unreachable\"; or a router on the way has none and says so. Usual reasons: an \
               interface or a VPN that is down, DHCP that gave no gateway, a wrong netmask.",
        see: "ip route get ADDRESS\nip route show default\nip -6 route show default",
        fix: "bring the interface or the VPN up, or add a route: ip route add NETWORK via GATEWAY",
        undo: "ip route del NETWORK via GATEWAY",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let Some(nowhere) = nowhere(scene) else { return at_a_router(scene) };
    let (RouteKind::NoRoute, by @ Decides::Nothing(thrown)) = (nowhere.kind, nowhere.by) else { return None };
    let (to, ip) = (nowhere.to, ip(nowhere.to));
    let no_default = without_default(scene, to);
    let summary = match (thrown, no_default) {
        (Some(_), _) => format!("no route leads to {to}: a throw route takes it out of its table"),
        (None, Some(true)) => format!("no route leads to {to}, and there is no default route"),
        (None, _) => format!("no route leads to {to}"),
    };
    let says = "the kernel's answer to a lookup: Network is unreachable (ENETUNREACH)";
    let found =
        Found::new(to.to_string(), summary).seen(Evidence::new("rtnetlink", says, format!("{ip} route get {to}")));
    let found = told(found, by, to);
    if let Some(thrown) = thrown {
        let (run, undo) = (format!("{ip} route del {}", thrown.words()), format!("{ip} route add {}", thrown.words()));
        return Some(found.advise(Advice::new("delete the throw route, if nobody needs it", run, Some(&undo))));
    }
    let net = if no_default == Some(true) { "default".to_owned() } else { to.to_string() };
    let (run, undo) = (format!("{ip} route add {net} via GATEWAY"), format!("{ip} route del {net} via GATEWAY"));
    Some(found.advise(Advice::new("bring up the interface or VPN that leads there, or add a route", run, Some(&undo))))
}

/// There is no default route of the family. None: not known.
fn without_default(scene: &Scene<'_, '_>, to: IpAddr) -> Option<bool> {
    // The interface of the default route is told for IPv4 only.
    let addresses = scene.look.addresses().filter(|_| to.is_ipv4())?;
    Some(addresses.default_interface.is_none())
}

/// A router says that it has no route; or, at once, that it cannot reach the target.
fn at_a_router(scene: &Scene<'_, '_>) -> Option<Found> {
    let (router, icmp, dial) = from_elsewhere(scene)?;
    let to = scene.subject.address()?;
    let no_route = icmp.name().starts_with("no-route");
    let at_once =
        matches!(icmp.name(), "host-unreachable" | "addr-unreachable" | "reject-route") && dial.after < PATIENCE;
    if !no_route && !at_once {
        return None;
    }
    let what = if no_route { "has no route to" } else { "refuses to go to, as by a route of type unreachable," };
    let says = format!("ICMP {} from {router}, after {} ms", icmp.name(), dial.after.as_millis());
    let see = format!("traceroute -n -T -p {} {to}", scene.subject.port?);
    Some(
        Found::new(router.to_string(), format!("the router {router} {what} {to}"))
            .seen(Evidence::new("dial", says, see))
            .advise(Advice::new(
                "on that router: look which route or rule decides",
                format!("ip route get {to}"),
                None,
            )),
    )
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::{refused_here, to_there};
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::route::RouteKind;

    const ID: &str = "path-no-route";

    fn without_default(host: Host) -> Host {
        host.facts(|f| {
            let mut addresses = f.addresses.value().cloned().unwrap();
            addresses.default_interface = None;
            f.addresses = Reading::known(addresses);
        })
    }

    #[test]
    fn without_a_default_route_the_rest_of_the_world_is_far() {
        let host = without_default(refused_here(Outcome::Unreachable, RouteKind::NoRoute, (None, &[])));
        let told = assert_culprit(&host.case(), ID);
        let found = told.culprit().unwrap();
        assert_eq!(found.summary, "no route leads to 203.0.113.9, and there is no default route");
        assert_eq!(found.advice[0].run, "ip route add default via GATEWAY");
    }

    #[test]
    fn a_throw_route_is_named() {
        let routes = [("203.0.113.0/24", RouteKind::NoRoute)];
        let told = assert_culprit(&refused_here(Outcome::Unreachable, RouteKind::NoRoute, (None, &routes)).case(), ID);
        assert_eq!(told.culprit().unwrap().advice[0].run, "ip route del throw 203.0.113.0/24");
    }

    #[test]
    fn a_router_without_a_route_says_so() {
        let told = assert_culprit(&to_there(Outcome::Unreachable, Some((0, "10.2.0.1", 1))).case(), ID);
        assert_eq!(told.culprit().unwrap().subject, "10.2.0.1");
        assert_culprit(&to_there(Outcome::Unreachable, Some((1, "10.2.0.1", 1))).case(), ID);
        assert_not_found(&to_there(Outcome::Unreachable, Some((1, "10.2.0.1", 3080))).case(), ID);
        assert_not_found(&to_there(Outcome::Unreachable, Some((0, "203.0.113.9", 1))).case(), ID);
    }
}
