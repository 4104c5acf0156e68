//! unrefuse: parse the arguments, pick a mode, set the exit status.

fn main() -> std::process::ExitCode {
    unrefuse::trace::tell_of_defects();
    // A defect ends with the status of something broken, not with the language's own.
    std::panic::catch_unwind(unrefuse::cli::run).unwrap_or(std::process::ExitCode::from(4))
}
