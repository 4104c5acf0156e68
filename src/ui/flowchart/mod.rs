//! The flowchart: boxes that turn green, red, or grey with a reason, and the arrows between them.

mod boxes;
pub mod columns;
pub(in crate::ui) mod live;
pub mod plan;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::theme::{self, BAD, Mark, Theme};
use super::words::{Row, wrap};
use crate::app::chart::Chart;
use crate::diagnose::chart::BoxId;
use crate::diagnose::verdict::{BoxState, Verdict};
use crate::facts::Question;
use plan::{Wish, plan};

/// What a box shows.
#[derive(Debug)]
struct Face {
    id: BoxId,
    number: usize,
    question: &'static str,
    mark: Mark,
    verdict: Verdict,
    /// What it says, then what that rests on.
    body: Vec<String>,
    /// How many of these lines are what it says.
    said: usize,
    selected: bool,
    again: bool,
    /// Number of the first cause in it, in the order they bite.
    cause: Option<usize>,
    /// The culprit is in it.
    culprit: bool,
}

impl Face {
    /// `─no▶1`: where a red box leads, with the number of the cause that was found in it.
    fn way_out(&self) -> Row {
        let style = if self.culprit { BAD } else { Style::new().fg(Color::Red) };
        Row::of("─no▶", style).put(self.cause.map(|number| number.to_string()).unwrap_or_default(), style)
    }
}

/// The boxes of the chart: the symptom has a pane of its own.
pub fn boxes() -> impl Iterator<Item = BoxId> {
    BoxId::ALL.into_iter().filter(|id| *id != BoxId::Connect)
}

/// Draws the chart into what the frame leaves.
pub fn draw(buffer: &mut Buffer, area: Rect, (chart, theme): (&Chart, &Theme), (again, several): (&[BoxId], bool)) {
    let faces = faces(chart, area, again);
    if let (true, Some(grid)) = (several, columns::grid(area)) {
        return columns::draw(buffer, &grid, &faces, (chart, theme));
    }
    let wishes: Vec<Wish> = faces.iter().map(wish).collect();
    boxes::draw(buffer, &plan(area, &wishes), &faces);
}

/// The boxes where they are drawn, frames included.
pub fn places(area: Rect, chart: &Chart, several: bool) -> Vec<(BoxId, Rect)> {
    let faces = faces(chart, area, &[]);
    if let (true, Some(grid)) = (several, columns::grid(area)) {
        return faces.iter().map(|face| face.id).zip(grid.boxes).collect();
    }
    let wishes: Vec<Wish> = faces.iter().map(wish).collect();
    let placed = plan(area, &wishes).boxes.into_iter();
    placed.filter_map(|placed| Some((faces.get(placed.index)?.id, placed.area))).collect()
}

fn faces(chart: &Chart, area: Rect, again: &[BoxId]) -> Vec<Face> {
    let selected = chart.selected();
    let states: Vec<&BoxState> = boxes().filter_map(|id| chart.diagnosis.get(id)).collect();
    let width = usize::from(plan::text_width(area, states.len()));
    let culprit = chart.diagnosis.culprit().map(|found| found.in_box);
    states
        .iter()
        .zip(1..)
        .map(|(state, number)| (state, number, body(chart, state, width)))
        .map(|(state, number, (body, said))| Face {
            id: state.id,
            number,
            question: state.id.question(),
            mark: theme::mark(state),
            verdict: state.verdict,
            body,
            said,
            selected: state.id == selected,
            again: again.contains(&state.id),
            cause: chart.diagnosis.causes.iter().position(|found| found.in_box == state.id).map(|index| index + 1),
            culprit: culprit == Some(state.id),
        })
        .collect()
}

/// What a box says below its question.
fn told(state: &BoxState) -> String {
    match (&state.because, state.verdict) {
        (Some(because), Verdict::Unknown) if state.looking => because.clone(),
        (Some(because), Verdict::Unknown) if *because != state.summary => format!("{}: {because}", state.summary),
        _ => state.summary.clone(),
    }
}

/// The lines of a box: what it says, then what that rests on.
fn body(chart: &Chart, state: &BoxState, width: usize) -> (Vec<String>, usize) {
    let mut lines = wrap(&told(state), width);
    let said = lines.len();
    let mut add = |text: String| {
        if !lines.contains(&text) {
            lines.push(text);
        }
    };
    if state.id == BoxId::Listener && state.verdict != Verdict::No {
        chart.listeners_of_target().iter().for_each(|l| add(format!("LISTEN {}", l.shown())));
    }
    let finding = chart.finding(state.id).map(|f| f.evidence.as_slice());
    finding.unwrap_or(&state.evidence).iter().for_each(|e| add(e.says.clone()));
    (lines, said)
}

fn wish(face: &Face) -> Wish {
    let rank = match face.verdict {
        Verdict::No => 0,
        Verdict::Yes => 2,
        Verdict::Unknown => 3,
        Verdict::Unneeded => 4,
    };
    let most = if face.verdict == Verdict::No || face.selected { 7 } else { 4 };
    Wish {
        body: face.body.len().min(most),
        rank: if face.selected { rank.min(1) } else { rank },
        selected: face.selected,
    }
}

/// Boxes that the user's second look is still looking into.
pub fn looked_at_again<'a>(questions: impl Iterator<Item = &'a Question>) -> Vec<BoxId> {
    questions
        .map(|question| match question {
            Question::Dial(_) | Question::Exchange(_) | Question::Host | Question::Addresses => BoxId::Connect,
            Question::Name(_) | Question::Proxies(_) => BoxId::Name,
            Question::Unit(_) | Question::Journal(_) | Question::FailedUnits | Question::Happenings => BoxId::Service,
            Question::Listeners(..)
            | Question::AllListeners
            | Question::UnixSocket(_)
            | Question::Owner { .. }
            | Question::Claims(..)
            | Question::Daemon(_)
            | Question::OtherNetwork { .. }
            | Question::Sysctl(_)
            | Question::Limits(_) => BoxId::Listener,
            Question::Ruleset
            | Question::ChainRules(_)
            | Question::Elements(_)
            | Question::Member(..)
            | Question::Legacy
            | Question::Recent(_)
            | Question::Firewalld
            | Question::Ufw
            | Question::Fail2ban
            | Question::RuleFiles
            | Question::Watched(_) => BoxId::Firewall,
            Question::Apparmor(_) | Question::Selinux(..) | Question::Denials => BoxId::Policy,
            Question::Containers | Question::Container(_) => BoxId::Container,
            Question::Links | Question::Route(_) | Question::Routing | Question::Neighbour(..) | Question::Path(_) => {
                BoxId::Network
            }
            Question::Libwrap { .. } | Question::HostsAccess | Question::ClientName(_) | Question::Xinetd => {
                BoxId::Wrappers
            }
        })
        .collect()
}
