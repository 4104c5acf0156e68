//! Something between here and the target refuses.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-upstream",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Refused, Outcome::Unreachable, Outcome::Denied],
    words: Words {
        title: "A firewall on the way refuses",
        what: "The error that came back was made neither by the target nor by this host: a router or \
               firewall on the path rejects the connection. Only whoever runs it can change that.",
        see: "traceroute -T -p PORT HOST",
        fix: "ask whoever runs that router to let the connection through, or go another way",
        undo: "nothing to take back",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if scene.subject.local != Some(false) {
        return None;
    }
    let dial = scene.look.dialled(&scene.subject.endpoint()?)?;
    let (icmp, to) = (dial.icmp.as_ref()?, scene.subject.address()?);
    let from = icmp.from.filter(|from| *from != to && scene.look.addresses().is_some_and(|mine| !mine.holds(*from)))?;
    // Missing routes and dead neighbours are told by the same routers in other words.
    let by_rule = matches!(icmp.name(), "port-unreachable" | "net-prohibited" | "host-prohibited" | "admin-prohibited");
    if !by_rule {
        return None;
    }
    let says = format!("ICMP {} came from {from}, which is neither {to} nor this host", icmp.name());
    let see = format!("traceroute -n -T -p {} {to}", scene.subject.port?);
    Some(
        Found::new(from.to_string(), format!("{from}, on the way to {to}, refuses"))
            .seen(Evidence::new("dial", says, see)),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::{Icmp, Outcome};

    fn host(from: &str, code: u8) -> Host {
        let there = "192.0.2.7".parse().unwrap();
        Host::with_outcome(80, Outcome::Open).target("192.0.2.7:80").dial(there, Outcome::Unreachable).facts(|f| {
            let dial = f.dials.values_mut().find(|d| d.value().is_some_and(|d| d.to.ip() == Some(there))).unwrap();
            let mut made = dial.value().cloned().unwrap();
            made.icmp = Some(Icmp { v6: false, kind: 3, code, from: Some(from.parse().unwrap()) });
            *dial = Reading::known(made);
        })
    }

    #[test]
    fn a_router_on_the_way_refuses() {
        let told = assert_culprit(&host("198.51.100.1", 13).case(), "fw-upstream");
        assert_eq!(told.culprit().unwrap().subject, "198.51.100.1");
    }

    #[test]
    fn the_target_itself_or_a_missing_route_is_not_upstream() {
        assert_not_found(&host("192.0.2.7", 13).case(), "fw-upstream");
        assert_not_found(&host("198.51.100.1", 1).case(), "fw-upstream");
    }
}
