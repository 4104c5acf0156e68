//! The kill matrix: a fix is ended at every write of its log, at every change it makes, and at every message to systemd,
//! by SIGKILL, SIGTERM and SIGHUP, and its disk is full at every write. Whenever it was, the host ends up as it was
//! before, or the fix stands and undoing it leads back.
//!
//! strace injects the signal or the error at the n-th call of a kind; n counts up until the fix runs through untouched, so
//! no call is left out. With `UNREFUSE_WRITE_DOCS=1` the table goes to `assets/kill-matrix.md`.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::cmd::{Ran, Step, While, wait_until};
use crate::fixing::Snapshot;
use crate::host::{Host, PROGRAM_INSIDE};
use crate::lab::Lab;
use crate::scenario::{Scenario, shared_root};
use crate::scenarios;

/// A fix of every kind: what it is about, and its plan.
const KILLED: [(&str, &str, &str); 1] = [("svc-masked", "nginx", "unmask-unit")];

/// What is done to the program.
const BLOWS: [Blow; 10] = [
    Blow { what: "SIGKILL at a write of the log", call: "fdatasync", does: "signal=SIGKILL", path: None },
    Blow { what: "SIGTERM at a write of the log", call: "fdatasync", does: "signal=SIGTERM", path: None },
    Blow { what: "SIGHUP at a write of the log", call: "fdatasync", does: "signal=SIGHUP", path: None },
    Blow { what: "SIGKILL at a file that is synced", call: "fsync", does: "signal=SIGKILL", path: None },
    Blow { what: "SIGKILL at a rename", call: "rename", does: "signal=SIGKILL", path: None },
    Blow { what: "SIGKILL at a link", call: "linkat", does: "signal=SIGKILL", path: None },
    Blow { what: "SIGKILL at a removal", call: "unlink", does: "signal=SIGKILL", path: None },
    Blow { what: "SIGKILL at a message to systemd or the kernel", call: "sendmsg", does: "signal=SIGKILL", path: None },
    Blow {
        what: "disk full at a write of the log",
        call: "write",
        does: "error=ENOSPC",
        path: Some("/var/lib/unrefuse/log"),
    },
    Blow { what: "disk full when a file is synced", call: "fsync", does: "error=ENOSPC", path: None },
];

/// More calls than any fix makes: a fix that never runs through is one.
const MOST: usize = 120;
/// The guard acts at once; a daemon may take a moment to be put back.
const GUARD: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy)]
struct Blow {
    what: &'static str,
    call: &'static str,
    does: &'static str,
    /// Only calls about this file.
    path: Option<&'static str>,
}

/// What came of the blows of one kind.
#[derive(Debug, Default)]
struct Tally {
    dealt: usize,
    put_back: usize,
    stood: usize,
    untouched: usize,
}

static TABLE: Mutex<String> = Mutex::new(String::new());

/// One trial a fix.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let strace = std::process::Command::new("strace").arg("--version").output().is_ok_and(|ran| ran.status.success());
    let missing = missing.or((!strace).then_some("there is no strace"));
    let trial = |(cause, name, plan): &(&'static str, &'static str, &'static str)| {
        let (cause, name, plan, missing) = (*cause, *name, *plan, missing.map(str::to_owned));
        let ignored = missing.is_some();
        let killed = move || missing.map_or_else(|| kill(cause, name, plan), Err).map_err(Into::into);
        Trial::test(format!("kill::{plan}::{cause}::{name}"), killed).with_ignored_flag(ignored)
    };
    KILLED.iter().map(trial).collect()
}

fn kill(cause: &str, name: &str, plan: &str) -> Step {
    let scenario = scenarios::all()
        .find(|s| s.cause == cause && s.name == name)
        .ok_or_else(|| format!("there is no scenario {cause}::{name}"))?;
    let lab = Lab::new()?;
    let host = lab.boot_server(shared_root()?, scenario.powers(), scenario.before_boot)?;
    (scenario.break_it)(&host)?;
    let before = Snapshot::of(&host)?;
    let mut rows = String::new();
    for blow in &BLOWS {
        let tally = deal(&host, scenario, plan, blow, &before).map_err(|why| format!("{}: {why}", blow.what))?;
        let Tally { dealt, put_back, stood, untouched } = tally;
        let _ = writeln!(rows, "| {plan} | {} | {dealt} | {put_back} | {stood} | {untouched} |", blow.what);
    }
    written(&rows)
}

/// Deals one kind of blow at the first call, at the second, and so on, until a fix runs through.
fn deal(host: &Host, scenario: &Scenario, plan: &str, blow: &Blow, before: &Snapshot) -> Step<Tally> {
    let mut tally = Tally::default();
    for nth in 1..=MOST {
        let earlier = newest(&host.program("root", &["history"])?.stdout);
        let ran = struck(host, scenario, plan, blow, nth)?;
        closed(host)?;
        let told = host.program("root", &["history"])?.stdout;
        // Nothing new in the log: it was ended before it began.
        let last = Some(newest(&told)).filter(|last| number_of(last) != number_of(&earlier)).unwrap_or_default();
        let stands = last.ends_with(": stands");
        if stands {
            crate::fixing::undo(host, &[number_of(&last)], false)?;
        }
        let differences = before.differences(&Snapshot::of(host)?, false);
        if !differences.is_empty() {
            return Err(format!(
                "at call {nth} the host is not as it was:\n{}\n{}\n{}{}",
                differences.join("\n"),
                told.lines().take(4).collect::<Vec<_>>().join("\n"),
                ran.stdout,
                ran.stderr
            ));
        }
        if ran.code == 0 && stands {
            return if nth == 1 && blow.must_land() { Err("it was never dealt".into()) } else { Ok(tally) };
        }
        tally.dealt += 1;
        match (stands, last.contains(": put back")) {
            (true, _) => tally.stood += 1,
            (false, true) => tally.put_back += 1,
            (false, false) => tally.untouched += 1,
        }
    }
    Err(format!("after {MOST} calls the fix still did not run through"))
}

/// The line of the newest entry.
fn newest(history: &str) -> String {
    history.lines().next().unwrap_or_default().to_owned()
}

fn number_of(line: &str) -> String {
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

impl Blow {
    /// Every fix writes the log; not every one renames a file.
    fn must_land(&self) -> bool {
        self.call == "fdatasync"
    }
}

/// Runs the fix and strikes it at the n-th call.
fn struck(host: &Host, scenario: &Scenario, plan: &str, blow: &Blow, nth: usize) -> Step<Ran> {
    let mut strace = vec!["-qq".to_owned(), "-f".into(), "-o".into(), "/dev/null".into()];
    if let Some(path) = blow.path {
        strace.extend(["-P".into(), path.into()]);
    }
    strace.extend(["-e".into(), format!("trace={}", blow.call)]);
    strace.extend(["-e".into(), format!("inject={}:{}:when={nth}", blow.call, blow.does)]);
    let mut words = vec![PROGRAM_INSIDE, "fix", scenario.target];
    words.extend(scenario.ask);
    words.extend(["--yes", "--plan", plan]);
    host.traced(&strace, &words)
}

/// Waits until nothing is pending: whoever had to put something back has done so.
fn closed(host: &Host) -> Step {
    wait_until("nothing is pending", GUARD, || {
        let told = host.program("root", &["history"])?;
        Ok(told.code == 0 && !told.stdout.contains(": pending") && !guarded(host)?)
    })
}

/// A guard still runs.
fn guarded(host: &Host) -> Step<bool> {
    // The brackets keep the pattern from finding the command that looks for it.
    Ok(host.try_run(&["pgrep", "-f", "[u]nrefuse guard"])?.code == 0)
}

fn written(rows: &str) -> Step {
    if std::env::var_os("UNREFUSE_WRITE_DOCS").is_none() {
        return Ok(());
    }
    let mut table = TABLE.lock().map_err(|_| "another trial broke")?;
    table.push_str(rows);
    let head = "# What is left of a fix that is ended in the middle\n\nWritten by `cargo test --test hosts kill::`. Each fix was \
        struck at every call of a kind, one run a call, on a booted host; afterwards the host was compared with what it was \
        before (files with owner, mode and time, rules, units). *Put back*: by the program or its guard. *Stood*: it was kept \
        already, and undoing it led back. *Not begun*: nothing had been done yet.\n\n\
        | fix | struck by | runs | put back | stood | not begun |\n|---|---|---|---|---|---|\n";
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/kill-matrix.md");
    std::fs::write(file, format!("{head}{table}", table = *table)).while_("writing the table")
}
