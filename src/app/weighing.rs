//! What a new answer changes: nothing, what is known, or what the target may do.

use std::collections::BTreeSet;

use super::chart::{Chart, Learned};
use super::rules::book::packets;
use crate::facts::container::{Engine, State};
use crate::facts::ruleset::{ChainId, ChainRules, Elements, LegacyTable, Policy, Rule, SetId};
use crate::facts::socket::Listener;
use crate::facts::{Fact, Reading};

impl Chart {
    /// Does a new answer differ from the old one in what decides whether the target answers?
    #[expect(clippy::too_many_lines, reason = "one line a fact")]
    pub(super) fn weigh(&self, fact: &Fact) -> Learned {
        let here = &self.case.here;
        let changed = match fact {
            Fact::Listeners(transport, port, new) => {
                let old = here.listeners.get(&(*transport, *port));
                let ours = self.diagnosis.subject.ports.contains(port);
                ours && differ(old, new, |all| all.iter().map(|l| (l.inode, l.address)).collect::<Vec<_>>())
            }
            // A dial to systemd's own socket starts the unit: that is no reason to dial again.
            Fact::Unit(name, new) => {
                !self.served_by_systemd()
                    && differ(here.units.get(name), new, |u| (u.active_state.clone(), u.load_state.clone()))
            }
            Fact::Addresses(new) => differ(Some(&here.addresses), new, Clone::clone),
            Fact::Name(name, new) => differ(here.names.get(name), new, |r| r.addresses.clone()),
            Fact::UnixSocket(name, new) => {
                let bound = |s: &crate::facts::socket::UnixSocket| {
                    (s.file.clone(), s.bound.iter().map(|b| (b.inode, b.listening)).collect::<Vec<_>>())
                };
                differ(here.unix_sockets.get(name), new, bound)
            }
            Fact::Ruleset(new) => differ(Some(&here.ruleset), new, |r| r.generation),
            Fact::ChainRules(chain, new) => differ(here.chains.get(chain), new, handles),
            Fact::Elements(set, new) => self.by_hand(set) && differ(here.elements.get(set), new, keys),
            Fact::Containers(new) => differ(Some(&here.containers), new, |engines| states(engines)),
            Fact::Links(new) => differ(Some(&here.links), new, Clone::clone),
            Fact::HostsAccess(new) => differ(Some(&here.hosts_access), new, Clone::clone),
            Fact::Route(key, new) => differ(here.routes.get(key), new, Clone::clone),
            Fact::Routing(new) => differ(Some(&here.routing), new, Clone::clone),
            Fact::Legacy(new) => differ(Some(&here.legacy), new, |tables| texts(tables)),
            Fact::Member(set, key, new) => {
                self.by_hand(set) && differ(here.members.get(&(set.clone(), key.clone())), new, |_| ())
            }
            Fact::Recent(..)
            | Fact::Neighbour(..)
            | Fact::Path(..)
            | Fact::Firewalld(_)
            | Fact::Ufw(_)
            | Fact::Fail2ban(_)
            | Fact::RuleFiles(_)
            | Fact::Container(..)
            | Fact::Watched(..)
            | Fact::Apparmor(..)
            | Fact::Selinux(..)
            | Fact::Denials(_)
            | Fact::Libwrap(..)
            | Fact::ClientName(..)
            | Fact::Exchange(..)
            | Fact::Limits(..)
            | Fact::Proxies(..)
            | Fact::Xinetd(_)
            | Fact::Host(_)
            | Fact::Dial(..)
            | Fact::AllListeners(_)
            | Fact::Owner(..)
            | Fact::Journal(..)
            | Fact::JournalEntry(..)
            | Fact::Happenings(_)
            | Fact::Claims(..)
            | Fact::Daemon(..)
            | Fact::OtherNetwork(..)
            | Fact::Sysctl(..)
            | Fact::FailedUnits(_) => false,
        };
        if changed { Learned::Change } else { Learned::Little }
    }

    /// Is this set changed by its owner only? One that rules put elements into may change with every attempt.
    fn by_hand(&self, set: &SetId) -> bool {
        self.case.here.ruleset.value().and_then(|ruleset| ruleset.set(set)).is_some_and(|set| !set.dynamic)
    }

    fn served_by_systemd(&self) -> bool {
        let owner = |l: &Listener| self.case.here.owners.get(&l.inode).and_then(Reading::value);
        self.listeners_of_target().iter().filter_map(owner).any(crate::facts::socket::Owner::is_systemd)
    }

    /// Does it bring the rules that were known, none of which decides and has counted anything since?
    pub(super) fn only_counted(&self, fact: &Fact) -> bool {
        let Fact::ChainRules(chain, Reading::Known(new)) = fact else { return false };
        let (old, new) = (self.case.here.chains.get(chain).and_then(Reading::value), &new.value);
        let Some(old) = old else { return false };
        let walks = self.diagnosis.ways.iter().flat_map(|ways| [&ways.asked, &ways.here]);
        let deciding: BTreeSet<u64> = walks
            .flat_map(|walk| &walk.parts)
            .filter_map(|part| part.fate.by().filter(|place| place.chain == *chain)?.rule)
            .collect();
        let at_rest = |(old, new): (&Rule, &Rule)| !deciding.contains(&new.handle) || packets(old) == packets(new);
        old.does_the_same(new) && old.rules.iter().zip(&new.rules).all(at_rest)
    }
}

/// What counts of containers: which there are, and what each does.
fn states(engines: &[Engine]) -> Vec<(String, State)> {
    let all = engines.iter().filter_map(|engine| engine.containers.value()).flatten();
    all.map(|container| (container.id.clone(), container.state)).collect()
}

/// Two known readings whose point differs.
fn differ<T, P: PartialEq>(old: Option<&Reading<T>>, new: &Reading<T>, point: impl Fn(&T) -> P) -> bool {
    let Some(old) = old.filter(|r| !r.is_open()) else { return false };
    old.value().map(&point) != new.value().map(&point)
}

/// Does it tell of rules?
pub(super) fn is_of_rules(fact: &Fact) -> bool {
    matches!(fact, Fact::Ruleset(_) | Fact::ChainRules(..) | Fact::Elements(..) | Fact::Member(..) | Fact::Legacy(_))
}

/// What tells one list of rules from another, whatever they have counted: a rule that is replaced gets a new handle.
fn handles(rules: &ChainRules) -> Vec<u64> {
    rules.rules.iter().map(|rule| rule.handle).collect()
}

/// The same for legacy tables: the words of their rules, and the policies.
fn texts(tables: &[LegacyTable]) -> Vec<(ChainId, Option<Policy>, Vec<Option<String>>)> {
    let chains = tables.iter().flat_map(|table| &table.chains);
    chains
        .map(|(chain, rules)| {
            let policy = chain.base.as_ref().map(|base| base.policy);
            (chain.id.clone(), policy, rules.iter().map(|rule| rule.text.clone()).collect())
        })
        .collect()
}

/// The keys of a set, in order.
fn keys(elements: &Elements) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut keys: Vec<_> = elements.elements.iter().map(|e| (e.from.clone(), e.to.clone())).collect();
    keys.sort();
    keys
}
