//! Plans in the language of ufw: for one client, for everyone, and without the rule that refuses.

use std::net::IpAddr;

use super::action::{Action, UfwEntry};
use super::plan::{Plan, Risk, Scope};
use crate::facts::firewalls::UfwRule;
use crate::facts::socket::Transport;

/// Lets one client in, before all other rules.
pub fn allow_client(client: IpAddr, port: u16, transport: Transport) -> Plan {
    let does = format!("let {client} in to {port}/{}, before the other rules", transport.word());
    let port = port.to_string();
    let client = client.to_string();
    let about = ["from", &client, "to", "any", "port", &port, "proto", transport.word()];
    Plan::new("ufw-allow-client", &does)
        .scope(Scope::Client)
        .step(does, entry(&about.map(str::to_owned), None, Some("allow"), Some(1)))
}

/// Lets everyone in. A rule that refuses and is about the same gives its place.
pub fn allow(port: u16, transport: Transport, rule: Option<&UfwRule>) -> Plan {
    let about = rule.map_or_else(|| vec![format!("{port}/{}", transport.word())], about);
    let was = rule.map(|rule| rule.action.as_str());
    let does = match was {
        Some(was) => format!("let everyone in to {}, where ufw has {was} now", about.join(" ")),
        None => format!("let everyone in to {}", about.join(" ")),
    };
    let plan = Plan::new("ufw-allow", &does)
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .warn(format!("whoever reaches this host can reach {port}/{}", transport.word()))
        .step(does, entry(&about, was, Some("allow"), None));
    if was == Some("limit") { plan.warn("nothing slows down those who guess passwords any more") } else { plan }
}

/// Takes away the rule that refuses; what lets in is what comes after it.
pub fn delete(rule: &UfwRule) -> Plan {
    let does = format!("take away rule {}: {} {}", rule.number, rule.action, rule.spec);
    Plan::new("ufw-delete-rule", &does)
        .risk(Risk::Medium)
        .scope(Scope::Everyone)
        .warn("somebody made this rule: ask why first")
        .step(does, entry(&about(rule), Some(&rule.action), None, Some(rule.number)))
}

/// It can be named with its own words and nothing else: no log, no names with blanks.
pub fn is_plain(rule: &UfwRule) -> bool {
    let words: Vec<&str> = rule.spec.split_whitespace().collect();
    !rule.routed && words.iter().all(|word| !word.contains('\'') && !word.starts_with("log"))
}

fn about(rule: &UfwRule) -> Vec<String> {
    rule.spec.split_whitespace().map(str::to_owned).collect()
}

fn entry(about: &[String], was: Option<&str>, action: Option<&str>, before: Option<u32>) -> Action {
    let owned = |action: Option<&str>| action.map(str::to_owned);
    Action::Ufw(UfwEntry { about: about.to_vec(), action: owned(action), was: owned(was), before })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: &str, spec: &str) -> UfwRule {
        UfwRule {
            action: action.into(),
            routed: false,
            spec: spec.into(),
            number: 2,
            v6: false,
            file: "/etc/ufw/user.rules".into(),
            line: 30,
        }
    }

    #[test]
    fn each_is_taken_back_in_ufws_own_words() {
        let both = |plan: &Plan| (plan.commands(), plan.undo_commands().unwrap());
        let (run, undo) = both(&allow_client("10.1.0.2".parse().unwrap(), 80, Transport::Tcp));
        assert_eq!(run, "ufw prepend allow from 10.1.0.2 to any port 80 proto tcp");
        assert_eq!(undo, "ufw delete allow from 10.1.0.2 to any port 80 proto tcp");
        let (run, undo) = both(&allow(80, Transport::Tcp, None));
        assert_eq!((run.as_str(), undo.as_str()), ("ufw allow 80/tcp", "ufw delete allow 80/tcp"));
        let (run, undo) = both(&allow(80, Transport::Tcp, Some(&rule("limit", "80/tcp"))));
        assert_eq!((run.as_str(), undo.as_str()), ("ufw allow 80/tcp", "ufw limit 80/tcp"));
        let (run, undo) = both(&delete(&rule("deny", "80/tcp")));
        assert_eq!((run.as_str(), undo.as_str()), ("ufw delete deny 80/tcp", "ufw insert 2 deny 80/tcp"));
    }

    #[test]
    fn rules_of_applications_and_with_a_log_are_left_to_people() {
        assert!(is_plain(&rule("deny", "in on eth0 from 10.0.0.0/8 to any port 80 proto tcp")));
        assert!(!is_plain(&rule("deny", "'WWW Full'")));
        assert!(!is_plain(&rule("deny", "log 80/tcp")));
    }
}
