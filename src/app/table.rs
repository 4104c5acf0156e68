//! The live listener table: its rows, what is new and what is gone, sorted and filtered when something changes; held still
//! on demand, or only what differs from the first look.
//!
//! Sorting happens here, once a change, never while drawing: a host may have ten thousand listeners.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::filter::{self, Filter};
use crate::facts::Reading;
use crate::facts::socket::{Listener, Owner, Transport};

/// How long a row counts as new.
pub const NEW_FOR_MS: u64 = 5_000;

/// The table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Row>,
    order: Vec<usize>,
    begun: bool,
    widest: usize,
    /// Column it is sorted by.
    pub sort: Sort,
    /// What was typed to find rows (see [`Filter`]).
    pub filter: String,
    /// What holds of it, and the text that says just that.
    good: (Option<String>, Filter),
    /// What is wrong with what was typed since.
    wrong: Option<String>,
    /// It is held still.
    held: Option<Held>,
    /// Which rows are shown.
    pub view: View,
    /// The rows of the first look.
    first: Vec<Row>,
    /// What differs from them.
    changes: Vec<Row>,
    /// Selected row, counted in shown order.
    pub cursor: usize,
    /// First row on the screen.
    pub top: usize,
}

/// Which rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// All that are there.
    #[default]
    All,
    /// What differs from the first look.
    Changes,
}

/// What came while the table was held still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    latest: Option<Vec<Listener>>,
    /// Sockets that appeared.
    pub new: usize,
    /// Sockets that went.
    pub gone: usize,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The socket.
    pub listener: Listener,
    /// Its address as ss prints it.
    pub address: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was there before.
    Stands,
    /// It appeared at that time.
    New(u64),
    /// It is gone; shown until the next change.
    Gone,
    /// It took the place of the socket with this inode: another owner, or the same one started anew.
    Changed(u32),
}

/// Columns to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Port, then address.
    #[default]
    Port,
    /// Address, then port.
    Address,
    /// Fullest queue first.
    Queue,
    /// Unit or process.
    Owner,
}

impl Sort {
    /// The next column.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Port => Self::Address,
            Self::Address => Self::Queue,
            Self::Queue => Self::Owner,
            Self::Owner => Self::Port,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Address => "address",
            Self::Queue => "queue",
            Self::Owner => "owner",
        }
    }
}

impl View {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::All => Self::Changes,
            Self::Changes => Self::All,
        }
    }
}

type Key = (Transport, u32, u16);

fn key(listener: &Listener) -> Key {
    (listener.transport, listener.inode, listener.port)
}

/// Owners by inode, as facts keep them.
pub type Owners = BTreeMap<u32, Reading<Owner>>;

impl Table {
    /// Takes in a new look at the sockets. True when there are new rows that will have to fade.
    pub fn take(&mut self, listeners: &[Listener], at_ms: u64, owners: &Owners) -> bool {
        if let Some(held) = &mut self.held {
            let now: HashSet<Key> = listeners.iter().map(key).collect();
            let seen: HashSet<Key> =
                self.rows.iter().filter(|r| r.fate != Fate::Gone).map(|r| key(&r.listener)).collect();
            (held.new, held.gone) = (now.difference(&seen).count(), seen.difference(&now).count());
            held.latest = Some(listeners.to_vec());
            return false;
        }
        let now: HashSet<Key> = listeners.iter().map(key).collect();
        let before: HashMap<Key, Fate> =
            self.rows.iter().filter(|r| r.fate != Fate::Gone).map(|r| (key(&r.listener), r.fate)).collect();
        let same = now.len() == before.len() && now.iter().all(|k| before.contains_key(k));
        let went = |row: &Row| if same { row.fate == Fate::Gone } else { !now.contains(&key(&row.listener)) };
        let chosen = self.chosen_key();
        let mut rows: Vec<Row> = std::mem::take(&mut self.rows)
            .into_iter()
            .filter(|row| went(row) && (same || row.fate != Fate::Gone))
            .map(|row| Row { fate: Fate::Gone, ..row })
            .collect();
        let mut fresh = false;
        for listener in listeners {
            let fate = match before.get(&key(listener)) {
                Some(fate) => *fate,
                None if self.begun => Fate::New(at_ms),
                None => Fate::Stands,
            };
            fresh |= matches!(fate, Fate::New(_));
            rows.push(Row { listener: listener.clone(), address: listener.shown(), fate });
        }
        self.rows = rows;
        if !self.begun {
            self.first.clone_from(&self.rows);
        }
        self.begun = true;
        self.fade(at_ms);
        self.reorder(owners);
        self.choose(chosen);
        fresh
    }

    /// Holds it still, or lets it go: then it takes in what came meanwhile. True as [`Self::take`] has it.
    pub fn freeze(&mut self, at_ms: u64, owners: &Owners) -> bool {
        let Some(held) = self.held.take() else {
            self.held = Some(Held::default());
            return false;
        };
        held.latest.is_some_and(|listeners| self.take(&listeners, at_ms, owners))
    }

    /// What came while it was held still; none where it is not.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// What is wrong with the filter; the last good one holds.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// The rows that may be shown.
    fn source(&self) -> &[Row] {
        match self.view {
            View::All => &self.rows,
            View::Changes => &self.changes,
        }
    }

    /// What differs from the first look: a socket in the place of another is a change of that one.
    fn compare(&mut self) {
        let place = |row: &Row| {
            let at = &row.listener;
            (at.transport, at.address, at.port, at.device.clone())
        };
        let now: HashSet<Key> = self.rows.iter().filter(|r| r.fate != Fate::Gone).map(|r| key(&r.listener)).collect();
        let then: HashSet<Key> = self.first.iter().map(|row| key(&row.listener)).collect();
        let went = self.first.iter().filter(|row| !now.contains(&key(&row.listener)));
        let mut gone: BTreeMap<_, &Row> = went.map(|row| (place(row), row)).collect();
        let came = self.rows.iter().filter(|row| row.fate != Fate::Gone && !then.contains(&key(&row.listener)));
        let mut changes: Vec<Row> = Vec::new();
        for row in came {
            let before = gone.remove(&place(row)).map(|before| Fate::Changed(before.listener.inode));
            changes.push(Row { fate: before.unwrap_or(Fate::New(0)), ..row.clone() });
        }
        changes.extend(gone.into_values().map(|row| Row { fate: Fate::Gone, ..row.clone() }));
        self.changes = changes;
    }

    /// Where something is wrong, the terms that can be read hold; where there are none, what held before.
    fn read_filter(&mut self) {
        if self.good.0.as_deref() == Some(self.filter.as_str()) {
            self.wrong = None;
            return;
        }
        match Filter::parse(&self.filter) {
            Ok(filter) => (self.good, self.wrong) = ((Some(self.filter.clone()), filter), None),
            Err(wrong) => {
                self.wrong = Some(wrong);
                let readable = Filter::readable(&self.filter);
                if !readable.is_empty() {
                    self.good = (None, readable);
                }
            }
        }
    }

    /// Rows that have been new for long enough are ordinary ones.
    pub fn fade(&mut self, at_ms: u64) {
        for row in &mut self.rows {
            if matches!(row.fate, Fate::New(since) if at_ms >= since.saturating_add(NEW_FOR_MS)) {
                row.fate = Fate::Stands;
            }
        }
    }

    /// Filters and sorts anew; the selection stays on its row.
    pub fn arrange(&mut self, owners: &Owners) {
        let chosen = self.chosen_key();
        self.reorder(owners);
        self.choose(chosen);
    }

    /// Filters and sorts anew, for somebody who looks for something: the selection is on the first row.
    pub fn search(&mut self, owners: &Owners) {
        (self.cursor, self.top) = (0, 0);
        self.reorder(owners);
    }

    /// The selected row.
    pub fn chosen(&self) -> Option<&Row> {
        self.order.get(self.cursor).and_then(|index| self.source().get(*index))
    }

    /// What the selection holds on to; nothing as long as it stands on the first row, so that the beginning stays in view.
    fn chosen_key(&self) -> Option<Key> {
        self.chosen().filter(|_| self.cursor > 0).map(|row| key(&row.listener))
    }

    fn choose(&mut self, chosen: Option<Key>) {
        let is = |index: &usize| self.source().get(*index).map(|row| key(&row.listener)) == chosen;
        let at = chosen.and_then(|_| self.order.iter().position(is));
        self.cursor = at.unwrap_or(self.cursor).min(self.order.len().saturating_sub(1));
    }

    fn reorder(&mut self, owners: &Owners) {
        self.read_filter();
        if self.view == View::Changes {
            self.compare();
        }
        let filter = &self.good.1;
        let fits = |row: &Row| filter.is_empty() || filter.holds(row.seen(owners));
        let rows = self.source();
        let mut order: Vec<usize> =
            rows.iter().enumerate().filter(|(_, row)| fits(row)).map(|(index, _)| index).collect();
        let row = |index: &usize| rows.get(*index);
        match self.sort {
            Sort::Port => order.sort_by_key(|i| row(i).map(|r| (r.listener.port, r.listener.address))),
            Sort::Address => order.sort_by_key(|i| row(i).map(|r| (r.listener.address, r.listener.port))),
            Sort::Queue => {
                order.sort_by_key(|i| row(i).map(|r| (std::cmp::Reverse(r.listener.queue), r.listener.port)));
            }
            Sort::Owner => order.sort_by_cached_key(|i| {
                row(i).map(|r| (r.owner(owners).is_none(), r.owner(owners).map(Owner::shown), r.listener.port))
            }),
        }
        self.widest = rows.iter().map(|row| row.address.len()).max().unwrap_or_default();
        self.order = order;
    }

    /// Does the order depend on who owns the sockets?
    pub fn depends_on_owners(&self) -> bool {
        self.sort == Sort::Owner || !self.good.1.is_empty()
    }

    /// How many rows are shown in all.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True when nothing is shown.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Columns the longest address takes.
    pub fn widest(&self) -> usize {
        self.widest
    }

    /// How many sockets there are, filtered or not.
    pub fn total(&self) -> usize {
        self.rows.iter().filter(|row| row.fate != Fate::Gone).count()
    }

    /// The rows from `top`, at most `most`.
    pub fn window(&self, top: usize, most: usize) -> impl Iterator<Item = &Row> {
        self.order.iter().skip(top).take(most).filter_map(|index| self.source().get(*index))
    }

    /// Sockets without a known owner, those on the screen first; all others too when the order depends on owners.
    pub fn unowned(&self, rows: usize, owners: &Owners, most: usize) -> Vec<(u32, Option<u64>)> {
        let missing = |row: &&Row| row.fate != Fate::Gone && !owners.contains_key(&row.listener.inode);
        let seen = self.window(self.top, rows);
        let rest = self.rows.iter().filter(|_| self.depends_on_owners());
        let mut found: Vec<(u32, Option<u64>)> = Vec::new();
        for row in seen.chain(rest).filter(missing) {
            let socket = (row.listener.inode, row.listener.cgroup);
            if !found.contains(&socket) {
                found.push(socket);
            }
            if found.len() == most {
                break;
            }
        }
        found
    }
}

impl Row {
    /// Who owns it, where known.
    pub fn owner<'a>(&self, owners: &'a Owners) -> Option<&'a Owner> {
        owners.get(&self.listener.inode).and_then(Reading::value)
    }

    fn seen<'a>(&'a self, owners: &'a Owners) -> filter::Socket<'a> {
        filter::Socket { listener: &self.listener, shown: &self.address, owner: self.owner(owners), fate: self.fate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(port: u16, inode: u32) -> Listener {
        Listener {
            transport: Transport::Tcp,
            address: "0.0.0.0".parse().unwrap(),
            port,
            v6only: None,
            device: None,
            queue: 0,
            backlog: 128,
            uid: 0,
            inode,
            cgroup: None,
        }
    }

    fn fates(table: &Table) -> Vec<(u16, Fate)> {
        table.window(0, 99).map(|r| (r.listener.port, r.fate)).collect()
    }

    #[test]
    fn new_rows_are_marked_and_fade_gone_ones_stay_until_the_next_change() {
        let (mut table, owners) = (Table::default(), Owners::new());
        table.take(&[socket(22, 1), socket(80, 2)], 0, &owners);
        assert_eq!(fates(&table), [(22, Fate::Stands), (80, Fate::Stands)]);
        assert!(table.take(&[socket(22, 1), socket(443, 3)], 1_000, &owners));
        assert_eq!(fates(&table), [(22, Fate::Stands), (80, Fate::Gone), (443, Fate::New(1_000))]);
        table.take(&[socket(22, 1), socket(443, 3)], 2_000, &owners);
        assert_eq!(fates(&table).len(), 3, "no change: the gone row still stands there");
        table.fade(6_000);
        assert_eq!(fates(&table)[2], (443, Fate::Stands));
        table.take(&[socket(22, 1)], 7_000, &owners);
        assert_eq!(fates(&table), [(22, Fate::Stands), (443, Fate::Gone)]);
        assert_eq!(table.total(), 1);
    }

    #[test]
    fn the_selection_stays_on_its_socket() {
        let (mut table, owners) = (Table::default(), Owners::new());
        table.take(&[socket(22, 1), socket(80, 2), socket(443, 3)], 0, &owners);
        table.take(&[socket(21, 4), socket(22, 1), socket(80, 2), socket(443, 3)], 10, &owners);
        assert_eq!(table.chosen().map(|r| r.listener.port), Some(21), "the beginning stays in view");
        table.cursor = 2;
        table.take(&[socket(80, 2), socket(443, 3)], 20, &owners);
        table.take(&[socket(80, 2), socket(443, 3), socket(444, 5)], 30, &owners);
        assert_eq!(table.chosen().map(|r| r.listener.port), Some(80));
        table.filter = ":44".into();
        table.search(&owners);
        assert_eq!(table.chosen().map(|r| r.listener.port), Some(443));
    }

    #[test]
    fn a_restarted_daemon_has_a_new_socket() {
        let (mut table, owners) = (Table::default(), Owners::new());
        table.take(&[socket(80, 1)], 0, &owners);
        table.take(&[socket(80, 2)], 10, &owners);
        assert_eq!(fates(&table), [(80, Fate::Gone), (80, Fate::New(10))]);
    }

    #[test]
    fn filter_and_sort_know_owners() {
        let mut owners = Owners::new();
        let unit = |name: &str| Reading::known(Owner { unit: Some(name.into()), ..Owner::default() });
        owners.insert(1, unit("ssh.service"));
        owners.insert(2, unit("nginx.service"));
        let mut table = Table { sort: Sort::Owner, ..Table::default() };
        table.take(&[socket(22, 1), socket(80, 2), socket(81, 3)], 0, &owners);
        assert_eq!(table.window(0, 9).map(|r| r.listener.port).collect::<Vec<_>>(), [80, 22, 81]);
        table.filter = "NGINX".into();
        table.arrange(&owners);
        assert_eq!(table.window(0, 9).map(|r| r.listener.port).collect::<Vec<_>>(), [80]);
        assert_eq!(table.unowned(5, &owners, 10), [(3, None)], "the filter may still match it");
    }

    #[test]
    fn a_wrong_filter_leaves_the_last_good_one() {
        let (mut table, owners) = (Table::default(), Owners::new());
        table.take(&[socket(22, 1), socket(80, 2)], 0, &owners);
        for (typed, shown, wrong) in [
            ("port:80", 1, false),
            ("port:80 port:x", 1, true),
            ("port:x", 1, true),
            ("port:80 port:22", 0, false),
            ("", 2, false),
        ] {
            table.filter = typed.into();
            table.search(&owners);
            assert_eq!((table.len(), table.wrong().is_some()), (shown, wrong), "{typed}");
        }
    }

    #[test]
    fn what_is_held_still_counts_what_comes_and_takes_it_in_when_it_is_let_go() {
        let (mut table, owners) = (Table::default(), Owners::new());
        table.take(&[socket(22, 1), socket(80, 2)], 0, &owners);
        table.freeze(10, &owners);
        for _ in 0..2 {
            assert!(!table.take(&[socket(22, 1), socket(443, 3), socket(444, 4)], 20, &owners));
            assert_eq!(fates(&table), [(22, Fate::Stands), (80, Fate::Stands)]);
            assert_eq!(table.held().map(|held| (held.new, held.gone)), Some((2, 1)));
        }
        assert!(table.freeze(30, &owners), "new rows will fade");
        assert_eq!(fates(&table), [(22, Fate::Stands), (80, Fate::Gone), (443, Fate::New(30)), (444, Fate::New(30))]);
    }

    #[test]
    fn changes_are_those_since_the_first_look() {
        let (mut table, owners) = (Table::default(), Owners::new());
        table.take(&[socket(22, 1), socket(80, 2), socket(81, 5)], 0, &owners);
        table.view = View::Changes;
        table.arrange(&owners);
        assert!(table.is_empty());
        table.take(&[socket(22, 1), socket(80, 3)], 10, &owners);
        table.take(&[socket(22, 1), socket(80, 3), socket(443, 4)], 9_000, &owners);
        let changes = [(80, Fate::Changed(2)), (81, Fate::Gone), (443, Fate::New(0))];
        assert_eq!(fates(&table), changes);
        table.view = View::All;
        table.arrange(&owners);
        assert_eq!(table.len(), 3);
    }
}
