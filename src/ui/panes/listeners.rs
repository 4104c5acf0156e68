//! The live listener table, as `ss -ltnup` would print it: new rows marked, gone rows struck, the diagnosed port lit.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Dress, content, pane, part, rows};
use crate::app::chart::{Chart, Focus, Origin};
use crate::app::event::Extent;
use crate::app::table::{Fate, Owners, Row as Socket};
use crate::facts::Reading;
use crate::facts::socket::Transport;
use crate::ui::theme::{FOCUS, GONE, GOOD, QUIET, SELECTED, STRONG, WARN};
use crate::ui::words::{Row, fit_end};

/// The line with the columns' names.
const HEAD: u16 = 1;

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, framed: bool, chart: &Chart) -> Extent {
    let rows = content(area, framed).height.saturating_sub(HEAD);
    Extent { rows: usize::from(rows), of: chart.table.len() }
}

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, framed: bool, chart: &Chart) {
    let shown = extent(area, framed, chart);
    let top = chart.table.top.min(shown.last_top());
    let focused = matches!(chart.focus, Focus::Listeners | Focus::Filter);
    let dress = Dress { title: title(chart), note: part(top, shown.rows, shown.of), focused };
    let place = pane(buffer, area, framed, dress);
    let width = usize::from(place.width);
    let columns = Columns::of(width, chart.table.widest());
    let mut lines = vec![columns.head(chart)];
    let owners = &chart.case.here.owners;
    for (socket, index) in chart.table.window(top, shown.rows).zip(top..) {
        let row = columns.row(socket, owners, ours(chart, socket));
        let chosen = focused && index == chart.table.cursor;
        lines.push(if chosen { row.to(width).over(SELECTED) } else { row });
    }
    if chart.table.is_empty() {
        lines.push(Row::of(nothing(chart), QUIET));
    }
    rows(buffer, place, &lines);
}

fn title(chart: &Chart) -> Row {
    let title = Row::new().say("Listeners").put(format!("  {}", chart.table.total()), QUIET);
    match (chart.focus, chart.table.filter.as_str()) {
        (Focus::Filter, text) => title.put("  /", FOCUS).put(text, FOCUS).put("▏", FOCUS),
        (_, "") => title.put(format!("  by {}", chart.table.sort.word()), QUIET),
        (_, text) => title.put(format!("  /{text}"), WARN),
    }
}

fn nothing(chart: &Chart) -> String {
    let reading = &chart.case.here.all_listeners;
    match reading {
        Reading::NotAsked if chart.origin == Origin::Recording => "not in the recording".into(),
        Reading::NotAsked | Reading::Pending => "looking …".into(),
        Reading::Known(_) if chart.table.filter.is_empty() => "nothing listens on this host".into(),
        Reading::Known(_) => "no listener holds that text".into(),
        Reading::Absent => "this host has no socket table".into(),
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            format!("cannot be read: {}", reading.blind().unwrap_or_default())
        }
    }
}

fn ours(chart: &Chart, socket: &Socket) -> bool {
    let subject = &chart.diagnosis.subject;
    subject.transport == socket.listener.transport
        && subject.local == Some(true)
        && subject.ports.contains(&socket.listener.port)
}

struct Columns {
    address: usize,
    queue: usize,
}

impl Columns {
    fn of(width: usize, widest: usize) -> Self {
        let queue = if width >= 44 { 10 } else { 0 };
        let room = width.saturating_sub(queue + 11);
        Self { address: widest.clamp(12, (room * 3 / 5).max(12)), queue }
    }

    fn head(&self, chart: &Chart) -> Row {
        let sorted = |word: &'static str| if chart.table.sort.word() == word { QUIET.patch(STRONG) } else { QUIET };
        Row::new()
            .cell("", 2, QUIET)
            .cell("state", 7, QUIET)
            .cell(
                "address:port",
                self.address,
                if sorted("port") == QUIET { sorted("address") } else { sorted("port") },
            )
            .say(if self.queue > 0 { " " } else { "" })
            .cell("queue", self.queue, sorted("queue"))
            .say(" ")
            .put("owner", sorted("owner"))
    }

    fn row(&self, socket: &Socket, owners: &Owners, ours: bool) -> Row {
        let listener = &socket.listener;
        let (sign, style) = match socket.fate {
            Fate::New(_) => ("+", GOOD),
            Fate::Gone => ("-", GONE),
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
        Row::new()
            .cell(sign, 2, style)
            .cell(state, 7, if socket.fate == Fate::Gone { GONE } else { QUIET })
            .cell(fit_end(&socket.address, self.address), self.address, lit)
            .say(if self.queue > 0 { " " } else { "" })
            .cell(queue, self.queue, if full { WARN } else { style })
            .say(" ")
            .put(owner(socket, owners), style)
    }
}

fn owner(socket: &Socket, owners: &Owners) -> String {
    let Some(reading) = owners.get(&socket.listener.inode) else { return String::new() };
    match reading {
        Reading::Known(known) => match (known.value.processes.first(), &known.value.unit) {
            (Some(process), Some(unit)) => format!("{}[{}]  {unit}", process.name, process.pid),
            _ => known.value.shown(),
        },
        Reading::NotAsked | Reading::Pending => "…".into(),
        Reading::Absent => "?".into(),
        Reading::Denied { .. } | Reading::Failed { .. } | Reading::TimedOut { .. } => {
            format!("? {}", reading.blind().unwrap_or_default())
        }
    }
}
