//! THE SCREEN IN SENTENCES: the same state, the same updates, told line by line and asked by numbers.
//!
//! For a screen reader, a serial line, or a terminal that can do nothing else. Nothing here but `run` and `input` touches
//! the terminal: [`Plain`] turns a state into text, and a line into what happens next.
//!
//! ```text
//! State ──▶ Plain::tell ──▶ text          a line ──▶ Plain::heard ──▶ What ──▶ update
//! ```

pub mod diagnosis;
pub mod fix;
mod hear;
mod input;
pub mod lists;
pub mod menu;
pub mod news;
pub mod rules;
mod run;
pub mod say;

use jiff::tz::TimeZone;

use crate::app::chart::{Chart, Origin};
use crate::app::event::{Command, Extent, Shown, What};
use crate::app::fixing::{End, Stage};
use crate::app::state::{Overlay, Page as Over, Screen, State};
use crate::facts::{Facts, Question, Reading};
use news::{Known, Sockets};
pub use run::run;
use say::Say;

/// How things are told.
#[derive(Debug, Clone)]
pub struct Style {
    /// Zone that times are shown in.
    pub zone: TimeZone,
    /// Text of the host is spelled in ASCII too.
    pub ascii: bool,
}

/// What was told, and what is asked.
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was said once, or is to be said")]
#[derive(Debug, Clone)]
pub struct Plain {
    style: Style,
    place: Option<Place>,
    known: Option<Known>,
    sockets: Option<Sockets>,
    /// Targets that were listed.
    targets: Vec<String>,
    /// What is to be told as soon as it is known.
    page: Option<Page>,
    /// What is asked beside the choices.
    asks: Asks,
    fix: fix::Told,
    notice: Option<String>,
    /// The user wants to know even that nothing changed.
    asked: bool,
    /// A question stands at the end of what was written.
    prompted: bool,
    /// It was said that a change is pending.
    warned: bool,
    /// The journal was looked at.
    journal: bool,
    /// The choices were listed.
    greeted: bool,
}

/// Where the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Picker,
    Listeners,
    Chart(u64),
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Page {
    Targets,
    Listeners,
    /// The lines of the journal that hold this.
    Journal(String),
    Rules,
    Hops,
}

/// What the next line answers, where it is no choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Choice,
    /// Which box to look at, or to explain.
    Box(Look),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    At,
    Explained,
}

/// What comes of a line, or of what happened.
#[derive(Debug, Default)]
pub struct Turn {
    /// What is to be written.
    pub text: String,
    /// What happens next by itself.
    pub does: Vec<What>,
}

impl Plain {
    /// Nothing was told yet.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            place: None,
            known: None,
            sockets: None,
            targets: Vec::new(),
            page: None,
            asks: Asks::Choice,
            fix: fix::Told::default(),
            notice: None,
            asked: false,
            prompted: false,
            warned: false,
            journal: false,
            greeted: false,
        }
    }

    /// What of the state is told, as sizes of panes: it decides what is asked.
    pub fn shown(&self, state: &State) -> Shown {
        let rows = |rows: usize, of: usize| Extent { rows, of };
        let mut shown = Shown::default();
        match &state.screen {
            Screen::Picker(picker) => shown.picker = rows(lists::MOST, picker.rows().len()),
            Screen::Listeners(all) => shown.listeners = rows(lists::MOST, all.table.len()),
            Screen::Chart(chart) => {
                if self.sockets.is_some() || self.page == Some(Page::Listeners) {
                    shown.listeners = rows(lists::MOST, chart.table.len());
                }
                if self.journal {
                    shown.journal = rows(lists::MOST, 0);
                }
                if self.page == Some(Page::Rules) {
                    shown.rules = rows(lists::MOST, chart.rules.lines().len());
                }
            }
        }
        shown
    }

    /// Tells what is new, and asks.
    pub fn tell(&mut self, state: &State) -> Turn {
        let mut say = Say::new(self.style.ascii);
        self.arrive(state);
        if self.notice != state.notice {
            self.notice.clone_from(&state.notice);
            state.notice.iter().for_each(|notice| say.line(say::sentence(notice)));
        }
        let does = if let Some(fixing) = &state.fixing {
            // What the target gives then is told even where it is what it gave before.
            self.asked |= matches!(&fixing.stage, Stage::Ended(end) if !matches!(end, End::Failed(_)));
            self.fix.tell(fixing, state.now_ms, &mut say)
        } else {
            (self.fix, self.warned) = (fix::Told::default(), false);
            self.news(state, &mut say);
            self.turn_page(state, &mut say)
        };
        let asks = if does.is_empty() { self.question(state) } else { None };
        Turn { text: self.written(say, asks), does }
    }

    /// Another screen begins with nothing told.
    fn arrive(&mut self, state: &State) {
        let (place, page) = match &state.screen {
            Screen::Picker(_) => (Place::Picker, Some(Page::Targets)),
            Screen::Listeners(_) => (Place::Listeners, Some(Page::Listeners)),
            Screen::Chart(chart) => (Place::Chart(chart.number), None),
        };
        if self.place != Some(place) {
            (self.known, self.sockets, self.asks, self.journal) = (None, None, Asks::Choice, false);
            (self.place, self.page) = (Some(place), page);
        }
    }

    /// What the state is, or how it changed.
    fn news(&mut self, state: &State, say: &mut Say) {
        let us = state.now_ms.saturating_mul(1000);
        let zone = &self.style.zone;
        if let Screen::Chart(chart) = &state.screen {
            if let Some(line) = &chart.client {
                let wrong = line.wrong.as_ref().filter(|_| !self.prompted);
                return wrong.into_iter().for_each(|wrong| say.line(say::sentence(wrong)));
            }
            if busy(chart, state) {
                return;
            }
            if let Some(known) = &self.known {
                known.tell(chart, (us, zone), self.asked, say);
            } else {
                diagnosis::whole(chart, say);
                if !self.greeted {
                    self.greeted = true;
                    menu::tell(state, say);
                }
            }
            self.known = Some(Known::of(chart));
            self.asked = false;
        }
        let table = match &state.screen {
            Screen::Picker(_) => return,
            Screen::Listeners(all) => &all.table,
            Screen::Chart(chart) => &chart.table,
        };
        // Another filter is no change of the host.
        if let Some(sockets) = self.sockets.as_mut().filter(|_| self.page != Some(Page::Listeners)) {
            sockets.tell(table, &state.facts().owners, &clock(us, zone), say);
        }
    }

    /// Tells what was asked for, where it is known by now.
    fn turn_page(&mut self, state: &State, say: &mut Say) -> Vec<What> {
        let Some(page) = self.page.clone().filter(|page| ready(page, state)) else { return Vec::new() };
        self.page = None;
        let facts = state.facts();
        match (page, &state.screen) {
            (Page::Targets, Screen::Picker(picker)) => {
                lists::targets(picker, say);
                self.targets = picker.rows().iter().map(crate::app::picker::Choice::target).collect();
            }
            (Page::Listeners, Screen::Listeners(all)) => {
                lists::listeners(&all.table, &facts.owners, &facts.all_listeners, say);
                self.sockets = Some(Sockets::of(&all.table, &facts.owners));
            }
            (Page::Listeners, Screen::Chart(chart)) => {
                lists::listeners(&chart.table, &facts.owners, &facts.all_listeners, say);
                self.sockets = Some(Sockets::of(&chart.table, &facts.owners));
            }
            (Page::Journal(needle), Screen::Chart(chart)) => lists::journal(chart, &needle, &self.style.zone, say),
            (Page::Rules, Screen::Chart(chart)) => rules::way(chart, say),
            (Page::Hops, Screen::Chart(chart)) if matches!(state.overlay, Overlay::Page(Over::Hops, _)) => {
                lists::hops(chart, say);
                return vec![What::Command(Command::Back)];
            }
            _ => {}
        }
        Vec::new()
    }

    /// What is asked now; nothing while an answer is on its way.
    fn question(&self, state: &State) -> Option<String> {
        if let Some(fixing) = &state.fixing {
            return self.fix.question(fixing);
        }
        if self.page.is_some() {
            return None;
        }
        match &state.screen {
            Screen::Picker(_) => Some("Target (? lists them, quit leaves): ".into()),
            Screen::Listeners(_) => Some("All listeners. Number, or ? for the choices: ".into()),
            Screen::Chart(chart) if busy(chart, state) && self.known.is_none() => None,
            Screen::Chart(chart) if busy(chart, state) && self.asked => None,
            Screen::Chart(chart) => Some(match (&chart.client, self.asks) {
                (Some(_), _) => "Which client? An address, any or here; Enter alone: any client. ".into(),
                (None, Asks::Box(_)) => "Which box, 0 to 8? Enter alone: none. ".into(),
                (None, Asks::Choice) => standing(chart),
            }),
        }
    }

    fn written(&mut self, said: Say, asks: Option<String>) -> String {
        let mut out = String::new();
        if !said.is_empty() {
            // What was typed so far is not lost: the terminal keeps it for the question that comes again.
            out.push_str(if self.prompted { "\n" } else { "" });
            out.push_str(&said.text());
            self.prompted = false;
        }
        if let (Some(asks), false) = (asks, self.prompted) {
            let mut say = Say::new(self.style.ascii);
            say.part(asks);
            out.push_str(&say.text());
            self.prompted = true;
        }
        out
    }

    /// Is text of the host spelled in ASCII?
    pub fn ascii(&self) -> bool {
        self.style.ascii
    }

    /// Is a line waited for?
    pub fn waits(&self) -> bool {
        self.prompted
    }

    /// Somebody wants to go on after a while in which nothing was told: what it waits for.
    pub fn patience(&mut self, state: &State) -> String {
        let mut say = Say::new(self.style.ascii);
        let open = state.asking.count();
        say.line(match open {
            0 => "It goes on.".to_owned(),
            _ => format!("Looking: {} to come.", say::count(open, "answer")),
        });
        self.written(say, None)
    }

    /// Ctrl-C: leaves, but asks once while a change is pending.
    pub fn interrupted(&mut self, state: &State) -> Turn {
        let pending = state.fixing.as_ref().is_some_and(|fixing| fixing.pending());
        if !pending || self.warned {
            return Turn::default();
        }
        self.warned = true;
        self.prompted = false;
        let mut say = Say::new(self.style.ascii);
        say.line("");
        say.line("A change is pending. Ctrl-C again leaves, and puts it back.");
        let asks = self.question(state);
        Turn { text: self.written(say, asks), does: Vec::new() }
    }

    /// The question is written once more.
    pub fn ask_again(&mut self) {
        self.prompted = false;
    }
}

/// Is something on its way that would be told?
fn busy(chart: &Chart, state: &State) -> bool {
    chart.origin == Origin::Host && (!chart.diagnosis.settled || state.asking.again().next().is_some())
}

/// How it stands, before the question what to do.
fn standing(chart: &Chart) -> String {
    let diagnosis = &chart.diagnosis;
    let word = match (&diagnosis.untold, diagnosis.outcome) {
        (Some(_), _) | (None, None) => "cannot tell",
        (None, Some(outcome)) => outcome.word(),
    };
    let fix = if diagnosis::plans(chart).is_empty() { "" } else { "1 fixes it, " };
    format!("{} {word}; {fix}? lists the choices: ", diagnosis::at(chart))
}

/// Is what a page tells known?
fn ready(page: &Page, state: &State) -> bool {
    let facts = state.facts();
    let recording = matches!(&state.screen, Screen::Chart(chart) if chart.origin == Origin::Recording);
    recording
        || match page {
            Page::Targets => known(&facts.all_listeners) && known(&facts.failed_units) && owned(facts),
            Page::Listeners => known(&facts.all_listeners) && owned(facts),
            Page::Journal(_) => journal_known(state),
            Page::Rules => known(&facts.ruleset) && state.asking.count() == 0,
            Page::Hops => !state.asking_path(),
        }
}

fn known<T>(reading: &Reading<T>) -> bool {
    !matches!(reading, Reading::NotAsked | Reading::Pending)
}

/// No owner is still being looked for.
fn owned(facts: &Facts) -> bool {
    facts.owners.values().all(known)
}

fn journal_known(state: &State) -> bool {
    let Screen::Chart(chart) = &state.screen else { return true };
    chart.journal_of.as_ref().is_none_or(|unit| chart.case.here.journals.get(unit).is_some_and(known))
}

impl State {
    /// Is a look at the hops under way?
    fn asking_path(&self) -> bool {
        let Screen::Chart(chart) = &self.screen else { return false };
        chart.diagnosis.subject.endpoint().is_some_and(|to| self.asking.has(&Question::Path(to)))
    }
}

/// A time of day, from microseconds since the Unix epoch.
pub fn clock(at_us: u64, zone: &TimeZone) -> String {
    let Ok(at) = i64::try_from(at_us).map(jiff::Timestamp::from_microsecond) else { return String::new() };
    at.map(|time| time.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()).unwrap_or_default()
}
