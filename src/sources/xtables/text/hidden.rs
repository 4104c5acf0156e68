//! What `iptables -S` leaves out: `! -i +` and `! -o +`, which match no packet at all. Without them such a rule looks as if
//! it took every packet. Only `iptables -L -v` shows them, as `!+` in its columns of interfaces.

use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::xt::{IpMatch, Match, Xt};
use crate::facts::ruleset::{LegacyTable, Rule};

/// In the columns of interfaces.
const NO_INTERFACE: &str = "!+";

/// Adds what only `-L -n -v --line-numbers` shows to the rules of a table. False: that is not the same table any more.
pub fn add(table: &mut LegacyTable, listed: &str) -> bool {
    let mut here: Option<&mut Vec<Rule>> = None;
    let mut chain = String::new();
    let mut seen = 0;
    let mut counts = 0;
    for line in listed.lines() {
        if let Some(name) = line.strip_prefix("Chain ").and_then(|rest| rest.split(" (").next()) {
            here = table.chains.iter_mut().find(|(chain, _)| chain.id.name == name).map(|(_, rules)| rules);
            name.clone_into(&mut chain);
            seen = 0;
            continue;
        }
        let mut words = line.split_whitespace();
        let numbered = words.next().and_then(|number| number.parse().ok()) == Some(seen + 1);
        let (true, Some(rules)) = (numbered, here.as_deref_mut()) else { continue };
        let Some(rule) = rules.get_mut(seen) else { return false };
        seen += 1;
        counts += 1;
        if line.contains(NO_INTERFACE) {
            hide(rule, &chain, interfaces(line));
        }
    }
    table.chains.iter().map(|(_, rules)| rules.len()).sum::<usize>() == counts
}

/// Whether the two columns of interfaces say that none fits: they stand before that of source addresses.
fn interfaces(line: &str) -> (bool, bool) {
    // Number, packets, bytes, perhaps a target, protocol, perhaps fragments, in, out, source.
    const FIRST: usize = 6;
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |word: &&str| {
        let bare = word.trim_start_matches('!').split('/').next().unwrap_or_default();
        bare.parse::<std::net::IpAddr>().is_ok()
    };
    let source = words.iter().skip(FIRST).position(address).map(|at| at + FIRST);
    let is = |back: usize| {
        let at = source.and_then(|at| at.checked_sub(back));
        at.and_then(|at| words.get(at)).is_some_and(|word| *word == NO_INTERFACE)
    };
    (is(2), is(1))
}

/// Adds it to a rule, and to its text.
fn hide(rule: &mut Rule, chain: &str, (input, output): (bool, bool)) {
    let mut words = String::new();
    let first = rule
        .exprs
        .iter_mut()
        .find_map(|expr| if let Expr::Xt(Xt::Match(Match::Ip(ip))) = expr { Some(ip) } else { None });
    let mut own = IpMatch::default();
    let had = first.is_some();
    let ip = first.unwrap_or(&mut own);
    if input && ip.input.is_none() {
        (ip.input, ip.input_inverted) = (Some("+".into()), true);
        words.push_str(" ! -i +");
    }
    if output && ip.output.is_none() {
        (ip.output, ip.output_inverted) = (Some("+".into()), true);
        words.push_str(" ! -o +");
    }
    if words.is_empty() {
        return;
    }
    if !had {
        rule.exprs.insert(0, Expr::Xt(Xt::Match(Match::Ip(own))));
    }
    let begin = format!("-A {chain}");
    if let Some(rest) = rule.text.as_deref().and_then(|text| text.strip_prefix(&begin)) {
        rule.text = Some(format!("{begin}{words}{rest}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;
    use crate::facts::ruleset::{Backend, Family, TableId};

    const SAID: &str = "-P INPUT ACCEPT -c 0 0\n-N sub\n-A INPUT -s 10.0.0.1/32 -c 0 0 -j sub\n-A INPUT -c 0 0 -j DROP\n\
                        -A INPUT -p tcp -f -m comment --comment \"a !+ b\" -c 0 0\n-A sub -c 0 0\n";
    const LISTED: &str = "\
Chain INPUT (policy ACCEPT 0 packets, 0 bytes)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 sub        0    --  !+     *       10.0.0.1             0.0.0.0/0
2        0     0 DROP       0    --  *      *       0.0.0.0/0            0.0.0.0/0
3        0     0            6    -f  *      *       0.0.0.0/0            0.0.0.0/0            /* a !+ b */

Chain sub (1 references)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0            0    --  !+     !+      0.0.0.0/0            0.0.0.0/0
";

    #[test]
    fn interfaces_that_never_fit_are_found_and_said() {
        let id = TableId { backend: Backend::Legacy, family: Family::Ip, name: "filter".into() };
        let mut read = table(&id, SAID).unwrap();
        let before = read.clone();
        assert!(add(&mut read, LISTED));
        let text = |chain: usize, rule: usize| read.chains[chain].1[rule].text.clone().unwrap();
        assert_eq!(text(0, 0), "-A INPUT ! -i + -s 10.0.0.1/32 -j sub");
        assert_eq!(text(1, 0), "-A sub ! -i + ! -o +");
        assert_eq!(read.chains[0].1[1..], before.chains[0].1[1..]);
        let ip = |chain: usize, rule: usize| {
            let Expr::Xt(Xt::Match(Match::Ip(ip))) = &read.chains[chain].1[rule].exprs[0] else { panic!("no match") };
            ip.clone()
        };
        assert_eq!((ip(0, 0).input, ip(0, 0).input_inverted, ip(0, 0).output), (Some("+".into()), true, None));
        assert!(ip(0, 0).source.is_some());
        assert_eq!((ip(1, 0).output, ip(1, 0).output_inverted), (Some("+".into()), true));
    }

    #[test]
    fn another_table_is_noticed() {
        let id = TableId { backend: Backend::Legacy, family: Family::Ip, name: "filter".into() };
        let mut read = table(&id, &SAID.replace("-A sub -c 0 0\n", "")).unwrap();
        assert!(!add(&mut read, LISTED));
        let mut read = table(&id, &format!("{SAID}-A sub -c 0 0\n")).unwrap();
        assert!(!add(&mut read, LISTED));
    }
}
