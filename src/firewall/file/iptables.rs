//! Files of iptables-save: their tables and chains, and which lines are the same rule.

use super::same::value;
use crate::facts::ruleset::ChainId;

/// The rules of a chain, each with its line.
pub(super) fn rules(text: &str, chain: &ChainId) -> Vec<(usize, String)> {
    let of_chain = |(at, line): (usize, &str)| {
        let line = uncounted(line);
        let mut words = line.split_whitespace();
        let adds = matches!(words.next(), Some("-A" | "--append" | "-I" | "--insert"));
        let name = words.next().unwrap_or_default().trim_matches(['"', '\'']);
        (adds && name == chain.name).then(|| (at, line.to_owned()))
    };
    lines(text, &chain.table.name).filter_map(of_chain).collect()
}

/// The lines that say a policy of a chain.
pub(super) fn policies(text: &str, chain: &ChainId) -> Vec<usize> {
    let says = |(at, line): (usize, &str)| {
        let mut words = line.strip_prefix(':')?.split_whitespace();
        (words.next() == Some(chain.name.as_str()) && words.next().is_some_and(|policy| policy != "-")).then_some(at)
    };
    lines(text, &chain.table.name).filter_map(says).collect()
}

/// The lines of a table.
fn lines<'t>(text: &'t str, table: &str) -> impl Iterator<Item = (usize, &'t str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('*') {
            inside = name.trim() == table;
        } else if line == "COMMIT" {
            inside = false;
        }
        inside.then_some((at + 1, line))
    })
}

/// Without `[packets:bytes]`.
fn uncounted(line: &str) -> &str {
    match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim_start(),
        None => line,
    }
}

/// A rule in the one way to write it: its options in order, each with its values.
pub(super) fn same(text: &str) -> Vec<String> {
    let words = words(text);
    let spec = match words.as_slice() {
        [add, _, number, rest @ ..] if matches!(add.as_str(), "-I" | "--insert") && number.parse::<u32>().is_ok() => {
            rest
        }
        [add, _, rest @ ..] if matches!(add.as_str(), "-A" | "--append" | "-I" | "--insert") => rest,
        all => all,
    };
    let mut options: Vec<Vec<String>> = Vec::new();
    let mut negated = false;
    for word in spec {
        if word == "!" {
            negated = true;
        } else if word.len() > 1 && word.starts_with('-') {
            let not = if std::mem::take(&mut negated) { "!" } else { "" };
            options.push(vec![format!("{not}{}", option(word))]);
        } else if let Some(last) = options.last_mut() {
            last.push(one_value(word));
        }
    }
    let mut said: Vec<String> = options.iter().filter_map(|words| whole(words)).collect();
    said.sort();
    said
}

/// Words as iptables-restore takes them apart: quotes keep blanks, a backslash keeps a quote.
fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), '\\') => word.extend(chars.next()),
            (None, '"' | '\'') => (quote, begun) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if std::mem::take(&mut begun) {
                    found.push(std::mem::take(&mut word));
                }
            }
            _ => {
                begun = true;
                word.push(c);
            }
        }
    }
    found.extend(begun.then_some(word));
    found
}

/// The short form of an option, or the name it has now.
fn option(word: &str) -> &str {
    match word {
        "--source" | "--src" => "-s",
        "--destination" | "--dst" => "-d",
        "--in-interface" => "-i",
        "--out-interface" => "-o",
        "--protocol" | "--proto" => "-p",
        "--jump" => "-j",
        "--goto" => "-g",
        "--match" => "-m",
        "--destination-port" => "--dport",
        "--source-port" => "--sport",
        "--destination-ports" => "--dports",
        "--source-ports" => "--sports",
        "--state" => "--ctstate",
        other => other,
    }
}

/// A value, or a list of them in order.
fn one_value(word: &str) -> String {
    let rate = word.split_once('/').and_then(|(number, unit)| {
        let unit = match unit {
            "s" | "sec" | "second" => "sec",
            "m" | "min" | "minute" => "min",
            "h" | "hour" => "hour",
            "d" | "day" => "day",
            _ => return None,
        };
        Some(format!("{number}/{unit}"))
    });
    let masked = || word.split_once('/').filter(|(mark, _)| mark.starts_with("0x"));
    if let Some(one) = rate.or_else(|| masked().map(|(mark, mask)| format!("{}/{}", value(mark), value(mask)))) {
        return one;
    }
    let mut parts: Vec<String> = word.split(',').map(value).collect();
    parts.sort();
    parts.join(",")
}

/// An option with its values; none for what goes without saying.
fn whole(words: &[String]) -> Option<String> {
    let usual: &[&[&str]] = &[
        &["-m", "tcp"],
        &["-m", "udp"],
        &["-m", "sctp"],
        &["-m", "icmp"],
        &["-m", "ipv6-icmp"],
        &["-m", "comment"],
        &["-p", "all"],
        &["-s", "0.0.0.0/0"],
        &["-d", "0.0.0.0/0"],
        &["-s", "::/0"],
        &["-d", "::/0"],
        &["--reject-with", "icmp-port-unreachable"],
        &["--reject-with", "icmp6-port-unreachable"],
        &["--limit-burst", "5"],
        &["--mask", "255.255.255.255"],
        &["--mask", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
        &["--name", "DEFAULT"],
        &["--rsource"],
    ];
    if usual.iter().any(|u| u.iter().eq(words.iter())) {
        return None;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Some(match words.as_slice() {
        ["-c" | "--set-counters" | "--log-level", ..] => return None,
        ["-m", "state"] => "-m conntrack".into(),
        ["--syn"] => "--tcp-flags ACK,FIN,RST,SYN SYN".into(),
        ["!--syn"] => "!--tcp-flags ACK,FIN,RST,SYN SYN".into(),
        ["--set-mark", mark] => format!("--set-xmark {mark}/{}", u32::MAX),
        ["--icmp-type", "echo-request"] => "--icmp-type 8".into(),
        ["--icmpv6-type", "echo-request"] => "--icmpv6-type 128".into(),
        all => all.join(" "),
    })
}
