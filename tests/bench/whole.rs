//! `check` of a refused local port as a whole process, beside the script most guides offer.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::Row;

/// Runs that count, after one that does not.
const RUNS: usize = 15;

/// The program under test.
pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_unrefuse")
}

/// Time and peak memory of `check` on a port where nothing listens.
pub(crate) fn refused_port() -> Vec<Row> {
    let mut rows = vec![peak_memory()];
    let tools = ["nc", "ss", "iptables"];
    if let Some(missing) = tools.into_iter().find(|t| !installed(t)) {
        rows.push(Row::skipped("check of a refused port", format!("{missing} is not installed")));
        return rows;
    }
    let script = "nc -zv 10.0.0.5 4711; ss -tulnp; iptables -L -n";
    let (ours, theirs) = in_turn(
        || quiet(Command::new(program()).args(["check", "10.0.0.5:4711"])),
        || quiet(Command::new("sh").args(["-c", script])),
    );
    let shown = format!("{:.1} ms, script {:.1} ms: {:.2}x", ms(ours), ms(theirs), ratio(ours, theirs));
    rows.push(Row::figure(
        "check of a refused local port, whole process",
        shown,
        "≤ 1x nc + ss + iptables",
        ours <= theirs,
    ));
    rows
}

fn peak_memory() -> Row {
    quiet(Command::new(program()).args(["check", "10.0.0.5:4711"]));
    // The largest child so far is the one just waited for: nothing else has run yet.
    let kib = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(i64::MAX, |u| u.max_rss());
    let mib = f64::from(i32::try_from(kib).unwrap_or(i32::MAX)) / 1024.0;
    Row::figure("peak memory of check", format!("{mib:.1} MB"), "< 25 MB", mib < 25.0)
}

/// Medians of two things run in turn, A B A B.
pub(crate) fn in_turn(mut a: impl FnMut() -> Duration, mut b: impl FnMut() -> Duration) -> (Duration, Duration) {
    let _ = (a(), b());
    let (first, second): (Vec<_>, Vec<_>) = (0..RUNS).map(|_| (a(), b())).unzip();
    (median(first), median(second))
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Runs a command with its output thrown away, and takes its time.
pub(crate) fn quiet(command: &mut Command) -> Duration {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.is_ok(), "{command:?}: {status:?}");
    began.elapsed()
}

/// Is this program on the PATH?
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).exists())
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many times `b` is `a`?
pub(crate) fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
