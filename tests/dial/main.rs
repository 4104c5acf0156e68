//! Dials real addresses through real firewalls: every way a packet can be refused, from client through router to server.
//!
//! Everything happens in network namespaces of this test process, which vanish with it; the host's own network, rules
//! and settings are never touched. Needs root, or a kernel that allows user namespaces; ignored with the reason else.
//!
//! ```text
//! cargo test --test dial                  all, most of them waiting at the same time
//! cargo test --test dial reject           those with a name that holds this
//! ```

#![expect(clippy::disallowed_methods, reason = "the tests build networks and servers; the ban is for the program")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on has failed"
)]
#![expect(clippy::print_stdout, reason = "the part that runs in a child answers on its standard output")]

mod demos;
mod lab;
mod names;
mod net;
mod paths;
mod queues;
mod rejects;
mod routes;
mod servers;
mod udp;
mod unix;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use nix::unistd::Uid;
use unrefuse::demo;

/// Many at a time: nearly all of them only wait for a time-out.
const AT_ONCE: usize = 16;

/// In the names of tests that become another user.
const AS_ANOTHER_USER: &str = "as another user";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [_, paths::HIDDEN, to] => return paths::tell(to),
        [_, names::HIDDEN, name] => return names::resolve_and_print(name),
        [_, demos::HIDDEN, case] => return demos::enter_and_dial(case),
        [_, demos::STAY, case] => return demos::enter_and_stay(case),
        [_, demos::FORBIDDEN, case] => return demos::enter_though_forbidden(case),
        [_, demo::SERVE, case, dir] => return demos::serve(case, dir),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let root = Uid::effective().is_root();
    let trials: Vec<Trial> = match net::leave_the_host() {
        Ok(()) => trials().into_iter().map(|t| unless_another_user(t, root)).collect(),
        Err(why) => trials().iter().map(|t| ignored(t, &why)).collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials() -> Vec<Trial> {
    [
        rejects::trials(),
        routes::trials(),
        paths::trials(),
        queues::trials(),
        servers::trials(),
        udp::trials(),
        unix::trials(),
        names::trials(),
        demos::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Some tests become another user, which root of a user namespace cannot.
fn unless_another_user(trial: Trial, root: bool) -> Trial {
    if !root && trial.name().contains(AS_ANOTHER_USER) { ignored(&trial, "needs root") } else { trial }
}

/// A test that passes unless it panics.
fn test(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, || {
        run();
        Ok(())
    })
}

fn ignored(trial: &Trial, why: &str) -> Trial {
    Trial::test(format!("{} ({why})", trial.name()), || Ok(())).with_ignored_flag(true)
}
