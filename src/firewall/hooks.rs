//! What a packet meets at a hook, in order.

use std::rc::Rc;

use super::Missing;
use super::walker::Walker;
use crate::facts::route::Link;
use crate::facts::ruleset::{Base, Chain, ChainKind, Family, Hook, Hooked, LegacyTable};

/// Something at a hook.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'k> {
    /// A base chain, of nftables or of a legacy table.
    Chain(&'k Chain, Option<&'k LegacyTable>),
    /// Connection tracking.
    Track,
    /// Address translation with the base chains of type nat.
    Translate,
    /// A program at an interface that sees packets before or after all rules.
    Program(&'k Link),
    /// A kernel function that is no rule, and not known to leave packets alone.
    Foreign(&'k str),
}

/// Priority of connection tracking, of the destination's and of the source's translation.
const TRACK: i32 = -200;
const DESTINATION: i32 = -100;
const SOURCE: i32 = 100;

/// Beginnings and parts of the names of kernel functions that let packets pass: what they do is handled elsewhere, or
/// touches no first packet.
const HARMLESS: [&str; 14] = [
    "defrag",
    "confirm",
    "conntrack",
    "selinux",
    "smack",
    "apparmor",
    "ip_vs",
    "synproxy",
    "flow_offload",
    "br_nf",
    "ipvlan",
    "nf_ct_",
    "helper",
    "ila_nf",
];

impl<'k> Walker<'k> {
    /// The same, looked up once.
    pub(super) fn items_once(&mut self, hook: Hook, device: Option<Rc<str>>) -> Result<Rc<[Item<'k>]>, Missing> {
        if let Some(items) = self.items.get(&(hook, device.clone())) {
            return Ok(Rc::clone(items));
        }
        let items: Rc<[Item<'k>]> = self.items(hook, device.as_deref())?.into();
        self.items.insert((hook, device), Rc::clone(&items));
        Ok(items)
    }

    /// What a packet meets at a hook, in order.
    fn items(&self, hook: Hook, device: Option<&str>) -> Result<Vec<Item<'k>>, Missing> {
        if matches!(hook, Hook::Ingress | Hook::Egress) {
            return Ok(self.at_device(hook, device));
        }
        let ruleset = self.ruleset;
        let mut items = match &ruleset.hooks {
            Some(hooks) => self.as_listed(hooks, hook)?,
            None => self.by_priority(hook)?,
        };
        // Nothing of a type other than nat runs within the translation.
        items.dedup_by(|a, b| matches!((a, b), (Item::Translate, Item::Translate)));
        Ok(items)
    }

    fn family(&self) -> Family {
        if self.v6 { Family::Ip6 } else { Family::Ip }
    }

    /// In the order the kernel lists.
    fn as_listed(&self, hooks: &'k [Hooked], hook: Hook) -> Result<Vec<Item<'k>>, Missing> {
        let family = self.family();
        let mut items = Vec::new();
        for hooked in hooks.iter().filter(|h| h.family == family && h.hook == hook) {
            let name = hooked.function.as_str();
            if let Some(chain) = self.chain_of(hooked) {
                if !self.dormant(chain) && kind(chain) != Some(ChainKind::Nat) {
                    items.push(Item::Chain(chain, None));
                }
            } else if name.starts_with("ipt_do") || name.starts_with("ip6t_do") || name.contains("table_mangle") {
                let at = |(chain, _): &&(Chain, _)| {
                    base(chain).is_some_and(|b| b.hook == hook && b.priority == hooked.priority)
                };
                let tables = self.known.legacy()?.iter().filter(|table| table.id.family == family);
                let found =
                    tables.flat_map(|table| table.chains.iter().filter(at).map(move |(chain, _)| (chain, table)));
                items.extend(found.map(|(chain, table)| Item::Chain(chain, Some(table))));
            } else if name.contains("nf_nat") || name.contains("_nat_") {
                items.push(Item::Translate);
            } else if name.contains("conntrack_in") || name.contains("conntrack_local") {
                items.push(Item::Track);
            } else if !HARMLESS.iter().any(|part| name.contains(part)) {
                items.push(Item::Foreign(name));
            }
        }
        Ok(items)
    }

    /// The base chain behind a hook.
    fn chain_of(&self, hooked: &Hooked) -> Option<&'k Chain> {
        let ruleset = self.ruleset;
        if let Some(id) = &hooked.chain {
            return ruleset.chain(id);
        }
        if !hooked.function.starts_with("nft_do_chain") {
            return None;
        }
        let here = |b: &Base| b.hook == hooked.hook && b.priority == hooked.priority;
        ruleset.chains.iter().find(|chain| base(chain).is_some_and(here) && self.applies(chain))
    }

    /// Without the kernel's list: lower priorities first, and of equal ones the one made later.
    fn by_priority(&self, hook: Hook) -> Result<Vec<Item<'k>>, Missing> {
        let mut sorted: Vec<(i32, i64, Item<'k>)> = Vec::new();
        for (number, chain) in (0i64..).zip(&self.ruleset.chains) {
            let Some(base) = base(chain).filter(|b| b.hook == hook && b.kind != ChainKind::Nat) else { continue };
            if self.applies(chain) {
                sorted.push((base.priority, -number, Item::Chain(chain, None)));
            }
        }
        for table in self.known.legacy()?.iter().filter(|table| table.id.family == self.family()) {
            for (chain, _) in &table.chains {
                if let Some(base) = base(chain).filter(|b| b.hook == hook && b.kind != ChainKind::Nat) {
                    sorted.push((base.priority, 1, Item::Chain(chain, Some(table))));
                }
            }
        }
        if matches!(hook, Hook::Prerouting | Hook::Output) {
            sorted.push((TRACK, i64::MIN, Item::Track));
        }
        if let Some(priority) = translation(hook) {
            sorted.push((priority, 2, Item::Translate));
        }
        sorted.sort_by_key(|(priority, number, _)| (*priority, *number));
        Ok(sorted.into_iter().map(|(_, _, item)| item).collect())
    }

    /// The base chains of type nat at a hook, in order.
    pub(super) fn nat_chains(&self, hook: Hook) -> Result<Vec<Item<'k>>, Missing> {
        let mut sorted: Vec<(i32, i64, Item<'k>)> = Vec::new();
        for (number, chain) in (0i64..).zip(&self.ruleset.chains) {
            let Some(base) = base(chain).filter(|b| b.hook == hook && b.kind == ChainKind::Nat) else { continue };
            if self.applies(chain) {
                sorted.push((base.priority, -number, Item::Chain(chain, None)));
            }
        }
        let listed = self.ruleset.hooks.is_some();
        match self.known.legacy() {
            Ok(tables) => {
                let mine = tables.iter().filter(|table| table.id.family == self.family());
                for (chain, table) in mine.flat_map(|table| table.chains.iter().map(move |(chain, _)| (chain, table))) {
                    let base = base(chain).filter(|b| b.hook == hook && b.kind == ChainKind::Nat);
                    sorted.extend(base.map(|base| (base.priority, 1, Item::Chain(chain, Some(table)))));
                }
            }
            // The translation the kernel lists is nftables' own.
            Err(Missing::Blind(_)) if listed && self.translates() => {}
            Err(missing) => return Err(missing),
        }
        sorted.sort_by_key(|(priority, number, _)| (*priority, *number));
        Ok(sorted.into_iter().map(|(_, _, item)| item).collect())
    }

    /// Does nftables itself translate, at any hook? All hooks of a family get the translation at once.
    fn translates(&self) -> bool {
        self.ruleset.chains.iter().any(|chain| kind(chain) == Some(ChainKind::Nat) && self.applies(chain))
    }

    /// Ingress or egress of a device.
    pub(super) fn at_device(&self, hook: Hook, device: Option<&str>) -> Vec<Item<'k>> {
        let Some(device) = device else { return Vec::new() };
        let ruleset = self.ruleset;
        let mut sorted: Vec<(i32, i64, Item<'k>)> = Vec::new();
        for (number, chain) in (0i64..).zip(&ruleset.chains) {
            let on = |b: &&Base| b.hook == hook && b.devices.iter().any(|d| d == device);
            let Some(base) = base(chain).filter(on) else { continue };
            if matches!(chain.id.table.family, Family::Netdev | Family::Inet) && !self.dormant(chain) {
                sorted.push((base.priority, -number, Item::Chain(chain, None)));
            }
        }
        for hooked in ruleset.hooks.iter().flatten() {
            let here =
                hooked.family == Family::Netdev && hooked.hook == hook && hooked.device.as_deref() == Some(device);
            let name = hooked.function.as_str();
            let ours = name.starts_with("nft_do_chain") || HARMLESS.iter().any(|part| name.contains(part));
            if here && !ours {
                sorted.push((hooked.priority, 1, Item::Foreign(name)));
            }
        }
        let first = if hook == Hook::Ingress { i32::MIN } else { i32::MAX };
        sorted.extend(self.program(device).map(|link| (first, i64::MIN, Item::Program(link))));
        sorted.sort_by_key(|(priority, number, _)| (*priority, *number));
        sorted.into_iter().map(|(_, _, item)| item).collect()
    }

    /// Does a chain see packets of this family?
    fn applies(&self, chain: &Chain) -> bool {
        let family = chain.id.table.family;
        (family == Family::Inet || family == self.family()) && !self.dormant(chain)
    }

    pub(super) fn dormant(&self, chain: &Chain) -> bool {
        self.ruleset.table(&chain.id.table).is_some_and(|table| table.dormant)
    }
}

fn base(chain: &Chain) -> Option<&Base> {
    chain.base.as_ref()
}

fn kind(chain: &Chain) -> Option<ChainKind> {
    base(chain).map(|b| b.kind)
}

fn translation(hook: Hook) -> Option<i32> {
    match hook {
        Hook::Prerouting | Hook::Output => Some(DESTINATION),
        Hook::Postrouting | Hook::Input => Some(SOURCE),
        Hook::Forward | Hook::Ingress | Hook::Egress => None,
    }
}
