//! Lists of banned clients: fail2ban's, and those of others.

use super::super::Found;
use super::common::Blocked;
use crate::diagnose::Scene;
use crate::diagnose::verdict::{Advice, Evidence, arg};
use crate::facts::ruleset::SetId;
use crate::facts::ruleset::expr::Expr;
use crate::facts::ruleset::xt::{Match, Xt};
use crate::firewall::keeper::{self, Program};
use crate::firewall::{Client, see};
use crate::fixes::ban;

/// The rule is one of fail2ban's.
pub(super) fn by_fail2ban(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> bool {
    blocked.keeper(scene).program == Program::Fail2ban
}

/// fail2ban's finding.
pub(super) fn fail2ban(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Found {
    let by_set = || keeper::of_set(&set_of(scene, blocked)?)?.part;
    let named = blocked.keeper(scene).part.or_else(by_set);
    let jail = named.clone().unwrap_or_else(|| "?".to_owned());
    let who = blocked.who();
    let mut found =
        blocked.told(scene, format!("fail2ban's jail {jail} has banned {who}{}", until(scene, blocked, &jail)));
    let see = format!("fail2ban-client status {}", arg(&jail));
    found = found.seen(Evidence::new("fail2ban", format!("jail {jail} bans {who}"), see));
    found.advice.clear();
    if let (Client::Address(client), Some(jail)) = (blocked.packet.client, named) {
        found = found.fix(ban::unban(&jail, client));
    }
    found
}

/// When the ban ends, where that is known.
fn until(scene: &Scene<'_, '_>, blocked: &Blocked<'_>, jail: &str) -> String {
    let Client::Address(client) = blocked.packet.client else { return String::new() };
    let jails = scene.look.fail2ban().map(|f| f.jails.as_slice()).unwrap_or_default();
    let bans = jails.iter().find(|j| j.name == jail).map(|j| j.banned.as_slice()).unwrap_or_default();
    let end = bans.iter().find(|(address, _)| *address == client).and_then(|(_, end)| *end);
    end.and_then(clock).map(|time| format!(" until {time}")).unwrap_or_default()
}

/// A time as people write it, in UTC.
fn clock(at_ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
    Some(time.strftime("%F %T UTC").to_string())
}

/// The finding about another list; none where the rule looks at no list.
pub(super) fn other(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Option<Found> {
    let set = set_of(scene, blocked)?;
    let who = blocked.who();
    let mut found =
        blocked.told(scene, format!("{who} is in the list {}, which {} its members", set.name, blocked.verb()));
    let Client::Address(client) = blocked.packet.client else { return Some(found) };
    let ranges = scene.look.ruleset()?.set(&set).is_some_and(|set| set.interval);
    if ranges {
        // The client is in a network of the list; taking that out frees others, too.
        let says = format!("{client} is in {}", set.name);
        return Some(found.seen(Evidence::new("nftables", says, see::member(&set, &client.to_string()))));
    }
    found.advice.clear();
    let table = &set.table;
    let place = format!("{} {} {}", table.family.word(), arg(&table.name), arg(&set.name));
    let see = see::member(&set, &client.to_string());
    found = found.seen(Evidence::new("nftables", format!("{client} is in {}", set.name), see));
    let crowdsec = keeper::of_set(&set).is_some_and(|keeper| keeper.program == Program::Crowdsec);
    let advice = if crowdsec {
        let undo = format!("cscli decisions add --ip {client}");
        Advice::new("lift CrowdSec's decision", format!("cscli decisions delete --ip {client}"), Some(&undo))
    } else {
        let undo = format!("nft add element {place} '{{ {client} }}'");
        let does = "take it out of the list (whoever keeps the list may put it back)";
        Advice::new(does, format!("nft delete element {place} '{{ {client} }}'"), Some(&undo))
    };
    Some(found.advise(advice))
}

/// The named set of addresses that the rule looks the client up in.
fn set_of(scene: &Scene<'_, '_>, blocked: &Blocked<'_>) -> Option<SetId> {
    let rule = blocked.rule(scene)?;
    let name = rule.exprs.iter().find_map(|expr| match expr {
        Expr::Lookup { set, inverted: false, .. } if !set.starts_with("__") => Some(set),
        Expr::Xt(Xt::Match(Match::Set { name, source: true, inverted: false })) => Some(name),
        _ => None,
    })?;
    let id = SetId { table: blocked.place.chain.table.clone(), name: name.clone() };
    let addresses = scene.look.ruleset()?.set(&id).is_none_or(|set| matches!(set.key_len, 4 | 16));
    addresses.then_some(id)
}
