//! The legacy tables of iptables, as `iptables-legacy` prints them.
//!
//! To list a table registers it in the network namespace if it is not: a change that later rules, and other programs,
//! notice. So only tables that the kernel names already are asked for.

use std::fs;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use iptables::IPTables;

use super::text;
use crate::facts::ruleset::{Backend, Family, LegacyTable, TableId};
use crate::sources::Trouble;
use crate::sources::procfs::check_mounted;

/// All tables together; 10,000 rules take 50 ms.
const WITHIN: Duration = Duration::from_secs(3);
/// Lists with counters.
const LIST: &str = "-v -S";
/// What [`text::hidden`] reads.
const LIST_HIDDEN: &str = "-v -n -L --line-numbers";
/// Waits at most 2 s for another iptables; versions before 1.6 do not know how to wait for so long.
const WAIT: &str = "-w 2";
/// Attempts at listing a table twice without a change in between.
const ATTEMPTS: usize = 4;
/// iptables' exit status for words it does not know.
const PARAMETER_PROBLEM: i32 = 2;

/// A family's tables: where the kernel names them, and the programs that may print them, the surest first. An
/// administrator's path need not have the sbin directories.
struct Tables {
    family: Family,
    names: &'static str,
    programs: [&'static str; 6],
}

const FAMILIES: [Tables; 2] = [
    Tables {
        family: Family::Ip,
        names: "/proc/thread-self/net/ip_tables_names",
        programs: [
            "iptables-legacy",
            "/usr/sbin/iptables-legacy",
            "/sbin/iptables-legacy",
            "iptables",
            "/usr/sbin/iptables",
            "/sbin/iptables",
        ],
    },
    Tables {
        family: Family::Ip6,
        names: "/proc/thread-self/net/ip6_tables_names",
        programs: [
            "ip6tables-legacy",
            "/usr/sbin/ip6tables-legacy",
            "/sbin/ip6tables-legacy",
            "ip6tables",
            "/usr/sbin/ip6tables",
            "/sbin/ip6tables",
        ],
    },
];

/// The tables with their rules; none where the kernel has none.
pub fn legacy() -> Result<Option<Vec<LegacyTable>>, Trouble> {
    let mut wanted = Vec::new();
    for tables in &FAMILIES {
        wanted.extend(names(tables.names)?.into_iter().map(|name| (tables, name)));
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    // The program cannot be hurried: it is left to itself, with its own limit, when the time is over.
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        // Nobody listens any more when the time is over.
        let _ = done.send(read(wanted));
    });
    end.recv_timeout(WITHIN).map_err(|_| Trouble::TimedOut { after: WITHIN })?.map(Some)
}

/// The tables that the kernel names; none where it has no legacy tables at all.
fn names(file: &str) -> Result<Vec<String>, Trouble> {
    match fs::read_to_string(file) {
        Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => check_mounted().map(|()| Vec::new()),
        Err(e) => Err(Trouble::io(&format!("reading {file}"), &e)),
    }
}

fn read(wanted: Vec<(&'static Tables, String)>) -> Result<Vec<LegacyTable>, Trouble> {
    let began = Instant::now();
    let mut program: Option<(Family, &'static str)> = None;
    let mut found = Vec::new();
    for (tables, name) in wanted {
        if began.elapsed() > WITHIN {
            return Err(Trouble::TimedOut { after: WITHIN });
        }
        let cmd = match program {
            Some((family, cmd)) if family == tables.family => cmd,
            _ => find(tables)?,
        };
        program = Some((tables.family, cmd));
        found.push(table(cmd, &TableId { backend: Backend::Legacy, family: tables.family, name })?);
    }
    Ok(found)
}

/// One table, with what two lists of it show.
fn table(cmd: &'static str, id: &TableId) -> Result<LegacyTable, Trouble> {
    for _ in 0..ATTEMPTS {
        let printed = list(cmd, &id.name, LIST)?;
        let mut table =
            text::table(id, &printed).map_err(|why| Trouble::failed(format!("{cmd} -t {} -S: {why}", id.name)))?;
        let listed = list(cmd, &id.name, LIST_HIDDEN)?;
        if text::hidden::add(&mut table, &listed) {
            return Ok(table);
        }
    }
    Err(Trouble::failed(format!("{cmd} -t {}: its rules change all the time", id.name)))
}

/// The program that knows the legacy tables. Before 1.8 that was iptables itself; later ones say which they are.
fn find(tables: &Tables) -> Result<&'static str, Trouble> {
    for cmd in tables.programs {
        let version = match run(cmd, "filter", "--version") {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Trouble::io(cmd, &e)),
        };
        if is_legacy(&version) {
            return Ok(cmd);
        }
    }
    let word = if tables.family == Family::Ip6 { "ip6tables-legacy" } else { "iptables-legacy" };
    Err(Trouble::failed(format!("there are legacy tables of iptables, but {word} is not installed")))
}

/// `iptables v1.8.9 (legacy)`, `iptables v1.4.21`; not `iptables v1.8.9 (nf_tables)`.
fn is_legacy(version: &str) -> bool {
    version.contains("tables v") && !version.contains("(nf_tables)")
}

/// What the program prints of a table.
fn list(cmd: &'static str, table: &str, words: &str) -> Result<String, Trouble> {
    let what = format!("{cmd} -t {table} {words}");
    let mut output = run(cmd, table, &format!("{words} {WAIT}")).map_err(|e| Trouble::io(&what, &e))?;
    if output.status.code() == Some(PARAMETER_PROBLEM) {
        output = run(cmd, table, words).map_err(|e| Trouble::io(&what, &e))?;
    }
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Permission denied") {
        return Err(Trouble::denied("root"));
    }
    Err(Trouble::failed(format!("{what}: {}", said.lines().next().unwrap_or("it ended without a word"))))
}

fn run(cmd: &'static str, table: &str, words: &str) -> io::Result<std::process::Output> {
    let program = IPTables { cmd, has_check: true, has_wait: false, is_numeric: false };
    program.execute(table, words).map_err(|e| match e.downcast::<io::Error>() {
        Ok(e) => *e,
        Err(e) => io::Error::other(e.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_says_whose_rules_it_prints() {
        assert!(is_legacy("iptables v1.8.9 (legacy)\n"));
        assert!(is_legacy("ip6tables v1.4.21\n"));
        assert!(!is_legacy("iptables v1.8.9 (nf_tables)\n"));
        assert!(!is_legacy(""));
    }

    #[test]
    fn a_program_that_is_not_there_is_said() {
        let programs = ["/nonexistent/iptables-legacy"; 6];
        let tables = Tables { family: Family::Ip, names: "", programs };
        let why = "there are legacy tables of iptables, but iptables-legacy is not installed";
        assert_eq!(find(&tables), Err(Trouble::failed(why)));
        assert_eq!(names("/nonexistent/ip_tables_names"), Ok(Vec::new()));
    }
}
