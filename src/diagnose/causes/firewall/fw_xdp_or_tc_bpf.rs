//! A program at the interface sees packets before every rule.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Evidence, arg};
use crate::diagnose::ways::{Gets, gets, main_part};
use crate::facts::connect::Outcome;
use crate::firewall::Client;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-xdp-or-tc-bpf",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Silent],
    words: Words {
        title: "A BPF program at the interface refuses",
        what: "XDP programs and the filters of tc see packets as they come in, before every rule of a packet \
               filter, and can drop them without a trace: with XDP not even tcpdump sees them. What such a \
               program does cannot be read from outside.",
        see: "ip -d link show dev IFACE\ntc filter show dev IFACE ingress\nbpftool net",
        fix: "detach it, if it is not needed: ip link set dev IFACE xdp off; tc filter del dev IFACE ingress",
        undo: "attach it again, by the program that did",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if !matches!(scene.outcome()?, Outcome::Timeout | Outcome::Silent) || scene.subject.local != Some(true) {
        return None;
    }
    let ways = scene.ways()?;
    let part = main_part(&ways.asked)?;
    let interface =
        if ways.packet.client == Client::Here { Some("lo".to_owned()) } else { part.sources.interface.clone() };
    let links = scene.look.links()?;
    let link = links.iter().find(|link| interface.as_ref() == Some(&link.name))?;
    let name = arg(&link.name);
    let (what, see) = match (link.xdp, link.tc.is_empty()) {
        (Some(id), _) => {
            (format!("the XDP program {id}"), format!("ip -d link show dev {name}; bpftool prog show id {id}"))
        }
        (None, false) => {
            (format!("a filter of tc ({})", link.tc.join(", ")), format!("tc filter show dev {name} ingress"))
        }
        (None, true) => return None,
    };
    // A rule that drops, or a full queue, is reason enough.
    if !matches!(gets(part, ways.packet.transport), Gets::Through { .. }) || scene.subject.port.is_none() {
        return None;
    }
    let summary = format!("the rules let it in, but {what} on {} sees it first", link.name);
    let says = format!("{what} is attached to {}", link.name);
    Some(Found::new(link.name.clone(), summary).seen(Evidence::new("rtnetlink", says, see)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::route::Link;

    fn host(xdp: Option<u32>) -> Host {
        Host::with_outcome(80, Outcome::Open)
            .target("127.0.0.1:80")
            .dial("127.0.0.1".parse().unwrap(), Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .facts(|f| {
                f.links = Reading::known(vec![Link {
                    index: 1,
                    name: "lo".into(),
                    kind: None,
                    hardware: 772,
                    group: 0,
                    master: None,
                    up: true,
                    xdp,
                    tc: Vec::new(),
                }]);
            })
    }

    #[test]
    fn nothing_answers_and_a_program_is_attached() {
        assert_culprit(&host(Some(7)).case(), "fw-xdp-or-tc-bpf");
        assert_not_found(&host(None).case(), "fw-xdp-or-tc-bpf");
    }
}
