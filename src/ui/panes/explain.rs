//! A box explained, over whatever is on the screen: what it asks, the classic command for it, what the answers mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::heading;
use super::sheet::{Sheet, Size};
use crate::app::chart::Chart;
use crate::report::about::about;
use crate::ui::theme::{COMMAND, QUIET, STRONG};
use crate::ui::words::{Row, wrap};

/// Its size.
const SIZE: Size = Size { widest: 96, free: 2, least: 0 };

fn lines(chart: &Chart, width: usize) -> Vec<Row> {
    let id = chart.selected();
    let about = about(id, &chart.case, &chart.diagnosis, chart.journal_of.as_deref());
    let mut out = Vec::new();
    let text = |out: &mut Vec<Row>, lead: Row, words: &str, style: Style| {
        let indent = lead.width();
        let mut lead = Some(lead);
        for line in wrap(words, width.saturating_sub(indent)) {
            out.push(lead.take().unwrap_or_default().to(indent).put(line, style));
        }
    };
    text(&mut out, Row::new(), &about.asks, STRONG);
    if let Some(state) = chart.diagnosis.get(id) {
        let mark = crate::ui::theme::mark(state);
        text(&mut out, Row::of(format!("{} ", mark.sign), mark.style), &state.summary, Style::new());
    }
    out.push(Row::new());
    out.push(heading("By hand"));
    for (command, what) in &about.commands {
        text(&mut out, Row::of("  $ ", QUIET), command, COMMAND);
        text(&mut out, Row::new().to(4), what, QUIET);
    }
    out.push(Row::new());
    out.push(heading("What comes back, and what it means"));
    let widest = about.answers.iter().map(|(answer, _)| Row::new().say(answer).width()).max().unwrap_or_default();
    let beside = widest + 30 <= width;
    for (answer, means) in &about.answers {
        if beside {
            text(&mut out, Row::new().say("  ").cell(answer, widest + 2, STRONG), means, Style::new());
        } else {
            text(&mut out, Row::new().to(2), answer, STRONG);
            text(&mut out, Row::new().to(4), means, Style::new());
        }
    }
    if let Some((cause, title, what)) = about.cause {
        out.push(Row::new());
        out.push(heading("What was found here").right(Row::of(format!("unrefuse explain {cause}"), COMMAND), width));
        text(&mut out, Row::new().to(2), title, STRONG);
        text(&mut out, Row::new().to(2), what, Style::new());
    }
    out
}

/// The page, laid out.
pub(in crate::ui) fn sheet(area: Rect, chart: &Chart) -> Sheet {
    Sheet::new(area, SIZE, |width| lines(chart, width))
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, chart: &Chart, top: usize) {
    sheet(area, chart).draw(buffer, Row::new().say("Explained: ").say(chart.selected().question()), top);
}
