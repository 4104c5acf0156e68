//! How to let in what a rule keeps out, in the language of whoever keeps the rule: smallest first, and how it is taken
//! back.

use super::common::{Blocked, take_away};
use super::opening::{self, FOR_USERS};
use super::order::looks_at_port;
use crate::diagnose::Scene;
use crate::diagnose::verdict::Advice;
use crate::facts::Reading;
use crate::facts::ruleset::Hook;
use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::firewall::{Client, Leg, Place, see, words};

/// What is to be let in.
struct Lets {
    /// In words.
    does: String,
    /// As nft writes it, without the verdict.
    nft: String,
    /// As iptables writes it, without the target.
    iptables: String,
}

/// Advice on a rule that refuses; what its keeper does with its own rules is left to the causes that know the keeper.
pub(super) fn advice(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Vec<Advice> {
    let mut all: Vec<Advice> = opening::plans(scene, blocked).into_iter().map(Advice::of).collect();
    // What this program does not do may still be done by hand.
    if all.is_empty() {
        all.extend(narrowest_first(blocked).iter().filter_map(|lets| before(scene, blocked.place, lets)));
    }
    // A rule for everything protects everything: it stays.
    let narrow = blocked.rule(scene).is_some_and(|rule| rule.exprs.iter().any(looks_at_port));
    if narrow && blocked.keeper(scene).program.by_hand() {
        all.extend(take_away(scene, blocked.place));
    }
    all
}

fn narrowest_first(blocked: &Blocked<'_>) -> Vec<Lets> {
    // Behind address translation rules see where the packet goes by then.
    let translated = matches!(blocked.place.hook, Hook::Input | Hook::Forward | Hook::Postrouting);
    let to = if translated { blocked.part.to } else { blocked.packet.to };
    let (port, transport) = (to.port(), blocked.packet.transport.word());
    if blocked.place.leg == Leg::Reply {
        return vec![Lets {
            does: "let out the answers of connections that were let in".into(),
            nft: "ct state established,related".into(),
            iptables: "-m conntrack --ctstate ESTABLISHED,RELATED".into(),
        }];
    }
    if blocked.packet.client == Client::Here && blocked.place.hook == Hook::Input {
        return vec![Lets {
            does: "let in what comes from this host itself".into(),
            nft: "iif lo".into(),
            iptables: "-i lo".into(),
        }];
    }
    let mut all = Vec::new();
    if let Client::Address(client) = blocked.packet.client {
        let family = if client.is_ipv6() { "ip6" } else { "ip" };
        all.push(Lets {
            does: format!("let in {client} only"),
            nft: format!("{family} saddr {client} {transport} dport {port}"),
            iptables: format!("-s {client} -p {transport} --dport {port}"),
        });
    }
    all.push(Lets {
        does: format!("let in {transport} port {port}"),
        nft: format!("{transport} dport {port}"),
        iptables: format!("-p {transport} --dport {port}"),
    });
    all
}

/// An accepting rule before the one that refuses, in the base chain that both belong to.
fn before(scene: &Scene<'_, '_>, place: &Place, lets: &Lets) -> Option<Advice> {
    // Docker leaves this chain to others, and goes through it first.
    let users = place.chain.name == FOR_USERS;
    let (base, facts) = (if users { &place.chain } else { &place.base }, scene.look.facts());
    let (rules, ruleset) = (facts.chains.get(base).and_then(Reading::value), facts.ruleset.value());
    let iptables = words::in_iptables(base, None, ruleset);
    let spec = if iptables { format!("{} -j ACCEPT", lets.iptables) } else { format!("{} accept", lets.nft) };
    // Whatever led there stands in the base chain itself.
    let led = place.via.first().map(|(_, handle)| *handle).filter(|_| !users);
    let at = led.or(place.rule);
    let run = match at {
        Some(handle) => see::insert(base, handle, &spec, rules, ruleset)?,
        None => see::append(base, &spec, ruleset),
    };
    let undo = see::remove(base, &spec, ruleset);
    Some(Advice::new(&lets.does, run, Some(&undo)))
}

/// Does a rule accept?
pub(super) fn accepts(exprs: &[Expr]) -> bool {
    exprs.iter().any(|e| matches!(e, Expr::Verdict(Verdict::Accept)))
}
