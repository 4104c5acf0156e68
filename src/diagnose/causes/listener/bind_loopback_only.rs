//! The daemon listens, but on loopback addresses only.

use super::super::{Cause, Found, Words};
use crate::diagnose::Scene;
use crate::diagnose::chart::BoxId;
use crate::diagnose::serving::owner_of_any;
use crate::diagnose::verdict::Evidence;
use crate::facts::connect::Outcome;

pub(crate) static CAUSE: Cause = Cause {
    id: "bind-loopback-only",
    in_box: BoxId::Listener,
    general: false,
    explains: &[Outcome::Refused],
    words: Words {
        title: "The service listens on loopback only",
        what: "The daemon is up and answers on 127.0.0.1 or ::1, but has no socket on the address clients use. Databases \
               and development servers ship like this on purpose.",
        see: "ss -H -ltn 'sport = :PORT'",
        fix: "bind the wanted address (or 0.0.0.0 and ::) in the daemon's configuration and restart it, or put a proxy \
              in front",
        undo: "restore the line and restart",
    },
    detect,
};

fn detect(scene: &Scene<'_, '_>) -> Option<Found> {
    let subject = scene.subject;
    let (address, port) = (subject.address()?, subject.port?);
    if subject.local != Some(true) || address.is_loopback() {
        return None;
    }
    let listeners = scene.look.listeners(subject.transport, port)?;
    if listeners.is_empty() || !listeners.iter().all(crate::facts::socket::Listener::loopback_only) {
        return None;
    }
    let (_, owner) = owner_of_any(scene.look, listeners)?;
    let rows: Vec<String> = listeners.iter().map(crate::facts::socket::Listener::shown).collect();
    let summary = format!("{} listens on loopback only ({}), not on {address}", owner.shown(), rows.join(", "));
    let see = format!("ss -H -ltn 'sport = :{port}'");
    Some(Found::new(owner.unit.clone().unwrap_or_else(|| owner.shown()), summary).seen(Evidence::new(
        "sock_diag",
        format!("LISTEN {}", rows.join(", ")),
        see,
    )))
}
