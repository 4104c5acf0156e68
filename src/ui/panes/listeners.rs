//! The live listener table, as `ss -ltnup` would print it: new rows marked, gone rows struck, the diagnosed port lit.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Dress, content, pane, part, rows};
use crate::app::chart::{Chart, Focus, Origin};
use crate::app::event::Extent;
use crate::app::listening::{Attention, Listening};
use crate::app::table::{Fate, Owners, Row as Socket, Table, View as Rows};
use crate::diagnose::subject::Subject;
use crate::facts::socket::Transport;
use crate::facts::{Facts, Reading};
use crate::ui::theme::{BAD, FOCUS, GONE, GOOD, QUIET, SELECTED, STRONG, WARN};
use crate::ui::words::{Row, fit_end};

/// The line with the columns' names.
const HEAD: u16 = 1;

/// A table and what is shown with it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    table: &'a Table,
    here: &'a Facts,
    origin: Origin,
    keys: Keys,
    /// The diagnosed target, whose rows are lit.
    subject: Option<&'a Subject>,
}

/// Where the keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Elsewhere,
    Rows,
    Filter,
}

impl<'a> View<'a> {
    /// The table beside a diagnosis.
    pub fn beside(chart: &'a Chart) -> Self {
        let keys = match chart.focus {
            Focus::Listeners => Keys::Rows,
            Focus::Filter => Keys::Filter,
            Focus::Chart | Focus::Detail | Focus::Rules | Focus::Journal => Keys::Elsewhere,
        };
        let subject = Some(&chart.diagnosis.subject);
        Self { table: &chart.table, here: &chart.case.here, origin: chart.origin, keys, subject }
    }

    /// The table alone.
    pub fn alone(all: &'a Listening) -> Self {
        let keys = match all.attention {
            Attention::Rows => Keys::Rows,
            Attention::Filter => Keys::Filter,
        };
        Self { table: &all.table, here: &all.facts, origin: Origin::Host, keys, subject: None }
    }

    fn ours(&self, socket: &Socket) -> bool {
        self.subject.is_some_and(|subject| {
            subject.transport == socket.listener.transport
                && subject.local == Some(true)
                && subject.ports.contains(&socket.listener.port)
        })
    }
}

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, framed: bool, view: View<'_>) -> Extent {
    let rows = content(area, framed).height.saturating_sub(HEAD);
    Extent { rows: usize::from(rows), of: view.table.len() }
}

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, framed: bool, view: View<'_>) {
    let shown = extent(area, framed, view);
    let top = view.table.top.min(shown.last_top());
    let focused = view.keys != Keys::Elsewhere;
    let dress = Dress { title: title(view), note: part(top, shown.rows, shown.of), focused };
    let place = pane(buffer, area, framed, dress);
    let width = usize::from(place.width);
    let columns = Columns::of(width, view.table.widest());
    // The columns are known; what is wrong with a filter is not.
    let head = view.table.wrong().map_or_else(|| columns.head(view.table), |wrong| Row::of(wrong, BAD));
    let mut lines = vec![head];
    for (socket, index) in view.table.window(top, shown.rows).zip(top..) {
        let row = columns.row(socket, &view.here.owners, view.ours(socket));
        let chosen = focused && index == view.table.cursor;
        lines.push(if chosen { row.to(width).over(SELECTED) } else { row });
    }
    if view.table.is_empty() {
        lines.push(Row::of(nothing(view), QUIET));
    }
    rows(buffer, place, &lines);
}

fn title(view: View<'_>) -> Row {
    let title = Row::new().say("Listeners").put(format!("  {}", view.table.total()), QUIET);
    let title = match view.table.view {
        Rows::All => title,
        Rows::Changes => title.put("  since the watch began", WARN),
    };
    let title = match view.table.held() {
        None => title,
        Some(held) if held.new + held.gone == 0 => title.put("  frozen", WARN),
        Some(held) => title.put(format!("  frozen: +{} -{} meanwhile", held.new, held.gone), WARN),
    };
    match (view.keys, view.table.filter.as_str()) {
        (Keys::Filter, text) => title.put("  /", FOCUS).put(text, FOCUS).put("▏", FOCUS),
        (_, "") => title.put(format!("  by {}", view.table.sort.word()), QUIET),
        (_, text) => title.put(format!("  /{text}"), WARN),
    }
}

fn nothing(view: View<'_>) -> String {
    let reading = &view.here.all_listeners;
    match reading {
        Reading::NotAsked if view.origin == Origin::Recording => "not in the recording".into(),
        Reading::NotAsked | Reading::Pending => "looking …".into(),
        Reading::Known(_) if !view.table.filter.is_empty() => "no listener fits the filter".into(),
        Reading::Known(_) if view.table.view == Rows::Changes => "nothing changed since the watch began".into(),
        Reading::Known(_) => "nothing listens on this host".into(),
        Reading::Absent => "this host has no socket table".into(),
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            format!("cannot be read: {}", reading.blind().unwrap_or_default())
        }
    }
}

struct Columns {
    address: usize,
    queue: usize,
    owner: Owned,
}

/// How the owner is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owned {
    /// Process and unit, one after the other.
    Together,
    /// In columns of their own.
    Apart,
    /// With the command line.
    Fully,
}

const PROCESS: usize = 24;
const UNIT: usize = 38;

impl Columns {
    fn of(width: usize, widest: usize) -> Self {
        let queue = if width >= 44 { 10 } else { 0 };
        let room = width.saturating_sub(queue + 11);
        let address = widest.clamp(12, (room * 3 / 5).max(12));
        let owner = match room.saturating_sub(address) {
            0..=61 => Owned::Together,
            62..=99 => Owned::Apart,
            _ => Owned::Fully,
        };
        Self { address, queue, owner }
    }

    fn head(&self, table: &Table) -> Row {
        let sorted = |word: &'static str| if table.sort.word() == word { Style::new().patch(STRONG) } else { QUIET };
        let head = Row::new()
            .cell("", 2, QUIET)
            .cell("state", 7, QUIET)
            .cell(
                "address:port",
                self.address,
                if sorted("port") == QUIET { sorted("address") } else { sorted("port") },
            )
            .say(if self.queue > 0 { " " } else { "" })
            .cell("queue", self.queue, sorted("queue"))
            .say(" ");
        let [process, unit, command] = match self.owner {
            Owned::Together => ["owner", "", ""],
            Owned::Apart => ["process", "unit", ""],
            Owned::Fully => ["process", "unit", "command"],
        };
        self.owned(head, [process, unit, command], sorted("owner"))
    }

    /// Adds what is told of the owner.
    fn owned(&self, row: Row, [process, unit, command]: [&str; 3], style: Style) -> Row {
        if self.owner == Owned::Together {
            return row.put([process, unit].join("  ").trim_end(), style);
        }
        row.cell(process, PROCESS, style).say(" ").cell(unit, UNIT, style).say(" ").put(command, style)
    }

    fn row(&self, socket: &Socket, owners: &Owners, ours: bool) -> Row {
        let listener = &socket.listener;
        let (sign, style) = match socket.fate {
            Fate::New(_) => ("+", GOOD),
            Fate::Gone => ("-", GONE),
            Fate::Changed(_) => ("~", WARN),
            Fate::Stands if ours => ("▸", WARN.patch(STRONG)),
            Fate::Stands => (" ", Style::new()),
        };
        let lit = if ours && socket.fate == Fate::Stands { STRONG } else { style };
        let state = match listener.transport {
            Transport::Tcp => "LISTEN",
            Transport::Udp => "UDP",
        };
        let full = listener.transport == Transport::Tcp && listener.queue > listener.backlog;
        let queue = match listener.transport {
            Transport::Tcp => format!("{}/{}", listener.queue, listener.backlog),
            Transport::Udp => format!("{}", listener.queue),
        };
        let row = Row::new()
            .cell(sign, 2, style)
            .cell(state, 7, if socket.fate == Fate::Gone { GONE } else { QUIET })
            .cell(fit_end(&socket.address, self.address), self.address, lit)
            .say(if self.queue > 0 { " " } else { "" })
            .cell(queue, self.queue, if full { WARN } else { lit })
            .say(" ");
        let [mut process, unit, command] = owner(socket.listener.inode, owners);
        if let Fate::Changed(inode) = socket.fate {
            process = format!("{process}, was {}", owner(inode, owners)[0]);
        }
        let command = if self.owner == Owned::Fully { command } else { String::new() };
        self.owned(row, [&process, &unit, &command], lit)
    }
}

/// Process, unit and command line, or why they are not known.
fn owner(inode: u32, owners: &Owners) -> [String; 3] {
    let Some(reading) = owners.get(&inode) else { return Default::default() };
    match reading {
        Reading::Known(known) => {
            let owner = &known.value;
            let process = owner.processes.first();
            let named = process.map(|p| format!("{}[{}]", p.name, p.pid));
            let unit = owner.unit.clone().unwrap_or_default();
            let unknown = if unit.is_empty() { "?" } else { "" };
            [named.unwrap_or_else(|| unknown.into()), unit, process.map(|p| p.command.clone()).unwrap_or_default()]
        }
        Reading::NotAsked | Reading::Pending => ["…".into(), String::new(), String::new()],
        Reading::Absent => ["?".into(), String::new(), String::new()],
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            [format!("? {}", reading.blind().unwrap_or_default()), String::new(), String::new()]
        }
    }
}
