//! How fast and how small: whole-process figures beside the commands an operator would use instead, in one run.
//!
//! `cargo bench` runs it in a network namespace of its own, with 100,000 listening sockets and as many rules in it. Ratios count: both
//! sides run in turn on the same machine. A figure that misses its bound is marked and makes the run fail. What cannot be
//! measured here (no namespaces, no `ss`) is said and counted as skipped. `cargo bench -- refused filter` measures these
//! groups only.

#![expect(clippy::disallowed_methods, reason = "a benchmark takes times, starts programs and makes sockets")]
#![expect(clippy::print_stdout, reason = "it prints its table")]
#![expect(clippy::expect_used, reason = "what cannot be measured must stop the benchmark")]

mod filter;
mod frame;
mod hold;
mod pty;
mod whole;

use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};

/// One line of the table.
pub(crate) struct Row {
    what: &'static str,
    got: Got,
}

/// A figure, and the bound it must keep.
pub(crate) enum Got {
    /// Measured.
    Figure {
        /// What was measured, for people.
        shown: String,
        /// What must hold, for people.
        must: String,
        /// Whether it does.
        holds: bool,
    },
    /// Not measurable here.
    Skipped(String),
}

impl Row {
    /// A measured figure.
    pub(crate) fn figure(what: &'static str, shown: String, must: &str, holds: bool) -> Self {
        Self { what, got: Got::Figure { shown, must: must.into(), holds } }
    }

    /// A figure that cannot be had here.
    pub(crate) fn skipped(what: &'static str, why: impl Into<String>) -> Self {
        Self { what, got: Got::Skipped(why.into()) }
    }
}

/// Measures the rows of a group.
type Measure = fn() -> Vec<Row>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let Some(role) = args.iter().position(|a| a == "hold") {
        return hold::run(args.get(role + 1..).unwrap_or_default());
    }
    if let Some(role) = args.iter().position(|a| a == "peak") {
        return filter::peak(args.get(role + 1..).unwrap_or_default());
    }
    if let Err(why) = own_network() {
        println!("skipped: no network namespace of our own here ({why})");
        return ExitCode::SUCCESS;
    }
    let groups: [(&str, Measure); 5] = [
        ("refused", whole::refused_port),
        ("filter", filter::verdicts),
        ("frames", frame::frames),
        ("screen", pty::screen),
        ("listeners", hold::many_listeners),
    ];
    let named: Vec<&String> = args.iter().skip(1).filter(|a| groups.iter().any(|(name, _)| name == a)).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|a| *a == name);
    let rows: Vec<Row> = groups.iter().filter(|(name, _)| wanted(name)).flat_map(|(_, measure)| measure()).collect();
    print(&rows)
}

/// A network namespace of our own, loopback up, before any thread exists. As root that is all it takes; otherwise a
/// user namespace comes with it.
fn own_network() -> Result<(), String> {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    if uid.is_root() {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| e.to_string())?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(|e| e.to_string())?;
        let write = |path: &str, text: String| std::fs::write(path, text).map_err(|e| e.to_string());
        write("/proc/self/setgroups", "deny".into())?;
        write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    for words in [&["link", "set", "lo", "up"][..], &["address", "add", "10.0.0.5/32", "dev", "lo"]] {
        let done = std::process::Command::new("ip").args(words).status().map_err(|e| format!("ip: {e}"))?;
        if !done.success() {
            return Err("ip failed".into());
        }
    }
    Ok(())
}

fn print(rows: &[Row]) -> ExitCode {
    println!("\n| what | measured | must | |\n|---|---|---|---|");
    let (mut missed, mut skipped) = (0, 0);
    for row in rows {
        match &row.got {
            Got::Figure { shown, must, holds } => {
                let mark = if *holds { "ok" } else { "MISSED" };
                missed += usize::from(!holds);
                println!("| {} | {shown} | {must} | {mark} |", row.what);
            }
            Got::Skipped(why) => {
                skipped += 1;
                println!("| {} | skipped: {why} | | |", row.what);
            }
        }
    }
    println!("\n{} figures, {missed} missed, {skipped} skipped", rows.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
