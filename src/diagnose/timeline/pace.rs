//! How often a watch may dial without spending what decides: limits, bans and trigger limits count connections too.

use std::time::Duration;

use crate::diagnose::look::Look;
use crate::diagnose::serving::serving;
use crate::diagnose::subject::Subject;
use crate::facts::ruleset::ChainId;
use crate::facts::socket::Transport;
use crate::firewall::words;
use crate::text::line;

/// A decent pace: one attempt a second.
pub const USUAL_MS: u64 = 1_000;
/// Where attempts are counted. `ufw limit` lets five through in 30 s.
pub const SLOW_MS: u64 = 10_000;
/// Where each connection that does not log in brings this host nearer to being shut out until somebody flushes it.
pub const RARE_MS: u64 = 60_000;
/// The port of MySQL and MariaDB.
const MYSQL: u16 = 3306;

/// How often to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Milliseconds from one attempt to the next.
    pub every_ms: u64,
    /// Who counts attempts, as a clause; none: nobody that is known. Safe to show.
    pub counted_by: Option<String>,
}

/// The pace for a target.
pub fn pace(look: &Look<'_>, subject: &Subject) -> Pace {
    let (every_ms, counted_by) = match (by_mysql(look, subject), counted_by(look, subject)) {
        (Some(who), _) => (RARE_MS, Some(who)),
        (None, Some(who)) => (SLOW_MS, Some(who)),
        (None, None) => (USUAL_MS, None),
    };
    Pace { every_ms, counted_by: counted_by.map(|who| line(&who)) }
}

/// The time from one attempt to the next.
pub fn between(look: &Look<'_>, subject: &Subject) -> Duration {
    Duration::from_millis(pace(look, subject).every_ms)
}

fn counted_by(look: &Look<'_>, subject: &Subject) -> Option<String> {
    let port = subject.port?;
    let known = by_rule(look, port).or_else(|| by_ufw(look, subject, port)).or_else(|| by_service(look, subject, port));
    known.or_else(|| {
        let elsewhere =
            "it is not known to be this host, and a limit or a ban there (ufw limit, fail2ban) cannot be seen";
        (subject.local != Some(true)).then(|| elsewhere.to_owned())
    })
}

/// MySQL and MariaDB count whoever reads the greeting and hangs up.
fn by_mysql(look: &Look<'_>, subject: &Subject) -> Option<String> {
    let port = subject.port.filter(|_| subject.transport == Transport::Tcp)?;
    let local = subject.local == Some(true);
    let listeners = local.then(|| look.listeners(subject.transport, port)).flatten().unwrap_or_default();
    let is_it = |name: &str| name.starts_with("mysql") || name.starts_with("mariadb");
    let listens = listeners.iter().filter_map(|listener| look.owner(listener)).any(|owner| {
        owner.processes.iter().any(|process| is_it(&process.name)) || owner.system_unit().is_some_and(is_it)
    });
    let says = "MySQL and MariaDB count connections that do not log in, and block their host (max_connect_errors)";
    (port == MYSQL || listens).then(|| says.to_owned())
}

/// A rule with a rate or a memory that may see the connection.
fn by_rule(look: &Look<'_>, port: u16) -> Option<String> {
    let chains = look.facts().chains.iter();
    chains.filter_map(|(id, reading)| Some((id, reading.value()?))).find_map(|(id, chain)| {
        let texts = chain.rules.iter().map(|rule| words::brief(id, rule, look.facts()));
        texts.filter(|text| counts(text, port)).map(|text| said(id, &text)).next()
    })
}

fn said(id: &ChainId, text: &str) -> String {
    const SHOWN: usize = 120;
    let text: String = text.chars().take(SHOWN).collect();
    format!("a rule of chain {} counts connections (`{text}`)", id.name)
}

/// Does a rule count connections to this port? One that only logs, and one for other ports, does not.
fn counts(text: &str, port: u16) -> bool {
    let words: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_'))).collect();
    let has = |word: &str| words.contains(&word);
    let limits = (has("limit") && (has("rate") || has("--limit")))
        || has("hashlimit")
        || has("recent")
        || has("connlimit")
        || (has("ct") && has("count"));
    let only_logs = has("log") || has("LOG") || has("nflog") || has("NFLOG");
    let other_kind = (has("icmp") || has("icmpv6") || has("udp")) && !has("tcp");
    let names_ports = has("dport") || has("--dport") || has("--dports") || has("dports");
    limits && !only_logs && !other_kind && (!names_ports || words.contains(&port.to_string().as_str()))
}

fn by_ufw(look: &Look<'_>, subject: &Subject, port: u16) -> Option<String> {
    if subject.local != Some(true) {
        return None;
    }
    let known = look.facts().ufw.value().filter(|ufw| ufw.enabled)?;
    let port = port.to_string();
    let of_port = |spec: &str| spec.split([' ', '/', ',', ':']).any(|word| word == port);
    let rule = known.rules.iter().find(|rule| rule.action == "limit" && of_port(&rule.spec))?;
    Some(format!("ufw counts connections (`ufw limit {}`)", rule.spec))
}

/// What serves it counts connections, or each one starts something.
fn by_service(look: &Look<'_>, subject: &Subject, port: u16) -> Option<String> {
    let listeners = (subject.local == Some(true)).then(|| look.listeners(subject.transport, port))??;
    let by_systemd = |listener| look.owner(listener).is_some_and(crate::facts::socket::Owner::is_systemd);
    if listeners.iter().any(by_systemd) {
        return Some("each connection starts a unit and counts against its trigger limit".into());
    }
    let unit = serving(look, subject)?.unit?.name.clone();
    let sshd = matches!(unit.as_str(), "ssh.service" | "sshd.service");
    if sshd && subject.transport == Transport::Tcp {
        return Some("sshd may penalise clients that connect and do not log in (PerSourcePenalties)".into());
    }
    let jails = &look.facts().fail2ban.value()?.jails;
    let stem = unit.split(['.', '@']).next().unwrap_or_default();
    let jail = jails.iter().find(|jail| !stem.is_empty() && jail.name.starts_with(stem))?;
    Some(format!("fail2ban's jail {} reads what the service logs of them", jail.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::Host;
    use crate::facts::connect::Outcome;
    use crate::facts::firewalls::{Ufw, UfwRule};
    use crate::facts::{Case, Facts, Reading};

    fn of(case: &Case) -> Pace {
        let look = Look::new(case);
        pace(&look, &Subject::of(&look))
    }

    #[test]
    fn rules_that_count_this_port_are_told_from_others() {
        assert!(counts("tcp dport 22 ct state new limit rate over 6/minute drop", 22));
        assert!(counts(
            "-p tcp -m tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 --name DEFAULT -j DROP",
            22
        ));
        assert!(counts("ct state new limit rate 10/second accept", 80));
        assert!(!counts("tcp dport 22 limit rate over 6/minute drop", 80));
        assert!(!counts("limit rate 3/minute burst 10 packets log prefix \"x\"", 80));
        assert!(!counts("icmp type echo-request limit rate 5/second accept", 80));
        assert!(!counts("tcp dport 80 accept", 80));
    }

    #[test]
    fn what_cannot_be_seen_and_what_blocks_for_good_is_dialled_less_often() {
        let mysql = Host::with_outcome(3306, Outcome::Open).listens("0.0.0.0", "mariadb.service", |_| ()).case();
        let told = of(&mysql);
        assert_eq!(told.every_ms, RARE_MS);
        assert!(told.counted_by.is_some_and(|who| who.contains("max_connect_errors")));
        let shop = Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "shop.service", |_| ()).case();
        let look = Look::new(&shop);
        let mut subject = Subject::of(&look);
        assert_eq!(between(&look, &subject), Duration::from_millis(USUAL_MS));
        for local in [Some(false), None] {
            subject.local = local;
            let told = pace(&look, &subject);
            assert_eq!((told.every_ms, between(&look, &subject)), (SLOW_MS, Duration::from_millis(SLOW_MS)));
            assert!(told.counted_by.is_some_and(|who| who.contains("not known to be this host")));
        }
    }

    #[test]
    fn a_limit_slows_and_nothing_else_does() {
        let host = || Host::with_outcome(22, Outcome::Open).listens("0.0.0.0", "shop.service", |_| ());
        assert_eq!(of(&host().case()), Pace { every_ms: USUAL_MS, counted_by: None });
        let rule = UfwRule {
            action: "limit".into(),
            routed: false,
            spec: "22/tcp".into(),
            number: 1,
            v6: false,
            file: "user.rules".into(),
            line: 3,
        };
        let ufw = Ufw { enabled: true, rules: vec![rule], ..Ufw::default() };
        let limited = of(&host().facts(|f: &mut Facts| f.ufw = Reading::known(ufw)).case());
        assert_eq!(limited.every_ms, SLOW_MS);
        assert_eq!(limited.counted_by.as_deref(), Some("ufw counts connections (`ufw limit 22/tcp`)"));
        let sshd = Host::with_outcome(22, Outcome::Open).listens("0.0.0.0", "ssh.service", |_| ());
        assert_eq!(of(&sshd.case()).every_ms, SLOW_MS);
    }
}
