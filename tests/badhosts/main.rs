//! Hosts that answer badly, hold hostile names or are far too large, and outputs that do not take what is written: the
//! real program must say so in plain words, with the right exit status, in time, and without a byte that a terminal obeys.
//!
//! Each trial has network and mount namespaces of its own. Where those cannot be made the trials are ignored, with the
//! reason; they never pass unseen.

#![expect(clippy::disallowed_methods, reason = "these tests run programs and make bad hosts")]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "what is skipped, and the helper's answers")]

mod buses;
mod engines;
mod hostile;
mod input;
mod names;
mod output;
mod proc;
mod program;
mod space;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use space::Outcome;

/// A test and what it needs beside namespaces.
type Test = (&'static str, fn() -> Outcome, Needs);

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Namespace,
    Root,
}

const TESTS: &[Test] = &[
    ("input::words_that_are_no_target", input::no_targets, Needs::Namespace),
    ("input::words_that_a_terminal_would_obey", input::hostile_words, Needs::Namespace),
    ("input::files_that_are_no_recordings", input::no_recordings, Needs::Namespace),
    ("names::a_name_that_nobody_knows", names::unknown, Needs::Namespace),
    ("names::a_name_server_that_never_answers", names::hanging, Needs::Namespace),
    ("names::hostile_lines_in_the_hosts_file", names::hostile_hosts_file, Needs::Namespace),
    ("names::resolver_files_that_are_rubbish", names::rubbish, Needs::Namespace),
    ("buses::no_bus", buses::none, Needs::Namespace),
    ("buses::one_that_never_answers", buses::mute, Needs::Namespace),
    ("buses::one_that_hangs_up", buses::hanging_up, Needs::Namespace),
    ("buses::one_that_talks_rubbish", buses::rubbish, Needs::Namespace),
    ("engines::one_that_never_answers", engines::mute, Needs::Namespace),
    ("engines::one_that_hangs_up", engines::hanging_up, Needs::Namespace),
    ("engines::one_that_talks_rubbish", engines::rubbish, Needs::Namespace),
    ("engines::one_that_tells_something_else", engines::lying, Needs::Namespace),
    ("engines::one_that_fails", engines::refusing, Needs::Namespace),
    ("engines::one_that_never_ends", engines::endless, Needs::Namespace),
    ("engines::one_that_drips", engines::dripping, Needs::Namespace),
    ("proc::not_mounted", proc::not_mounted, Needs::Namespace),
    ("proc::hidden_processes", proc::hidden, Needs::Root),
    ("proc::no_programs_to_ask", proc::no_programs, Needs::Namespace),
    ("proc::eighty_thousand_listeners", proc::many, Needs::Namespace),
    ("hostile::process_names", hostile::process_names, Needs::Namespace),
    ("hostile::unix_sockets", hostile::unix_sockets, Needs::Namespace),
    ("hostile::interface_names", hostile::interface_names, Needs::Namespace),
    ("output::a_full_disk", output::full, Needs::Namespace),
    ("output::nobody_reads", output::closed_pipe, Needs::Namespace),
    ("output::closed_descriptors", output::closed, Needs::Namespace),
    ("output::a_dumb_terminal", output::dumb, Needs::Namespace),
    ("output::a_recording_to_a_device", output::devices, Needs::Namespace),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if hostile::is_asked(&words) {
        return hostile::hold(&words);
    }
    // One at a time: a program that one trial starts would, for a moment, hold the sockets of another.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let blocked = space::prepare().err();
    if let Some(why) = &blocked {
        eprintln!("all trials are ignored: {why}");
    }
    let root = space::is_root();
    let trials = TESTS.iter().map(|(name, test, needs)| {
        let unfit = blocked.is_none() && *needs == Needs::Root && !root;
        if unfit {
            eprintln!("{name} is ignored: it needs root");
        }
        Trial::test(*name, move || space::inside(*test)).with_ignored_flag(blocked.is_some() || unfit)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
