//! Packages that were installed, upgraded, configured or removed: dpkg.log, apt's history and the log of dnf. Their
//! times are local ones, in whole seconds.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::tail::with_rotated;
use crate::facts::happening::{Happening, Teller, What};
use crate::sources::{Trouble, commands, journal};

const DPKG: &str = "/var/log/dpkg.log";
const APT: &str = "/var/log/apt/history.log";
const DNF: &str = "/var/log/dnf.rpm.log";
/// A log that is silent for this long, in microseconds, tells of something else when it goes on.
const PAUSE_US: u64 = 60_000_000;
/// Packages of one run whose names are kept.
const MOST_NAMES: usize = 60;
/// A whole second.
const SECOND_US: u64 = 1_000_000;

/// What was done to packages since then, and what could not be read.
pub(super) fn since(since_us: u64) -> (Vec<Happening>, Vec<Trouble>) {
    let mut blind = Vec::new();
    let mut text = |path: &str, time: fn(&str) -> Option<u64>| match with_rotated(path, since_us, time) {
        Ok(Some(end)) => {
            blind.extend(end.not_read(path));
            end.text
        }
        Ok(None) => String::new(),
        Err(trouble) => {
            blind.push(trouble);
            String::new()
        }
    };
    let (dpkg, apt, dnf) = (text(DPKG, begins), text(APT, apt_time), text(DNF, dnf_time));
    let mut found = joined(dpkg_runs(&dpkg, since_us), apt_runs(&apt));
    found.extend(dnf_runs(&dnf));
    let kept = found.into_iter().filter(|run| run.until_us.is_none_or(|until| until >= since_us));
    (kept.map(Run::happening).collect(), blind)
}

/// One run of a package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Run {
    tool: &'static str,
    verb: String,
    packages: Vec<String>,
    command: Option<String>,
    at_us: u64,
    until_us: Option<u64>,
}

impl Run {
    fn new(tool: &'static str, at_us: u64) -> Self {
        Self { tool, verb: String::new(), packages: Vec::new(), command: None, at_us, until_us: Some(at_us) }
    }

    /// One more package; the first verb but `configure` is what the run is called.
    fn add(&mut self, verb: &str, package: &str) {
        if self.verb.is_empty() || self.verb == "configure" {
            verb.clone_into(&mut self.verb);
        }
        let name = journal::cut(package);
        if self.packages.len() < MOST_NAMES && !self.packages.contains(&name) {
            self.packages.push(name);
        }
    }

    fn happening(self) -> Happening {
        let Self { tool, verb, packages, command, at_us, until_us } = self;
        let what = What::Packages { tool: tool.into(), verb, packages, command, until_us };
        Happening { at_us, what, source: Teller::PackageLog }
    }
}

/// apt runs dpkg: what both tell is told once, by apt, with the end of both.
fn joined(dpkg: Vec<Run>, mut apt: Vec<Run>) -> Vec<Run> {
    for run in &mut apt {
        let until_us = run.until_us.unwrap_or_else(|| broken_off(run, &dpkg));
        run.until_us = Some(until_us);
    }
    let mut alone = Vec::new();
    for run in dpkg {
        let of = |apt: &&mut Run| {
            let until = apt.until_us.map_or(u64::MAX, |until| until.saturating_add(SECOND_US));
            apt.at_us <= run.at_us && run.at_us <= until
        };
        match apt.iter_mut().find(of) {
            Some(apt) => {
                for package in &run.packages {
                    apt.add("", package);
                }
            }
            None => alone.push(run),
        }
    }
    alone.extend(apt);
    alone
}

/// When a run of apt that tells no end was over: some time after the last line of its dpkg.
fn broken_off(apt: &Run, dpkg: &[Run]) -> u64 {
    let mut until_us = apt.at_us.saturating_add(PAUSE_US);
    for run in dpkg.iter().filter(|run| run.at_us >= apt.at_us) {
        if run.at_us > until_us {
            break;
        }
        until_us = until_us.max(run.until_us.unwrap_or(run.at_us).saturating_add(PAUSE_US));
    }
    until_us
}

/// `2026-11-21 12:03:10` at the beginning of a line, as microseconds since the epoch.
pub(super) fn begins(line: &str) -> Option<u64> {
    local(line.get(..19)?)
}

fn local(text: &str) -> Option<u64> {
    let at: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    let at = at.to_zoned(TimeZone::system()).ok()?.timestamp();
    u64::try_from(at.as_microsecond()).ok()
}

/// Runs of dpkg: lines that follow each other closely.
pub(in crate::sources) fn dpkg_runs(text: &str, since_us: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines() {
        let Some(at_us) = begins(line).filter(|at| at.saturating_add(PAUSE_US) >= since_us) else { continue };
        let mut words = line.get(19..).unwrap_or_default().split_ascii_whitespace();
        let (verb, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let going_on = runs.last().is_some_and(|run| goes_on(run, at_us, verb));
        if !going_on {
            runs.push(Run::new("dpkg", at_us));
        }
        let Some(run) = runs.last_mut() else { continue };
        run.until_us = run.until_us.map(|until| until.max(at_us.saturating_add(SECOND_US)));
        if matches!(verb, "install" | "upgrade" | "remove" | "purge" | "configure") {
            run.add(verb, what.split(':').next().unwrap_or(what));
        }
    }
    runs.retain(|run| !run.packages.is_empty());
    runs
}

/// A line belongs to the run before it. A package's own scripts may take long without a line.
fn goes_on(run: &Run, at_us: u64, verb: &str) -> bool {
    const SHORT_US: u64 = 10 * SECOND_US;
    let since = at_us.saturating_sub(run.until_us.unwrap_or(run.at_us));
    since <= if verb == "startup" { SHORT_US } else { PAUSE_US * 10 }
}

fn apt_time(line: &str) -> Option<u64> {
    apt_at(line.strip_prefix("Start-Date: ")?)
}

/// `2026-11-21  12:03:10`: with two blanks.
fn apt_at(text: &str) -> Option<u64> {
    let (day, time) = text.split_once(' ')?;
    local(&format!("{day} {}", time.trim()))
}

/// Runs of apt: `Start-Date:`, `Commandline:`, `Requested-By:`, `Upgrade:` and so on, `End-Date:`.
pub(in crate::sources) fn apt_runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(": ") else { continue };
        if key == "Start-Date" {
            runs.extend(apt_at(value).map(|at| Run { until_us: None, ..Run::new("apt", at) }));
            continue;
        }
        let Some(run) = runs.last_mut() else { continue };
        match key {
            "Commandline" => run.command = Some(commands::shown(value)),
            "End-Date" => run.until_us = apt_at(value).map(|at| at.saturating_add(SECOND_US)),
            "Install" | "Upgrade" | "Reinstall" | "Downgrade" | "Remove" | "Purge" => {
                // `nginx:amd64 (1.22-1, 1.22-2), nginx-common:amd64 (…)`
                for package in value.split("), ") {
                    let name = package.split([':', ' ']).next().unwrap_or_default();
                    run.add(&key.to_ascii_lowercase(), name);
                }
            }
            _ => {}
        }
    }
    close_all_but_last(&mut runs);
    runs
}

/// A run without an end is under way only when none came after it; one that was broken off ended some time before.
fn close_all_but_last(runs: &mut [Run]) {
    let begins: Vec<u64> = runs.iter().skip(1).map(|run| run.at_us).collect();
    for (run, next) in runs.iter_mut().zip(begins) {
        run.until_us = run.until_us.or(Some(next.min(run.at_us.saturating_add(PAUSE_US))));
    }
}

fn dnf_time(line: &str) -> Option<u64> {
    let at: jiff::Timestamp =
        jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", line.split(' ').next()?).ok()?.to_timestamp().ok()?;
    u64::try_from(at.as_microsecond()).ok()
}

/// `2026-11-21T12:03:10+0000 SUBDEBUG Upgraded: nginx-1.20.1-1.el9.x86_64`.
pub(in crate::sources) fn dnf_runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines() {
        let Some(at_us) = dnf_time(line) else { continue };
        let mut words = line.split(' ').skip(2);
        let verb = match words.next().unwrap_or_default() {
            "Installed:" => "install",
            "Upgrade:" | "Upgraded:" => "upgrade",
            "Reinstall:" | "Reinstalled:" => "reinstall",
            "Erase:" | "Removed:" => "remove",
            _ => continue,
        };
        let name = words.next().map(package).unwrap_or_default();
        if runs.last().is_none_or(|run| at_us.saturating_sub(run.until_us.unwrap_or(run.at_us)) > PAUSE_US) {
            runs.push(Run::new("dnf", at_us));
        }
        let Some(run) = runs.last_mut() else { continue };
        run.until_us = Some(at_us.saturating_add(SECOND_US).max(run.until_us.unwrap_or_default()));
        run.add(verb, name);
    }
    runs
}

/// `nginx` of `nginx-1:1.20.1-1.el9.x86_64`.
fn package(full: &str) -> &str {
    let upto = |text: &str| text.rfind('-').unwrap_or(text.len());
    let without_release = full.get(..upto(full)).unwrap_or(full);
    without_release.get(..upto(without_release)).unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::damaged;

    const DPKG_LOG: &str = "2026-11-21 12:03:08 startup archives unpack
2026-11-21 12:03:08 upgrade nginx:amd64 1.22-1 1.22-2
2026-11-21 12:03:08 status half-configured nginx:amd64 1.22-1
2026-11-21 12:03:09 status unpacked nginx:amd64 1.22-2
2026-11-21 12:03:09 startup packages configure
2026-11-21 12:03:10 configure nginx:amd64 1.22-2 <none>
2026-11-21 12:03:14 status installed nginx:amd64 1.22-2
2026-11-21 13:00:00 startup archives unpack
2026-11-21 13:00:01 install tree:amd64 <none> 2.1
";
    const HISTORY: &str = "
Start-Date: 2026-11-21  12:03:05
Commandline: apt-get -y upgrade
Requested-By: alice (1000)
Upgrade: nginx:amd64 (1.22-1, 1.22-2), libssl3:amd64 (3.0.1, 3.0.2)
End-Date: 2026-11-21  12:03:15
";
    const DNF_LOG: &str = "2026-11-21T12:03:10+0000 INFO --- logging initialized ---
2026-11-21T12:03:11+0000 SUBDEBUG Upgrade: nginx-1:1.20.1-14.el9.x86_64
2026-11-21T12:03:13+0000 SUBDEBUG Upgraded: nginx-1:1.20.1-13.el9.x86_64
";

    proptest::proptest! {
        #![proptest_config(damaged::often())]

        #[test]
        fn damaged_logs_are_read_to_their_end(text in damaged::text(&[DPKG_LOG, HISTORY, DNF_LOG])) {
            let all = joined(dpkg_runs(&text, 0), apt_runs(&text)).into_iter().chain(dnf_runs(&text));
            for run in all {
                proptest::prop_assert!(run.packages.len() <= MOST_NAMES);
            }
        }
    }

    #[test]
    fn lines_of_dpkg_that_follow_each_other_are_one_run() {
        let runs = dpkg_runs(DPKG_LOG, 0);
        assert_eq!(runs.len(), 2);
        assert_eq!((runs[0].verb.as_str(), runs[0].packages.as_slice()), ("upgrade", &["nginx".to_owned()][..]));
        assert_eq!(runs[0].until_us.unwrap() - runs[0].at_us, 7 * SECOND_US, "to the end of the last second");
        assert_eq!(runs[1].verb, "install");
    }

    #[test]
    fn apt_tells_the_command_and_covers_its_dpkg() {
        let runs = joined(dpkg_runs(DPKG_LOG, 0), apt_runs(HISTORY));
        assert_eq!(runs.len(), 2);
        let apt = runs.iter().find(|run| run.tool == "apt").unwrap();
        assert_eq!((apt.verb.as_str(), apt.command.as_deref()), ("upgrade", Some("apt-get -y upgrade")));
        assert_eq!(apt.packages, ["nginx", "libssl3"]);
        assert_eq!(apt.until_us.unwrap() - apt.at_us, 11 * SECOND_US);
    }

    #[test]
    fn a_run_that_never_ended_lasts_only_while_nothing_came_after_it() {
        let broken = HISTORY.replace("End-Date: 2026-11-21  12:03:15\n", "");
        assert_eq!(apt_runs(&broken)[0].until_us, None);
        let later = HISTORY.replace("12:03", "14:03");
        let runs = apt_runs(&format!("{broken}{later}"));
        assert_eq!(runs[0].until_us.unwrap() - runs[0].at_us, PAUSE_US);
    }

    #[test]
    fn a_run_without_an_end_ends_some_time_after_its_last_line() {
        let broken = HISTORY.replace("End-Date: 2026-11-21  12:03:15\n", "");
        let alone = joined(Vec::new(), apt_runs(&broken));
        assert_eq!(alone[0].until_us.unwrap() - alone[0].at_us, PAUSE_US);
        // What came an hour later is none of it.
        let runs = joined(dpkg_runs(DPKG_LOG, 0), apt_runs(&broken));
        let apt = runs.iter().find(|run| run.tool == "apt").unwrap();
        assert_eq!(apt.until_us.unwrap() - apt.at_us, 10 * SECOND_US + PAUSE_US);
        assert_eq!(runs.len(), 2);
    }

    #[test]
    fn dnf_is_read() {
        let runs = dnf_runs(DNF_LOG);
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].verb.as_str(), runs[0].packages.as_slice()), ("upgrade", &["nginx".to_owned()][..]));
        assert_eq!(runs[0].until_us.unwrap() - runs[0].at_us, 3 * SECOND_US);
    }
}
