//! What security modules denied: audit lines from auditd's log (read from its end), the kernel's ring buffer, the journal.
//!
//! With auditd the lines are in its log and the journal, without it in the ring buffer and the journal.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Trouble, journal, patient, trouble};
use crate::facts::Reading;
use crate::facts::denial::{Denial, Denials, Place};
use crate::facts::journal::Entry;

const LOG: &str = "/var/log/audit/audit.log";
const RING: &str = "/dev/kmsg";
/// So much of the end of auditd's log is read.
const MOST_BYTES: u64 = 2 << 20;
/// So many bytes of the ring buffer: the largest that distributions configure.
const MOST_RING: usize = 16 << 20;
/// Lines that are kept, the latest.
const MOST_LINES: usize = 300;
/// How long the journal may take.
const JOURNAL_WITHIN: Duration = Duration::from_secs(2);
/// Audit lines about access decisions (AUDIT_AVC of linux/audit.h), the latest.
const OF_JOURNAL: &[&str] = &["--boot", "--lines=300", "_TRANSPORT=audit", "_AUDIT_TYPE=1400"];

/// The denials that can be read, from wherever they go on this host.
pub async fn read() -> Reading<Denials> {
    let began = Instant::now();
    let found = tokio::task::spawn_blocking(of_files).await.unwrap_or_default();
    let mut found = found;
    // The journal has what the others have; it is slower, and some may read it who may not read them.
    if found.lines.is_empty() || !found.unread.is_empty() {
        let lines = tokio::time::timeout(patient(JOURNAL_WITHIN), journal::matching(OF_JOURNAL)).await;
        let lines = lines.unwrap_or(Err(Trouble::TimedOut { after: JOURNAL_WITHIN }));
        let of_entry = |entry: Entry| {
            let (_, text) = entry.message.split_once(' ')?;
            let kept = text.starts_with("apparmor=") || text.starts_with("avc:");
            kept.then(|| Denial { at_ms: entry.at_us / 1000, serial: 0, place: Place::Journal, text: text.to_owned() })
        };
        let lines = lines.map(|lines| lines.into_iter().filter_map(of_entry).collect());
        if found.lines.is_empty() || lines.is_err() {
            add(&mut found, Place::Journal, lines);
        } else {
            found.read.push(Place::Journal);
        }
    }
    trouble::reading(whole(found), began)
}

fn of_files() -> Denials {
    let mut found = Denials::default();
    if Path::new(LOG).parent().is_some_and(Path::exists) {
        add(&mut found, Place::AuditLog, of_log(Path::new(LOG)));
    }
    add(&mut found, Place::Ring, of_ring());
    found
}

fn add(found: &mut Denials, place: Place, lines: Result<Vec<Denial>, Trouble>) {
    match lines {
        Ok(lines) => {
            found.read.push(place);
            let new = |line: &Denial| line.serial == 0 || !found.lines.iter().any(|old| old.serial == line.serial);
            let lines: Vec<Denial> = lines.into_iter().filter(new).collect();
            found.lines.extend(lines);
            found.lines.sort_by_key(|line| line.at_ms);
            let over = found.lines.len().saturating_sub(MOST_LINES);
            found.lines.drain(..over);
        }
        Err(trouble) => {
            let why = Reading::<()>::from(trouble).blind().unwrap_or_default();
            found.unread.push((place, why));
        }
    }
}

/// Nothing could be read: that is no answer. A place that holds everything makes up for one that could not be.
fn whole(mut found: Denials) -> Result<Option<Denials>, Trouble> {
    if found.read.contains(&Place::Journal) || found.unread.is_empty() {
        found.unread.clear();
        return Ok(Some(found));
    }
    if !found.lines.is_empty() {
        return Ok(Some(found));
    }
    Err(Trouble::denied("root, or group adm, to read what security modules denied"))
}

/// The end of auditd's log. None there: auditd has written nothing.
fn of_log(path: &Path) -> Result<Vec<Denial>, Trouble> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Trouble::io(LOG, &error)),
    };
    let failed = |error: std::io::Error| Trouble::io(LOG, &error);
    let size = file.metadata().map_err(failed)?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MOST_BYTES))).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|one| line(one, Place::AuditLog)).collect())
}

/// All of the ring buffer.
fn of_ring() -> Result<Vec<Denial>, Trouble> {
    let nonblock = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut file = match OpenOptions::new().read(true).custom_flags(nonblock).open(RING) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Trouble::io(RING, &error)),
    };
    let (mut found, mut total) = (Vec::new(), 0);
    // A record is shorter than this.
    let mut record = vec![0; 16 << 10];
    while total < MOST_RING {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(read) => {
                total += read;
                let text = String::from_utf8_lossy(record.get(..read).unwrap_or_default());
                let first = text.lines().next().unwrap_or_default();
                found.extend(first.split_once(';').and_then(|(_, message)| line(message, Place::Ring)));
            }
            // What was next has been overwritten: it goes on with what is there.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => total += 1,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // EPERM comes with the first read where the messages are for root.
            Err(error) => return Err(Trouble::io(RING, &error)),
        }
    }
    Ok(found)
}

/// `type=AVC msg=audit(1795220037.588:19): avc: ...`, `audit: type=1400 audit(1795219360.516:22): apparmor=...`.
pub(super) fn line(text: &str, place: Place) -> Option<Denial> {
    let text = text.trim_start();
    let begins = ["type=AVC ", "type=1400 ", "audit: type=1400 ", "type=APPARMOR_DENIED "];
    if !begins.iter().any(|begin| text.starts_with(begin)) {
        return None;
    }
    let (_, rest) = text.split_once("audit(")?;
    let (stamp, rest) = rest.split_once("):")?;
    let (at, serial) = stamp.split_once(':')?;
    let (seconds, millis) = at.split_once('.').unwrap_or((at, "0"));
    let at_ms = seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(millis.parse::<u64>().ok()?.min(999))?;
    // auditd adds what it made of the line behind this mark.
    let told = rest.split('\u{1d}').next().unwrap_or_default().trim();
    let kept = told.starts_with("apparmor=") || told.starts_with("avc:");
    kept.then(|| Denial { at_ms, serial: serial.parse().unwrap_or(0), place, text: told.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const AVC: &str =
        "type=AVC msg=audit(1795220037.588:19): avc:  denied  { name_bind } for  pid=254 comm=\"nginx\" src=8099";

    #[test]
    fn lines_of_each_place() {
        let got = line(AVC, Place::AuditLog).unwrap();
        assert_eq!((got.at_ms, got.serial), (1_795_220_037_588, 19));
        assert!(got.text.starts_with("avc:  denied  { name_bind }"));
        let ring = "audit: type=1400 audit(1795219360.516:22): apparmor=\"DENIED\" operation=\"capable\"";
        assert_eq!(line(ring, Place::Ring).unwrap().field("operation"), Some("capable"));
        let enriched = format!("{AVC}\u{1d}ARCH=x86_64");
        assert_eq!(line(&enriched, Place::AuditLog), line(AVC, Place::AuditLog));
        for none in
            ["", "type=SYSCALL msg=audit(1.2:3): a", "type=AVC msg=audit(x): avc:", "type=AVC", "audit: type=1400"]
        {
            assert_eq!(line(none, Place::Ring), None, "{none}");
        }
    }

    #[test]
    fn of_a_huge_log_the_end_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        let file = File::create(&path).unwrap();
        // Gigabytes that take no room.
        file.set_len(3 << 30).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        writeln!(file, "\n{AVC}").unwrap();
        assert_eq!(of_log(&path).unwrap().len(), 1);
        assert_eq!(of_log(&dir.path().join("none")).unwrap(), []);
    }

    #[test]
    fn one_line_in_two_places_is_one() {
        let mut found = Denials::default();
        add(&mut found, Place::AuditLog, Ok(line(AVC, Place::AuditLog).into_iter().collect()));
        add(&mut found, Place::Ring, Ok(line(AVC, Place::Ring).into_iter().collect()));
        assert_eq!(found.lines.len(), 1);
        add(&mut found, Place::Journal, Err(Trouble::denied("root")));
        assert_eq!(found.unread, [(Place::Journal, "needs root".into())]);
    }

    #[test]
    fn nothing_read_is_no_answer() {
        let mut found = Denials::default();
        add(&mut found, Place::Ring, Err(Trouble::denied("root")));
        add(&mut found, Place::Journal, Err(Trouble::denied("root or group systemd-journal")));
        assert!(whole(found).is_err());
        let mut found = Denials::default();
        add(&mut found, Place::Ring, Err(Trouble::denied("root")));
        add(&mut found, Place::Journal, Ok(Vec::new()));
        assert_eq!(whole(found).unwrap().unwrap().unread, []);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_left(raw in crate::text::damaged::bytes(&[AVC])) {
            let text = String::from_utf8_lossy(&raw).into_owned();
            let _ = line(&text, Place::Ring);
        }
    }
}
