//! A rule in words: in nft's own language, or in that of iptables where iptables keeps it.
//!
//! Names in it are as the host has them; they are made safe where they are shown. What has no words here stands in
//! brackets, so that a text never says something else than the rule does.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each kind of value and expression has its words in one place; others none"
)]

mod fields;
mod held;
mod iptables;
mod native;
mod reject;
mod sets;
mod statements;
mod values;
mod whole;
mod xt;

use crate::facts::Facts;
use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::facts::ruleset::xt::{Target, Xt};
use crate::facts::ruleset::{Backend, ChainId, Elements, Family, Policy, Rule, Ruleset, Set, SetId, TableId};

pub use reject::{Answer, answer, iptables_word, nft_words};

/// What the words of a rule need beside the rule. What is not known is left out or said by number.
pub trait Names {
    /// Tables, chains and sets.
    fn ruleset(&self) -> Option<&Ruleset>;
    /// The elements of a set; only those made for one rule are asked for.
    fn elements(&self, id: &SetId) -> Option<&Elements>;
    /// The name of an interface.
    fn interface(&self, index: u32) -> Option<&str>;

    /// A set.
    fn set(&self, id: &SetId) -> Option<&Set> {
        self.ruleset()?.set(id)
    }

    /// What a named object does.
    fn object(&self, table: &TableId, name: &str) -> Option<&Expr> {
        let mut objects = self.ruleset()?.objects.iter();
        objects.find(|o| o.table == *table && o.name == name).map(|o| &o.does)
    }
}

/// Nothing is known beside the rule.
#[derive(Debug, Clone, Copy)]
pub struct NoNames;

impl Names for NoNames {
    fn ruleset(&self) -> Option<&Ruleset> {
        None
    }

    fn elements(&self, _: &SetId) -> Option<&Elements> {
        None
    }

    fn interface(&self, _: u32) -> Option<&str> {
        None
    }
}

/// What was read of a host.
impl Names for Facts {
    fn ruleset(&self) -> Option<&Ruleset> {
        self.ruleset.value()
    }

    fn elements(&self, id: &SetId) -> Option<&Elements> {
        self.elements.get(id)?.value()
    }

    fn interface(&self, index: u32) -> Option<&str> {
        self.links.value()?.iter().find(|link| link.index == index).map(|link| link.name.as_str())
    }
}

/// How much of a rule is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it, with the first elements of long sets.
    Whole,
    /// All of it, with every element.
    Exact,
    /// Without what changes by itself or decides nothing: counters, logs and comments.
    Brief,
}

/// A rule as its keeper's tool prints it.
pub fn rule(chain: &ChainId, rule: &Rule, names: &dyn Names) -> String {
    said(chain, rule, names, Extent::Whole)
}

/// What a rule looks at and decides, without counters, logs and comments.
pub fn brief(chain: &ChainId, rule: &Rule, names: &dyn Names) -> String {
    said(chain, rule, names, Extent::Brief)
}

/// A rule in words that make it again; none where words cannot say all that it does, or not all is known of it.
pub fn exact(chain: &ChainId, rule: &Rule, names: &dyn Names) -> Option<String> {
    (rule.text.is_some() || whole::is_said(rule)).then(|| said(chain, rule, names, Extent::Exact))
}

/// A rule with every element of its sets, in nft's words and in those of iptables, each where it could have been put in
/// with that tool.
pub(super) fn in_both(chain: &ChainId, rule: &Rule, names: &dyn Names) -> (Option<String>, Option<String>) {
    let native = chain.table.backend == Backend::Nftables && !rule.exprs.iter().any(|e| matches!(e, Expr::Xt(_)));
    let theirs = chain.table.backend == Backend::Legacy || iptables_name(&chain.table);
    let iptables = || rule.text.clone().unwrap_or_else(|| iptables::rule(chain, rule, Extent::Exact));
    (native.then(|| native::rule(chain, rule, names, Extent::Exact)), theirs.then(iptables))
}

fn said(chain: &ChainId, rule: &Rule, names: &dyn Names, extent: Extent) -> String {
    if let Some(text) = &rule.text {
        return text.clone();
    }
    if in_iptables(chain, Some(rule), names.ruleset()) {
        return iptables::rule(chain, rule, extent);
    }
    native::rule(chain, rule, names, extent)
}

/// A table's name is one that iptables uses.
pub(super) fn iptables_name(table: &TableId) -> bool {
    matches!(table.family, Family::Ip | Family::Ip6)
        && matches!(table.name.as_str(), "filter" | "nat" | "mangle" | "raw" | "security")
}

/// A built-in chain of iptables.
pub(super) fn built_in(chain: &str) -> bool {
    matches!(chain, "INPUT" | "FORWARD" | "OUTPUT" | "PREROUTING" | "POSTROUTING")
}

/// iptables keeps it: the table is one of its own, as its chains or the rule itself show. A table `ip filter` with a
/// chain `input` is one of nft.
pub fn in_iptables(chain: &ChainId, rule: Option<&Rule>, ruleset: Option<&Ruleset>) -> bool {
    if chain.table.backend == Backend::Legacy {
        return true;
    }
    let xt = || rule.is_some_and(|r| r.exprs.iter().any(|e| matches!(e, Expr::Xt(_))));
    let base = || {
        let mut chains = ruleset.iter().flat_map(|r| &r.chains).filter(|c| c.id.table == chain.table);
        chains.any(|c| c.base.is_some() && built_in(&c.id.name))
    };
    iptables_name(&chain.table) && (built_in(&chain.name) || xt() || base())
}

/// The words of a policy.
pub fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Accept => "policy accept",
        Policy::Drop => "policy drop",
    }
}

/// What a rule decides, for a headline: `drop`, `reject with icmp port-unreachable`, `jump sub`; none for one that only
/// counts or logs.
pub fn decides(rule: &Rule) -> Option<String> {
    rule.exprs.iter().rev().find_map(|expr| match expr {
        Expr::Verdict(Verdict::Continue | Verdict::Break) => None,
        Expr::Verdict(verdict) => Some(verdict_words(verdict)),
        Expr::Reject(with) | Expr::Xt(Xt::Target(Target::Reject(with))) => {
            Some(format!("reject with {}", nft_words(*with)))
        }
        Expr::Nat { source, .. } => Some(if *source { "snat" } else { "dnat" }.into()),
        Expr::Xt(Xt::Target(Target::Dnat(_))) => Some("dnat".into()),
        Expr::Xt(Xt::Target(Target::Snat(_))) => Some("snat".into()),
        Expr::Masquerade { .. } | Expr::Xt(Xt::Target(Target::Masquerade)) => Some("masquerade".into()),
        Expr::Redirect { .. } | Expr::Xt(Xt::Target(Target::Redirect(_))) => Some("redirect".into()),
        Expr::Tproxy { .. } | Expr::Xt(Xt::Target(Target::Tproxy { .. })) => Some("tproxy".into()),
        Expr::Queue { .. } | Expr::Xt(Xt::Target(Target::Queue { .. })) => Some("queue".into()),
        Expr::Synproxy | Expr::Xt(Xt::Target(Target::Synproxy)) => Some("synproxy".into()),
        Expr::Notrack | Expr::Xt(Xt::Target(Target::Notrack)) => Some("notrack".into()),
        Expr::Fwd { .. } => Some("fwd".into()),
        other => by_map(other),
    })
}

/// A verdict that a map gives.
fn by_map(expr: &Expr) -> Option<String> {
    let Expr::Lookup { set, to: crate::facts::ruleset::expr::LookupTo::Verdict, .. } = expr else { return None };
    Some(if anonymous(set) { "vmap".into() } else { format!("vmap @{set}") })
}

/// A verdict as nft writes it.
pub fn verdict_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".into(),
        Verdict::Drop => "drop".into(),
        Verdict::Return => "return".into(),
        Verdict::Continue => "continue".into(),
        Verdict::Break => "break".into(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Queue => "queue".into(),
        Verdict::Stolen => "stolen".into(),
    }
}

/// The kernel named it: it was made for one rule.
fn anonymous(set: &str) -> bool {
    let number = set.strip_prefix("__set").or_else(|| set.strip_prefix("__map"));
    number.is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
