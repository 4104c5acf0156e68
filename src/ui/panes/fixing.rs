//! A fix over the screen: the plans, what the chosen one changes, what it exposes, how it is taken back, and what happens.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{cover, frame, heading, part, rows};
use crate::app::chart::Chart;
use crate::app::event::Extent;
use crate::app::fixing::{End, Fixing, Job, Stage, more};
use crate::facts::connect::Outcome;
use crate::fixes::{Plan, Risk, Scope};
use crate::ui::layout;
use crate::ui::theme::{BAD, FOCUS, GOOD, QUIET, SELECTED, STRONG, WARN};
use crate::ui::words::{Row, wrap};

/// Its widest.
const WIDTH: u16 = 110;

/// Between the line at the top and the guide.
pub(in crate::ui) fn place(area: Rect) -> Rect {
    let width = WIDTH.min(area.width);
    let bars = u16::from(area.height >= 6) * 2;
    let height = area.height.saturating_sub(bars + layout::guide_rows(area.height.saturating_sub(2)));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + u16::from(area.height >= 6), width, height }
}

fn inner_width(area: Rect) -> usize {
    usize::from(place(area).width.saturating_sub(4))
}

/// A fix, and what it is about.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The fix.
    pub fixing: &'a Fixing,
    /// The diagnosis it came from; it is made again once the fix is over.
    pub chart: Option<&'a Chart>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// How much there is, and how much of it is on the screen.
pub fn extent(area: Rect, view: View<'_>) -> Extent {
    let rows = usize::from(place(area).height.saturating_sub(4));
    Extent { rows, of: lines(view, inner_width(area)).len() }
}

/// Where its lines are.
fn body(area: Rect) -> Rect {
    let inner = layout::inside(place(area), true);
    let height = inner.height.saturating_sub(2);
    Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), height, ..inner }
}

/// The plan of the list that is drawn in this row.
pub(in crate::ui) fn plan_at(area: Rect, view: View<'_>, row: u16) -> Option<usize> {
    let (body, fixing) = (body(area), view.fixing);
    let Job::Fix { plans, .. } = &fixing.job else { return None };
    // The list comes first, below its heading.
    let listed = fixing.stage == Stage::Choosing && plans.len() > 1 && (body.top()..body.bottom()).contains(&row);
    let line = usize::from(row.checked_sub(body.y)?) + fixing.top.min(extent(area, view).last_top());
    line.checked_sub(1).filter(|index| listed && *index < plans.len())
}

/// Draws it. The question, where there is one, is always in the last line.
pub fn draw(buffer: &mut Buffer, area: Rect, view: View<'_>) {
    let (place, fixing) = (place(area), view.fixing);
    let shown = extent(area, view);
    let top = fixing.top.min(shown.last_top());
    cover(buffer, place);
    let title = if fixing.job == Job::Undo { "Undo" } else { "Fix" };
    let inner = frame(buffer, place, Row::new().say(title), &part(top, shown.rows, shown.of), true);
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
    rows(buffer, body(area), lines(view, inner_width(area)).iter().skip(top));
    if inner.height > 0 {
        question(view, usize::from(inner.width)).draw(buffer, inner.x, inner.bottom() - 1, inner.width);
    }
    if inner.height > 1 {
        way_back(fixing).draw(buffer, inner.x, inner.bottom() - 2, inner.width);
    }
}

/// What matters now comes first: before it is applied the plan, from then on what happens.
fn lines(view: View<'_>, width: usize) -> Vec<Row> {
    let fixing = view.fixing;
    let mut out = Vec::new();
    if let (true, Some(plan)) = (fixing.applied(), fixing.plan()) {
        text(&mut out, "", &plan.title, STRONG, width);
    }
    ended(&mut out, fixing, width);
    then(&mut out, view, width);
    if !fixing.said.is_empty() {
        out.push(Row::new());
        out.push(heading("What happens"));
        for said in &fixing.said {
            text(&mut out, "  ", said, Style::new(), width);
        }
        out.push(Row::new());
    }
    match &fixing.job {
        Job::Undo if fixing.said.is_empty() && fixing.stage == Stage::Asking => {
            text(
                &mut out,
                "",
                "The last change that stands is taken back, where it is still as it was left.",
                Style::new(),
                width,
            );
        }
        Job::Undo => {}
        Job::Fix { plans, chosen } => {
            if fixing.stage == Stage::Choosing {
                list(&mut out, plans, *chosen, width);
            }
            if let Some(plan) = fixing.plan() {
                about(&mut out, plan, fixing, width);
            }
        }
    }
    out
}

fn list(out: &mut Vec<Row>, plans: &[Plan], chosen: usize, width: usize) {
    if plans.len() < 2 {
        return;
    }
    out.push(heading("Plans, safest first").right(Row::of("↑↓ choose", QUIET), width));
    for (plan, index) in plans.iter().zip(0..) {
        let sign = if index == chosen { "▸ " } else { "  " };
        let risk = Row::of(format!("{} risk", plan.risk.word()), risk_style(plan.risk));
        let row = Row::of(sign, FOCUS).say(&plan.title).cut(width.saturating_sub(13)).right(risk, width);
        out.push(if index == chosen { row.to(width).over(SELECTED) } else { row });
    }
    out.push(Row::new());
}

fn about(out: &mut Vec<Row>, plan: &Plan, fixing: &Fixing, width: usize) {
    if !fixing.applied() {
        text(out, "", &plan.title, STRONG, width);
    }
    let facts = format!("{} risk · holds {} · {}", plan.risk.word(), plan.lasting.shown(), scope(plan.scope));
    text(out, "", &facts, risk_style(plan.risk), width);
    for warning in &plan.warnings {
        text(out, "mind: ", warning, WARN, width);
    }
    out.push(Row::new());
    out.push(heading("What it changes"));
    match &fixing.preview {
        None => out.push(Row::of("  … reading what it rests on", WARN)),
        Some(Err(why)) => text(out, "  ", why, BAD, width),
        Some(Ok(parts)) if parts.is_empty() => {
            text(out, "  ", "nothing: everything is as it should be already", QUIET, width);
        }
        Some(Ok(parts)) => parts.iter().for_each(|part| diff(out, part, width)),
    }
    out.push(Row::new());
    out.push(heading("Afterwards"));
    match (plan.then, &plan.next) {
        (Some(Outcome::Open), _) => text(out, "  ", "open: nothing else blocks", GOOD, width),
        (Some(then), Some(next)) => {
            text(out, "  ", &format!("still {}, because of {next}: the next to fix", then.word()), WARN, width);
        }
        (Some(then), None) => text(out, "  ", &format!("still {}", then.word()), WARN, width),
        (None, _) => text(out, "  ", "cannot be told before; the target is asked again", QUIET, width),
    }
    if let Some(undo) = plan.undo_commands() {
        for line in undo.lines() {
            text(out, "  undo: ", line, QUIET, width);
        }
    }
}

/// A part of the preview: lines of a diff are coloured as everywhere.
fn diff(out: &mut Vec<Row>, part: &str, width: usize) {
    for line in part.lines() {
        let style = match line.get(..1) {
            Some("+") => GOOD,
            Some("-") => BAD,
            Some("@") => QUIET,
            _ => Style::new(),
        };
        out.push(Row::new().say("  ").put(line, style).cut(width));
    }
}

fn text(out: &mut Vec<Row>, lead: &str, words: &str, style: Style, width: usize) {
    let mut before = Row::of(lead, QUIET);
    for line in wrap(words, width.saturating_sub(lead.chars().count())) {
        out.push(before.put(line, style));
        before = Row::new().to(lead.chars().count());
    }
}

fn risk_style(risk: Risk) -> Style {
    match risk {
        Risk::Low => GOOD,
        Risk::Medium => WARN,
        Risk::High => BAD,
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Nobody => "lets nobody in who was not let in before",
        Scope::Client => "lets one client in",
        Scope::Network => "lets a network in",
        Scope::Everyone => "lets everyone in who reaches this host",
    }
}

fn ended(out: &mut Vec<Row>, fixing: &Fixing, width: usize) {
    let Stage::Ended(end) = &fixing.stage else { return };
    let left_as_it_is = |out: &mut Vec<Row>, left: &[String]| {
        for left in left {
            text(out, "  left as it is: ", left, WARN, width);
        }
    };
    match end {
        End::Kept(entry) => text(out, "✔ ", &format!("kept, as entry {entry}; u takes it back"), GOOD, width),
        End::Reverted(why, left) => {
            text(out, "✘ ", &format!("put back: {why}"), BAD, width);
            left_as_it_is(out, left);
        }
        End::Undone(entry, left) => {
            text(out, "✔ ", &format!("entry {entry} is undone"), GOOD, width);
            left_as_it_is(out, left);
        }
        End::Failed(why) => {
            let mut lines = why.lines();
            let what = lines.next().unwrap_or_default();
            text(out, "✘ ", &format!("nothing was changed: {what}"), BAD, width);
            for hint in lines {
                text(out, "  ", hint, WARN, width);
            }
        }
    }
}

/// What the target gives once it is over, and what stands in the way next.
fn then(out: &mut Vec<Row>, view: View<'_>, width: usize) {
    let (Stage::Ended(end), Some(chart)) = (&view.fixing.stage, view.chart) else { return };
    if matches!(end, End::Failed(_)) {
        return;
    }
    let diagnosis = &chart.diagnosis;
    let at = diagnosis.subject.endpoint().map(|at| format!("{at} ")).unwrap_or_default();
    match (diagnosis.outcome, diagnosis.culprit()) {
        _ if !diagnosis.settled => text(out, "… ", "the target is looked at again", WARN, width),
        (Some(Outcome::Open), None) => {
            text(out, "✔ ", &format!("OPEN: {at}accepts connections"), GOOD.patch(STRONG), width);
        }
        (Some(outcome), Some(culprit)) => {
            let words = format!("{at}{}: {}", outcome.word(), culprit.summary);
            text(out, "✘ ", &words, BAD, width);
        }
        (Some(outcome), None) => text(out, "", &format!("{at}{}", outcome.word()), WARN, width),
        (None, _) => {}
    }
}

/// How to go back, at every stage.
fn way_back(fixing: &Fixing) -> Row {
    let words = match &fixing.stage {
        Stage::Choosing | Stage::Asking => "nothing is changed yet",
        Stage::Running => "whatever ends this program now, the host is put back as it was",
        Stage::Confirming(_) => "kept only after a yes: else it is put back, whatever ends this program",
        Stage::Ended(End::Kept(_)) => "u takes it back, now or later",
        Stage::Ended(End::Undone(..)) => "it is as it was before",
        Stage::Ended(End::Reverted(..) | End::Failed(_)) => "nothing of it stands",
    };
    Row::of(words, QUIET)
}

/// Columns of the time that is left.
const LEFT: u64 = 20;
/// What fills them all, in seconds.
const WHOLE: u64 = 60;

/// What is asked, or what the keys do.
fn question(view: View<'_>, width: usize) -> Row {
    let fixing = view.fixing;
    match &fixing.stage {
        Stage::Choosing if matches!(fixing.preview, Some(Ok(_))) => {
            Row::of("Enter", FOCUS).put(" apply …", QUIET).put("   Esc", FOCUS).put(" back", QUIET)
        }
        Stage::Choosing => Row::of("Esc", FOCUS).put(" back", QUIET),
        Stage::Asking => {
            let asked = yes_no(if fixing.job == Job::Undo { "Undo it?" } else { "Apply it?" });
            if fixing.root { asked } else { asked.put("   as root: a password may be asked for", WARN) }
        }
        Stage::Running => Row::of("… working", WARN).put("   n", FOCUS).put(" put it back", QUIET),
        Stage::Confirming(until) => {
            let seconds = until.saturating_sub(view.now_ms).div_ceil(1000);
            let full = usize::try_from((seconds * LEFT / WHOLE).min(LEFT)).unwrap_or_default();
            let rest = usize::try_from(LEFT).unwrap_or_default().saturating_sub(full);
            let left = Row::of(format!("   put back in {seconds:>2} s "), WARN);
            let left = left.put("█".repeat(full), WARN).put("·".repeat(rest), QUIET);
            let whole = yes_no("It works. Keep it?").then(left);
            let brief = || yes_no("Keep it?").put(format!("  back in {seconds} s"), WARN);
            if whole.width() <= width { whole } else { brief() }
        }
        Stage::Ended(_) => {
            let close = Row::of("Enter", FOCUS).put(" close", QUIET);
            let more = matches!(fixing.stage, Stage::Ended(End::Kept(_))) && view.chart.is_some_and(more);
            if more { Row::of("f", FOCUS).put(" what stands in the way next   ", QUIET).then(close) } else { close }
        }
    }
}

fn yes_no(question: &str) -> Row {
    Row::of(question, STRONG).put("  y", FOCUS).put(" yes", QUIET).put("  n", FOCUS).put(" no", QUIET)
}
