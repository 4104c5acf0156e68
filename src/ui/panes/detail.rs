//! The selected box: what it says, what to do about it, what that rests on and how to see the same.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Dress, content, exchange, heading, labelled, pane, part, rows, sources};
use crate::app::chart::{Chart, Focus, took};
use crate::app::event::Extent;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{Advice, Evidence, Finding, Verdict};
use crate::facts::connect::Outcome;
use crate::facts::unit::Unit;
use crate::ui::theme::{self, BAD, COMMAND, QUIET, STRONG, Theme, mark, outcome_mark};
use crate::ui::words::{Row, wrap};

/// What stands before a change of a file among the commands.
const EDIT: &str = "edit ";

/// Lines longer than this are hard to read.
const WIDEST: usize = 110;

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, framed: bool, chart: &Chart, theme: &Theme) -> Extent {
    let place = content(area, framed);
    let rows = usize::from(place.height);
    if rows == 0 {
        return Extent::default();
    }
    Extent { rows, of: lines(chart, usize::from(place.width), theme).len() }
}

/// Draws the pane.
pub fn draw(buffer: &mut Buffer, area: Rect, framed: bool, chart: &Chart, theme: &Theme) {
    let place = content(area, framed);
    let lines = lines(chart, usize::from(place.width), theme);
    let shown = usize::from(place.height);
    let top = chart.detail_top.min(lines.len().saturating_sub(shown));
    let dress =
        Dress { title: title(chart), note: part(top, shown, lines.len()), focused: chart.focus == Focus::Detail };
    let place = pane(buffer, area, framed, dress);
    rows(buffer, place, lines.iter().skip(top));
}

fn title(chart: &Chart) -> Row {
    let id = chart.selected();
    let number = super::super::flowchart::boxes().position(|b| b == id);
    let number = number.map(|n| format!("{} ", n + 1)).unwrap_or_default();
    let row = Row::new().say(number).say(id.question());
    let Some(state) = chart.diagnosis.get(id) else { return row };
    let mark = mark(state);
    row.say("  ").put(format!("{} {}", mark.sign, mark.word), mark.style)
}

/// All rows of the selected box.
pub fn lines(chart: &Chart, width: usize, theme: &Theme) -> Vec<Row> {
    let id = chart.selected();
    let mut out = Lines { rows: Vec::new(), width: width.min(WIDEST) };
    // Beside the rules, who gets what from them comes first.
    let rules = chart.focus == Focus::Rules && id == BoxId::Firewall;
    if rules {
        filter(&mut out, chart);
        out.gap();
    }
    match chart.finding(id) {
        Some(finding) => found(&mut out, chart, finding),
        None => unfound(&mut out, chart, id),
    }
    if !rules {
        live(&mut out, chart, id, theme);
    }
    for other in chart.diagnosis.causes.iter().filter(|f| f.in_box == id).skip(1) {
        out.gap();
        out.text("also: ", &other.summary, Style::new());
    }
    elsewhere(&mut out, chart, id);
    out.rows
}

struct Lines {
    rows: Vec<Row>,
    width: usize,
}

impl Lines {
    fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    fn gap(&mut self) {
        if !self.rows.is_empty() {
            self.rows.push(Row::new());
        }
    }

    /// Wrapped text after a first word that only the first row has.
    fn text(&mut self, first: &str, text: &str, style: Style) {
        self.led(Row::of(first, style), text, style);
    }

    fn led(&mut self, first: Row, text: &str, style: Style) {
        let indent = first.width();
        let mut lead = Some(first);
        for line in wrap(text, self.width.saturating_sub(indent)) {
            let row = lead.take().unwrap_or_default().to(indent);
            self.push(row.put(line, style));
        }
    }

    /// Commands to type, or lines to edit, one a line.
    fn command(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let (lead, line) = match line.strip_prefix(EDIT) {
                Some(edit) => (EDIT, edit),
                None => ("$ ", line),
            };
            self.led(Row::new().to(indent).put(lead, QUIET), line, COMMAND);
        }
    }
}

fn found(out: &mut Lines, chart: &Chart, finding: &Finding) {
    let style = if finding.latent { theme::WARN } else { BAD };
    out.led(Row::of("✘ ", style), &finding.summary, STRONG);
    let culprit = chart.diagnosis.culprit == Some(finding.cause);
    let role = match (culprit, finding.latent) {
        (true, _) => "the culprit",
        (false, true) => "does not bite yet, but will",
        (false, false) => "found too",
    };
    out.push(Row::of(format!("  {} · {role}", finding.cause), QUIET));
    stacked(out, chart, finding);
    advice(out, &finding.advice, finding.then);
    evidence(out, &finding.evidence);
}

/// All causes in the order they bite, and what the asked side gets after each, where there is more than one.
fn stacked(out: &mut Lines, chart: &Chart, shown: &Finding) {
    let all = &chart.diagnosis.causes;
    if all.len() < 2 {
        return;
    }
    out.gap();
    out.push(heading("In the way, in the order they bite"));
    for (cause, number) in all.iter().zip(1..) {
        let here = std::ptr::eq(cause, shown);
        let lead = Row::of(if here { "▸ " } else { "  " }, STRONG).put(format!("{number} "), BAD);
        out.led(lead, &cause.summary, if here { STRONG } else { Style::new() });
        let place = super::super::flowchart::boxes().position(|id| id == cause.in_box);
        let place = place.map(|at| format!("box {}", at + 1));
        let then = cause.then.map(|then| (format!("then: {}", then.word()), then));
        let style = then.as_ref().map_or(QUIET, |(_, then)| outcome_mark(*then).style);
        let row = Row::new().to(4).put(place.unwrap_or_default(), QUIET).say("  ");
        out.push(row.put(then.map(|(words, _)| words).unwrap_or_default(), style));
    }
}

fn advice(out: &mut Lines, all: &[Advice], then: Option<Outcome>) {
    if all.is_empty() {
        return;
    }
    out.gap();
    let then = then.map(|o| format!("then: {}", if o == Outcome::Open { "open" } else { o.word() }));
    let ours = all.iter().any(|advice| advice.plan.is_some());
    let hint = if ours { "f shows the fix" } else { "" };
    let words: Vec<String> = then.into_iter().chain((!hint.is_empty()).then(|| hint.to_owned())).collect();
    let note = Row::of(words.join(" · "), QUIET);
    out.push(heading("What to do").right(note, out.width));
    for (advice, number) in all.iter().zip(1..) {
        out.led(Row::of(format!("  {number} "), QUIET), &advice.does, Style::new());
        out.command(4, &advice.run);
        if let Some(undo) = &advice.undo {
            let mut lead = Row::of("    undo: ", QUIET);
            for line in undo.lines() {
                out.led(std::mem::replace(&mut lead, Row::new().to(10)), line, QUIET);
            }
        }
    }
}

fn evidence(out: &mut Lines, all: &[Evidence]) {
    if all.is_empty() {
        return;
    }
    out.gap();
    out.push(heading("Evidence").right(Row::of("y copies the command", QUIET), out.width));
    let mut before = "";
    for item in all {
        let tag = item.source.len() + 1;
        let room = out.width.saturating_sub(2 + tag);
        for (line, index) in wrap(&item.says, room).into_iter().zip(0..) {
            let source = if index == 0 { item.source } else { "" };
            let row = Row::new().say("  ").say(line);
            out.push(row.right(Row::of(source, QUIET), out.width));
        }
        if item.see != before {
            out.command(4, &item.see);
        }
        before = &item.see;
    }
}

fn unfound(out: &mut Lines, chart: &Chart, id: BoxId) {
    let Some(state) = chart.diagnosis.get(id) else { return };
    let mark = mark(state);
    out.led(Row::of(mark.sign, mark.style).say(" "), &state.summary, STRONG);
    let because = state.because.as_ref().filter(|b| state.verdict == Verdict::Unknown && **b != state.summary);
    if let Some(because) = because {
        out.text("  because ", because, QUIET);
    }
    evidence(out, &state.evidence);
}

/// What the box looks like now, beyond what its verdict rests on.
fn live(out: &mut Lines, chart: &Chart, id: BoxId, theme: &Theme) {
    match id {
        BoxId::Connect => attempts(out, chart),
        BoxId::Name => name(out, chart),
        BoxId::Service => unit(out, chart, theme),
        BoxId::Listener => sockets(out, chart),
        BoxId::Firewall => filter(out, chart),
        BoxId::Container | BoxId::Policy | BoxId::Wrappers | BoxId::Network => {}
    }
}

fn filter(out: &mut Lines, chart: &Chart) {
    if let Some(dispute) = &chart.diagnosis.dispute {
        out.gap();
        out.push(heading("Disputed"));
        out.text("  rules   ", &dispute.rules, Style::new());
        out.text("  kernel  ", &dispute.kernel, Style::new());
    }
    let shares = sources::rows(chart, out.width);
    if !shares.is_empty() {
        out.gap();
        out.rows.extend(shares);
    }
}

fn attempts(out: &mut Lines, chart: &Chart) {
    let packets = exchange::rows(chart, out.width);
    if !packets.is_empty() {
        out.gap();
        out.push(heading("Packets"));
        out.rows.extend(packets);
    }
    if !chart.diagnosis.symptoms.is_empty() {
        out.gap();
        out.push(heading("Attempts"));
    }
    for symptom in &chart.diagnosis.symptoms {
        let mark = outcome_mark(symptom.outcome);
        let got = format!("{} {} after {}", mark.sign, mark.word, took(symptom.after));
        let row = Row::new().say("  ").cell(symptom.to.to_string(), 24.min(out.width / 2), Style::new());
        out.push(row.say(" ").put(got, mark.style));
        let itself = |who: &&String| symptom.to.ip().is_none_or(|ip| ip.to_string() != **who);
        let who = symptom.answered_by.as_ref().filter(itself);
        let told: Vec<&str> = symptom.errno.iter().chain(who).map(String::as_str).collect();
        if !told.is_empty() {
            out.text("    ", &told.join(": "), QUIET);
        }
    }
    if let Some(see) = chart.see_dial() {
        out.command(4, &see);
    }
    for note in &chart.diagnosis.notes {
        out.gap();
        out.text("", note, Style::new());
    }
}

fn name(out: &mut Lines, chart: &Chart) {
    let Some(host) = &chart.diagnosis.subject.host else { return };
    let Some(resolution) = chart.case.here.names.get(host).and_then(|r| r.value()) else { return };
    out.gap();
    out.push(heading("Resolver"));
    for line in &resolution.hosts_lines {
        out.led(Row::of(format!("  /etc/hosts:{} ", line.line), QUIET), &line.text, Style::new());
    }
    if let Some(order) = &resolution.nsswitch {
        out.text("  hosts: ", order, QUIET);
    }
    let servers: Vec<String> = resolution.nameservers.iter().map(ToString::to_string).collect();
    if !servers.is_empty() {
        out.text("  name servers ", &servers.join(", "), QUIET);
    }
}

fn unit(out: &mut Lines, chart: &Chart, theme: &Theme) {
    let name = chart.journal_of.as_ref();
    let Some(unit) = name.and_then(|n| chart.case.here.units.get(n)).and_then(|r| r.value()) else { return };
    out.gap();
    out.push(heading("Unit"));
    let style = match unit.active_state.as_str() {
        "active" | "reloading" => theme::GOOD,
        "failed" => BAD,
        _ => Style::new(),
    };
    let mut fact = |label: &str, value: &str, style: Style| {
        if !value.is_empty() {
            out.led(labelled(&format!("  {label}"), 12, "", style), value, style);
        }
    };
    fact("name", &unit.name, Style::new());
    fact("state", &state_since(unit, theme), style);
    fact("at boot", &unit.file_state, Style::new());
    if let Some(service) = &unit.service {
        let result = if service.result == "success" { "" } else { service.result.as_str() };
        fact("result", result, BAD);
        let pid = if service.main_pid == 0 { String::new() } else { service.main_pid.to_string() };
        fact("process", &pid, Style::new());
        let restarts = if service.restarts == 0 { String::new() } else { service.restarts.to_string() };
        fact("restarts", &restarts, theme::WARN);
    }
    fact("file", unit.fragment.as_deref().unwrap_or_default(), QUIET);
}

fn state_since(unit: &Unit, theme: &Theme) -> String {
    let since = if unit.state_change_us == 0 { String::new() } else { theme.clock(unit.state_change_us) };
    if since.is_empty() { unit.shown_state() } else { format!("{} since {since}", unit.shown_state()) }
}

fn sockets(out: &mut Lines, chart: &Chart) {
    let Some(port) = chart.diagnosis.subject.port else { return };
    let all = chart.listeners_of_target();
    if all.is_empty() {
        return;
    }
    out.gap();
    out.push(heading(&format!("Sockets on port {port}")));
    let wanted = chart.diagnosis.subject.address();
    for listener in all {
        let owner = chart.case.here.owners.get(&listener.inode).and_then(|r| r.value());
        let takes = wanted.is_some_and(|ip| listener.takes(ip));
        let (sign, style) = if takes { ("✔", theme::GOOD) } else { ("✘", BAD) };
        let row = Row::new().say("  ").put(sign, style).say(" ").cell(listener.shown(), 22, Style::new());
        let who = owner.map(|o| o.unit.clone().map_or_else(|| o.shown(), |u| format!("{}  {u}", o.shown())));
        out.push(row.say(" ").put(who.unwrap_or_default(), QUIET));
    }
    if let Some(address) = wanted {
        out.push(Row::of(format!("  wanted {}", std::net::SocketAddr::new(address, port)), QUIET));
    }
}

/// Where the culprit is, when it is in another box.
fn elsewhere(out: &mut Lines, chart: &Chart, id: BoxId) {
    let Some(culprit) = chart.diagnosis.culprit().filter(|f| f.in_box != id) else { return };
    out.gap();
    let number = super::super::flowchart::boxes().position(|b| b == culprit.in_box).map_or(0, |n| n + 1);
    out.led(Row::of(format!("culprit in box {number}: "), QUIET), &culprit.summary, QUIET);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_files_are_told_from_commands() {
        let mut out = Lines { rows: Vec::new(), width: 60 };
        out.command(2, "edit /etc/redis/redis.conf:87: bind 10.2.0.2\nsystemctl restart redis");
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 2));
        out.rows.iter().zip(0..).for_each(|(row, y)| row.draw(&mut buffer, 0, y, 60));
        let shown = [0, 1].map(|y| (0..60).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned());
        assert_eq!(shown, ["  edit /etc/redis/redis.conf:87: bind 10.2.0.2", "  $ systemctl restart redis"]);
    }
}
