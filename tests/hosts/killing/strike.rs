//! What is done to a fix, and when.
//!
//! strace injects a signal or an error at the n-th call of a kind that one thread makes; which calls there are is read from
//! a fix that ran through. What a fix waits for (a program, a job of systemd) is struck some time after a record of the log.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::cmd::{Step, While, command, wait_until};
use crate::host::Host;
use crate::pending::on_terminal;

/// Calls that change something, or have somebody change something.
const CHANGING: &str = "rename,linkat,unlink,rmdir,mkdir,fsync,fchown,fchmod,sendmsg,sendto,clone3,vfork";
/// Those that take room on a disk.
const TAKING_ROOM: [&str; 4] = ["rename", "linkat", "mkdir", "fsync"];
/// The log.
pub(super) const LOG: &str = "/var/lib/unrefuse/log";
/// Messages between two records of the log that are struck; most only ask something.
const MOST_MESSAGES: usize = 3;
/// A fix takes no longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// One strike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strike {
    /// At a call: what strace injects (`signal=KILL`), the call, which one of its thread, and only those about a file.
    Call { does: &'static str, call: String, when: String, path: Option<String> },
    /// SIGKILL so many milliseconds after the fix has written so many records.
    After { records: usize, millis: u64 },
    /// The terminal is closed when the fix has written so many records.
    HangUp { records: usize },
}

impl Strike {
    /// The row of the table it counts in.
    pub(super) fn row(&self) -> &'static str {
        match self {
            Self::Call { does: "signal=KILL", path: Some(_), .. } => "SIGKILL at a write of the log",
            Self::Call { does: "signal=KILL", path: None, .. } => "SIGKILL at a call that changes something",
            Self::Call { does: "signal=TERM", .. } => "SIGTERM at a write of the log",
            Self::Call { does: "signal=HUP", .. } => "SIGHUP at a write of the log",
            Self::Call { path: Some(_), .. } => "disk full at a write of the log",
            Self::Call { .. } => "disk full at another call",
            Self::After { .. } => "SIGKILL while it waits for others",
            Self::HangUp { .. } => "its terminal closed",
        }
    }

    /// How many of its row are dealt: to everything, or in a sample of the fix in this place.
    pub(super) fn how_many(&self, whole: bool, at: usize) -> usize {
        let turn = |nth: usize| usize::from(at % 3 == nth);
        match (self, whole) {
            (Self::Call { does: "signal=KILL", path: Some(_), .. }, true) => 10,
            (Self::Call { does: "signal=KILL", .. }, true) => 7,
            (Self::Call { does: "signal=TERM" | "signal=HUP", .. } | Self::HangUp { .. }, true) => 2,
            (Self::Call { path: Some(_), .. }, true) => 4,
            (Self::Call { .. }, true) => 3,
            (Self::After { .. }, true) => 5,
            (Self::Call { does: "signal=TERM", .. }, false) => turn(0),
            (Self::Call { does: "signal=HUP", .. }, false) => turn(1),
            (Self::HangUp { .. }, false) => turn(2),
            (Self::Call { .. } | Self::After { .. }, false) => 1,
        }
    }

    /// Lets the program run in the host until it is struck, and to its end.
    pub(super) fn deal(&self, host: &Host, words: &[&str]) -> Step<String> {
        match self {
            Self::Call { does, call, when, path } => {
                let mut strace: Vec<String> = quiet();
                strace.extend(["-o".into(), "/dev/null".into()]);
                strace.extend(path.iter().flat_map(|path| ["-P".into(), path.clone()]));
                strace.extend(["-e".into(), format!("trace={call}")]);
                strace.extend(["-e".into(), format!("inject={call}:{does}:when={when}")]);
                host.traced(&strace, words).map(|ran| format!("{}{}", ran.stdout, ran.stderr))
            }
            Self::After { records, millis } => {
                let mut fix = Fix::start(host, words)?;
                fix.wait_for_records(*records)?;
                std::thread::sleep(Duration::from_millis(*millis));
                fix.kill()
            }
            Self::HangUp { records } => hung_up(host, words, *records),
        }
    }
}

fn quiet() -> Vec<String> {
    ["-qq", "-f", "-e", "signal=none"].map(str::to_owned).into()
}

/// All strikes there are against a fix, from one that runs through untouched.
pub(super) fn all(host: &Host, words: &[&str], slow: bool) -> Step<Vec<Strike>> {
    let written = records(host);
    let trace = "/tmp/calls";
    let mut strace = quiet();
    let file = host.outside(trace);
    let file = std::env::temp_dir().join(format!("unrefuse-calls-{}", file.to_string_lossy().replace('/', "-")));
    strace.extend(["-y".into(), "-o".into(), file.display().to_string()]);
    strace.extend(["-e".into(), format!("trace=fdatasync,{CHANGING}")]);
    let ran = host.traced(&strace, words)?;
    let told = fs::read_to_string(&file).while_("reading the calls of a fix");
    let _ = fs::remove_file(&file);
    if ran.code != 0 {
        return Err(format!("untouched, the fix ends with {}\n{}{}", ran.code, ran.stdout, ran.stderr));
    }
    let written = records(host).saturating_sub(written);
    let mut strikes = at_the_log(written);
    strikes.extend(at_calls(&told?));
    let waits: &[u64] = if slow { &[0, 30, 90, 200, 350] } else { &[0, 10, 40, 120] };
    // The first record announces it, the last one keeps it: what is between is being done.
    for records in 2..written {
        strikes.extend(waits.iter().map(|millis| Strike::After { records, millis: *millis }));
    }
    strikes.extend((1..=written).map(|records| Strike::HangUp { records }));
    Ok(strikes)
}

/// Before a record is written, and once it is there.
fn at_the_log(written: usize) -> Vec<Strike> {
    let at = |does, call: &str, when: String| Strike::Call { does, call: call.into(), when, path: Some(LOG.into()) };
    let mut strikes = Vec::new();
    for nth in 1..=written {
        let nth = nth.to_string();
        strikes.push(at("signal=KILL", "write", nth.clone()));
        strikes.push(at("signal=KILL", "fdatasync", nth.clone()));
        strikes.push(at("signal=TERM", "fdatasync", nth.clone()));
        strikes.push(at("signal=HUP", "fdatasync", nth.clone()));
        strikes.push(at("error=ENOSPC", "write", nth.clone()));
        // From here on, and for good: only the guard finds room again.
        strikes.push(at("error=ENOSPC", "fdatasync", format!("{nth}+")));
    }
    strikes
}

/// The calls between the first record and the end, of the thread that writes the log.
fn at_calls(trace: &str) -> Vec<Strike> {
    let Some(thread) = trace.lines().find(|line| line.contains(LOG)).and_then(|line| line.split_whitespace().next())
    else {
        return Vec::new();
    };
    let (mut strikes, mut counts, mut begun, mut messages) = (Vec::new(), BTreeMap::<&str, usize>::new(), false, 0);
    for line in trace.lines() {
        let Some(rest) = line.strip_prefix(thread) else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if call.starts_with('<') || call.contains(' ') {
            continue;
        }
        let nth = counts.entry(call).or_default();
        *nth += 1;
        if call == "fdatasync" {
            (begun, messages) = (true, 0);
            continue;
        }
        let is_message = matches!(call, "sendmsg" | "sendto");
        messages += usize::from(is_message);
        if !begun || (is_message && messages > MOST_MESSAGES) {
            continue;
        }
        let at = |does| Strike::Call { does, call: call.to_owned(), when: nth.to_string(), path: None };
        strikes.push(at("signal=KILL"));
        if TAKING_ROOM.contains(&call) {
            strikes.push(at("error=ENOSPC"));
        }
    }
    strikes
}

/// Lines of the log.
pub(crate) fn records(host: &Host) -> usize {
    fs::read_to_string(host.outside(LOG)).unwrap_or_default().matches('\n').count()
}

/// The program in the host, as it runs.
struct Fix<'a> {
    host: &'a Host,
    child: Child,
    had: usize,
}

impl<'a> Fix<'a> {
    fn start(host: &'a Host, words: &[&str]) -> Step<Self> {
        let had = records(host);
        let mut inside = host.inside(words);
        inside.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { host, child: inside.spawn().while_("starting the fix")?, had })
    }

    /// Waits until it has written so many, or has ended.
    fn wait_for_records(&mut self, records_wanted: usize) -> Step {
        let until = Instant::now() + PATIENCE;
        while records(self.host) < self.had + records_wanted {
            if self.child.try_wait().while_("looking at the fix")?.is_some() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err("the fix does not come that far".into());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Ends the program itself; what started it ends with that.
    fn kill(mut self) -> Step<String> {
        if let Some(pid) = program_below(self.child.id()) {
            // It may have ended by itself.
            drop(crate::cmd::run(&mut command(&["kill", "-9", &pid.to_string()])));
        }
        let status = self.child.wait().while_("waiting for the fix")?;
        Ok(format!("it ended with {status}"))
    }
}

/// The program among the descendants of a process.
fn program_below(pid: u32) -> Option<u32> {
    if fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim() == "unrefuse" {
        return Some(pid);
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().find_map(|child| program_below(child.parse().ok()?))
}

/// Runs it on a terminal that is closed at some moment.
fn hung_up(host: &Host, words: &[&str], wanted: usize) -> Step<String> {
    let had = records(host);
    let mut terminal = on_terminal(host, words);
    let until = Instant::now() + PATIENCE;
    while records(host) < had + wanted && Instant::now() < until {
        // It writes more than a terminal nobody reads takes.
        terminal.within(Duration::from_millis(2));
        if terminal.child.try_wait().while_("looking at the fix")?.is_some() {
            break;
        }
    }
    let program = program_below(terminal.child.id());
    let mut child = terminal.hang_up();
    drop(child.wait());
    wait_until("the program has ended", PATIENCE, || {
        Ok(program.is_none_or(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(false)))
    })?;
    Ok("its terminal was closed".into())
}
