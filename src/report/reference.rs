//! The quick reference: from what a client says to what it usually is. The start page of `explain`.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::diagnose::causes::{ALL, Cause, by_id};
use crate::facts::connect::Outcome;

/// What a client meets.
struct Symptom {
    /// In the client's own words, with the errno.
    says: &'static str,
    /// What that proves, and what it does not.
    means: &'static str,
    /// The outcomes it is; the causes that can have them are counted.
    outcomes: &'static [Outcome],
    /// Causes, the likeliest first.
    likely: &'static [&'static str],
}

/// By how often they are met. What they mean was measured: see the ground truth in the tests on real hosts.
const SYMPTOMS: &[Symptom] = &[
    Symptom {
        says: "Connection refused, at once (ECONNREFUSED)",
        means: "Something answered no: the kernel because nobody listens at that address and port, or a rule that rejects. \
                The host is up and the way to it works.",
        outcomes: &[Outcome::Refused],
        likely: &[
            "svc-not-running",
            "svc-failed-config-syntax",
            "bind-loopback-only",
            "listen-wrong-port",
            "port-conflict-other-daemon",
            "ct-port-not-published",
            "fw-input-reject",
            "fw-fail2ban-ban",
        ],
    },
    Symptom {
        says: "Connection refused from elsewhere, but it works on the host itself",
        means: "The service listens on loopback or on one address, or a rule looks at where the packet comes in.",
        outcomes: &[],
        likely: &[
            "bind-loopback-only",
            "bind-one-specific-ip",
            "ct-published-on-loopback",
            "fw-input-reject",
            "fw-ufw-limit",
        ],
    },
    Symptom {
        says: "Connection refused over IPv6 after about 1 s",
        means: "A rule rejects with ICMPv6, which TCP believes only the second time. Nobody listening is refused at once.",
        outcomes: &[],
        likely: &["fw-input-reject", "fw-ipv6-only-filtered", "listen-v4-only-client-v6"],
    },
    Symptom {
        says: "Connection timed out (ETIMEDOUT)",
        means: "Nothing answered: packets are dropped on the way there or back, or the server's queue is full. \
                A stopped service alone is refused, never silent.",
        outcomes: &[Outcome::Timeout],
        likely: &[
            "fw-ufw-deny",
            "fw-input-drop",
            "fw-nft-separate-table",
            "accept-queue-overflow",
            "path-return-route",
            "systemd-ipaddress-deny",
        ],
    },
    Symptom {
        says: "No route to host (EHOSTUNREACH)",
        means: "At once: nearly always a firewall that rejects with \"host prohibited\" (firewalld, cloud images), not a route. \
                After 3 s: nobody answers ARP for that address.",
        outcomes: &[Outcome::Unreachable],
        likely: &["fw-firewalld-zone-default", "fw-rule-order", "path-host-down", "cli-route-unreachable"],
    },
    Symptom {
        says: "Network is unreachable (ENETUNREACH), Invalid argument (EINVAL)",
        means: "This host has no route there, or one that leads nowhere.",
        outcomes: &[],
        likely: &["path-no-route", "cli-route-blackhole"],
    },
    Symptom {
        says: "Permission denied (EACCES), Operation not permitted (EPERM)",
        means: "Of the client's own host: a prohibit route, a filter on its way out, or its sandbox. Over IPv6 also a \
                rejecting firewall far away.",
        outcomes: &[Outcome::Denied],
        likely: &["fw-firewalld-zone-default", "fw-output-client", "cli-route-prohibit", "fw-cgroup-bpf"],
    },
    Symptom {
        says: "It connects, and is closed or reset right away (ECONNRESET)",
        means: "The handshake works, so neither port nor firewall is at fault: somebody hangs up afterwards.",
        outcomes: &[Outcome::Closed, Outcome::Reset],
        likely: &[
            "tcp-wrappers-deny",
            "ct-app-bound-loopback",
            "ct-wrong-container-port",
            "app-sshd-maxstartups",
            "fd-or-connection-limit",
        ],
    },
    Symptom {
        says: "It connects, and the program says no (502, pg_hba.conf, protected mode)",
        means: "The network is fine. The program's own rules, or what it connects to in turn.",
        outcomes: &[],
        likely: &[
            "app-proxy-upstream-down",
            "app-pg-hba-rejects",
            "app-mysql-host-not-allowed",
            "app-redis-protected-mode",
            "selinux-connect-denied",
        ],
    },
    Symptom {
        says: "Name or service not known; No such file or directory (unix sockets)",
        means: "It never came to a connection.",
        outcomes: &[Outcome::Unresolved],
        likely: &["name-does-not-resolve", "unix-socket-missing-or-denied", "svc-not-running"],
    },
    Symptom {
        says: "It works sometimes",
        means: "Something comes and goes: watch it with `unrefuse TARGET` and the key c.",
        outcomes: &[],
        likely: &[
            "svc-flapping-auto-restart",
            "fw-ufw-limit",
            "fw-rate-limit-custom",
            "accept-queue-overflow",
            "svc-oom-killed",
        ],
    },
];

/// Columns of the page.
const WIDTH: usize = 80;

/// The page.
pub fn page() -> String {
    let mut out = String::from("What the client says, and what it usually is. `unrefuse explain CAUSE` tells\nmore, ");
    out.push_str("`--list` lists all causes, `unrefuse TARGET` finds the one that it is.\n");
    for symptom in SYMPTOMS {
        let _ = writeln!(out, "\n{}", symptom.says);
        wrapped(&mut out, "  ", symptom.means.split(' '));
        for cause in symptom.likely.iter().filter_map(|id| by_id(id)) {
            let line = format!("    {:<28} {}", cause.id, cause.words.title);
            let fits = line.width() <= WIDTH;
            let _ = if fits {
                writeln!(out, "{line}")
            } else {
                writeln!(out, "    {}\n      {}", cause.id, cause.words.title)
            };
        }
        let rare = |cause: &&&Cause| !symptom.likely.contains(&cause.id);
        let fits = |cause: &&&Cause| symptom.outcomes.iter().any(|outcome| cause.explains.contains(outcome));
        let others = ALL.iter().filter(fits).filter(rare).count();
        if others > 0 {
            let _ = writeln!(out, "    … and {others} others");
        }
    }
    out
}

/// Words in lines that fit.
fn wrapped<'a>(out: &mut String, indent: &str, words: impl Iterator<Item = &'a str>) {
    let mut column = 0;
    for word in words {
        if column + 1 + word.width() > WIDTH && column > 0 {
            out.push('\n');
            column = 0;
        }
        let before = if column == 0 { indent } else { " " };
        out.push_str(before);
        out.push_str(word);
        column += before.len() + word.width();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_likely_looks_like_that() {
        for symptom in SYMPTOMS.iter().filter(|symptom| !symptom.outcomes.is_empty()) {
            for cause in symptom.likely.iter().filter_map(|id| by_id(id)) {
                let fits = symptom.outcomes.iter().any(|outcome| cause.explains.contains(outcome));
                assert!(fits, "{} under {:?}", cause.id, symptom.says);
            }
        }
    }

    #[test]
    fn the_page_fits_a_terminal() {
        let words = page();
        let long = words.lines().find(|line| line.width() > WIDTH);
        assert_eq!(long, None);
    }
}
