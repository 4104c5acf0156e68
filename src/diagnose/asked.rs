//! What the asked side gets, where that is not this host itself: the rules tell whether it comes in, and the attempt from
//! here, or else who listens, what waits for it there.

use std::net::SocketAddr;

use super::containers::{Inside, asks_own_loopback, inside};
use super::dispute::rule_at_work;
use super::look::{Look, Missing};
use super::subject::{Asker, Subject};
use super::ways::{Filter, Gets, gets, main_part, rule_of, undecided};
use crate::facts::connect::{Dial, Outcome};
use crate::facts::socket::{Listener, Transport};
use crate::firewall::{Fate, Part, words};
use crate::target::From;

/// What the asked side gets, given what we got from here. None: cannot be told (yet).
pub(super) fn as_asked(
    filter: &Filter<'_, '_>,
    look: &Look<'_>,
    subject: &Subject,
    dial: &Dial,
    notes: &mut Vec<String>,
) -> Option<Outcome> {
    let here = dial.outcome;
    if subject.path.is_some() || look.case().from == From::Here {
        return Some(here);
    }
    // Who asks, where nobody said it, depends on whose address it is.
    let mine = look.addresses()?;
    if subject.from == Asker::Here || subject.local != Some(true) {
        return Some(here);
    }
    let (Some(address), Some(port)) = (subject.address(), subject.port) else { return Some(here) };
    if let Some(of) = asks_own_loopback(look, subject)? {
        let told = inside(look, of, subject.transport, port)?;
        notes.push(format!("{} here; inside container {} that is its own loopback", here.word(), of.1.name));
        let open = matches!(told, Inside::Listens(_) | Inside::Loopback(_));
        return Some(if open { Outcome::Open } else { Outcome::Refused });
    }
    let ways = filter.ways()?;
    let now = filter.as_limited_now(ways, dial);
    let ways = now.as_ref().unwrap_or(ways);
    let Some(asking) = main_part(&ways.asked) else {
        look.also_missing(&Missing { open: false, blind: undecided(&ways.asked).into_iter().collect() });
        return None;
    };
    match gets(asking, subject.transport) {
        Gets::Outcome(outcome) => {
            if outcome != here {
                notes.push(format!("{} from this host itself, whose packets do not meet that rule", here.word()));
            }
            Some(outcome)
        }
        Gets::Unknown { open: true, .. } => None,
        Gets::Unknown { why, open: false } => {
            // A refusal by this host's own TCP, where no socket takes the address, is one for everybody.
            let takes = look.listeners(subject.transport, port)?.iter().any(|l| l.takes(address));
            if here == Outcome::Refused && !takes && rule_at_work(dial).is_none() {
                return Some(here);
            }
            look.also_missing(&Missing { open: false, blind: vec![why] });
            None
        }
        Gets::Through { to, beyond } => {
            let waits = waiting(filter, look, subject, dial, &Comes { own: main_part(&ways.here), to, beyond })?;
            if beyond || to != ways.packet.to || !matches!(waits, Outcome::Open | Outcome::Refused) {
                return Some(waits);
            }
            let listeners = look.listeners(subject.transport, to.port())?;
            let Some(interface) = mine.all.iter().find(|a| a.address == address).map(|a| &a.interface) else {
                return Some(waits);
            };
            Some(at_device(waits, listeners.iter().filter(|l| l.takes(address)), interface, notes))
        }
    }
}

/// Why the rules do not tell what the asked side gets, where they were read. Where they may not be read, what this host
/// itself gets is all there is to go by.
pub(super) fn untold(filter: &Filter<'_, '_>, look: &Look<'_>, subject: &Subject) -> Option<String> {
    if subject.from == Asker::Here || subject.local != Some(true) {
        return None;
    }
    look.ruleset()?;
    let walk = &filter.ways()?.asked;
    let Some(part) = main_part(walk) else { return undecided(walk) };
    let Gets::Unknown { why, open: false } = gets(part, subject.transport) else { return None };
    let Fate::Unknown { by: Some(place), .. } = &part.fate else { return Some(why) };
    let rule = place.rule.and_then(|handle| rule_of(look, &place.chain, handle));
    let said = rule.map(|rule| format!(": {}", words::brief(&place.chain, rule, look.facts())));
    Some(why + &said.unwrap_or_default())
}

/// Does what this host itself gets say anything about others? Not where it cannot reach itself, or has no port to ask
/// from. None: not known (yet).
pub(super) fn tells_of_others(look: &Look<'_>, dial: &Dial) -> Option<bool> {
    if matches!(dial.outcome, Outcome::Timeout | Outcome::Silent) {
        return lo_is_down(look).map(|down| !down);
    }
    Some(dial.errno.as_deref() != Some("EADDRNOTAVAIL"))
}

/// lo is down, or has never been up: then it has no address. None: not known (yet).
pub(super) fn lo_is_down(look: &Look<'_>) -> Option<bool> {
    let mut own = look.addresses()?.all.iter().filter(|a| a.interface == "lo");
    Some(!own.any(|a| a.up))
}

/// Where a packet comes to.
#[derive(Clone, Copy)]
struct Comes<'a> {
    /// What becomes of this host's own.
    own: Option<&'a Part>,
    to: SocketAddr,
    /// That is beyond this host.
    beyond: bool,
}

/// What waits where the packet comes to. The attempt from here tells if it came to the same place; else who listens
/// there, or, beyond this host, an attempt of its own. None: cannot be told (yet).
fn waiting(
    filter: &Filter<'_, '_>,
    look: &Look<'_>,
    subject: &Subject,
    dial: &Dial,
    comes: &Comes<'_>,
) -> Option<Outcome> {
    let (Comes { own, to, beyond }, transport) = (*comes, subject.transport);
    let tells = tells_of_others(look, dial)?;
    match own.filter(|_| tells).map(|part| gets(part, transport)) {
        Some(Gets::Through { to: same, .. }) if same == to => return Some(dial.outcome),
        // Rules that could not be followed let it in all the same.
        Some(Gets::Unknown { open: false, .. }) if dial.outcome == Outcome::Open => return Some(dial.outcome),
        Some(Gets::Unknown { open: true, .. }) => return None,
        _ => {}
    }
    if beyond {
        let there = look.dial(&subject.endpoint_at(to.ip(), to.port()))?.outcome;
        if there == Outcome::Open || filter.reaches(transport, to)? {
            return Some(there);
        }
        let why = format!("this host's own rules stop what it sends to {to} itself, or the answers");
        look.also_missing(&Missing { open: false, blind: vec![why] });
        return None;
    }
    let takes = look.listeners(transport, to.port())?.iter().any(|l| l.takes(to.ip()));
    Some(match (transport, takes) {
        (Transport::Tcp, true) => Outcome::Open,
        (Transport::Udp, true) => Outcome::Silent,
        (_, false) => Outcome::Refused,
    })
}

/// Sockets bound to a device answer by where a packet comes in: our own come in on `lo`, those of others on the
/// interface that holds the address.
fn at_device<'a>(
    here: Outcome,
    taking: impl Iterator<Item = &'a Listener>,
    interface: &str,
    notes: &mut Vec<String>,
) -> Outcome {
    let devices: Option<Vec<&str>> = taking.map(|l| l.device.as_deref()).collect();
    let Some(devices) = devices.filter(|d| !d.is_empty()) else { return here };
    let bound = devices.join(", ");
    match (here, devices.contains(&interface)) {
        (Outcome::Open, false) => {
            notes.push(format!("answers here, but its socket is bound to {bound}; others come in on {interface}"));
            Outcome::Refused
        }
        (Outcome::Refused, true) => {
            notes.push(format!(
                "refused from this host itself, because its socket is bound to {bound}; others come in there"
            ));
            Outcome::Open
        }
        _ => here,
    }
}
