//! Who walks: what is known, what was found out, and what it is still unsure of.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::bytes::{Byte, DoubtId};
use super::hooks::Item;
use super::strand::{State, Strand};
use super::{Fate, Known, Leg, Missing, Packet, Pass, Place};
use crate::facts::host::Addresses;
use crate::facts::ruleset::{Chain, ChainId, Family, Hook, LegacyTable, Rule, Ruleset};

/// Rules that may be tried, strands and results counted: beyond that a ruleset is not followed any more.
const STEPS: u64 = 4_000_000;
/// Groups of sources that are told apart.
const GROUPS: usize = 65_536;

/// Comparisons that no ranges of sources answer.
pub(super) const ODD: DoubtId = 0;

/// Why something cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Why {
    /// A clause after "because".
    pub(super) text: String,
    /// The answer may still come.
    pub(super) open: bool,
}

/// Where a packet is: in which chain of which base chain.
#[derive(Debug, Clone)]
pub(super) struct Frame<'k> {
    pub(super) base: &'k Chain,
    pub(super) hook: Hook,
    pub(super) leg: Leg,
    pub(super) via: Vec<(ChainId, u64)>,
    pub(super) chain: ChainId,
    /// The legacy table it is in.
    pub(super) legacy: Option<&'k LegacyTable>,
}

impl Frame<'_> {
    /// A rule in it, or (none) the base chain's policy.
    pub(super) fn place(&self, rule: Option<&Rule>) -> Place {
        let (via, chain) = match rule {
            Some(_) => (self.via.clone(), self.chain.clone()),
            None => (Vec::new(), self.base.id.clone()),
        };
        let rule = rule.map(|r| r.handle);
        Place { base: self.base.id.clone(), hook: self.hook, leg: self.leg, via, chain, rule }
    }

    pub(super) fn family(&self) -> Family {
        self.base.id.table.family
    }
}

/// What became of a strand.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) strand: Strand,
    pub(super) fate: Fate,
}

/// A hook, of a device where it is one's own.
type AtHook = (Hook, Option<Rc<str>>);

/// Follows strands through chains.
pub(super) struct Walker<'k> {
    pub(super) known: &'k dyn Known,
    pub(super) ruleset: &'k Ruleset,
    pub(super) addresses: &'k Addresses,
    pub(super) packet: Packet,
    pub(super) v6: bool,
    pub(super) done: Vec<Done>,
    pub(super) entered: Vec<ChainId>,
    seen: HashSet<ChainId>,
    whys: Vec<Why>,
    /// By their text: those that are told, and those that may still come.
    why_ids: [HashMap<String, DoubtId>; 2],
    forks: Vec<(DoubtId, Option<Place>)>,
    fork_ids: HashMap<(DoubtId, Option<Place>), u32>,
    steps: u64,
    /// What there is at the hooks that were passed.
    pub(super) items: HashMap<AtHook, Rc<[Item<'k>]>>,
    /// The headers of the packet as rules saw it last.
    pub(super) headers: Option<Headers>,
}

/// A packet's headers in one state. Holding the state keeps it from being changed: who does gets a copy of its own.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) of: Rc<State>,
    /// From the IP header on.
    pub(super) network: Rc<[Byte]>,
    /// Where in that the transport header begins.
    pub(super) transport: usize,
}

impl<'k> Walker<'k> {
    pub(super) fn new(known: &'k dyn Known, ruleset: &'k Ruleset, addresses: &'k Addresses, packet: Packet) -> Self {
        let mut walker = Self {
            known,
            ruleset,
            addresses,
            packet,
            v6: packet.to.is_ipv6(),
            done: Vec::new(),
            entered: Vec::new(),
            seen: HashSet::new(),
            whys: Vec::new(),
            why_ids: [HashMap::new(), HashMap::new()],
            forks: Vec::new(),
            fork_ids: HashMap::new(),
            steps: 0,
            items: HashMap::new(),
            headers: None,
        };
        walker.why("which sources a rule asks for is no simple range");
        walker
    }

    /// A reason that holds for this host's packets whatever is read yet.
    pub(super) fn why(&mut self, text: &str) -> DoubtId {
        self.intern(text, false)
    }

    /// Why something about the host is not known.
    pub(super) fn missing(&mut self, missing: &Missing, what: &str) -> DoubtId {
        match missing {
            Missing::Open => self.intern(&format!("{what} is still being read"), true),
            Missing::Blind(why) => self.intern(&format!("{what} cannot be read: {why}"), false),
        }
    }

    /// The number of a reason. This is done for nearly every rule: nothing is copied for one that has a number.
    fn intern(&mut self, text: &str, open: bool) -> DoubtId {
        let [told, coming] = &mut self.why_ids;
        let ids = if open { coming } else { told };
        if let Some(id) = ids.get(text) {
            return *id;
        }
        let id = u32::try_from(self.whys.len()).unwrap_or(u32::MAX);
        self.whys.push(Why { text: text.into(), open });
        ids.insert(text.into(), id);
        id
    }

    /// The fate of what depends on something unknown.
    pub(super) fn unknown(&self, doubt: DoubtId, by: Option<Place>) -> Fate {
        let why = self.whys.get(usize::try_from(doubt).unwrap_or(usize::MAX));
        match why {
            Some(why) => Fate::Unknown { why: why.text.clone(), open: why.open, by },
            None => Fate::Unknown { why: "it depends on too much".into(), open: false, by },
        }
    }

    /// A point where the way divides; both ways are followed.
    pub(super) fn fork(&mut self, doubt: DoubtId, by: Option<Place>) -> u32 {
        let key = (doubt, by);
        if let Some(id) = self.fork_ids.get(&key) {
            return *id;
        }
        let id = u32::try_from(self.forks.len()).unwrap_or(u32::MAX);
        self.forks.push(key.clone());
        self.fork_ids.insert(key, id);
        id
    }

    /// What is unknown because the two ways of a fork end differently.
    pub(super) fn of_fork(&self, fork: u32) -> Fate {
        match self.forks.get(usize::try_from(fork).unwrap_or(usize::MAX)) {
            Some((doubt, by)) => self.unknown(*doubt, by.clone()),
            None => self.unknown(DoubtId::MAX, None),
        }
    }

    /// Notes that a chain is entered.
    pub(super) fn enter(&mut self, id: &ChainId, strands: &[Strand]) {
        if strands.iter().any(|strand| !strand.state.ghost) && !self.seen.contains(id) {
            self.seen.insert(id.clone());
            self.entered.push(id.clone());
        }
    }

    /// Notes what became of a strand.
    pub(super) fn end(&mut self, strand: Strand, fate: Fate) {
        if !strand.state.ghost {
            self.done.push(Done { strand, fate });
        }
    }

    /// Notes that a strand's fate is unknown, and lets its ghost go on where the answer may still come: so what is needed
    /// next is asked for at once.
    pub(super) fn give_up(&mut self, mut strand: Strand, doubt: DoubtId, by: Option<Place>) -> Option<Strand> {
        let fate = self.unknown(doubt, by);
        let open = matches!(fate, Fate::Unknown { open: true, .. });
        self.end(strand.clone(), fate);
        strand.state().ghost = true;
        open.then_some(strand)
    }

    /// A base chain let a strand pass.
    pub(super) fn pass(strand: &mut Strand, by: Place) {
        strand.state().passed.push(Pass { by });
    }

    /// Counts work; false: it is too much.
    pub(super) fn work(&mut self, amount: usize) -> bool {
        self.steps = self.steps.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
        self.steps <= STEPS && self.done.len().saturating_add(amount) <= GROUPS
    }
}
