//! The guided loop on the screen: choose a plan, see what it changes, say yes, watch it, keep it or put it back.
//!
//! ```text
//! f ──▶ Choosing ──Enter──▶ Asking ──y──▶ Running ──▶ Confirming ──y──▶ Ended: kept
//!          ▲                   │ Esc, n                    │ n, time
//!          └───────────────────┘                           └──────────▶ Ended: put back
//! ```

use super::chart::{Chart, Origin, Selection};
use super::event::{Effect, Extent, Step};
use super::picker::scroll;
use super::state::{Overlay, Screen, State};
use super::trying::retest;
use crate::apply::{Answer, Progress};
use crate::fixes::Plan;

/// A fix, from choosing it to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixing {
    /// What is fixed, or undone.
    pub job: Job,
    /// How far it got.
    pub stage: Stage,
    /// What the chosen plan changes, a part for each step; none while that is being read.
    pub preview: Option<Result<Vec<String>, String>>,
    /// What has happened, a line each.
    pub said: Vec<String>,
    /// First line on the screen.
    pub top: usize,
    /// The user may change this host; otherwise a password may be asked for.
    pub root: bool,
    number: u64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// One of these plans.
    Fix {
        /// The plans, safest first.
        plans: Vec<Plan>,
        /// The chosen one.
        chosen: usize,
    },
    /// The last change that stands is taken back.
    Undo,
}

/// How far a fix got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// A plan is being chosen.
    Choosing,
    /// Apply it?
    Asking,
    /// It is being applied.
    Running,
    /// It works. It is kept only when somebody says so until then (milliseconds since the Unix epoch).
    Confirming(u64),
    /// It is over, and how.
    Ended(End),
}

/// How a fix ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is kept; its number in the log.
    Kept(u64),
    /// It was put back: why, and what was left as it is.
    Reverted(String, Vec<String>),
    /// The entry with this number is taken back; what was left as it is.
    Undone(u64, Vec<String>),
    /// Nothing was changed, and why.
    Failed(String),
}

/// What a fix asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Which plan?
    Plan,
    /// Yes or no?
    Question,
    /// Nothing: it is at work.
    Nothing,
    /// It is over: on to what stands in the way next?
    Next,
    /// It is over.
    Over,
}

/// What can be asked for while a fix is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FixCommand {
    /// Show the fixes of the selected box.
    Show,
    /// Take back the last change.
    Undo,
    /// Yes: apply it, or keep it.
    Yes,
    /// No: do not apply it, or put it back.
    No,
}

impl Fixing {
    fn new(job: Job, root: bool, number: u64) -> Self {
        let stage = if job == Job::Undo { Stage::Asking } else { Stage::Choosing };
        let preview = (job == Job::Undo).then(|| Ok(Vec::new()));
        Self { job, stage, preview, said: Vec::new(), top: 0, root, number }
    }

    /// The chosen plan.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.job {
            Job::Fix { plans, chosen } => plans.get(*chosen),
            Job::Undo => None,
        }
    }

    /// It was said yes to.
    pub fn applied(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Confirming(_) | Stage::Ended(_))
    }

    /// What it asks; with `more` to fix once it is over.
    pub(super) fn asks(&self, more: bool) -> Ask {
        match self.stage {
            Stage::Choosing => Ask::Plan,
            Stage::Asking | Stage::Confirming(_) => Ask::Question,
            Stage::Running => Ask::Nothing,
            Stage::Ended(End::Kept(_)) if more => Ask::Next,
            Stage::Ended(_) => Ask::Over,
        }
    }

    /// The host is being changed, or is changed and not kept yet.
    pub fn pending(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Confirming(_))
    }
}

pub(super) fn commanded(state: &mut State, command: FixCommand) -> Vec<Effect> {
    match command {
        FixCommand::Show => show(state),
        FixCommand::Undo => undo(state),
        FixCommand::Yes => yes(state),
        FixCommand::No => no(state),
    }
}

/// The fixes of the selected box, or of the culprit.
fn show(state: &mut State) -> Vec<Effect> {
    let Screen::Chart(chart) = &state.screen else { return Vec::new() };
    let plans = plans_of(chart);
    if plans.is_empty() {
        let by_hand = chart.advice().is_some();
        let told = if by_hand { "this takes a hand: see \"What to do\"" } else { "there is nothing to fix here" };
        state.notice = Some(told.into());
        return Vec::new();
    }
    open(state, Job::Fix { plans, chosen: 0 });
    prepare(state)
}

fn plans_of(chart: &Chart) -> Vec<Plan> {
    let of_box: Vec<Plan> = chart.finding(chart.selected()).into_iter().flat_map(|f| f.plans().cloned()).collect();
    if !of_box.is_empty() {
        return of_box;
    }
    chart.diagnosis.culprit().into_iter().flat_map(|f| f.plans().cloned()).collect()
}

/// Something can be fixed about the selected box, or the culprit.
pub(super) fn some(chart: &Chart) -> bool {
    let of_box = chart.finding(chart.selected()).is_some_and(|found| found.plans().next().is_some());
    of_box || chart.diagnosis.culprit().is_some_and(|found| found.plans().next().is_some())
}

/// Something stands in the way that this program can do something about.
pub fn more(chart: &Chart) -> bool {
    chart.diagnosis.settled && chart.diagnosis.culprit().is_some_and(|found| found.plans().next().is_some())
}

fn undo(state: &mut State) -> Vec<Effect> {
    match &state.screen {
        Screen::Chart(chart) if chart.origin == Origin::Recording => {
            state.notice = Some("this is a recording: there is nothing to undo".into());
        }
        Screen::Chart(_) => open(state, Job::Undo),
        Screen::Picker(_) | Screen::Listeners(_) => {}
    }
    Vec::new()
}

fn open(state: &mut State, job: Job) {
    let root = state.facts().host.value().is_some_and(|host| host.uid == 0);
    state.fixes += 1;
    state.fixing = Some(Box::new(Fixing::new(job, root, state.fixes)));
    state.overlay = Overlay::Fix;
}

/// What the chosen plan would change is read again from the host.
fn prepare(state: &mut State) -> Vec<Effect> {
    state.fixes += 1;
    let number = state.fixes;
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    (fixing.number, fixing.preview, fixing.top) = (number, None, 0);
    let plan = fixing.plan().cloned();
    plan.map(|plan| Effect::Prepare(Box::new(plan), number)).into_iter().collect()
}

/// What it would change is known.
pub(super) fn prepared(state: &mut State, number: u64, preview: Result<Vec<String>, String>) {
    if let Some(fixing) = state.fixing.as_mut().filter(|fixing| fixing.number == number) {
        fixing.preview = Some(preview);
    }
}

/// Up and down choose a plan; pages scroll what is shown.
pub(super) fn walk(state: &mut State, step: Step, shown: Extent) -> Vec<Effect> {
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    let choosing = fixing.stage == Stage::Choosing;
    let Job::Fix { plans, chosen } = &mut fixing.job else { return Vec::new() };
    let next = match step {
        Step::Up => chosen.saturating_sub(1),
        Step::Down => (*chosen + 1).min(plans.len().saturating_sub(1)),
        Step::PageUp | Step::PageDown | Step::Top | Step::Bottom => *chosen,
    };
    if choosing && next != *chosen {
        *chosen = next;
        return prepare(state);
    }
    fixing.top = scroll(fixing.top, step, shown);
    Vec::new()
}

/// Chooses the plan with this index; one that is chosen already leads on to the question, as Enter does.
pub(super) fn choose(state: &mut State, index: usize) -> Vec<Effect> {
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    let (Stage::Choosing, Job::Fix { plans, chosen }) = (&fixing.stage, &mut fixing.job) else { return Vec::new() };
    if *chosen == index {
        return enter(state);
    }
    if index >= plans.len() {
        return Vec::new();
    }
    *chosen = index;
    prepare(state)
}

/// Enter: goes on to the question, or closes what is over.
pub(super) fn enter(state: &mut State) -> Vec<Effect> {
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    match (&fixing.stage, &fixing.preview) {
        (Stage::Choosing, Some(Ok(_))) => fixing.stage = Stage::Asking,
        (Stage::Choosing, Some(Err(why))) => state.notice = Some(format!("it cannot be applied: {why}")),
        (Stage::Asking, _) => state.notice = Some("y applies it, n does not".into()),
        (Stage::Confirming(_), _) => state.notice = Some("y keeps it, n puts it back".into()),
        (Stage::Ended(_), _) => close(state),
        (Stage::Choosing, None) | (Stage::Running, _) => {}
    }
    Vec::new()
}

/// Esc: one step back, where there is one.
pub(super) fn back(state: &mut State) -> Vec<Effect> {
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    match (&fixing.stage, &fixing.job) {
        (Stage::Asking, Job::Fix { .. }) => fixing.stage = Stage::Choosing,
        (Stage::Choosing | Stage::Ended(_), _) | (Stage::Asking, Job::Undo) => close(state),
        (Stage::Running | Stage::Confirming(_), _) => state.notice = Some(PENDING.into()),
    }
    Vec::new()
}

/// What is said to whoever wants to leave while a change is pending.
pub(super) const PENDING: &str = "a change is pending: y keeps it once it works, n puts it back";

fn close(state: &mut State) {
    state.fixing = None;
    state.overlay = Overlay::None;
}

fn yes(state: &mut State) -> Vec<Effect> {
    let Screen::Chart(chart) = &state.screen else { return Vec::new() };
    let (target, from) = (chart.case.target.clone(), chart.case.from);
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    match (&fixing.stage, &fixing.job) {
        (Stage::Asking, Job::Fix { .. }) => {
            let Some(plan) = fixing.plan().cloned() else { return Vec::new() };
            (fixing.stage, fixing.top) = (Stage::Running, 0);
            vec![Effect::Apply { plan: Box::new(plan), target, from }]
        }
        (Stage::Asking, Job::Undo) => {
            (fixing.stage, fixing.top) = (Stage::Running, 0);
            vec![Effect::Undo]
        }
        (Stage::Confirming(_), _) => vec![Effect::Answer(Answer::Keep)],
        (Stage::Choosing | Stage::Running | Stage::Ended(_), _) => Vec::new(),
    }
}

fn no(state: &mut State) -> Vec<Effect> {
    let Some(fixing) = &state.fixing else { return Vec::new() };
    match fixing.stage {
        Stage::Asking => back(state),
        Stage::Running | Stage::Confirming(_) => vec![Effect::Answer(Answer::Revert)],
        Stage::Choosing | Stage::Ended(_) => Vec::new(),
    }
}

/// What happens while it is applied.
pub(super) fn told(state: &mut State, progress: &Progress) -> Vec<Effect> {
    let now = state.now_ms;
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    // Words may come after the end they led to.
    let over = matches!(fixing.stage, Stage::Ended(_));
    if let Progress::Confirm { seconds } = *progress {
        let until = now.saturating_add(seconds.saturating_mul(1000));
        fixing.stage = Stage::Confirming(until);
        return vec![Effect::WakeAfter(TICK_MS, super::event::Wake::Countdown)];
    }
    if matches!(progress, Progress::Reverting { .. }) && !over {
        fixing.stage = Stage::Running;
    }
    fixing.said.push(progress.told());
    Vec::new()
}

/// The countdown is shown anew once a second.
const TICK_MS: u64 = 1000;

/// A second of the countdown is over.
pub(super) fn ticked(state: &State) -> Vec<Effect> {
    let confirming = state.fixing.as_ref().is_some_and(|fixing| matches!(fixing.stage, Stage::Confirming(_)));
    if confirming { vec![Effect::WakeAfter(TICK_MS, super::event::Wake::Countdown)] } else { Vec::new() }
}

/// It is over: everything is looked at again.
pub(super) fn ended(state: &mut State, end: &End) -> Vec<Effect> {
    let Some(fixing) = &mut state.fixing else { return Vec::new() };
    let changed = !matches!(end, End::Failed(_));
    fixing.stage = Stage::Ended(end.clone());
    super::happened::fixed(state, end);
    if let (true, Screen::Chart(chart)) = (changed, &mut state.screen) {
        // What stands in the way now is looked at next.
        (chart.selection, chart.detail_top) = (Selection::Following, 0);
    }
    if changed { retest(state) } else { Vec::new() }
}
