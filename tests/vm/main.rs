//! Breaks real Debian hosts with AppArmor and SELinux, which a container cannot have: each trial goes on with a virtual
//! machine that was booted once and kept with its memory (qemu, emulated: no hardware support is needed).
//!
//! The machine holds a client of its own in a network namespace: `client 10.1.0.2 – server 10.1.0.1`.
//!
//! ```text
//! cargo test --test vm                           all trials, two at a time (needs root and qemu-system-x86_64)
//! UNREFUSE_HOSTS=require cargo test --test vm    a machine that cannot run them fails (CI); otherwise they are ignored
//! UNREFUSE_HOSTS_BREAK_ONLY=1 ...                only break, look from the client, and repair; does not ask the program
//! UNREFUSE_RECORD=DIR ...                        writes DIR/CAUSE--NAME.json, a redacted recording of each right diagnosis
//! UNREFUSE_LAB=DIR ...                           where disks and memories are kept (2 GB; default /var/tmp/unrefuse-tests)
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "the harness makes machines and breaks them; the ban is for the program"
)]
#![expect(clippy::print_stderr, reason = "a test program talks to whoever runs it")]

#[path = "../hosts/cmd.rs"]
mod cmd;
mod image;
mod machine;
#[path = "../hosts/root.rs"]
#[expect(dead_code, reason = "the booted hosts use all of it")]
mod root;
mod scenario;
mod scenarios;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let missing = missing();
    let required = std::env::var_os("UNREFUSE_HOSTS").is_some_and(|value| value == "require");
    let trials: Vec<Trial> = scenarios::all().map(|scenario| scenario.trial(missing.as_deref())).collect();
    if let (Some(why), false) = (&missing, arguments.list) {
        eprintln!("skipped {}: {why}", trials.len());
        if required {
            return ExitCode::FAILURE;
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Why no machine can run here.
fn missing() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    if ids.split_whitespace().nth(1) != Some("0") {
        return Some("needs root".to_owned());
    }
    if std::env::consts::ARCH != "x86_64" {
        return Some("only machines of x86_64 are made".to_owned());
    }
    image::missing()
}
