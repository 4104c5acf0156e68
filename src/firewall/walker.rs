//! Who walks: what is known, what was found out, and what it is still unsure of.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::bytes::{Byte, DoubtId};
use super::hooks::Item;
use super::split::Test;
use super::strand::{State, Strand};
use super::{Fate, Known, Leg, Missing, Packet, Pass, Place};
use crate::facts::host::Addresses;
use crate::facts::ruleset::{Chain, ChainId, Family, Hook, LegacyTable, Rule, Ruleset, Set, SetId};

/// What following a packet may cost, in elements of sets gone through: beyond that a ruleset is not followed any more.
pub(super) const MOST: u64 = 8_000_000;
/// The same while something is still to come, and both ways are followed of all that depends on it.
const FOR_NOW: u64 = 100_000;
/// What it costs to try a rule for a strand, beside its sets.
pub(super) const RULE: u64 = 16;
/// Groups of sources that are told apart.
const GROUPS: usize = 65_536;

/// Comparisons that no ranges of sources answer.
pub(super) const ODD: DoubtId = 0;

/// Why nothing is followed beyond [`MOST`].
pub(super) const TOO_BIG: &str = "the ruleset is too big to follow";

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
    /// What it cost so far.
    spent: u64,
    /// What it may cost.
    pub(super) most: u64,
    /// Something it depends on is still to come: this way will be followed again.
    for_now: bool,
    /// The sets by name.
    pub(super) sets: HashMap<&'k SetId, &'k Set>,
    /// What lookups of keys in listed sets came to: the same for every rule that looks the same key up.
    pub(super) looked_up: HashMap<(&'k SetId, Vec<Byte>), Test>,
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
            spent: 0,
            most: MOST,
            for_now: false,
            sets: ruleset.sets.iter().map(|set| (&set.id, set)).collect(),
            looked_up: HashMap::new(),
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
            Missing::Open => {
                self.for_now = true;
                self.intern(&format!("{what} is still being read"), true)
            }
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

    /// Counts work besides that of trying rules, in elements or ranges gone through.
    pub(super) fn spend(&mut self, amount: usize) {
        self.spent = self.spent.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
    }

    /// Counts strands that come to a rule; why they are followed no further, where it is too much.
    pub(super) fn too_much(&mut self, strands: usize) -> Option<DoubtId> {
        let cost = u64::try_from(strands).unwrap_or(u64::MAX).saturating_mul(RULE);
        self.spent = self.spent.saturating_add(cost);
        if self.for_now && self.spent > self.most.min(FOR_NOW) {
            return Some(self.missing(&Missing::Open, "what the rules depend on"));
        }
        if self.spent > self.most {
            return Some(self.why(TOO_BIG));
        }
        let groups = self.done.len().saturating_add(strands) > GROUPS;
        groups.then(|| self.why("the rules tell too many groups of sources apart to follow them all"))
    }
}
