//! The commands that show a rule, take it out, and put one before it.

use crate::facts::ruleset::{Backend, ChainId, ChainRules, Family, Rule, Ruleset, SetId, TableId};
use crate::text::{arg, line};

use super::words::{self, Names, in_iptables};

/// Which program speaks of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Nft,
    /// `iptables` and its kin, by name.
    Iptables(&'static str),
}

fn tool(chain: &ChainId, ruleset: Option<&Ruleset>) -> Tool {
    let v6 = chain.table.family == Family::Ip6;
    match chain.table.backend {
        Backend::Legacy => Tool::Iptables(if v6 { "ip6tables-legacy" } else { "iptables-legacy" }),
        Backend::Nftables if in_iptables(chain, None, ruleset) => {
            Tool::Iptables(if v6 { "ip6tables" } else { "iptables" })
        }
        Backend::Nftables => Tool::Nft,
    }
}

/// `inet filter input`, each part a word of its own.
fn place(chain: &ChainId) -> String {
    format!("{} {}", table(&chain.table), arg(&chain.name))
}

fn table(id: &TableId) -> String {
    format!("{} {}", id.family.word(), arg(&id.name))
}

/// `-t nat `, where that is not the table that iptables means by itself.
fn of_table(id: &TableId) -> String {
    if id.name == "filter" { String::new() } else { format!("-t {} ", arg(&id.name)) }
}

/// The command that shows a chain with its rules: as nft does, or as iptables.
pub fn chain(id: &ChainId, ruleset: Option<&Ruleset>) -> String {
    match tool(id, ruleset) {
        Tool::Nft => format!("nft -a list chain {}", place(id)),
        Tool::Iptables(program) if id.table.backend == Backend::Legacy => {
            format!("{program} {}-S {}", of_table(&id.table), arg(&id.name))
        }
        Tool::Iptables(program) => {
            format!("{program} {}-nvL {} --line-numbers", of_table(&id.table), arg(&id.name))
        }
    }
}

/// The command that shows a set.
pub fn set(id: &SetId) -> String {
    format!("nft list set {} {}", table(&id.table), arg(&id.name))
}

/// The command that shows whether a set holds something; `element` as nft writes it.
pub fn member(id: &SetId, element: &str) -> String {
    // nft wants braces, which a shell must not take for its own.
    format!("nft get element {} {} {}", table(&id.table), arg(&id.name), arg(&format!("{{ {element} }}")))
}

/// Number of a rule in its chain, from 1, as iptables counts.
fn number(rules: &ChainRules, handle: u64) -> Option<usize> {
    rules.rules.iter().position(|rule| rule.handle == handle).map(|at| at + 1)
}

/// The handle of a rule as its number, where they are the same.
fn counted(id: &ChainId, handle: u64, rules: Option<&ChainRules>) -> Option<u64> {
    if id.table.backend == Backend::Legacy {
        return Some(handle);
    }
    number(rules?, handle).and_then(|n| u64::try_from(n).ok())
}

/// The command that takes a rule out. None: iptables counts rules, and they are not known.
pub fn delete(id: &ChainId, handle: u64, rules: Option<&ChainRules>, ruleset: Option<&Ruleset>) -> Option<String> {
    Some(match tool(id, ruleset) {
        Tool::Nft => format!("nft delete rule {} handle {handle}", place(id)),
        Tool::Iptables(program) => {
            let number = counted(id, handle, rules)?;
            format!("{program} {}-D {} {number}", of_table(&id.table), arg(&id.name))
        }
    })
}

/// The command that puts a rule before another; `spec` is in the language of the chain's keeper, its host text already
/// quoted. None: iptables counts rules, and they are not known.
pub fn insert(
    id: &ChainId,
    handle: u64,
    spec: &str,
    rules: Option<&ChainRules>,
    ruleset: Option<&Ruleset>,
) -> Option<String> {
    Some(match tool(id, ruleset) {
        Tool::Nft => format!("nft insert rule {} position {handle} {spec}", place(id)),
        Tool::Iptables(program) => {
            let number = counted(id, handle, rules)?;
            format!("{program} {}-I {} {number} {spec}", of_table(&id.table), arg(&id.name))
        }
    })
}

/// The command that puts a rule at the end of a chain.
pub fn append(id: &ChainId, spec: &str, ruleset: Option<&Ruleset>) -> String {
    match tool(id, ruleset) {
        Tool::Nft => format!("nft add rule {} {spec}", place(id)),
        Tool::Iptables(program) => format!("{program} {}-A {} {spec}", of_table(&id.table), arg(&id.name)),
    }
}

/// What takes a rule out again that was just put in: nft wants its handle, which only the kernel knows.
pub fn remove(id: &ChainId, spec: &str, ruleset: Option<&Ruleset>) -> String {
    match tool(id, ruleset) {
        Tool::Nft => {
            format!("nft -a list chain {0}    # tells its handle, then: nft delete rule {0} handle N", place(id))
        }
        Tool::Iptables(program) => format!("{program} {}-D {} {spec}", of_table(&id.table), arg(&id.name)),
    }
}

/// The command that puts a rule back where it was after [`delete`]: before the rule that followed it, or at the end. None
/// where it would restore less than the rule did, or another place.
pub fn put_back(id: &ChainId, rule: &Rule, rules: Option<&ChainRules>, names: &dyn Names) -> Option<String> {
    let known = rules?;
    let at = number(known, rule.handle)?;
    let next = known.rules.get(at).map(|rule| rule.handle);
    let text = &words::exact(id, rule, names)?;
    let ruleset = names.ruleset();
    let tool = tool(id, ruleset);
    let spec = shell_words(text, tool == Tool::Nft)?;
    Some(match (tool, next) {
        (Tool::Nft, Some(next)) => format!("nft insert rule {} position {next} {spec}", place(id)),
        (Tool::Nft, None) if !known.more => format!("nft add rule {} {spec}", place(id)),
        (Tool::Nft, None) => return None,
        (Tool::Iptables(program), _) => {
            // `-A CHAIN` begins the text of iptables.
            let spec = spec.strip_prefix("-A ").and_then(|s| s.split_once(' ')).map_or(spec.as_str(), |(_, rest)| rest);
            format!("{program} {}-I {} {at} {spec}", of_table(&id.table), arg(&id.name))
        }
    })
}

/// A rule's text as words for a shell: quoted strings stay one word, with the quotes that nft needs kept. None: it holds
/// what has no words (`[…]`), a set that is not written out, quotes within quotes, or what cannot be seen.
fn shell_words(text: &str, keep_quotes: bool) -> Option<String> {
    let bracket = text.match_indices('[').any(|(at, _)| !text.get(at..).is_some_and(is_address));
    if bracket || line(text) != text || text.contains(['…', '\\']) || !text.matches('"').count().is_multiple_of(2) {
        return None;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            ' ' if !quoted => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            _ => {
                quoted ^= c == '"';
                word.extend((c != '"' || keep_quotes).then_some(c));
            }
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    Some(words.iter().map(|w| arg(w)).collect::<Vec<_>>().join(" "))
}

/// `[::1]:80` is an address, not something without words.
fn is_address(rest: &str) -> bool {
    let inner = rest.trim_start_matches('[').split(']').next().unwrap_or_default();
    inner.parse::<std::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ruleset::expr::{Expr, Verdict};
    use crate::firewall::words::NoNames;

    fn id(backend: Backend, family: Family, table: &str, name: &str) -> ChainId {
        ChainId { table: TableId { backend, family, name: table.into() }, name: name.into() }
    }

    fn rules(handles: &[u64]) -> ChainRules {
        let rule = |handle: &u64| Rule { handle: *handle, exprs: Vec::new(), comment: None, text: None };
        ChainRules { generation: 1, rules: handles.iter().map(rule).collect(), more: false }
    }

    #[test]
    fn each_keepers_tool_shows_its_chains() {
        let show = |backend, family, table, name| chain(&id(backend, family, table, name), None);
        assert_eq!(show(Backend::Nftables, Family::Inet, "filter", "input"), "nft -a list chain inet filter input");
        assert_eq!(
            show(Backend::Nftables, Family::Netdev, "early", "ingress"),
            "nft -a list chain netdev early ingress"
        );
        assert_eq!(show(Backend::Nftables, Family::Ip, "filter", "INPUT"), "iptables -nvL INPUT --line-numbers");
        assert_eq!(
            show(Backend::Nftables, Family::Ip6, "nat", "OUTPUT"),
            "ip6tables -t nat -nvL OUTPUT --line-numbers"
        );
        assert_eq!(show(Backend::Legacy, Family::Ip, "filter", "INPUT"), "iptables-legacy -S INPUT");
        assert_eq!(show(Backend::Nftables, Family::Ip, "filter", "x; id"), "nft -a list chain ip filter 'x; id'");
    }

    #[test]
    fn rules_are_taken_out_by_handle_or_number_and_put_back_where_they_were() {
        let (native, tables) = (
            id(Backend::Nftables, Family::Inet, "filter", "input"),
            id(Backend::Nftables, Family::Ip, "filter", "INPUT"),
        );
        let known = rules(&[4, 7, 9]);
        let there = Some(&known);
        assert_eq!(delete(&native, 7, None, None).as_deref(), Some("nft delete rule inet filter input handle 7"));
        assert_eq!(delete(&tables, 7, there, None).as_deref(), Some("iptables -D INPUT 2"));
        assert_eq!(delete(&tables, 7, None, None), None);
        let accept = insert(&tables, 9, "-s 10.0.0.1 -j ACCEPT", there, None);
        assert_eq!(accept.as_deref(), Some("iptables -I INPUT 3 -s 10.0.0.1 -j ACCEPT"));
        let put = |id: &ChainId, handle: u64, text: &str| {
            let rule = Rule { text: Some(text.into()), ..known.rules.iter().find(|r| r.handle == handle)?.clone() };
            put_back(id, &rule, there, &NoNames)
        };
        let back = put(&native, 7, "tcp dport { 80, 443 } reject comment \"a b\"");
        let expected =
            "nft insert rule inet filter input position 9 tcp dport '{' '80,' 443 '}' reject comment '\"a b\"'";
        assert_eq!(back.as_deref(), Some(expected));
        assert_eq!(put(&native, 9, "drop").as_deref(), Some("nft add rule inet filter input drop"));
        let numbered = put(&tables, 7, "-A INPUT -p tcp -j DROP");
        assert_eq!(numbered.as_deref(), Some("iptables -I INPUT 2 -p tcp -j DROP"));
        assert_eq!(put(&native, 7, "[inner] drop"), None);
        assert_eq!(put(&native, 7, "log prefix \"a\u{202e}\" drop"), None);
        let commented = put(&tables, 4, "-A INPUT -m comment --comment \"a b\" -j DROP");
        assert_eq!(commented.as_deref(), Some("iptables -I INPUT 1 -m comment --comment 'a b' -j DROP"));
        let to = put(&native, 7, "dnat to [::1]:80");
        assert_eq!(to.as_deref(), Some("nft insert rule inet filter input position 9 dnat to '[::1]:80'"));
    }

    #[test]
    fn what_words_cannot_say_is_not_put_back() {
        let native = id(Backend::Nftables, Family::Inet, "filter", "input");
        let put = |exprs: Vec<Expr>| {
            let rule = Rule { handle: 4, exprs, comment: None, text: None };
            let rules = ChainRules { generation: 1, rules: vec![rule.clone()], more: false };
            put_back(&native, &rule, Some(&rules), &NoNames)
        };
        assert_eq!(put(vec![Expr::Verdict(Verdict::Drop)]).as_deref(), Some("nft add rule inet filter input drop"));
        assert_eq!(put(vec![Expr::Log { prefix: None, group: None }, Expr::Verdict(Verdict::Drop)]), None);
        assert_eq!(put(vec![Expr::Synproxy]), None);
    }
}
