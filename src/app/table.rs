//! The live listener table: its rows, what is new and what is gone, sorted and filtered when something changes.
//!
//! Sorting happens here, once a change, never while drawing: a host may have ten thousand listeners.

use std::collections::{BTreeMap, HashMap, HashSet};

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
    /// Text that rows must hold.
    pub filter: String,
    /// Selected row, counted in shown order.
    pub cursor: usize,
    /// First row on the screen.
    pub top: usize,
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

type Key = (Transport, u32, u16);

fn key(listener: &Listener) -> Key {
    (listener.transport, listener.inode, listener.port)
}

/// Owners by inode, as facts keep them.
pub type Owners = BTreeMap<u32, Reading<Owner>>;

impl Table {
    /// Takes in a new look at the sockets. True when there are new rows that will have to fade.
    pub fn take(&mut self, listeners: &[Listener], at_ms: u64, owners: &Owners) -> bool {
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
        self.begun = true;
        self.fade(at_ms);
        self.reorder(owners);
        self.choose(chosen);
        fresh
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
        self.order.get(self.cursor).and_then(|index| self.rows.get(*index))
    }

    /// What the selection holds on to; nothing as long as it stands on the first row, so that the beginning stays in view.
    fn chosen_key(&self) -> Option<Key> {
        self.chosen().filter(|_| self.cursor > 0).map(|row| key(&row.listener))
    }

    fn choose(&mut self, chosen: Option<Key>) {
        let is = |index: &usize| self.rows.get(*index).map(|row| key(&row.listener)) == chosen;
        let at = chosen.and_then(|_| self.order.iter().position(is));
        self.cursor = at.unwrap_or(self.cursor).min(self.order.len().saturating_sub(1));
    }

    fn reorder(&mut self, owners: &Owners) {
        let needle = self.filter.to_lowercase();
        let mut order: Vec<usize> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| needle.is_empty() || row.matches(&needle, owners))
            .map(|(index, _)| index)
            .collect();
        let row = |index: &usize| self.rows.get(*index);
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
        self.widest = self.rows.iter().map(|row| row.address.len()).max().unwrap_or_default();
        self.order = order;
    }

    /// Does the order depend on who owns the sockets?
    pub fn depends_on_owners(&self) -> bool {
        self.sort == Sort::Owner || !self.filter.is_empty()
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
        self.order.iter().skip(top).take(most).filter_map(|index| self.rows.get(*index))
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

    fn matches(&self, needle: &str, owners: &Owners) -> bool {
        let holds = |text: &str| text.to_lowercase().contains(needle);
        let owned =
            |owner: &Owner| owner.unit.as_deref().is_some_and(holds) || owner.processes.iter().any(|p| holds(&p.name));
        holds(&self.address) || holds(self.listener.transport.word()) || self.owner(owners).is_some_and(owned)
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
}
