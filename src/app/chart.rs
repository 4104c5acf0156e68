//! The diagnosis on the screen: its case, what it came to, what is selected and how it is looked at again.

use std::time::Duration;

use super::client;
use super::event::Extent;
use super::find::Find;
use super::history::History;
use super::hops::Hops;
use super::retest::Retest;
use super::rules::Rules;
use super::table::Table;
use super::weighing::is_of_rules;
use crate::diagnose::chart::BoxId;
use crate::diagnose::look::Look;
use crate::diagnose::serving::serving;
use crate::diagnose::verdict::{Advice, BoxState, Diagnosis, Finding, Verdict};
use crate::diagnose::ways::Memory;
use crate::diagnose::{diagnose, diagnose_again};
use crate::facts::connect::{Dial, Endpoint};
use crate::facts::socket::Listener;
use crate::facts::{Case, Fact, Question, Reading};

/// The chart and everything beside it.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Target and facts.
    pub case: Case,
    /// What they mean.
    pub diagnosis: Diagnosis,
    /// Where the facts come from.
    pub origin: Origin,
    /// The selected box.
    pub selection: Selection,
    /// The pane the keys go to.
    pub focus: Focus,
    /// First line of the detail on the screen.
    pub detail_top: usize,
    /// Which part of the journal is on the screen.
    pub journal_top: Follow,
    /// Only its warnings and worse are shown.
    pub journal_worse: bool,
    /// The listener table.
    pub table: Table,
    /// The rules of the packet filter.
    pub rules: Rules,
    /// The client whose address is being typed.
    pub client: Option<client::Line>,
    /// A text that is looked for.
    pub find: Option<Find>,
    /// Number of the case.
    pub number: u64,
    /// Unit whose journal is shown.
    pub journal_of: Option<String>,
    /// What the last attempts got.
    pub history: History,
    /// What the hops to a target elsewhere showed.
    pub hops: Hops,
    /// How it is looked at again.
    pub retest: Retest,
    /// Connection attempts made so far.
    pub probes: usize,
    /// When the last answer came.
    pub last_answer_ms: u64,
    /// When the first question was asked.
    pub began_ms: u64,
    /// How long it took until everything was known.
    pub took: Option<Duration>,
    /// Ways through the rules that earlier diagnoses followed.
    memory: Memory,
}

/// Where facts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This host, now.
    Host,
    /// A recording: nothing is asked.
    Recording,
}

/// Which box is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// The one that matters most, as it turns out.
    Following,
    /// The one the user chose.
    Chosen(BoxId),
}

/// The pane the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The flowchart.
    Chart,
    /// The detail of the selected box.
    Detail,
    /// The rules of the packet filter.
    Rules,
    /// The listener table.
    Listeners,
    /// The filter of the listener table, being typed.
    Filter,
    /// The journal.
    Journal,
}

impl Focus {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Chart => Self::Detail,
            Self::Detail => Self::Rules,
            Self::Rules => Self::Listeners,
            Self::Listeners | Self::Filter => Self::Journal,
            Self::Journal => Self::Chart,
        }
    }

    /// The one before it.
    #[must_use]
    pub fn previous(self) -> Self {
        match self {
            Self::Chart => Self::Journal,
            Self::Detail => Self::Chart,
            Self::Rules => Self::Detail,
            Self::Listeners | Self::Filter => Self::Rules,
            Self::Journal => Self::Listeners,
        }
    }
}

/// Which part of a growing text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Its end, as it grows.
    End,
    /// From this line.
    From(usize),
}

impl Follow {
    /// Moved, by its first line on the screen; whoever comes to the end follows it again.
    pub(super) fn moved(self, extent: Extent, to: impl FnOnce(usize) -> usize) -> Self {
        let top = match self {
            Self::End => extent.last_top(),
            Self::From(top) => top,
        };
        let to = to(top);
        if to >= extent.last_top() { Self::End } else { Self::From(to) }
    }
}

/// Did an answer change what the target may do?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// Nothing but what rules have counted, none of which any box speaks of: there is nothing to diagnose.
    Counts,
    /// Nothing that matters to the target.
    Little,
    /// Something on the host changed: the target may answer differently now.
    Change,
    /// An attempt at the diagnosed address was answered.
    Attempt,
}

impl Chart {
    /// A case to be shown.
    pub fn new(case: Case, origin: Origin, number: u64) -> Self {
        let diagnosis = diagnose(&case);
        let mut chart = Self {
            case,
            diagnosis,
            origin,
            selection: Selection::Following,
            focus: Focus::Chart,
            detail_top: 0,
            journal_top: Follow::End,
            journal_worse: false,
            table: Table::default(),
            rules: Rules::default(),
            client: None,
            find: None,
            number,
            journal_of: None,
            history: History::default(),
            hops: Hops::default(),
            retest: Retest::new(number),
            probes: 0,
            last_answer_ms: 0,
            began_ms: 0,
            took: None,
            memory: Memory::default(),
        };
        chart.rules.counting.begin(&chart.case.here);
        if let Some(all) = chart.case.here.all_listeners.value() {
            chart.table.take(all, 0, &chart.case.here.owners);
        }
        if origin == Origin::Recording {
            chart.probes = chart.case.here.probes();
        }
        chart
    }

    /// Diagnoses the facts as they are now.
    pub fn diagnose(&mut self) {
        self.diagnosis = diagnose_again(&self.case, &self.memory);
        let look = Look::new(&self.case);
        let unit = serving(&look, &self.diagnosis.subject).and_then(|s| s.unit.map(|u| u.name.clone()));
        let named = self.diagnosis.culprit().map(|f| f.subject.clone());
        let known = |name: &String| self.case.here.units.contains_key(name);
        self.journal_of = unit.or(named.filter(known)).or(self.journal_of.take());
    }

    /// Makes the tree of rules anew.
    pub fn arrange_rules(&mut self, shown: Extent) {
        self.rules.arrange(&self.case.here, self.diagnosis.ways.as_ref());
        self.rules.settle(shown);
    }

    /// Takes in an answer and says what it changed.
    pub fn learn(&mut self, fact: Fact, at_ms: u64) -> Learned {
        self.last_answer_ms = at_ms;
        self.rules.counting.take(&fact);
        let learned = if let Fact::Dial(to, reading) = &fact {
            self.tried(to, reading)
        } else if self.only_counted(&fact) {
            Learned::Counts
        } else {
            self.weigh(&fact)
        };
        if let Fact::Path(_, Reading::Known(path)) = &fact {
            self.hops.add(&path.value);
        }
        let tried = if let Fact::Dial(to, _) = &fact { Some(to.clone()) } else { None };
        if learned == Learned::Change && is_of_rules(&fact) {
            self.case.here.doubt_watched();
        }
        self.memory.hear(&fact, &self.case.here);
        self.case.here.learn(fact);
        if let Some(to) = tried.filter(|to| self.case.here.dials.get(to).is_some_and(|reading| !reading.is_open())) {
            self.case.here.tried_again(&to);
        }
        learned
    }

    /// Everything was looked at anew: the selection and what is on the screen stay.
    pub(super) fn replace(&mut self, case: Case, now_ms: u64) {
        self.case = case;
        self.memory = Memory::default();
        self.probes += self.case.probes();
        self.last_answer_ms = now_ms;
        self.diagnose();
        if let Some((outcome, after)) = self.dial().map(|dial| (dial.outcome, dial.after)) {
            self.history.push(outcome, after);
        }
        if let Some(all) = self.case.here.all_listeners.value() {
            self.table.take(all, now_ms, &self.case.here.owners);
        }
    }

    /// What a recording has to say to a question it does not hold.
    pub fn not_recorded(&mut self, question: &Question) {
        let fact = Fact::without_value(question, Reading::Failed { why: "it is not in the recording".into() });
        self.memory.hear(&fact, &self.case.here);
        self.case.here.learn(fact);
    }

    /// Counts an attempt.
    fn tried(&mut self, to: &Endpoint, reading: &Reading<Dial>) -> Learned {
        if !reading.is_open() {
            self.probes += 1;
        }
        let diagnosed = self.diagnosis.subject.endpoint().as_ref() == Some(to);
        if let (Some(dial), true) = (reading.value(), diagnosed) {
            self.history.push(dial.outcome, dial.after);
        }
        if diagnosed { Learned::Attempt } else { Learned::Little }
    }

    /// The sockets on the diagnosed port.
    pub fn listeners_of_target(&self) -> &[Listener] {
        let subject = &self.diagnosis.subject;
        let Some(port) = subject.port else { return &[] };
        let reading = self.case.here.listeners.get(&(subject.transport, port));
        reading.and_then(Reading::value).map(Vec::as_slice).unwrap_or_default()
    }

    /// The box that is selected.
    pub fn selected(&self) -> BoxId {
        match self.selection {
            Selection::Chosen(id) => id,
            Selection::Following => self.foremost(),
        }
    }

    /// The box that matters most: the culprit's, else the first that says no, else the symptom.
    fn foremost(&self) -> BoxId {
        let no = |b: &&BoxState| b.verdict == Verdict::No && b.id != BoxId::Connect;
        let culprit = self.diagnosis.culprit().map(|f| f.in_box);
        culprit.or_else(|| self.diagnosis.boxes.iter().find(no).map(|b| b.id)).unwrap_or(BoxId::Connect)
    }

    /// The finding shown for a box: the culprit where it is in it, else the first other.
    pub fn finding(&self, id: BoxId) -> Option<&Finding> {
        let culprit = self.diagnosis.culprit().filter(|f| f.in_box == id);
        culprit.or_else(|| self.diagnosis.causes.iter().find(|f| f.in_box == id))
    }

    /// The attempt the verdict is about.
    pub fn dial(&self) -> Option<&Dial> {
        let to = self.diagnosis.subject.endpoint()?;
        let at_client = self.case.client.as_deref().and_then(|client| client.here.dials.get(&to));
        at_client.or_else(|| self.case.here.dials.get(&to))?.value()
    }

    /// The command that shows what the selected box says, or the selected line of the rules.
    pub fn see(&self) -> Option<String> {
        if let (Focus::Rules, Some(chain)) = (self.focus, self.rules.selected_chain()) {
            return Some(crate::firewall::see::chain(chain, self.case.here.ruleset.value()));
        }
        let id = self.selected();
        let finding = self.finding(id).map(|f| f.evidence.as_slice());
        let state = self.diagnosis.get(id).map(|b| b.evidence.as_slice());
        let evidence = finding.or(state).unwrap_or_default().first();
        evidence.map(|e| e.see.clone()).or_else(|| self.see_dial().filter(|_| id == BoxId::Connect))
    }

    /// A command that makes the same attempt.
    pub fn see_dial(&self) -> Option<String> {
        Some(match self.diagnosis.subject.endpoint()? {
            Endpoint::Tcp(at) => format!("nc -vz -w 3 {} {}", at.ip(), at.port()),
            Endpoint::Udp(at) => format!("nc -vzu -w 3 {} {}", at.ip(), at.port()),
            Endpoint::Unix(path) => format!("nc -vzU {path}"),
            Endpoint::Abstract(name) => format!("socat - ABSTRACT-CONNECT:{name}"),
        })
    }

    /// What to do first about the selected box, or about the culprit.
    pub fn advice(&self) -> Option<&Advice> {
        let of_box = self.finding(self.selected()).and_then(|f| f.advice.first());
        of_box.or_else(|| self.diagnosis.culprit()?.advice.first())
    }
}

/// Was this question never asked about these facts?
pub fn unasked<T>(reading: Option<&Reading<T>>) -> bool {
    matches!(reading, None | Some(Reading::NotAsked))
}

/// How long an attempt took, in words.
pub fn took(after: Duration) -> String {
    let ms = after.as_secs_f64() * 1000.0;
    if ms < 0.1 {
        format!("{} µs", after.as_micros())
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}
