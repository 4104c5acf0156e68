//! Makes a case small: whatever can be left out while the difference stays is left out.

use crate::bench::Bench;
use crate::probe::Probe;
use crate::script::{Script, Section};

/// Most attempts at leaving something out.
const ATTEMPTS: usize = 400;

/// The smallest script found that still shows the difference.
pub(crate) fn shrink(bench: &mut Bench<'_>, script: &Script, probe: &Probe) -> Script {
    let mut best = script.clone();
    let mut attempts = ATTEMPTS;
    loop {
        let before = best.clone();
        lines(bench, &mut best, probe, &mut attempts);
        parts(bench, &mut best, probe, &mut attempts);
        if best == before || attempts == 0 {
            best.sections.retain(|section| !section.lines.is_empty());
            return best;
        }
    }
}

/// Takes it if the difference stays.
fn attempt(bench: &mut Bench<'_>, best: &mut Script, next: Script, probe: &Probe, attempts: &mut usize) -> bool {
    if *attempts == 0 {
        return false;
    }
    *attempts -= 1;
    let stays = bench.differs(&next, probe).is_some();
    if stays {
        *best = next;
    }
    stays
}

/// Leaves out whole sections, then runs of lines, ever shorter.
fn lines(bench: &mut Bench<'_>, best: &mut Script, probe: &Probe, attempts: &mut usize) {
    for index in (0..best.sections.len()).rev() {
        let mut next = best.clone();
        next.sections.remove(index);
        attempt(bench, best, next, probe, attempts);
    }
    for index in 0..best.sections.len() {
        let mut run = best.sections[index].lines.len().div_ceil(2);
        while run > 0 {
            let mut end = best.sections[index].lines.len();
            while end > 0 {
                let start = end.saturating_sub(run);
                let mut next = best.clone();
                without(&mut next.sections[index], start, end);
                attempt(bench, best, next, probe, attempts);
                end = start;
            }
            run /= 2;
        }
    }
}

/// Takes lines out, from `start` to `end`.
fn without(section: &mut Section, start: usize, end: usize) {
    section.lines.drain(start..end);
}

/// Leaves out single matches and statements.
fn parts(bench: &mut Bench<'_>, best: &mut Script, probe: &Probe, attempts: &mut usize) {
    for section in 0..best.sections.len() {
        for line in 0..best.sections[section].lines.len() {
            for part in (0..best.sections[section].lines[line].parts.len()).rev() {
                let mut next = best.clone();
                next.sections[section].lines[line].parts.remove(part);
                attempt(bench, best, next, probe, attempts);
            }
        }
    }
}
