//! The rules of ufw as whoever changes them needs them: with the words that make each again, for its family alone.

use super::{Fields, RULES, RULES_V6, TUPLE, fields, lines, number, tuple};
use crate::facts::firewalls::UfwRule;

/// A rule, and how it is made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What is known of it in facts; its number is that of `ufw status numbered`.
    pub rule: UfwRule,
    /// Its line, after `### tuple ###`.
    pub line: String,
    /// What ufw does with it: `allow`, `limit log`.
    pub does: String,
    /// What it is about, without how it is logged.
    pub about: String,
    /// The words that make this rule and no other, after `ufw insert N`; empty for rules of applications and routes.
    pub words: Vec<String>,
}

/// The rules in the texts of ufw's two files, in order.
pub fn listed(v4: &str, v6: &str) -> Vec<Listed> {
    let mut tuples = Vec::new();
    let mut rest = Vec::new();
    for (file, text, is_v6) in [(RULES, v4, false), (RULES_V6, v6, true)] {
        for (at, text) in lines(text).filter_map(|(at, line)| Some((at, line.strip_prefix(TUPLE)?))) {
            let (Some(tuple), Some(made)) = (tuple(text, (file, at), is_v6), made(text)) else { continue };
            tuples.push(tuple);
            rest.push((text.trim().to_owned(), made));
        }
    }
    number(&mut tuples);
    let all = tuples.into_iter().zip(rest);
    all.map(|(tuple, (line, Made { does, about, words }))| Listed { rule: tuple.rule, line, does, about, words })
        .collect()
}

struct Made {
    does: String,
    about: String,
    words: Vec<String>,
}

fn made(text: &str) -> Option<Made> {
    let (text, comment) = text.split_once(" comment=").map_or((text, None), |(text, hex)| (text, Some(hex.trim())));
    let words: Vec<&str> = text.split_whitespace().collect();
    let fields = fields(&words)?;
    let does = [fields.action, fields.log].join(" ").trim_end().to_owned();
    let about = Fields { log: "", ..fields }.spec();
    let fields = self::fields(&words)?;
    Some(Made { does, about, words: exact(&fields, comment) })
}

fn exact(fields: &Fields<'_>, comment: Option<&str>) -> Vec<String> {
    if fields.routed || !(fields.to.application.is_empty() && fields.from.application.is_empty()) {
        return Vec::new();
    }
    let mut words = vec![fields.action];
    if !fields.interface_in.is_empty() {
        words.extend(["in", "on", fields.interface_in]);
    } else if !fields.interface_out.is_empty() {
        words.extend(["out", "on", fields.interface_out]);
    } else if fields.direction == "out" {
        words.push("out");
    }
    words.extend([fields.log].into_iter().filter(|log| !log.is_empty()));
    if fields.protocol != "any" {
        words.extend(["proto", fields.protocol]);
    }
    for (preposition, end) in [("from", &fields.from), ("to", &fields.to)] {
        // The address says which family is meant, even where it is any.
        words.extend([preposition, end.address]);
        if end.port != "any" {
            words.extend(["port", end.port]);
        }
    }
    let comment = comment.and_then(unhex);
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.extend(comment.into_iter().flat_map(|comment| ["comment".to_owned(), comment]));
    words
}

/// A comment is written as the hexadecimal of its UTF-8.
fn unhex(hex: &str) -> Option<String> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let byte = |pair: &[u32]| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    };
    String::from_utf8(digits.chunks(2).map(byte).collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_made_again_for_its_family_alone() {
        let v4 = "### tuple ### deny_log tcp 80 0.0.0.0/0 any 0.0.0.0/0 in comment=6974206973\n\
                  ### tuple ### allow any 53 0.0.0.0/0 any 10.0.0.0/8 in_eth0\n\
                  ### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in\n";
        let v6 = "### tuple ### deny tcp 80 ::/0 any ::/0 in\n### tuple ### what is this\n";
        let all = listed(v4, v6);
        let words: Vec<String> = all.iter().map(|l| l.words.join(" ")).collect();
        assert_eq!(
            words,
            [
                "deny log proto tcp from 0.0.0.0/0 to 0.0.0.0/0 port 80 comment it is",
                "allow in on eth0 from 10.0.0.0/8 to 0.0.0.0/0 port 53",
                "",
                "deny proto tcp from ::/0 to ::/0 port 80",
            ]
        );
        let first = all.first().unwrap();
        assert_eq!((first.does.as_str(), first.about.as_str(), first.rule.number), ("deny log", "80/tcp", 1));
        assert_eq!(all.last().unwrap().rule.number, 4);
        assert_eq!(unhex("6"), None);
        assert_eq!(unhex("zz"), None);
    }
}
