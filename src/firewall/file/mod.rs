//! Where a rule was written: its line in the files that rules are loaded from.
//!
//! Files are read lightly, as far as their structure goes, and lines are compared with the rule by their words: white
//! space, quotes, the order in a set, counters, names of ports and what goes without saying make no difference. Variables
//! and includes are left alone. Only one line that fits is an answer; of two nobody can tell which it was.

mod iptables;
mod nft;
mod same;

use super::words::{self, Names};
use crate::facts::firewalls::{RuleFile, RuleFormat};
use crate::facts::ruleset::{Backend, ChainId, Family, Rule};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Path of the file.
    pub path: String,
    /// Its number, from 1.
    pub line: usize,
    /// Its text, raw, without the white space around it.
    pub text: String,
}

impl Line {
    fn new(file: &RuleFile, line: usize) -> Self {
        let text = line.checked_sub(1).and_then(|at| file.text.lines().nth(at)).unwrap_or_default().trim();
        Self { path: file.path.clone(), line, text: text.to_owned() }
    }
}

/// The line that a rule was loaded from; none where no line fits, or several do.
pub fn line_of(files: &[RuleFile], chain: &ChainId, rule: &Rule, names: &dyn Names) -> Option<Line> {
    let (as_nft, as_iptables) = words::in_both(chain, rule, names);
    let as_nft = as_nft.map(|text| nft::same(&text, chain.table.family));
    let as_iptables = as_iptables.map(|text| iptables::same(&text));
    only(files, |file| match (file.format, &as_nft, &as_iptables) {
        (RuleFormat::Nft, Some(rule), _) => nft::rules(&file.text, chain)
            .into_iter()
            .filter(|statement| nft::same_words(&statement.words, chain.table.family) == *rule)
            .map(|statement| statement.line)
            .collect(),
        (RuleFormat::Iptables | RuleFormat::Ip6tables, _, Some(rule)) if of_family(file, chain) => {
            let rules = iptables::rules(&file.text, chain).into_iter();
            rules.filter(|(_, spec)| iptables::same(spec) == *rule).map(|(line, _)| line).collect()
        }
        (RuleFormat::Nft | RuleFormat::Iptables | RuleFormat::Ip6tables, _, _) => Vec::new(),
    })
}

/// The line that says the policy of a base chain; none where no line does, or several do.
pub fn policy_line(files: &[RuleFile], chain: &ChainId) -> Option<Line> {
    only(files, |file| match file.format {
        RuleFormat::Nft if chain.table.backend == Backend::Nftables => nft::policies(&file.text, chain),
        RuleFormat::Iptables | RuleFormat::Ip6tables if of_family(file, chain) => iptables::policies(&file.text, chain),
        RuleFormat::Nft | RuleFormat::Iptables | RuleFormat::Ip6tables => Vec::new(),
    })
}

/// A file of iptables is of one family.
fn of_family(file: &RuleFile, chain: &ChainId) -> bool {
    match file.format {
        RuleFormat::Nft => false,
        RuleFormat::Iptables => chain.table.family == Family::Ip,
        RuleFormat::Ip6tables => chain.table.family == Family::Ip6,
    }
}

/// The only line of all.
fn only(files: &[RuleFile], lines: impl Fn(&RuleFile) -> Vec<usize>) -> Option<Line> {
    let mut found = files.iter().flat_map(|file| lines(file).into_iter().map(move |line| (file, line)));
    let (file, line) = found.next()?;
    found.next().is_none().then(|| Line::new(file, line))
}

#[cfg(test)]
mod tests;
