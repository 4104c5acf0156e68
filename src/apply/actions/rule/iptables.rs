//! Rules of iptables, by the program that made those around them. Its words are checked to be words: nothing of them needs
//! quotes.

use std::process::Output;

use iptables::IPTables;

use crate::error::Error;
use crate::fixes::rule::{Before, Rule, RuleTool};
use crate::sources::netlink::nftables::chain_rules;
use crate::text;

/// How long it waits for others who change rules, in seconds.
const WAIT: &str = "5";
/// What `-C` ends with where there is no such rule.
const NO_SUCH_RULE: i32 = 1;

/// Whether there is such a rule, with our comment.
pub(super) fn is_there(rule: &Rule) -> Result<bool, Error> {
    let ran = run(rule, &["-C", &rule.spot.chain.name], true)?;
    match ran.status.code() {
        Some(0) => Ok(true),
        Some(NO_SUCH_RULE) => Ok(false),
        _ => Err(refused(rule, &ran)),
    }
}

/// Puts it in, or takes it out.
pub(super) fn set(rule: &Rule, there: bool) -> Result<(), Error> {
    if is_there(rule)? == there {
        return Ok(());
    }
    let chain = rule.spot.chain.name.as_str();
    let ran = match (there, &rule.spot.before) {
        (true, Some(before)) => run(rule, &["-I", chain, &number(rule, before)?.to_string()], true)?,
        (true, None) => run(rule, &["-A", chain], true)?,
        (false, _) => run(rule, &["-D", chain], true)?,
    };
    if ran.status.success() { Ok(()) } else { Err(refused(rule, &ran)) }
}

/// The number that the rule it goes before has now.
fn number(rule: &Rule, before: &Before) -> Result<usize, Error> {
    let at = match rule.spot.tool {
        RuleTool::Nftables | RuleTool::IptablesNft => {
            let rules = chain_rules(&rule.spot.chain);
            let rules = rules.map_err(|t| Error::broken(format!("the rules cannot be read: {t:?}")))?;
            rules.unwrap_or_default().rules.iter().position(|r| r.handle == before.handle)
        }
        RuleTool::IptablesLegacy => {
            let ran = run(rule, &["-S", &rule.spot.chain.name], false)?;
            if !ran.status.success() {
                return Err(refused(rule, &ran));
            }
            let listed = String::from_utf8_lossy(&ran.stdout).into_owned();
            at_of(before, &listed)
        }
    };
    at.map(|at| at + 1).ok_or_else(|| Error::broken("the rule it goes before is gone").hint("diagnose again"))
}

/// Where a legacy rule stands: at its old number, or wherever else there is only one like it.
fn at_of(before: &Before, listed: &str) -> Option<usize> {
    let rules: Vec<&str> = listed.lines().filter(|line| line.starts_with("-A ")).collect();
    let old = usize::try_from(before.number).ok()?.checked_sub(1)?;
    let Some(text) = before.text.as_deref() else { return (old < rules.len()).then_some(old) };
    if rules.get(old).is_some_and(|rule| *rule == text) {
        return Some(old);
    }
    let mut like = rules.iter().enumerate().filter(|(_, rule)| **rule == text);
    let (at, _) = like.next()?;
    like.next().is_none().then_some(at)
}

/// Runs iptables with a command and, where they are wanted, the words of the rule.
fn run(rule: &Rule, command: &[&str], with_rule: bool) -> Result<Output, Error> {
    let table = rule.spot.chain.table.name.as_str();
    let words = if with_rule { rule.words() } else { Vec::new() };
    let all = ["-w", WAIT].into_iter().chain(command.iter().copied()).chain(words.iter().map(String::as_str));
    let all: Vec<&str> = all.collect();
    // A name that begins as an option would be one.
    let named = [Some(table), command.get(1).copied()].into_iter().flatten();
    if all.iter().any(|word| !is_word(word)) || named.clone().any(|name| name.starts_with('-') || !is_word(name)) {
        return Err(Error::broken(format!("no rule is put into a chain called {}", text::line(&rule.spot.chain.name))));
    }
    let tables = IPTables { cmd: rule.program(), has_check: true, has_wait: false, is_numeric: true };
    let ran = tables.execute(table, &all.join(" "));
    ran.map_err(|e| Error::broken(format!("{} cannot be run", rule.program())).because(e.to_string()))
}

/// Neither blanks nor quotes.
fn is_word(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,+@".contains(c);
    !word.is_empty() && word.chars().all(plain)
}

fn refused(rule: &Rule, ran: &Output) -> Error {
    let said = String::from_utf8_lossy(&ran.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it does not say why");
    Error::broken(format!("{} refuses: {}", rule.program(), text::line(said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_rule_is_found_where_it_is_now() {
        let listed = "-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n";
        let before = |number, text: Option<&str>| Before { handle: number, number, text: text.map(Into::into) };
        assert_eq!(at_of(&before(2, Some("-A INPUT -j DROP")), listed), Some(1));
        assert_eq!(at_of(&before(1, Some("-A INPUT -j DROP")), listed), Some(1), "it has moved");
        assert_eq!(at_of(&before(2, Some("-A INPUT -j REJECT")), listed), None);
        assert_eq!(at_of(&before(1, None), listed), Some(0));
        assert_eq!(at_of(&before(3, None), listed), None);
        let twice = format!("{listed}-A INPUT -j DROP\n");
        assert_eq!(at_of(&before(1, Some("-A INPUT -j DROP")), &twice), None, "nobody can tell which");
    }

    #[test]
    fn only_words_are_given_to_it() {
        assert!(is_word("ESTABLISHED,RELATED") && is_word("fd00::/8") && is_word("DOCKER-USER"));
        for odd in ["", "a b", "x'y", "\"", "$(id)", "a\nb", "a;b"] {
            assert!(!is_word(odd), "{odd:?}");
        }
    }
}
