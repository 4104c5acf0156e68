//! The simulator of the packet filter against the kernel: random rules are loaded in a network namespace, real
//! connections are made from many addresses, and what each of them gets must be what `firewall::follow` says.
//!
//! Everything happens in network namespaces of this process, which vanish with it. Needs root, or a kernel that allows
//! user namespaces; ignored with the reason else.
//!
//! ```text
//! cargo test --test filter                                      kept cases, then some hundred random ones
//! CI=1 cargo test --test filter                                 2,000 random ones
//! UNREFUSE_FILTER_CASES=20000 cargo test --test filter random   as many as you like
//! UNREFUSE_FILTER_SEED=77 UNREFUSE_FILTER_CASES=1 cargo test --test filter random     that one again
//! UNREFUSE_FILTER_REFUSED=1 ...                                 shows the rules that a tool refuses, and why
//! ```
//!
//! A case that differs is made small, printed, and written below `target/tmp`; moved to `tests/filter/kept` it is tried
//! before all others from then on. The simulator may say that it cannot tell where a rule asks for what is not known
//! before a packet comes (a rate, a random number, a quota ...), and nowhere else; how often it does is printed. So is how
//! many rules there were of each kind and how many of them decided something; 2,000 cases fail where a kind was not tried.

#![expect(clippy::disallowed_methods, reason = "the tests build networks and run programs; the ban is for the program")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on has failed"
)]
#![expect(clippy::format_collect, clippy::format_push_string, reason = "commands for other programs, line by line")]
#![expect(clippy::match_same_arms, reason = "what is thrown falls back to what is always possible")]
#![expect(clippy::print_stdout, reason = "what was tried, and what differs")]

mod bench;
mod conntrack;
mod coverage;
mod dice;
mod expect;
mod facts;
mod kept;
mod make;
#[path = "../dial/net.rs"]
mod net;
mod probe;
mod random;
mod script;
mod shrink;
mod unknown;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    // One after the other: each uses all processors.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let blocked = net::leave_the_host().err();
    if let Some(why) = &blocked {
        println!("all trials are ignored: {why}");
    }
    let trials = vec![
        Trial::test("kept_cases_are_as_the_kernel_does", kept::all),
        Trial::test("random_cases_are_as_the_kernel_does", random::all),
    ];
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(blocked.is_some())).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
