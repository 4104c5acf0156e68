//! How far the counters of rules moved since they were first seen, and when they are looked at again.

use std::collections::{BTreeMap, HashMap};

use super::book::packets;
use crate::facts::ruleset::{ChainId, Rule};
use crate::facts::{Fact, Facts, Reading};

/// Time between two looks at counters on the screen, at least.
const EVERY_MS: u64 = 1_000;
/// Looking takes at most one part in so many of the time.
const SHARE: u128 = 20;

/// The counters.
#[derive(Debug, Clone, Default)]
pub struct Counting {
    first: BTreeMap<ChainId, HashMap<u64, u64>>,
    slowest_ms: u64,
    /// A look is planned.
    pub(in crate::app) planned: bool,
}

impl Counting {
    /// Notes the counters that an answer brings, where it is the first of its chain.
    pub fn take(&mut self, fact: &Fact) {
        if let Fact::ChainRules(chain, Reading::Known(known)) = fact {
            let ms = u64::try_from(known.took.as_millis().saturating_mul(SHARE)).unwrap_or(u64::MAX);
            self.slowest_ms = self.slowest_ms.max(ms);
            self.first_of(chain, &known.value.rules);
        } else if let Fact::Legacy(Reading::Known(known)) = fact {
            let all = known.value.iter().flat_map(|table| &table.chains);
            all.for_each(|(chain, rules)| self.first_of(&chain.id, rules));
        }
    }

    /// Notes the counters of everything that was read already.
    pub fn begin(&mut self, here: &Facts) {
        for (chain, reading) in &here.chains {
            if let Some(read) = reading.value() {
                self.first_of(chain, &read.rules);
            }
        }
        let legacy = here.legacy.value().into_iter().flatten().flat_map(|table| &table.chains);
        legacy.for_each(|(chain, rules)| self.first_of(&chain.id, rules));
    }

    fn first_of(&mut self, chain: &ChainId, rules: &[Rule]) {
        if !self.first.contains_key(chain) {
            let counted = rules.iter().filter_map(|rule| Some((rule.handle, packets(rule)?))).collect();
            self.first.insert(chain.clone(), counted);
        }
    }

    /// Packets that a rule counted since it was first seen. A rule that came later counted all of them since.
    pub fn moved(&self, chain: &ChainId, handle: u64, packets: u64) -> u64 {
        let Some(first) = self.first.get(chain) else { return 0 };
        packets.saturating_sub(first.get(&handle).copied().unwrap_or(0))
    }

    /// When to look again.
    pub(in crate::app) fn next_ms(&self) -> u64 {
        self.slowest_ms.max(EVERY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ruleset::expr::Expr;
    use crate::facts::ruleset::{Backend, ChainRules, Family, TableId};

    #[test]
    fn counters_move_from_where_they_were_first_seen() {
        let table = TableId { backend: Backend::Nftables, family: Family::Inet, name: "t".into() };
        let id = ChainId { table, name: "c".into() };
        let rule = |handle, packets| Rule {
            handle,
            exprs: vec![Expr::Counter { packets, bytes: 0 }],
            comment: None,
            text: None,
        };
        let read = |rules| Fact::ChainRules(id.clone(), Reading::known(ChainRules { rules, ..ChainRules::default() }));
        let mut counting = Counting::default();
        assert_eq!(counting.moved(&id, 1, 99), 0, "never seen");
        counting.take(&read(vec![rule(1, 10)]));
        counting.take(&read(vec![rule(1, 13), rule(2, 4)]));
        assert_eq!([counting.moved(&id, 1, 13), counting.moved(&id, 2, 4)], [3, 4]);
        assert_eq!(counting.moved(&id, 1, 2), 0, "reset");
    }
}
