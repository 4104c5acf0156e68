//! Rules from the words of `iptables-legacy -S` and `iptables-legacy-save`, with or without counters. Pure.
//!
//! Every word is accounted for: a match or target that is not known, or has an option or a value that is not, is `Other`,
//! and words that belong to nothing make their rule one that cannot be decided.

pub mod hidden;
mod line;
mod matches;
mod options;
mod protocol;
mod rule;
mod targets;

use std::collections::BTreeMap;

use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::xt::Xt;
use crate::facts::ruleset::{Base, Chain, ChainId, ChainKind, Hook, LegacyTable, Policy, Rule, TableId};
use line::Word;

/// A table from what was printed of it; why not, as a clause after "because".
pub fn table(id: &TableId, printed: &str) -> Result<LegacyTable, String> {
    let table = LegacyTable { chains: Vec::new(), id: id.clone() };
    let mut found = Found { table, at: BTreeMap::new() };
    let lines = line::lines(printed).ok_or("a quote in its rules is not closed")?;
    let mut here = true;
    for (line, words) in lines {
        let Some(first) = words.first() else { continue };
        if let Some(name) = first.text.strip_prefix('*') {
            here = name == id.name;
        } else if here && !first.text.starts_with('#') && first.text != "COMMIT" {
            take(&mut found, &line, &words).ok_or_else(|| format!("a line was not understood: {line}"))?;
        }
    }
    Ok(found.table)
}

/// What was found so far.
struct Found {
    table: LegacyTable,
    /// Where each chain is in it.
    at: BTreeMap<String, usize>,
}

/// A line of a table.
fn take(found: &mut Found, line: &str, words: &[Word]) -> Option<()> {
    let mut text = line;
    let mut words = words;
    let mut counted = None;
    let (first, rest) = words.split_first()?;
    if let Some(counters) = first.text.strip_prefix('[') {
        // As in a saved file: `[packets:bytes] -A ...`.
        counted = Some(counters.strip_suffix(']')?);
        words = rest;
        text = line.get(rest.first()?.at.0..)?;
    }
    let (command, rest) = words.split_first()?;
    let (name, rest) = rest.split_first().map_or((None, rest), |(name, rest)| (Some(name), rest));
    match (command.text.as_str(), name, rest) {
        ("-P", Some(name), [policy]) => chain(found, &name.text, policy, None),
        ("-P", Some(name), [policy, c, packets, _bytes]) if c.is("-c") => {
            chain(found, &name.text, policy, Some(packets.text.parse().ok()?))
        }
        ("-N", Some(name), []) => user_chain(found, &name.text),
        ("-A", Some(name), rest) => {
            let rule = append(found, &name.text, text, rest)?;
            if let Some(counters) = counted {
                count(rule, counters)?;
            }
            Some(())
        }
        (saved, Some(policy), counters) => {
            let name = saved.strip_prefix(':')?;
            let packets = match counters {
                [] => None,
                [one] => Some(pair(one.text.strip_prefix('[')?.strip_suffix(']')?)?.0),
                _ => return None,
            };
            if policy.is("-") { user_chain(found, name) } else { chain(found, name, policy, packets) }
        }
        (_, None, _) => None,
    }
}

/// `packets:bytes`.
fn pair(text: &str) -> Option<(u64, u64)> {
    let (packets, bytes) = text.split_once(':')?;
    Some((packets.parse().ok()?, bytes.parse().ok()?))
}

/// Puts counters where `-v -S` prints them: before the target.
fn count(rule: &mut Rule, counters: &str) -> Option<()> {
    let (packets, bytes) = pair(counters)?;
    let is_match = |expr: &Expr| matches!(expr, Expr::Xt(Xt::Match(_)));
    let at = rule.exprs.iter().take_while(|expr| is_match(expr)).count();
    rule.exprs.insert(at, Expr::Counter { packets, bytes });
    Some(())
}

/// A built-in chain.
fn chain(found: &mut Found, name: &str, policy: &Word, packets: Option<u64>) -> Option<()> {
    let policy = match policy.text.as_str() {
        "ACCEPT" => Policy::Accept,
        "DROP" => Policy::Drop,
        _ => return None,
    };
    let hook = match name {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return None,
    };
    let (kind, priority) = place(&found.table.id.name, hook)?;
    add(found, name, Some(Base { kind, hook, priority, policy, devices: Vec::new(), packets }))
}

/// What a table's chain is for, and when it is passed (`enum nf_ip_hook_priorities`).
fn place(table: &str, hook: Hook) -> Option<(ChainKind, i32)> {
    match (table, hook) {
        ("raw", _) => Some((ChainKind::Filter, -300)),
        // Marks and addresses that are set there reroute what this host sends.
        ("mangle", Hook::Output) => Some((ChainKind::Route, -150)),
        ("mangle", _) => Some((ChainKind::Filter, -150)),
        ("nat", Hook::Prerouting | Hook::Output) => Some((ChainKind::Nat, -100)),
        ("nat", Hook::Input | Hook::Postrouting) => Some((ChainKind::Nat, 100)),
        ("filter", _) => Some((ChainKind::Filter, 0)),
        ("security", _) => Some((ChainKind::Filter, 50)),
        _ => None,
    }
}

fn user_chain(found: &mut Found, name: &str) -> Option<()> {
    add(found, name, None)
}

/// A chain, which must be a new one.
fn add(found: &mut Found, name: &str, base: Option<Base>) -> Option<()> {
    let chains = &mut found.table.chains;
    if found.at.insert(name.to_owned(), chains.len()).is_some() {
        return None;
    }
    let handle = u64::try_from(chains.len()).ok()?.checked_add(1)?;
    let id = ChainId { table: found.table.id.clone(), name: name.to_owned() };
    chains.push((Chain { id, handle, base, comment: None }, Vec::new()));
    Some(())
}

/// A rule at the end of a chain.
fn append<'a>(found: &'a mut Found, chain: &str, line: &str, words: &[Word]) -> Option<&'a mut Rule> {
    let Found { table, at } = found;
    let is_chain = |name: &str| {
        let chain = at.get(name).and_then(|at| table.chains.get(*at));
        chain.is_some_and(|(chain, _)| chain.base.is_none())
    };
    let here = *at.get(chain)?;
    let number = u64::try_from(table.chains.get(here)?.1.len()).ok()?.checked_add(1)?;
    let rule = rule::rule(number, line, words, table.id.family, &is_chain);
    let rules = &mut table.chains.get_mut(here)?.1;
    rules.push(rule);
    rules.last_mut()
}

#[cfg(test)]
mod tests;
