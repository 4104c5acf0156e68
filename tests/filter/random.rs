//! Random cases, in several worlds at once.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use libtest_mimic::Failed;

use crate::bench::{Bench, Report};
use crate::coverage::Coverage;
use crate::kept;
use crate::make::{self, Case};
use crate::shrink::shrink;
use crate::world::World;

/// Cases where every one must be tried, and elsewhere.
const CASES: (u64, u64) = (2000, 300);
/// Worlds at a time: most of the time answers are waited for that will not come.
const WORLDS: usize = 6;
/// Differing cases after which the rest is not tried.
const MOST_DIFFERING: usize = 20;
/// Differing cases that are made small.
const MOST_SHRUNK: usize = 8;

/// What was found so far.
#[derive(Default)]
struct Tally {
    cases: usize,
    kinds: BTreeMap<&'static str, usize>,
    rules: usize,
    refused: usize,
    tried: usize,
    asked: usize,
    unknown: BTreeMap<String, usize>,
    seen: BTreeMap<String, usize>,
    differing: Vec<String>,
    coverage: Coverage,
}

/// Tries all of them.
pub(crate) fn all() -> Result<(), Failed> {
    let first = number("UNREFUSE_FILTER_SEED").unwrap_or(1);
    let strict = env::var_os("CI").is_some() || env::var("UNREFUSE_HOSTS").is_ok_and(|value| value == "require");
    let cases = number("UNREFUSE_FILTER_CASES").unwrap_or(if strict { CASES.0 } else { CASES.1 });
    let (next, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..WORLDS.min(usize::try_from(cases).unwrap_or(WORLDS)) {
            scope.spawn(|| work(&next, first + cases, &tally));
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}\n{:.1} s", tally.summary(), began.elapsed().as_secs_f32());
    tally.judge(cases)
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap_or_else(|e| panic!("{name}={value}: {e}")))
}

/// Tries one case after the other until there is none left.
fn work(next: &AtomicU64, end: u64, tally: &Mutex<Tally>) {
    let world = World::new();
    world.server.run(|| {
        let mut bench = Bench::new(&world);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let found = tally.lock().unwrap_or_else(PoisonError::into_inner).differing.len();
            if seed >= end || found >= MOST_DIFFERING {
                return;
            }
            let mut case = make::case(seed);
            let report = bench.try_case(&mut case);
            let differing = differing(&mut bench, &case, &report, found < MOST_SHRUNK);
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(&case, report, differing);
        }
    });
}

/// What is told of a case that differs.
fn differing(bench: &mut Bench<'_>, case: &Case, report: &Report, small: bool) -> Option<String> {
    let difference = report.differences.first()?;
    let probe = difference.probe;
    let script = if small { shrink(bench, &case.script, &probe) } else { case.script.clone() };
    let difference = bench.differs(&script, &probe).unwrap_or_else(|| difference.clone());
    let text = kept::text(case.seed, &script, &probe, &difference.seen);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("filter-{}.nft", case.seed));
    let written = fs::write(&path, &text).map_or_else(|e| e.to_string(), |()| path.display().to_string());
    let rules = if small { text } else { "(not made small)\n".into() };
    Some(format!(
        "seed {} ({}): {probe}\n  said: {}\n  seen: {}\n{rules}# {written}\n",
        case.seed, case.kind, difference.said, difference.seen
    ))
}

impl Tally {
    fn add(&mut self, case: &Case, report: Report, differing: Option<String>) {
        self.cases += 1;
        *self.kinds.entry(case.kind).or_default() += 1;
        self.rules += report.loaded.rules;
        self.refused += report.loaded.refused;
        self.tried += report.tried;
        self.asked += report.asked;
        self.coverage.add(&report.rules);
        for (why, count) in report.unknown {
            *self.unknown.entry(why).or_default() += count;
        }
        for (what, count) in report.seen {
            *self.seen.entry(what).or_default() += count;
        }
        if let Some(text) = &differing {
            println!("{text}");
        }
        self.differing.extend(differing);
    }

    fn summary(&self) -> String {
        let unknown: usize = self.unknown.values().sum();
        let share = |part: usize, whole: usize| 100.0 * to_f64(part) / to_f64(whole.max(1));
        let mut text = format!(
            "{} cases {:?}, {} rules ({} more were refused by their tools), {} connections {:?}\n\
             the simulator could not tell {unknown} times: {:.1} % of its answers",
            self.cases,
            self.kinds,
            self.rules,
            self.refused,
            self.tried,
            self.seen,
            share(unknown, self.asked),
        );
        for (why, count) in &self.unknown {
            text += &format!("\n  {count:6} because {why}");
        }
        text + "\n" + &self.coverage.table()
    }

    /// Passes if nothing differed, everything was tried, nearly all rules were loaded and, in as many cases as there must
    /// be, every kind of rule was among them.
    fn judge(&self, cases: u64) -> Result<(), Failed> {
        if !self.differing.is_empty() {
            let seeds: Vec<&str> = self.differing.iter().filter_map(|text| text.lines().next()).collect();
            return Err(format!("{} cases differ:\n{}", seeds.len(), seeds.join("\n")).into());
        }
        let tried = u64::try_from(self.cases).unwrap_or(u64::MAX);
        if tried != cases {
            return Err(format!("{tried} of {cases} cases were tried").into());
        }
        if self.refused * 10 > self.rules {
            return Err(format!("{} rules were refused, {} loaded", self.refused, self.rules).into());
        }
        let missing = if cases >= CASES.0 { self.coverage.missing() } else { Vec::new() };
        if !missing.is_empty() {
            return Err(format!("no rule had: {}", missing.join(", ")).into());
        }
        Ok(())
    }
}

fn to_f64(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}
