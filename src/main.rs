//! unrefuse: parse the arguments, pick a mode, set the exit status.

fn main() -> std::process::ExitCode {
    unrefuse::cli::run()
}
