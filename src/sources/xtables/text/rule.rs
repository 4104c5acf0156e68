//! One rule, from its words.

use super::line::Word;
use super::options::{Options, Setting, network};
use super::{matches, protocol, targets};
use crate::facts::ruleset::expr::{Expr, Verdict};
use crate::facts::ruleset::xt::{IpMatch, Match, Xt};
use crate::facts::ruleset::{Family, Rule};

/// What is known so far of a rule.
struct Reader<'a> {
    family: Family,
    /// Is that a chain of this table?
    is_chain: &'a dyn Fn(&str) -> bool,
    ip: IpMatch,
    matches: Vec<Options>,
    target: Option<Options>,
    goto: bool,
    counter: Option<(u64, u64)>,
    /// Where the counters stand in the line.
    counter_at: Option<(usize, usize)>,
    /// Words that were not understood.
    unclear: Vec<String>,
}

/// The rule whose words follow `-A CHAIN`, with its number in the chain.
pub(super) fn rule(number: u64, line: &str, words: &[Word], family: Family, is_chain: &dyn Fn(&str) -> bool) -> Rule {
    let mut reader = Reader {
        family,
        is_chain,
        ip: IpMatch::default(),
        matches: Vec::new(),
        target: None,
        goto: false,
        counter: None,
        counter_at: None,
        unclear: Vec::new(),
    };
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let (inverted, word, after) = match after.split_first() {
            Some((next, after)) if word.is("!") => (true, next, after),
            _ => (false, word, after),
        };
        let taken = reader.option(word, inverted, after).unwrap_or_else(|| {
            reader.unclear.push(word.text.clone());
            0
        });
        rest = after.get(taken..).unwrap_or_default();
    }
    reader.finish(number, line)
}

impl Reader<'_> {
    /// Takes an option; how many of the words behind it are its values. None if it is not understood.
    fn option(&mut self, word: &Word, inverted: bool, rest: &[Word]) -> Option<usize> {
        if word.quoted {
            return None;
        }
        if word.text.starts_with("--") {
            let length = Setting::length(&word.text, rest);
            let setting = Setting::new(&word.text, inverted, rest.get(..length)?);
            let owner = self.target.as_mut().or_else(|| self.matches.last_mut())?;
            owner.add(setting);
            return Some(length);
        }
        if word.text == "-f" {
            let first = self.ip.fragment.replace(!inverted).is_none();
            return first.then_some(0);
        }
        if word.text == "-c" {
            return self.counters(word, inverted, rest);
        }
        let value = rest.first()?;
        match word.text.as_str() {
            "-m" if !inverted => self.matches.push(Options::new(&value.text, self.family)),
            "-j" | "-g" if !inverted && self.target.is_none() => {
                self.goto = word.text == "-g";
                self.target = Some(Options::new(&value.text, self.family));
            }
            _ => return self.ip_option(&word.text, inverted, &value.text),
        }
        Some(1)
    }

    fn counters(&mut self, word: &Word, inverted: bool, rest: &[Word]) -> Option<usize> {
        let [packets, bytes, ..] = rest else { return None };
        if inverted || self.counter.is_some() {
            return None;
        }
        self.counter = Some((packets.text.parse().ok()?, bytes.text.parse().ok()?));
        self.counter_at = Some((word.at.0, bytes.at.1));
        Some(2)
    }

    /// What every rule of iptables-legacy has; each once.
    fn ip_option(&mut self, option: &str, inverted: bool, value: &str) -> Option<usize> {
        let ip = &mut self.ip;
        let (not, first) = match option {
            "-s" => (&mut ip.source_inverted, ip.source.replace(network(value, self.family)?).is_none()),
            "-d" => (&mut ip.destination_inverted, ip.destination.replace(network(value, self.family)?).is_none()),
            "-i" => (&mut ip.input_inverted, ip.input.replace(value.to_owned()).is_none()),
            "-o" => (&mut ip.output_inverted, ip.output.replace(value.to_owned()).is_none()),
            "-p" => (&mut ip.protocol_inverted, ip.protocol.replace(protocol::number(value)?).is_none()),
            _ => return None,
        };
        *not = inverted;
        first.then_some(1)
    }

    fn finish(self, number: u64, line: &str) -> Rule {
        let mut exprs = Vec::new();
        let mut comment = None;
        if self.ip != IpMatch::default() {
            exprs.push(Expr::Xt(Xt::Match(Match::Ip(self.ip))));
        }
        for options in self.matches {
            let found = matches::of(options);
            if let Match::Comment(text) = &found {
                comment.get_or_insert_with(|| text.clone());
            }
            exprs.push(Expr::Xt(Xt::Match(found)));
        }
        if !self.unclear.is_empty() {
            // What such a rule asks for is not known, so neither is what it decides.
            let info = self.unclear.join(" ").into_bytes();
            exprs.push(Expr::Xt(Xt::Match(Match::Other { name: "iptables".into(), revision: 0, info })));
        }
        if let Some((packets, bytes)) = self.counter {
            exprs.push(Expr::Counter { packets, bytes });
        }
        if let Some(target) = self.target {
            exprs.push(end(target, self.goto, self.is_chain));
        }
        Rule { handle: number, exprs, comment, text: Some(without(line, self.counter_at)) }
    }
}

/// A verdict, another chain, or a target.
fn end(target: Options, goto: bool, is_chain: &dyn Fn(&str) -> bool) -> Expr {
    if is_chain(&target.name) && target.words().is_empty() {
        let name = target.name;
        return Expr::Verdict(if goto { Verdict::Goto(name) } else { Verdict::Jump(name) });
    }
    let verdict = match target.name.as_str() {
        "ACCEPT" => Verdict::Accept,
        "DROP" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "QUEUE" => Verdict::Queue,
        _ => return Expr::Xt(Xt::Target(targets::of(target, goto))),
    };
    if goto || !target.words().is_empty() {
        return Expr::Xt(Xt::Target(targets::other(target)));
    }
    Expr::Verdict(verdict)
}

/// The line as it is without `-v`.
fn without(line: &str, counters: Option<(usize, usize)>) -> String {
    let parts = counters.and_then(|(from, to)| Some((line.get(..from)?.trim_end(), line.get(to..)?.trim_start())));
    match parts {
        Some((before, "")) => before.to_owned(),
        Some((before, after)) => format!("{before} {after}"),
        None => line.to_owned(),
    }
}
