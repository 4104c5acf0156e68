//! What comes in by one interface and would be answered by another is dropped by reverse path filtering.

use std::net::IpAddr;

use super::super::{Cause, Found, Words};
use super::path_return_route::client_and_target;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::facts::route::{RouteKey, RouteKind};
use crate::fixes::{Plan, sysctl};

pub(crate) static CAUSE: Cause = Cause {
    id: "path-rp-filter",
    in_box: BoxId::Network,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Silent],
    words: Words {
        title: "Reverse path filtering drops the client's packets",
        what: "The client's packets come in by one interface, and the route back to it leads out by another. With \
               rp_filter=1 the kernel drops such packets without a word; the client sees no answer. The larger of \
               net.ipv4.conf.all.rp_filter and the interface's own value counts.",
        see: "ip route get CLIENT from SERVER\nsysctl -a -r 'net.ipv4.conf.*.rp_filter'\n\
              nstat -az TcpExtIPReversePathFilter",
        fix: "let answers leave where the packets come in (a route, a policy rule), or set rp_filter to 2 (loose) on \
              that interface",
        undo: "sysctl -w net.ipv4.conf.IFACE.rp_filter=1",
    },
    detect,
};

/// A setting, a number; what this kernel does not have is 0.
fn value(scene: &Scene<'_, '_>, interface: &str) -> Option<u8> {
    scene.look.sysctl(&path(interface))?.trim().parse().ok()
}

fn path(interface: &str) -> String {
    format!("net/ipv4/conf/{interface}/rp_filter")
}

/// The interface that a client's packets come in by: the one that has the address they are sent to.
fn arrives_by(scene: &Scene<'_, '_>, target: IpAddr) -> Option<String> {
    let mine = scene.look.addresses()?;
    mine.all.iter().find(|a| a.address == target).map(|a| a.interface.clone()).filter(|name| name != "lo")
}

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let (client, target) = client_and_target(scene).filter(|(client, _)| client.is_ipv4())?;
    let input = arrives_by(scene, target)?;
    let back = scene.look.route(&RouteKey { to: client, from: Some(target), input: None, mark: 0 })?;
    let output = back.interface.as_ref().filter(|name| back.kind == RouteKind::Unicast && **name != input)?;
    let way_in = RouteKey { to: target, from: Some(client), input: Some(input.clone()), mark: 0 };
    if scene.look.route(&way_in)?.kind != RouteKind::Martian {
        return None;
    }
    let (all, own) = (value(scene, "all"), value(scene, &input));
    let (all, own) = (all?, own?);
    if all.max(own) != 1 {
        return None;
    }
    let summary = format!(
        "what {client} sends comes in by {input} and is dropped there: answers would leave by {output} (rp_filter=1)"
    );
    let says = format!("{target} is on {input}; the way back to {client} leaves by {output}");
    let settings = format!("net.ipv4.conf.all.rp_filter = {all}, net.ipv4.conf.{input}.rp_filter = {own}");
    let see = format!("sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.{input}.rp_filter");
    let verdict =
        format!("the kernel's answer to a lookup of {target} from {client} by {input}: Invalid cross-device link");
    let loose = |id, title: &str| Plan::new(id, format!("{title} (loose: any route back will do)"));
    let now = loose("rp-filter-loose", &format!("let {input} take what is answered by another interface"));
    let for_good = loose("rp-filter-loose-for-good", &format!("let {input} take it, at every boot too"));
    Some(
        Found::new(input.clone(), summary)
            .seen(Evidence::new("rtnetlink", says, format!("ip route get {client} from {target}")))
            .seen(Evidence::new("rtnetlink", verdict, format!("ip route get {target} from {client} iif {input}")))
            .seen(Evidence::new("procfs", settings, see))
            .fix(sysctl::now(now, &path(&input), "2"))
            .fix(sysctl::for_good(for_good, &path(&input), "2")),
    )
}

#[cfg(test)]
mod tests {
    use super::super::nowhere::tests::{looked_up, refusing, there};
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::route::{Route, RouteKey, RouteKind};
    use crate::target::From;

    const ID: &str = "path-rp-filter";

    fn host(back: &str, all: &str, own: &str) -> Host {
        let open = Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
        let way = Route { interface: Some(back.into()), ..refusing(RouteKind::Unicast) };
        let host = looked_up(open.from(From::Address(there())), there(), Some(OUTSIDE), way);
        let strict = back != "eth0" && (all == "1" || own == "1");
        let kind = if strict { RouteKind::Martian } else { RouteKind::Local };
        let key = RouteKey { to: OUTSIDE, from: Some(there()), input: Some("eth0".into()), mark: 0 };
        host.facts(|f| drop(f.routes.insert(key, Reading::known(refusing(kind)))))
            .sysctl("net/ipv4/conf/all/rp_filter", all)
            .sysctl("net/ipv4/conf/eth0/rp_filter", own)
    }

    #[test]
    fn strict_filtering_of_what_is_answered_elsewhere() {
        for (all, own) in [("1", "0"), ("0", "1")] {
            let told = assert_culprit(&host("eth1", all, own).case(), ID);
            assert_eq!(told.outcome, Some(Outcome::Timeout));
            let plan = told.culprit().unwrap().plans().next().unwrap();
            assert_eq!(plan.commands(), "sysctl -w net.ipv4.conf.eth0.rp_filter=2");
        }
    }

    #[test]
    fn the_same_way_back_or_a_loose_filter_drops_nothing() {
        assert_not_found(&host("eth0", "1", "1").case(), ID);
        assert_not_found(&host("eth1", "0", "0").case(), ID);
    }
}
