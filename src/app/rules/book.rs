//! Where the tree looks things up: chains and rules of nftables and of the legacy tables alike.

use std::collections::HashMap;

use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::facts::ruleset::{Backend, Base, Chain, ChainId, LegacyTable, Rule};
use crate::facts::{Facts, Reading};

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
