//! Breaks real Debian hosts in the ways real hosts break, and holds `unrefuse check` to naming the cause.
//!
//! Every scenario boots a host of its own with systemd (`systemd-nspawn`) and real daemons (nginx, sshd, MariaDB,
//! PostgreSQL, Redis ...), in a network of its own: `client 10.1.0.2 – router – server 10.2.0.2`, `fd00:1::2` and
//! `fd00:2::2`. It breaks the host, makes sure from the client's side that the fault is there, asks the program inside
//! the host, compares the answer, lets the program fix it, looks from outside, undoes the fix and compares the host with
//! what it was, repairs the host by hand and asks again. A host is up in about a second; it lives in
//! memory and leaves nothing behind, not even after `kill -9` of the tests: the next run sweeps up.
//!
//! ```text
//! cargo test --test hosts                        all scenarios, two at a time (needs root)
//! cargo test --test hosts svc-masked             those with a name that holds this
//! cargo test --test hosts -- --list              what there is
//! UNREFUSE_HOSTS=require cargo test --test hosts   a machine that cannot play them fails (CI); otherwise they are ignored
//! UNREFUSE_HOSTS_BREAK_ONLY=1 ...                only break, look from outside, and repair; does not ask the program
//! UNREFUSE_RECORD=DIR ...                        writes DIR/CAUSE--NAME.json, a redacted recording of each host diagnosed rightly
//! UNREFUSE_KILL=all ...                         the whole kill matrix (`kill::`), not only a sample
//! UNREFUSE_WRITE_DOCS=1 ...                      writes assets/accuracy.md (and assets/kill-matrix.md), when all are played
//! UNREFUSE_LAB=DIR ...                           where the Debian root is kept (1 GB; default /var/tmp/unrefuse-tests)
//! ```
//!
//! The first run builds the Debian root with debootstrap and apt from the mirror this machine's own apt uses (one to
//! three minutes); later runs use it again until the recipe in `root.rs` changes.
//!
//! # To add a scenario
//!
//! 1. Add an entry to a list in `scenarios/`, in the file of the cause's box. `break_it` does what an operator or
//!    an update would have done; never write the daemon's log lines yourself.
//! 2. Say in `seen` what connecting gives, the complaint first. Run it with `UNREFUSE_HOSTS_BREAK_ONLY=1`.
//! 3. Say in `expect` what the program must answer, in `fix` the plan it offers for it, and how the fault is repaired by
//!    hand. Run it without.

#![expect(clippy::disallowed_methods, reason = "the harness makes hosts and breaks them; the ban is for the program")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test program talks to whoever runs it")]

mod accuracy;
mod cmd;
mod dial;
mod far;
mod fixing;
mod host;
mod killing;
mod lab;
mod meddling;
mod needs;
mod odd_names;
mod packaging;
mod pending;
#[path = "../terminal/pty.rs"]
#[expect(dead_code, reason = "the tests of the terminal use all of it")]
#[expect(clippy::expect_used, clippy::indexing_slicing, reason = "it is test code, whose panics are told as failures")]
mod pty;
mod putting_back;
mod rebooting;
mod rights;
mod root;
mod scenario;
mod scenarios;
mod screen;
mod sessions;
mod tcpdmatch;
mod trial;
#[expect(clippy::indexing_slicing, reason = "a key that JSON does not have is null")]
mod watching;

use std::collections::BTreeMap;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::trial::trial;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, flag, target] = words.as_slice()
        && flag == dial::FLAG
    {
        println!("{}", dial::dial(target));
        return ExitCode::SUCCESS;
    }
    if let [_, flag, at] = words.as_slice()
        && flag == dial::SERVE
    {
        return dial::serve(at).map_or_else(
            |why| {
                eprintln!("{why}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        );
    }
    run_trials()
}

fn run_trials() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let missing = needs::missing();
    let mut trials: Vec<Trial> =
        scenarios::all().map(|s| trial(s.title(), missing.as_deref().or(s.cannot()), || s.play())).collect();
    trials.extend(screen::trials(missing.as_deref()));
    trials.extend(killing::trials(missing.as_deref()));
    trials.extend(far::trials(missing.as_deref()));
    trials.extend(putting_back::trials(missing.as_deref()));
    trials.extend(rebooting::trials(missing.as_deref()));
    trials.extend(meddling::trials(missing.as_deref()));
    trials.extend(odd_names::trials(missing.as_deref()));
    trials.extend(packaging::trials(missing.as_deref()));
    trials.extend(rights::trials(missing.as_deref()));
    trials.extend(sessions::trials(missing.as_deref()));
    trials.extend(tcpdmatch::trials(missing.as_deref()));
    trials.extend(watching::trials(missing.as_deref()));
    if !arguments.list {
        say_what_is_skipped(missing.as_deref());
    }
    let required = std::env::var_os("UNREFUSE_HOSTS").is_some_and(|value| value == "require");
    if missing.is_some() && required && !arguments.list {
        return ExitCode::FAILURE;
    }
    if missing.is_none() && !arguments.list {
        lab::complain(lab::sweep());
    }
    // Of a part of the hosts no table is made.
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && missing.is_none() && !arguments.list;
    let conclusion = libtest_mimic::run(&arguments, trials);
    trial::say_what_was_played_again();
    if whole && accuracy::wanted() {
        lab::complain(accuracy::write());
    }
    conclusion.exit_code()
}

/// One line for each reason, with the number of scenarios it concerns.
fn say_what_is_skipped(missing: Option<&str>) {
    let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for scenario in scenarios::all() {
        if let Some(why) = missing.or(scenario.cannot()) {
            skipped.entry(why).or_default().push(scenario.cause);
        }
    }
    for (why, mut causes) in skipped {
        let count = causes.len();
        causes.dedup();
        let which = if missing.is_some() { String::new() } else { format!(" ({})", causes.join(", ")) };
        eprintln!("skipped {count}: {why}{which}");
    }
}
