//! What changed since it was told last.

use super::diagnosis::{at, box_words, number};
use super::say::{Say, sentence};
use super::{clock, lists};
use crate::app::chart::Chart;
use crate::app::table::{Fate, Owners, Table};
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{BoxState, Verdict};
use crate::facts::Reading;
use crate::facts::connect::Outcome;
use crate::facts::socket::Transport;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// What is known of a target, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    outcome: Option<Outcome>,
    untold: Option<String>,
    why: Vec<String>,
    boxes: Vec<(BoxId, Verdict, String)>,
}

impl Known {
    /// As it is now.
    pub fn of(chart: &Chart) -> Self {
        let diagnosis = &chart.diagnosis;
        // The summary of a healthy box holds numbers that come and go.
        let words = |state: &BoxState| if state.verdict == Verdict::No { state.summary.clone() } else { String::new() };
        let boxes = diagnosis.boxes.iter().filter(|state| state.id != BoxId::Connect);
        Self {
            outcome: diagnosis.outcome,
            untold: diagnosis.untold.clone(),
            why: diagnosis
                .causes
                .iter()
                .filter(|f| !f.latent)
                .map(|f| format!("{} ({})", f.summary, f.cause))
                .collect(),
            boxes: boxes.map(|state| (state.id, state.verdict, words(state))).collect(),
        }
    }

    /// Tells how what is known now differs; `asked` tells also that it does not.
    pub fn tell(&self, chart: &Chart, (now_us, zone): (u64, &TimeZone), asked: bool, say: &mut Say) {
        let now = Self::of(chart);
        if now == *self && !asked {
            return;
        }
        let when = clock(now_us, zone);
        let word = |outcome: Option<Outcome>| outcome.map_or("not known", Outcome::word);
        if now.outcome != self.outcome || now.untold != self.untold {
            let because = now.untold.as_ref().map(|why| format!("; it cannot be told for others, because {why}"));
            let because = because.unwrap_or_default();
            let before = word(self.outcome);
            say.line(format!(
                "{when} {} now is {}{because}. It was {before}.",
                at(chart),
                word(now.outcome).to_uppercase()
            ));
        } else if asked {
            say.line(format!("{when} {} is {}, as before.", at(chart), word(now.outcome)));
        }
        for (id, ..) in now.boxes.iter().filter(|state| !self.boxes.contains(state)) {
            if let Some(state) = chart.diagnosis.get(*id) {
                say.line(format!("{when} Box {}: {}", number(*id), box_words(state)));
            }
        }
        let open = now.outcome == Some(Outcome::Open) && now.untold.is_none();
        match now.why.as_slice() {
            [] if open && (now.outcome != self.outcome || !self.why.is_empty()) => {
                say.line("Nothing is to be done: it accepts connections.");
            }
            [] if !self.why.is_empty() => say.line("The cause that was named is gone."),
            all if now.why != self.why => all.iter().for_each(|why| say.line(sentence(&format!("why: {why}")))),
            _ => {}
        }
    }
}

type Key = (Transport, u32, u16);

/// The listeners that were told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sockets(BTreeMap<Key, String>);

impl Sockets {
    /// Those of a table.
    pub fn of(table: &Table, owners: &Owners) -> Self {
        Self(rows(table).map(|row| (key(row), lists::socket(row, owners))).collect())
    }

    /// Tells of those that came and went. Waits for the owners of new ones.
    pub fn tell(&mut self, table: &Table, owners: &Owners, when: &str, say: &mut Say) {
        let new: Vec<_> = rows(table).filter(|row| !self.0.contains_key(&key(row))).collect();
        let open = |inode: u32| matches!(owners.get(&inode), Some(Reading::Pending));
        if new.iter().any(|row| open(row.listener.inode)) {
            return;
        }
        let now: std::collections::BTreeSet<Key> = rows(table).map(key).collect();
        let gone: Vec<Key> = self.0.keys().filter(|key| !now.contains(key)).copied().collect();
        for words in gone.iter().filter_map(|key| self.0.remove(key)) {
            say.line(format!("{when} Gone: {words}."));
        }
        for row in new {
            let words = lists::socket(row, owners);
            say.line(format!("{when} New: {words}."));
            self.0.insert(key(row), words);
        }
    }
}

fn key(row: &crate::app::table::Row) -> Key {
    (row.listener.transport, row.listener.inode, row.listener.port)
}

fn rows(table: &Table) -> impl Iterator<Item = &crate::app::table::Row> {
    table.window(0, usize::MAX).filter(|row| row.fate != Fate::Gone)
}
