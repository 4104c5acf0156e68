//! A program at the interface sees packets before every rule.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Evidence, arg};
use crate::diagnose::ways::{Gets, Ways, gets, main_part};
use crate::facts::connect::Outcome;
use crate::facts::route::Link;
use crate::firewall::{Client, Fate, program_at};

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
    let ways = scene.ways().filter(|_| scene.subject.local == Some(true))?;
    match ways.packet.client {
        Client::Here => own(scene, ways),
        Client::Any | Client::Address(_) => others(scene, ways),
    }
}

/// This host's own attempt got no answer, and the rules let it in.
fn own(scene: &Scene<'_, '_>, ways: &Ways) -> Option<Found> {
    if !matches!(scene.outcome()?, Outcome::Timeout | Outcome::Silent) {
        return None;
    }
    let link = scene.look.links()?.iter().find(|link| link.name == "lo")?;
    let (what, evidence) = attached(link)?;
    // A rule that drops, or a full queue, is reason enough.
    if !matches!(gets(main_part(&ways.here)?, ways.packet.transport), Gets::Through { .. }) {
        return None;
    }
    let summary = format!("the rules let it in, but {what} on {} sees it first", link.name);
    Some(Found::new(link.name.clone(), summary).seen(evidence))
}

/// What becomes of others' packets cannot be told because of it: that it refuses them is not known either.
fn others(scene: &Scene<'_, '_>, ways: &Ways) -> Option<Found> {
    let Fate::Unknown { why, open: false, by: None } = &main_part(&ways.asked)?.fate else { return None };
    let link = scene.look.links()?.iter().find(|link| program_at(link).as_ref() == Some(why))?;
    let (_, evidence) = attached(link)?;
    let mut found = Found::new(link.name.clone(), why.clone()).seen(evidence);
    found.latent = true;
    Some(found)
}

/// What is attached to an interface.
fn attached(link: &Link) -> Option<(String, Evidence)> {
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
    let says = format!("{what} is attached to {}", link.name);
    Some((what, Evidence::new("rtnetlink", says, see)))
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::{Host, assert_culprit, assert_found, assert_not_found};
    use crate::diagnose::chart::BoxId;
    use crate::diagnose::verdict::Verdict;
    use crate::facts::Reading;
    use crate::facts::connect::Outcome;
    use crate::facts::route::Link;
    use crate::target::From;

    fn link(name: &str, xdp: Option<u32>, tc: &[&str]) -> Link {
        Link {
            index: 1,
            name: name.into(),
            hardware: 772,
            up: true,
            mtu: None,
            xdp,
            tc: tc.iter().map(ToString::to_string).collect(),
            ..Link::default()
        }
    }

    fn host(xdp: Option<u32>) -> Host {
        Host::with_outcome(80, Outcome::Open)
            .target("127.0.0.1:80")
            .dial("127.0.0.1".parse().unwrap(), Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .facts(|f| f.links = Reading::known(vec![link("lo", xdp, &[])]))
    }

    #[test]
    fn nothing_answers_and_a_program_is_attached() {
        assert_culprit(&host(Some(7)).case(), "fw-xdp-or-tc-bpf");
        assert_not_found(&host(None).case(), "fw-xdp-or-tc-bpf");
    }

    #[test]
    fn what_it_does_to_others_cannot_be_told() {
        let open = |on: Link| {
            let host = Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
            host.facts(|f| f.links = Reading::known(vec![on]))
        };
        for on in [link("eth0", Some(7), &[]), link("eth0", None, &["bpf"])] {
            for from in [From::Any, From::Address("10.1.0.2".parse().unwrap())] {
                let told = assert_found(&open(on.clone()).from(from).case(), "fw-xdp-or-tc-bpf");
                assert_eq!((told.culprit, told.causes[0].latent), (None, true));
                assert_eq!(told.untold.as_ref(), Some(&told.causes[0].summary));
                assert_eq!(told.get(BoxId::Firewall).unwrap().verdict, Verdict::Unknown);
            }
            assert_not_found(&open(on).from(From::Here).case(), "fw-xdp-or-tc-bpf");
        }
        let other = open(link("eth1", Some(7), &["bpf"])).from(From::Any).case();
        assert_not_found(&other, "fw-xdp-or-tc-bpf");
        assert_eq!(crate::diagnose::diagnose(&other).untold, None);
    }
}
