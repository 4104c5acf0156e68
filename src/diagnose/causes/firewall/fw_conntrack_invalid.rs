//! Packets that fit no connection are dropped.

use super::super::{Cause, Found, Words};
use super::common::{evidence_of, place_words};
use super::invalid;
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;
use crate::firewall::Leg;

pub(crate) static CAUSE: Cause = Cause {
    id: "fw-conntrack-invalid",
    in_box: BoxId::Firewall,
    general: false,
    explains: &[Outcome::Timeout, Outcome::Reset],
    words: Words {
        title: "Packets that connection tracking calls invalid are dropped",
        what: "A rule drops what is `ct state invalid`: packets that belong to no connection the kernel \
               knows. After an idle time, a restart of the firewall, or when the answers take another way \
               than the questions, packets of healthy connections are among them.",
        see: "nft -a list ruleset\nsysctl net.netfilter.nf_conntrack_tcp_be_liberal\nconntrack -S",
        fix: "make both directions take the same way, or sysctl -w \
              net.netfilter.nf_conntrack_tcp_be_liberal=1",
        undo: "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=0",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    if !matches!(scene.outcome()?, Outcome::Timeout | Outcome::Reset) || scene.subject.local != Some(true) {
        return None;
    }
    if let Some(blocked) = invalid::refusing(scene) {
        let what = if blocked.place.leg == Leg::Reply { "the answers" } else { "it" };
        let (text, chain) = (blocked.text(scene), blocked.chain_words());
        return Some(
            blocked.told(scene, format!("{text} in {chain} takes {what} for invalid, and {} {what}", blocked.verb())),
        );
    }
    // The rules let a first packet in; the kernel says that a filter dropped one all the same.
    let watched = scene.look.watched_already(&scene.subject.endpoint()?)?;
    let dropped = watched.words.iter().any(|word| word.reason.as_deref() == Some("NETFILTER_DROP"));
    let place = invalid::counted(scene, &watched.counted)?;
    if !dropped {
        return None;
    }
    let summary = format!("{} drops packets of the attempt as invalid", place_words(&place));
    let see = "sysctl net.netfilter.nf_conntrack_tcp_be_liberal; conntrack -S";
    let says = "the kernel dropped a packet of the attempt in a filter, and this rule counted it";
    Some(
        Found::new(place_words(&place), summary)
            .seen(Evidence::new("tracefs", says, see))
            .seen(evidence_of(scene, &place)),
    )
}

#[cfg(test)]
mod tests {
    use crate::diagnose::causes::testing::rules::{base, drop_it, rule, table};
    use crate::diagnose::causes::testing::{Host, OUTSIDE, assert_culprit, assert_not_found};
    use crate::facts::Reading;
    use crate::facts::connect::{Endpoint, Outcome};
    use crate::facts::ruleset::expr::{BitOp, CmpOp, CtKey, Expr};
    use crate::facts::ruleset::{ChainId, Hook, Policy};
    use crate::facts::watched::{WatchKey, Watched, Word};

    /// A host where this happened to an attempt that was watched.
    fn host(reason: &str) -> Host {
        let one = |number: u32| number.to_ne_bytes().to_vec();
        let invalid = vec![
            Expr::Ct { key: CtKey::State, direction: None, to: 0 },
            Expr::Bitwise { from: 0, to: 0, len: 4, op: BitOp::Mask { mask: one(1), xor: one(0) } },
            Expr::Cmp { from: 0, op: CmpOp::Neq, data: one(0) },
        ];
        let to = Endpoint::Tcp(std::net::SocketAddr::new(OUTSIDE, 80));
        let chain = ChainId { table: table("inet filter"), name: "input".into() };
        Host::with_outcome(80, Outcome::Timeout)
            .listens("0.0.0.0", "nginx.service", |_| ())
            .chain("inet filter", "input", base(Hook::Input, 0, Policy::Accept), vec![rule(&[invalid, drop_it()], 3)])
            .facts(|f| {
                let dial = f.dials[&to].value().cloned().unwrap();
                let word = Word {
                    event: "kfree_skb".into(),
                    reason: Some(reason.into()),
                    place: None,
                    after: std::time::Duration::from_micros(80),
                };
                let watched = Watched { dial, words: vec![word], untraced: None, counted: vec![(chain.clone(), 1, 1)] };
                f.watched.insert(WatchKey { to, chains: vec![chain] }, Reading::known(watched));
            })
    }

    #[test]
    fn the_rule_that_counted_the_packet_drops_invalid_ones() {
        assert_culprit(&host("NETFILTER_DROP").case(), "fw-conntrack-invalid");
        assert_not_found(&host("TCP_LISTEN_OVERFLOW").case(), "fw-conntrack-invalid");
    }
}
