//! The guard: who puts a change back when nobody else can any more.
//!
//! It is a process of its own, started before the first change: a transient service of systemd, or a detached child where
//! there is none. It waits for the lock, which the kernel takes from whoever dies holding it, by whatever signal, closed
//! terminal or lost session: a guard that gets the lock and finds the entry pending puts it back at once. A process that
//! lives but hangs beyond its time is ended first.
//!
//! A reboot kills the guard, too. What does not survive a reboot itself (running units, rules and settings of the kernel)
//! is gone with it; for what does (files, enablement) a small unit puts it back early in the next boot, and is removed
//! when the entry is closed. A ban is put back once fail2ban runs. Without systemd the next fix or undo does all that.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};

use super::change::{Act, Change, Thing};
use super::lock::{Holder, Lock, Missed};
use super::log::{Entry, Log, State};
use super::{Hands, actions, revert};
use crate::error::Error;

/// The hidden word of the command line that runs it.
pub const WORD: &str = "guard";
/// How long acting and retesting may take before a process counts as hanging. A unit has 90 s to start by default.
pub const ACTING: Duration = Duration::from_secs(180);
/// How long the lock is waited for before the log is looked into again.
const TURN: Duration = Duration::from_millis(500);
/// What runs it at the next boot.
const BOOT_UNIT: &str = "unrefuse-recover.service";
const UNITS: &str = "/etc/systemd/system";
/// What wants it: early, before whoever reads what was changed; or late, when those run who are asked to put it back.
const EARLY: &str = "/etc/systemd/system/sysinit.target.wants";
const LATE: &str = "/etc/systemd/system/multi-user.target.wants";
/// How often a record that does not fit on a full disk is tried again, and how many times.
const ROOM: Duration = Duration::from_secs(2);
const ROOM_TRIES: u32 = 300;

/// Starts the guard of an entry; what it is, for people.
pub(super) fn arm(hands: &Hands, entry: &Entry) -> Result<&'static str, Error> {
    let program = std::env::current_exe().map_err(|e| Error::broken("cannot tell where this program is").because(e))?;
    if !Path::new("/run/systemd/system").is_dir() {
        return detached(&program, hands, entry.number).map(|()| "a process of its own");
    }
    // First who tidies up, then what may have to be tidied up.
    let what = match transient(&program, hands, entry.number) {
        Ok(()) => "a transient unit of systemd",
        // A systemd that does not answer must not leave the change without a guard.
        Err(_) => detached(&program, hands, entry.number).map(|()| "a process of its own")?,
    };
    if entry.acts.iter().any(survives_reboot) {
        at_boot(&program, entry).map_err(|e| Error::broken("cannot prepare for a reboot in between").because(e))?;
    }
    Ok(what)
}

fn transient(program: &Path, hands: &Hands, number: u64) -> Result<(), Error> {
    let failed = |why: &str| Error::broken(format!("systemd-run does not start the guard: {why}"));
    let ran = Command::new("systemd-run")
        .args(["--quiet", "--collect", "--property=Type=exec", "--property=Restart=on-failure"])
        // What ends at shutdown must not fail it, and nothing that ends a session ends it.
        .args(["--property=KillMode=process", "--slice=system.slice"])
        .arg(format!("--unit=unrefuse-guard-{number}"))
        .arg("--")
        .arg(program)
        .arg(WORD)
        .arg(&hands.state)
        .arg(number.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(&e.to_string()))?;
    if ran.status.success() { Ok(()) } else { Err(failed(&crate::text::bytes(&ran.stderr))) }
}

fn detached(program: &Path, hands: &Hands, number: u64) -> Result<(), Error> {
    Command::new(program)
        .arg(WORD)
        .arg(&hands.state)
        .arg(number.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
        .map_err(|e| Error::broken("cannot start the guard").because(e))
}

/// It is still there after a reboot.
fn survives_reboot(act: &Act) -> bool {
    matches!(act, Act::Set(change) if is_lasting(change))
}

/// The changes that a reboot does not undo by itself.
pub(super) fn is_lasting(change: &Change) -> bool {
    match &change.thing {
        Thing::File(path) => !path.starts_with("/run/"),
        // fail2ban keeps its bans in a file, and a ban it was told to lift is not among them.
        Thing::Enabled(_)
        | Thing::Masked(_)
        | Thing::Ufw(_)
        | Thing::Ban(..)
        | Thing::PortLabel(_)
        | Thing::PermissiveDomain(_)
        | Thing::Label(_) => true,
        Thing::Zone(entry) => entry.permanent,
        Thing::Running(_)
        | Thing::Sysctl(_)
        | Thing::Rule(_)
        | Thing::Process(_)
        | Thing::ProfileMode { .. }
        | Thing::Switch(_) => false,
    }
}

fn at_boot(program: &Path, entry: &Entry) -> std::io::Result<()> {
    let program = program.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    let late = entry.acts.iter().any(|act| matches!(act, Act::Set(Change { thing: Thing::Ban(..), .. })));
    let (wants, order) = if late {
        (LATE, "After=fail2ban.service\n")
    } else {
        (
            EARLY,
            "DefaultDependencies=no\nAfter=local-fs.target\nBefore=basic.target shutdown.target\nConflicts=shutdown.target\n",
        )
    };
    let text = format!(
        "[Unit]\nDescription=Put back what an interrupted fix of unrefuse changed\n{order}\
         RequiresMountsFor=/var/lib/unrefuse /etc\nConditionPathExists=/var/lib/unrefuse/log\n\n\
         [Service]\nType=oneshot\nExecStart=\"{program}\" {WORD} /var/lib/unrefuse pending\n"
    );
    fs::create_dir_all(wants)?;
    fs::write(boot_unit(), text)?;
    match symlink(boot_unit(), Path::new(wants).join(BOOT_UNIT)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn boot_unit() -> PathBuf {
    Path::new(UNITS).join(BOOT_UNIT)
}

/// An entry is closed: what was kept for its way back is removed, and the next boot has nothing to do.
pub(super) fn tidy(entry: &Entry) {
    for act in &entry.acts {
        if let Act::Set(change) = act {
            actions::clean(change, entry.number);
        }
    }
    disarm();
}

/// Nothing is pending any more: the next boot has nothing to do.
pub(super) fn disarm() {
    for path in [Path::new(EARLY).join(BOOT_UNIT), Path::new(LATE).join(BOOT_UNIT), boot_unit()] {
        // It was never made, or somebody removed it: either way it is gone.
        let _ = fs::remove_file(path);
    }
    // Made by us where it was not there; one that holds anything stays.
    let _ = fs::remove_dir(EARLY);
}

/// The guard itself: waits until an entry is closed, or puts it back. `None`: whatever is pending, now (at boot).
pub async fn watch(hands: &Hands, number: Option<u64>) -> Result<(), Error> {
    // Alone in its session nothing sends it the signals of a terminal. It fails for who is alone already.
    let _ = setsid();
    let began = Instant::now();
    loop {
        match Lock::take(&hands.state, TURN) {
            Ok(_lock) => return put_back(hands, number).await,
            Err(Missed::Error(error)) => return Err(error),
            Err(Missed::Held(holder)) => {
                let log = Log::read(&hands.state)?;
                let pending = log.pending().filter(|entry| number.is_none_or(|n| entry.number == n));
                let Some(entry) = pending else { return Ok(()) };
                // Who tries something puts it back itself.
                let acting = if entry.trial { ACTING * 2 } else { ACTING };
                let patience = acting + Duration::from_secs(entry.revert_after);
                if began.elapsed() > patience
                    && let Some(holder) = holder
                {
                    end(holder);
                }
            }
        }
    }
}

async fn put_back(hands: &Hands, number: Option<u64>) -> Result<(), Error> {
    let mut log = Log::read(&hands.state)?;
    let found = number.map_or_else(|| log.pending(), |n| log.get(n).filter(|entry| entry.state == State::Pending));
    if let Some(entry) = found.map(|entry| entry.number) {
        let record = revert::reverted(hands, &log, entry, "whoever made the change is gone").await?;
        // The host is as it was; that this is written down may have to wait until there is room.
        let mut written = log.add(record.clone());
        for _ in 0..ROOM_TRIES {
            if written.is_ok() {
                break;
            }
            tokio::time::sleep(ROOM).await;
            written = log.add(record.clone());
        }
        written?;
        disarm();
    }
    // Whoever kept it may have been ended before it tidied up.
    if let Some(entry) = number.and_then(|number| log.get(number)) {
        tidy(entry);
    }
    Ok(())
}

/// Ends a process of this program that hangs.
fn end(holder: Holder) {
    if let Some(pid) = i32::try_from(holder.pid).ok().filter(|_| holder.lives()) {
        // It is gone already, or nothing can end it: the next turn sees which.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
