//! What the journal tells of a host's life: units that come and go, the OOM killer, cores, bans, who ran what, sleep and
//! the clock. Read from the end, so that a journal of millions of lines costs no more than a small one.

use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tokio::process::{Child, ChildStdout};

use super::lines::Lines;
use super::{parse, run_lines, spawn};
use crate::facts::happening::{Change, Happening, Teller, What};
use crate::sources::{Trouble, commands};

/// Entries of systemd about units that are read, from the end.
const MOST_OF_UNITS: usize = 6000;
/// Entries of everything else.
const MOST_OF_OTHERS: usize = 2000;
const FIELDS: &str = "--output-fields=MESSAGE,MESSAGE_ID,UNIT,_PID,_UID,_COMM,_EXE,_SYSTEMD_UNIT,_TRANSPORT,COREDUMP_COMM,COREDUMP_UNIT,COREDUMP_SIGNAL_NAME";

/// Message ids of sd-messages.h (and the catalogue), as `journalctl --output=json` writes them.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
const START_FAILED: &str = "be02cf6855d2428ba40df7e9d022f03d";
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
const STOPPED: &str = "9d1aaa27d60140bd96365438aad20286";
const RELOADING: &str = "d34d037fff1847e6ae669a370e694725";
const RELOADED: &str = "7b05ebc668384222baa8881179cfda54";
const RESTART_SCHEDULED: &str = "5eb03494b6584870a536b337290809b3";
const PROCESS_EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";
const FAILURE: &str = "d9b373ed55a64feb8242e02dbe79a49c";
const SUCCESS: &str = "7ad2d189f7e94e70a38c781354912448";
const OOM: &str = "fe6faa94e7774663a0da52717891d8ef";
const COREDUMP: &str = "fc2e22bc6ee647b6b90729ab34a250b1";
const TIME_CHANGE: &str = "c7a787079b354eaaa9e77b371893cd27";
const SLEEP: &str = "6bbd95ee977941e497c48be27c254128";
const WOKE: &str = "8811e6df2a8e40f58a94cea26f8ebf14";
const STARTUP_FINISHED: &str = "b07a249cd024414a82dd00cd181378ff";

const OF_UNITS: [&str; 12] = [
    STARTING,
    STARTED,
    START_FAILED,
    STOPPING,
    STOPPED,
    RELOADING,
    RELOADED,
    RESTART_SCHEDULED,
    PROCESS_EXIT,
    FAILURE,
    SUCCESS,
    OOM,
];
const OF_OTHERS: [&str; 5] = [COREDUMP, TIME_CHANGE, SLEEP, WOKE, STARTUP_FINISHED];
/// Programs that say who did what.
const TELLERS: [&str; 7] = ["sudo", "cron", "crond", "anacron", "run0", "fail2ban-server", "pkexec"];

/// systemd about units.
fn units() -> Vec<String> {
    let ids = OF_UNITS.iter().map(|id| format!("MESSAGE_ID={id}"));
    std::iter::once("_PID=1".to_owned()).chain(ids).collect()
}

/// All the others: what root's programs say with a message id, the kernel's errors, and who ran what.
fn others() -> Vec<String> {
    let mut words: Vec<String> = OF_OTHERS.iter().map(|id| format!("MESSAGE_ID={id}")).collect();
    words.push("+".into());
    words.extend(["_TRANSPORT=kernel".into(), "PRIORITY=3".into(), "+".into()]);
    words.extend(TELLERS.iter().map(|name| format!("_COMM={name}")));
    words
}

/// What the journal tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sources) struct Told {
    /// Oldest first of each kind.
    pub(in crate::sources) happenings: Vec<Happening>,
    /// From when on what it tells of units was read, where that is not all.
    pub(in crate::sources) units_from_us: Option<u64>,
    /// The same of everything else.
    pub(in crate::sources) others_from_us: Option<u64>,
}

/// What happened since then.
pub(in crate::sources) async fn past(since_us: u64) -> Result<Told, Trouble> {
    let since = format!("--since=@{}", since_us / 1_000_000);
    let (units, others) = (units(), others());
    let (units, others) = tokio::join!(read(MOST_OF_UNITS, &since, &units), read(MOST_OF_OTHERS, &since, &others));
    let ((mut happenings, units_from_us), (of_others, others_from_us)) = (units?, others?);
    happenings.extend(of_others);
    Ok(Told { happenings, units_from_us, others_from_us })
}

async fn read(most: usize, since: &str, matches: &[String]) -> Result<(Vec<Happening>, Option<u64>), Trouble> {
    let lines = format!("--lines={most}");
    let words: Vec<&str> =
        [lines.as_str(), since, FIELDS].into_iter().chain(matches.iter().map(String::as_str)).collect();
    let found = run_lines(&words, |json| Some((line_at(json), line(json)))).await?;
    let from_us = read_from(found.iter().map(|(at, _)| *at), most);
    Ok((found.into_iter().filter_map(|(_, timed)| timed).map(|timed| timed.happening).collect(), from_us))
}

/// The time of the oldest of so many lines, where there may be more before them.
fn read_from(lines: impl ExactSizeIterator<Item = Option<u64>>, most: usize) -> Option<u64> {
    if lines.len() < most { None } else { lines.flatten().next() }
}

/// When a line is of, whatever it tells.
fn line_at(json: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct At {
        #[serde(rename = "__REALTIME_TIMESTAMP")]
        at: Value,
    }
    let raw: At = serde_json::from_slice(json).ok()?;
    parse::text(&raw.at)?.parse().ok()
}

/// A happening, and when it was by the clock that nobody can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Timed {
    pub(in crate::sources) happening: Happening,
    /// `CLOCK_MONOTONIC`, in microseconds.
    pub(in crate::sources) monotonic_us: Option<u64>,
}

/// What happens from now on. Dropping it ends the reader.
#[derive(Debug)]
pub(in crate::sources) struct Follow {
    lines: Lines<ChildStdout>,
    _reader: Child,
}

/// Follows the journal from now on.
pub(in crate::sources) fn follow() -> Result<Follow, Trouble> {
    let mut words: Vec<String> = vec!["--follow".into(), "--lines=0".into(), FIELDS.into()];
    words.extend(units());
    words.push("+".into());
    words.extend(others());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut reader = spawn(&words, Stdio::null())?;
    let stdout = reader.stdout.take().ok_or_else(|| Trouble::failed("journalctl has no output"))?;
    Ok(Follow { lines: Lines::new(stdout), _reader: reader })
}

impl Follow {
    /// The next one; none when the reader has ended.
    pub(in crate::sources) async fn next(&mut self) -> Option<Timed> {
        loop {
            if let Some(timed) = line(&self.lines.next().await?) {
                return Some(timed);
            }
        }
    }
}

/// An entry as `journalctl --output=json` writes it, as far as it is of use.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: Value,
    #[serde(rename = "__MONOTONIC_TIMESTAMP")]
    monotonic: Value,
    #[serde(rename = "MESSAGE")]
    message: Value,
    #[serde(rename = "MESSAGE_ID")]
    id: Value,
    #[serde(rename = "UNIT")]
    unit: Value,
    #[serde(rename = "_PID")]
    pid: Value,
    #[serde(rename = "_UID")]
    uid: Value,
    #[serde(rename = "_COMM")]
    comm: Value,
    #[serde(rename = "_EXE")]
    exe: Value,
    #[serde(rename = "_SYSTEMD_UNIT")]
    of_unit: Value,
    #[serde(rename = "_TRANSPORT")]
    transport: Value,
    #[serde(rename = "COREDUMP_COMM")]
    core_of: Value,
    #[serde(rename = "COREDUMP_UNIT")]
    core_unit: Value,
    #[serde(rename = "COREDUMP_SIGNAL_NAME")]
    core_signal: Value,
}

/// A line as a happening; none when it tells of none.
fn line(json: &[u8]) -> Option<Timed> {
    let raw: Raw = serde_json::from_slice(json).ok()?;
    let at_us = parse::text(&raw.at)?.parse().ok()?;
    let monotonic_us = parse::text(&raw.monotonic).and_then(|text| text.parse().ok());
    let happening = Happening { at_us, what: what(&raw)?, source: Teller::Journal };
    Some(Timed { happening, monotonic_us })
}

fn what(raw: &Raw) -> Option<What> {
    let message = cut(&parse::text(&raw.message).unwrap_or_default());
    if parse::text(&raw.transport).as_deref() == Some("kernel") {
        return kernel(message);
    }
    let by_root = parse::text(&raw.uid).as_deref() == Some("0");
    if let Some(id) = parse::text(&raw.id) {
        return match id.as_str() {
            COREDUMP if is_of_coredump(raw, by_root) => Some(What::Crash {
                program: cut(&parse::text(&raw.core_of)?),
                signal: cut(&parse::text(&raw.core_signal).unwrap_or_default()),
                unit: parse::text(&raw.core_unit).map(|unit| cut(&unit)),
            }),
            TIME_CHANGE if by_root => Some(What::Clock { by_ms: None }),
            SLEEP if by_root => Some(What::Sleeps),
            WOKE if by_root => Some(What::Woke { slept_ms: None }),
            STARTUP_FINISHED if parse::text(&raw.pid).as_deref() == Some("1") => Some(What::Boot),
            id if parse::text(&raw.pid).as_deref() == Some("1") => of_unit(id, &parse::text(&raw.unit)?, &message),
            _ => None,
        };
    }
    let program = parse::text(&raw.comm)?;
    if is_real(&program, raw, by_root) { commands::told(&program, &message) } else { None }
}

/// Is it systemd-coredump that speaks? It gives up root before it does, where it runs as a unit of its own.
fn is_of_coredump(raw: &Raw, by_root: bool) -> bool {
    let of_it = |unit: String| unit.starts_with("systemd-coredump@");
    parse::text(&raw.comm).as_deref() == Some("systemd-coredum")
        && (by_root || parse::text(&raw.of_unit).is_some_and(of_it))
}

/// Is it the system's own program that speaks? Anybody can call a program `sudo`. sudo and pkexec speak while they still
/// are of the user who called them (seen as `_UID=1000`): only where they lie tells.
fn is_real(program: &str, raw: &Raw, by_root: bool) -> bool {
    const PLACES: [&str; 5] = ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/cargo/bin/"];
    let Some(exe) = parse::text(&raw.exe) else { return false };
    let Some(name) = PLACES.iter().find_map(|place| exe.strip_prefix(place)) else { return false };
    match program {
        "sudo" => matches!(name, "sudo" | "sudo.ws" | "sudo-rs"),
        "pkexec" => name == "pkexec",
        "fail2ban-server" => {
            let unit = parse::text(&raw.of_unit);
            by_root && name.starts_with("python") && unit.as_deref() == Some("fail2ban.service")
        }
        _ => by_root && name == program,
    }
}

/// What systemd says of a unit.
fn of_unit(id: &str, unit: &str, message: &str) -> Option<What> {
    let after = |words: &str| message.split_once(words).map(|(_, rest)| rest.trim_end_matches('.').to_owned());
    let (change, words) = match id {
        STARTING => (Change::Starting, String::new()),
        STARTED => (Change::Started, String::new()),
        STOPPING => (Change::Stopping, String::new()),
        STOPPED => (Change::Stopped, String::new()),
        RELOADING => (Change::Reloading, String::new()),
        RELOADED => (Change::Reloaded, String::new()),
        RESTART_SCHEDULED => (Change::RestartScheduled, String::new()),
        START_FAILED => (Change::Failed, "its start failed".into()),
        PROCESS_EXIT => (Change::Exited, after("Main process exited, ").or_else(|| after("main process exited, "))?),
        FAILURE => (Change::Failed, after("Failed with result ").unwrap_or_default()),
        SUCCESS => (Change::Finished, String::new()),
        OOM => return Some(What::Oom { unit: Some(cut(unit)), words: message.to_owned() }),
        _ => return None,
    };
    Some(What::Unit { unit: cut(unit), change, words })
}

/// What the kernel says; only its OOM killer is of use here.
fn kernel(message: String) -> Option<What> {
    message.contains("ut of memory: Kill").then_some(What::Oom { unit: None, words: message })
}

/// Text of a length that can be kept by the thousand.
pub(in crate::sources) fn cut(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    const STOP: &str = r#"{"__REALTIME_TIMESTAMP":"1795244105618987","__MONOTONIC_TIMESTAMP":"77","MESSAGE":"Stopping nginx.service - A high performance web server...","MESSAGE_ID":"de5b426a63be47a7b6ac3eaac82e2f6f","UNIT":"nginx.service","_PID":"1","_UID":"0","_COMM":"systemd"}"#;

    fn told(rest: &str) -> Option<What> {
        line(format!(r#"{{"__REALTIME_TIMESTAMP":"1",{rest}}}"#).as_bytes()).map(|timed| timed.happening.what)
    }

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_lines_are_happenings_or_nothing(raw in damaged::bytes(&[STOP])) {
            let _ = line(&raw);
        }
    }

    #[test]
    fn a_unit_that_is_stopped() {
        let found = line(STOP.as_bytes()).unwrap();
        assert_eq!((found.happening.at_us, found.monotonic_us), (1_795_244_105_618_987, Some(77)));
        let words = String::new();
        assert_eq!(found.happening.what, What::Unit { unit: "nginx.service".into(), change: Change::Stopping, words });
    }

    #[test]
    fn only_systemd_tells_of_units_and_only_root_of_the_machine() {
        let forged = STOP.replace(r#""_PID":"1""#, r#""_PID":"912""#);
        assert_eq!(line(forged.as_bytes()), None);
        assert_eq!(told(&format!(r#""MESSAGE_ID":"{SLEEP}","_UID":"1000""#)), None);
        assert_eq!(told(&format!(r#""MESSAGE_ID":"{SLEEP}","_UID":"0""#)), Some(What::Sleeps));
    }

    #[test]
    fn only_the_real_programs_are_believed() {
        let by = |comm: &str, exe: &str, uid: u32, unit: &str, message: &str| {
            let who = format!(r#""_COMM":"{comm}","_EXE":"{exe}","_UID":"{uid}","_SYSTEMD_UNIT":"{unit}""#);
            told(&format!(r#"{who},"MESSAGE":"{message}""#)).is_some()
        };
        let sudo = "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/systemctl stop nginx";
        assert!(by("sudo", "/usr/bin/sudo", 1000, "session-1.scope", sudo), "sudo speaks as who calls it");
        assert!(!by("sudo", "/home/eve/sudo", 1000, "session-1.scope", sudo));
        assert!(!by("sudo", "/usr/bin/python3.11", 0, "session-1.scope", sudo));
        let cron = "(root) CMD (systemctl restart nginx)";
        assert!(by("cron", "/usr/sbin/cron", 0, "cron.service", cron));
        assert!(!by("cron", "/usr/sbin/cron", 1000, "cron.service", cron));
        assert!(!by("cron", "/tmp/cron", 0, "cron.service", cron));
        let ban = "NOTICE [sshd] Ban 10.1.0.2";
        assert!(by("fail2ban-server", "/usr/bin/python3.11", 0, "fail2ban.service", ban));
        assert!(!by("fail2ban-server", "/usr/bin/python3.11", 0, "user@0.service", ban));
    }

    #[test]
    fn a_core_is_told_by_systemd_coredump_alone() {
        let core = |who: &str| told(&format!(r#""MESSAGE_ID":"{COREDUMP}","COREDUMP_COMM":"nginx",{who}"#)).is_some();
        assert!(core(r#""_COMM":"systemd-coredum","_UID":"0""#));
        assert!(core(r#""_COMM":"systemd-coredum","_UID":"998","_SYSTEMD_UNIT":"systemd-coredump@1-2-0.service""#));
        assert!(!core(r#""_COMM":"systemd-coredum","_UID":"1000","_SYSTEMD_UNIT":"user@1000.service""#));
        assert!(!core(r#""_COMM":"logger","_UID":"0""#));
    }

    #[test]
    fn where_a_bound_is_hit_what_is_read_begins_later() {
        assert_eq!(read_from([Some(7), Some(8)].into_iter(), 3), None);
        assert_eq!(read_from([None, Some(8), Some(9)].into_iter(), 3), Some(8));
        assert_eq!(line_at(STOP.as_bytes()), Some(1_795_244_105_618_987));
        assert_eq!(line_at(b"-- No entries --"), None);
    }

    #[test]
    fn only_a_main_process_ends_a_unit() {
        let exit = |words: &str| {
            told(&format!(
                r#""MESSAGE_ID":"{PROCESS_EXIT}","_PID":"1","UNIT":"a.service","MESSAGE":"a.service: {words}""#
            ))
        };
        assert_eq!(exit("Control process exited, code=exited, status=1/FAILURE"), None);
        let Some(What::Unit { words, .. }) = exit("Main process exited, code=killed, status=9/KILL") else { panic!() };
        assert_eq!(words, "code=killed, status=9/KILL");
    }

    #[test]
    fn the_kernel_kills_for_want_of_memory() {
        let words = "Memory cgroup out of memory: Killed process 812 (shop) total-vm:1kB";
        let found = told(&format!(r#""_TRANSPORT":"kernel","MESSAGE":"{words}""#));
        assert_eq!(found, Some(What::Oom { unit: None, words: words.into() }));
        assert_eq!(told(r#""_TRANSPORT":"kernel","MESSAGE":"EXT4-fs error""#), None);
    }
}
