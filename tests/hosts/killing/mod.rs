//! The kill matrix: a fix of every kind is struck at every write of its log, at every call that changes something and
//! while it waits for others: by SIGKILL, SIGTERM, SIGHUP, a closed terminal and a full disk. Whenever it was, the host
//! ends up as it was before, or the fix stands and undoing it leads back. An undo is struck in the same way.
//!
//! Without more words a sample is struck, the same one each time: this is what CI does. `UNREFUSE_KILL=all` strikes
//! everything. `UNREFUSE_WRITE_DOCS=1` writes the table to `assets/kill-matrix.md`.

mod kinds;
mod strike;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::cmd::{Step, While, wait_until};
use crate::fixing::Snapshot;
use crate::host::{Host, PROGRAM_INSIDE};
use crate::lab::Lab;
use crate::scenario::Scenario;
use crate::trial::trial;
use kinds::Kind;
pub(crate) use strike::records;
use strike::{LOG, Strike};

/// The guard acts at once; what it has to wait for may take a moment.
const GUARD: Duration = Duration::from_secs(30);
/// What came of the strikes of one row.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    dealt: usize,
    put_back: usize,
    stood: usize,
    untouched: usize,
}

/// Rows of the table, by kind and blow.
static TABLE: Mutex<BTreeMap<(usize, &'static str), Tally>> = Mutex::new(BTreeMap::new());

/// One trial a kind.
pub(crate) fn trials(missing: Option<&str>) -> Vec<Trial> {
    let strace = std::process::Command::new("strace").arg("--version").output().is_ok_and(|ran| ran.status.success());
    let missing = missing.or((!strace).then_some("there is no strace"));
    let named = |(at, kind): (usize, &'static Kind)| {
        trial(format!("kill::{}::{}", kind.plan, kind.what.replace([' ', ','], "-")), missing, move || kill(at, kind))
    };
    kinds::ALL.iter().enumerate().map(named).collect()
}

/// A host that is broken in one way, and its fix.
struct Arena<'a> {
    host: &'a Host,
    kind: &'static Kind,
    scenario: &'static Scenario,
    before: Snapshot,
}

fn kill(at: usize, kind: &'static Kind) -> Step {
    let scenario = kind.scenario()?;
    let lab = Lab::new()?;
    (scenario.network)(&lab)?;
    let host = scenario.boot(&lab)?;
    kind.calm(&host)?;
    (scenario.break_it)(&host)?;
    let mut arena = Arena { host: &host, kind, scenario, before: Snapshot::quick(&host)? };
    let strikes = chosen(&arena.strikes()?, at);
    for strike in &strikes {
        let told = arena.deal(strike, &arena.fix_words()).map_err(|why| format!("{strike:?}: {why}"))?;
        count(at, strike.row(), told)?;
    }
    met(at)?;
    if kind.leaves.is_none() {
        arena.strike_undo(at)?;
    }
    written()
}

/// Everything is struck.
fn whole() -> bool {
    std::env::var_os("UNREFUSE_KILL").is_some_and(|value| value == "all")
}

/// As many strikes of each row as it says, evenly spread, and the same ones each time.
fn chosen(all: &[Strike], at: usize) -> Vec<Strike> {
    let mut rows: BTreeMap<&str, Vec<&Strike>> = BTreeMap::new();
    for strike in all {
        rows.entry(strike.row()).or_default().push(strike);
    }
    let picked = rows.into_values().flat_map(|row| {
        let most = row.first().map_or(0, |first| first.how_many(whole(), at)).min(row.len());
        // From the middle of each part: of two neither is the first or the last.
        (0..most)
            .filter_map(|n| row.get((2 * n + 1) * row.len() / (2 * most)).map(|strike| (*strike).clone()))
            .collect::<Vec<_>>()
    });
    picked.collect()
}

/// How an entry ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing was begun.
    Untouched,
    /// Somebody put it back.
    PutBack,
    /// It stood, and was undone.
    Stood,
}

impl Arena<'_> {
    fn fix_words(&self) -> Vec<&'static str> {
        let mut words = vec![PROGRAM_INSIDE, "fix", self.scenario.target];
        words.extend(self.scenario.ask);
        words.extend(["--yes", "--plan", self.kind.plan]);
        words
    }

    /// The strikes there are. The fix that is looked at stands afterwards, and is undone.
    fn strikes(&mut self) -> Step<Vec<Strike>> {
        let all = strike::all(self.host, &self.fix_words(), self.kind.slow)?;
        self.settled(0)?;
        self.unchanged("untouched and undone")?;
        self.again()?;
        Ok(all)
    }

    /// Deals one strike and sees what became of the host.
    fn deal(&mut self, strike: &Strike, words: &[&str]) -> Step<End> {
        let earlier = last_entry(self.host)?.map_or(0, |entry| entry.number);
        let told = strike.deal(self.host, words)?;
        if told.contains("there is no plan") {
            return Err(told);
        }
        let end = self.settled(earlier).map_err(|why| format!("{why}\n{told}"))?;
        self.unchanged(&told)?;
        self.again()?;
        Ok(end)
    }

    /// Waits until nothing is pending, and undoes what stands.
    fn settled(&mut self, earlier: u64) -> Step<End> {
        // One that was announced and not begun needs no guard.
        let open = |entry: Entry| entry.state == State::Pending && entry.begun;
        let closed = || Ok(!last_entry(self.host)?.is_some_and(open) && !guarded(self.host));
        wait_until("nothing is pending", GUARD, closed)?;
        let Some(last) = last_entry(self.host)?.filter(|entry| entry.number > earlier) else {
            return Ok(End::Untouched);
        };
        match last.state {
            State::Kept if last.undoes => Ok(End::Stood),
            State::Kept => {
                crate::fixing::undo(self.host, &[last.number.to_string()], self.kind.leaves.is_some())?;
                wait_until("nothing is pending", GUARD, closed)?;
                Ok(End::Stood)
            }
            State::Reverted(left) => {
                let unexpected: Vec<&String> =
                    left.iter().filter(|left| self.kind.leaves.is_none_or(|said| !left.contains(said))).collect();
                if !unexpected.is_empty() {
                    return Err(format!("this was left as it is: {unexpected:?}"));
                }
                Ok(End::PutBack)
            }
            State::Pending => Ok(End::Untouched),
        }
    }

    /// What a way back does not bring (that a unit failed, a process that was started by hand) is brought about again.
    fn again(&mut self) -> Step {
        let Some(again) = self.kind.again else { return Ok(()) };
        again(self.host)?;
        if self.kind.leaves.is_some() {
            self.before = Snapshot::quick(self.host)?;
        }
        Ok(())
    }

    fn unchanged(&self, told: &str) -> Step {
        let differences = self.before.differences(&Snapshot::quick(self.host)?, self.kind.leaves.is_some());
        if differences.is_empty() {
            return Ok(());
        }
        let history = self.host.program("root", &["history"])?.stdout;
        let history = history.lines().take(8).collect::<Vec<_>>().join("\n");
        Err(format!("the host is not as it was:\n{}\n{history}\n{told}", differences.join("\n")))
    }

    /// Ends an undo at every record of the log: what it undoes stands, or is undone.
    fn strike_undo(&mut self, at: usize) -> Step {
        const ALL: [(&str, usize); 6] =
            [("fdatasync", 2), ("write", 3), ("fdatasync", 1), ("write", 2), ("write", 1), ("fdatasync", 3)];
        let words = self.fix_words();
        for (call, nth) in ALL.into_iter().take(if whole() { 6 } else { 1 }) {
            let ran = self.host.try_run(&words)?;
            let Some(fixed) = last_entry(self.host)?.filter(|_| ran.code == 0) else {
                return Err(format!("untouched, the fix ends with {}\n{}{}", ran.code, ran.stdout, ran.stderr));
            };
            let number = fixed.number.to_string();
            let (call, when) = (call.to_owned(), nth.to_string());
            let strike = Strike::Call { does: "signal=KILL", call, when, path: Some(LOG.into()) };
            let end = self.undo_struck(&strike, &number).map_err(|why| format!("undo, {strike:?}: {why}"))?;
            count(at, "SIGKILL at a write of the log of an undo", end)?;
        }
        Ok(())
    }

    fn undo_struck(&mut self, strike: &Strike, number: &str) -> Step<End> {
        let entry = number.parse().map_err(|_| "no number")?;
        let told = strike.deal(self.host, &[PROGRAM_INSIDE, "undo", number])?;
        let end = self.settled(entry).map_err(|why| format!("{why}\n{told}"))?;
        if end != End::Stood {
            // What it was to take back still stands.
            crate::fixing::undo(self.host, &[number.to_owned()], false)?;
        }
        self.unchanged(&told)?;
        self.again()?;
        Ok(end)
    }
}

/// The newest entry of the log.
#[derive(Debug)]
struct Entry {
    number: u64,
    undoes: bool,
    /// Something of it was done.
    begun: bool,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Pending,
    Kept,
    Reverted(Vec<String>),
}

/// Read from outside: a strike is over sooner.
fn last_entry(host: &Host) -> Step<Option<Entry>> {
    let text = fs::read_to_string(host.outside(LOG)).unwrap_or_default();
    let mut last: Option<Entry> = None;
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let record: serde_json::Value = serde_json::from_str(line).while_("reading the log")?;
        if let Some(begun) = record.get("begin") {
            let number = begun.get("number").and_then(serde_json::Value::as_u64).unwrap_or_default();
            let undoes = begun.get("undoes").is_some_and(|undoes| !undoes.is_null());
            last = Some(Entry { number, undoes, begun: false, state: State::Pending });
        }
        let Some(last) = last.as_mut() else { continue };
        last.begun |= record.get("doing").is_some();
        if record.get("kept").is_some() {
            last.state = State::Kept;
        }
        if let Some(left) = record.pointer("/reverted/left").and_then(serde_json::Value::as_array) {
            last.state = State::Reverted(left.iter().map(ToString::to_string).collect());
        }
    }
    Ok(last)
}

/// A guard is still there: its unit goes with it.
fn guarded(host: &Host) -> bool {
    let units = fs::read_dir(host.outside("/run/systemd/transient")).into_iter().flatten().flatten();
    units.into_iter().any(|unit| unit.file_name().to_string_lossy().starts_with("unrefuse-guard-"))
}

fn count(at: usize, row: &'static str, end: End) -> Step {
    let mut table = TABLE.lock().map_err(|_| "another trial broke")?;
    let tally = table.entry((at, row)).or_default();
    tally.dealt += 1;
    match end {
        End::Untouched => tally.untouched += 1,
        End::PutBack => tally.put_back += 1,
        End::Stood => tally.stood += 1,
    }
    Ok(())
}

/// Strikes at a fix that never begins prove nothing.
fn met(at: usize) -> Step {
    let table = TABLE.lock().map_err(|_| "another trial broke")?;
    let begun = table.iter().any(|((kind, _), tally)| *kind == at && tally.put_back + tally.stood > 0);
    if begun { Ok(()) } else { Err("no strike met a fix that had begun: is the host still broken?".into()) }
}

fn written() -> Step {
    // A sample makes no table.
    if std::env::var_os("UNREFUSE_WRITE_DOCS").is_none() || !whole() {
        return Ok(());
    }
    let table = TABLE.lock().map_err(|_| "another trial broke")?;
    let mut text = String::from(
        "# What is left of a fix that is ended in the middle\n\nWritten by `UNREFUSE_KILL=all UNREFUSE_WRITE_DOCS=1 cargo test --test hosts kill::`. \
         A fix of every kind was struck on a booted host, and afterwards the host was compared with what it was before: \
         files with owner, mode and time, rules, settings, units. *Put back*: by the program or its guard. *Stood*: it was \
         kept, as the strike came later or did not meet it, and undoing it led back. *Not begun*: nothing had been done yet. \
         A process that was ended is not brought back, and that is said.\n\n\
         | fix | struck by | runs | put back | stood | not begun |\n|---|---|---|---|---|---|\n",
    );
    for ((at, row), tally) in table.iter() {
        let what = kinds::ALL.get(*at).map_or("", |kind| kind.what);
        let Tally { dealt, put_back, stood, untouched } = tally;
        let _ = writeln!(text, "| {what} | {row} | {dealt} | {put_back} | {stood} | {untouched} |");
    }
    let total: usize = table.values().map(|tally| tally.dealt).sum();
    let _ = writeln!(text, "\n{total} strikes; after each the host was as it was.");
    fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/kill-matrix.md"), text).while_("writing the table")
}
