//! The program's own sources, asked for whatever the simulator misses.

use std::cell::RefCell;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use unrefuse::facts::host::Addresses;
use unrefuse::facts::route::{Link, Route, RouteKey};
use unrefuse::facts::ruleset::{ChainId, ChainRules, Element, Elements, LegacyTable, Recent, Ruleset, SetId};
use unrefuse::facts::{Facts, Question, Reading};
use unrefuse::firewall::{Known, Missing, Packet, Walk, follow};
use unrefuse::sources::{Arrival, Sources};

/// What is known of the server, and what was found missing.
#[derive(Default)]
pub(crate) struct Reader {
    facts: Facts,
    missing: RefCell<Vec<Question>>,
}

/// Asks the sources in the network of the thread that made it.
pub(crate) struct Asker {
    runtime: Runtime,
    sources: Sources,
    arrivals: mpsc::Receiver<Arrival>,
}

impl Asker {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, arrivals) = mpsc::channel(64);
        Self { runtime, sources: Sources::new(sender), arrivals }
    }

    /// Follows a packet, asking until nothing is missing.
    pub(crate) fn follow(&mut self, packet: &Packet, reader: &mut Reader) -> Walk {
        const ROUNDS: usize = 64;
        for _ in 0..ROUNDS {
            let walk = follow(packet, reader);
            let missing = std::mem::take(reader.missing.get_mut());
            if missing.is_empty() {
                return walk;
            }
            self.answer(missing, &mut reader.facts);
        }
        panic!("questions without end: {packet:?}");
    }

    fn answer(&mut self, mut questions: Vec<Question>, facts: &mut Facts) {
        questions.sort();
        questions.dedup();
        let Self { runtime, sources, arrivals } = self;
        runtime.block_on(async {
            for question in &questions {
                sources.ask(question.clone(), 0);
            }
            for _ in &questions {
                let arrived = tokio::time::timeout(Duration::from_secs(30), arrivals.recv()).await;
                facts.learn(arrived.expect("every question is answered").expect("the sources live").fact);
            }
        });
    }
}

impl Reader {
    fn of<'a, T>(
        &self,
        reading: Option<&'a Reading<T>>,
        question: impl FnOnce() -> Question,
    ) -> Result<&'a T, Missing> {
        match reading {
            Some(Reading::Known(known)) => Ok(&known.value),
            None | Some(Reading::NotAsked | Reading::Pending) => {
                self.missing.borrow_mut().push(question());
                Err(Missing::Open)
            }
            Some(Reading::Absent) => Err(Missing::Blind("there is none".into())),
            Some(other) => Err(Missing::Blind(other.blind().unwrap_or_else(|| "it is not known".into()))),
        }
    }

    /// The rules of a chain, where they were read.
    pub(crate) fn rules(&self, id: &ChainId) -> Option<&ChainRules> {
        match self.facts.chains.get(id) {
            Some(Reading::Known(known)) => Some(&known.value),
            _ => None,
        }
    }

    /// Tables, chains and sets, where they were read.
    pub(crate) fn rules_read(&self) -> Option<&Ruleset> {
        match &self.facts.ruleset {
            Reading::Known(known) => Some(&known.value),
            _ => None,
        }
    }

    /// The legacy tables, where they were read.
    pub(crate) fn legacy_tables(&self) -> &[LegacyTable] {
        match &self.facts.legacy {
            Reading::Known(known) => &known.value,
            _ => &[],
        }
    }
}

impl Known for Reader {
    fn ruleset(&self) -> Result<&Ruleset, Missing> {
        self.of(Some(&self.facts.ruleset), || Question::Ruleset)
    }

    fn chain_rules(&self, id: &ChainId) -> Result<&ChainRules, Missing> {
        self.of(self.facts.chains.get(id), || Question::ChainRules(id.clone()))
    }

    fn elements(&self, id: &SetId) -> Result<&Elements, Missing> {
        self.of(self.facts.elements.get(id), || Question::Elements(id.clone()))
    }

    fn member(&self, set: &SetId, key: &[u8]) -> Result<Option<&Element>, Missing> {
        let reading = self.facts.members.get(&(set.clone(), key.to_vec()));
        if matches!(reading, Some(Reading::Absent)) {
            return Ok(None);
        }
        self.of(reading, || Question::Member(set.clone(), key.to_vec())).map(Some)
    }

    fn legacy(&self) -> Result<&[LegacyTable], Missing> {
        if matches!(self.facts.legacy, Reading::Absent) {
            return Ok(&[]);
        }
        self.of(Some(&self.facts.legacy), || Question::Legacy).map(Vec::as_slice)
    }

    fn recent(&self, name: &str) -> Result<&Recent, Missing> {
        self.of(self.facts.recent.get(name), || Question::Recent(name.into()))
    }

    fn links(&self) -> Result<&[Link], Missing> {
        self.of(Some(&self.facts.links), || Question::Links).map(Vec::as_slice)
    }

    fn addresses(&self) -> Result<&Addresses, Missing> {
        self.of(Some(&self.facts.addresses), || Question::Addresses)
    }

    fn route(&self, key: &RouteKey) -> Result<&Route, Missing> {
        self.of(self.facts.routes.get(key), || Question::Route(key.clone()))
    }
}
