//! The guide, always on the screen: what will happen, what just happened, how to go back.
//!
//! ```text
//! next  f  start nginx.service                          then: open   low risk, until the next boot
//! now   12:03:44 tried again: refused, as before
//! back  nothing changed in this session
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::rows;
use crate::app::chart::{Chart, Origin};
use crate::app::ends::Ends;
use crate::app::fixing::{End, Fixing, Stage, more};
use crate::app::happened::Tone;
use crate::app::state::State;
use crate::diagnose::verdict::Finding;
use crate::facts::connect::Outcome;
use crate::fixes::Plan;
use crate::ui::settings::Settings;
use crate::ui::theme::{BAD, FOCUS, GOOD, QUIET, STRONG, WARN};
use crate::ui::words::Row;

/// Draws it: three rows where there is room, else the two or the one that matter most.
pub fn draw(buffer: &mut Buffer, area: Rect, (state, chart): (&State, &Chart), settings: &Settings) {
    let width = usize::from(area.width);
    let next = next(state, chart, settings, width);
    let now = now(state, chart, settings);
    let back = back(state, chart, settings);
    let shown = match area.height {
        0 => Vec::new(),
        // What has just been done matters until something else is to be done.
        1 if state.standing.is_some() && chart.diagnosis.outcome == Some(Outcome::Open) => vec![back],
        1 => vec![next],
        2 => vec![next, beside(now, back, width)],
        _ => vec![next, now, back],
    };
    rows(buffer, area, &shown);
}

/// Two on one row: how to go back is told whole.
fn beside(now: Row, back: Row, width: usize) -> Row {
    let room = width.saturating_sub(back.width() + 3);
    if room < 16 { now.cut(width) } else { now.cut(room).to(room + 2).then(back) }
}

fn label(word: &str) -> Row {
    Row::of(format!(" {word:<5}"), QUIET)
}

/// What will happen next, and by which key.
fn next(state: &State, chart: &Chart, settings: &Settings, width: usize) -> Row {
    let label = label("next");
    let key = |name: &str| Row::of(settings.keys.of(name), FOCUS).say("  ");
    if let Some(row) = state.fixing.as_deref().and_then(|fixing| of_fix(fixing, chart, settings)) {
        return label.then(row);
    }
    let diagnosis = &chart.diagnosis;
    let Some(culprit) = diagnosis.culprit() else {
        return match diagnosis.outcome {
            _ if !diagnosis.settled => label.put("… looking: the cause is named as soon as it is known", WARN),
            Some(Outcome::Open) => label.put("✔ ", GOOD).say("nothing is to be done: it accepts connections"),
            _ => label.then(key("retest")).say("look again; no cause is known that could be fixed"),
        };
    };
    let plan = culprit.plans().next();
    if let Some(plan) = plan {
        let what = label.then(key("fix")).put(&plan.title, STRONG);
        let about = Row::of(format!("{} risk, holds {}", plan.risk.word(), plan.lasting.shown()), QUIET);
        let gap = if after(plan).width() > 0 { "   " } else { "" };
        let tail = after(plan).say(gap).then(about).say(" ");
        let short = after(plan).say(" ");
        return if what.width() + tail.width() + 2 <= width {
            what.right(tail, width)
        } else {
            what.cut(width.saturating_sub(short.width() + 2)).right(short, width)
        };
    }
    by_hand(label, culprit, key("copy-fix"), state)
}

/// What comes next in a fix that is shown; none where it is over and leads on.
fn of_fix(fixing: &Fixing, chart: &Chart, settings: &Settings) -> Option<Row> {
    let key = |name: &str| Row::of(settings.keys.of(name), FOCUS);
    Some(match fixing.stage {
        Stage::Choosing => key("open").say("  goes on to the question; nothing is changed before a yes"),
        Stage::Asking => key("yes").say("  does it, ").then(key("no")).say(" does not"),
        Stage::Running => Row::new().say("the target is asked again as soon as it is done"),
        Stage::Confirming(_) => {
            key("yes").say("  keeps it, ").then(key("no")).say(" puts it back, and so does silence")
        }
        Stage::Ended(End::Kept(_)) if more(chart) => return None,
        Stage::Ended(_) => key("open").say("  closes this"),
    })
}

/// What the asked side will get then.
fn after(plan: &Plan) -> Row {
    match (plan.then, &plan.next) {
        (Some(Outcome::Open), _) => Row::of("then: open", GOOD),
        (Some(then), Some(next)) => Row::of(format!("then: still {}, {next}", then.word()), WARN),
        (Some(then), None) => Row::of(format!("then: still {}", then.word()), WARN),
        (None, _) => Row::new(),
    }
}

fn by_hand(label: Row, culprit: &Finding, key: Row, state: &State) -> Row {
    let elsewhere = state.facts().host.value().is_none();
    match culprit.advice.first() {
        Some(advice) => label.then(key).put("by hand: ", QUIET).put(&advice.does, STRONG).put("  (copies it)", QUIET),
        None if elsewhere => label.put("it takes somebody at the other end", QUIET),
        None => label.put("nothing on this host mends it: see the box", QUIET),
    }
}

/// What just happened.
fn now(state: &State, chart: &Chart, settings: &Settings) -> Row {
    let label = label("now");
    let ends = state.ends != Ends::Still && chart.case.client.is_some();
    if chart.origin == Origin::Recording && state.happened.is_none() && ends {
        let key = settings.keys.of("retest");
        return label.put(format!("both ends were asked; {key} asks them again"), QUIET);
    }
    if chart.origin == Origin::Recording && !ends {
        let host = chart.case.here.host.value().map(|host| format!(" of {}", host.hostname)).unwrap_or_default();
        return label.put(format!("a recording{host}: nothing is asked"), QUIET);
    }
    let Some(happened) = &state.happened else { return label.put("nothing has happened yet", QUIET) };
    let style = match happened.tone {
        Tone::Good => GOOD,
        Tone::Bad => BAD,
        Tone::Neutral => Style::new(),
    };
    label
        .put(format!("{} ", settings.theme.clock(happened.at_ms.saturating_mul(1000))), QUIET)
        .put(&happened.what, style)
}

/// How to go back.
fn back(state: &State, chart: &Chart, settings: &Settings) -> Row {
    let label = label("back");
    if chart.origin == Origin::Recording {
        return label.put("nothing can be changed from here", QUIET);
    }
    if state.fixing.as_ref().is_some_and(|fixing| fixing.pending()) {
        let key = settings.keys.of("no");
        return label.put(key, FOCUS).say("  puts it back; so does whatever ends this program");
    }
    let Some((entry, title)) = &state.standing else { return label.put("nothing changed in this session", QUIET) };
    let key = settings.keys.of("undo");
    label.put(key, FOCUS).say(format!("  takes back entry {entry}: ")).put(title, STRONG)
}
