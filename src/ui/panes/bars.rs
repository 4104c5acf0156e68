//! The line at the top (what is asked, how fresh the answer is) and the line at the bottom (keys, or a notice).

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::app::chart::{Chart, Origin};
use crate::app::client;
use crate::app::ends::Ends;
use crate::app::find::Find;
use crate::app::listening::Listening;
use crate::app::retest::Mode;
use crate::app::state::{Screen, State};
use crate::diagnose::subject::Asker;
use crate::facts::Facts;
use crate::ui::keys::{Keys, Word};
use crate::ui::theme::{BAD, FOCUS, GOOD, QUIET, STRONG, Theme, WARN};
use crate::ui::words::Row;

/// Draws the line at the top.
pub fn header(buffer: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let width = usize::from(area.width);
    let row = match &state.screen {
        Screen::Picker(_) => Row::of(" unrefuse", STRONG).put("  which connection is refused?", QUIET),
        Screen::Listeners(all) => listening_header(all, theme, width),
        Screen::Chart(chart) => chart_header(chart, state, theme, width),
    };
    row.draw(buffer, area.x, area.y, area.width);
}

fn chart_header(chart: &Chart, state: &State, theme: &Theme, width: usize) -> Row {
    let left = Row::of(" unrefuse", STRONG).say("  ").then(asked(chart));
    across(left, pulse(chart, state), about(&chart.case.here, chart.last_answer_ms, theme), width)
}

fn listening_header(all: &Listening, theme: &Theme, width: usize) -> Row {
    let left = Row::of(" unrefuse", STRONG).say("  ").put("all listeners", STRONG);
    let open = all.facts.all_listeners.is_open();
    let pulse = if open { Row::of("… looking", WARN) } else { Row::of("● live", GOOD) };
    across(left, pulse, about(&all.facts, all.last_answer_ms, theme), width)
}

/// Who looks at which host, and when the last answer came.
fn about(here: &Facts, last_answer_ms: u64, theme: &Theme) -> Row {
    let mut about = Row::new();
    if let Some(host) = here.host.value() {
        let user = host.user.clone().unwrap_or_else(|| format!("uid {}", host.uid));
        let rights = if host.uid == 0 { "" } else { ", no root" };
        about = about.put(format!("   {user}@{}{rights}", host.hostname), QUIET);
    }
    if last_answer_ms > 0 {
        about = about.put(format!("   {}", theme.clock(last_answer_ms.saturating_mul(1000))), QUIET);
    }
    about
}

/// What there is room for: all of it, without the rest, or the left alone.
fn across(left: Row, pulse: Row, rest: Row, width: usize) -> Row {
    let short = pulse.clone().say(" ");
    let right = pulse.then(rest).say(" ");
    if left.width() + right.width() < width {
        left.right(right, width)
    } else if left.width() + short.width() < width {
        left.right(short, width)
    } else {
        left
    }
}

/// `db1:5432 → 10.0.0.5   from any client`
fn asked(chart: &Chart) -> Row {
    let subject = &chart.diagnosis.subject;
    let input = &chart.case.target.input;
    let mut row = Row::of(input, STRONG);
    if let Some(endpoint) = subject.endpoint() {
        let at = endpoint.to_string();
        if !input.ends_with(&at) {
            row = row.put(" → ", QUIET).say(at);
        }
    }
    let from = match subject.from {
        Asker::Here => "  from here".to_owned(),
        Asker::Any => "  from any client".to_owned(),
        Asker::Address(ip) => format!("  from {ip}"),
    };
    row.put(from, QUIET)
}

fn pulse(chart: &Chart, state: &State) -> Row {
    match (chart.origin, chart.retest.mode) {
        (Origin::Recording, _) if matches!(state.ends, Ends::Asked(_)) => Row::of("… asking both ends", WARN),
        (Origin::Recording, _) if state.ends == Ends::Askable => Row::of("● both ends", GOOD),
        (Origin::Recording, _) => Row::of("● recording", WARN),
        (Origin::Host, Mode::Continuous) => Row::of("● every 2 s", FOCUS),
        (Origin::Host, Mode::OnKey) if chart.diagnosis.settled => Row::of("● live", GOOD),
        (Origin::Host, Mode::OnKey) => {
            let open = state.asking.count();
            Row::of(format!("… {open} answer{} to come", if open == 1 { "" } else { "s" }), WARN)
        }
    }
}

/// A word of the bottom line, and where it is.
#[derive(Debug)]
pub struct Placed {
    /// The word.
    pub word: Word,
    /// Its place, keys included.
    pub place: Rect,
}

/// The words there is room for, each in its place; none while something else is said there.
pub fn words(area: Rect, state: &State, keys: &Keys) -> Vec<Placed> {
    let typed = matches!(&state.screen, Screen::Chart(chart) if chart.client.is_some() || chart.sought().is_some());
    if state.notice.is_some() || typed || area.is_empty() {
        return Vec::new();
    }
    let gap = u16::from(area.width >= 100);
    let mut kept = keys.bar(state.mode());
    // The last ones (help, quit) are kept when there is no room for all.
    let cost = |word: &Word| columns(&word.keys) + columns(word.word) + 2 + gap;
    while kept.iter().map(cost).fold(0, u16::saturating_add) > area.width && kept.len() > 2 {
        kept.remove(kept.len() - 3);
    }
    let mut x = area.x + 1;
    let mut placed = Vec::new();
    for word in kept {
        let (from, width) = (x, cost(&word));
        x = x.saturating_add(width);
        placed.push(Placed { place: Rect { x: from, width: width - 1 - gap, ..area }.intersection(area), word });
    }
    placed
}

fn columns(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX / 8).min(u16::MAX / 8)
}

/// Draws the line at the bottom.
pub fn footer(buffer: &mut Buffer, area: Rect, state: &State, keys: &Keys) {
    if let Some(notice) = &state.notice {
        Row::of(" ", WARN).put(notice, WARN).draw(buffer, area.x, area.y, area.width);
        return;
    }
    for Placed { word, place } in words(area, state, keys) {
        let row = Row::of(&word.keys, FOCUS).say(" ").put(word.word, QUIET);
        row.draw(buffer, place.x, place.y, area.right().saturating_sub(place.x));
    }
}

/// Draws the line that a client's address is typed into, over the line at the bottom; yields where the cursor belongs.
pub fn client(buffer: &mut Buffer, line: &client::Line) -> Option<Position> {
    let hint = "an address, any or here; empty: any client";
    Prompt { label: " client ", text: &line.typed, hint, wrong: line.wrong.as_deref() }.draw(buffer)
}

/// Draws the line that a text to be found is typed into, likewise.
pub fn find(buffer: &mut Buffer, find: &Find) -> Option<Position> {
    Prompt { label: " find ", text: &find.typed, hint: "Enter finds it, Esc does not", wrong: None }.draw(buffer)
}

/// A line that something is typed into.
struct Prompt<'a> {
    label: &'a str,
    text: &'a str,
    hint: &'a str,
    wrong: Option<&'a str>,
}

impl Prompt<'_> {
    fn draw(&self, buffer: &mut Buffer) -> Option<Position> {
        let area = buffer.area;
        let y = area.bottom().checked_sub(1)?;
        let width = usize::from(area.width);
        let blank = Row::new().to(width);
        let row = Row::of(self.label, FOCUS.patch(STRONG)).put(self.text, STRONG);
        let at = u16::try_from(row.width()).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
        let aside = self.wrong.map_or_else(|| Row::of(self.hint, QUIET), |wrong| Row::of(wrong, BAD));
        let mut draw = |row: Row, y: u16| {
            blank.draw(buffer, area.x, y, area.width);
            buffer.set_style(Rect { y, height: 1, ..area }, ratatui::style::Style::reset());
            row.draw(buffer, area.x, y, area.width);
        };
        if row.width() + 3 + aside.width() <= width {
            draw(row.say("   ").then(aside), y);
        } else {
            // What is wrong is worth a line of its own.
            draw(row, y);
            if let (Some(_), Some(above)) = (self.wrong, y.checked_sub(1)) {
                draw(Row::new().say(" ").then(aside), above);
            }
        }
        Some(Position { x: area.x + at, y })
    }
}
