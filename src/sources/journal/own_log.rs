//! Log files of daemons that tell the journal nothing: their lines join the unit's entries, in the order of time.
//!
//! Redis and MySQL say why they do not start in a file of their own; the journal of their unit only has the exit
//! status. Everything here fits into a file's last [`TAIL`] bytes: the last few starts.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::facts::journal::Entry;

/// How much of the end of a file is read.
const TAIL: u64 = 64 << 10;
/// `err` of syslog, for lines that say nothing of the kind themselves.
const ERROR: u8 = 3;

type Parse = fn(&str) -> Option<Line<'_>>;

/// Which units write which file, as packaged by the distributions, and how its lines begin.
const LOGS: [(&[&str], &str, Parse); 4] = [
    (&["redis-server.service"], "/var/log/redis/redis-server.log", redis),
    (&["redis.service"], "/var/log/redis/redis.log", redis),
    (&["mysql.service"], "/var/log/mysql/error.log", mysql),
    (&["mysqld.service"], "/var/log/mysqld.log", mysql),
];

/// A line of such a log.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sources) struct Line<'a> {
    at_us: u64,
    pid: u32,
    message: &'a str,
}

/// What the unit wrote to its own log since `since_us`, oldest first; nothing where it has none or we may not read it.
pub(super) fn entries(unit: &str, since_us: u64) -> Vec<Entry> {
    let Some((_, path, parse)) = LOGS.iter().find(|(units, ..)| units.contains(&unit)) else { return Vec::new() };
    let text = tail(Path::new(path)).unwrap_or_default();
    let line = |line| parse(line).filter(|found| found.at_us >= since_us);
    text.lines().filter_map(line).map(|found| entry(path, &found)).collect()
}

/// Puts more entries into their places among those of the journal.
pub(super) fn merge(journal: &mut Vec<Entry>, more: Vec<Entry>) {
    journal.extend(more);
    journal.sort_by_key(|entry| entry.at_us);
}

/// The last whole lines of a file.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(if from == 0 { text } else { text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default() })
}

fn entry(path: &str, line: &Line<'_>) -> Entry {
    let (at_us, pid) = (line.at_us, line.pid);
    Entry { at_us, priority: ERROR, identifier: path.to_owned(), pid, message: line.message.to_owned() }
}

/// `176:M 21 Nov 2026 07:31:58.123 # Warning: …`, in local time.
pub(in crate::sources) fn redis(line: &str) -> Option<Line<'_>> {
    let (who, rest) = line.split_once(' ')?;
    let pid = who.split_once(':')?.0.parse().ok()?;
    let time: Vec<&str> = rest.splitn(5, ' ').collect();
    let [day, month, year, clock, rest] = time.as_slice() else { return None };
    let (_, message) = rest.split_once(' ')?;
    let at = DateTime::strptime("%d %b %Y %H:%M:%S%.f", format!("{day} {month} {year} {clock}")).ok()?;
    let at = at.to_zoned(TimeZone::system()).ok()?.timestamp();
    Some(Line { at_us: u64::try_from(at.as_microsecond()).ok()?, pid, message })
}

/// `2026-11-21T07:31:58.123456Z 0 [ERROR] [MY-010262] [Server] …`; a local time has its offset instead of the `Z`.
pub(in crate::sources) fn mysql(line: &str) -> Option<Line<'_>> {
    let (time, message) = line.split_once(' ')?;
    let at: jiff::Timestamp = time.parse().ok()?;
    Some(Line { at_us: u64::try_from(at.as_microsecond()).ok()?, pid: 0, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_logs_are_read_to_their_end(text in damaged::text(&[
            "176:M 21 Nov 2026 07:31:58.123 # Failed listening on port 700 (tcp), aborting.",
            "2026-11-21T07:31:58.123456Z 0 [ERROR] [MY-010262] [Server] Can't start server",
        ])) {
            for read in text.lines().flat_map(|line| [redis(line), mysql(line)]).flatten() {
                proptest::prop_assert!(text.contains(read.message));
            }
        }
    }

    #[test]
    fn lines_of_redis() {
        let line = redis("176:M 21 Nov 2026 07:31:58.123 # Failed listening on port 700 (tcp), aborting.").unwrap();
        assert_eq!((line.pid, line.message), (176, "Failed listening on port 700 (tcp), aborting."));
        assert_eq!(line.at_us % 1_000_000, 123_000);
        assert_eq!(redis("                _._"), None);
        assert_eq!(redis(""), None);
    }

    #[test]
    fn lines_of_mysql() {
        let line = mysql("1970-01-01T00:00:02.000001Z 0 [ERROR] [MY-010262] [Server] Can't start server").unwrap();
        assert_eq!(
            line,
            Line { at_us: 2_000_001, pid: 0, message: "0 [ERROR] [MY-010262] [Server] Can't start server" }
        );
        assert_eq!(mysql("\tat some place"), None);
    }

    #[test]
    fn they_take_their_places_in_the_order_of_time() {
        let at = |at_us, message: &str| entry("/x", &Line { at_us, pid: 1, message });
        let mut journal = vec![at(1, "Starting"), at(3, "exited")];
        merge(&mut journal, vec![at(2, "bind: Permission denied")]);
        let told: Vec<&str> = journal.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(told, ["Starting", "bind: Permission denied", "exited"]);
    }

    #[test]
    fn only_the_end_of_a_long_file_is_read_and_no_half_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let lines: String = (0..9000).flat_map(|n| [format!("line {n:05}"), "\n".into()]).collect();
        std::fs::write(&path, &lines).unwrap();
        let text = tail(&path).unwrap();
        assert!(text.len() as u64 <= TAIL && text.starts_with("line ") && text.ends_with("line 08999\n"));
        assert!(tail(&dir.path().join("none")).is_err());
        assert_eq!(entries("nginx.service", 0), []);
    }
}
