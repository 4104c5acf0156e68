//! The accuracy table: what the program said of every broken host, beside what the checks that most guides give would have
//! led to, and how each fix went. `UNREFUSE_WRITE_DOCS=1 cargo test --test hosts` writes it to `assets/accuracy.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use unrefuse::diagnose::causes::by_id;

use crate::cmd::{Step, While};
use crate::host::{Diagnosis, Host};
use crate::scenario::{HEALTHY, Scenario};

/// The yardstick.
const BASELINE: &str = include_str!("baseline.sh");
/// Where no cause was named.
const UNTOLD: &str = "cannot tell";
/// A fault that was taken for none.
const HEALTHY_TOLD: &str = "healthy";

static ROWS: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// How far a fix came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fixed {
    /// None is offered, or it was not tried.
    #[default]
    None,
    /// It was tried, and not all of it went well.
    Failed,
    /// Green, undone, and the host is as it was.
    Identical,
}

/// One fault.
#[derive(Debug)]
pub(crate) struct Row {
    cause: &'static str,
    name: &'static str,
    told: String,
    right: bool,
    took: Duration,
    baseline: String,
    baseline_took: Duration,
    fixed: Fixed,
}

/// Whether the table is wanted.
pub(crate) fn wanted() -> bool {
    std::env::var_os("UNREFUSE_WRITE_DOCS").is_some()
}

/// What the guides' checks lead to, and how long they take.
pub(crate) fn baseline(scenario: &Scenario, host: &Host) -> Step<(String, Duration)> {
    let began = Instant::now();
    let ran = host.try_run(&["sh", "-c", BASELINE, "sh", scenario.target])?;
    let took = began.elapsed();
    // A router sends one ICMP error a second to each address: what the yardstick used up is there again.
    std::thread::sleep(Duration::from_millis(1200));
    Ok((ran.stdout.trim().to_owned(), took))
}

impl Row {
    /// A fault, what was said of it, and whether that is right.
    pub(crate) fn of(scenario: &Scenario, answer: &Diagnosis, right: bool, baseline: (String, Duration)) -> Self {
        let word = |at: &str| answer.json.pointer(at).and_then(|value| value.as_str()).map(str::to_owned);
        let open = word("/outcome").as_deref() == Some("open");
        let none = if open { HEALTHY_TOLD } else { UNTOLD };
        let ms = answer.json.pointer("/took_ms").and_then(serde_json::Value::as_f64).unwrap_or_default();
        Self {
            cause: scenario.cause,
            name: scenario.name,
            told: word("/culprit").unwrap_or_else(|| none.into()),
            right,
            took: Duration::from_secs_f64(ms / 1000.0),
            baseline: baseline.0,
            baseline_took: baseline.1,
            fixed: Fixed::None,
        }
    }

    /// Enters it into the table.
    pub(crate) fn enter(self) {
        if let Ok(mut rows) = ROWS.lock() {
            rows.push(self);
        }
    }

    fn truth(&self) -> &'static str {
        box_of(self.cause)
    }

    /// The station the yardstick points at is the right one.
    fn baseline_right(&self) -> bool {
        self.baseline == self.truth()
    }
}

/// How the fix of the fault that was entered under this name went.
pub(crate) fn fixed(scenario: &Scenario, how: Fixed) {
    let Ok(mut rows) = ROWS.lock() else { return };
    if let Some(row) = rows.iter_mut().find(|row| (row.cause, row.name) == (scenario.cause, scenario.name)) {
        row.fixed = how;
    }
}

/// The box of a cause; what is no cause stands for itself.
fn box_of(told: &str) -> &'static str {
    match by_id(told) {
        Some(cause) => cause.in_box.word(),
        None if told == HEALTHY => HEALTHY_TOLD,
        None => UNTOLD,
    }
}

/// Writes the table, where it is wanted.
pub(crate) fn write() -> Step {
    let Ok(mut rows) = ROWS.lock() else { return Err("another trial broke".into()) };
    rows.sort_by_key(|row| (row.truth(), row.cause, row.name));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/accuracy.md");
    std::fs::write(path, page(&rows)).while_("writing the table")
}

fn page(rows: &[Row]) -> String {
    let faults: Vec<&Row> = rows.iter().filter(|row| row.cause != HEALTHY).collect();
    let healthy: Vec<&Row> = rows.iter().filter(|row| row.cause == HEALTHY).collect();
    let causes: BTreeSet<&str> = faults.iter().map(|row| row.cause).collect();
    let mut page = String::from(
        "# How often it is right\n\n\
         Written by `UNREFUSE_WRITE_DOCS=1 cargo test --test hosts`. Every fault is made on a booted Debian host with real daemons, \
         seen from a client on another host, and then diagnosed by `unrefuse check` on the host, which is told the target and \
         nothing else. It is right when the outcome, the exit status, the one cause that was made, and the names it must give \
         (the unit, the file, the rule, the address) are. The yardstick is a script of the checks that most guides give (`ss` and \
         grep, ufw, firewall-cmd, iptables and nft and grep, getenforce, nc; `tests/hosts/baseline.sh`) on the same hosts at the \
         same moment; it is right already when it points at the right box of the chart. Faults that need a kernel of their own \
         (SELinux, AppArmor, IPAddressDeny) are made in virtual machines by `cargo test --test vm` and are not in this table.\n\n",
    );
    summary(&mut page, "faults", &faults, causes.len());
    healthy_line(&mut page, &healthy);
    matrix(&mut page, "unrefuse", rows, |row| box_of(&row.told));
    matrix(&mut page, "the checks that most guides give", rows, |row| match row.baseline.as_str() {
        "unknown" => UNTOLD,
        "healthy" => HEALTHY_TOLD,
        other => {
            unrefuse::diagnose::chart::BoxId::ALL.iter().map(|id| id.word()).find(|id| *id == other).unwrap_or(UNTOLD)
        }
    });
    missed(&mut page, &faults);
    every(&mut page, rows);
    page
}

fn summary(page: &mut String, what: &str, rows: &[&Row], causes: usize) {
    let right = rows.iter().filter(|row| row.right).count();
    let boxed = rows.iter().filter(|row| box_of(&row.told) == row.truth()).count();
    let untold = rows.iter().filter(|row| row.told == UNTOLD).count();
    let baseline = rows.iter().filter(|row| row.baseline_right()).count();
    let tried: Vec<_> = rows.iter().filter(|row| row.fixed != Fixed::None).collect();
    let identical = tried.iter().filter(|row| row.fixed == Fixed::Identical).count();
    let times = |of: fn(&Row) -> Duration| {
        let mut all: Vec<Duration> = rows.iter().map(|row| of(row)).collect();
        all.sort_unstable();
        let at = |share: usize| all.get((all.len() * share / 100).min(all.len().saturating_sub(1))).copied();
        [50, 95].map(|share| format!("{:.0} ms", at(share).unwrap_or_default().as_secs_f64() * 1000.0)).join(", ")
    };
    let all = rows.len();
    let _ = writeln!(page, "| {all} {what} of {causes} causes | unrefuse | the guides' checks |\n|---|---|---|");
    let _ = writeln!(page, "| the cause, its names and the exit status are right | {right} | |");
    let _ = writeln!(page, "| the box of the chart is right | {boxed} | {baseline} |");
    let _ =
        writeln!(page, "| *cannot tell* | {untold} | {} |", rows.iter().filter(|r| r.baseline == "unknown").count());
    let said_healthy = |baseline: bool| {
        rows.iter().filter(|r| if baseline { r.baseline == "healthy" } else { r.told == HEALTHY_TOLD }).count()
    };
    let _ = writeln!(page, "| taken for healthy | {} | {} |", said_healthy(false), said_healthy(true));
    let _ = writeln!(
        page,
        "| time to the verdict: median, 95 % | {} | {} |",
        times(|r| r.took),
        times(|r| r.baseline_took)
    );
    let _ = writeln!(
        page,
        "| fixes tried: green, undone, and the host byte for byte as it was | {identical} of {} | |\n",
        tried.len()
    );
}

fn healthy_line(page: &mut String, rows: &[&Row]) {
    let right = rows.iter().filter(|row| row.right).count();
    let baseline = rows.iter().filter(|row| row.baseline == "healthy").count();
    let _ = writeln!(
        page,
        "Of {} healthy hosts that look broken at first sight {right} were called open, and {baseline} by the guides' checks. The \
         times are of a program without optimisation on two shared cores.\n",
        rows.len()
    );
}

fn matrix(page: &mut String, who: &str, rows: &[Row], told: impl Fn(&Row) -> &'static str) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows {
        *counts.entry((row.truth(), told(row))).or_default() += 1;
    }
    let said: BTreeSet<&str> = counts.keys().map(|(_, said)| *said).collect();
    let truths: BTreeSet<&str> = counts.keys().map(|(truth, _)| *truth).collect();
    let head: Vec<&str> = said.iter().copied().collect();
    let _ = writeln!(page, "## What {who} said\n\n| it is \\ it said | {} |", head.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(head.len()));
    for truth in truths {
        let cells: Vec<String> = said
            .iter()
            .map(|said| match counts.get(&(truth, *said)) {
                Some(count) if *said == truth => format!("**{count}**"),
                Some(count) => count.to_string(),
                None => String::new(),
            })
            .collect();
        let _ = writeln!(page, "| {truth} | {} |", cells.join(" | "));
    }
    page.push('\n');
}

fn missed(page: &mut String, rows: &[&Row]) {
    let missed: Vec<_> = rows.iter().filter(|row| !row.right).collect();
    let _ = writeln!(page, "## Missed\n");
    if missed.is_empty() {
        page.push_str("None in this run.\n\n");
        return;
    }
    for row in missed {
        let _ = writeln!(page, "- `{}` ({}): it said {}", row.cause, row.name, row.told);
    }
    page.push('\n');
}

fn every(page: &mut String, rows: &[Row]) {
    page.push_str("## Every host\n\n| cause | host | unrefuse said | ms | guides' checks | fix, undone |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let said = if row.told == row.cause && row.right { "✔" } else { row.told.as_str() };
        let fix = match row.fixed {
            Fixed::None => "",
            Fixed::Failed => "✘",
            Fixed::Identical => "✔",
        };
        let ms = row.took.as_secs_f64() * 1000.0;
        let mark = if row.baseline_right() { "✔" } else { row.baseline.as_str() };
        let _ = writeln!(page, "| `{}` | {} | {said} | {ms:.0} | {mark} | {fix} |", row.cause, row.name);
    }
}
