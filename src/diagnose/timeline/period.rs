//! Outages at equal intervals, and the timer or the line of cron that runs at the same times.

use std::collections::{BTreeMap, BTreeSet};

use super::Outage;
use super::blame::{after_us, before_us};
use crate::facts::happening::{Change, Past, What};

/// Fewer say nothing.
const FEWEST: usize = 3;
/// An interval may differ by this much, in microseconds, or by a tenth.
const LOOSE_US: u64 = 1_500_000;

/// A fault that comes at equal intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The interval, in microseconds.
    pub every_us: u64,
    /// What ran just before each outage, or nearly each (`reload.timer, which starts reload.service`); raw.
    pub with: Option<String>,
}

/// The interval of outages, which are in order.
pub(super) fn of(outages: &[Outage], past: &Past) -> Option<Period> {
    let begins: Vec<u64> = outages.iter().map(begin).collect();
    let every_us = interval(&begins)?;
    let with = regular(outages, past);
    // Two equal steps may be chance, unless something runs at those times.
    (with.is_some() || outages.len() > FEWEST).then_some(Period { every_us, with })
}

/// When an outage began: by what shows it, where something does, else by its first failure.
fn begin(outage: &Outage) -> u64 {
    let shown = outage.links.iter().find(|link| link.proof == super::Proof::Shown);
    shown.and_then(|link| link.began_us).unwrap_or(outage.from_us)
}

/// The interval between times in order. Some may be missing: an outage may fall between two attempts.
fn interval(begins: &[u64]) -> Option<u64> {
    let mut steps: Vec<u64> =
        begins.iter().zip(begins.iter().skip(1)).map(|(a, b)| b.saturating_sub(*a)).filter(|step| *step > 0).collect();
    if steps.len() + 1 < FEWEST {
        return None;
    }
    steps.sort_unstable();
    let usual = *steps.get(steps.len() / 2)?;
    let loose = LOOSE_US.max(usual / 10).min(usual / 4);
    let fits = |step: &u64| {
        let times = step.saturating_add(usual / 2).checked_div(usual).unwrap_or(0).max(1);
        step.abs_diff(usual.saturating_mul(times)) <= loose.saturating_mul(times.min(3))
    };
    steps.iter().all(fits).then_some(usual)
}

/// What runs shortly before nearly every outage: a unit that a timer starts, or a command of cron.
fn regular(outages: &[Outage], past: &Past) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for outage in outages {
        let (from, until) = (before_us(outage), after_us(outage));
        let then = past.happenings.iter().filter(|h| (from..=until).contains(&h.at_us));
        let names: BTreeSet<String> = then.filter_map(|h| scheduled(&h.what, past)).collect();
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    }
    let (name, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count * 5 >= outages.len() * 4).then_some(name)
}

/// What is run by the clock.
pub(super) fn scheduled(what: &What, past: &Past) -> Option<String> {
    if let What::Unit { unit, change: Change::Starting | Change::Started, .. } = what {
        let timer = past.timers.iter().find(|timer| timer.starts == *unit)?;
        return Some(format!("{}, which starts {unit}", timer.name));
    }
    let What::Command { by, command } = what else { return None };
    by.starts_with("cron").then(|| format!("{by}, which runs `{command}`"))
}
