//! The journal of a unit, through journalctl: its last entries, then each new one as it is written.
//!
//! journalctl and not libsystemd: the same JSON on every distribution, no library to link, and the delay of a followed
//! line is journald's own quarter of a second either way.

mod follow;
pub(super) mod happenings;
mod lines;
pub(super) mod own_log;
pub(super) mod parse;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

pub(super) use follow::follow;
pub(super) use happenings::cut;
use lines::Lines;
use parse::Line;

use super::{Trouble, trouble};
use crate::facts::Reading;
use crate::facts::journal::{Entry, Journal};

/// Entries that are read at first: a restart loop of five tries with forty lines each.
const LAST: &str = "--lines=200";
/// How long the look into the boot before this one may take: it is worth one hint.
const EARLIER_BOOT_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of journalctl's complaints that are kept.
const COMPLAINTS: u64 = 4096;
/// How late a daemon's last words may come.
const LATE_WORDS: Duration = Duration::from_millis(LATE_WORDS_MS);
const LATE_WORDS_MS: u64 = 150;
/// How often a busy journald is given that time.
const LATE_LOOKS: u64 = 3;
/// Entries among which a daemon's last words are looked for.
const LAST_WORDS: usize = 6;
/// MESSAGE_ID of "a start job is done" (sd-messages.h, SD_MESSAGE_UNIT_STARTED).
const STARTED: &str = "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf";
const FIELDS: &str = "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID";

/// The last entries of a unit in this boot.
pub async fn read(unit: &str) -> Reading<Journal> {
    let began = Instant::now();
    trouble::reading(snapshot(unit).await.map(|snapshot| Some(snapshot.journal)), began)
}

/// The last entries of a unit, and where to go on from.
pub(super) struct Snapshot {
    pub(super) journal: Journal,
    /// Cursor of the last entry; none when there is no entry.
    pub(super) cursor: Option<String>,
}

/// Reads the last entries of a unit in this boot, and whether it ran in the boot before.
pub(super) async fn snapshot(unit: &str) -> Result<Snapshot, Trouble> {
    check(unit)?;
    let of_unit = of_unit(unit);
    let latest: Vec<&str> = ["--boot", LAST, FIELDS].into_iter().chain(of_unit.iter().map(String::as_str)).collect();
    let mut found = run(&latest).await?;
    for _ in 0..LATE_LOOKS {
        if !found.last().is_some_and(|line| just_ended(&line.entry, trouble::now_ms())) {
            break;
        }
        tokio::time::sleep(LATE_WORDS).await;
        found = run(&latest).await?;
        // Its own words are there: nothing more is waited for.
        if found.iter().rev().take(LAST_WORDS).any(|line| !line.entry.is_systemd()) {
            break;
        }
    }
    let cursor = found.last().and_then(|line| line.cursor.clone());
    let mut journal = Journal { unit: unit.into(), ..Journal::default() };
    journal.entries = found.into_iter().map(|line| line.entry).collect();
    if let Some(since) = journal.entries.first().map(|entry| entry.at_us) {
        let name = unit.to_owned();
        let more = tokio::task::spawn_blocking(move || own_log::entries(&name, since)).await;
        own_log::merge(&mut journal.entries, more.unwrap_or_default());
    }
    if !journal.entries.iter().any(Entry::is_started) {
        let earlier = tokio::time::timeout(EARLIER_BOOT_WITHIN, ran_before(unit)).await;
        journal.ran_before_this_boot = earlier.unwrap_or_default();
    }
    Ok(Snapshot { journal, cursor })
}

/// Did systemd tell an end a moment ago? A daemon's last words go through a pipe to journald, and may be filed later than
/// what systemd says of them (seen on an idle host with systemd 252).
fn just_ended(entry: &Entry, now_ms: u64) -> bool {
    let ended = ["exited, code=", "Failed with result", "Failed to start", "repeated too quickly", "Scheduled restart"];
    let young = (entry.at_us / 1000).saturating_add(LATE_LOOKS * LATE_WORDS_MS) >= now_ms;
    young && entry.is_systemd() && ended.iter().any(|words| entry.message.contains(words))
}

/// Was the unit started in the boot before this one? None: no journal of that boot is kept.
async fn ran_before(unit: &str) -> Option<bool> {
    let now = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().replace('-', "");
    let earlier = |found: &[Line]| found.iter().any(|line| line.boot.as_ref().is_some_and(|boot| *boot != now));
    let of_unit = format!("UNIT={unit}");
    // Without a persistent journal journalctl only remarks that --boot has no effect, and shows this boot.
    if earlier(&run(&["--boot=-1", "--lines=1", "_PID=1", STARTED, &of_unit]).await.ok()?) {
        return Some(true);
    }
    earlier(&run(&["--boot=-1", "--lines=1"]).await.ok()?).then_some(false)
}

/// What `journalctl --unit` matches, and what else root says of the unit: the last words of a child of systemd that could
/// not become the program (`Failed at step NAMESPACE`) are often filed only after it, and its control group, are gone.
fn of_unit(unit: &str) -> [String; 10] {
    let is = |field: &str| format!("{field}={unit}");
    let (or, root) = (|| "+".to_owned(), || "_UID=0".to_owned());
    let object = is("OBJECT_SYSTEMD_UNIT");
    [is("_SYSTEMD_UNIT"), or(), root(), is("UNIT"), or(), root(), object, or(), root(), is("COREDUMP_UNIT")]
}

/// journalctl takes a name with these for a pattern, and shows the journals of others. No unit has such a name.
fn check(unit: &str) -> Result<(), Trouble> {
    if unit.contains(['*', '?', '[']) {
        return Err(Trouble::failed("this is no name of a unit"));
    }
    Ok(())
}

/// Entries that journalctl finds with these words of its command line.
pub(super) async fn matching(words: &[&str]) -> Result<Vec<Entry>, Trouble> {
    Ok(run(words).await?.into_iter().map(|line| line.entry).collect())
}

/// Runs journalctl to its end.
async fn run(arguments: &[&str]) -> Result<Vec<Line>, Trouble> {
    run_lines(arguments, parse::line).await
}

/// The same, for other readers of its lines.
async fn run_lines<T>(arguments: &[&str], read: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Trouble> {
    let mut child = spawn(arguments, Stdio::piped())?;
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Trouble::failed("journalctl has no output"));
    };
    let reading = async {
        let mut lines = Lines::new(stdout);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.extend(read(&line));
        }
        found
    };
    let complaining = async {
        let mut said = Vec::new();
        // What was read before an error is still said.
        let _ = (&mut stderr).take(COMPLAINTS).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&said).into_owned()
    };
    let (found, said) = tokio::join!(reading, complaining);
    let status = child.wait().await.map_err(|error| Trouble::io("journalctl", &error))?;
    if found.is_empty() {
        judge(&said, status)?;
    }
    Ok(found)
}

fn spawn(arguments: &[&str], complaints: Stdio) -> Result<Child, Trouble> {
    let mut command = Command::new("journalctl");
    command.args(["--output=json", "--no-pager"]).args(arguments);
    command.env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(complaints);
    command.spawn().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Trouble::failed("journalctl is not installed");
        }
        Trouble::failed(format!("journalctl cannot be run: {error}"))
    })
}

/// No entry at all: is there none, or may we not see it? journalctl ends well in most of these cases.
fn judge(said: &str, status: ExitStatus) -> Result<(), Trouble> {
    let has = |words: &str| said.contains(words);
    if has("insufficient permissions") || has("not seeing messages from other users") {
        return Err(Trouble::denied("root or group systemd-journal"));
    }
    if has("No journal files were found") {
        return Err(Trouble::failed("this host keeps no journal"));
    }
    // The boot asked for is not kept: it has no entries.
    if status.success() || has("No such boot ID") || has("No data available") || has("not available") {
        return Ok(());
    }
    let first = said.lines().next().unwrap_or("no reason given");
    Err(Trouble::failed(format!("journalctl: {first}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn an_empty_answer_is_told_from_a_closed_door() {
        let (well, badly) = (ExitStatus::from_raw(0), ExitStatus::from_raw(1 << 8));
        let denied = Err(Trouble::denied("root or group systemd-journal"));
        assert_eq!(judge("No journal files were opened due to insufficient permissions.\n", badly), denied);
        let hint =
            "Hint: You are currently not seeing messages from other users and the system.\n      Users in groups";
        assert_eq!(judge(hint, well), denied);
        assert_eq!(judge("", well), Ok(()));
        assert_eq!(
            judge("Data from the specified boot (-1) is not available: No such boot ID in journal", badly),
            Ok(())
        );
        assert_eq!(judge("Unknown option\nx", badly), Err(Trouble::failed("journalctl: Unknown option")));
        assert!(judge("No journal files were found.", badly).is_err());
    }

    #[test]
    fn only_a_fresh_end_may_have_more_words_to_come() {
        let entry = |identifier: &str, message: &str| Entry {
            at_us: 1_000_000,
            priority: 6,
            identifier: identifier.into(),
            pid: 1,
            message: message.into(),
        };
        let end = entry("systemd", "ssh.service: Failed with result 'exit-code'.");
        assert!(just_ended(&end, 1_100));
        assert!(!just_ended(&end, 2_000));
        assert!(!just_ended(&entry("systemd", "Started ssh.service"), 1_100));
        assert!(!just_ended(&entry("sshd", "Failed with result"), 1_100));
    }

    #[test]
    fn a_unit_name_is_no_pattern() {
        assert!(check("a*.service").is_err());
        assert!(check("[ab].service").is_err());
        assert_eq!(check("postgresql@15-main.service"), Ok(()));
        assert_eq!(check("-.mount"), Ok(()), "a value of --unit, whatever it begins with");
    }
}
