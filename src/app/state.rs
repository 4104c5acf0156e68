//! Everything the screen knows; owned by one loop, changed only by `update` and `conclude`.

use std::collections::BTreeSet;

use super::actions::Actions;
use super::asking::Asking;
use super::chart::{Chart, Focus, Origin};
use super::ends::Ends;
use super::event::{Effect, Shown, Size};
use super::fixing::{Ask, Fixing};
use super::happened::Happened;
use super::listening::{Attention, Listening};
use super::picker::Picker;
use super::pointer::{Marked, Mouse};
use super::table::Table;
use super::toast::Toast;
use super::{Open, Start, fixing};
use crate::facts::{Case, Facts, Question};
use crate::target::{From, Target};

/// The state.
#[derive(Debug, Clone)]
pub struct State {
    /// Size of the terminal.
    pub size: Size,
    /// What of the panes is on the screen.
    pub shown: Shown,
    /// What the screen is about.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Overlay,
    /// A fix that is shown over the screen.
    pub fixing: Option<Box<Fixing>>,
    /// What happened last.
    pub happened: Option<Happened>,
    /// The change of this session that `undo` takes back: its number in the log, and what it did.
    pub standing: Option<(u64, String)>,
    /// Said in passing, until the next key.
    pub notice: Option<String>,
    /// Recent targets, the last one first.
    pub recent: Vec<String>,
    /// Time of the last event.
    pub now_ms: u64,
    /// Questions under way.
    pub asking: Asking,
    /// Both ends of the connection can be asked again.
    pub ends: Ends,
    /// Whether the mouse is ours.
    pub mouse: Mouse,
    /// The list of actions, where it is open.
    pub actions: Option<Actions>,
    /// What has just been done, for a few seconds.
    pub toast: Option<Toast>,
    /// The hint for the first time is shown.
    pub hint: Hint,
    /// What is marked with the mouse, while its button is down.
    pub marked: Option<Marked>,
    pub(super) from: From,
    pub(super) watched: BTreeSet<Question>,
    pub(super) stale: Stale,
    pub(super) to_do: Vec<Effect>,
    pub(super) cases: u64,
    pub(super) fixes: u64,
    pub(super) toasts: u64,
}

/// The hint for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// It is on the screen, until a key.
    Shown,
    /// It is not.
    None,
}

/// What the screen is about.
#[derive(Debug, Clone)]
pub enum Screen {
    /// Choosing a target.
    Picker(Box<Picker>),
    /// All listeners.
    Listeners(Box<Listening>),
    /// A diagnosis.
    Chart(Box<Chart>),
}

impl Screen {
    /// The listener table of this screen, and what is known of the host.
    pub(super) fn table(&mut self) -> Option<(&mut Table, &Facts)> {
        match self {
            Self::Picker(_) => None,
            Self::Listeners(all) => Some((&mut all.table, &all.facts)),
            Self::Chart(chart) => Some((&mut chart.table, &chart.case.here)),
        }
    }
}

/// What lies over the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    None,
    /// A page, from this line.
    Page(Page, usize),
    /// As what a report is written: the chosen one of [`super::export::Kind::ALL`].
    Export(usize),
    /// A fix.
    Fix,
}

/// Something to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The help.
    Help,
    /// The selected box, explained.
    Explain,
    /// The hops to the target.
    Hops,
}

/// Must the facts be diagnosed again?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stale {
    No,
    Yes,
}

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The list of actions, whose line takes what is typed.
    Actions,
    /// As what a report is written is being chosen.
    Export,
    /// A page is open: the help, or something else to read.
    Help,
    /// A fix is shown, and it asks that.
    Fix(Ask),
    /// The picker, whose line takes what is typed.
    Picker,
    /// The filter takes what is typed.
    Filter,
    /// The client's address takes what is typed.
    Client,
    /// The text to be found takes what is typed.
    Find,
    /// All listeners.
    Table,
    /// A pane of the chart.
    Pane(Focus),
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Find,
        Self::Actions,
        Self::Export,
        Self::Help,
        Self::Fix(Ask::Plan),
        Self::Fix(Ask::Question),
        Self::Fix(Ask::Nothing),
        Self::Fix(Ask::Next),
        Self::Fix(Ask::Over),
        Self::Picker,
        Self::Filter,
        Self::Client,
        Self::Table,
        Self::Pane(Focus::Chart),
        Self::Pane(Focus::Detail),
        Self::Pane(Focus::Rules),
        Self::Pane(Focus::Listeners),
        Self::Pane(Focus::Filter),
        Self::Pane(Focus::Journal),
    ];
}

impl State {
    /// The state a session begins with.
    pub fn new(start: Start, recent: Vec<String>, size: Size, now_ms: u64) -> Self {
        let mut state = Self {
            size,
            shown: Shown::default(),
            screen: Screen::Picker(Box::default()),
            overlay: Overlay::None,
            fixing: None,
            happened: None,
            standing: None,
            notice: None,
            recent,
            now_ms,
            asking: Asking::default(),
            ends: if start.again.is_some() { Ends::Askable } else { Ends::Still },
            mouse: start.mouse,
            actions: None,
            toast: None,
            hint: Hint::None,
            marked: None,
            from: start.from,
            watched: BTreeSet::new(),
            stale: Stale::Yes,
            to_do: Vec::new(),
            cases: 0,
            fixes: 0,
            toasts: 0,
        };
        match start.open {
            Open::Picker => state.pick(),
            Open::Listeners => state.list(),
            Open::Target(target) => state.open(target),
            Open::Recording(case) => state.show(*case, Origin::Recording),
        }
        if let Screen::Chart(chart) = &mut state.screen {
            chart.took = start.took;
        }
        state
    }

    /// Shows the hint for the first time, once for good.
    pub fn welcome(&mut self) {
        self.hint = Hint::Shown;
        self.to_do.push(Effect::Hinted);
    }

    /// Diagnoses a target of this host's view.
    pub(super) fn open(&mut self, target: Target) {
        self.recent.retain(|known| *known != target.input);
        self.recent.insert(0, target.input.clone());
        self.to_do.push(Effect::Remember(target.input.clone()));
        let case = Case::new(target, self.from);
        self.show(case, Origin::Host);
    }

    fn show(&mut self, case: Case, origin: Origin) {
        self.asking.forget();
        self.cases += 1;
        let mut chart = Chart::new(case, origin, self.cases);
        chart.began_ms = self.now_ms;
        self.screen = Screen::Chart(Box::new(chart));
        self.happened = None;
        self.stale = Stale::Yes;
    }

    /// Lets the user choose a target.
    pub(super) fn pick(&mut self) {
        self.asking.forget();
        self.cases += 1;
        let mut picker = Picker::default();
        picker.arrange(&self.recent);
        self.screen = Screen::Picker(Box::new(picker));
    }

    /// Shows all listeners.
    pub(super) fn list(&mut self) {
        self.asking.forget();
        self.cases += 1;
        self.screen = Screen::Listeners(Box::default());
    }

    /// What a page lies over.
    pub(super) fn below_the_page(&self) -> Overlay {
        if self.fixing.is_some() { Overlay::Fix } else { Overlay::None }
    }

    /// What the shown fix asks.
    fn asks(&self) -> Ask {
        let Some(fixing) = &self.fixing else { return Ask::Over };
        let more = matches!(&self.screen, Screen::Chart(chart) if fixing::more(chart));
        fixing.asks(more)
    }

    /// Where keys go now.
    pub fn mode(&self) -> Mode {
        match self.overlay {
            _ if self.actions.is_some() => Mode::Actions,
            Overlay::Page(..) => Mode::Help,
            Overlay::Export(_) => Mode::Export,
            Overlay::Fix | Overlay::None => self.mode_below(),
        }
    }

    /// Where keys go once the list of actions or a page is closed.
    pub fn mode_below(&self) -> Mode {
        match (self.below_the_page(), &self.screen) {
            (Overlay::Fix, _) => Mode::Fix(self.asks()),
            (_, Screen::Picker(_)) => Mode::Picker,
            (_, Screen::Listeners(all)) => match all.attention {
                Attention::Rows => Mode::Table,
                Attention::Filter => Mode::Filter,
            },
            (_, Screen::Chart(chart)) if chart.client.is_some() => Mode::Client,
            (_, Screen::Chart(chart)) if chart.sought().is_some() => Mode::Find,
            (_, Screen::Chart(chart)) if chart.focus == Focus::Filter => Mode::Filter,
            (_, Screen::Chart(chart)) => Mode::Pane(chart.focus),
        }
    }

    /// The facts of the screen.
    pub fn facts(&self) -> &Facts {
        match &self.screen {
            Screen::Picker(picker) => &picker.facts,
            Screen::Listeners(all) => &all.facts,
            Screen::Chart(chart) => &chart.case.here,
        }
    }
}
