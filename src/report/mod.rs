//! THE SAME ANSWER WITHOUT A SCREEN: text for people, JSON for programs, Markdown for tickets.

pub mod about;
pub mod explain;
mod firewall;
pub mod json;
pub mod line;
pub mod listeners;
pub mod markdown;
pub mod reference;
pub mod text;
pub mod watch;

use std::time::Duration;

use crate::diagnose::verdict::{Diagnosis, Verdict};
use crate::facts::Case;
use crate::facts::connect::Outcome;

/// A diagnosis and what it took, ready to be told.
#[derive(Debug)]
pub struct Report<'a> {
    /// What was asked, and the facts.
    pub case: &'a Case,
    /// What came out.
    pub diagnosis: &'a Diagnosis,
    /// How long it took.
    pub took: Duration,
}

impl Report<'_> {
    /// What the asked side gets; `error` when no attempt could be made or answered, or the rules do not tell it.
    pub fn outcome(&self) -> Outcome {
        let known = self.diagnosis.outcome.filter(|_| self.diagnosis.untold.is_none());
        known.unwrap_or(Outcome::Error)
    }

    /// Exit status of the contract: 0 open, 1 not and the cause is named, 3 not and the cause could not be told.
    pub fn exit_code(&self) -> u8 {
        match (self.outcome(), self.diagnosis.culprit) {
            (Outcome::Open, _) => 0,
            _ if self.diagnosis.untold.is_some() => 3,
            (_, Some(_)) => 1,
            (_, None) => 3,
        }
    }
}

/// The sign of a verdict, never by colour alone.
pub fn sign(verdict: Verdict, ascii: bool) -> &'static str {
    match (verdict, ascii) {
        (Verdict::Yes, false) => "✔",
        (Verdict::No, false) => "✘",
        (Verdict::Unknown, _) => "?",
        (Verdict::Unneeded, false) => "–",
        (Verdict::Yes, true) => "+",
        (Verdict::No, true) => "x",
        (Verdict::Unneeded, true) => "-",
    }
}

/// A time as people read it: `50 µs`, `0.2 ms`, `41 ms`, `3.1 s`.
pub fn shown_time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 0.1 {
        format!("{} µs", time.as_micros())
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::causes::testing::Host;
    use crate::diagnose::causes::testing::rules::{accept, base, dport, drop_it, iifname, reject, rule, saddr};
    use crate::diagnose::diagnose;
    use crate::facts::ruleset::expr::{Expr, RejectWith};
    use crate::facts::ruleset::xt::{Match, Xt};
    use crate::facts::ruleset::{Hook, Policy};
    use crate::facts::{Facts, Reading};
    use crate::target::From;

    const RATE: Expr = Expr::Limit { rate: 3, unit_s: 60, burst: 3, bytes: false, inverted: true };

    /// nginx, and a rule that rejects by what these expressions match, behind one that lets in this host itself or not.
    fn host(matches: Vec<Expr>, own_first: bool) -> Host {
        let mut rules = vec![rule(&[dport(80), matches, reject(RejectWith::TcpReset)], 3)];
        if own_first {
            rules.insert(0, [iifname("lo"), accept()].concat());
        }
        let host = Host::with_outcome(80, Outcome::Open).listens("0.0.0.0", "nginx.service", |_| ());
        host.chain("inet filter", "input", base(Hook::Input, 0, Policy::Accept), rules)
    }

    fn hashlimit() -> Vec<Expr> {
        vec![Expr::Xt(Xt::Match(Match::Hashlimit { text: "-m hashlimit --hashlimit-above 1/min".into() }))]
    }

    /// The outcome that is told, the exit status, and the first line.
    fn told(host: Host) -> (Outcome, u8, String) {
        let case = host.case();
        let diagnosis = diagnose(&case);
        let report = Report { case: &case, diagnosis: &diagnosis, took: Duration::ZERO };
        let words = text::diagnosis(&report, text::Style { color: false, ascii: true });
        (report.outcome(), report.exit_code(), words.lines().next().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_the_rules_do_not_tell_of_who_asks_is_not_what_this_host_gets() {
        let client = From::Address("10.1.0.2".parse().unwrap());
        for (from, who) in [(client, "for 10.1.0.2"), (From::Any, "for any client")] {
            for limit in [hashlimit(), vec![RATE]] {
                let (outcome, exit, first) = told(host(limit, true).from(from));
                assert_eq!((outcome, exit), (Outcome::Error, 3));
                let says = format!("10.2.0.2:80 (80) CANNOT TELL {who}, because it depends on a rate limit: ");
                assert!(first.contains(&says), "{first}");
            }
        }
        let (outcome, exit, first) = told(host(hashlimit(), true).from(From::Here));
        assert_eq!((outcome, exit), (Outcome::Open, 0), "{first}");
    }

    #[test]
    fn a_limit_that_all_share_let_the_attempt_from_here_pass_and_so_lets_others() {
        let client = From::Address("10.1.0.2".parse().unwrap());
        assert_eq!(told(host(vec![RATE], false).from(client)).1, 0);
        assert_eq!(told(host(hashlimit(), false).from(client)).1, 3, "that is one for each source");
        // Once the limit has let it pass, another rule keeps that client out, not this host.
        let later = |host: Host| {
            let drop = [saddr("10.1.0.2"), drop_it()].concat();
            host.chain("inet late", "input", base(Hook::Input, 5, Policy::Accept), vec![drop]).from(client)
        };
        assert_eq!(told(later(host(vec![RATE], false))).0, Outcome::Timeout);
    }

    #[test]
    fn where_the_rules_may_not_be_read_it_is_what_this_host_gets() {
        let blind = |f: &mut Facts| f.ruleset = Reading::Denied { needs: "root".into() };
        let (outcome, exit, first) = told(host(Vec::new(), false).facts(blind));
        assert_eq!((outcome, exit), (Outcome::Open, 0));
        assert!(first.ends_with("from this host itself"), "{first}");
    }

    #[test]
    fn times_read_well() {
        let shown: Vec<String> = [50, 150, 41_000, 3_100_000].map(|us| shown_time(Duration::from_micros(us))).into();
        assert_eq!(shown, ["50 µs", "0.1 ms", "41 ms", "3.1 s"]);
    }
}
