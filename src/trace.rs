//! What the program itself does: a log file on demand, and what is said when it breaks.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;

use color_eyre::config::HookBuilder;
use tracing_subscriber::EnvFilter;

use crate::error::Error;
use crate::text;

/// Writes every question, its answer's time and, with `UNREFUSE_LOG=trace`, the answer to a file. Never to the terminal:
/// the screen is there.
pub fn log_to(file: &Path, filter: Option<&str>) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter.unwrap_or("unrefuse=debug"))
        .map_err(|e| Error::input("UNREFUSE_LOG cannot be understood").because(e))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)
        .map_err(|e| Error::broken(format!("cannot write the log {}", file.display())).because(e))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(log)).init();
    Ok(())
}

/// From now on a defect of the program is told in words that are safe to print, host text in it included.
pub fn tell_of_defects() {
    let (panics, errors) = HookBuilder::blank()
        .panic_section("this is a defect in unrefuse: please report it, with the command line and this text")
        .into_hooks();
    // Somebody else's hook is as good: then it stays.
    let _ = errors.install();
    std::panic::set_hook(Box::new(move |panic| {
        let report = panics.panic_report(panic).to_string();
        let safe: Vec<String> = report.lines().map(text::line).collect();
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr().lock(), "{}", safe.join("\n"));
    }));
}
