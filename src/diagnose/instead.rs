//! The same rules, but one chain has others: would these rules alone let the packet in, or with the rest of their chain, and
//! which way did a limit go that all packets share?

use super::dispute::rule_at_work;
use super::ways::{Filter, Gets, Reader, Ways, gets, main_part, rules_of};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::host::Addresses;
use crate::facts::route::{Link, Route, RouteKey};
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::xt::{Match, Xt};
use crate::facts::ruleset::{
    Backend, ChainId, ChainRules, Element, Elements, LegacyTable, Recent, Rule, Ruleset, SetId,
};
use crate::facts::socket::Transport;
use crate::firewall::{self, Client, Fate, Known, Packet, Walk, follow};

/// The facts, but one chain has these rules.
struct Instead<'a, 'b> {
    others: Reader<'a, 'b>,
    chain: &'b ChainId,
    rules: ChainRules,
    /// Where it is a legacy chain: the legacy tables with these rules in it.
    legacy: Option<Vec<LegacyTable>>,
}

impl Known for Instead<'_, '_> {
    fn sysctl(&self, path: &str) -> Result<&str, firewall::Missing> {
        self.others.sysctl(path)
    }

    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, firewall::Missing> {
        if id == self.chain { Ok(&self.rules) } else { self.others.chain_rules(id) }
    }

    fn ruleset(&self) -> Result<&Ruleset, firewall::Missing> {
        self.others.ruleset()
    }

    fn elements(&self, id: &SetId) -> Result<&Elements, firewall::Missing> {
        self.others.elements(id)
    }

    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, firewall::Missing> {
        self.others.member(set, key)
    }

    fn legacy(&self) -> Result<&[LegacyTable], firewall::Missing> {
        match &self.legacy {
            Some(tables) => Ok(tables),
            None => self.others.legacy(),
        }
    }

    fn recent(&self, name: &str) -> Result<&Recent, firewall::Missing> {
        self.others.recent(name)
    }

    fn links(&self) -> Result<&[Link], firewall::Missing> {
        self.others.links()
    }

    fn addresses(&self) -> Result<&Addresses, firewall::Missing> {
        self.others.addresses()
    }

    fn route(&self, key: &RouteKey) -> Result<&Route, firewall::Missing> {
        self.others.route(key)
    }
}

impl Filter<'_, '_> {
    /// The first of these rules that would accept the packet, were they all that their chain has.
    pub(super) fn first_to_accept(&self, packet: &Packet, chain: &ChainId, rules: Vec<Rule>) -> Option<u64> {
        let walk = self.instead(packet, chain, ChainRules { generation: 0, rules, more: false });
        main_part(&walk)?.passed.iter().find(|pass| pass.by.chain == *chain)?.by.rule
    }

    fn instead(&self, packet: &Packet, chain: &ChainId, rules: ChainRules) -> Walk {
        let legacy = (chain.table.backend == Backend::Legacy).then(|| self.legacy_instead(chain, &rules.rules));
        follow(packet, &Instead { others: Reader { look: self.look }, chain, rules, legacy })
    }

    /// The legacy tables, but one chain has these rules.
    fn legacy_instead(&self, chain: &ChainId, rules: &[Rule]) -> Vec<LegacyTable> {
        let mut tables = self.look.legacy().map(<[LegacyTable]>::to_vec).unwrap_or_default();
        for (_, old) in tables.iter_mut().flat_map(|table| &mut table.chains).filter(|(there, _)| there.id == *chain) {
            *old = rules.to_vec();
        }
        tables
    }

    /// What becomes of a packet once this rule stands before that one, or else at the end of its chain. What is still
    /// missing is asked for, but nothing else waits for it. None: the rules there are not known.
    pub(super) fn follow_with(
        &self,
        packet: &Packet,
        chain: &ChainId,
        rule: &Rule,
        before: Option<u64>,
    ) -> Option<Walk> {
        let mut rules = rules_of(self.look, chain)?.to_vec();
        let at = before.map_or(Some(rules.len()), |handle| rules.iter().position(|rule| rule.handle == handle))?;
        rules.insert(at, rule.clone());
        let rules = ChainRules { generation: 0, rules, more: false };
        Some(self.look.noting(|| self.instead(packet, chain, rules)).0)
    }

    /// The ways as a limit that all packets share lets them go now. The attempt from here passed it, too, and shows
    /// whether it is used up.
    pub(super) fn as_limited_now(&self, ways: &Ways, dial: &Dial) -> Option<Ways> {
        let place = |walk| {
            if let Fate::Unknown { by: Some(place), open: false, .. } = &main_part(walk)?.fate {
                Some(place)
            } else {
                None
            }
        };
        let at = place(&ways.asked).filter(|at| place(&ways.here).is_some_and(|own| own == *at))?;
        let rules = rules_of(self.look, &at.chain).filter(|_| at.chain.table.backend == Backend::Nftables)?;
        let rule = rules.iter().find(|rule| Some(rule.handle) == at.rule)?;
        if !rule.exprs.iter().any(is_shared) {
            return None;
        }
        let without = rules.iter().filter(|r| r.handle != rule.handle).cloned().collect();
        let always = |r: &Rule| {
            let mut r = r.clone();
            r.exprs.retain(|expr| r.handle != rule.handle || !is_shared(expr));
            r
        };
        let both = [without, rules.iter().map(always).collect()].map(|rules| {
            let rules = ChainRules { generation: 0, rules, more: false };
            let here = self.instead(&Packet { client: Client::Here, ..ways.packet }, &at.chain, rules.clone());
            Ways { packet: ways.packet, asked: self.instead(&ways.packet, &at.chain, rules), here }
        });
        let mut fitting = both.into_iter().filter(|ways| fits(&ways.here, ways.packet.transport, dial));
        let now = fitting.next()?;
        fitting.next().is_none().then_some(now)
    }
}

/// Did the attempt get what this walk gives?
fn fits(here: &Walk, transport: Transport, dial: &Dial) -> bool {
    match main_part(here).map(|part| gets(part, transport)) {
        Some(Gets::Outcome(outcome)) => outcome == dial.outcome,
        Some(Gets::Through { .. }) => {
            let no_socket = dial.outcome == Outcome::Refused && rule_at_work(dial).is_none();
            no_socket || matches!(dial.outcome, Outcome::Open | Outcome::Closed | Outcome::Reset)
        }
        Some(Gets::Unknown { .. }) | None => false,
    }
}

/// One for everybody, not one for each source.
fn is_shared(expr: &Expr) -> bool {
    matches!(expr, Expr::Limit { .. } | Expr::Quota { .. } | Expr::Xt(Xt::Match(Match::Limit { .. })))
}
