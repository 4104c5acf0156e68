//! The packet filter's rules as far as they were read, and whether what was read belongs together.

use super::connect::Endpoint;
use super::ruleset::expr::Expr;
use super::ruleset::{Backend, ChainId, ChainRules, Rule};
use super::{Facts, Reading};

/// Why a watched attempt says nothing any more.
const WATCHED_BEFORE: &str = "the rules have changed since the attempt was watched";

impl Facts {
    /// The rules of a chain, whichever backend keeps it, if they have been read.
    pub fn rules_of(&self, chain: &ChainId) -> Option<&[Rule]> {
        if chain.table.backend == Backend::Nftables {
            return Some(self.chains.get(chain)?.value()?.rules.as_slice());
        }
        let table = self.legacy.value()?.iter().find(|table| table.id == chain.table)?;
        Some(table.chains.iter().find(|(c, _)| c.id == *chain)?.1.as_slice())
    }

    /// The rules changed while they were read: the tables, chains and sets that are known are not of one generation, and
    /// what they do together may be what no packet ever met.
    pub fn rules_moved(&self) -> bool {
        let mut generations = self
            .ruleset
            .value()
            .map(|r| r.generation)
            .into_iter()
            .chain(self.chains.values().filter_map(|r| r.value().map(|c| c.generation)))
            .chain(self.elements.values().filter_map(|r| r.value().map(|e| e.generation)));
        let first = generations.next();
        generations.any(|g| Some(g) != first)
    }

    /// The rules have changed: what the kernel said of an attempt was about others. Another attempt is not worth it by
    /// itself.
    pub fn doubt_watched(&mut self) {
        for reading in self.watched.values_mut().filter(|reading| reading.value().is_some()) {
            *reading = Reading::Failed { why: WATCHED_BEFORE.into() };
        }
    }

    /// An attempt was made under the rules as they are now: another may be watched again.
    pub fn tried_again(&mut self, to: &Endpoint) {
        let stale = |reading: &Reading<_>| matches!(reading, Reading::Failed { why } if why == WATCHED_BEFORE);
        self.watched.retain(|key, reading| key.to != *to || !stale(reading));
    }

    /// Forgets what was read of the rules, so that it is asked for again.
    pub fn forget_rules(&mut self) {
        self.doubt_watched();
        self.ruleset = Reading::NotAsked;
        self.chains.clear();
        self.elements.clear();
        self.members.clear();
    }
}

impl ChainRules {
    /// The same rules in the same order, whatever they have counted since.
    pub fn does_the_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Rule, &Rule)| one.does_the_same(other);
        self.more == other.more
            && self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(same)
    }
}

impl Rule {
    /// The same rule, whatever it has counted since.
    fn does_the_same(&self, other: &Self) -> bool {
        let counts = |pair: (&Expr, &Expr)| matches!(pair, (Expr::Counter { .. }, Expr::Counter { .. }));
        self.handle == other.handle
            && self.comment == other.comment
            && self.exprs.len() == other.exprs.len()
            && self.exprs.iter().zip(&other.exprs).all(|(one, other)| counts((one, other)) || one == other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::{Dial, Outcome};
    use super::super::ruleset::{Backend, ChainId, ChainRules, Family, Ruleset, TableId};
    use super::super::watched::{WatchKey, Watched};
    use super::*;

    #[test]
    fn what_was_watched_under_other_rules_is_not_believed_until_it_is_tried_again() {
        let to = Endpoint::Tcp(([127, 0, 0, 1], 80).into());
        let key = WatchKey { to: to.clone(), chains: Vec::new() };
        let dial = Dial {
            to: to.clone(),
            source: None,
            outcome: Outcome::Timeout,
            errno: None,
            icmp: None,
            after: std::time::Duration::ZERO,
            retransmits: 0,
            banner: None,
            counters: Vec::new(),
        };
        let watched = Watched { dial, words: Vec::new(), untraced: None, counted: Vec::new() };
        let mut facts = Facts::default();
        facts.watched.insert(key.clone(), Reading::known(watched.clone()));
        facts.tried_again(&to);
        assert!(facts.watched[&key].value().is_some(), "the rules are the same");
        facts.doubt_watched();
        assert!(facts.watched[&key].blind().is_some());
        facts.tried_again(&to);
        assert!(facts.watched.is_empty());
    }

    #[test]
    fn rules_of_two_generations_do_not_belong_together() {
        let mut facts = Facts::default();
        assert!(!facts.rules_moved());
        facts.ruleset = Reading::known(Ruleset { generation: 7, ..Ruleset::default() });
        let table = TableId { backend: Backend::Nftables, family: Family::Ip, name: "t".into() };
        let chain = ChainId { table, name: "c".into() };
        facts.chains.insert(chain.clone(), Reading::known(ChainRules { generation: 7, ..ChainRules::default() }));
        assert!(!facts.rules_moved());
        facts.chains.insert(chain, Reading::known(ChainRules { generation: 8, ..ChainRules::default() }));
        assert!(facts.rules_moved());
        facts.forget_rules();
        assert_eq!(facts, Facts::default());
    }
}
