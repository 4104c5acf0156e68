//! Choosing a target: what was typed, recent targets, failed units, live listeners.

use std::collections::HashSet;

use super::event::{Extent, Step};
use super::table::Owners;
use crate::facts::socket::{Listener, Transport};
use crate::facts::{Facts, Reading};
use crate::target::Target;

/// The picker.
#[derive(Debug, Clone, Default)]
pub struct Picker {
    /// What is known of this host.
    pub facts: Facts,
    /// What was typed: a filter, or a target.
    pub typed: String,
    /// Selected row.
    pub cursor: usize,
    /// First row on the screen.
    pub top: usize,
    rows: Vec<Choice>,
}

/// A row of the picker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// What was typed, taken as a target.
    Typed(String),
    /// A recent target.
    Recent(String),
    /// A failed unit and its state.
    Failed(String, String),
    /// A socket that listens.
    Listener(Listener),
}

impl Choice {
    /// The target it stands for.
    pub fn target(&self) -> String {
        match self {
            Self::Typed(text) | Self::Recent(text) | Self::Failed(text, _) => text.clone(),
            Self::Listener(listener) => listener_target(listener),
        }
    }

    fn holds(&self, needle: &str, owners: &Owners) -> bool {
        let holds = |text: &str| text.to_lowercase().contains(needle);
        match self {
            Self::Typed(_) => true,
            Self::Recent(text) | Self::Failed(text, _) => holds(text),
            Self::Listener(l) => {
                let owner = owners.get(&l.inode).and_then(Reading::value);
                holds(&l.shown())
                    || holds(l.transport.word())
                    || owner.is_some_and(|o| {
                        o.unit.as_deref().is_some_and(holds) || o.processes.iter().any(|p| holds(&p.name))
                    })
            }
        }
    }
}

/// What to point the program at for this socket.
pub fn listener_target(l: &Listener) -> String {
    let at = match l.address {
        wildcard if wildcard.is_unspecified() => match l.transport {
            Transport::Tcp => return l.port.to_string(),
            Transport::Udp => format!(":{}", l.port),
        },
        std::net::IpAddr::V4(v4) => format!("{v4}:{}", l.port),
        std::net::IpAddr::V6(v6) => format!("[{v6}]:{}", l.port),
    };
    match l.transport {
        Transport::Tcp => at,
        Transport::Udp => format!("udp://{at}"),
    }
}

impl Picker {
    /// The rows.
    pub fn rows(&self) -> &[Choice] {
        &self.rows
    }

    /// Makes the rows anew.
    pub fn arrange(&mut self, recent: &[String]) {
        let typed = self.typed.trim();
        let needle = typed.to_lowercase();
        let mut rows: Vec<Choice> = Vec::new();
        if Target::parse(typed).is_ok() {
            rows.push(Choice::Typed(typed.to_owned()));
        }
        rows.extend(recent.iter().cloned().map(Choice::Recent));
        let failed = self.facts.failed_units.value().map(Vec::as_slice).unwrap_or_default();
        rows.extend(failed.iter().map(|u| Choice::Failed(u.name.clone(), u.shown_state())));
        let mut seen = HashSet::new();
        let mut listeners: Vec<&Listener> = self
            .facts
            .all_listeners
            .value()
            .into_iter()
            .flatten()
            .filter(|l| seen.insert(listener_target(l)))
            .collect();
        listeners.sort_by_key(|l| (l.transport, l.port, l.address));
        rows.extend(listeners.into_iter().cloned().map(Choice::Listener));
        rows.retain(|row| needle.is_empty() || row.holds(&needle, &self.facts.owners));
        self.rows = rows;
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
    }

    /// The selected row's target.
    pub fn chosen(&self) -> Option<String> {
        self.rows.get(self.cursor).map(Choice::target)
    }

    /// Sockets on the screen whose owner is not known.
    pub fn unowned(&self, rows: usize, most: usize) -> Vec<(u32, Option<u64>)> {
        let listeners = self.rows.iter().skip(self.top).take(rows).filter_map(|row| match row {
            Choice::Listener(l) => Some(l),
            Choice::Typed(_) | Choice::Recent(_) | Choice::Failed(..) => None,
        });
        let missing = listeners.filter(|l| !self.facts.owners.contains_key(&l.inode));
        missing.map(|l| (l.inode, l.cgroup)).take(most).collect()
    }

    /// Moves the selection.
    pub fn walk(&mut self, step: Step, extent: Extent) {
        (self.cursor, self.top) = walk(self.cursor, self.top, step, Extent { of: self.rows.len(), ..extent });
    }
}

/// A selection moved by a step, and the first row that keeps it on the screen.
pub fn walk(cursor: usize, top: usize, step: Step, extent: Extent) -> (usize, usize) {
    let last = extent.of.saturating_sub(1);
    let page = extent.rows.max(2) - 1;
    let cursor = match step {
        Step::Up => cursor.saturating_sub(1),
        Step::Down => cursor.saturating_add(1),
        Step::PageUp => cursor.saturating_sub(page),
        Step::PageDown => cursor.saturating_add(page),
        Step::Top => 0,
        Step::Bottom => last,
    }
    .min(last);
    (cursor, keep(cursor, top, extent))
}

/// The first row that keeps a selection on the screen.
pub fn keep(cursor: usize, top: usize, extent: Extent) -> usize {
    let rows = extent.rows.max(1);
    let top = if cursor < top { cursor } else { top.max((cursor + 1).saturating_sub(rows)) };
    top.min(extent.last_top())
}

/// A text scrolled by a step.
pub fn scroll(top: usize, step: Step, extent: Extent) -> usize {
    let page = extent.rows.max(2) - 1;
    match step {
        Step::Up => top.saturating_sub(1),
        Step::Down => top.saturating_add(1),
        Step::PageUp => top.saturating_sub(page),
        Step::PageDown => top.saturating_add(page),
        Step::Top => 0,
        Step::Bottom => usize::MAX,
    }
    .min(extent.last_top())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::TargetKind;

    fn listener(transport: Transport, address: &str, port: u16) -> Listener {
        Listener {
            transport,
            address: address.parse().unwrap(),
            port,
            v6only: None,
            device: None,
            queue: 0,
            backlog: 0,
            uid: 0,
            inode: u32::from(port),
            cgroup: None,
        }
    }

    #[test]
    fn every_listener_can_be_asked_for() {
        for (transport, address) in [
            (Transport::Tcp, "0.0.0.0"),
            (Transport::Tcp, "::"),
            (Transport::Udp, "0.0.0.0"),
            (Transport::Udp, "127.0.0.53"),
            (Transport::Tcp, "::1"),
            (Transport::Udp, "fe80::1"),
        ] {
            let text = listener_target(&listener(transport, address, 53));
            let kind = Target::parse(&text).expect(&text).kind;
            let (TargetKind::Port { transport: got, port } | TargetKind::Host { transport: got, port, .. }) = kind
            else {
                panic!("{text}: {kind:?}");
            };
            assert_eq!((got, port), (transport, 53), "{text}");
        }
    }

    #[test]
    fn typing_filters_and_offers_what_was_typed() {
        let mut picker = Picker::default();
        let sockets = vec![listener(Transport::Tcp, "0.0.0.0", 80), listener(Transport::Tcp, "::", 80)];
        picker.facts.all_listeners = Reading::known(sockets);
        picker.arrange(&["db1:5432".into()]);
        assert_eq!(picker.rows().len(), 2, "80 is offered once: {:?}", picker.rows());
        picker.typed = "80".into();
        picker.arrange(&["db1:5432".into()]);
        assert_eq!(picker.chosen().as_deref(), Some("80"));
        assert_eq!(picker.rows().len(), 2);
        picker.typed = "a b".into();
        picker.arrange(&[]);
        assert!(picker.chosen().is_none());
    }

    #[test]
    fn a_selection_stays_on_the_screen() {
        let extent = Extent { rows: 3, of: 10 };
        let mut at = (0, 0);
        for step in [Step::Down, Step::Down, Step::Down] {
            at = walk(at.0, at.1, step, extent);
        }
        assert_eq!(at, (3, 1));
        assert_eq!(walk(3, 1, Step::Bottom, extent), (9, 7));
        assert_eq!(walk(9, 7, Step::Down, extent), (9, 7));
        assert_eq!(walk(9, 7, Step::Top, extent), (0, 0));
        assert_eq!(walk(0, 0, Step::Down, Extent { rows: 3, of: 0 }), (0, 0));
        assert_eq!(scroll(0, Step::Bottom, extent), 7);
    }
}
