//! Accepting rules that stand behind the one that refuses.

use super::accepting::accepts;
use super::common::{Blocked, evidence_of, rules, text};
use crate::diagnose::Scene;
use crate::diagnose::verdict::Evidence;
use crate::facts::ruleset::expr::{Base, Expr};
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{ChainId, Rule};
use crate::firewall::Place;

/// An accepting rule that is never reached.
#[derive(Debug)]
pub(super) struct Late {
    /// Its own words.
    pub(super) text: String,
    /// It, as evidence.
    pub(super) evidence: Evidence,
}

impl Blocked<'_> {
    /// The first rule behind the refusing one, in the same base chain or a chain reached from it, that would accept.
    pub(super) fn late_accept(&self, scene: &Scene<'_, '_>) -> Option<Late> {
        let mut ways = self.place.via.clone();
        ways.push((self.place.chain.clone(), self.place.rule?));
        // The innermost chain first, then the rules behind each jump that led there.
        ways.iter().rev().find_map(|(chain, handle)| self.behind(scene, chain, *handle))
    }

    fn behind(&self, scene: &Scene<'_, '_>, chain: &ChainId, handle: u64) -> Option<Late> {
        let rules = rules(scene, chain)?;
        let at = rules.iter().position(|rule| rule.handle == handle)?;
        let may_accept = |rule: &&Rule| accepts(&rule.exprs) && rule.exprs.iter().any(looks_at_port);
        let behind: Vec<Rule> = rules.iter().skip(at + 1).filter(may_accept).cloned().collect();
        if behind.is_empty() {
            return None;
        }
        let rule = scene.first_to_accept(&self.packet, chain, behind)?;
        let place = Place { chain: chain.clone(), rule: Some(rule), via: Vec::new(), ..self.place.clone() };
        Some(Late { text: text(scene, &place), evidence: evidence_of(scene, &place) })
    }
}

/// Does it look at the port the packet goes to?
pub(super) fn looks_at_port(expr: &Expr) -> bool {
    match expr {
        Expr::Payload { base: Base::Transport, offset, len, .. } => *offset <= 2 && offset.saturating_add(*len) >= 4,
        Expr::Xt(Xt::Match(Match::Tcp(tcp))) => (tcp.destination.from, tcp.destination.to) != (0, u16::MAX),
        Expr::Xt(Xt::Match(Match::Udp { destination, .. })) => (destination.from, destination.to) != (0, u16::MAX),
        Expr::Xt(Xt::Match(Match::Multiport { .. })) => true,
        _ => false,
    }
}
