//! Rules of iptables, by the program that made those around them.
//!
//! It takes a number for a place, and whoever changes the rules in between shifts the numbers: so the place is looked at
//! again once the rule is there, and a rule that came to stand elsewhere is taken out at once and put in anew. Until then it
//! lets through only what it would let through in its place.

use std::process::Output;

use super::{Found, TRIES, restless};
use crate::apply::Hands;
use crate::apply::actions::program;
use crate::error::Error;
use crate::fixes::rule::{Before, Rule, RuleTool};
use crate::sources::netlink::nftables::chain_rules;
use crate::text;

/// How long it waits for others who change rules, in seconds.
const WAIT: &str = "5";
/// What `-C` ends with where there is no such rule.
const NO_SUCH_RULE: i32 = 1;

/// Whether there is such a rule, with our comment.
pub(super) async fn find(hands: &Hands, rule: &Rule) -> Result<Found, Error> {
    let ran = program::asked(&hands.state, &argv(rule, &["-C", &rule.spot.chain.name], true)?).await?;
    match ran.status.code() {
        Some(0) => return Ok(Found::Same),
        Some(NO_SUCH_RULE) => {}
        _ => return Err(refused(rule, &ran)),
    }
    let comment = rule.comment();
    let listed = listed(hands, rule).await?;
    let ours = |line: &&String| line.split_whitespace().any(|word| word.trim_matches('"') == comment);
    Ok(listed.iter().find(ours).map_or(Found::Nowhere, |line| Found::Edited(text::line(line))))
}

/// Puts it in, or takes it out.
pub(super) async fn set(hands: &Hands, rule: &Rule, there: bool) -> Result<(), Error> {
    if matches!(find(hands, rule).await?, Found::Same) == there {
        return Ok(());
    }
    let chain = rule.spot.chain.name.as_str();
    let Some(before) = rule.spot.before.as_ref().filter(|_| there) else {
        return done(hands, rule, &[if there { "-A" } else { "-D" }, chain]).await;
    };
    for _ in 0..TRIES {
        let place = Place::of(hands, rule, before).await?;
        done(hands, rule, &["-I", chain, &place.number.to_string()]).await?;
        if place.is_taken(hands, rule, before).await? {
            return Ok(());
        }
        done(hands, rule, &["-D", chain]).await?;
    }
    Err(restless())
}

/// The place before a rule.
struct Place {
    /// The number that the rule has, from 1.
    number: usize,
    /// Handles of the rules there were; none of legacy rules.
    handles: Vec<u64>,
}

impl Place {
    async fn of(hands: &Hands, rule: &Rule, before: &Before) -> Result<Self, Error> {
        let (at, handles) = if rule.spot.tool == RuleTool::IptablesLegacy {
            (at_of(before, &listed(hands, rule).await?), Vec::new())
        } else {
            let handles = handles(rule)?;
            (handles.iter().position(|handle| *handle == before.handle), handles)
        };
        let at = at.ok_or_else(|| Error::broken("the rule it goes before is gone").hint("diagnose again"))?;
        Ok(Self { number: at + 1, handles })
    }

    /// What is right before that rule now is ours, or at least new.
    async fn is_taken(&self, hands: &Hands, rule: &Rule, before: &Before) -> Result<bool, Error> {
        if rule.spot.tool == RuleTool::IptablesLegacy {
            let Some(text) = before.text.as_deref() else { return Ok(true) };
            let (rules, comment) = (listed(hands, rule).await?, rule.comment());
            let own = rules.iter().position(|line| line.split_whitespace().any(|word| word == comment));
            return Ok(own.and_then(|own| rules.get(own + 1)).is_some_and(|next| next == text));
        }
        let now = handles(rule)?;
        let at = now.iter().position(|handle| *handle == before.handle);
        let left = at.and_then(|at| at.checked_sub(1)).and_then(|at| now.get(at));
        Ok(left.is_some_and(|handle| !self.handles.contains(handle)))
    }
}

/// Handles of the rules of its chain, in their order.
fn handles(rule: &Rule) -> Result<Vec<u64>, Error> {
    let rules = chain_rules(&rule.spot.chain);
    let rules = rules.map_err(|t| Error::broken(format!("the rules cannot be read: {t:?}")))?;
    Ok(rules.unwrap_or_default().rules.iter().map(|rule| rule.handle).collect())
}

/// The rules of its chain as it prints them.
async fn listed(hands: &Hands, rule: &Rule) -> Result<Vec<String>, Error> {
    let ran = program::asked(&hands.state, &argv(rule, &["-S", &rule.spot.chain.name], false)?).await?;
    if !ran.status.success() {
        return Err(refused(rule, &ran));
    }
    let lines = String::from_utf8_lossy(&ran.stdout).into_owned();
    Ok(lines.lines().filter(|line| line.starts_with("-A ")).map(str::to_owned).collect())
}

/// Where a legacy rule stands: at its old number, or wherever else there is only one like it.
fn at_of(before: &Before, rules: &[String]) -> Option<usize> {
    let old = usize::try_from(before.number).ok()?.checked_sub(1)?;
    let Some(text) = before.text.as_deref() else { return (old < rules.len()).then_some(old) };
    if rules.get(old).is_some_and(|rule| rule == text) {
        return Some(old);
    }
    let mut like = rules.iter().enumerate().filter(|(_, rule)| *rule == text);
    let (at, _) = like.next()?;
    like.next().is_none().then_some(at)
}

/// Runs it with the words of the rule; it must succeed.
async fn done(hands: &Hands, rule: &Rule, command: &[&str]) -> Result<(), Error> {
    let ran = program::ended(&hands.state, &argv(rule, command, true)?).await?;
    if ran.status.success() { Ok(()) } else { Err(refused(rule, &ran)) }
}

/// The command line of a command and, where they are wanted, the words of the rule.
fn argv(rule: &Rule, command: &[&str], with_rule: bool) -> Result<Vec<String>, Error> {
    let table = rule.spot.chain.table.name.as_str();
    // A name that begins as an option would be one, and nobody else's rule is put into such a chain.
    let named = [Some(table), command.get(1).copied()].into_iter().flatten();
    if named.clone().any(|name| name.starts_with('-') || !is_word(name)) {
        return Err(Error::broken(format!("no rule is put into a chain called {}", text::line(&rule.spot.chain.name))));
    }
    let mut argv: Vec<String> = [rule.program(), "-w", WAIT, "-t", table].map(str::to_owned).into();
    argv.extend(command.iter().map(|word| (*word).to_owned()));
    if with_rule {
        argv.extend(rule.words());
    }
    Ok(argv)
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
        let listed = ["-A INPUT -i lo -j ACCEPT", "-A INPUT -j DROP"].map(str::to_owned);
        let before = |number, text: Option<&str>| Before { handle: number, number, text: text.map(Into::into) };
        assert_eq!(at_of(&before(2, Some("-A INPUT -j DROP")), &listed), Some(1));
        assert_eq!(at_of(&before(1, Some("-A INPUT -j DROP")), &listed), Some(1), "it has moved");
        assert_eq!(at_of(&before(2, Some("-A INPUT -j REJECT")), &listed), None);
        assert_eq!(at_of(&before(1, None), &listed), Some(0));
        assert_eq!(at_of(&before(3, None), &listed), None);
        let twice = [&listed[..], &["-A INPUT -j DROP".to_owned()]].concat();
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
