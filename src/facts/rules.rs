//! The packet filter's rules as far as they were read, and whether what was read belongs together.

use super::ruleset::{Backend, ChainId, Rule};
use super::{Facts, Reading};

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

    /// Forgets what was read of the rules, so that it is asked for again.
    pub fn forget_rules(&mut self) {
        self.ruleset = Reading::NotAsked;
        self.chains.clear();
        self.elements.clear();
        self.members.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::ruleset::{Backend, ChainId, ChainRules, Family, Ruleset, TableId};
    use super::*;

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
