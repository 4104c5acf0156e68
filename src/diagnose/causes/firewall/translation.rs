//! Rules that send the connection elsewhere.

use std::net::SocketAddr;

use super::super::Found;
use super::common::{evidence_of, place_words, see_chain, take_away, text};
use super::forwarded::to_container;
use crate::diagnose::Scene;
use crate::diagnose::containers::at_address;
use crate::diagnose::verdict::{Advice, Evidence};
use crate::diagnose::ways::{Gets, gets, main_part};
use crate::facts::connect::{Dial, Outcome};
use crate::firewall::{Part, Place, Walk};

/// The connection is sent to where nobody answers.
pub(super) fn dead_end(scene: &Scene<'_, '_>) -> Option<Found> {
    let ways = scene.ways()?;
    let part = main_part(&ways.asked)?;
    let place = part.translated.as_ref()?;
    let Gets::Through { to, beyond } = gets(part, ways.packet.transport) else { return None };
    // A container that is there answers for itself, in its own box.
    if beyond && to_container(scene, part) && at_address(scene.look, to.ip())?.is_some() {
        return None;
    }
    let outcome = scene.outcome()?;
    if to == ways.packet.to || !matches!(outcome, Outcome::Refused | Outcome::Unreachable | Outcome::Timeout) {
        return None;
    }
    let there = if beyond {
        let dial = attempt(scene, &ways.here, to)?;
        Evidence::new("dial", format!("{to} {}", dial.outcome.word()), format!("nc -vz -w 3 {} {}", to.ip(), to.port()))
    } else {
        let listeners = scene.look.listeners(ways.packet.transport, to.port())?;
        if listeners.iter().any(|l| l.takes(to.ip())) {
            return None;
        }
        let kind = ways.packet.transport.word().get(..1).unwrap_or("t");
        let see = format!("ss -H -ln{kind} 'sport = :{}'", to.port());
        let silently = if part.resets { "" } else { ", and its reset to ::1 finds no way" };
        Evidence::new("sock_diag", format!("nothing listens on {to}{silently}"), see)
    };
    Some(told(scene, place, &there, &format!("sends it to {to}: {}", there.says)))
}

/// What an attempt from here got there: the one at the target itself, where it is sent to the same place. Where this
/// host's own rules stop it, that says nothing of what others get.
fn attempt<'a>(scene: &Scene<'a, '_>, here: &Walk, to: SocketAddr) -> Option<&'a Dial> {
    let transport = scene.subject.transport;
    let same = |part: &Part| matches!(gets(part, transport), Gets::Through { to: own, .. } if own == to);
    if main_part(here).is_some_and(same) {
        return scene.look.dialled(&scene.subject.endpoint()?);
    }
    let dial = scene.look.dialled(&scene.subject.endpoint_at(to.ip(), to.port()))?;
    scene.reaches(transport, to)?.then_some(dial)
}

fn told(scene: &Scene<'_, '_>, place: &Place, there: &Evidence, what: &str) -> Found {
    let summary = format!("{} {what}", text(scene, place));
    let found = Found::new(place_words(place), summary).seen(evidence_of(scene, place)).seen(there.clone());
    let see = see_chain(scene, &place.chain);
    let found = found.advise(Advice::new("make something listen there, or correct the rule's target", see, None));
    match take_away(scene, place) {
        Some(away) => found.advise(away),
        None => found,
    }
}
