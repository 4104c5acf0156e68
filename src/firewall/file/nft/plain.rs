//! What makes no difference to a rule: what counts, what nft says by itself, what goes without saying.

use crate::facts::ruleset::Family;

/// The words without it.
pub(super) fn without(words: &[String], family: Family) -> Vec<String> {
    let words = implied(&flags(&counters_and_logs(words)), family);
    let mut out: Vec<String> = Vec::new();
    let mut rest = words.as_slice();
    while let Some((word, after)) = rest.split_first() {
        let before = out.last().map_or("", String::as_str);
        rest = after;
        match (word.as_str(), after) {
            ("==", _) if !matches!(before, "flags" | "state" | "status") => continue,
            ("burst", [five, packets, more @ ..]) if five == "5" && packets == "packets" => {
                rest = more;
                continue;
            }
            ("type", _) if matches!(before, "icmp" | "ipv6-icmp" | "icmpx") && out.iter().any(|w| w == "with") => {
                continue;
            }
            ("ip" | "ip6", [to, ..]) if matches!(before, "dnat" | "snat") && to == "to" => continue,
            _ => {}
        }
        out.push(word.clone());
    }
    usual_answer(&mut out, family);
    out
}

/// Counters, and of a log what is not its prefix or group.
fn counters_and_logs(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = words;
    let mut in_log = false;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        match (word.as_str(), after) {
            ("counter", [next, ..]) if next == "name" => {}
            ("counter", [packets, _, bytes, _, more @ ..]) if packets == "packets" && bytes == "bytes" => {
                rest = more;
                continue;
            }
            ("counter", _) => continue,
            ("log", _) => in_log = true,
            ("prefix" | "group", [value, more @ ..]) if in_log => {
                out.extend([word.clone(), value.clone()]);
                rest = more;
                continue;
            }
            ("level" | "flags" | "snaplen" | "queue-threshold", [_, more @ ..]) if in_log => {
                rest = more;
                continue;
            }
            _ => in_log = false,
        }
        out.push(word.clone());
    }
    out
}

/// `tcp flags & (syn | ack) == syn` is `tcp flags syn / syn,ack`.
fn flags(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        out.push(word.clone());
        rest = after;
        let [and, mask, op, value, more @ ..] = after else { continue };
        if word != "flags" || and != "&" || !matches!(op.as_str(), "==" | "!=") {
            continue;
        }
        rest = more;
        match (op.as_str(), value.as_str()) {
            ("==", "0") => out.extend(["!".into(), mask.clone()]),
            ("!=", "0") => out.push(mask.clone()),
            ("!=", _) => out.extend(["!=".into(), value.clone(), "/".into(), mask.clone()]),
            _ => out.extend([value.clone(), "/".into(), mask.clone()]),
        }
    }
    out
}

/// Matches that only say which header there is, where a later one looks into it.
fn implied(words: &[String], family: Family) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if let [which, more @ ..] = after {
            let looked = |header: &str| more.iter().any(|w| w == header);
            let said = match word.as_str() {
                "l4proto" => looked(which),
                "protocol" if family == Family::Ip && out.last().is_some_and(|w| w == "ip") => {
                    let goes = looked(which);
                    out.truncate(out.len() - usize::from(goes));
                    goes
                }
                "nfproto" | "protocol" if out.last().is_none_or(|w| w != "ip" && w != "ct") => match which.as_str() {
                    "ipv4" | "ip" => looked("ip") || looked("icmp"),
                    "ipv6" | "ip6" => looked("ip6") || looked("ipv6-icmp"),
                    _ => false,
                },
                _ => false,
            };
            if said {
                rest = more;
                continue;
            }
        }
        out.push(word.clone());
    }
    out
}

/// The answer that a reject gives where nothing is said.
fn usual_answer(words: &mut Vec<String>, family: Family) {
    let at = words.windows(4).position(|four| {
        let [reject, with, layer, code] = four else { return false };
        let layers: &[&str] = match family {
            Family::Ip => &["icmp", "icmpx"],
            Family::Ip6 => &["ipv6-icmp", "icmpx"],
            Family::Inet | Family::Netdev | Family::Bridge | Family::Arp => &["icmpx"],
        };
        reject == "reject" && with == "with" && layers.contains(&layer.as_str()) && code == "port-unreachable"
    });
    if let Some(at) = at {
        words.drain(at + 1..at + 4);
    }
}
