//! Where the tree looks things up: chains and rules of nftables and of the legacy tables alike.

use std::collections::HashMap;

use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::facts::ruleset::{Backend, Base, Chain, ChainId, Elements, LegacyTable, Rule, Ruleset, SetId};
use crate::facts::{Facts, Reading};
use crate::firewall::words::{self, Names};

/// Chains and rules by name.
#[derive(Debug)]
pub struct Book<'a> {
    here: &'a Facts,
    chains: HashMap<&'a ChainId, &'a Chain>,
    order: Vec<&'a Chain>,
}

impl<'a> Book<'a> {
    /// What these facts know.
    pub fn new(here: &'a Facts) -> Self {
        let nft = here.ruleset.value().into_iter().flat_map(|r| &r.chains);
        let legacy = legacy(here).flat_map(|table| table.chains.iter().map(|(chain, _)| chain));
        let order: Vec<&Chain> = nft.chain(legacy).collect();
        let chains = order.iter().map(|chain| (&chain.id, *chain)).collect();
        Self { here, chains, order }
    }

    /// All chains, in the kernel's order.
    pub fn all(&self) -> &[&'a Chain] {
        &self.order
    }

    /// How a chain is hooked in.
    pub fn base(&self, id: &ChainId) -> Option<&'a Base> {
        self.chains.get(id)?.base.as_ref()
    }

    /// The rules of a chain.
    pub fn rules(&self, id: &ChainId) -> Option<&'a [Rule]> {
        rules(self.here, id)
    }
}

fn legacy(here: &Facts) -> impl Iterator<Item = &LegacyTable> {
    here.legacy.value().into_iter().flatten()
}

/// The rules of a chain, where they were read.
pub fn rules<'a>(here: &'a Facts, id: &ChainId) -> Option<&'a [Rule]> {
    match id.table.backend {
        Backend::Nftables => Some(&here.chains.get(id).and_then(Reading::value)?.rules),
        Backend::Legacy => {
            let table = legacy(here).find(|table| table.id == id.table)?;
            Some(&table.chains.iter().find(|(chain, _)| chain.id == *id)?.1)
        }
    }
}

/// How a chain is hooked in.
pub fn base<'a>(here: &'a Facts, id: &ChainId) -> Option<&'a Base> {
    let nft = here.ruleset.value().and_then(|ruleset| ruleset.chain(id));
    let legacy = || legacy(here).flat_map(|t| &t.chains).map(|(chain, _)| chain).find(|chain| chain.id == *id);
    nft.or_else(legacy)?.base.as_ref()
}

/// What a rule's words need beside it.
struct Beside<'a>(&'a Facts);

impl Names for Beside<'_> {
    fn ruleset(&self) -> Option<&Ruleset> {
        self.0.ruleset.value()
    }

    fn elements(&self, id: &SetId) -> Option<&Elements> {
        self.0.elements.get(id)?.value()
    }

    fn interface(&self, index: u32) -> Option<&str> {
        self.0.links.value()?.iter().find(|link| link.index == index).map(|link| link.name.as_str())
    }
}

/// A rule in words, as its tool prints it.
pub fn whole(here: &Facts, chain: &ChainId, rule: &Rule) -> String {
    words::rule(chain, rule, &Beside(here))
}

/// What a rule looks at and decides; all of it where that is nothing.
pub fn brief(here: &Facts, chain: &ChainId, rule: &Rule) -> String {
    let brief = words::brief(chain, rule, &Beside(here));
    if brief.trim().is_empty() { whole(here, chain, rule) } else { brief }
}

/// Sets made for this rule alone, whose elements are a part of its words.
pub fn own_sets(chain: &ChainId, rule: &Rule) -> impl Iterator<Item = SetId> {
    rule.exprs.iter().filter_map(|expr| {
        let Expr::Lookup { set, .. } = expr else { return None };
        set.starts_with("__").then(|| SetId { table: chain.table.clone(), name: set.clone() })
    })
}

/// The chain that a rule leads to by its own words.
pub fn leads_to(rule: &Rule) -> Option<&str> {
    rule.exprs.iter().find_map(|expr| {
        let Expr::Verdict(Verdict::Jump(to) | Verdict::Goto(to)) = expr else { return None };
        Some(to.as_str())
    })
}

/// Packets that a rule counted, where it counts.
pub fn packets(rule: &Rule) -> Option<u64> {
    rule.exprs.iter().find_map(|expr| if let Expr::Counter { packets, .. } = expr { Some(*packets) } else { None })
}
