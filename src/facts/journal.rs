//! What the journal holds about a unit.

use serde::{Deserialize, Serialize};

/// Entries of one unit, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The unit that was asked for.
    pub unit: String,
    /// Its last entries of this boot (a bounded number), oldest first, systemd's own words about it included.
    pub entries: Vec<Entry>,
    /// True when it was found to have been active in the boot before this one, false when not, none when not looked at
    /// or when no journal of an earlier boot is kept.
    pub ran_before_this_boot: Option<bool>,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the Unix epoch.
    pub at_us: u64,
    /// syslog priority, 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Who wrote it (`nginx`, `systemd`, `kernel`).
    pub identifier: String,
    /// Its process id, 0 when unknown.
    pub pid: u32,
    /// What it says, raw: make it safe before showing.
    pub message: String,
}

impl Journal {
    /// How many entries are kept while following.
    pub const MOST: usize = 2000;

    /// The entries of the last series of start attempts: restarts that systemd made by itself belong to one series, so
    /// that its *first* failure is inside. A start or stop by hand begins a new one; so does the end of a run that had
    /// lasted (with its last words), because what a healthy run said explains no failure.
    pub fn last_start(&self) -> &[Entry] {
        let mut series = Series::default();
        for (index, entry) in self.entries.iter().enumerate() {
            series.take(&self.entries, index, entry);
        }
        self.entries.get(series.from..).unwrap_or_default()
    }

    /// The last entry whose message holds `needle`.
    pub fn last_with(&self, needle: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|e| e.message.contains(needle))
    }
}

impl Entry {
    /// Written by the service manager.
    pub fn is_systemd(&self) -> bool {
        self.identifier == "systemd"
    }

    /// How severe it is, where that is worth a word. Of lines of a daemon's own log file it is not known.
    pub fn severity(&self) -> Option<&'static str> {
        match self.priority {
            _ if self.is_own_log() => None,
            0..=2 => Some("CRITICAL"),
            3 => Some("ERROR"),
            4 => Some("WARNING"),
            _ => None,
        }
    }

    /// A line of the daemon's own log file, whose path is then the identifier.
    pub fn is_own_log(&self) -> bool {
        self.identifier.starts_with('/')
    }

    /// systemd says that a start succeeded.
    pub fn is_started(&self) -> bool {
        self.is_systemd() && Word::of(&self.message) == Some(Word::Up)
    }
}

/// A run of this length was healthy: longer than any start timeout's worth of attempts within systemd's start limit.
const HEALTHY_US: u64 = 60_000_000;
/// What a healthy run said this long before its end are its last words.
const LAST_WORDS_US: u64 = 5_000_000;

/// Where the last series of start attempts begins, as far as it was read.
#[derive(Default)]
struct Series {
    from: usize,
    /// The next start is systemd's own.
    automatic: bool,
    /// "Starting" was said, its result was not.
    starting: bool,
    /// Since when it runs, and the entry that said so.
    up: Option<(u64, usize)>,
}

impl Series {
    fn take(&mut self, entries: &[Entry], index: usize, entry: &Entry) {
        if !entry.is_systemd() {
            return;
        }
        let Some(word) = Word::of(&entry.message) else { return };
        match word {
            Word::Scheduled => self.automatic = true,
            Word::NotTried => self.attempt(index),
            Word::Starting => self.attempt(index - early(entries, index)),
            // Type=simple has no "Starting" line: its "Started" is the attempt.
            Word::Up if !self.starting => self.attempt(index - early(entries, index)),
            // systemd says "Stopped" between "Scheduled restart job" and the next start, too.
            Word::Stopped if !self.automatic => self.from = index,
            Word::Up | Word::Stopped | Word::Down | Word::NotStarted => {}
        }
        self.starting = word == Word::Starting;
        match word {
            Word::Up => self.up = Some((entry.at_us, index)),
            Word::Down => self.ended(entries, index, entry),
            Word::NotStarted => self.automatic = false,
            Word::Scheduled | Word::Starting | Word::NotTried | Word::Stopped => {}
        }
    }

    fn attempt(&mut self, index: usize) {
        if !self.automatic {
            self.from = index;
        }
        self.automatic = false;
        self.up = None;
    }

    /// A run ended: when it had been healthy, the series begins with its last words.
    fn ended(&mut self, entries: &[Entry], index: usize, entry: &Entry) {
        let Some((since, started)) = self.up.take() else { return };
        if entry.at_us.saturating_sub(since) < HEALTHY_US {
            return;
        }
        let last_words = entry.at_us.saturating_sub(LAST_WORDS_US);
        let run = entries.get(started + 1..index).unwrap_or_default();
        let silent = run.iter().take_while(|e| e.at_us < last_words).count();
        self.from = started + 1 + silent;
    }
}

/// What a fast program said before systemd came to say "Starting" or "Started" (seen on a busy host with systemd 252). The
/// late last words of the run before are by a process that had spoken before.
fn early(entries: &[Entry], started: usize) -> usize {
    const WITHIN_US: u64 = 1_000_000;
    let at = entries.get(started).map_or(0, |e| e.at_us);
    let before = entries.get(..started).unwrap_or_default();
    let count = before.iter().rev().take_while(|e| !e.is_systemd() && e.at_us + WITHIN_US > at).count();
    let (older, just) = before.split_at(before.len() - count);
    just.iter().rev().take_while(|e| older.iter().all(|o| o.pid != e.pid)).count()
}

/// What systemd says about a unit, as far as it marks a start or an end (the same words from systemd 219 to 257).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// `Starting X...`
    Starting,
    /// `Started X.`, `Listening on X.`, `Finished X.`
    Up,
    /// `X: Main process exited, ...`, `X: Failed with result ...`, `X: Deactivated successfully.`
    Down,
    /// `Failed to start X.`, `X: Start request repeated too quickly.`
    NotStarted,
    /// A start that was not even tried: an unmet condition, a failed dependency.
    NotTried,
    /// `Stopped X.`, `Closed X.`
    Stopped,
    /// `X: Scheduled restart job, restart counter is at 1.`
    Scheduled,
}

impl Word {
    fn of(message: &str) -> Option<Self> {
        let begins = |with: &[&str]| with.iter().any(|w| message.starts_with(w));
        let holds = |what: &[&str]| what.iter().any(|w| message.contains(w));
        Some(if begins(&["Starting "]) {
            Self::Starting
        } else if begins(&["Started ", "Listening on ", "Finished "]) {
            Self::Up
        } else if begins(&["Failed to start ", "Failed to listen on "])
            || holds(&["Start request repeated too quickly"])
        {
            Self::NotStarted
        } else if begins(&["Dependency failed for ", "Condition check resulted in ", "Assertion failed for "])
            || holds(&[" was skipped because "])
        {
            Self::NotTried
        } else if begins(&["Stopped ", "Closed "]) {
            Self::Stopped
        } else if holds(&["Scheduled restart job", "scheduling restart."]) {
            Self::Scheduled
        } else if holds(&[
            ": Main process exited",
            ": main process exited",
            ": Failed with result ",
            ": Deactivated successfully",
            ": Succeeded.",
        ]) {
            Self::Down
        } else {
            return None;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal from `journalctl -o short-unix --no-hostname`.
    fn journal(text: &str) -> Journal {
        let entry = |line: &str| {
            let (at, rest) = line.trim().split_once(' ').unwrap();
            let (who, message) = rest.split_once(": ").unwrap();
            let (identifier, pid) = who.trim_end_matches(']').split_once('[').unwrap();
            let at_us = at.replace('.', "").parse().unwrap();
            let (identifier, message) = (identifier.to_owned(), message.to_owned());
            Entry { at_us, priority: 6, identifier, pid: pid.parse().unwrap(), message }
        };
        let entries = text.lines().filter(|l| !l.trim().is_empty()).map(entry).collect();
        Journal { entries, ..Journal::default() }
    }

    /// First and last message of the last start, and how many entries it has.
    fn span(journal: &Journal) -> (&str, &str, usize) {
        let start = journal.last_start();
        (&start.first().unwrap().message, &start.last().unwrap().message, start.len())
    }

    // All of these were written by systemd 252 on Debian 12; rounds that only repeat are left out.
    const NGINX: &str = r#"
        1795244061.095021 systemd[1]: Starting nginx.service - A high performance web server...
        1795244061.115021 systemd[1]: Started nginx.service - A high performance web server.
        1795244061.125021 systemd[1]: Stopping nginx.service - A high performance web server...
        1795244061.135021 systemd[1]: nginx.service: Deactivated successfully.
        1795244061.136021 systemd[1]: Stopped nginx.service - A high performance web server.
        1795244061.146021 systemd[1]: Starting nginx.service - A high performance web server...
        1795244061.156021 nginx[82]: 2026/11/21 06:54:21 [emerg] 82#82: unexpected end of file, expecting ";" or "}" in /etc/nginx/conf.d/bad.conf:2
        1795244061.156121 nginx[82]: nginx: configuration file /etc/nginx/nginx.conf test failed
        1795244061.157021 systemd[1]: nginx.service: Control process exited, code=exited, status=1/FAILURE
        1795244061.157121 systemd[1]: nginx.service: Failed with result 'exit-code'.
        1795244061.157221 systemd[1]: Failed to start nginx.service - A high performance web server."#;
    const SSHD: &str = r"
        1795244391.281256 systemd[1]: Starting ssh.service - OpenBSD Secure Shell server...
        1795244391.307059 sshd[300]: Server listening on 0.0.0.0 port 22.
        1795244391.307259 systemd[1]: Started ssh.service - OpenBSD Secure Shell server.
        1795244391.312780 systemd[1]: Stopping ssh.service - OpenBSD Secure Shell server...
        1795244391.312858 sshd[300]: Received signal 15; terminating.
        1795244391.313858 systemd[1]: ssh.service: Deactivated successfully.
        1795244391.313995 systemd[1]: Stopped ssh.service - OpenBSD Secure Shell server.
        1795244391.320123 systemd[1]: Starting ssh.service - OpenBSD Secure Shell server...
        1795244391.325020 sshd[303]: /etc/ssh/sshd_config.d/x.conf: line 1: Bad configuration option: PermitRootLogins
        1795244391.325020 sshd[303]: /etc/ssh/sshd_config.d/x.conf: terminating, 1 bad configuration options
        1795244391.325515 systemd[1]: ssh.service: Control process exited, code=exited, status=255/EXCEPTION
        1795244391.325530 systemd[1]: ssh.service: Failed with result 'exit-code'.
        1795244391.325676 systemd[1]: Failed to start ssh.service - OpenBSD Secure Shell server.
        1795244391.465926 systemd[1]: ssh.service: Scheduled restart job, restart counter is at 1.
        1795244391.466112 systemd[1]: Stopped ssh.service - OpenBSD Secure Shell server.
        1795244391.474846 systemd[1]: Starting ssh.service - OpenBSD Secure Shell server...
        1795244391.482365 sshd[305]: /etc/ssh/sshd_config.d/x.conf: line 1: Bad configuration option: PermitRootLogins
        1795244391.483712 systemd[1]: ssh.service: Control process exited, code=exited, status=255/EXCEPTION
        1795244391.483725 systemd[1]: ssh.service: Failed with result 'exit-code'.
        1795244391.483910 systemd[1]: Failed to start ssh.service - OpenBSD Secure Shell server.
        1795244392.216443 systemd[1]: ssh.service: Scheduled restart job, restart counter is at 4.
        1795244392.217345 systemd[1]: Stopped ssh.service - OpenBSD Secure Shell server.
        1795244392.217474 systemd[1]: ssh.service: Start request repeated too quickly.
        1795244392.217531 systemd[1]: ssh.service: Failed with result 'exit-code'.
        1795244392.217658 systemd[1]: Failed to start ssh.service - OpenBSD Secure Shell server.";
    const SIMPLE: &str = r"
        1795244061.500000 systemd[1]: Started crash.service.
        1795244061.501000 sh[124]: about to fail
        1795244061.702000 systemd[1]: crash.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED
        1795244061.702100 systemd[1]: crash.service: Failed with result 'exit-code'.
        1795244061.802000 systemd[1]: crash.service: Scheduled restart job, restart counter is at 1.
        1795244061.802100 systemd[1]: Stopped crash.service.
        1795244061.803000 systemd[1]: Started crash.service.
        1795244061.804000 sh[143]: about to fail
        1795244062.005000 systemd[1]: crash.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED
        1795244062.005100 systemd[1]: crash.service: Failed with result 'exit-code'.
        1795244063.105000 systemd[1]: crash.service: Scheduled restart job, restart counter is at 5.
        1795244063.105100 systemd[1]: Stopped crash.service.
        1795244063.105200 systemd[1]: crash.service: Start request repeated too quickly.
        1795244063.105300 systemd[1]: crash.service: Failed with result 'exit-code'.
        1795244063.105400 systemd[1]: Failed to start crash.service.";
    const ACTIVATED: &str = r"
        1795244396.344649 systemd[1]: Listening on act.socket.
        1795244396.378876 systemd[1]: Started act.service.
        1795244396.380373 sh[312]: no config
        1795244396.380439 systemd[1]: act.service: Main process exited, code=exited, status=78/CONFIG
        1795244396.380541 systemd[1]: act.service: Failed with result 'exit-code'.
        1795244396.388466 systemd[1]: Started act.service.
        1795244396.389293 sh[316]: no config
        1795244396.389499 systemd[1]: act.service: Main process exited, code=exited, status=78/CONFIG
        1795244396.389594 systemd[1]: act.service: Failed with result 'exit-code'.
        1795244396.389954 systemd[1]: act.service: Start request repeated too quickly.
        1795244396.389986 systemd[1]: act.service: Failed with result 'exit-code'.
        1795244396.390033 systemd[1]: Failed to start act.service.
        1795244396.390081 systemd[1]: act.socket: Failed with result 'service-start-limit-hit'.";
    const WORN: &str = r"
        1795244391.275031 systemd[1]: Started worn.service.
        1795244391.277458 sh[295]: serving
        1795244457.280912 sh[295]: panic: out of cheese
        1795244457.281770 systemd[1]: worn.service: Main process exited, code=exited, status=2/INVALIDARGUMENT
        1795244457.281951 systemd[1]: worn.service: Failed with result 'exit-code'.
        1795244457.466256 systemd[1]: worn.service: Scheduled restart job, restart counter is at 1.
        1795244457.466288 systemd[1]: Stopped worn.service.
        1795244457.487031 systemd[1]: Started worn.service.
        1795244457.488691 sh[320]: serving
        1795244457.488929 sh[320]: config gone
        1795244457.489214 systemd[1]: worn.service: Main process exited, code=exited, status=4/NOPERMISSION
        1795244457.489368 systemd[1]: worn.service: Failed with result 'exit-code'.
        1795244458.715984 systemd[1]: worn.service: Scheduled restart job, restart counter is at 6.
        1795244458.716201 systemd[1]: Stopped worn.service.
        1795244458.716316 systemd[1]: worn.service: Start request repeated too quickly.
        1795244458.716370 systemd[1]: worn.service: Failed with result 'exit-code'.
        1795244458.716490 systemd[1]: Failed to start worn.service.";

    #[test]
    fn one_failed_start_without_the_healthy_run_before() {
        let journal = journal(NGINX);
        assert!(span(&journal).0.starts_with("Starting nginx"));
        assert_eq!(journal.last_start().len(), 6);
        assert!(journal.last_start()[1].message.contains("bad.conf:2"));
    }

    #[test]
    fn what_a_program_said_before_systemd_told_its_start_is_of_that_start() {
        let mut lines: Vec<&str> = NGINX.lines().skip(1).collect();
        lines.swap(5, 6);
        lines.swap(6, 7);
        let moved = journal(&lines.join("\n").replace("061.146021", "061.156221"));
        assert!(moved.entries[5].message.contains("bad.conf:2") && moved.entries[7].message.starts_with("Starting"));
        assert_eq!(moved.last_start().len(), 6);
        assert!(moved.last_start()[0].message.contains("bad.conf:2"));
        // The last words of the run before, filed late.
        let late = SSHD.replace("391.312858 sshd[300]", "391.314000 sshd[300]");
        let mut lines: Vec<&str> = late.lines().skip(1).collect();
        lines[4..7].rotate_left(1);
        let journal = journal(&lines.join("\n"));
        assert!(journal.entries[6].message.contains("terminating"), "{:?}", journal.entries[6]);
        assert!(journal.last_start().iter().all(|e| e.pid != 300));
    }

    #[test]
    fn a_restart_loop_keeps_its_first_failure() {
        let journal = journal(SSHD);
        let (first, last, count) = span(&journal);
        assert!(first.starts_with("Starting ssh") && last.starts_with("Failed to start"));
        assert_eq!(count, 18);
        assert_eq!(journal.last_start()[1].pid, 303, "the first of the failures, not the second");
        assert!(journal.last_start().iter().all(|e| e.pid != 300), "the healthy run is not in it");
    }

    #[test]
    fn a_start_by_hand_after_the_limit_is_a_series_of_its_own() {
        let again = NGINX.replace("1795244061.", "1795244999.").replace("[82]", "[257]");
        let again: Vec<&str> = again.lines().skip(6).collect();
        let journal = journal(&format!("{SSHD}\n{}", again.join("\n")));
        assert_eq!(span(&journal).2, 6);
        assert_eq!(journal.last_start()[1].pid, 257);
    }

    #[test]
    fn a_simple_service_that_crashes_has_its_first_run_in_it() {
        assert_eq!(span(&journal(SIMPLE)), ("Started crash.service.", "Failed to start crash.service.", 15));
        let fast = SIMPLE.replace("1795244061.501000 sh", "1795244061.499000 sh");
        let mut lines: Vec<&str> = fast.lines().collect();
        lines.swap(1, 2);
        assert_eq!(span(&journal(&lines.join("\n"))).0, "about to fail", "it spoke before systemd did");
    }

    #[test]
    fn socket_activation_tries_each_start_anew() {
        let journal = journal(ACTIVATED);
        assert_eq!(span(&journal).2, 8);
        assert_eq!(journal.last_start()[1].pid, 316);
    }

    #[test]
    fn a_worn_out_run_leaves_only_its_last_words() {
        let journal = journal(WORN);
        assert_eq!(span(&journal).0, "panic: out of cheese");
        assert!(journal.last_start().iter().any(|e| e.message == "config gone"));
    }

    #[test]
    fn a_stopped_service_has_nothing_to_explain() {
        let stopped: Vec<&str> = NGINX.lines().take(6).collect();
        assert_eq!(
            span(&journal(&stopped.join("\n"))),
            (
                "Stopped nginx.service - A high performance web server.",
                "Stopped nginx.service - A high performance web server.",
                1
            )
        );
    }

    #[test]
    fn a_start_that_was_not_tried_is_the_last_one() {
        let skipped = "1795244999.046377 systemd[1]: ssh.service - OpenBSD Secure Shell server was skipped because of an \
                       unmet condition check (ConditionPathExists=!/etc/ssh/sshd_not_to_be_run).";
        assert_eq!(span(&journal(&format!("{SSHD}\n{skipped}"))).2, 1);
        let depends = "1795244999.046377 systemd[1]: Dependency failed for dep.service.";
        assert_eq!(span(&journal(&format!("{SIMPLE}\n{depends}"))).0, "Dependency failed for dep.service.");
    }

    #[test]
    fn a_program_cannot_pass_for_systemd() {
        let forged = "1795244999.000000 app[9]: Starting something else...";
        assert_eq!(span(&journal(&format!("{NGINX}\n{forged}"))).2, 7);
        assert!(Journal::default().last_start().is_empty());
    }
}
