//! What each address of the target gets: a row a family, a column an interface.
//!
//! ```text
//!        loopback             eth0
//!  IPv4  127.0.0.1 ✔ open     10.2.0.2 ✘ refused
//!  IPv6  ::1 ✔ open           2001:db8::2 ✘ refused
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ratatui::style::Style;

use crate::app::chart::Chart;
use crate::diagnose::verdict::Symptom;
use crate::ui::theme::{QUIET, STRONG, outcome_mark};
use crate::ui::words::Row;

/// Columns before the first address.
const LEAD: usize = 7;
/// Space between columns.
const GAP: usize = 3;

/// One address and what it gets.
type Cell<'a> = (IpAddr, &'a Symptom);

/// A column: the addresses of one interface, at most one of a family.
#[derive(Debug)]
struct Column<'a> {
    head: String,
    four: Option<Cell<'a>>,
    six: Option<Cell<'a>>,
}

impl<'a> Column<'a> {
    /// The cell of the family of `ip`.
    fn of(&self, ip: IpAddr) -> Option<Cell<'a>> {
        if ip.is_ipv4() { self.four } else { self.six }
    }

    fn of_mut(&mut self, ip: IpAddr) -> &mut Option<Cell<'a>> {
        if ip.is_ipv4() { &mut self.four } else { &mut self.six }
    }

    fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        self.four.into_iter().chain(self.six)
    }

    /// Columns that its longest address takes.
    fn addresses(&self) -> usize {
        self.cells().map(|(ip, _)| ip.to_string().len()).max().unwrap_or_default()
    }

    fn width(&self) -> usize {
        let cells = self.cells().map(|cell| self.shown(cell).width());
        cells.chain([Row::new().say(&self.head).width()]).max().unwrap_or_default()
    }

    /// `10.2.0.2 ✘ refused`; the address the verdict is about stands out.
    fn shown(&self, (ip, symptom): Cell<'_>) -> Row {
        let mark = outcome_mark(symptom.outcome);
        let at = Row::of(ip.to_string(), if symptom.diagnosed { STRONG } else { Style::new() });
        at.to(self.addresses() + 1).put(format!("{} {}", mark.sign, mark.word), mark.style)
    }
}

/// The rows; none where only one address was tried.
pub fn rows(chart: &Chart, width: usize) -> Vec<Row> {
    let cells: Vec<Cell<'_>> = chart.diagnosis.symptoms.iter().filter_map(|s| Some((s.to.ip()?, s))).collect();
    if cells.len() < 2 {
        return Vec::new();
    }
    let mut columns = columns(chart, &cells);
    let all = columns.len();
    while columns.len() > 1 && LEAD + columns.iter().map(|c| c.width() + GAP).sum::<usize>() > width {
        columns.pop();
    }
    let mut rows = Vec::new();
    if columns.iter().any(|column| !column.head.is_empty()) {
        let head = line("", columns.iter().map(|column| (column.width(), Row::of(&column.head, QUIET))));
        let more = if all > columns.len() { format!("{} more", all - columns.len()) } else { String::new() };
        rows.push(head.right(Row::of(more, QUIET), width));
    }
    for (name, any) in [("IPv4", IpAddr::V4(Ipv4Addr::UNSPECIFIED)), ("IPv6", IpAddr::V6(Ipv6Addr::UNSPECIFIED))] {
        if columns.iter().any(|column| column.of(any).is_some()) {
            let cell = |column: &Column<'_>| column.of(any).map(|cell| column.shown(cell)).unwrap_or_default();
            rows.push(line(name, columns.iter().map(|column| (column.width(), cell(column)))));
        }
    }
    rows
}

fn line(name: &str, cells: impl Iterator<Item = (usize, Row)>) -> Row {
    let mut row = Row::new().say(" ").put(name, QUIET);
    let mut at = LEAD;
    for (width, cell) in cells {
        row = row.to(at).then(cell);
        at += width + GAP;
    }
    row
}

/// Loopback first, then the interface of the address the verdict is about.
fn columns<'a>(chart: &Chart, cells: &[Cell<'a>]) -> Vec<Column<'a>> {
    let mut columns: Vec<Column<'a>> = Vec::new();
    for (ip, symptom) in cells.iter().filter(|c| c.0.is_loopback()).chain(cells.iter().filter(|c| !c.0.is_loopback())) {
        let head = place(chart, *ip);
        let free = |column: &&mut Column<'a>| column.head == head && column.of(*ip).is_none();
        if let Some(column) = columns.iter_mut().find(free) {
            *column.of_mut(*ip) = Some((*ip, symptom));
            continue;
        }
        let mut column = Column { head, four: None, six: None };
        *column.of_mut(*ip) = Some((*ip, symptom));
        columns.push(column);
    }
    columns
}

/// What an address belongs to: loopback, an interface of this host, or nothing that is known here.
fn place(chart: &Chart, ip: IpAddr) -> String {
    if ip.is_loopback() {
        return "loopback".into();
    }
    let all = chart.case.here.addresses.value().map(|own| own.all.as_slice()).unwrap_or_default();
    all.iter().find(|own| own.address == ip).map(|own| own.interface.clone()).unwrap_or_default()
}
