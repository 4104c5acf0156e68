//! What is live inside a large box of the flowchart: the journal's last lines, listener rows, the packet's way through the
//! rules, hops.

use std::net::IpAddr;

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::told;
use crate::app::chart::Chart;
use crate::app::rules::line::{Line, Reach};
use crate::diagnose::chart::BoxId;
use crate::diagnose::subject::Asker;
use crate::diagnose::verdict::{BoxState, Verdict};
use crate::facts::Reading;
use crate::ui::panes::{hops, journal, rule_line, sources};
use crate::ui::theme::{BAD, COMMAND, GOOD, QUIET, STRONG, Theme};
use crate::ui::words::{Row, wrap};

/// Rows that the box's own words may take where something live follows.
const SAID: usize = 3;

/// The rows of a box, as many as there is room for.
pub(super) fn rows(chart: &Chart, id: BoxId, place: Rect, theme: &Theme) -> Vec<Row> {
    let (width, height) = (usize::from(place.width), usize::from(place.height));
    let Some(state) = chart.diagnosis.get(id) else { return Vec::new() };
    let style = match state.verdict {
        Verdict::No => STRONG,
        Verdict::Yes | Verdict::Unknown => Style::new(),
        Verdict::Unneeded => QUIET,
    };
    let mut rows: Vec<Row> = wrap(&told(state), width).iter().map(|line| Row::of(line, style)).collect();
    if rows.len() > SAID.max(height.min(2)) && height > SAID {
        rows.truncate(SAID);
        let last = rows.pop().unwrap_or_default();
        rows.push(last.cut(width.saturating_sub(2)).put(" …", style));
    }
    let room = height.saturating_sub(rows.len());
    rows.extend(live(chart, id, (width, room), theme));
    let room = height.saturating_sub(rows.len());
    // What the verdict rests on is told where nothing says more.
    if room > 0 && !matches!(id, BoxId::Service | BoxId::Listener | BoxId::Firewall) {
        rows.extend(evidence(chart, state, width));
    }
    rows.truncate(height);
    rows
}

fn live(chart: &Chart, id: BoxId, (width, height): (usize, usize), theme: &Theme) -> Vec<Row> {
    match id {
        BoxId::Service => serving(chart, (width, height), theme),
        BoxId::Listener => listening(chart, width),
        BoxId::Firewall => way(chart, (width, height)),
        BoxId::Network => {
            let hops = hops::chain(chart, (width, height));
            if hops.is_empty() { arriving(chart, width) } else { hops }
        }
        BoxId::Connect | BoxId::Name | BoxId::Container | BoxId::Policy | BoxId::Wrappers => Vec::new(),
    }
}

/// What a verdict rests on, each with the command that shows the same.
fn evidence(chart: &Chart, state: &BoxState, width: usize) -> Vec<Row> {
    let finding = chart.finding(state.id).map(|found| found.evidence.as_slice());
    let mut rows = Vec::new();
    let mut before = "";
    for item in finding.unwrap_or(&state.evidence) {
        if item.says != state.summary {
            rows.extend(wrap(&item.says, width).iter().map(|line| Row::of(line, QUIET)));
        }
        if item.see != before {
            let commands = item.see.lines().take(1);
            rows.extend(commands.map(|line| Row::of("$ ", QUIET).put(line, COMMAND).cut(width)));
        }
        before = &item.see;
    }
    rows
}

/// The unit in a line, and the last lines of its journal.
fn serving(chart: &Chart, (width, height): (usize, usize), theme: &Theme) -> Vec<Row> {
    let unit = chart.journal_of.as_ref().and_then(|name| chart.case.here.units.get(name)).and_then(Reading::value);
    let mut rows: Vec<Row> = Vec::new();
    if let Some(unit) = unit {
        let mut about = Vec::new();
        let since = if unit.state_change_us == 0 { String::new() } else { theme.clock(unit.state_change_us) };
        about.extend((!since.is_empty()).then(|| format!("since {since}")));
        about.extend((!unit.file_state.is_empty()).then(|| format!("at boot {}", unit.file_state)));
        if let Some(service) = &unit.service {
            about.extend((service.main_pid > 0).then(|| format!("process {}", service.main_pid)));
            about.extend((service.restarts > 0).then(|| format!("{} restarts", service.restarts)));
        }
        rows.push(Row::of(about.join(" · "), QUIET).cut(width));
    }
    rows.retain(|row| row.width() > 0);
    let room = height.saturating_sub(rows.len());
    rows.extend(journal::tail(chart, (width, room), theme));
    rows
}

/// `any client ──▶ eth0 10.2.0.2 ──▶ this host`
fn arriving(chart: &Chart, width: usize) -> Vec<Row> {
    let subject = &chart.diagnosis.subject;
    let verdict = chart.diagnosis.get(BoxId::Network).map(|state| state.verdict);
    let (Some(ip), Some(true)) = (subject.address(), subject.local) else { return Vec::new() };
    let (line, style) = match verdict {
        Some(Verdict::Yes) => ("──▶", GOOD),
        Some(Verdict::No) => ("──✘", BAD),
        Some(Verdict::Unknown | Verdict::Unneeded) | None => return Vec::new(),
    };
    let who = match subject.from {
        Asker::Any => "any client".to_owned(),
        Asker::Here => "this host".to_owned(),
        Asker::Address(client) => client.to_string(),
    };
    let own = chart.case.here.addresses.value().map(|own| own.all.as_slice()).unwrap_or_default();
    let interface = own.iter().find(|a| a.address == ip).map(|a| format!("{} ", a.interface)).unwrap_or_default();
    let row = Row::of(who, STRONG).say(" ").put(line, style).say(" ").put(interface, QUIET).put(ip.to_string(), STRONG);
    vec![row.say(" ").put(line, style).say(" this host").cut(width)]
}

/// Who listens, and which of the host's addresses each listener takes: lit is the one that was asked.
///
/// ```text
/// asked at               127.0.0.1:8080
/// ▸ 10.2.0.2  eth0       ✘ no
///   127.0.0.1 lo         ✔ takes it
/// ```
pub(in crate::ui) fn listening(chart: &Chart, width: usize) -> Vec<Row> {
    let all = chart.listeners_of_target();
    if all.is_empty() {
        return Vec::new();
    }
    let mut rows = Vec::new();
    let names = all.iter().map(|listener| listener.shown().chars().count()).max().unwrap_or_default();
    for listener in all {
        let owner = chart.case.here.owners.get(&listener.inode).and_then(|r| r.value());
        let who = owner.map(|o| o.unit.clone().map_or_else(|| o.shown(), |u| format!("{}  {u}", o.shown())));
        let row = Row::of("LISTEN ", QUIET).cell(listener.shown(), names.min(width / 2), STRONG).say("  ");
        rows.push(row.put(who.unwrap_or_default(), QUIET).cut(width));
    }
    let own = chart.case.here.addresses.value().map(|own| own.all.as_slice()).unwrap_or_default();
    let asked = chart.diagnosis.subject.address();
    let mut addresses: Vec<(IpAddr, String)> = own.iter().map(|a| (a.address, a.interface.clone())).collect();
    for ip in asked.into_iter().chain(["127.0.0.1", "::1"].iter().filter_map(|ip| ip.parse().ok())) {
        if !addresses.iter().any(|(known, _)| *known == ip) {
            addresses.push((ip, if ip.is_loopback() { "lo".into() } else { String::new() }));
        }
    }
    // What was asked comes first, and this host's own talk to itself last.
    addresses.sort_by_key(|(ip, _)| (Some(*ip) != asked, ip.is_loopback(), *ip));
    let widest = addresses.iter().map(|(ip, _)| ip.to_string().len()).max().unwrap_or_default();
    for (ip, interface) in addresses {
        let lit = Some(ip) == asked;
        let taker = all.iter().find(|listener| listener.takes(ip));
        let (sign, word, style) = match taker {
            Some(listener) => ("✔", format!("taken by {}", listener.shown()), GOOD),
            None if lit => ("✘", "no listener takes it: refused".to_owned(), BAD),
            None => ("✘", "no listener takes it".to_owned(), Style::new()),
        };
        let head = Row::of(if lit { "▸ " } else { "  " }, STRONG);
        let head = head.cell(ip.to_string(), widest.min(width / 3), if lit { STRONG } else { Style::new() });
        let row = head.say("  ").cell(&interface, 8.min(width / 4), QUIET).say(" ");
        rows.push(row.put(sign, style).put(format!(" {word}"), if lit { style } else { QUIET }).cut(width));
    }
    rows
}

/// The packet's way: the chains and rules it met and what stands beside the one that decides, whoever gets what as a bar.
fn way(chart: &Chart, (width, height): (usize, usize)) -> Vec<Row> {
    let lines = chart.rules.lines();
    let Some(decides) = lines.iter().position(|line| line.decides) else { return Vec::new() };
    let bar = sources::bar(chart, width);
    let mut rows = if bar.width() > 0 { vec![bar] } else { Vec::new() };
    let room = height.saturating_sub(rows.len());
    let met = |line: &Line| line.does.is_some() && line.reach != Reach::NotReached;
    let shown = |reach: usize| -> Vec<&Line> {
        let near = |index: usize| index.abs_diff(decides) <= reach;
        let of_the_way = |(index, line): &(usize, &Line)| near(*index) || met(line);
        lines.iter().enumerate().filter(of_the_way).map(|(_, line)| line).collect()
    };
    let most = (0..room).rev().map(shown).find(|lines| lines.len() <= room).unwrap_or_else(|| shown(0));
    let at = most.iter().position(|line| line.decides).unwrap_or_default();
    let first = (at + 2).saturating_sub(room).min(most.len().saturating_sub(room));
    let columns = rule_line::Columns::brief(width);
    for line in most.into_iter().skip(first).take(room) {
        rows.push(Row::new().to(usize::from(line.depth) * 2).then(columns.row(chart, line)));
    }
    rows
}
